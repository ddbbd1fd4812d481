"""Foreseeing when nobody could decide about an emergency, from who is on duty, absent and suspended."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Uuid, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.actor import organization_of
from carecircle.database.constraints import translated
from carecircle.database.instants import Instant
from carecircle.database.session import enter_tenant, instant
from carecircle.directory.duty_gaps import Away, Gap, Held, Wanted, gaps
from carecircle.directory.tables import Duty, ProviderAbsence, ProviderRole
from carecircle.errors import InvalidPeriod
from carecircle.period import FOREVER, Period

FARTHEST = timedelta(days=400)

_SUSPENDED = text("""
  select provider_id, starts_at, ends_at from carecircle.access_restrictions
  where organization_id = :tenant and kind = 'suspension' and superseded_at = 'infinity'
    and starts_at < :ends_at and ends_at > :starts_at""")


async def duty_gaps(db: AsyncSession, *, within: timedelta, organization: UUID | str | None = None) -> list[Gap]:
    """When, in the time ahead, nobody holds a duty that is needed and is neither absent nor suspended; soonest first.

    Needed are a supervisor for every unit where somebody works or has a duty in that time, a duty manager and a privacy
    office for the organization, and anybody at all who may break the glass. Raises InvalidPeriod unless `within` is
    above zero and at most 400 days.
    """
    if not timedelta(0) < within <= FARTHEST:
        raise InvalidPeriod(f"Say how far ahead to look: more than nothing, at most {FARTHEST.days} days.")
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        now = await instant(db)
        window = Period(now, now + within)
        duties = list(await db.scalars(select(Duty).where(*_within(Duty, tenant, window))))
        absences = await db.scalars(select(ProviderAbsence).where(*_within(ProviderAbsence, tenant, window)))
        suspended = await db.execute(
            _SUSPENDED.columns(provider_id=Uuid(), starts_at=Instant(), ends_at=Instant()),
            {"tenant": tenant, "starts_at": window.starts_at, "ends_at": window.ends_at},
        )
        away = [Away(one.provider_id, Period(one.starts_at, one.ends_at)) for one in absences]
        working = await db.scalars(
            select(ProviderRole.unit_id).distinct().where(*_within(ProviderRole, tenant, window))
        )
        units = {unit for unit in (*working, *(one.unit_id for one in duties)) if unit is not None}
        return gaps(
            window,
            [Held(one.provider_id, one.duty, one.unit_id, Period(one.starts_at, one.ends_at)) for one in duties],
            [*away, *(Away(one.provider_id, Period(one.starts_at, one.ends_at)) for one in suspended)],
            [
                Wanted("duty_manager"),
                Wanted("privacy_office"),
                Wanted("break_glass", anywhere=True),
                *(Wanted("supervisor", unit) for unit in sorted(units)),
            ],
        )


def _within(table: Any, tenant: UUID, window: Period) -> tuple[Any, ...]:
    """Believed rows that hold for some of the window."""
    believed = (table.organization_id == tenant, table.superseded_at == FOREVER, table.starts_at < table.ends_at)
    return (*believed, table.starts_at < window.ends_at, table.ends_at > window.starts_at)
