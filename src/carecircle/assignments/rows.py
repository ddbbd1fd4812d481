"""A room's rows: finding, inserting and superseding direct assignments. What they mean is said in the services."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, event, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session, SessionTransaction

from carecircle.assignments.rules import assignment_violations
from carecircle.assignments.tables import PatientAssignment
from carecircle.audit import metrics
from carecircle.database.constraints import translate
from carecircle.database.facts import supersede
from carecircle.directory.credential_service import held_by
from carecircle.directory.rules import lacking, licence_lapsed
from carecircle.errors import PrimaryAlreadyAssigned, ReferralNotFound, RulesViolated
from carecircle.identifiers import OrganizationId, new_id, to_text
from carecircle.period import FOREVER, Period, show


async def primary_at(
    db: AsyncSession, tenant: OrganizationId, patient_id: UUID, at: datetime
) -> PatientAssignment | None:
    rows = await db.scalars(
        believed(tenant, patient_id).where(
            PatientAssignment.assignment_type == "primary",
            PatientAssignment.starts_at <= at,
            PatientAssignment.ends_at > at,
        )
    )
    return rows.one_or_none()


async def held(
    db: AsyncSession,
    tenant: OrganizationId,
    patient_id: UUID,
    after: datetime,
    provider_id: UUID,
    assignment_type: str | None,
) -> list[PatientAssignment]:
    """What a provider holds for a patient and has not ended by `after`."""
    query = believed(tenant, patient_id).where(
        PatientAssignment.provider_id == provider_id, PatientAssignment.ends_at > after
    )
    if assignment_type is not None:
        query = query.where(PatientAssignment.assignment_type == assignment_type)
    return list(await db.scalars(query.order_by(PatientAssignment.starts_at)))


async def holds_already(db: AsyncSession, wanted: PatientAssignment) -> bool:
    """Whether a row of the same type lets the same provider in all through the period of `wanted`, at least as far: with
    all its actions, and resting on nothing that `wanted` does not rest on.
    """
    tenant = OrganizationId(wanted.organization_id)
    rows = await held(db, tenant, wanted.patient_id, wanted.starts_at, wanted.provider_id, wanted.assignment_type)
    return any(
        row.starts_at <= wanted.starts_at
        and row.ends_at >= wanted.ends_at
        and set(row.scope) >= set(wanted.scope)
        and set(row.rests_on) <= set(wanted.rests_on)
        and row.referral_id in (None, wanted.referral_id)
        for row in rows
    )


def believed(tenant: OrganizationId, patient_id: UUID) -> Select[PatientAssignment]:
    return select(PatientAssignment).where(
        PatientAssignment.organization_id == tenant,
        PatientAssignment.patient_id == patient_id,
        PatientAssignment.superseded_at == FOREVER,
    )


def new_row(
    tenant: OrganizationId,
    patient_id: UUID,
    provider_id: UUID,
    assignment_type: str,
    period: Period,
    scope: Sequence[str],
    rests_on: Sequence[str] = (),
    referral_id: UUID | None = None,
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
        rests_on=list(rests_on),
        referral_id=referral_id,
        starts_at=period.starts_at,
        ends_at=period.ends_at,
    )


def successor(row: PatientAssignment, period: Period) -> PatientAssignment:
    """The same assignment for another period: it grants what the row did, and rests on the same."""
    follows = new_row(
        OrganizationId(row.organization_id), row.patient_id, row.provider_id, row.assignment_type, period, row.scope,
        row.rests_on, row.referral_id,
    )  # fmt: skip
    follows.lineage_id = row.lineage_id
    return follows


async def record(db: AsyncSession, row: PatientAssignment, now: datetime, entry_id: UUID) -> PatientAssignment:
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
        believed(OrganizationId(wanted.organization_id), wanted.patient_id)
        .where(
            PatientAssignment.assignment_type == "primary",
            PatientAssignment.starts_at < wanted.ends_at,
            PatientAssignment.ends_at > wanted.starts_at,
        )
        .order_by(PatientAssignment.starts_at)
    )
    holder = rows.first()
    if holder is None:
        return PrimaryAlreadyAssigned(patient_id=wanted.patient_id, wanted_provider_id=wanted.provider_id)
    return PrimaryAlreadyAssigned(
        f"Provider {to_text(holder.provider_id)} is primary for this patient from {show(holder.starts_at)}"
        f" until {show(holder.ends_at)}; hand over with: carecircle assign primary PATIENT PROVIDER.",
        provider_id=holder.provider_id,
        assignment_id=holder.id,
        patient_id=wanted.patient_id,
        organization_id=wanted.organization_id,
        wanted_provider_id=wanted.provider_id,
    )


async def require_allowed(
    db: AsyncSession,
    tenant: OrganizationId,
    patient_id: UUID,
    provider_id: UUID,
    assignment_type: str,
    rests_on: Sequence[str],
    at: datetime,
) -> None:
    """Raises RulesViolated, with every reason, when the provider cannot be given such an assignment at `at`."""
    held = await held_by(db, tenant, provider_id)
    about = {"organization_id": tenant, "patient_id": patient_id, "provider_id": provider_id, "at": at}
    restricted = set(await db.scalars(_RESTRICTED, about))
    violations = assignment_violations(
        assignment_type,
        lacking=lacking(rests_on, held, at),
        lapsed=licence_lapsed(held, at),
        suspended="suspension" in restricted,
        objected="objection" in restricted,
    )
    if violations:
        raise RulesViolated(violations, patient_id=patient_id, provider_id=provider_id)


_RESTRICTED = text("""
    select kind from carecircle.access_restrictions
    where organization_id = :organization_id and provider_id = :provider_id
      and (patient_id is null or patient_id = :patient_id)
      and superseded_at = 'infinity' and starts_at <= :at and ends_at > :at""")


async def require_referral(
    db: AsyncSession, tenant: OrganizationId, referral_id: UUID, patient_id: UUID, provider_id: UUID, at: datetime
) -> None:
    """Raises ReferralNotFound unless it is of this patient, to nobody else, and has not ended by `at`."""
    of = {"organization_id": tenant, "referral_id": referral_id, "patient_id": patient_id, "provider_id": provider_id}
    if not await db.scalar(_REFERRED, {**of, "at": at}):
        raise ReferralNotFound


_REFERRED = text("""
    select exists (
      select from carecircle.referrals
      where organization_id = :organization_id and lineage_id = :referral_id and patient_id = :patient_id
        and (provider_id is null or provider_id = :provider_id) and superseded_at = 'infinity' and ends_at > :at)""")


async def end(db: AsyncSession, row: PatientAssignment, at: datetime, now: datetime, entry_id: UUID) -> None:
    """Let a row end at `at`: close it now, and keep what it is until then as its successor, unless it begins later."""
    await supersede(db, row, entry_id, now)
    if row.starts_at < at:
        await record(db, successor(row, Period(row.starts_at, at)), now, entry_id)


_UNCOUNTED = "carecircle.primary_changes"


def count_primary_change(db: AsyncSession) -> None:
    """Count a change of the primary provider once it is committed, with whatever else the caller's transaction holds."""
    session = db.sync_session
    if _UNCOUNTED not in session.info:
        event.listen(session, "after_transaction_create", _forget)
        event.listen(session, "after_commit", _count)
    session.info[_UNCOUNTED] = session.info.get(_UNCOUNTED, 0) + 1


def _forget(session: Session, transaction: SessionTransaction) -> None:
    if transaction.parent is None:
        session.info[_UNCOUNTED] = 0


def _count(session: Session) -> None:
    if not session.in_nested_transaction():
        metrics.PRIMARY_PROVIDER_CHANGES.inc(session.info[_UNCOUNTED])
        session.info[_UNCOUNTED] = 0
