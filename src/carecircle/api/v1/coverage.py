"""Standing in for somebody, over HTTP: arranging and ending coverage, and the arrangements there are."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import Query
from pydantic import Field

from carecircle.api.v1.door import Changing, Reading, routes
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
    Scope,
    end_of,
    example,
    id_of,
)
from carecircle.coverage import reading_service, service
from carecircle.coverage.rules import CoverageType
from carecircle.coverage.tables import CoverageArrangement
from carecircle.identifiers import to_text
from carecircle.period import show
from carecircle.restrictions.reading_service import record_reading

router = routes("coverage")

ROW = {
    "id": AN_ID, "arrangement_id": AN_ID, "covered_provider_id": ANOTHER_ID, "covering_provider_id": A_THIRD_ID,
    "coverage_type": "full", "care_team_id": None, "patient_id": None, "scope": ["read", "write", "order", "share"],
    "rests_on": [], "starts_at": "2026-01-31T08:00:00Z", "duty_ends_at": "2026-02-01T08:00:00Z",
    "ends_at": "2026-02-01T08:30:00Z",
}  # fmt: skip


class NewArrangement(Body):
    """For the whole panel, for the seat on one team, or for named patients; not for a team and patients at once.

    Without `patients`, or with null, for all of them; an empty list of patients is refused.
    """

    model_config = example(
        covered="npi|1234567893", covering=A_THIRD_ID, starts_at="2026-01-31T08:00:00Z", ends_at="2026-02-01T08:00:00Z",
        coverage_type="full",
    )  # fmt: skip
    covered: Reference
    covering: Reference
    starts_at: Instant
    ends_at: Instant
    coverage_type: CoverageType = "full"
    care_team_id: OwnId | None = None
    patients: Annotated[list[Reference], Field(max_length=400)] | None = None
    scope: Scope | None = None


class ArrangementRow(Answer):
    """One row: responsibility ends at `duty_ends_at`, access at `ends_at`, a grace later."""

    model_config = example(**ROW)
    id: Id
    arrangement_id: Id
    covered_provider_id: Id
    covering_provider_id: Id
    coverage_type: str
    care_team_id: Id | None
    patient_id: Id | None
    scope: list[str]
    rests_on: list[str]
    starts_at: Moment
    duty_ends_at: Moment
    ends_at: Moment | None


class Arrangement(Answer):
    """What was arranged together: its id, and one row for each patient or turn."""

    model_config = example(arrangement_id=AN_ID, rows=[ROW])
    arrangement_id: Id
    rows: list[ArrangementRow]


class Arrangements(Answer):
    model_config = example(coverage_arrangements=[ROW], next=None)
    coverage_arrangements: list[ArrangementRow]
    next: Next


@router.post("/coverage-arrangements", status_code=201)
async def arrange_coverage(door: Changing, body: NewArrangement) -> Arrangement:
    async with door.change() as db:
        rows = await service.arrange_coverage(
            db, covered=body.covered, covering=body.covering, starts_at=body.starts_at, ends_at=body.ends_at,
            coverage_type=body.coverage_type, care_team_id=body.care_team_id, patients=body.patients, scope=body.scope,
        )  # fmt: skip
        return arrangement_of(rows)


@router.get("/coverage-arrangements")
async def list_coverage_arrangements(
    door: Reading,
    page: Paging,
    provider: OwnId | None = None,
    as_of: Instant | None = None,
    days: Annotated[int, Query(ge=1, le=400, description="How many days ahead to look.")] = 14,
) -> Arrangements:
    """By when they begin. Where they name patients, the reading is recorded."""
    async with door.read() as db:
        found = await reading_service.arrangements(db, provider=provider, as_of=as_of, ahead=timedelta(days=days))
        shown, onwards = page.pick(found, lambda one: (one.starts_at, one.id))
        if named := {one.patient_id for one in shown if one.patient_id}:
            await record_reading(db, "coverage-read", provider=provider, patients=named, rows=len(shown), as_of=as_of)
        return Arrangements(coverage_arrangements=[_row(one) for one in shown], next=onwards)


@router.delete("/coverage-arrangements/{arrangement_id}")
async def end_coverage(
    door: Changing, arrangement_id: OwnId, covering: OwnId | None = None, at: Instant | None = None
) -> Ended:
    """End an arrangement at once, or from `at` on; with `covering`, only that provider's part of it."""
    async with door.change() as db:
        return Ended(ended=len(await service.end_coverage(db, arrangement_id=arrangement_id, covering=covering, at=at)))


def arrangement_of(rows: list[CoverageArrangement]) -> Arrangement:
    """Rows of one arrangement, of which there is one at least."""
    return Arrangement(arrangement_id=to_text(rows[0].arrangement_id), rows=[_row(one) for one in rows])


def _row(row: CoverageArrangement) -> ArrangementRow:
    return ArrangementRow(
        id=to_text(row.id),
        arrangement_id=to_text(row.arrangement_id),
        covered_provider_id=to_text(row.covered_provider_id),
        covering_provider_id=to_text(row.covering_provider_id),
        coverage_type=row.coverage_type,
        care_team_id=id_of(row.care_team_id),
        patient_id=id_of(row.patient_id),
        scope=list(row.scope),
        rests_on=list(row.rests_on),
        starts_at=show(row.starts_at),
        duty_ends_at=show(row.duty_ends_at),
        ends_at=end_of(row.ends_at),
    )
