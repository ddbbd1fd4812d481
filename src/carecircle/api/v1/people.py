"""Patients over HTTP: registering, finding and reading one, the circle of one, and their direct assignments."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import Query, Request, Response
from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from carecircle.api.v1.assignments import RECORDED, RecordedAssignment, recorded
from carecircle.api.v1.door import Changing, Reading, routes
from carecircle.api.v1.paging import Next, Paging
from carecircle.api.v1.questions import About, as_caller, circumstances, rows_of
from carecircle.api.v1.shapes import (
    AN_ID,
    ANOTHER_ID,
    UNUSABLE,
    Answer,
    Body,
    Id,
    Instant,
    Moment,
    OwnId,
    Reference,
    Text,
    end_of,
    example,
    id_of,
)
from carecircle.assignments.reading_service import assignments_of
from carecircle.directory import record_service, service
from carecircle.errors import PatientNotRegistered
from carecircle.identifiers import Identifier, to_text
from carecircle.period import show
from carecircle.policy import ACTION_CODE
from carecircle.restrictions.reading_service import record_reading

router = routes("patients")

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
PATIENT = {
    "id": AN_ID, "merged_into_id": None, "identifiers": ["urn:mrn|12345"], "name": "Ines Keller",
    "birth_date": "1970-01-31", "sex": "female",
}  # fmt: skip
IN_CIRCLE = {"provider_id": ANOTHER_ID, "name": "Dr. A. Okafor", "bases": ["primary"], "ends_at": None}


def _day(given: str) -> str:
    try:
        if _DAY.fullmatch(given) and date.fromisoformat(given):
            return given
    except ValueError:
        pass
    raise PydanticCustomError(UNUSABLE, "Write a day as YYYY-MM-DD.")


Day = Annotated[str, AfterValidator(_day), Field(json_schema_extra={"format": "date"})]
Identifiers = Annotated[list[Text], Field(max_length=64, default_factory=list)]


class FoundAgain(Body):
    """By an id of the host's own, which is kept, by identifiers (`system|value`), or by both."""

    id: Reference | None = None
    identifiers: Identifiers

    @model_validator(mode="after")
    def _somehow(self) -> FoundAgain:
        if self.id is None and not self.identifiers:
            raise PydanticCustomError(UNUSABLE, "Say by what they are found again: identifiers, id, or both.")
        return self


class NewPatient(FoundAgain):
    """Registering the same patient again changes nothing. Name, birth date, sex and identifiers are kept encrypted."""

    model_config = example(identifiers=["urn:mrn|12345"], name="Ines Keller", birth_date="1970-01-31", sex="female")
    name: Text | None = None
    birth_date: Day | None = None
    sex: Text | None = None


class WhoIsIt(Body):
    model_config = example(identifier="urn:mrn|12345")
    identifier: Reference


class Registered(Answer):
    """`added` is false where the patient was known already."""

    model_config = example(id=AN_ID, added=True)
    id: Id
    added: bool


class Found(Answer):
    """`id` is who the patient is now; `merged_from_id` the record that has the identifier, where that is another one."""

    model_config = example(id=AN_ID, merged_from_id=None)
    id: Id
    merged_from_id: Id | None


class Patient(Answer):
    """What is kept of a patient; `merged_into_id` is who the patient is now, where records were merged."""

    model_config = example(**PATIENT)
    id: Id
    merged_into_id: Id | None
    identifiers: list[str]
    name: str | None
    birth_date: str | None
    sex: str | None


class InCircle(Answer):
    """Somebody in the circle: by which kinds of relation, and until when the last of them holds."""

    model_config = example(**IN_CIRCLE)
    provider_id: Id
    name: str | None
    bases: list[str]
    ends_at: Moment | None


class Circle(Answer):
    """Who may do this to the patient at an instant, recorded as one entry (`entry_id`). Each page has an instant of its own."""

    model_config = example(
        entry_id=AN_ID, as_of="2026-01-31T08:00:00Z", action="read", count=1, circle=[IN_CIRCLE], next=None
    )
    entry_id: Id
    as_of: Moment
    action: str
    count: int
    circle: list[InCircle]
    next: Next


class RecordedAssignments(Answer):
    model_config = example(assignments=[RECORDED], next=None)
    assignments: list[RecordedAssignment]
    next: Next


