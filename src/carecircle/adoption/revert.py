"""Undoing an adoption: the index goes, and every demoted row nobody changed since is primary again."""

from __future__ import annotations

from dataclasses import dataclass

import asyncpg

from carecircle.adoption import ledger
from carecircle.adoption.adopt import alone
from carecircle.adoption.connection import Patience, host
from carecircle.adoption.host_table import HostTable, Shape, look_up, quoted
from carecircle.adoption.resolve import BATCH, lock_rows, patiently, same_row
from carecircle.adoption.scan import Progress, Tell, untold
from carecircle.adoption.unique_index import IndexState, drop, state_of
from carecircle.errors import Conflict

MOST_LISTED = 1000


@dataclass(frozen=True, slots=True)
class LeftAlone:
    """A demoted row that stays as it is: `changed-since`, `gone`, or `kept-row-changed` (another is primary by now)."""

    organization: str
    patient: str
    row_id: str
    because: str


@dataclass(frozen=True, slots=True)
class Reverted:
    """What `revert` did; `left_alone` lists at most a thousand, the ledger has them all."""

    restored: int = 0
    left_alone_count: int = 0
    left_alone: tuple[LeftAlone, ...] = ()
    dropped_index: bool = False
    nothing_to_do: bool = False


@dataclass(frozen=True, slots=True)
class Status:
    """Where a table stands. `run` is the newest, `totals` count over all."""

    index: IndexState
    run: ledger.Run | None
    totals: ledger.Totals


async def status(address: str, table: HostTable, *, patience: Patience | None = None) -> Status:
    """Read the catalog and the ledger; the table itself is not read. Raises InvalidRequest where it is not there."""
    async with host(address, patience or Patience()) as connection:
        run = await ledger.last_run(connection, table)
        as_run = _as(table, run)
        shape = await look_up(connection, as_run)
        return Status(await state_of(connection, as_run, shape), run, await ledger.totals(connection, table))


async def revert(
    address: str, table: HostTable, *, patience: Patience | None = None, batch: int = BATCH, tell: Tell = untold
) -> Reverted:
    """Undo the newest run and those before it that were not undone, with the columns they were made with.

    Only an index a run of ours built is dropped. Safe to kill and to repeat. Raises InvalidRequest, Conflict.
    """
    patience = patience or Patience()
    async with host(address, patience) as writer:
        await alone(writer, table, patience)
        run = await ledger.last_run(writer, table)
        table = _as(table, run)
        shape = await look_up(writer, table)
        if run is None or run.reverted_at is not None:
            return Reverted(nothing_to_do=True)
        # It was filled a moment ago, perhaps, and nobody has counted it yet.
        await writer.execute("analyze carecircle_adoption.demotions")
        there = await state_of(writer, table, shape) is not IndexState.absent
        if there:
            await drop(writer, table, patience)
        restored, left, listed = await _restore(writer, table, shape, batch, tell)
        await writer.execute(
            "update carecircle_adoption.runs set reverted_at = statement_timestamp()"
            " where table_schema = $1 and table_name = $2 and reverted_at is null",
            table.schema,
            table.table,
        )
        return Reverted(restored, left, tuple(listed), there)


def _as(table: HostTable, run: ledger.Run | None) -> HostTable:
    """The same table with the columns and the index of a run."""
    if run is None:
        return table
    names = ("organization", "patient", "provider", "primary", "assigned_at", "id", "deleted_at")
    columns = dict(zip(names, run.columns, strict=False))
    return HostTable(schema=table.schema, table=table.table, index=run.index, **columns)


