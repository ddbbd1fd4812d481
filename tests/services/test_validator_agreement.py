"""Over random situations: what the validator says beforehand is what happens when the assignment is then made."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.actor import Actor
from carecircle.assignments.service import add_assignment, assign_primary, primary_of
from carecircle.audit.entry import Entry, append
from carecircle.care_teams.service import add_member
from carecircle.care_teams.team_service import close_team, create_team
from carecircle.database.session import instant
from carecircle.directory.credential_service import add_credential
from carecircle.directory.policy_service import set_policy
from carecircle.errors import CareCircleError, Conflict, RulesViolated
from carecircle.identifiers import new_id
from carecircle.period import FOREVER
from carecircle.referrals.tables import Referral
from carecircle.restrictions.service import object_to, suspend
from carecircle.services.validator import AssignmentValidator
from carecircle.staffing.specialist_service import assign_specialist
from tests.conftest import Hospital

T = TypeVar("T")
DAY = timedelta(days=1)
CARDIOLOGY = "207RC0000X"
ROLES = ("attending", "resident", "nurse", "specialist", "member")
SITUATIONS = 100

POLICIES: dict[str, dict[str, Any]] = {
    "by default": {},
    "strict": {
        "assignment_credentials": {"primary": ["licence"], "consulting": ["licence"]},
        "role_credentials": {"nurse": ["licence"], "specialist": [CARDIOLOGY]},
        "largest_team": 2,
        "roles_held_once": ["attending", "nurse"],
        "conflicting_roles": [["attending", "resident"], ["nurse", "specialist"]],
        "longest_specialist_days": 12,
    },
    "lenient": {"referral_from_primary": False, "conflicting_roles": [], "longest_specialist_days": 3650},
}


@dataclass
class Dice:
    """A seeded source of facts around `now`, all far enough from it that running the test changes none.

    When `calm`, what is likely happens and what is not seldom does: most rules are then broken alone, or not at all.
    """

    chance: random.Random
    now: datetime
    calm: bool

    def period(self) -> tuple[datetime, datetime]:
        present, other = [(-20, 10), (-20, None)], [(-20, -10), (5, 30), (5, None)]
        start, end = self.chance.choice(present if self.often(0.7) else other)
        return self.now + start * DAY, FOREVER if end is None else self.now + end * DAY

    def during(self) -> dict[str, datetime]:
        starts_at, ends_at = self.period()
        return {"starts_at": starts_at, "ends_at": ends_at}

    def often(self, probability: float) -> bool:
        rolled = self.chance.random()
        return (probability > 0.5) != (rolled < 0.06) if self.calm else rolled < probability

    def one_of(self, usual: T, *others: T) -> T:
        return usual if self.calm and self.often(0.9) else self.chance.choice([usual, *others])


@asynccontextmanager
async def undone(db: AsyncSession) -> AsyncIterator[None]:
    """What happens inside never happened."""
    before = await db.begin_nested()
    try:
        yield
    finally:
        await before.rollback()
        db.expunge_all()


async def outcome(db: AsyncSession, change: Awaitable[Any]) -> set[str]:
    """The codes with which a change is refused; none when it is made. It is undone at once."""
    async with undone(db):
        try:
            await change
        except RulesViolated as refusal:
            return {one.code for one in refusal.violations}
        except CareCircleError as refusal:
            return {refusal.code}
        return set()


@dataclass
class Stage:
    """Three providers, a patient and two teams of one organization; each situation is played in a transaction of its own."""

    db: AsyncSession
    dice: Dice
    by: dict[str, Any]
    patient: UUID
    providers: Sequence[UUID]
    team: UUID
    elsewhere: UUID

    async def attempt(self, change: Callable[..., Awaitable[Any]], **said: Any) -> None:
        """A fact, unless it contradicts one there is."""
        try:
            await change(self.db, **said, **self.by)
        except (Conflict, RulesViolated):
            return

    async def set_up(self) -> list[UUID]:
        """Draw a situation. Returns the referrals' ids."""
        await self.certify()
        dice, chance = self.dice, self.dice.chance
        for _ in range(dice.one_of(1, 0, 1, 2)):
            await self.attempt(
                add_assignment, patient=self.patient, provider=chance.choice(self.providers),
                assignment_type="primary", **dice.during(),
            )  # fmt: skip
        for provider in self.providers:
            for team in (self.team, self.elsewhere):
                if dice.often(0.25):
                    await self.attempt(
                        add_member, care_team_id=team, provider=provider, member_role=chance.choice(ROLES),
                        **dice.during(),
                    )  # fmt: skip
            if dice.often(0.1):
                await self.attempt(suspend, provider=provider, **dice.during())
            if dice.often(0.1):
                await self.attempt(object_to, patient=self.patient, provider=provider, **dice.during())
        if dice.often(0.1):
            await self.attempt(close_team, care_team_id=self.team)
        return [await self.referral() for _ in range(dice.one_of(1, 0, 1, 2))]

    async def certify(self) -> None:
        for provider in self.providers:
            for kind, code, probability in (
                ("licence", "L", 0.6),
                ("licence", "M", 0.3),
                ("specialty", CARDIOLOGY, 0.8),
            ):
                if self.dice.often(probability):
                    await self.attempt(add_credential, provider=provider, kind=kind, code=code, **self.dice.during())

    async def referral(self) -> UUID:
        """A referral as an import could bring it: from whomever, to whomever."""
        tenant, chance = self.by["organization"], self.dice.chance
        holder = await primary_of(self.db, patient=self.patient, organization=tenant)
        referring = holder.provider_id if holder and self.dice.often(0.85) else chance.choice(self.providers)
        performer = self.dice.one_of(None, None, *(one for one in self.providers if one != referring))
        starts_at, ends_at = self.dice.period()
        entry = Entry(tenant, "import", Actor("test"), "imported", patient_id=self.patient)
        await append(self.db, entry)
        row_id = new_id()
        self.db.add(
            Referral(
                organization_id=tenant, id=row_id, lineage_id=row_id, patient_id=self.patient,
                referring_provider_id=referring, provider_id=performer,
                specialty_code=self.dice.one_of(CARDIOLOGY, CARDIOLOGY, "207Q00000X"),
                starts_at=starts_at, ends_at=min(ends_at, self.dice.now + 40 * DAY),
                recorded_at=await instant(self.db), entry_id=entry.id,
            )
        )  # fmt: skip
        await self.db.flush()
        return row_id

    async def play(self, counted: Counter[tuple[str, bool]]) -> None:
        referrals = await self.set_up()
        chance, db, by, provider = self.dice.chance, self.db, self.by, self.dice.chance.choice(self.providers)
        tenant = by["organization"]
        rests_on: list[str] | None = chance.choice([None, []])  # naming nothing spares nobody what the policy asks
        known = await AssignmentValidator.load(
            db, patients=[self.patient], providers=self.providers, teams=[self.team], organization=tenant
        )

        holder = await primary_of(db, patient=self.patient, organization=tenant)
        if holder is None or holder.provider_id != provider:
            valid = known.validate_primary_assignment(self.patient, provider)
            said = await AssignmentValidator.violations_primary_assignment(
                db, self.patient, provider, organization=tenant
            )
            codes = {one.code for one in said}
            assert valid == (not codes)
            happened = await outcome(
                db, assign_primary(db, patient=self.patient, provider=provider, rests_on=rests_on, **by)
            )
            # Assigning hands over; valid is only what takes nobody's place.
            takes_a_place = {"primary-already-assigned"} if holder is not None else set()
            # A planned turn of one's own is in one's own way: the constraint has one name for both.
            if "conflicting-assignment" in codes:
                codes = codes - {"conflicting-assignment"} | {"primary-already-assigned"}
            assert valid == (not happened and not takes_a_place)
            assert happened | takes_a_place <= codes
            counted["primary", valid] += 1

        ends_at = chance.choice([None, None, self.dice.now + 3 * DAY, self.dice.now + 15 * DAY])
        which: dict[str, Any] = {"ends_at": ends_at, "referral_id": chance.choice([None, None, None, *referrals])}
        valid = known.validate_specialist_assignment(self.patient, provider, CARDIOLOGY, **which)
        said = await AssignmentValidator.violations_specialist_assignment(
            db, self.patient, provider, CARDIOLOGY, organization=tenant, **which
        )
        happened = await outcome(
            db, assign_specialist(db, patient=self.patient, provider=provider, specialty=CARDIOLOGY, **which, **by)
        )
        assert (valid, happened) == (not said, {one.code for one in said})
        counted["specialist", valid] += 1

        role = chance.choice(ROLES)
        valid = known.validate_care_team_membership(self.team, provider, role)
        said = await AssignmentValidator.violations_care_team_membership(
            db, self.team, provider, role, organization=tenant
        )
        happened = await outcome(
            db,
            add_member(db, care_team_id=self.team, provider=provider, member_role=role, rests_on=rests_on, **by),
        )
        codes = {one.code for one in said}
        assert valid == (not codes)
        assert valid == (not happened)
        assert happened <= codes
        counted["membership", valid] += 1


@pytest.mark.parametrize("policy", POLICIES)
def test_what_is_valid_is_what_can_be_done(in_hospital: Any, policy: str) -> None:
    async def body(hospital: Hospital) -> None:
        counted: Counter[tuple[str, bool]] = Counter()
        patient, providers = await hospital.patient(), [await hospital.provider() for _ in range(3)]
        by: dict[str, Any] = {"organization": hospital.organization, "actor": "test"}
        async with hospital.change() as db:
            await set_policy(db, document=POLICIES[policy], **by)
            teams = [await create_team(db, name="Ward", **by) for _ in range(2)]
        async with hospital.change() as db:
            now = await instant(db)
            for seed in range(SITUATIONS):
                stage = Stage(db, Dice(random.Random(seed), now, calm=seed % 2 == 0), by, patient, providers, *teams)
                async with undone(db):
                    try:
                        await stage.play(counted)
                    except AssertionError as difference:
                        difference.add_note(f"in the situation of seed {seed}")
                        raise
        for question in ("primary", "specialist", "membership"):
            for answer in (True, False):
                assert counted[question, answer] >= SITUATIONS // 20, (question, answer, counted)

    in_hospital(body)
