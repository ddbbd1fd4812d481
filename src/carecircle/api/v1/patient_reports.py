"""What a patient may ask for, over HTTP: to whom their record was disclosed, and who looked at it; JSON, or a page to print."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any

import orjson
from fastapi import Header
from fastapi.responses import Response

from carecircle.api.v1.door import Door, Privacy, routes
from carecircle.api.v1.shapes import AN_ID, ANOTHER_ID, Answer, Body, Id, Instant, Moment, Reference, Text, example
from carecircle.audit.refusal import is_refusal
from carecircle.errors import CareCircleError
from carecircle.reports import disclosures_service, patient_access_service
from carecircle.reports.page import access_page, content_security_policy, disclosures_page, file_name

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

router = routes("reports")

PAGE: dict[int | str, dict[str, Any]] = {200: {"content": {"text/html": {"schema": {"type": "string"}}}}}
DISCLOSURE = {
    "first_at": "2026-01-30T08:00:00Z", "last_at": "2026-01-30T08:00:00Z", "times": 1, "recipient": "Dr. Amara Brown",
    "address": None, "made_by": None, "action": "read", "description": "Reading the record", "purpose": "PUBHLTH",
    "purpose_in_words": "public health", "entry": ANOTHER_ID,
}  # fmt: skip
PERSON = {"id": AN_ID, "name": "Dr. Amara Brown", "roles": ["Cardiology, Ward 7"]}
LOOK = {
    "person": PERSON, "first_at": "2026-01-30T08:00:00Z", "last_at": "2026-01-30T08:00:00Z", "times": 1,
    "actions": ["may read your record"], "purposes": ["your treatment"], "reasons": ["is your primary provider"],
    "emergency": False, "through": [], "altered": False,
}  # fmt: skip
ATTEMPT = {
    "person": PERSON, "day": "2026-01-30", "first_at": "2026-01-30T08:00:00Z", "last_at": "2026-01-30T08:00:00Z",
    "times": 1, "action": "wanted to read your record", "reason": "has no part in your care", "altered": False,
}  # fmt: skip
STEP = {"at": "2026-01-30T08:00:00Z", "words": "opened your record", "altered": False}
EMERGENCY = {
    "id": ANOTHER_ID, "person": PERSON, "reason": "Life-threatening emergency", "steps": [STEP],
}  # fmt: skip


class AboutDisclosures(Body):
    """Of the six years until now, unless `since` and `until` say otherwise."""

    model_config = example(patient="urn:mrn|12345")
    patient: Reference
    since: Instant | None = None
    until: Instant | None = None


class AboutAccess(Body):
    """Of the three years until now, unless `since` and `until` say otherwise; days are by the clock of `time_zone` (IANA)."""

    model_config = example(patient="urn:mrn|12345", time_zone="Europe/Berlin")
    patient: Reference
    since: Instant | None = None
    until: Instant | None = None
    time_zone: Text = "UTC"


class Disclosure(Answer):
    """To one recipient for one purpose, so many `times`; `recipient` is null for what somebody shared (`made_by`)."""

    model_config = example(**DISCLOSURE)
    first_at: Moment
    last_at: Moment
    times: int
    recipient: str | None
    address: str | None
    made_by: str | None
    action: str
    description: str
    purpose: str
    purpose_in_words: str
    entry: Id


class Accounting(Answer):
    """The oldest disclosure first. `untraced_lists` of patients were given out for such a purpose: who was on them has to be
    found out otherwise."""

    model_config = example(
        written_at="2026-01-31T08:00:00Z", organization="North Hospital", patient=AN_ID, patient_name=None,
        since="2020-01-31T08:00:00Z", until="2026-01-31T08:00:00Z", disclosures=[DISCLOSURE], untraced_lists=0,
    )  # fmt: skip
    written_at: Moment
    organization: str
    patient: Id
    patient_name: str | None
    since: Moment
    until: Moment
    disclosures: list[Disclosure]
    untraced_lists: int


class Person(Answer):
    """Who it was; `id` is null for who is no provider here."""

    model_config = example(**PERSON)
    id: Id | None
    name: str
    roles: list[str]


class Look(Answer):
    """One person on one day, in words. `altered`: what stands in the audit trail of it is not what was sealed there."""

    model_config = example(**LOOK)
    person: Person
    first_at: Moment
    last_at: Moment
    times: int
    actions: list[str]
    purposes: list[str]
    reasons: list[str]
    emergency: bool
    through: list[str]
    altered: bool


class Day(Answer):
    model_config = example(day="2026-01-30", looks=[LOOK])
    day: str
    looks: list[Look]


class Attempt(Answer):
    """Somebody who was not let in on one day, and why not."""

    model_config = example(**ATTEMPT)
    person: Person
    day: str
    first_at: Moment
    last_at: Moment
    times: int
    action: str
    reason: str
    altered: bool


class Step(Answer):
    model_config = example(**STEP)
    at: Moment
    words: str
    altered: bool


class Emergency(Answer):
    """An emergency access and what became of it; `reason` is null where it was asked for before the period."""

    model_config = example(**EMERGENCY)
    id: Id
    person: Person
    reason: str | None
    steps: list[Step]


class PatientAccess(Answer):
    """Days newest first. `worked`: who only worked with the log, or asked who may see the patient; `supposed`: questions about
    another time than when they were asked, which let nobody in."""

    model_config = example(
        written_at="2026-01-31T08:00:00Z", organization="North Hospital", patient_id=AN_ID, patient_name=None,
        since="2023-01-31T08:00:00Z", until="2026-01-31T08:00:00Z", time_zone="Europe/Berlin",
        days=[{"day": "2026-01-30", "looks": [LOOK]}], worked=[], attempts=[ATTEMPT], emergencies=[EMERGENCY], supposed=0,
        altered=False,
    )  # fmt: skip
    written_at: Moment
    organization: str
    patient_id: Id
    patient_name: str | None
    since: Moment
    until: Moment
    time_zone: str
    days: list[Day]
    worked: list[Day]
    attempts: list[Attempt]
    emergencies: list[Emergency]
    supposed: int
    altered: bool


@router.post("/reports/disclosures", response_model=Accounting, responses=PAGE)
async def account_for_disclosures(
    door: Privacy, body: AboutDisclosures, accept: Annotated[str, Header()] = ""
) -> Response:
    """The accounting of disclosures of one patient (45 CFR 164.528), as JSON or, where text/html is accepted, as a page. It has
    the patient's name: keep it as you keep a record. That it was asked for is recorded."""
    async with _asked(door) as db:
        found = await disclosures_service.account(
            db, patient=body.patient, auditor=door.circle.auditor, since=body.since, until=body.until
        )
    if "text/html" in accept:
        return _page(disclosures_page(found), file_name("disclosures", found.patient_id, "html"))
    return _json(found.as_json())


