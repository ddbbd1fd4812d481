"""The months of the audit trail as one organization sees them: what of its own entries keeps each from being retired.

A month is retired for all organizations at once; what keeps others' entries is not told here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from carecircle.actor import organization_of
from carecircle.audit.export_service import snapshot
from carecircle.audit.months_service import TRAIL
from carecircle.audit.retention_limits_service import OF_THE_MONTH, YearsOf, is_held, limits_of, retirable_since
from carecircle.audit.retention_service import Retirement, retirements
from carecircle.errors.proof import MonthNotKept

# Those that have begun; the tables of later ones are empty.
_BEGUN = """
  select month, (month + interval '1 month 1 day') at time zone 'UTC' < statement_timestamp() as closed,
         month::timestamp at time zone 'UTC' > statement_timestamp() as ahead
  from (
    select to_date(right(c.relname, 7), 'YYYY_MM') as month from pg_class c
    where c.relnamespace = 'carecircle'::regnamespace and c.relkind = 'r' and c.relispartition
      and c.relname ~ '^audit_events_\\d{4}_\\d\\d$') m
  order by month"""
_THERE = f"select exists (select from {TRAIL} e where e.organization_id = $2 and {OF_THE_MONTH})"
# What the newest checkpoint has reached has its leaf; only what lies beyond is looked up.
_UNSEALED = f"""
  select exists (
    select from {TRAIL} e
    where e.organization_id = $2 and {OF_THE_MONTH}
      and e.xid >= coalesce((
        select c.last_xid from carecircle.audit_checkpoints c where c.organization_id = $2
        order by c.epoch desc, c.tree_size desc limit 1), '0'::xid8)
      and not exists (
        select from carecircle.audit_leaves l where l.organization_id = e.organization_id and l.entry_id = e.id))"""


@dataclass(frozen=True, slots=True)
class OwnMonth:
    """One month (its first day, UTC). `entries`: whether there are any in the database; `retirable_since`: when this
    organization's retention is over; `retired`: the file that holds its entries, None before that."""

    month: date
    closed: bool
    entries: bool
    sealed: bool
    held: bool
    retirable_since: datetime
    past_retention: bool
    retired: Retirement | None

    @property
    def kept_by(self) -> tuple[str, ...]:
        """What of this organization keeps it: `not-over`, `retention`, `hold`, `unsealed`; nothing where it may go."""
        reasons = {
            "not-over": not self.closed, "retention": not self.past_retention, "hold": self.held,
            "unsealed": not self.sealed,
        }  # fmt: skip
        return () if self.retired else tuple(code for code, keeps in reasons.items() if keeps)


async def own_months(
    db: AsyncSession, *, auditor: AsyncEngine, years_of: YearsOf, organization: UUID | str | None = None
) -> tuple[list[OwnMonth], int]:
    """Every month that has begun or was retired, the oldest first, and how many there are tables for ahead.

    `db` is a session of the app's role, `auditor` an engine of carecircle_auditor. Raises DatabaseUnavailable.
    """
    tenant = organization_of(organization)
    known = await limits_of(db, tenant, years_of)
    found = []
    async with snapshot(auditor, tenant) as trail:
        months = await trail.fetch(_BEGUN)
        for row in months:
            if row["ahead"]:
                continue
            month = row["month"]
            there = await trail.fetchval(_THERE, month, tenant)
            unsealed = there and await trail.fetchval(_UNSEALED, month, tenant)
            held = there and await is_held(trail, TRAIL, month, known)
            since, past = await retirable_since(trail, month, known.years)
            found.append(OwnMonth(month, row["closed"], there, not unsealed, held, since, past, None))
        there_still = {one.month for one in found}
        for gone in await retirements(db, tenant):
            if gone.month not in there_still:
                since, past = await retirable_since(trail, gone.month, known.years)
                found.append(OwnMonth(gone.month, True, False, True, False, since, past, gone))
    return sorted(found, key=lambda one: one.month), sum(row["ahead"] for row in months)


async def own_month(
    db: AsyncSession,
    month: date,
    *,
    auditor: AsyncEngine,
    years_of: YearsOf,
    organization: UUID | str | None = None,
) -> OwnMonth:
    """One of them, by its first day. Raises MonthNotKept, DatabaseUnavailable."""
    months, _ = await own_months(db, auditor=auditor, years_of=years_of, organization=organization)
    for one in months:
        if one.month == month:
            return one
    raise MonthNotKept("There is no such month of the audit trail that has begun or was retired.")