def in_text(reference: UUID | Identifier) -> str:
    """A reference as whoever registers somebody writes it."""
    return str(reference)


@router.post("/patients", status_code=201, responses={200: {"model": Registered, "description": "Was known already"}})
async def register_patient(door: Changing, response: Response, body: NewPatient) -> Registered:
    """Register a patient; or find them where the id or an identifier is known: then 200, the record gets those identifiers
    that nobody has, and keeps its name, birth date and sex."""
    async with door.change() as db:
        known = await record_service.any_registered(db, "patient", body.id, body.identifiers)
        patient_id = await service.register_patient(
            db, patient_id=None if body.id is None else in_text(body.id), identifiers=body.identifiers, name=body.name,
            birth_date=date.fromisoformat(body.birth_date) if body.birth_date else None, sex=body.sex,
        )  # fmt: skip
    response.status_code = 200 if known else 201
    return Registered(id=to_text(patient_id), added=not known)


@router.post("/patients/look-up")
async def look_up_patient(door: Reading, body: WhoIsIt) -> Found:
    """Whose identifier this is. That it was asked is recorded, of an identifier nobody has too."""
    async with door.change() as db:
        own, now = await record_service.find_patient(db, body.identifier)
        await record_reading(db, "patient-looked-up", patient=now)
    return Found(id=to_text(now), merged_from_id=None if own == now else to_text(own))


@router.get("/patients/{patient_id}")
async def read_patient(door: Reading, patient_id: OwnId) -> Patient:
    """Who this patient is. Each reading is recorded."""
    async with door.change() as db:
        found = await record_service.patient_record(db, patient_id=patient_id)
        await record_reading(db, "patient-read", patient=patient_id)
    return Patient(
        id=to_text(found.id), merged_into_id=id_of(found.merged_into_id), identifiers=list(found.identifiers),
        name=found.name, birth_date=found.birth_date, sex=found.sex,
    )  # fmt: skip


@router.get("/patients/{patient_id}/circle")
async def read_circle(
    door: Reading,
    request: Request,
    patient_id: OwnId,
    page: Paging,
    action: Annotated[str, Query(pattern=f"^{ACTION_CODE.pattern}$")] = "read",
    as_of: Instant | None = None,
    believed_at: Instant | None = None,
    purpose: Annotated[str, Query(pattern="^[A-Za-z][A-Za-z0-9_-]{0,31}$")] = "TREAT",
) -> Circle:
    """Who may do this to the patient, each with the kinds of relation that let them in."""
    about = About.model_construct(action=action, as_of=as_of, believed_at=believed_at, purpose=purpose)
    said = as_caller(door) | circumstances(request, about)
    found = await door.circle.access.list_providers(patient_id, action, **said)
    if found.code == "unknown-patient":
        raise PatientNotRegistered
    shown, onwards = rows_of(found, page)
    async with door.read() as db:
        names = await service.names_of(db, door.caller.organization_id, [one.id for one in shown])
    return Circle(
        entry_id=to_text(found.id), as_of=show(found.as_of), action=action, count=len(found.rows), next=onwards,
        circle=[
            InCircle(
                provider_id=to_text(one.id), name=names.get(one.id), bases=list(one.bases), ends_at=end_of(one.ends_at)
            )
            for one in shown
        ],
    )  # fmt: skip


@router.get("/patients/{patient_id}/assignments")
async def list_patient_assignments(
    door: Reading, patient_id: OwnId, page: Paging, as_of: Instant | None = None, history: bool = False
) -> RecordedAssignments:
    """Direct assignments that hold now or ahead, planned handovers too; or at `as_of`; or, with `history`, every row ever
    recorded of them. By id, which is the order in which they were recorded. Each reading is recorded."""
    async with door.change() as db:
        found = await assignments_of(
            db, patient_id=patient_id, as_of=as_of, history=history, after=page.after, limit=page.limit + 1
        )
        shown, onwards = page.cut(found, lambda one: (one.id,))
        await record_reading(db, "assignments-read", patient=patient_id, assignments=len(shown), as_of=as_of)
    return RecordedAssignments(assignments=[recorded(one) for one in shown], next=onwards)
