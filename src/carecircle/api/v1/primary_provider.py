"""A patient's primary provider over HTTP, with the parameters and the answer of the primary-provider document."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Query, Response
from pydantic import BaseModel, WithJsonSchema

from carecircle.api.v1.door import Changing, Reading, routes
from carecircle.api.v1.etag import IfMatch, tag, tagged
from carecircle.api.v1.shapes import Instant, OwnId, example
from carecircle.assignments.service import assign_primary, primary_of
from carecircle.directory.record_service import require_patient
from carecircle.restrictions.reading_service import record_reading

router = routes("patients")

Uuid = Annotated[str, WithJsonSchema({"type": "string", "format": "uuid"})]
A_UUID = "0198c000-0000-7000-8000-00000000000a"


class PrimaryProviderSet(BaseModel):
    """The id as a UUID, as the document shows it."""

    model_config = example(status="success", primary_provider_id=A_UUID)
    status: Literal["success"]
    primary_provider_id: Uuid


class PrimaryProvider(BaseModel):
    """The id as a UUID, or null where nobody is primary at that instant."""

    model_config = example(primary_provider_id=A_UUID)
    primary_provider_id: Uuid | None


@router.post("/patients/{patient_id}/primary-provider")
async def set_primary_provider(
    door: Changing,
    response: Response,
    match: IfMatch,
    patient_id: OwnId,
    provider_id: Annotated[OwnId, Query(description="Who is to be primary.")],
) -> PrimaryProviderSet:
    """Set or change the primary provider of a patient. Whoever was primary becomes consulting.

    The same again changes nothing. With If-Match, only while the row of that ETag is the primary's.
    """
    async with door.change() as db:
        row = await assign_primary(db, patient=patient_id, provider=provider_id, version=match.version)
    tagged(response, tag(row.id))
    return PrimaryProviderSet(status="success", primary_provider_id=str(row.provider_id))


@router.get("/patients/{patient_id}/primary-provider")
async def get_primary_provider(
    door: Reading, response: Response, patient_id: OwnId, as_of: Instant | None = None
) -> PrimaryProvider:
    """Who is primary now, or was or will be at an instant. Each reading is recorded."""
    async with door.change() as db:
        patient = await require_patient(db, patient_id=patient_id)
        row = await primary_of(db, patient=patient, as_of=as_of)
        await record_reading(db, "primary-read", patient=patient, as_of=as_of)
    if row is not None:
        tagged(response, tag(row.id))
    return PrimaryProvider(primary_provider_id=None if row is None else str(row.provider_id))
