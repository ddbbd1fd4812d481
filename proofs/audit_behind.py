"""Rows recorded, closed and rewritten behind the application's back, all of which verifying must name: `behind(…)`.

Some are written as carecircle_app, whom row-level security forces to tell its own transaction: it makes entries up, borrows
those of others, or puts an entry of its own beside the row. Others are written as a superuser, who may claim any
transaction. Before them the same facts are recorded through the application, of which verifying must name none: that is the
control.
"""

from __future__ import annotations

import json
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg

from carecircle import CareCircle, acting_as, directory
from carecircle.assignments.service import add_assignment, end_assignments
from carecircle.audit.online_service import Found, verify_online
from carecircle.audit.sealing import seal_once
from carecircle.audit.sealing_key import SealingKey
from carecircle.audit.verify import VerifyKey
from carecircle.coverage.absence_service import record_absence
from carecircle.database.reach import dsn
from carecircle.database.session import instant, transaction
from carecircle.directory.duty_service import add_duty, end_duty
from carecircle.directory.relation_service import relate
from carecircle.identifiers import OrganizationId, new_id
from carecircle.restrictions.service import label, object_to

ACTOR = "service:proof"
ROWS = 50
PEOPLE = 6
TABLES = (
    "access_restrictions",
    "duties",
    "patient_assignments",
    "patient_labels",
    "personal_relations",
    "provider_absences",
)
CLAIMED = ("recorded_at", "superseded_at", "recorded_xid", "superseded_xid", "entry_id", "superseded_entry_id")
"""What a row claims about who wrote it and when."""

Named = tuple[str, UUID]
Forge = Callable[["Session"], Awaitable[Named]]


@dataclass
class Session:
    """Two connections beside the application, of its own role and of a superuser, in one organization."""

    app: asyncpg.Connection
    root: asyncpg.Connection
    organization: UUID
    chance: random.Random
    used: set[UUID] = field(default_factory=set)

    async def fact(self, *, closed: bool) -> tuple[str, asyncpg.Record]:
        """An honest row that no forging has touched, and its table."""
        which = "superseded_at < 'infinity'" if closed else "superseded_at = 'infinity'"
        for table in self.chance.sample(TABLES, len(TABLES)):
            rows = await self.root.fetch(
                f"select f.id, f.entry_id, f.recorded_xid::text, f.superseded_entry_id, f.superseded_xid::text,"
                f" to_jsonb(f)::text as whole from carecircle.{table} f"
                f" where organization_id = $1 and {which} and id <> all ($2) order by id",
                self.organization, list(self.used),
            )  # fmt: skip
            if rows:
                row = self.chance.choice(rows)
                self.used.add(row["id"])
                return table, row
        raise LookupError("Every honest row was used up.")

    async def entry(self) -> asyncpg.Record:
        """An entry of somebody else's change."""
        row = await self.root.fetchrow(
            "select id, xid::text from carecircle.audit_events where organization_id = $1 and kind = 'change'"
            " order by md5(id::text || $2) limit 1",
            self.organization, str(self.chance.random()),
        )  # fmt: skip
        assert row is not None
        return row

    async def copy(self, by: asyncpg.Connection, **claimed: Any) -> Named:
        """A new row like an honest one, at a time of its own."""
        table, like = await self.fact(closed=False)
        written = await self.root.fetch(
            "select attname from pg_attribute where attrelid = $1::text::regclass and attnum > 0 and attgenerated = ''",
            f"carecircle.{table}",
        )
        known = json.loads(like["whole"])
        whole = {name: known[name] for (name,) in written if name not in CLAIMED}
        own, year = new_id(), self.chance.randrange(1000, 1900)
        whole |= {"id": str(own), "lineage_id": str(own), "starts_at": f"{year}-01-01T00:00:00Z"}
        whole |= {"ends_at": f"{year}-02-01T00:00:00Z", **claimed}
        names = ", ".join(whole)
        await by.execute(
            f"insert into carecircle.{table} ({names}) select {names}"
            f" from jsonb_populate_record(null::carecircle.{table}, $1::jsonb)",
            json.dumps(whole),
        )
        self.used.add(own)
        return table, own


