"""Clean logs with random histories, of which verifying must find nothing at all: `clean(…)`, a part of `./dev prove audit`.

A history is what sessions of an organization do through the application: changes with and without savepoints, some of which
are rolled back, decisions, listings, refusals, readings, merges of patients. Sealers seal meanwhile, two at a time, with
keys that are rotated, or lost so that a new epoch begins. The first organizations are older than writers and marks.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TextIO
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle import CareCircle, Settings, acting_as, assemble, directory
from carecircle.assignments.service import add_assignment, assign_primary, end_assignments
from carecircle.audit.online_service import verify_online
from carecircle.audit.reading_service import search
from carecircle.audit.refusal import refusals_recorded
from carecircle.audit.sealing import seal_once
from carecircle.audit.sealing_key import FILE as KEY_FILE
from carecircle.audit.sealing_key import SealingKey, rotate_sealing_key
from carecircle.audit.search import Filter
from carecircle.audit.verify import VerifyKey
from carecircle.coverage.absence_service import record_absence
from carecircle.database.reach import Reach, dsn
from carecircle.database.session import instant, transaction
from carecircle.directory.duty_service import add_duty, end_duty
from carecircle.directory.relation_service import relate
from carecircle.errors import CareCircleError
from carecircle.identifiers import new_id
from carecircle.restrictions.service import label, object_to
from carecircle.staffing.merge_service import merge_patients

ACTOR = "service:proof"
PEOPLE = 5
SESSIONS = 4
BATCH = 10
"""Logs that grow side by side."""
OLD_ENTRIES = (
    "update carecircle.audit_events set writer_id = null, writer_turn = null, mark = null",
    "update carecircle.audit_opening set xid = pg_current_xact_id()",
)
"""What makes all entries so far those of an installation that had no writers and marks yet."""


class _RolledBack(Exception):
    """A session that changed its mind."""


@dataclass
class Scene:
    """An organization in which something happens, and who takes part."""

    circle: CareCircle
    organization: UUID
    chance: random.Random
    providers: list[UUID] = field(default_factory=list)
    patients: list[UUID] = field(default_factory=list)
    duties: list[UUID] = field(default_factory=list)
    closing: bool = True
    """Whether facts may end, too."""

    @property
    def who(self) -> UUID:
        return self.chance.choice(self.providers)

    @property
    def whom(self) -> UUID:
        return self.chance.choice(self.patients)


async def opened(circle: CareCircle, chance: random.Random) -> Scene:
    """An organization with people in it."""
    async with transaction(circle.engine) as db:
        organization = await directory.register_organization(
            db, slug=f"proof-{new_id().hex}", name="Proof", actor=ACTOR
        )
    scene = Scene(circle, organization, chance)
    with acting_as(organization=organization, actor=ACTOR):
        async with transaction(circle.engine, organization) as db:
            scene.providers += [await directory.register_provider(db, provider_id=new_id()) for _ in range(PEOPLE)]
            scene.patients += [await directory.register_patient(db, patient_id=new_id()) for _ in range(PEOPLE)]
            scene.duties += [(await add_duty(db, provider=scene.who, duty="supervisor")).lineage_id]
    return scene


async def happen(scene: Scene, steps: int) -> None:
    """So many things, some of which meet a refusal, in several sessions at a time."""
    with acting_as(organization=scene.organization, actor=ACTOR):
        for _ in range(0, steps, SESSIONS):
            await asyncio.gather(*(scene.chance.choice(STEPS)(scene) for _ in range(SESSIONS)))


async def _decide(scene: Scene) -> None:
    await scene.circle.access.check(scene.who, scene.chance.choice(("read", "write")), scene.whom)


async def _list(scene: Scene) -> None:
    if scene.chance.random() < 0.5:
        await scene.circle.access.list_patients(scene.who, "read")
    else:
        await scene.circle.access.list_providers(scene.whom, "read")


async def _change(scene: Scene) -> None:
    with suppress(CareCircleError, _RolledBack):
        async with transaction(scene.circle.engine, scene.organization) as db:
            for _ in range(scene.chance.randint(1, 3)):
                await _one_change(scene, db)
            if scene.chance.random() < 0.15:
                raise _RolledBack


async def _change_in_savepoints(scene: Scene) -> None:
    with suppress(CareCircleError, _RolledBack):
        async with transaction(scene.circle.engine, scene.organization) as db:
            for _ in range(scene.chance.randint(1, 3)):
                with suppress(_RolledBack):
                    async with db.begin_nested():
                        await _one_change(scene, db)
                        if scene.chance.random() < 0.3:
                            raise _RolledBack
            if scene.chance.random() < 0.15:
                raise _RolledBack


async def _refuse(scene: Scene) -> None:
    with suppress(CareCircleError):
        async with (
            transaction(scene.circle.engine, scene.organization) as db,
            refusals_recorded(db, scene.organization, ACTOR),
        ):
            await end_duty(db, duty_id=new_id())


async def _look(scene: Scene) -> None:
    async with transaction(scene.circle.engine, scene.organization) as db:
        await search(db, Filter(provider_id=scene.who), auditor=scene.circle.auditor, limit=5)


async def _merge(scene: Scene) -> None:
    with suppress(CareCircleError):
        async with transaction(scene.circle.engine, scene.organization) as db:
            one = await directory.register_patient(db, patient_id=new_id())
            await merge_patients(db, patient=one, into=scene.whom)


async def _one_change(scene: Scene, db: AsyncSession) -> None:
    now = await instant(db)
    later = now + timedelta(days=scene.chance.randrange(1, 3000), seconds=scene.chance.randrange(86400))
    choice = scene.chance.randrange(9 if scene.closing else 7)
    if choice == 0:
        scene.patients.append(await directory.register_patient(db, patient_id=new_id()))
    elif choice <= 2:
        await add_assignment(
            db, patient=scene.whom, provider=scene.who, starts_at=later, ends_at=later + timedelta(hours=1)
        )
    elif choice == 3:
        await relate(db, provider=scene.who, patient=scene.whom, relation="family", starts_at=later)
    elif choice == 4:
        await label(db, patient=scene.whom, label="PSY", starts_at=later, ends_at=later + timedelta(hours=1))
    elif choice == 5:
        await object_to(db, patient=scene.whom, provider=scene.who, starts_at=later, ends_at=later + timedelta(days=1))
    elif choice == 6:
        await record_absence(db, provider=scene.who, starts_at=later, ends_at=later + timedelta(hours=1))
    elif choice == 7:
        await assign_primary(db, patient=scene.whom, provider=scene.who)
    else:
        await end_assignments(db, patient=scene.whom, provider=scene.who)


Step = Callable[[Scene], Awaitable[None]]
STEPS: Sequence[Step] = (
    _decide, _decide, _decide, _list, _change, _change, _change_in_savepoints, _refuse, _look, _merge,
)  # fmt: skip


async def clean(settings: Settings, at: Reach, *, logs: int, seed: int, progress: TextIO | None = None) -> list[str]:
    """What verifying finds of that many clean logs in a database that nobody else uses; nothing, when all is well."""
    chance = random.Random(seed)
    keys = list(SealingKey.open(settings.home).vkeys())
    organizations: list[UUID] = []
    async with assemble(settings, at) as circle:
        scenes = [await opened(circle, random.Random(f"{seed}/{number}")) for number in range(min(logs, BATCH))]
        await asyncio.gather(*(happen(scene, 8) for scene in scenes))
    await _administer(at, *OLD_ENTRIES)
    async with assemble(settings, at) as circle:
        for batch in range(0, logs, BATCH):
            count = min(BATCH, logs - batch)
            if batch:
                scenes = [await opened(circle, random.Random(f"{seed}/{batch + number}")) for number in range(count)]
            else:
                scenes = [Scene(circle, one.organization, one.chance, one.providers, one.patients) for one in scenes]
            await _grown(settings, at, scenes, chance)
            keys += _new_key(settings.home, batch // BATCH)
            await _grown(settings, at, scenes, chance)
            organizations += [scene.organization for scene in scenes]
            if progress is not None:
                progress.write(f"\rclean: {len(organizations)} of {logs} logs ")
        return await _found(circle, organizations, keys, settings.home / "witness.log")


async def _grown(settings: Settings, at: Reach, scenes: Sequence[Scene], chance: random.Random) -> None:
    """Everybody goes on for a while, and two sealers seal in between, side by side."""
    for _ in range(chance.randint(2, 4)):
        await asyncio.gather(
            *(happen(scene, chance.randint(2, 10)) for scene in scenes), _seal(settings, at), _seal(settings, at)
        )
    await _seal(settings, at)


async def _seal(settings: Settings, at: Reach) -> None:
    with suppress(TimeoutError):
        await seal_once(settings, at)


def _new_key(home: Path, batch: int) -> list[str]:
    """Now and then the key is rotated, or lost: then the sealer that has a new one begins a new epoch. The new keys."""
    if batch % 3 == 1:
        rotate_sealing_key(home)
    elif batch % 3 == 2:
        (home / KEY_FILE).unlink()
    return SealingKey.open(home).vkeys()


async def _found(circle: CareCircle, organizations: Sequence[UUID], keys: Sequence[str], witness: Path) -> list[str]:
    trusted = [VerifyKey.parse(one) for one in dict.fromkeys(keys)]
    seen = await asyncio.to_thread(witness.read_text, "utf-8")
    broken, entries, facts, epochs, checkpoints = [], 0, 0, 0, 0
    for organization in organizations:
        one = await verify_online(circle.auditor, trusted, [seen], organization=organization)
        entries += one.verdict.entries
        facts += one.facts.rows
        epochs += one.verdict.epochs - 1
        checkpoints += one.verdict.checkpoints
        broken += [f"clean: {finding}" for finding in one.verdict.findings]
        broken += [f"clean: {stray.table} {stray.id} {stray.sentence}" for stray in one.facts.strays]
        if one.verdict.unsealed:
            broken.append(f"clean: {one.verdict.unsealed} entries were not sealed")
    print(
        f"clean: {len(organizations)} logs, {entries} entries under {checkpoints} checkpoints, {facts} facts,"
        f" {epochs} further epochs without loss, {len(trusted)} keys: {len(broken)} findings", flush=True,
    )  # fmt: skip
    return broken


async def _administer(at: Reach, *statements: str) -> None:
    connection = await asyncpg.connect(dsn(at.admin))
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()
