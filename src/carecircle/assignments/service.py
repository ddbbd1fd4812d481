"""Assigning, handing over and ending direct assignments. Changes join the caller's session; constraints have the last word."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.actor import Actor, actor_of, organization_of
from carecircle.assignments.rules import ASSIGNMENT_TYPES, DEFAULT_SCOPE, AssignmentType
from carecircle.assignments.tables import PatientAssignment
from carecircle.audit.entry import Entry, append
from carecircle.database.constraints import translate, translated
from carecircle.database.facts import supersede
from carecircle.database.session import enter_tenant, instant, lock_patient
from carecircle.directory.service import AnyId, resolve_patient, resolve_provider
from carecircle.errors import AssignmentNotFound, InvalidRequest, PrimaryAlreadyAssigned
from carecircle.identifiers import OrganizationId, new_id, to_text
from carecircle.period import FOREVER, Period, show

Previous = Literal["demote", "end"]


async def assign_primary(
    db: AsyncSession,
    *,
    patient: AnyId,
    provider: AnyId,
    previous: Previous = "demote",
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> PatientAssignment:
    """Make this provider the patient's primary from now on; the present one becomes consulting, or ends.

    Assigning the present primary again changes nothing. Raises PatientNotRegistered, ProviderNotRegistered, and
    PrimaryAlreadyAssigned, naming who, when a primary is recorded to start later.
    """
    who = actor_of(actor)
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        patient_id = await resolve_patient(db, tenant, patient)
        provider_id = await resolve_provider(db, tenant, provider)
        now = await lock_patient(db, tenant, patient_id)
        present = await _primary_at(db, tenant, patient_id, now)
        if present is not None and present.provider_id == provider_id:
            return present
        entry = Entry(
            tenant, "change", who, "primary-assigned", provider_id=provider_id, patient_id=patient_id,
            detail={"previous": to_text(present.provider_id) if present else None, "previous_became": previous},
        )  # fmt: skip
        await append(db, entry)
        if present is not None:
            await _end(db, present, now, entry.id)
            if previous == "demote" and not await _has(db, tenant, patient_id, present.provider_id, "consulting", now):
                demoted = _row(tenant, patient_id, present.provider_id, "consulting", Period(now), present.scope)
                demoted.lineage_id = present.lineage_id
                await _record(db, demoted, now, entry.id)
        row = _row(tenant, patient_id, provider_id, "primary", Period(now), DEFAULT_SCOPE["primary"])
        return await _record(db, row, now, entry.id)


async def add_assignment(
    db: AsyncSession,
    *,
    patient: AnyId,
    provider: AnyId,
    assignment_type: AssignmentType = "consulting",
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
    scope: Sequence[str] | None = None,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> PatientAssignment:
    """Add a direct assignment for a period (now, and open, by default). The same one again changes nothing.

    Raises PrimaryAlreadyAssigned for a second primary in that period, InvalidPeriod, PatientNotRegistered,
    ProviderNotRegistered, InvalidRequest for an unknown type.
    """
    if assignment_type not in ASSIGNMENT_TYPES:
        raise InvalidRequest(f"Unknown assignment type; known are {', '.join(ASSIGNMENT_TYPES)}.")
    who = actor_of(actor)
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        patient_id = await resolve_patient(db, tenant, patient)
        provider_id = await resolve_provider(db, tenant, provider)
        now = await lock_patient(db, tenant, patient_id)
        period = Period(starts_at or now, ends_at or FOREVER)
        granted = list(scope) if scope is not None else list(DEFAULT_SCOPE[assignment_type])
        for row in await _rows(db, tenant, patient_id, period.starts_at, provider_id, assignment_type):
            begun = row.starts_at == period.starts_at or (starts_at is None and row.starts_at <= now)
            if begun and row.ends_at == period.ends_at and set(row.scope) == set(granted):
                return row
        entry = Entry(
            tenant, "change", who, "assignment-added", provider_id=provider_id, patient_id=patient_id,
            detail={"type": assignment_type, "starts_at": show(period.starts_at), "ends_at": show(period.ends_at)},
        )  # fmt: skip
        await append(db, entry)
        return await _record(db, _row(tenant, patient_id, provider_id, assignment_type, period, granted), now, entry.id)


async def end_assignments(
    db: AsyncSession,
    *,
    patient: AnyId,
    provider: AnyId,
    assignment_type: AssignmentType | None = None,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> list[PatientAssignment]:
    """End what this provider holds directly for this patient, now and ahead, all or one type. Returns the ended rows.

    Raises AssignmentNotFound when there is nothing to end.
    """
    who = actor_of(actor)
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        patient_id = await resolve_patient(db, tenant, patient)
        provider_id = await resolve_provider(db, tenant, provider)
        now = await lock_patient(db, tenant, patient_id)
        held = await _rows(db, tenant, patient_id, now, provider_id, assignment_type)
        if not held:
            raise AssignmentNotFound("This provider holds no such assignment for this patient now or ahead.")
        entry = Entry(
            tenant, "change", who, "assignment-ended", provider_id=provider_id, patient_id=patient_id,
            detail={"ended": len(held), "type": assignment_type},
        )  # fmt: skip
        await append(db, entry)
        for row in held:
            await _end(db, row, now, entry.id)
        return held


async def primary_of(
    db: AsyncSession, *, patient: AnyId, as_of: datetime | None = None, organization: UUID | str | None = None
) -> PatientAssignment | None:
    """The patient's primary assignment at an instant, now by default, or None."""
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        patient_id = await resolve_patient(db, tenant, patient)
        return await _primary_at(db, tenant, patient_id, as_of or await instant(db))