async def _restore(
    writer: asyncpg.Connection, table: HostTable, shape: Shape, batch: int, tell: Tell
) -> tuple[int, int, list[LeftAlone]]:
    """Newest pass first, for what a later pass demoted may be what an earlier one kept."""
    total = (await ledger.totals(writer, table)).open
    done = 0
    listed: list[LeftAlone] = []

    async def once() -> list[asyncpg.Record]:
        async with writer.transaction():
            entries = await writer.fetch(_NEWEST, table.schema, table.table, batch)
            if not entries:
                return []
            # The kept rows too: whether they still are primary must not change meanwhile.
            organizations = [row["organization"] for row in entries] * 2
            ids = [row["row_id"] for row in entries] + [row["kept_row_id"] for row in entries]
            await writer.fetch(lock_rows(table, shape), organizations, ids)
            found: list[asyncpg.Record] = await writer.fetch(
                _restoring(table, shape), organizations[: len(entries)], ids[: len(entries)],
                [row["entry"] for row in entries], table.schema, table.table,
            )  # fmt: skip
            if refused := sum(row["refused"] for row in found):
                raise Conflict(
                    f"A trigger or rule of {table.schema}.{table.table} kept {refused} rows from being restored; this batch"
                    " was not made; allow it to change the column, then run the same again."
                )
            return found

    restored = left = 0
    while rows := await patiently(once):
        done += len(rows)
        restored += sum(row["why"] is None for row in rows)
        alone_now = [row for row in rows if row["why"]]
        left += len(alone_now)
        listed += [
            LeftAlone(row["organization"], row["patient"], row["row_id"], row["why"])
            for row in alone_now[: MOST_LISTED - len(listed)]
        ]
        tell(Progress("restoring", min(done, total), total))
    return restored, left, listed


_NEWEST = """
    select d.entry, d.organization, d.row_id, d.kept_row_id from carecircle_adoption.demotions d
    where d.table_schema = $1 and d.table_name = $2 and d.reverted_at is null and d.left_alone is null
      and (d.run_id, d.pass) = (
        select n.run_id, n.pass from carecircle_adoption.demotions n
        where n.table_schema = $1 and n.table_name = $2 and n.reverted_at is null and n.left_alone is null
        order by n.entry desc limit 1)
    order by d.entry desc limit $3"""


def _restoring(table: HostTable, shape: Shape) -> str:
    """$1 organizations, $2 row ids, $3 entries, $4 schema, $5 table.

    A row version still carries the transaction that demoted it: any later change of the row gave it another.
    """
    return f"""
        with named as (
          select * from unnest($1::text[]::{shape.organization_type}[], $2::text[]::{shape.id_type}[], $3::bigint[])
                        as w (organization, id, entry)
        ), judged as materialized (
          select d.entry, d.organization, d.patient, d.row_id, d.former_value, n.organization as of, n.id,
                 case when t.{quoted(table.id)} is null then 'gone'
                      when t.xmin <> d.demoted_xid::xid then 'changed-since'
                      when k.{quoted(table.id)} is null then 'kept-row-changed' end as why
          from named n join carecircle_adoption.demotions d on d.entry = n.entry
          left join {table.sql} t on {same_row("t", "n", table)}
          left join {table.sql} k on k.{quoted(table.organization)} = n.organization
            and k.{quoted(table.id)} = d.kept_row_id::{shape.id_type} and {table.live("k")}
        ), restored as (
          update {table.sql} t set {quoted(table.primary)} = j.former_value
          from (select j.of as organization, j.id, j.former_value, j.row_id, j.organization as told
                from judged j where j.why is null) j
          where {same_row("t", "j", table)}
          returning j.row_id, j.told
        ), closed as (
          update carecircle_adoption.demotions d set reverted_at = statement_timestamp()
          from restored r where d.table_schema = $4 and d.table_name = $5 and d.row_id = r.row_id
            and d.organization = r.told and d.reverted_at is null and d.left_alone is null
        ), kept as (
          update carecircle_adoption.demotions d set left_alone = j.why from judged j
          where j.why is not null and d.entry = j.entry
        )
        select j.organization, j.patient, j.row_id, j.why,
               j.why is null and not exists (
                 select from restored r where r.row_id = j.row_id and r.told = j.organization) as refused
        from judged j"""
