"""A database of a test's own with months of long ago: entries written as its administrator, and sealed under our key."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg

from carecircle import Settings, assemble
from carecircle.audit.canonical import LINE
from carecircle.audit.sealing_key import SealingKey
from carecircle.audit.verify import UNMARKED, Frontier, format_body, leaf_hash
from carecircle.database import migrate
from carecircle.database.embedded import EmbeddedServer
from carecircle.database.reach import Reach, dsn
from carecircle.identifiers import new_ids
from tests.conftest import Hospital, open_hospital, socket_reach

NOBODY = UUID(int=0)


async def administer(at: Reach, *statements: str) -> None:
    """Statements of the administrator, each in a transaction of its own."""
    connection = await asyncpg.connect(dsn(at.admin))
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


@contextmanager
def database_apart(server: EmbeddedServer, home: Path, migrated: Reach) -> Iterator[Reach]:
    """A migrated database that nobody else keeps anything in: a month is of all organizations together."""
    name = f"apart_{uuid4().hex}"
    asyncio.run(administer(migrated, f"create database {name} template template0"))
    at = socket_reach(server, home, name)
    migrate.upgrade(at)
    yield at
    asyncio.run(administer(migrated, f"drop database {name} with (force)"))


@asynccontextmanager
async def hospital_in(at: Reach, settings: Settings) -> AsyncIterator[Hospital]:
    async with assemble(settings, at) as circle, open_hospital(circle) as hospital:
        yield hospital


async def make_month(at: Reach, month: date) -> None:
    """A partition of the trail for a month of long ago, as an upgrade of that time made it."""
    following = (month + timedelta(days=32)).replace(day=1)
    name = f"audit_events_{month:%Y_%m}"
    await administer(
        at,
        f"create table carecircle.{name} partition of carecircle.audit_events"
        f" for values from ('{month} 00:00:00+00') to ('{following} 00:00:00+00')",
        f"alter table carecircle.{name} owner to carecircle_owner",
        f"alter table carecircle.{name} enable row level security",
        f"alter table carecircle.{name} force row level security",
    )


async def write_entries(
    at: Reach, organization: UUID, month: date, count: int, *, patient_id: UUID | None = None, detail: str | None = None
) -> list[UUID]:
    """Entries of the first day of a month, as their writers of that day would have left them."""
    ids = new_ids(count)
    begins = datetime(month.year, month.month, 1, 0, 30, tzinfo=UTC)
    writer = uuid4()
    connection = await asyncpg.connect(dsn(at.admin))
    try:
        await connection.executemany(
            "insert into carecircle.audit_events (organization_id, id, recorded_at, kind, actor, code, patient_id, detail,"
            " writer_id, writer_turn, mark)"
            " values ($1, $2, $3, 'change', 'test', 'planted', $4, $5, $6, $7, '\\x0123456789abcdef')",
            [
                (organization, one, begins + timedelta(minutes=turn), patient_id, detail, writer, turn)
                for turn, one in enumerate(ids, 1)
            ],
        )
    finally:
        await connection.close()
    return ids


async def seal(at: Reach, home: Path, organization: UUID, *, unmarked: frozenset[UUID] = frozenset()) -> int:
    """Give every entry of an organization that has none a leaf, and sign a checkpoint over all; the tree's size."""
    connection = await asyncpg.connect(dsn(at.admin))
    try:
        await connection.execute("set timezone = 'UTC'")
        edge = Frontier()
        for row in await connection.fetch(
            "select leaf_hash from carecircle.audit_leaves where organization_id = $1 order by leaf_index", organization
        ):
            edge.append(row["leaf_hash"])
        for row in await connection.fetch(
            f"select e.id, e.recorded_at, {LINE} as line from carecircle.audit_events e where e.organization_id = $1"
            " and not exists (select from carecircle.audit_leaves l where l.organization_id = $1 and l.entry_id = e.id)"
            " order by e.xid, e.id",
            organization,
        ):
            hashed = leaf_hash((UNMARKED if row["id"] in unmarked else b"") + row["line"].encode())
            await connection.execute(
                "insert into carecircle.audit_leaves values ($1, 1, $2, $3, $4, $5)",
                organization,
                edge.size,
                row["id"],
                row["recorded_at"],
                hashed,
            )
            edge.append(hashed)
        now = await connection.fetchval("select clock_timestamp()")
        note = SealingKey.open(home).sign(format_body(organization, 1, edge.size, edge.root(), now))
        await connection.execute(
            "insert into carecircle.audit_checkpoints"
            " select $1, 1, $2, $3, (select max(xid) from carecircle.audit_events where organization_id = $1),"
            " $4, pg_current_xact_id(), 1, $5, $6",
            organization,
            edge.size,
            edge.root(),
            NOBODY,
            now,
            note,
        )
        return edge.size
    finally:
        await connection.close()


async def six_years(*_: object) -> int:
    """What every organization's policy keeps entries for, unless it says otherwise."""
    return 6
