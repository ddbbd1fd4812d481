"""Emergency access from paper, over HTTP: whose record was used while carecircle could not be asked."""

from __future__ import annotations

from carecircle.api.v1.break_glass_shapes import Standing, Words, standing
from carecircle.api.v1.door import Changing, routes
from carecircle.api.v1.shapes import Body, Instant, Reference, Text, example
from carecircle.emergency import downtime_service, reading_service

router = routes("break-glass")


class Downtime(Body):
    """Who used whose record from when until when, and why; `witness` was there, and does not review it."""

    model_config = example(
        provider="npi|1234567893", patient="urn:mrn|12345", starts_at="2026-01-31T02:10:00+01:00",
        ends_at="2026-01-31T02:40:00+01:00", reason="life-threat", words="Paper form 12.", witness="npi|1093817465",
    )  # fmt: skip
    provider: Reference
    patient: Reference
    starts_at: Instant
    ends_at: Instant
    reason: Text
    words: Words
    witness: Reference | None = None


@router.post("/break-glass/downtime", status_code=201)
async def record_downtime(door: Changing, body: Downtime) -> Standing:
    """It lets nobody in, then or now; it is marked as of downtime and is reviewed. A person records what they did or witnessed
    themselves, whoever else may change what the sheets say."""
    async with door.change() as db:
        row = await downtime_service.record_downtime(
            db, provider=body.provider, patient=body.patient, starts_at=body.starts_at, ends_at=body.ends_at,
            reason_code=body.reason, words=body.words, witness=body.witness,
        )  # fmt: skip
        return standing(await reading_service.show(db, emergency_id=row.lineage_id))
