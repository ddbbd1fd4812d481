"""How the keeping of the trail stands: what waits to be sealed and since when, and for how many months there is room."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.actor import organization_of
from carecircle.database.constraints import translated

WAITING = text("""
    with newest as (
      select last_xid, last_entry_id, signed_at, tree_size from carecircle.audit_checkpoints
      where organization_id = :organization order by epoch desc, tree_size desc limit 1)
    select
      (select count(*) from (
         select from carecircle.audit_events e
         where e.organization_id = :organization and e.xid >= coalesce((select last_xid from newest), '0'::xid8)
           and (e.xid, e.id) > (coalesce((select last_xid from newest), '0'::xid8),
                                coalesce((select last_entry_id from newest), '00000000-0000-0000-0000-000000000000'))
         limit 10000) later) as waiting,
      (select statement_timestamp() - min(recorded_at) from (
         select e.recorded_at from carecircle.audit_events e
         where e.organization_id = :organization and e.xid >= coalesce((select last_xid from newest), '0'::xid8)
           and (e.xid, e.id) > (coalesce((select last_xid from newest), '0'::xid8),
                                coalesce((select last_entry_id from newest), '00000000-0000-0000-0000-000000000000'))
         order by e.xid limit 10000) later) as oldest,
      (select statement_timestamp() - signed_at from newest) as signed,
      (select tree_size from newest) as size""")

# Months that have begun at the instant of asking are not ahead; a partition is told by its name.
AHEAD = text("""
    select count(*) from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = to_regclass('carecircle.audit_events') and c.relname ~ '^audit_events_[0-9]{4}_[0-9]{2}$'
      and right(c.relname, 7) > to_char(statement_timestamp() at time zone 'UTC', 'YYYY_MM')""")


@dataclass(frozen=True, slots=True)
class Sealing:
    """What waits to be sealed (counted up to 10,000), the age of the oldest of it, and the newest checkpoint, if any."""

    waiting: int
    oldest: timedelta
    checkpoint_age: timedelta | None
    tree_size: int | None


async def sealing(db: AsyncSession) -> Sealing:
    """Of the organization that acts; needs the auditor's engine."""
    with translated():
        row = (await db.execute(WAITING, {"organization": organization_of()})).one()
    return Sealing(row.waiting, row.oldest or timedelta(), row.signed, row.size)


async def months_ahead(db: AsyncSession) -> int:
    """For how many months after this one there is a partition of their own."""
    with translated():
        count: int = (await db.execute(AHEAD)).scalar_one()
    return count