@router.post("/reports/patient-access", response_model=PatientAccess, responses=PAGE)
async def report_patient_access(door: Privacy, body: AboutAccess, accept: Annotated[str, Header()] = "") -> Response:
    """Who looked at a patient's record, when and why, in plain words for the patient; who was kept out, and every emergency. As
    JSON or, where text/html is accepted, as a page. That it was asked for is recorded."""
    async with _asked(door) as db:
        found = await patient_access_service.report(
            db, patient=body.patient, auditor=door.circle.auditor, since=body.since, until=body.until,
            time_zone=body.time_zone,
        )  # fmt: skip
    if "text/html" in accept:
        return _page(access_page(found), file_name("patient-report", found.patient_id, "html"))
    return _json(found.as_json())


@asynccontextmanager
async def _asked(door: Door) -> AsyncIterator[AsyncSession]:
    """A transaction that reads, so that no answer about a patient is kept for an Idempotency-Key; a refusal is recorded."""
    try:
        async with door.read() as db:
            yield db
    except CareCircleError as error:
        if is_refusal(error):
            await door.refused(error)
        raise


def _json(told: dict[str, Any]) -> Response:
    return Response(orjson.dumps(told), headers={"vary": "accept"}, media_type="application/json")


def _page(page: str, name: str) -> Response:
    headers = {
        "content-security-policy": content_security_policy(), "content-disposition": f'inline; filename="{name}"',
        "referrer-policy": "no-referrer", "vary": "accept", "x-content-type-options": "nosniff",
    }  # fmt: skip
    return Response(page.encode(), headers=headers, media_type="text/html; charset=utf-8")
