"""That two records are of one patient: the facts that say so, the locks of whoever changes one, and their entry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.actor import Actor, organization_of
from carecircle.audit.entry import Entry
from carecircle.database.constraints import translated
from carecircle.database.session import enter_tenant, lock_patient
from carecircle.directory.following_service import keep_apart
from carecircle.directory.service import AnyId, resolve_patient
from carecircle.directory.tables import PatientMerge
from carecircle.identifiers import EntryId, OrganizationId, PatientId, to_text
from carecircle.staffing.turnover_service import BELIEVED


@dataclass(frozen=True, slots=True)
class Origin:
    """Who says that two records are one: somebody by hand, or a record of another system."""

    kind: Literal["change", "import"] = "change"
    source: str = ""
    record: str = ""


BY_HAND = Origin()


async def merges_into(
    db: AsyncSession, *, patient: AnyId, organization: UUID | str | None = None
) -> list[PatientMerge]:
    """The believed merges into this patient, direct ones and those before them, oldest first: where their facts come from."""
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        found: list[PatientMerge] = []
        seeking = {await resolve_patient(db, tenant, patient, follow=False)}
        while seeking:
            rows = await db.scalars(_believed(tenant).where(PatientMerge.into_patient_id.in_(seeking)))
            fresh = [row for row in rows if row not in found]
            found += fresh
            seeking = {PatientId(row.patient_id) for row in fresh}
        return sorted(found, key=lambda row: (row.recorded_at, row.id))


async def merge_of(db: AsyncSession, tenant: OrganizationId, patient_id: UUID) -> PatientMerge | None:
    """The believed merge of this patient into another."""
    return (await db.scalars(_believed(tenant).where(PatientMerge.patient_id == patient_id))).one_or_none()


async def take_both(db: AsyncSession, tenant: OrganizationId, one: PatientId, other: PatientId) -> datetime:
    """Keep everybody else from both until the transaction ends, whatever they change, always in the same order."""
    await keep_apart(db, tenant, [one, other], merging=True)
    first, second = sorted((one, other))
    await lock_patient(db, tenant, first)
    return await lock_patient(db, tenant, second)


def merge_entry(
    tenant: OrganizationId,
    who: Actor,
    origin: Origin,
    code: str,
    entry_id: UUID,
    patient_id: UUID,
    into_patient_id: UUID,
    counts: Mapping[str, int],
) -> Entry:
    """One entry for all of it, about the one given up; it names both."""
    said = {"patient": to_text(patient_id), "into": to_text(into_patient_id)}
    if origin.source:
        said |= {"source": origin.source}
    return Entry(tenant, origin.kind, who, code, patient_id=patient_id, detail={**said, **counts}, id=EntryId(entry_id))


def _believed(tenant: OrganizationId) -> Select[PatientMerge]:
    return select(PatientMerge).where(PatientMerge.organization_id == tenant, PatientMerge.superseded_at == BELIEVED)
