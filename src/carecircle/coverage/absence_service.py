"""Recording that a provider is away. It takes no access; it shows whose patients nobody answers for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.actor import Actor, actor_of, organization_of
from carecircle.audit.entry import Entry, append
from carecircle.database.constraints import translated
from carecircle.database.facts import supersede
from carecircle.database.keyset import Key, beyond
from carecircle.database.session import enter_tenant, instant, one_change, take_turns
from carecircle.directory.service import AnyId, resolve_provider
from carecircle.directory.tables import ProviderAbsence
from carecircle.errors import InvalidPeriod, NotFound
from carecircle.identifiers import new_id
from carecircle.period import FOREVER, Period, show, usable


async def record_absence(
    db: AsyncSession,
    *,
    provider: AnyId,
    starts_at: datetime,
    ends_at: datetime | None = None,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> ProviderAbsence:
    """Record that a provider is away from `starts_at` until `ends_at`, or until further notice.

    Raises OverlappingAbsence, InvalidPeriod for an end in the past, ProviderNotRegistered.
    """
    who = actor_of(actor)
    async with one_change(db):
        tenant = await enter_tenant(db, organization_of(organization))
        provider_id = await resolve_provider(db, tenant, provider)
        period = Period(usable(starts_at), FOREVER if ends_at is None else usable(ends_at))
        await take_turns(db, tenant, provider_id)
        now = await instant(db)
        if period.ends_at <= now:
            raise InvalidPeriod(f"This absence ended {show(period.ends_at)}; it must end later than now.")
        entry = Entry(
            tenant, "change", who, "absence-recorded", provider_id=provider_id,
            detail={"starts_at": show(period.starts_at), "ends_at": show(period.ends_at)},
        )  # fmt: skip
        await append(db, entry)
        row = _row(tenant, provider_id, period, now, entry.id)
        db.add(row)
        await db.flush()
        return row


async def end_absence(
    db: AsyncSession,
    *,
    provider: AnyId,
    holding_at: datetime | None = None,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> ProviderAbsence:
    """End the absence that holds now: the provider is back. With `holding_at`, the one that holds then; if it has not
    begun, it never does. Returns the row that was ended. Raises NotFound when there is none.
    """
    who = actor_of(actor)
    async with one_change(db):
        tenant = await enter_tenant(db, organization_of(organization))
        provider_id = await resolve_provider(db, tenant, provider)
        await take_turns(db, tenant, provider_id)
        now = await instant(db)
        at = now if holding_at is None else usable(holding_at)
        found = await db.scalars(
            select(ProviderAbsence)
            .where(
                ProviderAbsence.organization_id == tenant,
                ProviderAbsence.provider_id == provider_id,
                ProviderAbsence.superseded_at == FOREVER,
                ProviderAbsence.starts_at <= at,
                ProviderAbsence.ends_at > max(at, now),
            )
            .execution_options(populate_existing=True)
        )
        row = found.one_or_none()
        if row is None:
            raise NotFound(f"This provider is not recorded as absent at {show(at)}.", provider_id=provider_id)
        entry = Entry(
            tenant, "change", who, "absence-ended", provider_id=provider_id,
            detail={"starts_at": show(row.starts_at), "ended_at": show(now)},
        )  # fmt: skip
        await append(db, entry)
        await supersede(db, row, entry.id, now)
        if row.starts_at < now:
            ended = _row(tenant, provider_id, Period(row.starts_at, now), now, entry.id)
            ended.lineage_id = row.lineage_id
            db.add(ended)
            await db.flush()
        return row


async def absences(
    db: AsyncSession,
    *,
    provider: AnyId | None = None,
    after: Sequence[Key] | None = None,
    limit: int | None = None,
    organization: UUID | str | None = None,
) -> list[ProviderAbsence]:
    """The absences that are not over, of one provider or of everybody, by when they begin, and then by id.

    At most `limit` of them, from beyond the key `after` (starts_at, id) on. Raises InvalidCursor for another key.
    """
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        query = select(ProviderAbsence).where(
            ProviderAbsence.organization_id == tenant,
            ProviderAbsence.superseded_at == FOREVER,
            ProviderAbsence.ends_at > await instant(db),
        )
        if provider is not None:
            query = query.where(ProviderAbsence.provider_id == await resolve_provider(db, tenant, provider))
        ordered = beyond(query, ProviderAbsence.starts_at, ProviderAbsence.id, after=after, limit=limit)
        return list(await db.scalars(ordered.execution_options(populate_existing=True)))


def _row(tenant: UUID, provider_id: UUID, period: Period, now: datetime, entry_id: UUID) -> ProviderAbsence:
    row_id = new_id()
    return ProviderAbsence(
        organization_id=tenant, id=row_id, lineage_id=row_id, provider_id=provider_id, starts_at=period.starts_at,
        ends_at=period.ends_at, recorded_at=now, entry_id=entry_id,
    )  # fmt: skip
