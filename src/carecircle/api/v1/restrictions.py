"""What takes access away, over HTTP: objections, suspensions and labels. Reading them leaves an entry, too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from carecircle.api.v1.door import Changing, routes
from carecircle.api.v1.paging import Next, Paging
from carecircle.api.v1.shapes import (
    A_THIRD_ID,
    AN_ID,
    ANOTHER_ID,
    UNUSABLE,
    Answer,
    Body,
    Ended,
    Id,
    Instant,
    Moment,
    OwnId,
    Reference,
    end_of,
    example,
    id_of,
)
from carecircle.database.keyset import Key
from carecircle.errors import RestrictionNotFound
from carecircle.identifiers import to_text
from carecircle.period import show
from carecircle.restrictions import reading_service, service
from carecircle.restrictions.rules import LABELS
from carecircle.restrictions.tables import AccessRestriction, PatientLabel

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

router = routes("restrictions")

RESTRICTION = {
    "id": AN_ID, "kind": "objection", "provider_id": ANOTHER_ID, "patient_id": A_THIRD_ID, "label": None,
    "starts_at": "2026-01-31T08:00:00Z", "ends_at": None,
}  # fmt: skip
LABEL = RESTRICTION | {"kind": "sensitivity", "provider_id": None, "label": "CEL"}


def _label(given: str) -> str:
    if given not in LABELS:
        raise PydanticCustomError(UNUSABLE, f"Write a label's code: {', '.join(LABELS)}.")
    return given


class Objection(Body):
    """The patient objects to the provider: while it holds, nothing lets that provider in to that patient."""

    model_config = example(kind="objection", patient="urn:mrn|12345", provider="npi|1234567893")
    kind: Literal["objection"]
    patient: Reference
    provider: Reference
    starts_at: Instant | None = None
    ends_at: Instant | None = None


class Suspension(Body):
    """The provider sees nobody while it holds; what they hold stays on record."""

    model_config = example(kind="suspension", provider="npi|1234567893", ends_at="2026-07-31T08:00:00Z")
    kind: Literal["suspension"]
    provider: Reference
    starts_at: Instant | None = None
    ends_at: Instant | None = None


NewRestriction = Annotated[Objection | Suspension, Field(discriminator="kind")]


class NewLabel(Body):
    """While a sensitivity label holds, only a direct assignment lets in."""

    model_config = example(patient="urn:mrn|12345", label="CEL")
    patient: Reference
    label: Annotated[str, AfterValidator(_label)]
    starts_at: Instant | None = None
    ends_at: Instant | None = None


class Restriction(Answer):
    """`label` is a code where the kind is `sensitivity`."""

    model_config = example(**RESTRICTION)
    id: Id
    kind: str
    provider_id: Id | None
    patient_id: Id | None
    label: str | None
    starts_at: Moment
    ends_at: Moment | None


class Restrictions(Answer):
    model_config = example(restrictions=[RESTRICTION], next=None)
    restrictions: list[Restriction]
    next: Next


class Labels(Answer):
    model_config = example(labels=[LABEL], next=None)
    labels: list[Restriction]
    next: Next


@router.post("/restrictions", status_code=201)
async def restrict(door: Changing, body: NewRestriction) -> Restriction:
    async with door.change() as db:
        if isinstance(body, Objection):
            row = await service.object_to(
                db, patient=body.patient, provider=body.provider, starts_at=body.starts_at, ends_at=body.ends_at
            )
        else:
            row = await service.suspend(db, provider=body.provider, starts_at=body.starts_at, ends_at=body.ends_at)
        return _restriction(row)


@router.get("/restrictions")
async def list_restrictions(
    door: Changing,
    page: Paging,
    patient: OwnId | None = None,
    provider: OwnId | None = None,
    as_of: Instant | None = None,
) -> Restrictions:
    """Those that name this patient, this provider, or both, or all. For those who may change, and each reading is recorded."""
    async with door.read() as db:
        found = await reading_service.restrictions(db, patient=patient, provider=provider, as_of=as_of)
        shown, onwards = page.pick(found, _order)
        await reading_service.record_reading(
            db, "restrictions-read", patient=patient, provider=provider, restrictions=len(shown), as_of=as_of
        )
    return Restrictions(restrictions=[_read(one) for one in shown], next=onwards)


@router.delete("/restrictions/{restriction_id}")
async def lift_restriction(door: Changing, restriction_id: OwnId) -> Ended:
    """End an objection or a suspension now; one that has not begun never does."""
    async with door.change() as db:
        return await _lift(db, restriction_id, AccessRestriction)


@router.post("/labels", status_code=201)
async def label_patient(door: Changing, body: NewLabel) -> Restriction:
    async with door.change() as db:
        return _restriction(
            await service.label(
                db, patient=body.patient, label=body.label, starts_at=body.starts_at, ends_at=body.ends_at
            )
        )


@router.get("/labels")
async def list_labels(
    door: Changing, page: Paging, patient: OwnId | None = None, as_of: Instant | None = None
) -> Labels:
    """Sensitivity labels, of this patient or of all. For those who may change, and each reading is recorded."""
    async with door.read() as db:
        found = await reading_service.restrictions(db, patient=patient, as_of=as_of)
        shown, onwards = page.pick([one for one in found if one.kind == "sensitivity"], _order)
        await reading_service.record_reading(db, "labels-read", patient=patient, labels=len(shown), as_of=as_of)
    return Labels(labels=[_read(one) for one in shown], next=onwards)


@router.delete("/labels/{label_id}")
async def lift_label(door: Changing, label_id: OwnId) -> Ended:
    """Take a label from its patient now; one that has not begun never is there."""
    async with door.change() as db:
        return await _lift(db, label_id, PatientLabel)


async def _lift(db: AsyncSession, row_id: OwnId, kind: type[AccessRestriction | PatientLabel]) -> Ended:
    if not isinstance(await service.lift(db, restriction_id=row_id), kind):
        raise RestrictionNotFound  # and nothing was lifted
    return Ended(ended=1)


def _order(one: reading_service.Restriction) -> tuple[Key, ...]:
    return one.kind, one.period.starts_at, one.id


def _read(one: reading_service.Restriction) -> Restriction:
    return Restriction(
        id=to_text(one.id), kind=one.kind, provider_id=id_of(one.provider_id), patient_id=id_of(one.patient_id),
        label=one.label, starts_at=show(one.period.starts_at), ends_at=end_of(one.period.ends_at),
    )  # fmt: skip


def _restriction(row: AccessRestriction | PatientLabel) -> Restriction:
    if isinstance(row, PatientLabel):
        kind, provider_id, label = "sensitivity", None, row.label
    else:
        kind, provider_id, label = row.kind, to_text(row.provider_id), None
    return Restriction(
        id=to_text(row.id), kind=kind, provider_id=provider_id, patient_id=id_of(row.patient_id), label=label,
        starts_at=show(row.starts_at), ends_at=end_of(row.ends_at),
    )  # fmt: skip