async def history_of(
    db: AsyncSession, *, patient: AnyId, organization: UUID | str | None = None
) -> list[PatientAssignment]:
    """Every row ever recorded about this patient's direct assignments, corrected and superseded ones too, oldest first."""
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        patient_id = await resolve_patient(db, tenant, patient)
        found = await db.scalars(
            select(PatientAssignment)
            .where(PatientAssignment.organization_id == tenant, PatientAssignment.patient_id == patient_id)
            .order_by(PatientAssignment.recorded_at, PatientAssignment.starts_at, PatientAssignment.id)
        )
        return list(found)


async def _primary_at(
    db: AsyncSession, tenant: OrganizationId, patient_id: UUID, at: datetime
) -> PatientAssignment | None:
    rows = await db.scalars(
        _believed(tenant, patient_id).where(
            PatientAssignment.assignment_type == "primary",
            PatientAssignment.starts_at <= at,
            PatientAssignment.ends_at > at,
        )
    )
    return rows.one_or_none()


async def _rows(
    db: AsyncSession,
    tenant: OrganizationId,
    patient_id: UUID,
    after: datetime,
    provider_id: UUID,
    assignment_type: str | None,
) -> list[PatientAssignment]:
    """What a provider holds for a patient and has not ended by `after`."""
    query = _believed(tenant, patient_id).where(
        PatientAssignment.provider_id == provider_id, PatientAssignment.ends_at > after
    )
    if assignment_type is not None:
        query = query.where(PatientAssignment.assignment_type == assignment_type)
    return list(await db.scalars(query.order_by(PatientAssignment.starts_at)))


async def _has(
    db: AsyncSession, tenant: OrganizationId, patient_id: UUID, provider_id: UUID, assignment_type: str, at: datetime
) -> bool:
    rows = await _rows(db, tenant, patient_id, at, provider_id, assignment_type)
    return any(row.starts_at <= at and row.ends_at == FOREVER for row in rows)


def _believed(tenant: OrganizationId, patient_id: UUID) -> Select[PatientAssignment]:
    return select(PatientAssignment).where(
        PatientAssignment.organization_id == tenant,
        PatientAssignment.patient_id == patient_id,
        PatientAssignment.superseded_at == FOREVER,
    )


def _row(
    tenant: OrganizationId,
    patient_id: UUID,
    provider_id: UUID,
    assignment_type: str,
    period: Period,
    scope: Sequence[str],
) -> PatientAssignment:
    row_id = new_id()
    return PatientAssignment(
        organization_id=tenant,
        id=row_id,
        lineage_id=row_id,
        patient_id=patient_id,
        provider_id=provider_id,
        assignment_type=assignment_type,
        scope=list(scope),
        starts_at=period.starts_at,
        ends_at=period.ends_at,
    )


async def _record(db: AsyncSession, row: PatientAssignment, now: datetime, entry_id: UUID) -> PatientAssignment:
    """Insert a fact. A second primary is refused by the constraint; the refusal then says who holds it."""
    row.recorded_at, row.entry_id = now, entry_id
    try:
        async with db.begin_nested():
            db.add(row)
    except IntegrityError as refused:
        error = translate(refused)
        if isinstance(error, PrimaryAlreadyAssigned):
            raise await _taken(db, row) from None
        raise error from None
    return row


async def _taken(db: AsyncSession, wanted: PatientAssignment) -> PrimaryAlreadyAssigned:
    rows = await db.scalars(
        _believed(OrganizationId(wanted.organization_id), wanted.patient_id)
        .where(
            PatientAssignment.assignment_type == "primary",
            PatientAssignment.starts_at < wanted.ends_at,
            PatientAssignment.ends_at > wanted.starts_at,
        )
        .order_by(PatientAssignment.starts_at)
    )
    holder = rows.first()
    if holder is None:
        return PrimaryAlreadyAssigned()
    return PrimaryAlreadyAssigned(
        f"Provider {to_text(holder.provider_id)} is primary for this patient from {show(holder.starts_at)}"
        f" until {show(holder.ends_at)}; hand over with: carecircle assign primary PATIENT PROVIDER.",
        provider_id=holder.provider_id,
        assignment_id=holder.id,
        patient_id=wanted.patient_id,
        organization_id=wanted.organization_id,
    )


async def _end(db: AsyncSession, row: PatientAssignment, now: datetime, entry_id: UUID) -> None:
    """Close a row; what it was until now stays on record as its successor, unless it had not begun."""
    await supersede(db, row, entry_id, now)
    if row.starts_at < now:
        ended = _row(
            OrganizationId(row.organization_id), row.patient_id, row.provider_id, row.assignment_type,
            Period(row.starts_at, now), row.scope,
        )  # fmt: skip
        ended.lineage_id = row.lineage_id
        await _record(db, ended, now, entry_id)
