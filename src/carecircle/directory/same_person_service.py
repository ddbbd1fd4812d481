"""All the ids under which one patient is on record: who they are now, and whose records were merged into theirs."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.directory.service import AnyId, resolve_patient
from carecircle.identifiers import OrganizationId

_MERGED = text("""
    with recursive same (patient_id) as (
      select cast(:now as uuid)
      union
      select m.patient_id from same join carecircle.patient_merges m
        on m.organization_id = :tenant and m.into_patient_id = same.patient_id and m.superseded_at = 'infinity'
        and m.starts_at <= statement_timestamp() and m.ends_at > statement_timestamp()
    )
    select patient_id from same where patient_id <> :now order by 1""")


async def every_id(db: AsyncSession, tenant: OrganizationId, patient: AnyId) -> tuple[UUID, ...]:
    """The patient's id as of now, then the others. Raises PatientNotRegistered for an identifier nobody has."""
    now = await resolve_patient(db, tenant, patient)
    return (now, *(await db.scalars(_MERGED, {"now": now, "tenant": tenant})))
