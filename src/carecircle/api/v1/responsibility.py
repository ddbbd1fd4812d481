"""Who answers for a patient, and what will go wrong with standing in, over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from carecircle.api.v1.door import Reading, routes
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
    end_of,
    example,
    id_of,
)
from carecircle.coverage import forecast, reading_service
from carecircle.coverage.rounds import Cycle
from carecircle.identifiers import to_text
from carecircle.period import show
from carecircle.restrictions.reading_service import record_reading

router = routes("coverage")

WINDOW = {"starts_at": "2026-01-31T08:00:00Z", "ends_at": "2026-02-14T08:00:00Z"}
TOGETHER = {"providers": [ANOTHER_ID, A_THIRD_ID], "care_team_id": None, "patient_id": None, **WINDOW}
OVERLAP = {"covered_provider_id": AN_ID, **TOGETHER}
GAP = {
    "kind": "covering-provider-absent", "provider_id": ANOTHER_ID, "covering_provider_id": A_THIRD_ID,
    "arrangement_id": AN_ID, "care_team_id": None, "patient_id": None, **WINDOW,
}  # fmt: skip
LINK = {
    "provider_id": ANOTHER_ID, "basis": "primary", "row_id": AN_ID, "until": None, "has_access": True, "why_not": None,
}  # fmt: skip


class WhoAnswers(Body):
    model_config = example(patient="urn:mrn|12345", at="2026-01-31T08:00:00Z")
    patient: Reference
    at: Instant | None = None


class Link(Answer):
    """One who answers; `why_not` says what keeps them from the record, where something does."""

    model_config = example(**LINK)
    provider_id: Id
    basis: str
    row_id: Id
    until: Moment | None
    has_access: bool
    why_not: str | None


class Responsibility(Answer):
    """The last of the chain answers, unless it comes back to somebody on it (`returns_to`)."""

    model_config = example(
        patient_id=AN_ID, as_of="2026-01-31T08:00:00Z", responsible=ANOTHER_ID, access_stops_at=None, returns_to=None,
        chain=[LINK], sentence=f"Provider {ANOTHER_ID} is primary.",
    )  # fmt: skip
    patient_id: Id
    as_of: Moment
    responsible: Id | None
    access_stops_at: Id | None
    returns_to: Id | None
    chain: list[Link]
    sentence: str


class Round(Answer):
    """Providers who cover each other round: nobody of them is left to answer."""

    model_config = example(**TOGETHER)
    providers: list[Id]
    care_team_id: Id | None
    patient_id: Id | None
    starts_at: Moment
    ends_at: Moment | None


class Overlap(Answer):
    """Providers who cover the same of somebody at the same time."""

    model_config = example(**OVERLAP)
    covered_provider_id: Id
    providers: list[Id]
    care_team_id: Id | None
    patient_id: Id | None
    starts_at: Moment
    ends_at: Moment | None


class Gap(Answer):
    """A time in which nobody who may see a provider's patients answers for them."""

    model_config = example(**GAP)
    kind: str
    provider_id: Id
    covering_provider_id: Id | None
    arrangement_id: Id | None
    care_team_id: Id | None
    patient_id: Id | None
    starts_at: Moment
    ends_at: Moment | None


class Forecast(Answer):
    model_config = example(cycles=[TOGETHER], overlaps=[OVERLAP], gaps=[GAP], **WINDOW)
    starts_at: Moment
    ends_at: Moment
    cycles: list[Round]
    overlaps: list[Overlap]
    gaps: list[Gap]


@router.post("/responsible")
async def ask_who_is_responsible(door: Reading, body: WhoAnswers) -> Responsibility:
    """Who answers for a patient at an instant. That it was asked is recorded, of a patient nobody registered too."""
    async with door.change() as db:
        found = await reading_service.responsible_for(db, patient=body.patient, at=body.at)
    return Responsibility(
        patient_id=to_text(found.patient_id),
        as_of=show(found.as_of),
        responsible=id_of(found.responsible),
        access_stops_at=id_of(found.access_stops_at),
        returns_to=id_of(found.returns_to),
        chain=[
            Link(
                provider_id=to_text(one.provider_id), basis=one.basis, row_id=to_text(one.row_id),
                until=end_of(one.until), has_access=one.has_access, why_not=one.why_not,
            )
            for one in found.chain
        ],
        sentence=found.sentence,
    )  # fmt: skip


@router.get("/coverage-forecast")
async def forecast_coverage(
    door: Reading, days: Annotated[int, Query(ge=1, le=400)] = 14, starts_at: Instant | None = None
) -> Forecast:
    async with door.read() as db:
        seen = await reading_service.forecast(db, days=days, starts_at=starts_at)
        if named := seen.patients:
            await record_reading(db, "coverage-forecast-read", patients=named, days=days, starts_at=starts_at)
    return Forecast(
        starts_at=show(seen.period.starts_at),
        ends_at=show(seen.period.ends_at),
        cycles=[_round(one) for one in seen.cycles],
        overlaps=[_overlap(one) for one in seen.overlaps],
        gaps=[_gap(one) for one in seen.gaps],
    )


def _round(one: Cycle) -> Round:
    return Round(
        providers=[to_text(provider) for provider in one.providers],
        care_team_id=id_of(one.care_team_id), patient_id=id_of(one.patient_id),
        starts_at=show(one.period.starts_at), ends_at=end_of(one.period.ends_at),
    )  # fmt: skip


def _overlap(one: forecast.Overlap) -> Overlap:
    return Overlap(
        covered_provider_id=to_text(one.covered), providers=[to_text(provider) for provider in one.providers],
        care_team_id=id_of(one.care_team_id), patient_id=id_of(one.patient_id),
        starts_at=show(one.period.starts_at), ends_at=end_of(one.period.ends_at),
    )  # fmt: skip


def _gap(one: forecast.Gap) -> Gap:
    return Gap(
        kind=one.kind, provider_id=to_text(one.provider), covering_provider_id=id_of(one.covering),
        arrangement_id=id_of(one.arrangement_id), care_team_id=id_of(one.care_team_id),
        patient_id=id_of(one.patient_id), starts_at=show(one.period.starts_at), ends_at=end_of(one.period.ends_at),
    )  # fmt: skip
