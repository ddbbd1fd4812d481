"""Direct assignments over HTTP: making them, a specialist's too, ending them, and taking back a planned handover."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from carecircle.api.v1.door import Changing, routes
from carecircle.api.v1.shapes import (
    A_THIRD_ID,
    AN_ID,
    ANOTHER_ID,
    Answer,
    Body,
    Ended,
    Id,
    Instant,
    Moment,
    OwnId,
    Reference,
    RestsOn,
    Scope,
    Text,
    end_of,
    example,
    id_of,
)
from carecircle.assignments import handover_service, service
from carecircle.assignments.tables import PatientAssignment
from carecircle.identifiers import to_text
from carecircle.period import show
from carecircle.policy import AssignmentType
from carecircle.staffing.specialist_service import assign_specialist

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

router = routes("assignments")

ASSIGNMENT = {
    "id": AN_ID, "patient_id": ANOTHER_ID, "provider_id": A_THIRD_ID, "assignment_type": "primary",
    "scope": ["read", "write", "order", "share"], "rests_on": ["licence"], "referral_id": None,
    "starts_at": "2026-01-31T08:00:00Z", "ends_at": None,
}  # fmt: skip


class PrimaryAssignment(Body):
    """From now or a later instant on, taking over from who is primary then, who becomes consulting or ends.

    With `version`, only if that is the row of who is primary. With `ends_at`, for that time only, taking over from nobody.
    """

    model_config = example(assignment_type="primary", patient="urn:mrn|12345", provider="npi|1234567893")
    assignment_type: Literal["primary"]
    patient: Reference
    provider: Reference
    previous: Literal["demote", "end"] = "demote"
    version: OwnId | None = None
    starts_at: Instant | None = None
    ends_at: Instant | None = None
    rests_on: RestsOn | None = None


class SpecialistAssignment(Body):
    """Consulting, resting on a specialty and on a referral: the one named, or the one that fits."""

    model_config = example(
        assignment_type="specialist", patient="urn:mrn|12345", provider="npi|1234567893", specialty="207RC0000X",
        referral_id=AN_ID,
    )  # fmt: skip
    assignment_type: Literal["specialist"]
    patient: Reference
    provider: Reference
    specialty: Text
    referral_id: OwnId | None = None
    starts_at: Instant | None = None
    ends_at: Instant | None = None


class DirectAssignment(Body):
    """For a period: from now on, and open, by default. The same one again changes nothing."""

    model_config = example(
        assignment_type="consulting", patient="urn:mrn|12345", provider="npi|1234567893", ends_at="2026-07-31T08:00:00Z"
    )
    assignment_type: Literal["consulting", "attending", "admitting", "emergency"]
    patient: Reference
    provider: Reference
    scope: Scope | None = None
    rests_on: RestsOn | None = None
    referral_id: OwnId | None = None
    starts_at: Instant | None = None
    ends_at: Instant | None = None


NewAssignment = Annotated[
    PrimaryAssignment | SpecialistAssignment | DirectAssignment, Field(discriminator="assignment_type")
]


class AssignmentsToEnd(Body):
    """All that this provider holds directly for this patient, now and ahead, or only one type."""

    model_config = example(patient="urn:mrn|12345", provider="npi|1234567893", assignment_type="consulting")
    patient: Reference
    provider: Reference
    assignment_type: AssignmentType | None = None


class HandoverToCancel(Body):
    model_config = example(patient="urn:mrn|12345")
    patient: Reference


class Assignment(Answer):
    """It holds only while every credential in `rests_on` does, and the referral, where there is one."""

    model_config = example(**ASSIGNMENT)
    id: Id
    patient_id: Id
    provider_id: Id
    assignment_type: str
    scope: list[str]
    rests_on: list[str]
    referral_id: Id | None
    starts_at: Moment
    ends_at: Moment | None


class Cancelled(Answer):
    """Who stays primary, or null when nobody was to be replaced, or when they have been changed since."""

    model_config = example(restored=ASSIGNMENT)
    restored: Assignment | None


@router.post("/assignments", status_code=201)
async def make_assignment(door: Changing, body: NewAssignment) -> Assignment:
    async with door.change() as db:
        return _assignment(await _make(db, body))


@router.post("/assignments/end")
async def end_assignments(door: Changing, body: AssignmentsToEnd) -> Ended:
    async with door.change() as db:
        ended = await service.end_assignments(
            db, patient=body.patient, provider=body.provider, assignment_type=body.assignment_type
        )
        return Ended(ended=len(ended))


@router.post("/assignments/cancel-handover")
async def cancel_handover(door: Changing, body: HandoverToCancel) -> Cancelled:
    """Take back the next handover of the primary provider that has not begun."""
    async with door.change() as db:
        restored = await handover_service.cancel_handover(db, patient=body.patient)
        return Cancelled(restored=None if restored is None else _assignment(restored))


async def _make(
    db: AsyncSession, body: PrimaryAssignment | SpecialistAssignment | DirectAssignment
) -> PatientAssignment:
    if isinstance(body, SpecialistAssignment):
        return await assign_specialist(
            db, patient=body.patient, provider=body.provider, specialty=body.specialty, referral_id=body.referral_id,
            starts_at=body.starts_at, ends_at=body.ends_at,
        )  # fmt: skip
    if isinstance(body, PrimaryAssignment) and body.ends_at is None:
        return await service.assign_primary(
            db, patient=body.patient, provider=body.provider, previous=body.previous, version=body.version,
            starts_at=body.starts_at, rests_on=body.rests_on,
        )  # fmt: skip
    scope, referral_id = (None, None) if isinstance(body, PrimaryAssignment) else (body.scope, body.referral_id)
    return await service.add_assignment(
        db, patient=body.patient, provider=body.provider, assignment_type=body.assignment_type, scope=scope,
        starts_at=body.starts_at, ends_at=body.ends_at, rests_on=body.rests_on, referral_id=referral_id,
    )  # fmt: skip


def _assignment(row: PatientAssignment) -> Assignment:
    return Assignment(
        id=to_text(row.id), patient_id=to_text(row.patient_id), provider_id=to_text(row.provider_id),
        assignment_type=row.assignment_type, scope=list(row.scope), rests_on=list(row.rests_on),
        referral_id=id_of(row.referral_id), starts_at=show(row.starts_at), ends_at=end_of(row.ends_at),
    )  # fmt: skip
