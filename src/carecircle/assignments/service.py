"""Assigning, handing over and ending direct assignments. Changes join the caller's session; constraints have the last word."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.actor import Actor, actor_of, organization_of
from carecircle.assignments.rows import (
    count_primary_change,
    end,
    held,
    holds_already,
    new_row,
    primary_at,
    record,
    require_allowed,
    require_referral,
    successor,
)
from carecircle.assignments.rules import ASSIGNMENT_TYPES, DEFAULT_SCOPE, AssignmentType, demoted_scope
from carecircle.assignments.tables import PatientAssignment
from carecircle.audit.entry import Entry, append
from carecircle.database.constraints import translated
from carecircle.database.session import enter_tenant, instant, lock_patient, one_change
from carecircle.directory.policy_service import policy_at, require_known_actions
from carecircle.directory.rules import resting_on
from carecircle.directory.service import AnyId, resolve_patient, resolve_provider
from carecircle.errors import AssignmentNotFound, InvalidPeriod, InvalidRequest, StaleVersion
from carecircle.identifiers import to_text
from carecircle.period import FOREVER, Period, show

Previous = Literal["demote", "end"]


async def assign_primary(
    db: AsyncSession,
    *,
    patient: AnyId,
    provider: AnyId,
    previous: Previous = "demote",
    starts_at: datetime | None = None,
    version: UUID | None = None,
    rests_on: Sequence[str] | None = None,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> PatientAssignment:
    """Make this provider the patient's primary from `starts_at` on (now, by default); who is primary then becomes
    consulting, or ends. A later start is a dated handover: the rows ahead are ordinary rows.

    Assigning who is primary then already changes nothing. `version` is the id of the row the caller believes to be
    the primary's. `rests_on` names credentials, by kind or code, without which the assignment does not hold, beside
    those that the policy of that time asks of a primary. Raises StaleVersion when `version` is not the primary's,
    RulesViolated when the provider lacks a credential then or is suspended, InvalidPeriod for a start in the past,
    PatientNotRegistered, ProviderNotRegistered, and PrimaryAlreadyAssigned, naming who, when another primary is recorded
    to start later.
    """
    who = actor_of(actor)
    async with one_change(db):
        tenant = await enter_tenant(db, organization_of(organization))
        patient_id = await resolve_patient(db, tenant, patient)
        provider_id = await resolve_provider(db, tenant, provider)
        now = await lock_patient(db, tenant, patient_id)
        at = Period(starts_at or now).starts_at
        if at < now:
            raise InvalidPeriod(
                "A handover starts now or later; a past one is recorded by correcting what is on record."
            )
        incumbent = await primary_at(db, tenant, patient_id, at)
        if version is not None and (incumbent is None or incumbent.id != version):
            raise StaleVersion(
                "Somebody changed the primary provider in the meantime; read it again and repeat.",
                patient_id=patient_id,
                wanted_provider_id=provider_id,
                provider_id=incumbent.provider_id if incumbent else None,
            )
        if incumbent is not None and incumbent.provider_id == provider_id:
            return incumbent
        policy = await policy_at(db, tenant, at)
        rests = resting_on(policy.assignment_credentials.get("primary", ()), rests_on)
        await require_allowed(db, tenant, patient_id, provider_id, "primary", rests, at)
        entry = Entry(
            tenant, "change", who, "primary-assigned", provider_id=provider_id, patient_id=patient_id,
            detail={
                "previous": to_text(incumbent.provider_id) if incumbent else None,
                "previous_became": previous,
                "starts_at": show(at),
            },
        )  # fmt: skip
        await append(db, entry)
        if incumbent is not None:
            await end(db, incumbent, at, now, entry.id)
            # One whose turn was only planned never was primary, and has nothing to keep.
            was_primary = incumbent.starts_at < at
            kept = demoted_scope(incumbent.scope) if previous == "demote" and was_primary else []
            # It rests on what it rested on: a demotion lifts no suspension, and begins none.
            demoted = successor(incumbent, Period(at, incumbent.ends_at))
            demoted.assignment_type, demoted.scope = "consulting", kept
            if kept and not await holds_already(db, demoted):
                await record(db, demoted, now, entry.id)
        row = new_row(tenant, patient_id, provider_id, "primary", Period(at), DEFAULT_SCOPE["primary"], rests)
        await record(db, row, now, entry.id)
    count_primary_change(db)
    return row


async def add_assignment(
    db: AsyncSession,
    *,
    patient: AnyId,
    provider: AnyId,
    assignment_type: AssignmentType = "consulting",
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
    scope: Sequence[str] | None = None,
    rests_on: Sequence[str] | None = None,
    referral_id: UUID | None = None,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> PatientAssignment:
    """Add a direct assignment for a period (now, and open, by default). The same one again changes nothing.

    It holds only while the credentials do that the policy of its start asks of the type (that of now, where it began
    before), and those in `rests_on` beside them (by kind or code), and, with `referral_id`, that referral. Raises
    RulesViolated when the provider lacks a credential at the start or is suspended, ReferralNotFound,
    PrimaryAlreadyAssigned for a second primary in that period, InvalidPeriod (with a referral, an end is needed too),
    PatientNotRegistered, ProviderNotRegistered, InvalidRequest for an unknown type or an action that the policy does
    not know.
    """
    if assignment_type not in ASSIGNMENT_TYPES:
        raise InvalidRequest(f"Unknown assignment type; known are {', '.join(ASSIGNMENT_TYPES)}.")
    who = actor_of(actor)
    async with one_change(db):
        tenant = await enter_tenant(db, organization_of(organization))
        patient_id = await resolve_patient(db, tenant, patient)
        provider_id = await resolve_provider(db, tenant, provider)
        now = await lock_patient(db, tenant, patient_id)
        period = Period(starts_at or now, ends_at or FOREVER)
        granted = list(scope) if scope is not None else list(DEFAULT_SCOPE[assignment_type])
        policy = await policy_at(db, tenant, max(period.starts_at, now))
        rests = resting_on(policy.assignment_credentials.get(assignment_type, ()), rests_on)
        for row in await held(db, tenant, patient_id, period.starts_at, provider_id, assignment_type):
            begun = row.starts_at == period.starts_at or (starts_at is None and row.starts_at <= now)
            same = row.ends_at == period.ends_at and set(row.scope) == set(granted) and row.referral_id == referral_id
            if begun and same and (rests_on is None or set(row.rests_on) == set(rests)):
                return row
        await require_allowed(db, tenant, patient_id, provider_id, assignment_type, rests, period.starts_at)
        if referral_id is not None:
            await require_referral(db, tenant, referral_id, patient_id, provider_id, period.starts_at)
        require_known_actions(policy, granted)
        entry = Entry(
            tenant, "change", who, "assignment-added", provider_id=provider_id, patient_id=patient_id,
            detail={"type": assignment_type, "starts_at": show(period.starts_at), "ends_at": show(period.ends_at)},
        )  # fmt: skip
        await append(db, entry)
        row = new_row(tenant, patient_id, provider_id, assignment_type, period, granted, rests, referral_id)
        return await record(db, row, now, entry.id)


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
    async with one_change(db):
        tenant = await enter_tenant(db, organization_of(organization))
        patient_id = await resolve_patient(db, tenant, patient)
        provider_id = await resolve_provider(db, tenant, provider)
        now = await lock_patient(db, tenant, patient_id)
        rows = await held(db, tenant, patient_id, now, provider_id, assignment_type)
        if not rows:
            raise AssignmentNotFound("This provider holds no such assignment for this patient now or ahead.")
        entry = Entry(
            tenant, "change", who, "assignment-ended", provider_id=provider_id, patient_id=patient_id,
            detail={"ended": len(rows), "type": assignment_type},
        )  # fmt: skip
        await append(db, entry)
        for row in rows:
            await end(db, row, now, now, entry.id)
        return rows


async def primary_of(
    db: AsyncSession, *, patient: AnyId, as_of: datetime | None = None, organization: UUID | str | None = None
) -> PatientAssignment | None:
    """The patient's primary assignment at an instant, now by default, or None."""
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        patient_id = await resolve_patient(db, tenant, patient)
        at = Period(as_of).starts_at if as_of is not None else await instant(db)
        return await primary_at(db, tenant, patient_id, at)


async def history_of(
    db: AsyncSession, *, patient: AnyId, organization: UUID | str | None = None
) -> list[PatientAssignment]:
    """Every row ever recorded about this patient's direct assignments, corrected and superseded ones too, oldest first;
    and what those that came from a merged record were there.
    """
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        patient_id = await resolve_patient(db, tenant, patient)
        own = PatientAssignment.organization_id == tenant, PatientAssignment.patient_id == patient_id
        found = await db.scalars(
            select(PatientAssignment)
            .where(
                PatientAssignment.organization_id == tenant,
                PatientAssignment.lineage_id.in_(select(PatientAssignment.lineage_id).where(*own)),
            )
            .order_by(PatientAssignment.recorded_at, PatientAssignment.starts_at, PatientAssignment.id)
            # Closing a row does not pass through the session: what it remembers of one may be older.
            .execution_options(populate_existing=True)
        )
        return list(found)
