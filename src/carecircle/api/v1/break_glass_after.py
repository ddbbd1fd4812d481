"""After the emergency, over HTTP: the report, the review, figures, and the patient's discharge."""

from __future__ import annotations

from typing import Annotated, Any

import orjson
from fastapi import Header
from fastapi.responses import Response

from carecircle.api.v1.break_glass import about, looking
from carecircle.api.v1.break_glass_shapes import LISTED, Review, Standing, standing
from carecircle.api.v1.door import Asking, Changing, routes
from carecircle.api.v1.person import Person, person_of
from carecircle.api.v1.shapes import Answer, Ended, Instant, Moment, OwnId, end_of, example
from carecircle.directory.service import is_registered
from carecircle.emergency import ending_service, figures_service, reading_service, report_service, review_service
from carecircle.emergency.concern_service import on_privacy_office
from carecircle.emergency.report_page import as_html, content_security_policy
from carecircle.errors import PatientNotRegistered, PermissionRequired
from carecircle.errors.emergency import PersonRequired
from carecircle.period import show

router = routes("break-glass")

TIMES = {
    "count": 4, "median": 95.2, "p90": 210.0, "p99": 280.4, "longest": 280.4, "buckets": [{"seconds": 300, "count": 4}],
}  # fmt: skip
FIGURES = {
    "since": "2026-01-01T00:00:00Z", "until": None, "at": "2026-01-31T08:00:00Z", "asked": 5, "opened": 5,
    "by_mode": {"provisional": 5}, "by_reason": {"life-threat": 5}, "by_unit": {"none": 5}, "decided": 4, "approved": 3,
    "denied": 1, "undecided_in_time": 1, "expired_undecided": 1, "converted": 0, "reviewed": 2, "review_overdue": 0,
    "by_verdict": {"justified": 2}, "time_to_decision": TIMES,
}  # fmt: skip
REPORT: dict[str, Any] = {
    "written_at": "2026-02-01T09:00:00Z", "emergency": LISTED, "organization": "North Hospital", "unit": None,
    "reason": "Life-threatening emergency", "names": {}, "approvers": [], "states": [], "notes": [], "deliveries": [],
    "opened": [], "supposed": [], "relations": [], "converted_at": None, "seconds_open": 900.0, "disclosure": None,
    "told_to": "privacy-office",
}  # fmt: skip


class Bucket(Answer):
    """How many took longer than the bucket before and at most `seconds`; null has no edge."""

    model_config = example(seconds=300, count=4)
    seconds: int | None
    count: int


class TimeToDecision(Answer):
    """Seconds from asking to the first decision; null where nothing was decided."""

    model_config = example(**TIMES)
    count: int
    median: float | None
    p90: float | None
    p99: float | None
    longest: float | None
    buckets: list[Bucket]


class Figures(Answer):
    """What was asked for in the period, and what has become of it by now (`at`)."""

    model_config = example(**FIGURES)
    since: Moment | None
    until: Moment | None
    at: Moment
    asked: int
    opened: int
    by_mode: dict[str, int]
    by_reason: dict[str, int]
    by_unit: dict[str, int]
    decided: int
    approved: int
    denied: int
    undecided_in_time: int
    expired_undecided: int
    converted: int
    reviewed: int
    review_overdue: int
    by_verdict: dict[str, int]
    time_to_decision: TimeToDecision


class Report(Answer):
    """The after-action report: who, why, what was opened by which decision (`opened`), and what became of it.

    `supposed` are questions about another instant than when they were asked. `told_to` says for whom it was written: whoever
    asked is not told what stands out and when the review is due; the verdict, the reviewer, the reviewer's words and the
    draft of a disclosure note are for the privacy office.
    """

    model_config = example(**REPORT)
    written_at: Moment
    emergency: dict[str, Any]
    organization: str
    unit: str | None
    reason: str
    names: dict[str, str]
    approvers: list[dict[str, Any]]
    states: list[dict[str, Any]]
    notes: list[dict[str, Any]]
    deliveries: list[dict[str, Any]]
    opened: list[dict[str, Any]]
    supposed: list[dict[str, Any]]
    relations: list[dict[str, Any]]
    converted_at: Moment | None
    seconds_open: float
    disclosure: dict[str, Any] | None
    told_to: str


@router.get("/break-glass/figures")
async def break_glass_figures(door: Asking, since: Instant | None = None, until: Instant | None = None) -> Figures:
    """For those who may change, and for the privacy office on duty."""
    person = person_of(door.caller)
    async with door.read() as db:
        may = "change" in door.may or (person is not None and await on_privacy_office(db, provider=person))
        told = await figures_service.figures(db, since=since, until=until) if may else None
    if told is None:
        raise await door.refused(
            PermissionRequired("Figures are for the privacy office, and for tokens that may change.")
        )
    said = told.as_json() | {"since": end_of(since), "until": end_of(until), "at": show(told.at)}
    return Figures.model_validate(said)


@router.get(
    "/break-glass/{emergency_id}/report", response_model=Report, responses={200: {"content": {"text/html": {}}}}
)
async def emergency_report(door: Asking, emergency_id: OwnId, accept: Annotated[str, Header()] = "") -> Response:
    """As JSON or, where the request accepts text/html, as a page. It has the reasons in words, so that it is for persons:
    whoever asked for it, may decide about it or is on the privacy office's duty."""
    async with looking(door, emergency_id) as (db, concern):
        if concern is None:
            raise PersonRequired("The report has reasons in words; it is for the persons whose business it is.")
        report = await report_service.report(
            db, emergency_id=emergency_id, auditor=door.circle.auditor, concern=concern
        )
    if "text/html" in accept:
        body, kind = as_html(report).encode(), "text/html; charset=utf-8"
    else:
        body, kind = orjson.dumps(report.as_json()), "application/json"
    headers = {
        "content-security-policy": content_security_policy(), "referrer-policy": "no-referrer", "vary": "accept",
        "x-content-type-options": "nosniff",
    }  # fmt: skip
    return Response(body, headers=headers, media_type=kind)


@router.post("/break-glass/{emergency_id}/review")
async def review_emergency(door: Asking, person: Person, emergency_id: OwnId, body: Review) -> Standing:
    """Say what to think of it once it is over, as the privacy office, having had no part in it."""
    async with about(door, person, emergency_id) as db:
        await review_service.review(
            db, emergency_id=emergency_id, reviewer=person, verdict=body.verdict, words=body.words or ""
        )
        return standing(await reading_service.show(db, emergency_id=emergency_id))


@router.post("/patients/{patient_id}/discharge")
async def discharge_patient(door: Changing, patient_id: OwnId) -> Ended:
    """The patient was discharged: every emergency access to them ends, and every request that waits."""
    async with door.change() as db:
        ended = await ending_service.end_on_discharge(db, patient=patient_id)
        if not await is_registered(db, door.caller.organization_id, "patient", patient_id):
            raise PatientNotRegistered
    return Ended(ended=len(ended))
