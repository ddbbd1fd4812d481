"""The index that guards the rule in a host's table: its state, built and dropped while the application goes on working."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import StrEnum

import asyncpg

from carecircle.adoption.connection import Patience
from carecircle.adoption.host_table import HostTable, Shape, quoted
from carecircle.adoption.scan import Progress, Tell
from carecircle.errors import Conflict

POLL_SECONDS = 0.3


class IndexState(StrEnum):
    """Absent, left half-built by an interruption, or there and believed by PostgreSQL."""

    absent = "absent"
    invalid = "invalid"
    valid = "valid"


def create_statement(table: HostTable) -> str:
    """The document's DDL, built without locking writers out."""
    return (
        f"CREATE UNIQUE INDEX CONCURRENTLY {quoted(table.index)}\n"
        f"ON {table.sql} ({quoted(table.organization)}, {quoted(table.patient)})\n"
        f"WHERE {table.predicate};"
    )


def drop_statement(table: HostTable) -> str:
    return f"DROP INDEX CONCURRENTLY IF EXISTS {quoted(table.schema)}.{quoted(table.index)};"


async def state_of(connection: asyncpg.Connection, table: HostTable, shape: Shape) -> IndexState:
    """Look at the index of that name. Raises Conflict when the name is taken by something else."""
    found = await connection.fetchrow(
        """select c.relkind::text as kind, i.indrelid as owner, i.indisunique as is_unique,
                  i.indisvalid and i.indisready and i.indislive as valid,
                  i.indexprs is null and i.indnkeyatts = i.indnatts as plain,
                  array(select a.attname::text from unnest(i.indkey::int2[]) with ordinality k (number, place)
                        join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.number order by k.place) as columns,
                  pg_get_expr(i.indpred, i.indrelid) as predicate
           from pg_class c join pg_namespace n on n.oid = c.relnamespace left join pg_index i on i.indexrelid = c.oid
           where n.nspname = $1 and c.relname = $2""",
        table.schema,
        table.index,
    )
    if found is None:
        return IndexState.absent
    if (
        found["kind"] != "i"
        or found["owner"] != shape.oid
        or not (found["is_unique"] and found["plain"])
        or found["columns"] != [table.organization, table.patient]
        or found["predicate"] not in await _spellings(connection, table)
    ):
        raise Conflict(
            f"Schema {table.schema} has another {table.index}, which says something else than the rule would; look at it"
            " (\\d in psql), rename or drop it, or choose another name with --index-name."
        )
    return IndexState.valid if found["valid"] else IndexState.invalid


async def _spellings(connection: asyncpg.Connection, table: HostTable) -> set[str]:
    """How PostgreSQL writes the predicate back, for the ways people write it."""
    primary = await connection.fetchval("select quote_ident($1)", table.primary)
    if table.deleted_at is None:
        return {f"({primary} = true)", f"{primary}", f"({primary} IS TRUE)"}
    deleted = await connection.fetchval("select quote_ident($1)", table.deleted_at)
    return {f"({one} AND ({deleted} IS NULL))" for one in (f"({primary} = true)", primary, f"({primary} IS TRUE)")}


async def build(
    connection: asyncpg.Connection, watcher: asyncpg.Connection, table: HostTable, patience: Patience, tell: Tell
) -> bool:
    """Build it concurrently; false when duplicates were met, and then what was begun is dropped again."""
    async with _told(watcher, connection.get_server_pid(), tell), _without_lock_limit(connection, patience):
        try:
            await connection.execute(create_statement(table).removesuffix(";"))
        except asyncpg.UniqueViolationError:
            await connection.execute(drop_statement(table).removesuffix(";"))
            return False
    return True


async def drop(connection: asyncpg.Connection, table: HostTable, patience: Patience) -> None:
    async with _without_lock_limit(connection, patience):
        await connection.execute(drop_statement(table).removesuffix(";"))


@asynccontextmanager
async def _without_lock_limit(connection: asyncpg.Connection, patience: Patience) -> AsyncIterator[None]:
    """A concurrent build waits for transactions under way, and nobody queues behind it, so it may wait long."""
    before = {name: await connection.fetchval(f"show {name}") for name in ("lock_timeout", "statement_timeout")}
    await connection.execute("set lock_timeout = 0")
    await connection.execute(f"set statement_timeout = {round(patience.index * 1000)}")
    try:
        yield
    finally:
        if not connection.is_closed():
            for name, value in before.items():
                await connection.execute("select set_config($1, $2, false)", name, value)


@asynccontextmanager
async def _told(watcher: asyncpg.Connection, worker: int, tell: Tell) -> AsyncIterator[None]:
    """Tell how far the build has come, as PostgreSQL reports it."""

    finished = asyncio.Event()

    async def watch() -> None:
        while not finished.is_set():
            row = await watcher.fetchrow(
                "select greatest(blocks_done, tuples_done) as done, greatest(blocks_total, tuples_total) as total"
                " from pg_stat_progress_create_index where pid = $1",
                worker,
            )
            if row is not None:
                tell(Progress("building the index", row["done"] or 0, row["total"] or None))
            with suppress(TimeoutError):
                await asyncio.wait_for(finished.wait(), POLL_SECONDS)

    watching = asyncio.create_task(watch())
    try:
        yield
    finally:
        finished.set()
        await asyncio.gather(watching, return_exceptions=True)
