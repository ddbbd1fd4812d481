"""Exporting the audit trail of one organization: whole and verifiable, or the entries that fit a filter in other formats.

The database writes the text of the lines; a line of the verifiable format is described in docs/reference/audit-entry.md.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

import asyncpg
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from carecircle.actor import organization_of
from carecircle.audit.canonical import LINE, UTC_SESSION
from carecircle.audit.reading_service import condition
from carecircle.audit.search import Filter
from carecircle.database.constraints import DRIVER_ERRORS, translate
from carecircle.database.session import transaction
from carecircle.errors import InvalidRequest

Write = Callable[[bytes], Awaitable[None]]
Progress = Callable[[int, int], None]
BATCH = 25_000
"""Leaves that one statement writes."""

# Between lines that one row makes: JSON never holds this byte, and CSV does not quote for it.
_BREAK = "\x03"
_CSV = {"format": "csv", "delimiter": "\x02", "quote": "\x01"}
# Leaves are walked in order, and each finds its entry by its key, in its own month.
_WALK = "; ".join(f"set local enable_{way} = off" for way in ("hashjoin", "mergejoin", "seqscan", "bitmapscan"))
_AS_PLANNED = _WALK.replace(" = off", " = on")


@dataclass(frozen=True, slots=True)
class Written:
    """How much an export holds."""

    leaves: int
    checkpoints: int
    unsealed: int


@asynccontextmanager
async def snapshot(auditor: AsyncEngine, tenant: UUID) -> AsyncIterator[asyncpg.Connection]:
    """A driver's connection as carecircle_auditor of one organization, that sees one moment of the database until the end.

    Database errors come as ours.
    """
    try:
        async with auditor.connect() as held:
            connection: Any = (await held.get_raw_connection()).driver_connection
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                await connection.execute("select set_config('carecircle.organization_id', $1, true)", str(tenant))
                await connection.execute(UTC_SESSION.replace("set ", "set local "))
                await connection.execute("set local jit = off; set local work_mem = '64MB'")
                yield connection
    except (SQLAlchemyError, *DRIVER_ERRORS) as error:
        raise translate(error) from None


async def export(
    auditor: AsyncEngine, write: Write, *, organization: UUID | str | None = None, progress: Progress | None = None
) -> Written:
    """Write the whole trail in the verifiable format, as one moment of the database has it: blocks of whole lines in UTF-8.

    `progress` hears of how many leaves are written, of how many. Who exports leaves the entry of it (reading_service.record)
    before anybody has the file. Raises DatabaseUnavailable, and what `write` raises.
    """
    tenant = UUID(bytes=organization_of(organization).bytes)
    async with snapshot(auditor, tenant) as connection:
        return await _Export(connection, tenant, write, progress).whole()


@dataclass
class _Export:
    connection: asyncpg.Connection
    tenant: UUID
    write: Write
    progress: Progress | None
    done: int = 0
    total: int = 0
    checkpoints: int = 0
    unsealed: int = 0

    @property
    def mine(self) -> str:
        return f"organization_id = '{self.tenant}'"

    async def whole(self) -> Written:
        # Those there are: a row of an epoch far ahead must not make anybody count up to it. Verifying finds the gap.
        epochs = await self.connection.fetch(f"""
            with recursive known (epoch) as (
              select 1
              union all
              select least(
                (select min(l.epoch) from carecircle.audit_leaves l where l.{self.mine} and l.epoch > k.epoch),
                (select min(c.epoch) from carecircle.audit_checkpoints c where c.{self.mine} and c.epoch > k.epoch))
              from known k where k.epoch is not null)
            select n.epoch,
              (select max(l.leaf_index) + 1 from carecircle.audit_leaves l where l.{self.mine} and l.epoch = n.epoch) as leaves
            from known n where n.epoch is not null order by 1""")
        known = [(row["epoch"], row["leaves"] or 0) for row in epochs]
        self.total = sum(leaves for _, leaves in known)
        await self.write(await self._header())
        for epoch, leaves in known:
            if epoch > 1:
                await self.write(b'{"epoch":%d}\n' % epoch)
            await self._epoch(epoch, leaves)
        self.unsealed = await self._copy(
            f"""select concat('{{"unsealed":', {LINE}, '}}') from carecircle.audit_events e
            where e.{self.mine} and not exists (
              select from carecircle.audit_leaves l where l.{self.mine} and l.entry_id = e.id)
            order by e.xid, e.id"""
        ) + await self._copy(
            # An id that two entries have: whichever is not the one that was sealed.
            f"""select concat('{{"unsealed":', {LINE}, '}}') from (
                select id from carecircle.audit_events d where d.{self.mine} group by id having count(*) > 1) d
            join carecircle.audit_events e on e.{self.mine} and e.id = d.id
            join carecircle.audit_leaves l on l.{self.mine} and l.entry_id = d.id
            where e.recorded_at <> l.recorded_at order by e.xid, e.id"""
        )
        written = Written(self.done, self.checkpoints, self.unsealed)
        end = {"leaves": written.leaves, "checkpoints": written.checkpoints, "unsealed": written.unsealed}
        await self.write(_line({"end": end}))
        return written

    async def _header(self) -> bytes:
        row = await self.connection.fetchrow(
            "select (select xid::text from carecircle.audit_opening) as opening_xid,"
            " to_json(statement_timestamp()) #>> '{}' as exported_at"
        )
        assert row is not None
        said = {"carecircle_audit": 1, "organization": str(self.tenant), "epoch": 1, **row}
        return _line(said)

    async def _epoch(self, epoch: int, leaves: int) -> None:
        alone = f"""
            select concat('{{"checkpoint":', to_json(c.note), '}}') from carecircle.audit_checkpoints c
            where c.{self.mine} and c.epoch = {epoch} and """
        self.checkpoints += await self._copy(alone + "c.tree_size = 0")
        await self.connection.execute(_WALK)
        begin: int | None = 0
        while begin is not None and begin < leaves:
            end = min(begin + BATCH, leaves)
            whole = await self._leaves(epoch, begin, end) == end - begin
            if self.progress is not None:
                self.progress(self.done, self.total)
            begin = end if whole else await self._next_leaf(epoch, end)
        await self.connection.execute(_AS_PLANNED)
        # A checkpoint whose last leaf is not here any more must be seen all the same.
        self.checkpoints += await self._copy(
            f"""{alone} c.tree_size > 0 and not exists (
              select from carecircle.audit_leaves l
              where l.{self.mine} and l.epoch = {epoch} and l.leaf_index = c.tree_size - 1)
            order by c.tree_size"""
        )

    async def _next_leaf(self, epoch: int, begin: int) -> int | None:
        """Where leaves go on, from an index on: one that was put in far ahead is not walked to."""
        found: int | None = await self.connection.fetchval(
            f"select min(leaf_index) from carecircle.audit_leaves where {self.mine} and epoch = {epoch}"
            f" and leaf_index >= {begin}"
        )
        return found

    async def _leaves(self, epoch: int, begin: int, end: int) -> int:
        written = await self._copy(f"""
            select concat('{{"leaf":', l.leaf_index, ',"hash":"', encode(l.leaf_hash, 'hex'), '"',
              case
                when e.id is not null then concat(',"entry":', {LINE})
                when r.month is not null then concat(',"retired":"', to_char(r.month, 'YYYY-MM'), '"')
                -- Not at the instant at which it was sealed: it is gone, or its instant was changed.
                else concat(',"entry":', coalesce(
                  (select {LINE} from carecircle.audit_events e where e.{self.mine} and e.id = l.entry_id limit 1), 'null'))
              end, '}}', '{_BREAK}{{"checkpoint":' || to_json(c.note)::text || '}}')
            from carecircle.audit_leaves l
            left join carecircle.audit_events e
              on e.{self.mine} and e.id = l.entry_id and e.recorded_at = l.recorded_at
            left join carecircle.audit_checkpoints c
              on c.{self.mine} and c.epoch = l.epoch and c.tree_size = l.leaf_index + 1
            left join carecircle.audit_retirements r
              on r.{self.mine} and r.month = date_trunc('month', l.recorded_at at time zone 'UTC')::date
            where l.{self.mine} and l.epoch = {epoch} and l.leaf_index >= {begin} and l.leaf_index < {end}
            order by l.leaf_index""")
        self.done += written
        return written

    async def _copy(self, query: str) -> int:
        """Write the rows of a query of one text column; how many there were."""

        async def block(data: bytes) -> None:
            breaks = data.count(b"\x03")
            if breaks:
                self.checkpoints += breaks
                data = data.replace(b"\x03", b"\n")
            await self.write(data)

        said = await self.connection.copy_from_query(query, output=block, **_CSV)
        return int(said.rpartition(" ")[2])


def _line(said: dict[str, Any]) -> bytes:
    return json.dumps(said, separators=(",", ":")).encode() + b"\n"


async def export_entries(
    auditor: AsyncEngine,
    write: Write,
    render: Callable[[Sequence[str]], bytes],
    wanted: Filter,
    *,
    organization: UUID | str | None = None,
    progress: Progress | None = None,
) -> int:
    """Write the entries that fit, the oldest first, as `render` makes them of their lines (canonical form); how many.

    Who exports leaves the entry of it before anybody has the file. Raises DatabaseUnavailable, and what the callables raise.
    """
    tenant = organization_of(organization)
    where, said = condition(wanted)
    query = text(
        f"select {LINE} as line from (select * from carecircle.audit_events e where {where}"
        " order by e.recorded_at, e.id) e"
    )
    count = 0
    async with transaction(auditor, tenant) as trail:
        await trail.execute(text(UTC_SESSION))
        rows = await trail.stream_scalars(query, {**said, "tenant": tenant})
        async for lines in rows.partitions(2000):
            await write(render(lines))
            count += len(lines)
            if progress is not None:
                progress(count, count)
    return count


@asynccontextmanager
async def into_file(file: Path) -> AsyncIterator[BinaryIO]:
    """A file that only its owner reads, which takes its name when the block ends well, and is gone otherwise.

    Raises InvalidRequest where it cannot be written.
    """
    draft = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb", buffering=1 << 20) as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        draft.replace(file)
    except OSError as error:
        raise InvalidRequest(f"The file of the export cannot be written ({error.strerror}).") from None
    finally:
        draft.unlink(missing_ok=True)
