"""Who decides about emergencies, who reports to whom, and who is related to which patient, over HTTP."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from carecircle.api.v1.door import Changing, routes
from carecircle.api.v1.paging import Next, Paging
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
    end_of,
    example,
    id_of,
)
from carecircle.database.keyset import Key
from carecircle.directory import duty_service, relation_service, reporting_service, tables
from carecircle.directory.duty_service import DutyKind
from carecircle.directory.relation_service import Relation
from carecircle.identifiers import to_text
from carecircle.period import show
from carecircle.restrictions.reading_service import record_reading

router = routes("duties")

DUTY = {
    "id": AN_ID, "duty": "supervisor", "provider_id": ANOTHER_ID, "unit_id": A_THIRD_ID, "call_order": 1,
    "contact": "ward7@hospital.example", "starts_at": "2026-01-31T08:00:00Z", "ends_at": None,
}  # fmt: skip
LINE = {
    "id": AN_ID, "provider_id": ANOTHER_ID, "reports_to_id": A_THIRD_ID, "starts_at": "2026-01-31T08:00:00Z",
    "ends_at": None,
}  # fmt: skip
RELATION = {
    "id": AN_ID, "provider_id": ANOTHER_ID, "patient_id": A_THIRD_ID, "relation": "family",
    "starts_at": "2026-01-31T08:00:00Z", "ends_at": None,
}  # fmt: skip


class NewDuty(Body):
    """Without a unit, of all units. Who comes first in the order of call is told first; `contact` is an e-mail address."""

    model_config = example(
        duty="supervisor", provider="npi|1234567893", unit="urn:ward|7", call_order=1, contact="ward7@hospital.example"
    )
    duty: DutyKind
    provider: Reference
    unit: Reference | None = None
    call_order: Annotated[int, Field(ge=1, le=1000)] = 1
    contact: Annotated[str, StringConstraints(max_length=254)] = ""
    starts_at: Instant | None = None
    ends_at: Instant | None = None


class Duty(Answer):
    """`unit_id` is null for a duty of all units."""

    model_config = example(**DUTY)
    id: Id
    duty: str
    provider_id: Id
    unit_id: Id | None
    call_order: int
    contact: str
    starts_at: Moment
    ends_at: Moment | None


class Duties(Answer):
    model_config = example(duties=[DUTY], next=None)
    duties: list[Duty]
    next: Next


class NewReportingLine(Body):
    """The provider reports to the other one, and so does not decide about that one's emergencies."""

    model_config = example(provider="npi|1234567893", reports_to="npi|1245319599")
    provider: Reference
    reports_to: Reference
    starts_at: Instant | None = None
    ends_at: Instant | None = None


class ReportingLine(Answer):
    model_config = example(**LINE)
    id: Id
    provider_id: Id
    reports_to_id: Id
    starts_at: Moment
    ends_at: Moment | None


class ReportingLines(Answer):
    model_config = example(lines=[LINE], next=None)
    lines: list[ReportingLine]
    next: Next


class NewPersonalRelation(Body):
    """The provider is this patient (`self`), of their family, or of their household."""

    model_config = example(provider="npi|1234567893", patient="urn:mrn|12345", relation="family")
    provider: Reference
    patient: Reference
    relation: Relation
    starts_at: Instant | None = None
    ends_at: Instant | None = None


class PersonalRelation(Answer):
    model_config = example(**RELATION)
    id: Id
    provider_id: Id
    patient_id: Id
    relation: str
    starts_at: Moment
    ends_at: Moment | None


class PersonalRelations(Answer):
    model_config = example(relations=[RELATION], next=None)
    relations: list[PersonalRelation]
    next: Next


@router.post("/duties", status_code=201)
async def add_duty(door: Changing, body: NewDuty) -> Duty:
    async with door.change() as db:
        return _duty(
            await duty_service.add_duty(
                db, provider=body.provider, duty=body.duty, unit=body.unit, call_order=body.call_order,
                contact=body.contact, starts_at=body.starts_at, ends_at=body.ends_at,
            )
        )  # fmt: skip


@router.get("/duties")
async def list_duties(
    door: Changing,
    page: Paging,
    unit: OwnId | None = None,
    duty: DutyKind | None = None,
    provider: OwnId | None = None,
    as_of: Instant | None = None,
) -> Duties:
    """Duties that hold now or ahead, or held at `as_of`; with `unit`, those that serve it, of all units too."""
    async with door.read() as db:
        found = await duty_service.duties(db, unit=unit, duty=duty, provider=provider, as_of=as_of)
        shown, onwards = page.pick(found, _in_order)
        return Duties(duties=[_duty(row) for row in shown], next=onwards)


