"""The ledger beside the host's table, in the schema carecircle_adoption: each run, and every row it demoted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from carecircle.adoption.host_table import HostTable
from carecircle.errors import Conflict
from carecircle.identifiers import new_id

_MAKE = """
create schema carecircle_adoption;
create table carecircle_adoption.runs (
  run_id uuid primary key,
  table_schema text not null,
  table_name text not null,
  columns text[] not null,
  index_name text not null,
  started_at timestamptz not null default statement_timestamp(),
  finished_at timestamptz,
  reverted_at timestamptz
);
create table carecircle_adoption.demotions (
  entry bigint generated always as identity primary key,
  run_id uuid not null references carecircle_adoption.runs,
  pass integer not null,
  table_schema text not null,
  table_name text not null,
  row_id text not null,
  organization text not null,
  patient text not null,
  kept_row_id text not null,
  former_value boolean not null,
  reason text not null,
  demoted_at timestamptz not null default statement_timestamp(),
  demoted_xid xid8 not null default pg_current_xact_id(),
  reverted_at timestamptz,
  left_alone text
);
create index demotions_of_row on carecircle_adoption.demotions (table_schema, table_name, row_id);
create index demotions_open on carecircle_adoption.demotions (table_schema, table_name, entry)
  where reverted_at is null and left_alone is null;
comment on table carecircle_adoption.runs is
  'When carecircle made one primary provider per patient the rule of a table here.';
comment on table carecircle_adoption.demotions is
  'Rows that said primary beside an earlier one, and no longer do; reverted_at says when that was undone.';
"""

_LOCK = "hashtextextended('carecircle.adopt:' || quote_ident($1) || '.' || quote_ident($2), 0)"


@dataclass(frozen=True, slots=True)
class Run:
    """One adoption of a table. `finished_at` is None while it is under way or interrupted; instants in UTC."""

    id: UUID
    columns: tuple[str, ...]
    index: str
    started_at: datetime
    finished_at: datetime | None
    reverted_at: datetime | None


@dataclass(frozen=True, slots=True)
class Totals:
    """What the ledger says of a table, over all runs."""

    demoted: int = 0
    reverted: int = 0
    left_alone: int = 0

    @property
    def open(self) -> int:
        return self.demoted - self.reverted - self.left_alone


async def exists(connection: asyncpg.Connection) -> bool:
    there: bool = await connection.fetchval("select to_regclass('carecircle_adoption.demotions') is not null")
    return there


async def make(connection: asyncpg.Connection) -> None:
    """Make the schema and its two tables where they are not there yet."""
    async with connection.transaction():
        await connection.execute("select pg_advisory_xact_lock(hashtextextended('carecircle.adoption', 0))")
        if not await exists(connection):
            await connection.execute(_MAKE)


async def lock_table(connection: asyncpg.Connection, table: HostTable) -> bool:
    """Be the only one who adopts or reverts this table, until the connection ends; false while somebody else is."""
    had: bool = await connection.fetchval(f"select pg_try_advisory_lock({_LOCK})", table.schema, table.table)
    return had


async def last_run(connection: asyncpg.Connection, table: HostTable) -> Run | None:
    """The newest run on this table, whatever became of it."""
    if not await exists(connection):
        return None
    row = await connection.fetchrow(
        "select * from carecircle_adoption.runs where table_schema = $1 and table_name = $2"
        " order by started_at desc, run_id desc limit 1",
        table.schema,
        table.table,
    )
    if row is None:
        return None
    return Run(
        row["run_id"],
        tuple(row["columns"]),
        row["index_name"],
        row["started_at"],
        row["finished_at"],
        row["reverted_at"],
    )


async def begin_run(connection: asyncpg.Connection, table: HostTable) -> tuple[UUID, bool]:
    """The run to work under, and whether it goes on with an interrupted one. Raises Conflict for other columns than its."""
    last = await last_run(connection, table)
    if last is not None and last.finished_at is None and last.reverted_at is None:
        if (last.columns, last.index) != (table.columns, table.index):
            named = ", ".join(last.columns)
            raise Conflict(
                f"An interrupted run on {table.schema}.{table.table} names other columns or another index ({named};"
                f" {last.index}); go on with those, or undo it first with: carecircle adopt primary-provider revert."
            )
        return last.id, True
    fresh = new_id()
    await connection.execute(
        "insert into carecircle_adoption.runs (run_id, table_schema, table_name, columns, index_name)"
        " values ($1, $2, $3, $4, $5)",
        fresh, table.schema, table.table, list(table.columns), table.index,
    )  # fmt: skip
    return fresh, False


async def totals(connection: asyncpg.Connection, table: HostTable) -> Totals:
    """Counts over all runs on this table."""
    if not await exists(connection):
        return Totals()
    row = await connection.fetchrow(
        "select count(*) as demoted, count(reverted_at) as reverted,"
        " count(*) filter (where left_alone is not null) as left_alone"
        " from carecircle_adoption.demotions where table_schema = $1 and table_name = $2",
        table.schema,
        table.table,
    )
    return Totals(row["demoted"], row["reverted"], row["left_alone"])
