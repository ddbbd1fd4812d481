"""Direct assignments over HTTP: making, reading, correcting and ending them, and taking back a handover."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import Response
from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from carecircle.api.v1.door import Changing, Reading, routes
from carecircle.api.v1.etag import IfMatch, tag, tagged
from carecircle.api.v1.shapes import (
    A_THIRD_ID,
    AN_ID,
    ANOTHER_ID,
    UNUSABLE,
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
from carecircle.assignments import handover_service, reading_service, service
from carecircle.assignments.tables import PatientAssignment
from carecircle.errors import InvalidRequest
from carecircle.identifiers import to_text
from carecircle.period import show
from carecircle.policy import AssignmentType
from carecircle.restrictions.reading_service import record_reading
from carecircle.staffing.specialist_service import assign_specialist

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

router = routes("assignments")

ASSIGNMENT: dict[str, Any] = {
    "id": AN_ID, "patient_id": ANOTHER_ID, "provider_id": A_THIRD_ID, "assignment_type": "primary",
    "scope": ["read", "write", "order", "share"], "rests_on": ["licence"], "referral_id": None,
    "starts_at": "2026-01-31T08:00:00Z", "ends_at": None,
}  # fmt: skip


RECORDED: dict[str, Any] = ASSIGNMENT | {
    "lineage_id": AN_ID, "recorded_at": "2026-01-31T08:00:00Z", "superseded_at": None,
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


class RecordedAssignment(Assignment):
    """A row as it is on record: since when we believed it, and until when, where another row has taken its place.

    Rows of one `lineage_id` say the same thing of other times, or what it should have been.
    """

    model_config = example(**RECORDED)
    lineage_id: Id
    recorded_at: Moment
    superseded_at: Moment | None


class Correction(Body):
    """What the assignment should have been all along; what is left out, or null, stays as it is."""

    model_config = example(starts_at="2026-01-30T08:00:00Z")
    provider: Reference | None = None
    assignment_type: AssignmentType | None = None
    starts_at: Instant | None = None
    ends_at: Instant | None = None
    scope: Scope | None = None
    rests_on: RestsOn | None = None
    referral_id: OwnId | None = None

    @model_validator(mode="after")
    def _something(self) -> Correction:
        if all(said is None for said in self.model_dump().values()):
            raise PydanticCustomError(UNUSABLE, "Say what it should have been.")
        return self


class Cancelled(Answer):
    """Who stays primary, or null when nobody was to be replaced, or when they have been changed since."""

    model_config = example(restored=ASSIGNMENT)
    restored: Assignment | None


@router.post("/assignments", status_code=201)
async def make_assignment(door: Changing, response: Response, match: IfMatch, body: NewAssignment) -> Assignment:
    """Assign. A primary may be assigned over one who was read before: by `version`, or the same as If-Match."""
    if isinstance(body, PrimaryAssignment) and body.ends_at is None:
        body = body.model_copy(update={"version": match.or_said(body.version)})
    elif match.said is not None:
        raise InvalidRequest("Only who takes over as primary compares versions, so leave If-Match out here.")
    async with door.change() as db:
        row = await _make(db, body)
    tagged(response, tag(row.id))
    return _assignment(row)


@router.post("/assignments/end")
async def end_assignments(door: Changing, body: AssignmentsToEnd) -> Ended:
    async with door.change() as db:
        ended = await service.end_assignments(
            db, patient=body.patient, provider=body.provider, assignment_type=body.assignment_type
        )
        return Ended(ended=len(ended))


@router.get("/assignments/{assignment_id}")
async def read_assignment(door: Reading, response: Response, assignment_id: OwnId) -> RecordedAssignment:
    """One row of an assignment, superseded or not. Each reading is recorded."""
    async with door.change() as db:
        row = await reading_service.assignment_row(db, assignment_id=assignment_id)
        await record_reading(db, "assignment-read", patient=row.patient_id, assignment=row.id)
    tagged(response, _version(row))
    return recorded(row)


@router.patch("/assignments/{assignment_id}")
async def correct_assignment(
    door: Changing, response: Response, match: IfMatch, assignment_id: OwnId, body: Correction
) -> RecordedAssignment:
    """Correct a wrong past: the answer is the row that is believed from now on, under an id of its own. What was believed
    until now stays on record, and decisions made before keep their proof."""
    async with door.change() as db:
        wrong = await reading_service.assignment_row(db, assignment_id=assignment_id)
        match.require(_version(wrong))
        right = await handover_service.correct_assignment(
            db, patient=wrong.patient_id, assignment_id=assignment_id, provider_id=body.provider,
            assignment_type=body.assignment_type, starts_at=body.starts_at, ends_at=body.ends_at, scope=body.scope,
            rests_on=body.rests_on, referral_id=body.referral_id,
        )  # fmt: skip
    tagged(response, _version(right))
    return recorded(right)


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


def recorded(row: PatientAssignment) -> RecordedAssignment:
    """A row as it is on record."""
    return RecordedAssignment(
        **_assignment(row).model_dump(), lineage_id=to_text(row.lineage_id), recorded_at=show(row.recorded_at),
        superseded_at=end_of(row.superseded_at),
    )  # fmt: skip


def _version(row: PatientAssignment) -> str:
    """Facts are never edited, but closed once."""
    return tag(row.id) if end_of(row.superseded_at) is None else f'"{to_text(row.id)}-superseded"'


def _assignment(row: PatientAssignment) -> Assignment:
    return Assignment(
        id=to_text(row.id), patient_id=to_text(row.patient_id), provider_id=to_text(row.provider_id),
        assignment_type=row.assignment_type, scope=list(row.scope), rests_on=list(row.rests_on),
        referral_id=id_of(row.referral_id), starts_at=show(row.starts_at), ends_at=end_of(row.ends_at),
    )  # fmt: skip
