"""The practice of which the proof `reassign` is about: who leaves, who receives, whom they see, and what surrounds them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle import CareCircle, acting_as, directory
from carecircle.actor import Actor
from carecircle.assignments.rules import DEFAULT_SCOPE
from carecircle.assignments.tables import PatientAssignment
from carecircle.audit.entry import Entry, append
from carecircle.care_teams.service import add_member, add_patient, create_team
from carecircle.coverage.tables import CoverageArrangement
from carecircle.database.facts import Fact
from carecircle.database.session import instant, transaction
from carecircle.directory.tables import Patient, ProviderCredential
from carecircle.identifiers import new_id, new_ids
from carecircle.referrals.tables import Referral
from carecircle.staffing.panel_service import set_capacity

PANEL, REFERRED, ABSENT = 2310, 150, 40
CAPS = (300, 350, 400, 550, 600, 500)
CAPACITIES: tuple[int | None, ...] = (500, 500, 600, None, None, None)
BEFORE_IN_PANEL = 120
SPECIALISTS, SPECIALTY = slice(3, 5), "207RC0000X"
SLUG, ACTOR = "proof", "service:proof"
YEAR = timedelta(days=365)
Lists = dict[UUID, tuple[tuple[Any, ...], ...]]


@dataclass(frozen=True)
class Practice:
    """One organization: who leaves, who receives, the leaver's panel; patients referred to the leaver as a specialist.

    The leaver stands in for a colleague who is away, whose patients are `absent`; `deputy` stands in for the leaver.
    """

    circle: CareCircle
    organization: UUID
    leaver: UUID
    receivers: tuple[UUID, ...]
    deputy: UUID
    panel: tuple[UUID, ...]
    referred: tuple[UUID, ...]
    absent: tuple[UUID, ...]

    @property
    def specialists(self) -> tuple[UUID, ...]:
        return self.receivers[SPECIALISTS]

    async def sees(self, as_of: datetime | None = None, believed_at: datetime | None = None) -> Lists:
        """What list_patients tells everybody involved: patients, bases, ends."""
        told = {}
        for provider in (self.leaver, *self.receivers, self.deputy):
            listed = await self.circle.access.list_patients(
                provider, organization=self.organization, actor=ACTOR, as_of=as_of, believed_at=believed_at
            )
            told[provider] = tuple((row.id, row.bases, row.ends_at) for row in listed.rows)
        return told

    async def around(self) -> list[tuple[Any, ...]]:
        """Every referral and arrangement that is believed, without the ids of their rows."""
        async with self.change() as db:
            rows = await db.execute(
                text("""
                    select lineage_id, provider_id, referring_provider_id, starts_at::text, ends_at::text
                    from carecircle.referrals where superseded_at = 'infinity'
                    union all
                    select lineage_id, covering_provider_id, covered_provider_id, starts_at::text, duty_ends_at::text
                    from carecircle.coverage_arrangements where superseded_at = 'infinity'
                    order by 1, 2""")
            )
            return [tuple(row) for row in rows]

    def change(self) -> Any:
        return transaction(self.circle.engine, self.organization)


async def make_practice(circle: CareCircle) -> Practice:
    """A leaver with 2,310 patients since last year, six receivers with panels of their own, a team of three of them."""
    async with transaction(circle.engine) as db:
        organization = await directory.register_organization(db, slug=SLUG, name="Proof", actor=ACTOR)
    with acting_as(organization=organization, actor=ACTOR):
        async with transaction(circle.engine, organization) as db:
            leaver, deputy, away, *receivers = [await directory.register_provider(db) for _ in range(3 + len(CAPS))]
            panel = await _patients_of(db, organization, leaver, PANEL)
            absent = await _patients_of(db, organization, away, ABSENT)
            for receiver, capacity in zip(receivers, CAPACITIES, strict=True):
                await _patients_of(db, organization, receiver, BEFORE_IN_PANEL)
                if capacity is not None:
                    await set_capacity(db, provider=receiver, capacity=capacity)
            team = await create_team(db, name="Ward")
            for member in (leaver, *receivers[:2]):
                await add_member(db, care_team_id=team, provider=member, member_role="nurse")
            own = await create_team(db, name="Clinic")
            await add_member(db, care_team_id=own, provider=leaver, member_role="attending")
            for number, patient in enumerate(panel[:200]):
                await add_patient(db, care_team_id=team if number % 2 else own, patient=patient)
            for one in (leaver, *receivers[SPECIALISTS]):
                credential = {"provider_id": one, "kind": "specialty", "code": SPECIALTY}
                await _record(db, organization, ProviderCredential, [credential])
            for covering, covered in ((leaver, away), (deputy, leaver)):
                await _stand_in(db, organization, covering, covered)
            referred = await _referred_to(db, organization, leaver, by=away)
    return Practice(
        circle, organization, leaver, tuple(receivers), deputy, tuple(panel), tuple(referred), tuple(absent)
    )  # fmt: skip


async def _patients_of(db: AsyncSession, organization: UUID, provider: UUID, count: int) -> list[UUID]:
    """So many new patients whose primary this provider has been for a year, under one entry."""
    patients = await _patients(db, organization, count)
    scope = list(DEFAULT_SCOPE["primary"])
    said = {"provider_id": provider, "assignment_type": "primary", "scope": scope}
    await _record(db, organization, PatientAssignment, [{"patient_id": one, **said} for one in patients])
    return patients


async def _referred_to(db: AsyncSession, organization: UUID, provider: UUID, *, by: UUID) -> list[UUID]:
    """Patients referred to this provider, and what they hold by it: only with the specialty, and with the referral."""
    patients = await _patients(db, organization, REFERRED)
    ends = {"ends_at": await instant(db) + YEAR}
    sent = {"provider_id": provider, "referring_provider_id": by, "specialty_code": SPECIALTY, **ends}
    made = await _record(db, organization, Referral, [{"patient_id": one, **sent} for one in patients])
    held = {
        "provider_id": provider, "assignment_type": "consulting", "scope": list(DEFAULT_SCOPE["consulting"]),
        "rests_on": [SPECIALTY], **ends,
    }  # fmt: skip
    rows = [{"patient_id": one, "referral_id": by, **held} for one, by in zip(patients, made, strict=True)]
    await _record(db, organization, PatientAssignment, rows)
    return patients


async def _stand_in(db: AsyncSession, organization: UUID, covering: UUID, covered: UUID) -> None:
    ends = await instant(db) + timedelta(days=30)
    arranged = {
        "arrangement_id": new_id(), "covering_provider_id": covering, "covered_provider_id": covered,
        "coverage_type": "full", "scope": ["read", "write"], "duty_ends_at": ends, "ends_at": ends + timedelta(hours=1),
    }  # fmt: skip
    await _record(db, organization, CoverageArrangement, [arranged])


async def _patients(db: AsyncSession, organization: UUID, count: int) -> list[UUID]:
    patients = new_ids(count)
    await db.execute(insert(Patient), [{"organization_id": organization, "id": one} for one in patients])
    return patients


async def _record(db: AsyncSession, organization: UUID, table: type[Fact], said: list[dict[str, Any]]) -> list[UUID]:
    """Facts that have held for a year, under one entry; their ids."""
    now, rows = await instant(db), new_ids(len(said))
    entry = Entry(organization, "change", Actor(ACTOR), "practice-made")
    await append(db, entry)
    clocks = {"organization_id": organization, "starts_at": now - YEAR, "recorded_at": now, "entry_id": entry.id}
    await db.execute(
        insert(table), [{"id": row, "lineage_id": row, **clocks, **one} for row, one in zip(rows, said, strict=True)]
    )
    return rows
