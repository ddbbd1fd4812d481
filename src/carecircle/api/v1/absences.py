"""Who is away, over HTTP: recording it, and that they are back."""

from __future__ import annotations

from carecircle.api.v1.door import Asking, Changing, routes
from carecircle.api.v1.paging import Next, Paging
from carecircle.api.v1.shapes import (
    AN_ID,
    ANOTHER_ID,
    Answer,
    Body,
    Id,
    Instant,
    Moment,
    OwnId,
    Reference,
    end_of,
    example,
)
from carecircle.coverage import absence_service
from carecircle.directory.tables import ProviderAbsence
from carecircle.identifiers import to_text
from carecircle.period import show

router = routes("coverage")

ABSENCE = {
    "id": AN_ID, "provider_id": ANOTHER_ID, "starts_at": "2026-01-31T00:00:00Z", "ends_at": "2026-02-14T00:00:00Z",
}  # fmt: skip


class NewAbsence(Body):
    """Without an end, until further notice."""

    model_config = example(provider="npi|1234567893", starts_at="2026-01-31T00:00:00Z", ends_at="2026-02-14T00:00:00Z")
    provider: Reference
    starts_at: Instant
    ends_at: Instant | None = None


class Absence(Answer):
    model_config = example(**ABSENCE)
    id: Id
    provider_id: Id
    starts_at: Moment
    ends_at: Moment | None


class Absences(Answer):
    model_config = example(absences=[ABSENCE], next=None)
    absences: list[Absence]
    next: Next


@router.post("/absences", status_code=201)
async def record_absence(door: Changing, body: NewAbsence) -> Absence:
    async with door.change() as db:
        return _absence(
            await absence_service.record_absence(
                db, provider=body.provider, starts_at=body.starts_at, ends_at=body.ends_at
            )
        )


@router.get("/absences")
async def list_absences(door: Asking, page: Paging, provider: OwnId | None = None) -> Absences:
    """The absences that are not over, by when they begin. Everybody reads their own."""
    await door.require_read(provider)
    async with door.read() as db:
        found = await absence_service.absences(db, provider=provider, after=page.after, limit=page.limit + 1)
    shown, onwards = page.cut(found, lambda one: (one.starts_at, one.id))
    return Absences(absences=[_absence(one) for one in shown], next=onwards)


@router.delete("/absences")
async def end_absence(door: Changing, provider: OwnId, holding_at: Instant | None = None) -> Absence:
    """End the absence that holds now, or at `holding_at`; the answer is what it was."""
    async with door.change() as db:
        return _absence(await absence_service.end_absence(db, provider=provider, holding_at=holding_at))


def _absence(row: ProviderAbsence) -> Absence:
    return Absence(
        id=to_text(row.id), provider_id=to_text(row.provider_id), starts_at=show(row.starts_at), ends_at=end_of(row.ends_at)
    )  # fmt: skip
