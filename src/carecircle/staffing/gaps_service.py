"""Gaps: patients who have, or will have, nobody as primary provider, and from when until when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.actor import organization_of
from carecircle.audit import metrics
from carecircle.database.constraints import translated
from carecircle.database.instants import Instant
from carecircle.database.session import enter_tenant, instant


@dataclass(frozen=True, slots=True)
class Gap:
    """A patient without a primary provider from `starts_at` (now, where it began before) until `ends_at`, open if never."""

    patient_id: UUID
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Gaps:
    """How many patients have no primary `now`, how many more will lose theirs within the days, and the first gaps."""

    now: int
    ahead: int
    gaps: list[Gap]


async def gaps(db: AsyncSession, *, days: int = 0, limit: int = 1000, organization: UUID | str | None = None) -> Gaps:
    """Gaps of all registered patients that begin by `days` (of 24 hours) from now; the earliest `limit` of them."""
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        now = await instant(db)
        said = {"tenant": tenant, "now": now, "until": now + timedelta(days=days)}
        counted = (await db.execute(_COUNT, said)).one()
        rows = await db.execute(_LIST, said | {"limit": limit})
        metrics.set_patients_without_primary(tenant, counted[0])
        return Gaps(counted[0], counted[1], [Gap(*row) for row in rows])


_GAPS = """
    with covered as (
      select patient_id, range_agg(period) as periods
      from carecircle.patient_assignments
      where organization_id = :tenant and is_primary_provider and superseded_at = 'infinity' and ends_at > :now
      group by patient_id
    ), gap as (
      select p.id as patient_id, lower(g.span) as starts_at, upper(g.span) as ends_at
      from carecircle.patients p
      left join covered c on c.patient_id = p.id
      cross join lateral unnest(
        tstzmultirange(tstzrange(:now, 'infinity')) - coalesce(c.periods, tstzmultirange())) as g (span)
      where p.organization_id = :tenant and lower(g.span) <= :until
    )"""

_COUNT = text(f"""{_GAPS}
    select count(distinct patient_id) filter (where starts_at = :now),
           count(distinct patient_id)
             - count(distinct patient_id) filter (where starts_at = :now)
    from gap""")

_LIST = text(f"""{_GAPS}
    select patient_id, starts_at, ends_at from gap order by starts_at, patient_id limit :limit""").columns(
    starts_at=Instant(), ends_at=Instant()
)
