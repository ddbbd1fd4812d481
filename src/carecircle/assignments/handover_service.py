"""Taking back a dated handover, and correcting a wrong past without rewriting what was believed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.actor import Actor, actor_of, organization_of
from carecircle.assignments.rows import believed, count_primary_change, record, successor
from carecircle.assignments.rules import ASSIGNMENT_TYPES, AssignmentType
from carecircle.assignments.tables import PatientAssignment
from carecircle.audit.entry import Entry, append
from carecircle.database.facts import supersede
from carecircle.database.session import enter_tenant, lock_patient, one_change
from carecircle.directory.policy_service import policy_at, require_known_actions
from carecircle.directory.rules import resting_on
from carecircle.directory.service import AnyId, resolve_patient, resolve_provider
from carecircle.errors import AssignmentNotFound, InvalidRequest
from carecircle.identifiers import OrganizationId, to_text
from carecircle.period import Period, show


async def cancel_handover(
    db: AsyncSession,
    *,
    patient: AnyId,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> PatientAssignment | None:
    """Take back the next primary assignment that has not begun, and all that its entry did: whoever it would have replaced
    stays primary as long as they would have, or until the next handover ahead.

    Returns the restored primary's row, or None when nobody was to be replaced, or when what was left of them has been
    changed since. Raises AssignmentNotFound when no handover is ahead.
    """
    who = actor_of(actor)
    async with one_change(db):
        tenant = await enter_tenant(db, organization_of(organization))
        patient_id = await resolve_patient(db, tenant, patient)
        now = await lock_patient(db, tenant, patient_id)
        rows = list(await db.scalars(believed(tenant, patient_id).order_by(PatientAssignment.starts_at)))
        ahead = [row for row in rows if row.assignment_type == "primary" and row.starts_at > now]
        if not ahead:
            raise AssignmentNotFound("No handover of this patient's primary provider is ahead.")
        planned, later = ahead[0], ahead[1:]
        entry = Entry(
            tenant, "change", who, "handover-cancelled", provider_id=planned.provider_id, patient_id=patient_id,
            detail={"was_to_start_at": show(planned.starts_at)},
        )  # fmt: skip
        await append(db, entry)
        origin = await _origin(db, tenant, planned)
        made = [row for row in rows if row.entry_id == origin.entry_id and row.lineage_id != planned.lineage_id]
        # Where another handover follows, it would have made the planned one a consultant: now there is nothing to demote.
        demoted = [
            row
            for row in rows
            if row.lineage_id == planned.lineage_id
            and row.assignment_type == "consulting"
            and row.starts_at == planned.ends_at
        ]
        for row in [planned, *made, *demoted]:
            await supersede(db, row, entry.id, now)
        count_primary_change(db)
        replaced = await _replaced_by(db, tenant, origin)
        if replaced is None:
            return None
        shortened = [row for row in made if row.lineage_id == replaced.lineage_id and row.assignment_type == "primary"]
        stays, until = replaced, replaced.ends_at
        if replaced.starts_at < origin.starts_at and not shortened:
            standing_in = await _standing_in(db, tenant, origin, replaced, rows)
            if standing_in is None:
                return None
            stays, until = standing_in
            await supersede(db, stays, entry.id, now)
        ends_at = min([until, *(row.starts_at for row in later)])
        return await record(db, successor(stays, Period(stays.starts_at, ends_at)), now, entry.id)


async def _origin(db: AsyncSession, tenant: OrganizationId, row: PatientAssignment) -> PatientAssignment:
    """The first row of a lineage, believed or not: it names the entry of the handover itself."""
    found = await db.scalars(
        select(PatientAssignment)
        .where(PatientAssignment.organization_id == tenant, PatientAssignment.lineage_id == row.lineage_id)
        .order_by(PatientAssignment.recorded_at)
    )
    return found.first() or row


async def _replaced_by(
    db: AsyncSession, tenant: OrganizationId, planned: PatientAssignment
) -> PatientAssignment | None:
    """The primary row that the entry of a handover closed."""
    found = await db.scalars(
        select(PatientAssignment).where(
            PatientAssignment.organization_id == tenant,
            PatientAssignment.patient_id == planned.patient_id,
            PatientAssignment.superseded_entry_id == planned.entry_id,
            PatientAssignment.assignment_type == "primary",
            PatientAssignment.lineage_id != planned.lineage_id,
        )
    )
    return found.first()


async def _standing_in(
    db: AsyncSession,
    tenant: OrganizationId,
    origin: PatientAssignment,
    replaced: PatientAssignment,
    rows: Sequence[PatientAssignment],
) -> tuple[PatientAssignment, datetime] | None:
    """Who stays because the turn of `replaced` was itself taken back before, and until when they would have had theirs."""
    remains = await db.scalars(
        select(PatientAssignment.superseded_entry_id).where(
            PatientAssignment.organization_id == tenant,
            PatientAssignment.lineage_id == replaced.lineage_id,
            PatientAssignment.assignment_type == "primary",
            PatientAssignment.entry_id == origin.entry_id,
        )
    )
    taken_back = set(remains)
    for row in rows:
        if row.assignment_type != "primary" or row.lineage_id == replaced.lineage_id:
            continue
        if row.ends_at == origin.starts_at and row.entry_id in taken_back:
            before: PatientAssignment | None = replaced
            while before is not None and before.lineage_id != row.lineage_id:
                before = await _replaced_by(db, tenant, await _origin(db, tenant, before))
            return (row, before.ends_at) if before is not None else None
    return None


async def correct_assignment(
    db: AsyncSession,
    *,
    patient: AnyId,
    assignment_id: UUID,
    provider_id: AnyId | None = None,
    assignment_type: AssignmentType | None = None,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
    scope: Sequence[str] | None = None,
    rests_on: Sequence[str] | None = None,
    referral_id: UUID | None = None,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> PatientAssignment:
    """Say what an assignment should have been all along; what was believed until now stays on record.

    Only what is given is corrected. Decisions made before keep their proof: asked as they were then believed, they
    come out as they did. `rests_on` takes the place of the names that the row rested on; what the policy asks of the
    type at its start (and now, where it began before) stays or is added, as it is with another type or start. Raises
    AssignmentNotFound for a row that is no longer believed, InvalidPeriod, PrimaryAlreadyAssigned, ProviderNotRegistered,
    InvalidRequest for an unknown type or action.
    """
    if assignment_type is not None and assignment_type not in ASSIGNMENT_TYPES:
        raise InvalidRequest(f"Unknown assignment type; known are {', '.join(ASSIGNMENT_TYPES)}.")
    who = actor_of(actor)
    async with one_change(db):
        tenant = await enter_tenant(db, organization_of(organization))
        patient_id = await resolve_patient(db, tenant, patient)
        now = await lock_patient(db, tenant, patient_id)
        wrong = (await db.scalars(believed(tenant, patient_id).where(PatientAssignment.id == assignment_id))).first()
        if wrong is None:
            raise AssignmentNotFound("No such row is believed now: it never was, or somebody superseded it.")
        right = successor(wrong, Period(starts_at or wrong.starts_at, ends_at or wrong.ends_at))
        if provider_id is not None:
            right.provider_id = await resolve_provider(db, tenant, provider_id)
        right.assignment_type = assignment_type or wrong.assignment_type
        right.scope = list(scope) if scope is not None else wrong.scope
        policies = [await policy_at(db, tenant, at) for at in sorted({right.starts_at, max(right.starts_at, now)})]
        if scope is not None:
            require_known_actions(policies[-1], scope)
        if rests_on is not None or right.assignment_type != wrong.assignment_type or right.starts_at != wrong.starts_at:
            asked = [name for one in policies for name in one.assignment_credentials.get(right.assignment_type, ())]
            right.rests_on = resting_on(asked, wrong.rests_on if rests_on is None else rests_on)
        right.referral_id = referral_id or wrong.referral_id
        entry = Entry(
            tenant, "change", who, "assignment-corrected", provider_id=right.provider_id, patient_id=patient_id,
            detail={"corrected": to_text(wrong.id), "lineage": to_text(wrong.lineage_id)},
        )  # fmt: skip
        await append(db, entry)
        await supersede(db, wrong, entry.id, now)
        await record(db, right, now, entry.id)
        if "primary" in (wrong.assignment_type, right.assignment_type):
            count_primary_change(db)
        return right
