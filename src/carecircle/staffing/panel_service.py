"""Panels: how many patients a provider is primary for, how many they take, and whether new ones are taken."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.actor import Actor, actor_of, organization_of
from carecircle.assignments.tables import PatientAssignment
from carecircle.audit.entry import Entry, append
from carecircle.database.constraints import translated
from carecircle.database.facts import supersede
from carecircle.database.session import enter_tenant, instant
from carecircle.directory.service import AnyId, resolve_provider
from carecircle.identifiers import new_id
from carecircle.period import FOREVER
from carecircle.staffing.tables import PanelCapacity
from carecircle.staffing.turnover_service import BELIEVED


@dataclass(frozen=True, slots=True)
class Panel:
    """A provider's panel at an instant: patients as primary, at most so many (None: not said), open for new ones."""

    provider_id: UUID
    size: int = 0
    capacity: int | None = None
    accepts_new: bool = True


async def set_capacity(
    db: AsyncSession,
    *,
    provider: AnyId,
    capacity: int | None,
    accepts_new: bool = True,
    starts_at: datetime | None = None,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> PanelCapacity:
    """From `starts_at` on (now, by default) this provider takes at most `capacity` patients; none new when closed.

    Replaces what was said about the time from then on. The same again changes nothing. Raises ProviderNotRegistered,
    InvalidRequest for a negative capacity.
    """
    who = actor_of(actor)
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        provider_id = await resolve_provider(db, tenant, provider)
        now = await instant(db)
        since = starts_at or now
        said = list(
            await db.scalars(
                select(PanelCapacity)
                .where(
                    PanelCapacity.organization_id == tenant,
                    PanelCapacity.provider_id == provider_id,
                    PanelCapacity.superseded_at == BELIEVED,
                    PanelCapacity.ends_at > since,
                )
                .order_by(PanelCapacity.starts_at)
            )
        )
        told = [(one.capacity, one.accepts_new, one.ends_at) for one in said if one.starts_at <= since]
        if len(said) == 1 and told == [(capacity, accepts_new, FOREVER)]:
            return said[0]
        entry = Entry(
            tenant, "change", who, "panel-capacity-set", provider_id=provider_id,
            detail={"capacity": capacity, "accepts_new": accepts_new},
        )  # fmt: skip
        await append(db, entry)

        def row(like: PanelCapacity | None, start: datetime, end: datetime) -> PanelCapacity:
            fresh = new_id()
            return PanelCapacity(
                organization_id=tenant, id=fresh, lineage_id=like.lineage_id if like else fresh,
                provider_id=provider_id, capacity=like.capacity if like else capacity,
                accepts_new=like.accepts_new if like else accepts_new,
                starts_at=start, ends_at=end, recorded_at=now, entry_id=entry.id,
            )  # fmt: skip

        for old in said:
            await supersede(db, old, entry.id, now)
            if old.starts_at < since:
                db.add(row(old, old.starts_at, since))
        fresh = row(None, since, FOREVER)
        db.add(fresh)
        await db.flush()
        return fresh


async def panels(
    db: AsyncSession,
    *,
    providers: Collection[UUID],
    as_of: datetime | None = None,
    organization: UUID | str | None = None,
) -> dict[UUID, Panel]:
    """The panels of these providers at an instant, now by default."""
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        at = as_of or await instant(db)
        counted = await db.execute(
            select(PatientAssignment.provider_id, func.count())
            .where(
                PatientAssignment.organization_id == tenant,
                PatientAssignment.provider_id.in_(providers),
                PatientAssignment.assignment_type == "primary",
                PatientAssignment.superseded_at == BELIEVED,
                PatientAssignment.starts_at < PatientAssignment.ends_at,
                PatientAssignment.starts_at <= at,
                PatientAssignment.ends_at > at,
            )
            .group_by(PatientAssignment.provider_id)
        )
        sizes = {row[0]: row[1] for row in counted}
        said = await db.scalars(
            select(PanelCapacity).where(
                PanelCapacity.organization_id == tenant,
                PanelCapacity.provider_id.in_(providers),
                PanelCapacity.superseded_at == BELIEVED,
                PanelCapacity.starts_at <= at,
                PanelCapacity.ends_at > at,
            )
        )
        capacities = {one.provider_id: one for one in said}
        return {
            provider_id: Panel(
                provider_id,
                sizes.get(provider_id, 0),
                known.capacity if (known := capacities.get(provider_id)) else None,
                known.accepts_new if known else True,
            )
            for provider_id in providers
        }
