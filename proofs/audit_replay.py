"""Answers given while facts change under them, each asked again afterwards: what is checked by `./dev prove audit`.

Writers change one small circle in transactions that stay open for a while, some of which roll back, while askers check
and list, at this and other instants, knowing this and that. Every answer must be given again from its entry. The control
asks by the clocks alone: it must get some wrong, or nothing was ever open at the right moment.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from carecircle import CareCircle, acting_as, directory
from carecircle.access.replay_service import replayed
from carecircle.assignments.service import add_assignment, assign_primary, end_assignments
from carecircle.care_teams.service import add_member, add_patient, create_team, end_membership, end_patient
from carecircle.coverage.service import arrange_coverage
from carecircle.database.session import instant, transaction
from carecircle.directory.policy_service import set_policy
from carecircle.errors import CareCircleError
from carecircle.identifiers import new_id
from carecircle.restrictions.service import label, lift_objection, object_to, unlabel

PEOPLE = 4
WRITERS = 4
ASKERS = 3
LONGEST_OPEN = 0.03
ROLLED_BACK = 0.1
ACTIONS = ("read", "read", "read", "write", "order", "transport", "fly")

Change = Callable[[AsyncSession], Awaitable[object]]


@dataclass
class Replays:
    """How many answers were asked again, those that differed (entry and in what), and how many the clocks got wrong."""

    answers: int = 0
    allowed: int = 0
    differing: list[str] = field(default_factory=list)
    by_clocks: int = 0


class _RolledBack(Exception):
    """A writer who changed their mind."""


@dataclass
class _Ground:
    circle: CareCircle
    organization: UUID
    chance: random.Random
    providers: list[UUID]
    patients: list[UUID]
    team: UUID
    waiting: list[tuple[str, UUID]] = field(default_factory=list)
    """People whose registration is open, or was."""
    answered: list[UUID] = field(default_factory=list)
    done: bool = False

    @property
    def by(self) -> dict[str, Any]:
        return {"organization": self.organization, "actor": "service:replay"}


async def replays(circle: CareCircle, organization: UUID, *, answers: int, seed: int) -> Replays:
    """Give that many answers in an organization during changes of everything, and ask each again. Drawn from `seed`."""
    ground = await _made(circle, organization, random.Random(seed))
    writers = [asyncio.create_task(_write(ground)) for _ in range(WRITERS)]
    await asyncio.gather(*(_ask(ground, answers) for _ in range(ASKERS)))
    ground.done = True
    await asyncio.gather(*writers)
    found = Replays()
    for entry_id in ground.answered:
        one = await _again(ground, entry_id)
        found.answers += 1
        found.allowed += bool(one.entry.allowed)
        if not one.same:
            found.differing.append(f"{entry_id}: {'; '.join(map(str, one.differences))}")
        found.by_clocks += not (await _again(ground, entry_id, knowing="clocks")).same
    return found


async def _again(ground: _Ground, entry_id: UUID, **how: Any) -> Any:
    circle = ground.circle
    return await replayed(
        circle.access,
        app=circle.engine,
        auditor=circle.auditor,
        organization=ground.organization,
        entry_id=entry_id,
        **how,
    )


async def _made(circle: CareCircle, organization: UUID, chance: random.Random) -> _Ground:
    said: dict[str, Any] = {"organization_id": organization, "actor": "service:replay"}
    async with transaction(circle.engine, organization) as db:
        providers: list[UUID] = [
            await directory.register_provider(db, provider_id=new_id(), **said) for _ in range(PEOPLE)
        ]
        patients: list[UUID] = [
            await directory.register_patient(db, patient_id=new_id(), **said) for _ in range(PEOPLE)
        ]
        team = await create_team(db, name="Team", organization=organization, actor="service:replay")
    return _Ground(circle, organization, chance, providers, patients, team)


async def _write(ground: _Ground) -> None:
    """Changes, each in a transaction that stays open for a moment, until the answers are given."""
    chance = ground.chance
    while not ground.done:
        # What a change meets may refuse it: there is a primary already, nothing is left to end.
        with suppress(CareCircleError, _RolledBack):
            async with transaction(ground.circle.engine, ground.organization) as db:
                await _change(ground)(db)
                await asyncio.sleep(chance.random() * LONGEST_OPEN)
                if chance.random() < ROLLED_BACK:
                    raise _RolledBack
        await asyncio.sleep(chance.random() * LONGEST_OPEN / 3)


def _change(ground: _Ground) -> Change:
    chance, by = ground.chance, ground.by
    provider, other = chance.sample(ground.providers, 2)
    patient, team = chance.choice(ground.patients), ground.team

    async def cover(db: AsyncSession) -> object:
        now = await instant(db)
        until = now + timedelta(seconds=chance.random())
        return await arrange_coverage(db, covered=provider, covering=other, starts_at=now, ends_at=until, **by)

    async def register(db: AsyncSession) -> object:
        someone = new_id()
        said: dict[str, Any] = {"organization_id": ground.organization, "actor": "service:replay"}
        if chance.random() < 0.5:
            ground.waiting.append(("patient", someone))
            return await directory.register_patient(db, patient_id=someone, **said)
        ground.waiting.append(("provider", someone))
        return await directory.register_provider(db, provider_id=someone, **said)

    async def backdate(db: AsyncSession) -> object:
        now = await instant(db)
        ends = now + timedelta(seconds=chance.random())
        return await add_assignment(
            db, patient=patient, provider=provider, starts_at=now - timedelta(hours=1), ends_at=ends, **by
        )

    changes: list[Change] = [
        lambda db: assign_primary(db, patient=patient, provider=provider, **by),
        lambda db: end_assignments(db, patient=patient, provider=provider, **by),
        lambda db: add_member(db, care_team_id=team, provider=provider, **by),
        lambda db: end_membership(db, care_team_id=team, provider=provider, **by),
        lambda db: add_patient(db, care_team_id=team, patient=patient, **by),
        lambda db: end_patient(db, care_team_id=team, patient=patient, **by),
        lambda db: object_to(db, patient=patient, provider=provider, **by),
        lambda db: lift_objection(db, patient=patient, provider=provider, **by),
        lambda db: label(db, patient=patient, label="PSY", **by),
        lambda db: unlabel(db, patient=patient, label="PSY", **by),
        lambda db: set_policy(db, document=chance.choice([{}, {"actions": ["transport"]}]), **by),
        backdate, backdate, cover, register, register,
    ]  # fmt: skip
    return chance.choice(changes)


async def _ask(ground: _Ground, answers: int) -> None:
    chance, access = ground.chance, ground.circle.access
    with acting_as(organization=ground.organization, actor="service:replay"):
        while len(ground.answered) < answers:
            provider, patient = chance.choice(ground.providers), chance.choice(ground.patients)
            if ground.waiting and chance.random() < 0.2:
                kind, someone = chance.choice(ground.waiting[-3:])
                provider, patient = (someone, patient) if kind == "provider" else (provider, someone)
            action, said = chance.choice(ACTIONS), await _circumstances(ground)
            match chance.randrange(6):
                case 0:
                    answer: Any = await access.list_patients(provider, action, **said)
                case 1:
                    answer = await access.list_providers(patient, action, **said)
                case _:
                    answer = await access.check(provider, action, patient, **said)
            ground.answered.append(answer.id)
            await asyncio.sleep(0)


async def _circumstances(ground: _Ground) -> dict[str, Any]:
    """Now, mostly; otherwise at, or knowing what was known at, an instant of the last or the next second."""
    chance = ground.chance
    if chance.random() < 0.6:
        return {}
    async with transaction(ground.circle.engine, ground.organization) as db:
        now = await instant(db)
    said: dict[str, Any] = {}
    if chance.random() < 0.6:
        said["as_of"] = now + timedelta(seconds=chance.uniform(-1, 1))
    if chance.random() < 0.6:
        said["believed_at"] = now + timedelta(seconds=chance.uniform(-1, 0.2))
    return said
