"""What providers work as, where and when (PractitionerRole), as dated facts. A role here lets nobody see a patient."""

from __future__ import annotations

import re
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.actor import Actor, actor_of, organization_of
from carecircle.audit.entry import Entry, append
from carecircle.database.constraints import translated
from carecircle.database.facts import supersede
from carecircle.database.session import enter_tenant, one_change, take_turns
from carecircle.directory.credential_service import require_code
from carecircle.directory.service import AnyId, is_registered, resolve_provider
from carecircle.directory.specialty_service import specialty_known
from carecircle.directory.tables import ProviderRole
from carecircle.directory.unit_service import resolve_unit
from carecircle.errors import InvalidPeriod, InvalidRequest, NotFound, ProviderNotRegistered
from carecircle.identifiers import OrganizationId, new_id, to_text
from carecircle.period import FOREVER, Period, show, usable

_ROLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")


async def add_role(
    db: AsyncSession,
    *,
    provider: AnyId,
    role_code: str,
    specialty_code: str = "",
    unit: AnyId | None = None,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> ProviderRole:
    """Record what a provider works as, from now on and without an end by default. The same again changes nothing.

    Raises InvalidRequest for what is no code, or a specialty that the organization's taxonomy does not have,
    InvalidPeriod, ProviderNotRegistered, UnitNotRegistered.
    """
    if not _ROLE.fullmatch(role_code):
        raise InvalidRequest("A role's code has up to 64 letters, digits and . _ : -, a letter or a digit first.")
    if specialty_code:
        require_code(specialty_code)
    who = actor_of(actor)
    async with one_change(db):
        tenant = await enter_tenant(db, organization_of(organization))
        provider_id = await _registered(db, tenant, provider)
        unit_id = None if unit is None else await resolve_unit(db, tenant, unit)
        if specialty_code and await specialty_known(db, tenant, specialty_code) is False:
            raise InvalidRequest("This specialty is not in this organization's taxonomy; check the code.")
        now = await take_turns(db, tenant, provider_id)
        period = Period(
            now if starts_at is None else usable(starts_at), FOREVER if ends_at is None else usable(ends_at)
        )
        for known in await db.scalars(_believed(tenant).where(ProviderRole.provider_id == provider_id)):
            begun = known.starts_at == period.starts_at or (starts_at is None and known.starts_at <= now)
            said = (known.role_code, known.specialty_code, known.unit_id, known.ends_at)
            if begun and said == (role_code, specialty_code, unit_id, period.ends_at):
                return known
        row_id = new_id()
        row = ProviderRole(
            organization_id=tenant, id=row_id, lineage_id=row_id, provider_id=provider_id, role_code=role_code,
            specialty_code=specialty_code, unit_id=unit_id, starts_at=period.starts_at, ends_at=period.ends_at,
        )  # fmt: skip
        return await _record(db, row, _entry(row, who, "provider-role-added", ends_at=show(row.ends_at)), now)


async def end_role(
    db: AsyncSession,
    *,
    role_id: UUID,
    provider: AnyId,
    at: datetime | None = None,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> ProviderRole:
    """End a role of this provider now, or at an instant ahead; one that has not begun by then never does.

    Returns the row that was ended. Raises NotFound when it is not theirs now or ahead, InvalidPeriod for an instant that
    has passed or is later than its end, ProviderNotRegistered.
    """
    who = actor_of(actor)
    async with one_change(db):
        tenant = await enter_tenant(db, organization_of(organization))
        provider_id = await _registered(db, tenant, provider)
        now = await take_turns(db, tenant, provider_id)
        theirs = ProviderRole.id == role_id, ProviderRole.provider_id == provider_id, ProviderRole.ends_at > now
        row = (await db.scalars(_believed(tenant).where(*theirs))).one_or_none()
        if row is None:
            raise NotFound("This provider has no such role now or ahead.", provider_id=provider_id)
        until = now if at is None else usable(at)
        if not now <= until < row.ends_at:
            raise InvalidPeriod("A role ends now or later, and earlier than it ends already.")
        entry = _entry(row, who, "provider-role-ended", ended_at=show(until))
        await append(db, entry)
        await supersede(db, row, entry.id, now)
        if row.starts_at < until:
            db.add(
                ProviderRole(
                    organization_id=tenant, id=new_id(), lineage_id=row.lineage_id, provider_id=provider_id,
                    role_code=row.role_code, specialty_code=row.specialty_code, unit_id=row.unit_id,
                    starts_at=row.starts_at, ends_at=until, recorded_at=now, entry_id=entry.id,
                )
            )  # fmt: skip
            await db.flush()
        return row


async def roles_of(
    db: AsyncSession, *, provider: AnyId, as_of: datetime | None = None, organization: UUID | str | None = None
) -> list[ProviderRole]:
    """What a provider works as at an instant, or, without one, all on record that is believed. Raises ProviderNotRegistered."""
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        query = _believed(tenant).where(ProviderRole.provider_id == await _registered(db, tenant, provider))
        if as_of is not None:
            query = query.where(ProviderRole.starts_at <= usable(as_of), ProviderRole.ends_at > as_of)
        return list(await db.scalars(query))


async def _registered(db: AsyncSession, tenant: OrganizationId, provider: AnyId) -> UUID:
    provider_id = await resolve_provider(db, tenant, provider)
    if not await is_registered(db, tenant, "provider", provider_id):
        raise ProviderNotRegistered
    return provider_id


def _believed(tenant: OrganizationId) -> Select[ProviderRole]:
    return (
        select(ProviderRole)
        .where(ProviderRole.organization_id == tenant, ProviderRole.superseded_at == FOREVER)
        .order_by(ProviderRole.starts_at, ProviderRole.id)
        .execution_options(populate_existing=True)
    )


async def _record(db: AsyncSession, row: ProviderRole, entry: Entry, now: datetime) -> ProviderRole:
    row.recorded_at, row.entry_id = now, entry.id
    await append(db, entry)
    db.add(row)
    await db.flush()
    return row


def _entry(row: ProviderRole, who: Actor, code: str, **said: str) -> Entry:
    return Entry(
        row.organization_id, "change", who, code, provider_id=row.provider_id,
        detail={"role": to_text(row.id), "starts_at": show(row.starts_at), **said},
    )  # fmt: skip
