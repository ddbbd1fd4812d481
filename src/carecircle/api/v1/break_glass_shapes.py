"""How emergency access is asked for, decided about and shown over HTTP."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from carecircle.api.v1.shapes import (
    A_THIRD_ID,
    AN_ID,
    ANOTHER_ID,
    UNUSABLE,
    Answer,
    Body,
    Id,
    Moment,
    Reference,
    Scope,
    Text,
    end_of,
    example,
    id_of,
)
from carecircle.emergency.concern_service import Concern
from carecircle.emergency.opening_rules import LONGEST_WORDS
from carecircle.emergency.reading_service import Note, told_to
from carecircle.emergency.rules import DEFAULT_HOURS, Verdict
from carecircle.emergency.value import Emergency
from carecircle.identifiers import to_text
from carecircle.period import show

STANDING = {
    "id": AN_ID, "reference": "BG-00000A", "state": "provisional", "mode": "provisional", "scope": ["read"],
    "ends_at": "2026-01-31T08:15:00Z", "decide_by": "2026-01-31T08:05:00Z",
}  # fmt: skip
LISTED = {
    **STANDING, "provider_id": ANOTHER_ID, "patient_id": A_THIRD_ID, "reason_code": "life-threat", "unit_id": None,
    "wanted_scope": ["read"], "wanted_until": "2026-02-01T08:00:00Z", "asked_at": "2026-01-31T08:00:00Z",
    "opened_at": "2026-01-31T08:00:00Z", "extension_pending": False, "second_reason_code": None, "two_persons": False,
    "signals": ["no-unit"], "acknowledged_by": [], "seconded_by_id": None, "decided_by_id": None, "decided_at": None,
    "ended_because": None, "verdict": None, "reviewed_by_id": None, "review_due_at": "2026-02-03T08:00:00Z",
}  # fmt: skip
APPROVER = {"provider_id": ANOTHER_ID, "duty": "supervisor", "call_order": 1}
NOTE = {"kind": "asked", "provider_id": ANOTHER_ID, "at": "2026-01-31T08:02:00Z", "words": "Which bed?"}


def _readable(given: str) -> str:
    if not given.strip() or not given.replace("\n", " ").isprintable():
        raise PydanticCustomError(UNUSABLE, "Write readable text.")
    return given


Words = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_WORDS), AfterValidator(_readable)]
Hours = Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False)]


class Request(Body):
    """Why, and for what; who asks is the person of the token. `attested` says that they need this record for an emergency."""

    model_config = example(patient="urn:mrn|12345", reason="life-threat", hours=4, attested=True)
    patient: Reference
    reason: Text
    attested: bool
    words: Words | None = None
    hours: Hours = DEFAULT_HOURS
    scope: Scope = ["read"]  # noqa: RUF012 - pydantic copies defaults
    unit: Reference | None = None


class Approval(Body):
    """As it was asked for, or shorter (`hours` since it was opened), or narrower."""

    model_config = example(hours=2, scope=["read"])
    hours: Hours | None = None
    scope: Scope | None = None


class Said(Body):
    """Something said in words; they are kept encrypted."""

    model_config = example(words="Please call the ward first.")
    words: Words


class Extension(Body):
    """More time, for a second reason: `hours` more than it lasts now."""

    model_config = example(reason="life-threat", hours=4)
    reason: Text
    hours: Hours
    words: Words | None = None


class Review(Body):
    model_config = example(verdict="justified")
    verdict: Verdict
    words: Words | None = None


class Standing(Answer):
    """How an emergency access stands: `expired` past its end; `decide_by` while a decision is awaited."""

    model_config = example(**STANDING)
    id: Id
    reference: str
    state: str
    mode: str
    scope: list[str]
    ends_at: Moment | None
    decide_by: Moment | None


class Listed(Standing):
    """`signals` (what stands out) and `review_due_at` are null for whoever asked, `verdict` and `reviewed_by_id` for
    everybody but the privacy office and tokens of no person that may change."""

    model_config = example(**LISTED)
    provider_id: Id
    patient_id: Id
    reason_code: str
    unit_id: Id | None
    wanted_scope: list[str]
    wanted_until: Moment
    asked_at: Moment
    opened_at: Moment | None
    extension_pending: bool
    second_reason_code: str | None
    two_persons: bool
    signals: list[str] | None
    acknowledged_by: list[Id]
    seconded_by_id: Id | None
    decided_by_id: Id | None
    decided_at: Moment | None
    ended_because: str | None
    verdict: str | None
    reviewed_by_id: Id | None
    review_due_at: Moment | None


class ListOfEmergencies(Answer):
    model_config = example(emergencies=[LISTED])
    emergencies: list[Listed]


class Approver(Answer):
    model_config = example(**APPROVER)
    provider_id: Id
    duty: str
    call_order: int


class Remark(Answer):
    """What was said or happened beside the states; `words` is null for those who may not read them."""

    model_config = example(**NOTE)
    kind: str
    provider_id: Id | None
    at: Moment
    words: str | None


class Whole(Listed):
    """`words` and `second_words` are the reasons in words: null where nothing was said, or for those who may not read them."""

    model_config = example(
        **LISTED, words="Collapsed in the hall.", second_words=None, approvers=[APPROVER], notes=[NOTE]
    )
    words: str | None
    second_words: str | None
    approvers: list[Approver]
    notes: list[Remark]


def standing(one: Emergency) -> Standing:
    return Standing(
        id=to_text(one.id), reference=one.reference, state=one.state, mode=one.mode, scope=list(one.scope),
        ends_at=end_of(one.ends_at), decide_by=end_of(one.decide_by),
    )  # fmt: skip


def listed(one: Emergency, concern: Concern) -> Listed:
    """As much of it as is told to whom it concerns in this way."""
    one = told_to(one, concern)
    return Listed(
        **standing(one).model_dump(), provider_id=to_text(one.provider_id), patient_id=to_text(one.patient_id),
        reason_code=one.reason_code, unit_id=id_of(one.unit_id), wanted_scope=list(one.wanted_scope),
        wanted_until=show(one.wanted_until), asked_at=show(one.asked_at), opened_at=end_of(one.opened_at),
        extension_pending=one.extension_pending, second_reason_code=one.second_reason_code, two_persons=one.two_persons,
        signals=None if concern == "requester" else list(one.signals),
        acknowledged_by=[to_text(who) for who in one.acknowledged_by],
        seconded_by_id=id_of(one.seconded_by_id), decided_by_id=id_of(one.decided_by_id), decided_at=end_of(one.decided_at),
        ended_because=one.ended_because, verdict=one.verdict, reviewed_by_id=id_of(one.reviewed_by_id),
        review_due_at=end_of(one.review_due_at),
    )  # fmt: skip


def remark(one: Note, *, words: bool) -> Remark:
    return Remark(
        kind=one.kind, provider_id=id_of(one.provider_id), at=show(one.at), words=one.words if words else None
    )
