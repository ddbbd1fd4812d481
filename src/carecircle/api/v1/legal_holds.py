"""Legal holds over HTTP: what keeps entries of the audit trail beyond their years."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, StringConstraints
from pydantic_core import PydanticCustomError

from carecircle.api.v1.door import Privacy, routes
from carecircle.api.v1.paging import Next, Paging
from carecircle.api.v1.shapes import (
    A_THIRD_ID,
    AN_ID,
    UNUSABLE,
    Answer,
    Body,
    Id,
    Instant,
    Moment,
    OwnId,
    Reference,
    end_of,
    example,
    id_of,
)
from carecircle.audit import holds_service
from carecircle.directory.service import resolve_patient
from carecircle.identifiers import to_text
from carecircle.period import show

router = routes("legal-holds")

HOLD = {
    "id": AN_ID, "patient_id": A_THIRD_ID, "starts_at": "2026-01-31T08:00:00Z", "ends_at": None,
    "recorded_at": "2026-01-31T08:00:00Z",
}  # fmt: skip


def _readable(given: str) -> str:
    if not given.strip() or not given.replace("\n", " ").isprintable():
        raise PydanticCustomError(UNUSABLE, "Write readable text.")
    return given


class NewHold(Body):
    """Without a patient, every entry of the organization is held; the reason is kept encrypted."""

    model_config = example(reason="Claim 7 of 2026", patient="urn:mrn|12345")
    reason: Annotated[
        str, StringConstraints(min_length=1, max_length=holds_service.LONGEST_REASON), AfterValidator(_readable)
    ]
    patient: Reference | None = None
    starts_at: Instant | None = None
    ends_at: Instant | None = None


class Hold(Answer):
    model_config = example(**HOLD)
    id: Id
    patient_id: Id | None
    starts_at: Moment
    ends_at: Moment | None
    recorded_at: Moment


class HoldWithReason(Hold):
    """`reason` is null where its key was destroyed."""

    model_config = example(**HOLD, reason="Claim 7 of 2026")
    reason: str | None


class Holds(Answer):
    """The oldest first."""

    model_config = example(legal_holds=[HOLD | {"reason": "Claim 7 of 2026"}], next=None)
    legal_holds: list[HoldWithReason]
    next: Next


@router.post("/legal-holds", status_code=201)
async def place_legal_hold(door: Privacy, body: NewHold) -> Hold:
    """Keep entries, of the whole organization or about one patient, however old: no month that holds one is retired."""
    async with door.change() as db:
        own = door.caller.organization_id
        patient_id = None if body.patient is None else await resolve_patient(db, own, body.patient)
        return _shown(
            await holds_service.place_hold(
                db, reason=body.reason, patient_id=patient_id, starts_at=body.starts_at, ends_at=body.ends_at
            )
        )


@router.get("/legal-holds")
async def list_legal_holds(door: Privacy, page: Paging, as_of: Instant | None = None) -> Holds:
    """Those now or ahead, or of an instant, with their reasons. That they were read is recorded."""
    async with door.read() as db:
        found = await holds_service.holds(db, as_of=as_of, words=True)
        shown, onwards = page.pick(found, lambda one: (one.period.starts_at, one.id))
        await holds_service.record_holds_read(db, len(shown))
    return Holds(
        legal_holds=[HoldWithReason(**_shown(one).model_dump(), reason=one.reason) for one in shown], next=onwards
    )


@router.delete("/legal-holds/{hold_id}")
async def lift_legal_hold(door: Privacy, hold_id: OwnId) -> Hold:
    """End it now, or altogether where it has not begun; what it alone kept may be retired from then on."""
    async with door.change() as db:
        return _shown(await holds_service.lift_hold(db, hold_id=hold_id))


def _shown(one: holds_service.Hold) -> Hold:
    return Hold(
        id=to_text(one.id), patient_id=id_of(one.patient_id), starts_at=show(one.period.starts_at),
        ends_at=end_of(one.period.ends_at), recorded_at=show(one.recorded_at),
    )  # fmt: skip
