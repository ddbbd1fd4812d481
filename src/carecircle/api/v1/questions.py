"""The questions over HTTP: check, check many, explain, and both lists. Every answer is recorded before it is given."""

from __future__ import annotations

from typing import Annotated

from fastapi import Request
from pydantic import Field, StringConstraints

from carecircle.access.decision import Listed, Listing
from carecircle.access.service import Circumstances
from carecircle.api.v1.door import Asking, Door, routes
from carecircle.api.v1.paging import LIMIT, MOST, Next, Page, key_of
from carecircle.api.v1.question_shapes import (
    DECISION,
    Decision,
    Explained,
    decision_of,
    explained_of,
)
from carecircle.api.v1.shapes import AN_ID, ANOTHER_ID, Answer, Body, Id, Instant, Moment, Reference, end_of, example
from carecircle.identifiers import to_text
from carecircle.period import show

router = routes("questions")

MANY = 1000
"""How many patients one request asks about at most."""

Action = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Purpose = Annotated[str, StringConstraints(min_length=1, max_length=32)]


class About(Body):
    """At `as_of`, as it was believed at `believed_at` (now, both, where left out), for a purpose of use."""

    action: Action = "read"
    as_of: Instant | None = None
    believed_at: Instant | None = None
    purpose: Purpose = "TREAT"


class Check(About):
    model_config = example(provider="npi|1234567893", action="read", patient="urn:mrn|12345", purpose="TREAT")
    provider: Reference
    patient: Reference


class CheckMany(About):
    model_config = example(provider="npi|1234567893", action="read", patients=["urn:mrn|12345", AN_ID])
    provider: Reference
    patients: Annotated[list[Reference], Field(min_length=1, max_length=MANY)]


class PageOf(About):
    """`limit` rows at most, beyond the page whose `next` is `after`."""

    limit: Annotated[int, Field(ge=1, le=MOST)] = LIMIT
    after: Annotated[str, StringConstraints(min_length=1, max_length=2048)] | None = None


class WhomTheySee(PageOf):
    model_config = example(provider="npi|1234567893", action="read", limit=50)
    provider: Reference


class WhoSees(PageOf):
    model_config = example(patient="urn:mrn|12345", action="read", limit=50)
    patient: Reference


class Decisions(Answer):
    """In the order of the patients asked about."""

    model_config = example(decisions=[DECISION])
    decisions: list[Decision]


class ListedPatient(Answer):
    """By which kinds of relation, and until when the last of them holds."""

    model_config = example(patient_id=ANOTHER_ID, bases=["primary"], ends_at=None)
    patient_id: Id
    bases: list[str]
    ends_at: Moment | None


class ListedProvider(Answer):
    """By which kinds of relation, and until when the last of them holds."""

    model_config = example(provider_id=ANOTHER_ID, bases=["care_team"], ends_at="2026-07-31T08:00:00Z")
    provider_id: Id
    bases: list[str]
    ends_at: Moment | None


class PatientsListed(Answer):
    """Recorded as one entry (`id`); `count` is how many there are on all pages. Each page is decided at its own instant."""

    model_config = example(
        id=AN_ID, code="listed", as_of="2026-01-31T08:00:00Z", count=1,
        patients=[{"patient_id": ANOTHER_ID, "bases": ["primary"], "ends_at": None}], next=None,
    )  # fmt: skip
    id: Id
    code: str
    as_of: Moment
    count: int
    patients: list[ListedPatient]
    next: Next


class ProvidersListed(Answer):
    """Recorded as one entry (`id`); `count` is how many there are on all pages. Each page is decided at its own instant."""

    model_config = example(
        id=AN_ID, code="listed", as_of="2026-01-31T08:00:00Z", count=1,
        providers=[{"provider_id": ANOTHER_ID, "bases": ["care_team"], "ends_at": "2026-07-31T08:00:00Z"}], next=None,
    )  # fmt: skip
    id: Id
    code: str
    as_of: Moment
    count: int
    providers: list[ListedProvider]
    next: Next


@router.post("/check")
async def check(door: Asking, request: Request, body: Check) -> Decision:
    """May this provider do this to this patient, and why? A denial is an answer (200, `allowed` false)."""
    said = await door.question(body.provider) | circumstances(request, body)
    return decision_of(
        await door.answered(await door.circle.access.check(body.provider, body.action, body.patient, **said))
    )


@router.post("/check-many")
async def check_many(door: Asking, request: Request, body: CheckMany) -> Decisions:
    """The same question about many patients: every one of them answered and recorded, or none."""
    said = await door.question(body.provider) | circumstances(request, body)
    found = await door.circle.access.check_many(body.provider, body.action, body.patients, **said)
    return Decisions(decisions=[decision_of(await door.answered(one)) for one in found])


@router.post("/explain")
async def explain(door: Asking, request: Request, body: Check) -> Explained:
    """The same decision, and on a denial every path that came near, nearest first."""
    said = await door.question(body.provider) | circumstances(request, body)
    found = await door.circle.access.explain(body.provider, body.action, body.patient, **said)
    await door.answered(found.decision)
    return explained_of(found)


@router.post("/list-patients")
async def list_patients(door: Asking, request: Request, body: WhomTheySee) -> PatientsListed:
    """Every patient to whom this provider may do this: exactly those for whom `check` says yes at that instant."""
    page = page_of(body)
    await door.require_asking(body.action, body.provider)
    said = await door.question(body.provider) | circumstances(request, body)
    found = await door.circle.access.list_patients(body.provider, body.action, **said)
    shown, onwards = rows_of(found, page)
    return PatientsListed(
        id=to_text(found.id), code=found.code, as_of=show(found.as_of), count=len(found.rows), next=onwards,
        patients=[
            ListedPatient(patient_id=to_text(one.id), bases=list(one.bases), ends_at=end_of(one.ends_at))
            for one in shown
        ],
    )  # fmt: skip


@router.post("/list-providers")
async def list_who_may(door: Asking, request: Request, body: WhoSees) -> ProvidersListed:
    """Everybody who may do this to this patient: exactly those for whom `check` says yes at that instant."""
    page = page_of(body)
    await door.require_asking(body.action)
    said = as_caller(door) | circumstances(request, body)
    found = await door.circle.access.list_providers(body.patient, body.action, **said)
    shown, onwards = rows_of(found, page)
    return ProvidersListed(
        id=to_text(found.id), code=found.code, as_of=show(found.as_of), count=len(found.rows), next=onwards,
        providers=[
            ListedProvider(provider_id=to_text(one.id), bases=list(one.bases), ends_at=end_of(one.ends_at))
            for one in shown
        ],
    )  # fmt: skip


def as_caller(door: Door) -> Circumstances:
    """Who asks about everybody; whether they may is looked at before."""
    return {
        "organization": door.caller.organization_id, "actor": door.caller.actor, "bearer": door.caller.bearer,
        "permission": "ask-for-others",
    }  # fmt: skip


def circumstances(request: Request, about: About) -> Circumstances:
    """What is said about a question beside who asks it."""
    return {
        "purpose": about.purpose, "as_of": about.as_of, "believed_at": about.believed_at,
        "request_id": request.headers.get("x-request-id"),
    }  # fmt: skip


def page_of(body: PageOf) -> Page:
    """Raises InvalidCursor, before anything is asked and recorded."""
    return Page(body.limit, None if body.after is None else key_of(body.after))


def rows_of(found: Listing, page: Page) -> tuple[list[Listed], str | None]:
    """One page of a list answer, by id."""
    return page.pick(found.rows, lambda one: (one.id,))