async def made_up_entry(s: Session) -> Named:
    """The application's role records a fact and names an entry that is not there."""
    return await s.copy(s.app, entry_id=str(new_id()))


async def borrowed_entry(s: Session) -> Named:
    """It names an entry of somebody else's change."""
    return await s.copy(s.app, entry_id=str((await s.entry())["id"]))


async def entry_of_its_own(s: Session) -> Named:
    """It writes an entry beside the fact, in the same transaction; the mark is what it cannot write."""
    entry = new_id()
    async with s.app.transaction():
        await s.app.execute(
            "insert into carecircle.audit_events (organization_id, id, kind, actor, code, mark)"
            " values ($1, $2, 'change', 'service:proof', 'duty-added', $3)",
            s.organization, entry, s.chance.choice([None, s.chance.randbytes(8)]),
        )  # fmt: skip
        return await s.copy(s.app, entry_id=str(entry))


async def closed_by_nothing(s: Session) -> Named:
    """It closes a fact and names an entry that is not there."""
    return await _close(s, new_id())


async def closed_by_anothers(s: Session) -> Named:
    """It closes a fact and names an entry of somebody else's change."""
    return await _close(s, (await s.entry())["id"])


async def _close(s: Session, entry: UUID) -> Named:
    table, row = await s.fact(closed=False)
    done = await s.app.execute(
        f"update carecircle.{table} set superseded_at = statement_timestamp(), superseded_xid = pg_current_xact_id(),"
        " superseded_entry_id = $3 where organization_id = $1 and id = $2",
        s.organization, row["id"], entry,
    )  # fmt: skip
    assert done == "UPDATE 1"
    return table, row["id"]


async def forged_transaction(s: Session) -> Named:
    """A superuser records a fact in the name of an entry, and of its transaction."""
    entry = await s.entry()
    return await s.copy(
        s.root, entry_id=str(entry["id"]), recorded_xid=entry["xid"], recorded_at="2026-01-31T08:00:00Z",
        superseded_at="infinity",
    )  # fmt: skip


async def forged_life(s: Session) -> Named:
    """A superuser records a fact that was closed already, in the name of two entries and their transactions."""
    made, closed = await s.entry(), await s.entry()
    return await s.copy(
        s.root, entry_id=str(made["id"]), recorded_xid=made["xid"], recorded_at="2026-01-31T08:00:00Z",
        superseded_at="2026-01-31T09:00:00Z", superseded_xid=closed["xid"], superseded_entry_id=str(closed["id"]),
    )  # fmt: skip


async def forged_closing(s: Session) -> Named:
    """A superuser closes a fact in the name of an entry, and of its transaction."""
    (table, row), entry = await s.fact(closed=False), await s.entry()
    await s.root.execute(
        f"update carecircle.{table} set superseded_at = greatest(recorded_at, statement_timestamp()),"
        " superseded_xid = $3::text::xid8, superseded_entry_id = $4 where organization_id = $1 and id = $2",
        s.organization, row["id"], entry["xid"], entry["id"],
    )  # fmt: skip
    return table, row["id"]


async def reopened(s: Session) -> Named:
    """A superuser opens a closed fact again."""
    table, row = await s.fact(closed=True)
    year = f"{s.chance.randrange(100, 900):04}"
    await s.root.execute(
        f"update carecircle.{table} set superseded_at = 'infinity', superseded_xid = null, superseded_entry_id = null,"
        f" starts_at = '{year}-01-01', ends_at = '{year}-02-01' where organization_id = $1 and id = $2",
        s.organization, row["id"],
    )  # fmt: skip
    return table, row["id"]


async def rewritten(s: Session) -> Named:
    """A superuser changes what a fact says, and nothing of what it claims."""
    table, row = await s.fact(closed=s.chance.random() < 0.3)
    await s.root.execute(
        f"update carecircle.{table} set starts_at = starts_at - interval '1 second' where organization_id = $1 and id = $2",
        s.organization, row["id"],
    )  # fmt: skip
    return table, row["id"]


