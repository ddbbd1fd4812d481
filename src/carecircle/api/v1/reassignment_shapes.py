"""How plans for a provider who leaves are asked for, and what is told of them; ids only."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from carecircle.api.v1.shapes import (
    A_THIRD_ID,
    AN_ID,
    ANOTHER_ID,
    Answer,
    Body,
    Id,
    Instant,
    Moment,
    Reference,
    example,
    id_of,
)
from carecircle.identifiers import to_text
from carecircle.period import show
from carecircle.staffing import preview_service

STATUS = {
    "id": AN_ID, "leaver_id": ANOTHER_ID, "state": "applied", "effective_at": "2026-02-01T00:00:00Z",
    "planned_at": "2026-01-31T08:00:00Z", "items": 3, "exceptions": 0, "outcomes": {"apply handed-over": 3},
}  # fmt: skip
PROGRESS: dict[str, Any] = {"done": 3, "left": 0, "outcomes": {"handed-over": 3}, "reassignment": STATUS}
PANEL = {"provider_id": A_THIRD_ID, "before": 10, "after": 13, "cap": None, "capacity": 1200, "accepts_new": True}
COUNT = {"kind": "direct-assignment", "planned": "hand-over", "reason": "least-loaded", "count": 3}
EXCEPTION = {
    "kind": "direct-assignment", "named": "primary", "patient_id": A_THIRD_ID, "care_team_id": None,
    "planned": "exception", "reason": "no-capacity",
}  # fmt: skip
WITHOUT = {"patient_id": A_THIRD_ID, "reason": "no-primary"}
DESTINATION = {"provider": "npi|1234567893", "cap": 400}
WISH = {"patient": "urn:mrn|12345", "provider": "npi|1234567893", "never": False}


class Destination(Body):
    """Who may take patients, and how many of this plan's at most; null has no limit."""

    model_config = example(**DESTINATION)
    provider: Reference
    cap: Annotated[int, Field(ge=0, le=1_000_000)] | None = None


class Wish(Body):
    """Whom a patient wants, or, with `never`, who must not become their provider."""

    model_config = example(**WISH)
    patient: Reference
    provider: Reference
    never: bool = False


class NewReassignment(Body):
    """Everything `leaver` holds from `effective_at` on, which is when it is applied unless it is said."""

    model_config = example(leaver="npi|1093817465", destinations=[DESTINATION], wishes=[WISH])
    leaver: Reference
    destinations: Annotated[list[Destination], Field(min_length=1, max_length=500)]
    effective_at: Instant | None = None
    wishes: Annotated[list[Wish], Field(max_length=5000)] = []  # noqa: RUF012 - pydantic copies defaults


class Panel(Answer):
    """A destination's patients as primary, before and after; `cap` is the plan's, `capacity` their own; null is no limit."""

    model_config = example(**PANEL)
    provider_id: Id
    before: int
    after: int
    cap: int | None
    capacity: int | None
    accepts_new: bool


class Count(Answer):
    """How many facts of a kind are planned to be handed over, ended or left, by which rule."""

    model_config = example(**COUNT)
    kind: str
    planned: str
    reason: str
    count: int


class Exceptional(Answer):
    """What stays with the leaver, or ends without being given to anybody, and why."""

    model_config = example(**EXCEPTION)
    kind: str
    named: str
    patient_id: Id | None
    care_team_id: Id | None
    planned: str
    reason: str


class Preview(Answer):
    """A plan as it stands; `changed`: facts that somebody has changed since, which are left alone when it is applied."""

    model_config = example(
        id=AN_ID, leaver_id=ANOTHER_ID, effective_at="2026-02-01T00:00:00Z", panels=[PANEL], counts=[COUNT],
        exceptions=[EXCEPTION], changed=0,
    )  # fmt: skip
    id: Id
    leaver_id: Id
    effective_at: Moment
    panels: list[Panel]
    counts: list[Count]
    exceptions: list[Exceptional]
    changed: int


class Status(Answer):
    """How far a plan is: `planned`, `applying`, `applied`, `reverting`, `reverted`; outcomes by step and what became of them."""

    model_config = example(**STATUS)
    id: Id
    leaver_id: Id
    state: str
    effective_at: Moment
    planned_at: Moment
    items: int
    exceptions: int
    outcomes: dict[str, int]


class Letter(Answer):
    """Whom a patient has as primary provider, and from when on."""

    model_config = example(patient_id=A_THIRD_ID, provider_id=ANOTHER_ID, effective_at="2026-02-01T00:00:00Z")
    patient_id: Id
    provider_id: Id
    effective_at: Moment


class Without(Answer):
    model_config = example(**WITHOUT)
    patient_id: Id
    reason: str


class Certificate(Answer):
    """Of so many `patients` whose primary provider the leaver was, those `without` another one at that instant."""

    model_config = example(patients=3, effective_at="2026-02-01T00:00:00Z", without=[WITHOUT])
    patients: int
    effective_at: Moment
    without: list[Without]


def preview_of(seen: preview_service.Preview) -> Preview:
    return Preview(
        id=to_text(seen.plan.id),
        leaver_id=to_text(seen.plan.provider_id),
        effective_at=show(seen.plan.effective_at),
        panels=[
            Panel(
                provider_id=to_text(one.provider_id), before=one.before, after=one.after, cap=one.cap,
                capacity=one.capacity, accepts_new=one.accepts_new,
            )
            for one in seen.panels
        ],
        counts=[
            Count(kind=kind, planned=planned, reason=reason, count=count)
            for (kind, planned, reason), count in seen.counts.items()
        ],
        exceptions=[
            Exceptional(
                kind=one.kind, named=one.named, patient_id=id_of(one.patient_id), care_team_id=id_of(one.care_team_id),
                planned=one.planned, reason=one.reason,
            )
            for one in seen.exceptions
        ],
        changed=seen.changed,
    )  # fmt: skip


def status_of(one: preview_service.Status) -> Status:
    return Status(
        id=to_text(one.plan.id), leaver_id=to_text(one.plan.provider_id), state=one.state,
        effective_at=show(one.plan.effective_at), planned_at=show(one.plan.recorded_at), items=one.items,
        exceptions=one.exceptions, outcomes={f"{step} {outcome}": count for (step, outcome), count in one.outcomes.items()},
    )  # fmt: skip
