"""Recording and lifting what takes access away: objections, suspensions, labels. Changes join the caller's session."""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.actor import Actor, actor_of, organization_of
from carecircle.audit.entry import Entry, append
from carecircle.database.facts import supersede
from carecircle.database.session import enter_tenant, instant, lock_patient, one_change, take_turns
from carecircle.directory.service import AnyId, resolve_patient, resolve_provider
from carecircle.errors import InvalidRequest, RestrictionNotFound
from carecircle.identifiers import OrganizationId, new_id, to_text
from carecircle.period import FOREVER, Period, show
from carecircle.restrictions.reading_service import Restriction, restrictions
from carecircle.restrictions.rules import LABELS
from carecircle.restrictions.tables import AccessRestriction, PatientLabel

__all__ = [
    "Restriction",
    "label",
    "lift",
    "lift_objection",
    "lift_suspension",
    "object_to",
    "restrictions",
    "suspend",
    "unlabel",
]

Restricting = TypeVar("Restricting", AccessRestriction, PatientLabel)
_LIFTED = {"objection": "objection-lifted", "suspension": "suspension-lifted"}


async def object_to(
    db: AsyncSession,
    *,
    patient: AnyId,
    provider: AnyId,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> AccessRestriction:
    """Record that a patient objects to a provider: while it holds (from now on, by default), nothing lets them in.

    Raises AlreadyRestricted when that is recorded for part of the period, InvalidPeriod, PatientNotRegistered,
    ProviderNotRegistered.
    """
    who = actor_of(actor)
    async with one_change(db):
        tenant = await enter_tenant(db, organization_of(organization))
        patient_id = await resolve_patient(db, tenant, patient)
        provider_id = await resolve_provider(db, tenant, provider)
        now = await lock_patient(db, tenant, patient_id)
        row = AccessRestriction(kind="objection", provider_id=provider_id, patient_id=patient_id)
        return await _record(db, tenant, who, "objection-recorded", row, starts_at, ends_at, now)


async def suspend(
    db: AsyncSession,
    *,
    provider: AnyId,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> AccessRestriction:
    """Keep a provider from every patient, from now on by default; what they hold stays on record, and comes back after.

    Raises AlreadyRestricted when they are suspended for part of the period, InvalidPeriod, ProviderNotRegistered.
    """
    who = actor_of(actor)
    async with one_change(db):
        tenant = await enter_tenant(db, organization_of(organization))
        provider_id = await resolve_provider(db, tenant, provider)
        now = await take_turns(db, tenant, provider_id)
        row = AccessRestriction(kind="suspension", provider_id=provider_id, patient_id=None)
        return await _record(db, tenant, who, "provider-suspended", row, starts_at, ends_at, now)


async def label(
    db: AsyncSession,
    *,
    patient: AnyId,
    label: str,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> PatientLabel:
    """Give a patient a sensitivity label (a code of LABELS): while it holds, only a direct assignment lets in.

    Raises InvalidRequest for another code, AlreadyRestricted when the patient has it for part of the period, InvalidPeriod,
    PatientNotRegistered.
    """
    _require_known(label)
    who = actor_of(actor)
    async with one_change(db):
        tenant = await enter_tenant(db, organization_of(organization))
        patient_id = await resolve_patient(db, tenant, patient)
        now = await lock_patient(db, tenant, patient_id)
        row = PatientLabel(patient_id=patient_id, label=label)
        return await _record(db, tenant, who, "patient-labelled", row, starts_at, ends_at, now)


async def lift(
    db: AsyncSession,
    *,
    restriction_id: UUID,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> AccessRestriction | PatientLabel:
    """End an objection, a suspension or a label by the id of its row, now or, when it has not begun, altogether.

    Returns the row that was lifted. Raises RestrictionNotFound when no such row holds now or ahead.
    """
    who = actor_of(actor)
    async with one_change(db):
        tenant = await enter_tenant(db, organization_of(organization))
        now = await instant(db)
        for table in (AccessRestriction, PatientLabel):
            for row in await _held(db, tenant, table, now, table.id == restriction_id):
                return await _lift(
                    db, tenant, who, row, await take_turns(db, tenant, row.patient_id or row.provider_id)
                )
        raise RestrictionNotFound


async def lift_objection(
    db: AsyncSession,
    *,
    patient: AnyId,
    provider: AnyId,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> list[AccessRestriction | PatientLabel]:
    """End a patient's objections to a provider, now and ahead. Raises RestrictionNotFound when there are none."""
    who = actor_of(actor)
    async with one_change(db):
        tenant = await enter_tenant(db, organization_of(organization))
        patient_id = await resolve_patient(db, tenant, patient)
        provider_id = await resolve_provider(db, tenant, provider)
        now = await lock_patient(db, tenant, patient_id)
        return await _lift_all(
            db, tenant, who, now, AccessRestriction,
            AccessRestriction.patient_id == patient_id, AccessRestriction.provider_id == provider_id,
        )  # fmt: skip


async def lift_suspension(
    db: AsyncSession,
    *,
    provider: AnyId,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> list[AccessRestriction | PatientLabel]:
    """End a provider's suspensions, now and ahead. Raises RestrictionNotFound when there are none."""
    who = actor_of(actor)
    async with one_change(db):
        tenant = await enter_tenant(db, organization_of(organization))
        provider_id = await resolve_provider(db, tenant, provider)
        now = await take_turns(db, tenant, provider_id)
        return await _lift_all(
            db, tenant, who, now, AccessRestriction,
            AccessRestriction.kind == "suspension", AccessRestriction.provider_id == provider_id,
        )  # fmt: skip


async def unlabel(
    db: AsyncSession,
    *,
    patient: AnyId,
    label: str,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> list[AccessRestriction | PatientLabel]:
    """Take a label from a patient, now and ahead. Raises RestrictionNotFound when the patient has it at neither."""
    _require_known(label)
    who = actor_of(actor)
    async with one_change(db):
        tenant = await enter_tenant(db, organization_of(organization))
        patient_id = await resolve_patient(db, tenant, patient)
        now = await lock_patient(db, tenant, patient_id)
        return await _lift_all(
            db, tenant, who, now, PatientLabel, PatientLabel.patient_id == patient_id, PatientLabel.label == label
        )


def _require_known(label: str) -> None:
    if label not in LABELS:
        raise InvalidRequest(f"Unknown label; known are {', '.join(LABELS)}.")


async def _record(
    db: AsyncSession,
    tenant: OrganizationId,
    who: Actor,
    code: str,
    row: Restricting,
    starts_at: datetime | None,
    ends_at: datetime | None,
    now: datetime,
) -> Restricting:
    """Insert a row that says all but its clocks. Its entry names the row, never a label: that is about the patient's health."""
    period = Period(starts_at or now, ends_at or FOREVER)
    row.id = row.lineage_id = new_id()
    row.organization_id, row.recorded_at = tenant, now
    row.starts_at, row.ends_at = period.starts_at, period.ends_at
    entry = _entry(tenant, who, code, row, starts_at=show(period.starts_at), ends_at=show(period.ends_at))
    row.entry_id = entry.id
    await append(db, entry)
    db.add(row)
    await db.flush()
    return row


async def _held(db: AsyncSession, tenant: OrganizationId, table: Any, now: datetime, *conditions: Any) -> list[Any]:
    """Believed rows that hold now or ahead."""
    return list(
        await db.scalars(
            select(table)
            .where(
                table.organization_id == tenant, table.superseded_at == FOREVER, table.ends_at > now, *conditions
            )
            .order_by(table.starts_at)
        )
    )  # fmt: skip


async def _lift_all(
    db: AsyncSession, tenant: OrganizationId, who: Actor, now: datetime, table: Any, *conditions: Any
) -> list[AccessRestriction | PatientLabel]:
    rows = await _held(db, tenant, table, now, *conditions)
    if not rows:
        raise RestrictionNotFound
    return [await _lift(db, tenant, who, row, now) for row in rows]


async def _lift(
    db: AsyncSession, tenant: OrganizationId, who: Actor, row: Any, now: datetime
) -> AccessRestriction | PatientLabel:
    labelled = isinstance(row, PatientLabel)
    entry = _entry(tenant, who, "patient-unlabelled" if labelled else _LIFTED[row.kind], row)
    await append(db, entry)
    await supersede(db, row, entry.id, now)
    if row.starts_at < now:
        said = {"label": row.label} if labelled else {"kind": row.kind, "provider_id": row.provider_id}
        db.add(
            type(row)(
                organization_id=tenant, id=new_id(), lineage_id=row.lineage_id, patient_id=row.patient_id,
                starts_at=row.starts_at, ends_at=now, recorded_at=now, entry_id=entry.id, **said,
            )
        )  # fmt: skip
        await db.flush()
    lifted: AccessRestriction | PatientLabel = row
    return lifted


def _entry(tenant: OrganizationId, who: Actor, code: str, row: Any, **said: str) -> Entry:
    return Entry(
        tenant, "change", who, code,
        provider_id=getattr(row, "provider_id", None), patient_id=row.patient_id,
        detail={"restriction": to_text(row.id), **said},
    )  # fmt: skip
