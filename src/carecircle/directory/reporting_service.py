"""Who reports to whom, as dated facts. Nobody decides about the emergency of a person they report to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.actor import Actor, actor_of, organization_of
from carecircle.audit.entry import Entry, append
from carecircle.database.constraints import translated
from carecircle.database.facts import supersede
from carecircle.database.session import enter_tenant, instant, one_change, take_turns
from carecircle.directory.service import AnyId, resolve_provider
from carecircle.directory.tables import ReportingLine
from carecircle.errors import InvalidPeriod
from carecircle.errors.emergency import ReportingLineNotFound, ReportingLoop
from carecircle.identifiers import OrganizationId, new_id, to_text
from carecircle.period import FOREVER, Period, show, usable

_TURN = UUID(bytes=b"reporting-line\0\0")  # whom those queue for who change who reports to whom, in every organization

# Who stands above somebody within a period, and for what part of it the whole chain holds.
_LOOP = text("""
  with recursive above (provider_id, span) as (
    select cast(:reports_to as uuid), tstzrange(:starts_at, :ends_at)
    union
    select line.reports_to_id, above.span * line.period
    from above join carecircle.reporting_lines line
      on line.organization_id = :tenant and line.provider_id = above.provider_id
     and line.superseded_at = 'infinity' and line.period && above.span
    where above.provider_id <> :provider
  )
  select exists (select from above where provider_id = :provider)""")


async def add_reporting_line(
    db: AsyncSession,
    *,
    provider: AnyId,
    reports_to: AnyId,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> ReportingLine:
    """Record that `provider` reports to `reports_to`, from now on and without an end unless said otherwise.

    Raises ReportingLoop when at some instant of the period `reports_to` would report to themselves by way of others,
    OverlappingReportingLine, InvalidRequest for one and the same person, InvalidPeriod, ProviderNotRegistered.
    """
    who = actor_of(actor)
    async with one_change(db):
        tenant = await enter_tenant(db, organization_of(organization))
        own, superior = await resolve_provider(db, tenant, provider), await resolve_provider(db, tenant, reports_to)
        # One turn for all lines: two that are added at once could each be fine, and be a loop together.
        now = await take_turns(db, tenant, _TURN)
        period = Period(
            now if starts_at is None else usable(starts_at), FOREVER if ends_at is None else usable(ends_at)
        )
        if period.ends_at <= now:
            raise InvalidPeriod(f"This line would have ended {show(period.ends_at)}; it must end later than now.")
        if own != superior and await db.scalar(_LOOP, _asked(tenant, own, superior, period)):
            raise ReportingLoop(provider_id=own)
        row_id = new_id()
        row = ReportingLine(
            organization_id=tenant, id=row_id, lineage_id=row_id, provider_id=own, reports_to_id=superior,
            starts_at=period.starts_at, ends_at=period.ends_at, recorded_at=now,
        )  # fmt: skip
        entry = _entry(row, who, "reporting-line-added", starts_at=show(row.starts_at), ends_at=show(row.ends_at))
        row.entry_id = entry.id
        await append(db, entry)
        db.add(row)
        await db.flush()
        return row


async def end_reporting_line(
    db: AsyncSession,
    *,
    provider: AnyId,
    reports_to: AnyId,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> list[ReportingLine]:
    """End that `provider` reports to `reports_to`, now and ahead. Returns the rows that were ended.

    Raises ReportingLineNotFound, ProviderNotRegistered.
    """
    who = actor_of(actor)
    async with one_change(db):
        tenant = await enter_tenant(db, organization_of(organization))
        own, superior = await resolve_provider(db, tenant, provider), await resolve_provider(db, tenant, reports_to)
        now = await take_turns(db, tenant, _TURN)
        of_both = (ReportingLine.provider_id == own, ReportingLine.reports_to_id == superior)
        rows = await _held(db, tenant, now, *of_both)
        if not rows:
            raise ReportingLineNotFound
        for row in rows:
            entry = _entry(row, who, "reporting-line-ended", ended_at=show(now))
            await append(db, entry)
            await supersede(db, row, entry.id, now)
            if row.starts_at < now:
                db.add(
                    ReportingLine(
                        organization_id=tenant, id=new_id(), lineage_id=row.lineage_id, provider_id=own,
                        reports_to_id=superior, starts_at=row.starts_at, ends_at=now, recorded_at=now, entry_id=entry.id,
                    )
                )  # fmt: skip
                await db.flush()
        return list(rows)


async def reporting_lines(
    db: AsyncSession, provider: AnyId | None = None, *, organization: UUID | str | None = None
) -> list[ReportingLine]:
    """The lines that hold now or ahead: everybody's, or those to and from one provider. Raises ProviderNotRegistered."""
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        of_whom: list[Any] = []
        if provider is not None:
            own = await resolve_provider(db, tenant, provider)
            of_whom = [or_(ReportingLine.provider_id == own, ReportingLine.reports_to_id == own)]
        return list(await _held(db, tenant, await instant(db), *of_whom))


def _asked(tenant: UUID, own: UUID, superior: UUID, period: Period) -> dict[str, Any]:
    return {
        "tenant": tenant, "provider": own, "reports_to": superior, "starts_at": period.starts_at,
        "ends_at": period.ends_at,
    }  # fmt: skip


async def _held(db: AsyncSession, tenant: OrganizationId, now: datetime, *conditions: Any) -> Sequence[ReportingLine]:
    found = await db.scalars(
        select(ReportingLine)
        .where(
            ReportingLine.organization_id == tenant, ReportingLine.superseded_at == FOREVER,
            ReportingLine.ends_at > now, *conditions,
        )
        .order_by(ReportingLine.reports_to_id, ReportingLine.starts_at, ReportingLine.id)
        .execution_options(populate_existing=True)
    )  # fmt: skip
    return found.all()


def _entry(row: ReportingLine, who: Actor, code: str, **said: str) -> Entry:
    return Entry(
        row.organization_id, "change", who, code, provider_id=row.provider_id,
        detail={"line": to_text(row.id), "reports_to": to_text(row.reports_to_id), **said},
    )  # fmt: skip
