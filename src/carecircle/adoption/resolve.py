"""Demoting the later primaries of each patient: small transactions, each with its lines in the ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import TypeVar
from uuid import UUID

import asyncpg

from carecircle.adoption.host_table import HostTable, Shape, quoted
from carecircle.adoption.scan import SeveralPrimaries, Tell, earliest_first, several_primaries
from carecircle.errors import Conflict

T = TypeVar("T")
BATCH = 1000
# An application that holds a row now lets go of it soon; seconds.
PAUSES = (0.2, 0.5, 1.0, 2.0, None)


async def resolve(
    reader: asyncpg.Connection,
    writer: asyncpg.Connection,
    table: HostTable,
    shape: Shape,
    run: UUID,
    number: int,
    *,
    batch: int = BATCH,
    tell: Tell,
) -> int:
    """One pass over the table; how many rows it demoted. What is done is done: another pass finds only the rest."""
    demoted = rows = 0
    gathered: list[SeveralPrimaries] = []
    async with aclosing(several_primaries(reader, table, tell, "resolving")) as found:
        async for several in found:
            gathered.append(several)
            rows += len(several.rows)
            if rows >= batch:
                demoted += await _demote(writer, table, shape, run, number, gathered)
                gathered, rows = [], 0
    if gathered:
        demoted += await _demote(writer, table, shape, run, number, gathered)
    return demoted


async def patiently(work: Callable[[], Awaitable[T]]) -> T:
    """Do a transaction again, a few times, when the application was in its way."""
    for pause in PAUSES:
        try:
            return await work()
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError, asyncpg.SerializationError):
            if pause is None:
                raise
            await asyncio.sleep(pause)
    raise AssertionError


async def _demote(
    writer: asyncpg.Connection,
    table: HostTable,
    shape: Shape,
    run: UUID,
    number: int,
    several: list[SeveralPrimaries],
) -> int:
    """One transaction. The rows are locked and looked at again: what the application changed since is left as it is."""
    rows = [(one.organization, row.id) for one in several for row in one.rows]
    which = [organization for organization, _ in rows], [row_id for _, row_id in rows]

    async def once() -> asyncpg.Record:
        async with writer.transaction():
            await writer.fetch(lock_rows(table, shape), *which)
            done = await writer.fetchrow(demotion(table, shape), *which, run, number, table.schema, table.table)
            if done["written"] < done["due"]:
                raise Conflict(
                    f"A trigger or rule of {table.schema}.{table.table} kept {done['due'] - done['written']} rows from being"
                    " demoted; this batch was not made; allow it to change the column, then run the same again."
                )
            return done

    done = await patiently(once)
    written: int = done["written"]
    return written


def wanted(shape: Shape) -> str:
    """Rows named by two arrays of text, $1 organizations and $2 row ids, as the table's own types."""
    return f"unnest($1::text[]::{shape.organization_type}[], $2::text[]::{shape.id_type}[]) as w (organization, id)"


def same_row(row: str, other: str, table: HostTable) -> str:
    organization, key = quoted(table.organization), quoted(table.id)
    return f"{row}.{organization} = {other}.organization and {row}.{key} = {other}.id"


def lock_rows(table: HostTable, shape: Shape) -> str:
    return (
        f"select from {table.sql} t join {wanted(shape)} on {same_row('t', 'w', table)}"
        f" order by t.{quoted(table.id)} for no key update of t"
    )


def demotion(table: HostTable, shape: Shape) -> str:
    """$3 run, $4 pass, $5 schema, $6 table. Without a snapshot older than the locks, so that it sees what it has locked."""
    primary, assigned = quoted(table.primary), quoted(table.assigned_at)
    group = (
        f"partition by t.{quoted(table.organization)}, t.{quoted(table.patient)} order by {earliest_first('t', table)}"
    )
    return f"""
        with ranked as materialized (
          select t.{quoted(table.organization)} as organization, t.{quoted(table.id)} as id,
                 t.{quoted(table.patient)}::text as patient, t.{assigned} as assigned_at, t.{primary} as former,
                 row_number() over same as place, first_value(t.{quoted(table.id)}) over same as kept,
                 first_value(t.{assigned}) over same as kept_at
          from {table.sql} t join {wanted(shape)} on {same_row("t", "w", table)}
          where {table.live("t")} window same as ({group})
        ), demoted as (
          update {table.sql} t set {primary} = false from ranked r
          where r.place > 1 and {same_row("t", "r", table)}
          returning r.organization::text, r.id::text, r.patient, r.kept::text, r.former,
                    case when r.assigned_at is null then 'undated'
                         when r.assigned_at = r.kept_at then 'same-instant'
                         else 'assigned-later' end as reason
        ), written as (
          insert into carecircle_adoption.demotions
            (run_id, pass, table_schema, table_name, row_id, organization, patient, kept_row_id, former_value, reason)
          select $3, $4, $5, $6, d.id, d.organization, d.patient, d.kept, d.former, d.reason from demoted d
          returning 1
        )
        select (select count(*) from ranked where place > 1) as due, (select count(*) from written) as written"""
