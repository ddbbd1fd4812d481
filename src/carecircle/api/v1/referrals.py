"""Referrals over HTTP: sending a patient to a specialty, redirecting, prolonging and ending that."""

from __future__ import annotations

from carecircle.api.v1.door import Changing, routes
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
    Text,
    end_of,
    example,
    id_of,
)
from carecircle.identifiers import to_text
from carecircle.period import show
from carecircle.referrals import service
from carecircle.referrals.tables import Referral as Row
from carecircle.restrictions.reading_service import record_reading

router = routes("referrals")

REFERRAL = {
    "id": AN_ID, "patient_id": ANOTHER_ID, "referring_provider_id": A_THIRD_ID, "provider_id": None,
    "specialty_code": "207RC0000X", "starts_at": "2026-01-31T08:00:00Z", "ends_at": "2026-07-31T08:00:00Z",
}  # fmt: skip


class NewReferral(Body):
    """To `provider`, or to whoever of the specialty takes the patient. The same one again changes nothing."""

    model_config = example(
        patient="urn:mrn|12345", referring="npi|1234567893", specialty_code="207RC0000X", ends_at="2026-07-31T08:00:00Z"
    )
    patient: Reference
    referring: Reference
    specialty_code: Text
    provider: Reference | None = None
    starts_at: Instant | None = None
    ends_at: Instant | None = None


class Redirection(Body):
    """To whom from now on; null: to whoever takes the patient."""

    model_config = example(provider="npi|1234567893")
    provider: Reference | None


class Prolongation(Body):
    model_config = example(ends_at="2026-12-31T08:00:00Z")
    ends_at: Instant


class Referral(Answer):
    """Redirected or prolonged, it keeps its id."""

    model_config = example(**REFERRAL)
    id: Id
    patient_id: Id
    referring_provider_id: Id
    provider_id: Id | None
    specialty_code: str
    starts_at: Moment
    ends_at: Moment | None


class Referrals(Answer):
    model_config = example(referrals=[REFERRAL], next=None)
    referrals: list[Referral]
    next: Next


@router.post("/referrals", status_code=201)
async def refer_patient(door: Changing, body: NewReferral) -> Referral:
    async with door.change() as db:
        return _referral(
            await service.refer(
                db, patient=body.patient, referring=body.referring, specialty_code=body.specialty_code,
                provider=body.provider, starts_at=body.starts_at, ends_at=body.ends_at,
            )
        )  # fmt: skip


@router.get("/referrals")
async def list_referrals(door: Changing, page: Paging, patient: OwnId, as_of: Instant | None = None) -> Referrals:
    """The patient's referrals that hold at an instant; without one, those that hold now or begin later.

    A specialty tells what a patient has: for those who may change, and each reading is recorded.
    """
    async with door.read() as db:
        found = await service.referrals_of(db, patient=patient, as_of=as_of)
        shown, onwards = page.pick(found, lambda one: (one.starts_at, one.id))
        await record_reading(db, "referrals-read", patient=patient, referrals=len(shown), as_of=as_of)
    return Referrals(referrals=[_referral(one) for one in shown], next=onwards)


@router.post("/referrals/{referral_id}/end")
async def end_referral(door: Changing, referral_id: OwnId) -> Ended:
    """End a referral now; what rests on it holds no longer."""
    async with door.change() as db:
        return Ended(ended=len(await service.end_referral(db, referral_id=referral_id)))


@router.post("/referrals/{referral_id}/redirect")
async def redirect_referral(door: Changing, referral_id: OwnId, body: Redirection) -> Referral:
    async with door.change() as db:
        return _referral(await service.redirect_referral(db, referral_id=referral_id, provider=body.provider))


@router.post("/referrals/{referral_id}/prolong")
async def prolong_referral(door: Changing, referral_id: OwnId, body: Prolongation) -> Referral:
    async with door.change() as db:
        return _referral(await service.prolong_referral(db, referral_id=referral_id, ends_at=body.ends_at))


def _referral(row: Row) -> Referral:
    return Referral(
        id=to_text(row.lineage_id), patient_id=to_text(row.patient_id),
        referring_provider_id=to_text(row.referring_provider_id), provider_id=id_of(row.provider_id),
        specialty_code=row.specialty_code, starts_at=show(row.starts_at), ends_at=end_of(row.ends_at),
    )  # fmt: skip