KINDS: tuple[Forge, ...] = (
    made_up_entry, borrowed_entry, entry_of_its_own, closed_by_nothing, closed_by_anothers, forged_transaction,
    forged_life, forged_closing, reopened, rewritten,
)  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """What was written behind the application's back, by kind; what verifying named before it, and after it."""

    written: dict[Named, str]
    before: Found
    after: Found

    @property
    def unnamed(self) -> dict[Named, str]:
        """What was not found."""
        return {one: kind for one, kind in self.written.items() if one not in self.named}

    @property
    def named(self) -> set[Named]:
        return {(stray.table, stray.id) for stray in self.after.facts.strays}

    def broken(self) -> list[str]:
        """What does not hold, in sentences; nothing, when all does."""
        broken = [f"{table} {own} was not named ({kind})" for (table, own), kind in self.unnamed.items()]
        broken += [f"{table} {own} was named, and nobody touched it" for table, own in self.named - self.written.keys()]
        broken += [f"named before anybody forged: {one}" for one in self.before.facts.strays]
        return broken + [f"found before anybody forged: {one}" for one in self.before.verdict.findings]


async def behind(circle: CareCircle, home: Path, *, rows: int = ROWS, seed: int = 1) -> Outcome:
    """Facts through the application in an organization of their own, verified; then `rows` beside it, verified again."""
    chance = random.Random(seed)
    async with transaction(circle.engine) as db:
        organization = await directory.register_organization(
            db, slug=f"behind-{new_id().hex[:20]}", name="Behind", actor=ACTOR
        )
    with acting_as(organization=organization, actor=ACTOR):
        await _fill(circle, organization, 2 * rows)
    keys = [VerifyKey.parse(one) for one in SealingKey.open(home).vkeys()]
    await seal_once(circle.settings, circle.reach)
    before = await verify_online(circle.auditor, keys, organization=organization)
    app, root = await asyncpg.connect(circle.reach.dsn("app")), await asyncpg.connect(dsn(circle.reach.admin))
    written: dict[Named, str] = {}
    try:
        await app.execute(f"set carecircle.organization_id = '{organization}'")
        session = Session(app, root, organization, chance)
        for number in range(rows):
            forge = KINDS[number % len(KINDS)]
            written[await forge(session)] = forge.__name__
    finally:
        await app.close()
        await root.close()
    async with transaction(circle.engine, organization) as db:  # the application goes on meanwhile
        await directory.register_provider(db, provider_id=new_id(), organization_id=organization, actor=ACTOR)
    await seal_once(circle.settings, circle.reach)
    after = await verify_online(circle.auditor, keys, organization=organization)
    return Outcome(written, before, after)


async def _fill(circle: CareCircle, organization: OrganizationId, rows: int) -> None:
    """At least so many open facts, and a third as many that are closed, with and without savepoints around them."""
    async with transaction(circle.engine, organization) as db:
        people = [await directory.register_provider(db, provider_id=new_id()) for _ in range(PEOPLE)]
    for number in range(0, rows, 5):
        who = people[number % PEOPLE]
        async with transaction(circle.engine, organization) as db:
            now = await instant(db)
            patient = await directory.register_patient(db, patient_id=new_id())
            other = await directory.register_patient(db, patient_id=new_id())
            for one in (patient, other):
                await add_assignment(db, patient=one, provider=who, assignment_type="consulting")
            await relate(db, provider=who, patient=patient, relation="family")
            await label(db, patient=patient, label="CEL")
            await object_to(db, patient=patient, provider=who)
        async with transaction(circle.engine, organization) as db:
            from_then = now + timedelta(days=100 + 10 * number)
            await record_absence(db, provider=who, starts_at=from_then, ends_at=from_then + timedelta(days=1))
            async with db.begin_nested():
                duty = await add_duty(db, provider=who, duty="supervisor", starts_at=from_then)
            await end_assignments(db, patient=other, provider=who)
            await end_duty(db, duty_id=duty.lineage_id)