@router.delete("/duties/{duty_id}")
async def end_duty(door: Changing, duty_id: OwnId, at: Instant | None = None) -> Ended:
    """End a duty now, or at an instant ahead; one that has not begun by then never does."""
    async with door.change() as db:
        await duty_service.end_duty(db, duty_id=duty_id, at=at)
        return Ended(ended=1)


@router.post("/reporting-lines", status_code=201)
async def add_reporting_line(door: Changing, body: NewReportingLine) -> ReportingLine:
    """Refused where somebody would report to themselves by way of others."""
    async with door.change() as db:
        return _line(
            await reporting_service.add_reporting_line(
                db, provider=body.provider, reports_to=body.reports_to, starts_at=body.starts_at, ends_at=body.ends_at
            )
        )


@router.get("/reporting-lines")
async def list_reporting_lines(door: Changing, page: Paging, provider: OwnId | None = None) -> ReportingLines:
    """Those that hold now or ahead; with `provider`, to and from that one."""
    async with door.read() as db:
        found = await reporting_service.reporting_lines(db, provider)
        shown, onwards = page.pick(found, lambda one: (one.reports_to_id, one.starts_at, one.id))
        return ReportingLines(lines=[_line(row) for row in shown], next=onwards)


@router.delete("/reporting-lines")
async def end_reporting_line(door: Changing, provider: OwnId, reports_to: OwnId) -> Ended:
    """End that the one reports to the other, now and ahead."""
    async with door.change() as db:
        rows = await reporting_service.end_reporting_line(db, provider=provider, reports_to=reports_to)
        return Ended(ended=len(rows))


@router.post("/personal-relations", status_code=201)
async def add_personal_relation(door: Changing, body: NewPersonalRelation) -> PersonalRelation:
    async with door.change() as db:
        return _related(
            await relation_service.relate(
                db, provider=body.provider, patient=body.patient, relation=body.relation, starts_at=body.starts_at,
                ends_at=body.ends_at,
            )
        )  # fmt: skip


@router.get("/personal-relations")
async def list_personal_relations(
    door: Changing,
    page: Paging,
    patient: OwnId | None = None,
    provider: OwnId | None = None,
    as_of: Instant | None = None,
) -> PersonalRelations:
    """Those that name this patient, this provider, or both, or all. Each reading is recorded."""
    async with door.read() as db:
        found = await relation_service.relations(db, patient=patient, provider=provider, as_of=as_of)
        shown, onwards = page.pick(found, lambda one: (one.starts_at, one.id))
        await record_reading(
            db, "relations-read", patient=patient, provider=provider, relations=len(shown), as_of=as_of
        )
    return PersonalRelations(relations=[_related(row) for row in shown], next=onwards)


@router.delete("/personal-relations")
async def end_personal_relation(door: Changing, patient: OwnId, provider: OwnId) -> Ended:
    """End how the provider is related to the patient, now and ahead."""
    async with door.change() as db:
        return Ended(ended=len(await relation_service.end_relation(db, provider=provider, patient=patient)))


def _in_order(one: tables.Duty) -> tuple[Key, ...]:
    """By duty, unit and order of call; the duties of all units after those of one."""
    return (one.duty, int(one.unit_id is None), id_of(one.unit_id) or "", one.call_order, one.starts_at, one.id)


def _duty(row: tables.Duty) -> Duty:
    return Duty(
        id=to_text(row.id), duty=row.duty, provider_id=to_text(row.provider_id), unit_id=id_of(row.unit_id),
        call_order=row.call_order, contact=row.contact, starts_at=show(row.starts_at), ends_at=end_of(row.ends_at),
    )  # fmt: skip


def _line(row: tables.ReportingLine) -> ReportingLine:
    return ReportingLine(
        id=to_text(row.id), provider_id=to_text(row.provider_id), reports_to_id=to_text(row.reports_to_id),
        starts_at=show(row.starts_at), ends_at=end_of(row.ends_at),
    )  # fmt: skip


def _related(row: tables.PersonalRelation) -> PersonalRelation:
    return PersonalRelation(
        id=to_text(row.id), provider_id=to_text(row.provider_id), patient_id=to_text(row.patient_id),
        relation=row.relation, starts_at=show(row.starts_at), ends_at=end_of(row.ends_at),
    )  # fmt: skip
