"""Every command of a history twice: as it is served by the real system, and as the model understands it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.assignments.handover_service import cancel_handover, correct_assignment
from carecircle.assignments.service import add_assignment, assign_primary, end_assignments, history_of
from carecircle.assignments.tables import PatientAssignment
from carecircle.care_teams.service import add_member, add_patient, end_membership, end_patient
from carecircle.care_teams.team_service import close_team, create_team, reopen_team
from carecircle.coverage.service import arrange_coverage, end_coverage
from carecircle.database.session import enter_tenant, instant, one_change
from carecircle.directory.credential_service import add_credential, end_credential
from carecircle.directory.duty_service import add_duty, end_duty
from carecircle.directory.policy_service import set_policy
from carecircle.emergency.deciding_service import approve, deny
from carecircle.emergency.ending_service import end
from carecircle.emergency.opening_service import request
from carecircle.identifiers import new_id
from carecircle.period import FOREVER
from carecircle.referrals.service import end_referral, redirect_referral, refer
from carecircle.restrictions.service import label, lift, object_to, suspend
from carecircle.staffing.merge_service import merge_patients, unmerge_patients
from tests.model.reference_around import Model
from tests.model.reference_emergency import GATED, GRANTED

# How long is approved, by the word for it; otherwise as long as was asked.
HOURS: dict[str | None, float] = {"shorter": 2, "longer": 100}


@dataclass(frozen=True)
class Order:
    """A command with real ids and real instants, and (`…_number`) the numbers by which the model knows the same.

    `referral`, `arrangement`, `restriction`, `duty` and `emergency` are the one that `row` chooses among those made so far.
    """

    organization: UUID
    patient: Any
    provider: Any
    team: Any
    other: Any
    patients: tuple[UUID, ...]
    referral: UUID
    arrangement: UUID
    restriction: UUID
    duty: UUID
    emergency: UUID
    patient_number: Any
    provider_number: Any
    team_number: Any
    other_number: Any
    patient_numbers: tuple[int, ...]
    kind: Any
    code: Any
    starts: Any
    ends: Any
    scope: tuple[str, ...] | None
    rests_on: tuple[str, ...] | None
    row: int
    despite: tuple[str, ...]


# What a service gave back: a row or rows it made or found, whether it changed anything, or the id of a team it made.
Served = Any
Serve = Callable[[AsyncSession, Order], Awaitable[Served]]


async def _changed(waited: Awaitable[Any]) -> bool:
    """For services that change something whenever they do not refuse."""
    await waited
    return True


async def _corrected(db: AsyncSession, o: Order) -> Served:
    held = await _believed(db, o.patient)
    # With none on record, a row that never was.
    wrong = held[o.row % len(held)].id if held else new_id()
    return await correct_assignment(
        db, patient=o.patient, assignment_id=wrong, provider_id=o.provider, assignment_type=o.kind,
        starts_at=o.starts, ends_at=o.ends, scope=o.scope,
    )  # fmt: skip


async def _believed(db: AsyncSession, patient: UUID) -> list[PatientAssignment]:
    """The patient's assignments that are believed now, in the model's order."""
    rows = await history_of(db, patient=patient)
    first = {row.id: row.recorded_at for row in rows}

    def order(row: PatientAssignment) -> tuple[object, ...]:
        scope = sorted(set(row.scope))
        return row.recorded_at, row.starts_at, row.ends_at, row.assignment_type, scope, first[row.lineage_id]

    return sorted((row for row in rows if row.superseded_at == FOREVER), key=order)


async def _misfiled(db: AsyncSession, o: Order) -> Served:
    """No service records this; it is done here as the app role may."""
    await enter_tenant(db, o.organization)
    row_id = new_id()
    row = PatientAssignment(
        organization_id=o.organization, id=row_id, lineage_id=row_id, patient_id=o.patient, provider_id=o.provider,
        assignment_type="attending", scope=["read", "write"], referral_id=o.referral, starts_at=o.starts,
        ends_at=o.ends, recorded_at=await instant(db), entry_id=new_id(),
    )  # fmt: skip
    async with one_change(db):
        db.add(row)
        await db.flush()
    return row


SERVED: dict[str, Serve] = {
    "assign_primary": lambda db, o: assign_primary(
        db, patient=o.patient, provider=o.provider, previous=o.kind, starts_at=o.starts
    ),
    "cancel_handover": lambda db, o: _changed(cancel_handover(db, patient=o.patient)),
    "add_assignment": lambda db, o: add_assignment(
        db, patient=o.patient, provider=o.provider, assignment_type=o.kind, starts_at=o.starts, ends_at=o.ends,
        scope=o.scope,
    ),
    "rest_assignment": lambda db, o: add_assignment(
        db, patient=o.patient, provider=o.provider, assignment_type=o.kind, starts_at=o.starts, ends_at=o.ends,
        rests_on=o.rests_on,
    ),
    "follow_referral": lambda db, o: add_assignment(
        db, patient=o.patient, provider=o.provider, assignment_type=o.kind, starts_at=o.starts, ends_at=o.ends,
        rests_on=o.rests_on, referral_id=o.referral,
    ),
    "misfile_assignment": _misfiled,
    "correct_assignment": _corrected,
    "end_assignments": lambda db, o: _changed(
        end_assignments(db, patient=o.patient, provider=o.provider, assignment_type=o.kind)
    ),
    "create_team": lambda db, o: create_team(db, name="Team"),
    "add_member": lambda db, o: add_member(
        db, care_team_id=o.team, provider=o.provider, member_role=o.kind, starts_at=o.starts, ends_at=o.ends,
        scope=o.scope, rests_on=o.rests_on,
    ),
    "add_patient": lambda db, o: add_patient(
        db, care_team_id=o.team, patient=o.patient, starts_at=o.starts, ends_at=o.ends
    ),
    "end_membership": lambda db, o: end_membership(db, care_team_id=o.team, provider=o.provider),
    "end_patient": lambda db, o: end_patient(db, care_team_id=o.team, patient=o.patient),
    "close_team": lambda db, o: _changed(close_team(db, care_team_id=o.team)),
    "reopen_team": lambda db, o: reopen_team(db, care_team_id=o.team),
    "add_credential": lambda db, o: add_credential(
        db, provider=o.provider, kind=o.kind, code=o.code, starts_at=o.starts, ends_at=o.ends
    ),
    "end_credential": lambda db, o: _changed(end_credential(db, provider=o.provider, kind=o.kind, code=o.code)),
    "refer": lambda db, o: refer(
        db, patient=o.patient, referring=o.other, specialty_code=o.code, provider=o.provider, starts_at=o.starts,
        ends_at=o.ends,
    ),
    "end_referral": lambda db, o: _changed(end_referral(db, referral_id=o.referral)),
    "redirect_referral": lambda db, o: redirect_referral(db, referral_id=o.referral, provider=o.provider),
    "arrange_coverage": lambda db, o: arrange_coverage(
        db, covered=o.other, covering=o.provider, coverage_type=o.kind, starts_at=o.starts, ends_at=o.ends,
        scope=o.scope, care_team_id=o.team, patients=o.patients or None,
    ),
    "end_coverage": lambda db, o: _changed(end_coverage(db, arrangement_id=o.arrangement)),
    "object_to": lambda db, o: object_to(
        db, patient=o.patient, provider=o.provider, starts_at=o.starts, ends_at=o.ends
    ),
    "suspend": lambda db, o: suspend(db, provider=o.provider, starts_at=o.starts, ends_at=o.ends),
    "label": lambda db, o: label(db, patient=o.patient, label=o.code, starts_at=o.starts, ends_at=o.ends),
    "lift": lambda db, o: _changed(lift(db, restriction_id=o.restriction)),
    "set_policy": lambda db, o: set_policy(
        db,
        document={
            "actions": list(o.scope or ()), "coverage_grace_minutes": o.row, "referral_from_primary": False,
            "conflicting_roles": [], "coverage_credentials": list(o.rests_on or ()),
            "emergency_scope": sorted(GRANTED), "emergency_modes": {GATED: "gated"},
            "emergency_overrides": list(o.despite),
        },
        starts_at=o.starts,
    ),
    "merge_patients": lambda db, o: _changed(merge_patients(db, patient=o.patient, into=o.other)),
    "unmerge_patients": lambda db, o: _changed(unmerge_patients(db, patient=o.patient)),
    "add_duty": lambda db, o: add_duty(db, provider=o.provider, duty=o.kind, starts_at=o.starts, ends_at=o.ends),
    "end_duty": lambda db, o: _changed(end_duty(db, duty_id=o.duty)),
    "request_access": lambda db, o: request(
        db, patient=o.patient, provider=o.provider, reason_code="transfer", scope=o.scope or ("read",)
    ),
    "approve_access": lambda db, o: approve(db, emergency_id=o.emergency, approver=o.provider, hours=HOURS.get(o.kind)),
    "deny_access": lambda db, o: deny(db, emergency_id=o.emergency, approver=o.provider, words="No."),
    "end_access": lambda db, o: end(db, emergency_id=o.emergency, provider=o.provider),
}  # fmt: skip


def _new_team(model: Model) -> bool:
    model.teams.add(len(model.teams))
    return False


MODELLED: dict[str, Callable[[Model, datetime, Order], bool]] = {
    "assign_primary": lambda m, now, o: m.assign_primary(now, o.patient_number, o.provider_number, o.kind, o.starts),
    "cancel_handover": lambda m, now, o: m.cancel_handover(now, o.patient_number),
    "add_assignment": lambda m, now, o: m.add_assignment(
        now, o.patient_number, o.provider_number, o.kind, o.starts, o.ends, o.scope
    ),
    "rest_assignment": lambda m, now, o: m.add_assignment(
        now, o.patient_number, o.provider_number, o.kind, o.starts, o.ends, rests_on=o.rests_on
    ),
    "follow_referral": lambda m, now, o: m.add_assignment(
        now, o.patient_number, o.provider_number, o.kind, o.starts, o.ends, rests_on=o.rests_on, referral=o.row
    ),
    "misfile_assignment": lambda m, now, o: m.misfile_assignment(
        now, o.patient_number, o.provider_number, o.starts, o.ends, o.row
    ),
    "correct_assignment": lambda m, now, o: m.correct_assignment(
        now, o.patient_number, o.row, o.provider_number, o.kind, o.starts, o.ends, o.scope
    ),
    "end_assignments": lambda m, now, o: m.end_assignments(now, o.patient_number, o.provider_number, o.kind),
    "create_team": lambda m, now, o: _new_team(m),
    "add_member": lambda m, now, o: m.add_member(
        now, o.team_number, o.provider_number, o.kind, o.starts, o.ends, o.scope, o.rests_on or ()
    ),
    "add_patient": lambda m, now, o: m.add_patient(now, o.team_number, o.patient_number, o.starts, o.ends),
    "end_membership": lambda m, now, o: m.end_membership(now, o.team_number, o.provider_number),
    "end_patient": lambda m, now, o: m.end_patient(now, o.team_number, o.patient_number),
    "close_team": lambda m, now, o: m.close_team(now, o.team_number),
    "reopen_team": lambda m, now, o: m.reopen_team(now, o.team_number),
    "add_credential": lambda m, now, o: m.add_credential(now, o.provider_number, o.kind, o.code, o.starts, o.ends),
    "end_credential": lambda m, now, o: m.end_credential(now, o.provider_number, o.kind, o.code),
    "refer": lambda m, now, o: m.refer(
        now, o.patient_number, o.other_number, o.provider_number, o.code, o.starts, o.ends
    ),
    "end_referral": lambda m, now, o: m.end_referral(now, o.row),
    "redirect_referral": lambda m, now, o: m.redirect_referral(now, o.row, o.provider_number),
    "arrange_coverage": lambda m, now, o: m.arrange_coverage(
        now, o.other_number, o.provider_number, o.kind, o.starts, o.ends, o.scope, o.team_number, o.patient_numbers
    ),
    "end_coverage": lambda m, now, o: m.end_coverage(now, o.row),
    "object_to": lambda m, now, o: m.restrict(
        now, "objection", o.patient_number, o.provider_number, None, o.starts, o.ends
    ),
    "suspend": lambda m, now, o: m.restrict(now, "suspension", None, o.provider_number, None, o.starts, o.ends),
    "label": lambda m, now, o: m.restrict(now, "label", o.patient_number, None, o.code, o.starts, o.ends),
    "lift": lambda m, now, o: m.lift(now, o.row),
    "set_policy": lambda m, now, o: m.set_policy(now, o.scope or (), o.row, o.rests_on or (), o.starts, o.despite),
    "merge_patients": lambda m, now, o: m.merge_patients(now, o.patient_number, o.other_number),
    "unmerge_patients": lambda m, now, o: m.unmerge_patients(now, o.patient_number),
    "add_duty": lambda m, now, o: m.add_duty(now, o.provider_number, o.kind, o.starts, o.ends),
    "end_duty": lambda m, now, o: m.end_duty(now, o.row),
    "request_access": lambda m, now, o: m.request_access(
        now, o.patient_number, o.provider_number, o.scope or ("read",)
    ),
    "approve_access": lambda m, now, o: m.approve_access(now, o.row, o.provider_number, HOURS.get(o.kind)),
    "deny_access": lambda m, now, o: m.deny_access(now, o.row, o.provider_number),
    "end_access": lambda m, now, o: m.end_access(now, o.row, o.provider_number),
}  # fmt: skip
