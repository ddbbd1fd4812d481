"""The months of the audit trail: which there are and in what state, made ahead, and indexed once they are over."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from carecircle.audit.retention_limits_service import OF_THE_MONTH, YearsOf, is_held, limits, retirable_since
from carecircle.database.constraints import DRIVER_ERRORS, translate
from carecircle.database.migrate import objects
from carecircle.database.reach import Reach, Role
from carecircle.database.roles import open_connection

TRAIL = "carecircle.audit_events"
INDEXES = {"by_patient": "patient_id", "by_provider": "provider_id"}
"""What a month that is over is searched by, beside its organization and its time: the ending of the index's name, the column."""

_MONTHS = """
  select c.oid, c.relname, to_date(right(c.relname, 7), 'YYYY_MM') as month, c.relispartition as attached,
         greatest(c.reltuples, -1)::bigint as entries, pg_total_relation_size(c.oid) as bytes,
         (to_date(right(c.relname, 7), 'YYYY_MM') + interval '1 month 1 day') at time zone 'UTC' < statement_timestamp() as closed,
         (select count(*) from pg_index i join pg_class x on x.oid = i.indexrelid
          where i.indrelid = c.oid and i.indisvalid
            and x.relname in (c.relname || '_by_patient', c.relname || '_by_provider')) = 2 as indexed
  from pg_class c
  where c.relnamespace = 'carecircle'::regnamespace and c.relkind = 'r' and c.relname ~ '^audit_events_\\d{4}_\\d\\d$'
  order by c.relname"""

# Only what its organization's newest checkpoint has not reached can lack a leaf, so only that is looked up.
_UNSEALED = """
  select exists (
    select from carecircle.organizations o
    left join lateral (
      select c.last_xid from carecircle.audit_checkpoints c where c.organization_id = o.id
      order by c.epoch desc, c.tree_size desc limit 1) sealed on true
    where exists (
      select from {source} e
      where e.organization_id = o.id and (sealed.last_xid is null or e.xid >= sealed.last_xid) and {of_the_month}
        and not exists (
          select from carecircle.audit_leaves l where l.organization_id = e.organization_id and l.entry_id = e.id)))"""


@dataclass(frozen=True, slots=True)
class Month:
    """One month of the trail, over all organizations; its first day stands for it.

    `entries` is the database's estimate, counted where it has none. `closed`: it ended more than a day ago. `retirable_since`:
    when every organization's retention is over. `attached` is False between the steps of a retirement.
    """

    month: date
    partition: str
    entries: int
    bytes: int
    attached: bool
    closed: bool
    indexed: bool
    sealed: bool
    held: bool
    retirable_since: datetime
    past_retention: bool

    @property
    def source(self) -> str:
        """Where its entries are read: the trail, or, once detached, its own table."""
        return TRAIL if self.attached else f"carecircle.{self.partition}"


async def months(at: Reach, engine: AsyncEngine, years_of: YearsOf) -> list[Month]:
    """Every month there is a table for, the oldest first. `engine` is the app's. Raises DatabaseUnavailable and its kinds."""
    async with seeing_all(at) as sealer:
        known = await limits(engine, sealer, years_of)
        found = []
        for row in await sealer.fetch(_MONTHS):
            source = TRAIL if row["attached"] else f"carecircle.{row['relname']}"
            month = row["month"]
            entries, unsealed, held = row["entries"], False, False
            if row["bytes"] > 0 and (row["attached"] or await _may_read(sealer, source)):
                if entries < 0:
                    entries = await sealer.fetchval(f"select count(*) from {source} e where {OF_THE_MONTH}", month)
                unsealed = await sealer.fetchval(_UNSEALED.format(source=source, of_the_month=OF_THE_MONTH), month)
                held = await is_held(sealer, source, month, known)
            since, past = await retirable_since(sealer, month, known.years)
            found.append(
                Month(
                    month, row["relname"], entries, row["bytes"], row["attached"], row["closed"], row["indexed"],
                    not unsealed, held, since, past,
                )
            )  # fmt: skip
        return found


async def prepare_months(at: Reach, told: Callable[[str], None] = lambda _: None) -> tuple[int, int]:
    """Make 24 months ahead, and index those that are over, without keeping anybody waiting; returns how many of each.

    `told` hears of every index. Safe to repeat: an index whose making was interrupted is made anew.
    """
    async with connected(at, "owner") as owner:
        await owner.execute("set lock_timeout = '4s'")
        before = {row["relname"]: row["indexed"] for row in await owner.fetch(_MONTHS)}
        for statement in objects():
            await owner.execute(statement)
        for row in await owner.fetch(_MONTHS):
            if row["attached"] and row["closed"] and not row["indexed"]:
                for ending, column in INDEXES.items():
                    told(f"{row['relname']}, {ending.replace('_', ' ')}")
                    await _index(owner, row["relname"], ending, column)
        after = {row["relname"]: row["indexed"] for row in await owner.fetch(_MONTHS)}
    indexed = sum(now and not before.get(name, False) for name, now in after.items())
    return len(after.keys() - before.keys()), indexed


async def _index(owner: asyncpg.Connection, partition: str, ending: str, column: str) -> None:
    name = f"{partition}_{ending}"
    valid = await owner.fetchval(
        "select i.indisvalid from pg_index i where i.indexrelid = to_regclass('carecircle.' || $1)", name
    )
    if valid is False:
        await owner.execute(f"drop index concurrently carecircle.{name}")
    if not valid:
        await owner.execute(
            f"create index concurrently {name} on carecircle.{partition} (organization_id, {column}, recorded_at)"
        )


async def _may_read(connection: asyncpg.Connection, table: str) -> bool:
    may: bool = await connection.fetchval("select has_table_privilege($1, 'select')", table)
    return may


@asynccontextmanager
async def connected(at: Reach, role: Role) -> AsyncIterator[asyncpg.Connection]:
    """A connection of a role, its time zone UTC; the driver's errors come as ours. Raises DatabaseUnavailable."""
    connection = await open_connection(at.dsn(role))
    try:
        await connection.execute("set timezone = 'UTC'")
        yield connection
    except DRIVER_ERRORS as error:
        raise translate(error) from None
    finally:
        await connection.close()


@asynccontextmanager
async def seeing_all(at: Reach) -> AsyncIterator[asyncpg.Connection]:
    """The sealer's, seeing the entries of every organization."""
    async with connected(at, "sealer") as sealer:
        await sealer.execute("set carecircle.every_organization = 'on'")
        yield sealer
