"""Emergency access when two records become one or are parted: what nobody can mean any more is ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.actor import Actor
from carecircle.database.crypto import keyring
from carecircle.database.session import instant, take_turns
from carecircle.directory.tables import PatientMerge
from carecircle.emergency.ending_service import end_these
from carecircle.emergency.facts_service import is_own_record, standing
from carecircle.emergency.rules import OPEN_STATES
from carecircle.emergency.tables import EmergencyAccess
from carecircle.identifiers import OrganizationId
from carecircle.staffing.moving_service import Row, believed_about, held_before, made_by
from carecircle.staffing.patient_facts import BROKEN_GLASS
from carecircle.staffing.turnover_service import BELIEVED


async def none_is_decided(
    db: AsyncSession, tenant: OrganizationId, patients: Collection[UUID], at: datetime
) -> datetime:
    """Keep everybody from changing these patients' emergency access until the transaction ends; then say what time it is.

    Before any of its rows is locked: whoever decides takes the turn first and the rows after it. Without any, it is `at`.
    """
    row = EmergencyAccess
    found = await db.scalars(
        select(row.lineage_id)
        .where(row.organization_id == tenant, row.patient_id.in_(patients), row.superseded_at == BELIEVED)
        .distinct()
        .order_by(row.lineage_id)
    )
    for emergency_id in list(found):
        at = await take_turns(db, tenant, emergency_id)
    return at


async def end_own_records(db: AsyncSession, tenant: OrganizationId, who: Actor, patient_id: UUID) -> None:
    """End what is open, or waits, to a patient who has turned out to be the requester."""
    at = await instant(db)
    found = await _open(db, tenant, [patient_id], at)
    own = {
        provider_id
        for provider_id in {provider_id for _, provider_id in found}
        if "self" in (await standing(db, tenant, provider_id, patient_id, at)).relations
        or await is_own_record(db, tenant, keyring(), provider_id, patient_id)
    }
    await end_these(db, tenant, [one for one, provider_id in found if provider_id in own], who, "merged")


async def unsettled(db: AsyncSession, tenant: OrganizationId, known: PatientMerge, at: datetime) -> list[UUID]:
    """What is open to the survivor of a merge and was asked for, or changed, since: its ids.

    What was the survivor's own before stays, whatever became of it; so does what says just what this merge or another one
    made of it.
    """
    found = {one for one, _ in await _open(db, tenant, [known.into_patient_id], at)}
    if not found:
        return []
    entries = await db.scalars(
        select(PatientMerge.entry_id).where(
            PatientMerge.organization_id == tenant,
            PatientMerge.into_patient_id == known.into_patient_id,
            PatientMerge.superseded_at == BELIEVED,
        )
    )
    before = await held_before(db, tenant, BROKEN_GLASS, known.into_patient_id, known.recorded_at, known.entry_id)
    found -= {row.lineage_id for row in before}
    made = [await made_by(db, tenant, BROKEN_GLASS, found, entry_id) for entry_id in list(entries)]
    present = await believed_about(db, tenant, BROKEN_GLASS, known.into_patient_id)
    return sorted(one for one in found if all(_says(one, rows) != _says(one, present) for rows in made))


async def _open(
    db: AsyncSession, tenant: OrganizationId, patients: Collection[UUID], at: datetime
) -> list[tuple[UUID, UUID]]:
    """(emergency access, provider) of what is open, or waits, for these patients."""
    rows = await db.execute(
        select(EmergencyAccess.lineage_id, EmergencyAccess.provider_id).where(
            EmergencyAccess.organization_id == tenant,
            EmergencyAccess.patient_id.in_(patients),
            EmergencyAccess.superseded_at == BELIEVED,
            EmergencyAccess.ends_at > at,
            EmergencyAccess.state.in_(OPEN_STATES),
        )
    )
    return [(row[0], row[1]) for row in rows]


def _says(emergency_id: UUID, rows: Sequence[Row]) -> Counter[tuple[object, ...]]:
    return Counter(row.content for row in rows if row.lineage_id == emergency_id)
