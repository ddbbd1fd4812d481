"""Calling those who may decide now: those who came on duty since join those on record, and the clocks are set."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.emergency.approvers_service import (
    Approver,
    approvers_of,
    approvers_on,
    first_told,
    record_approvers,
    tell,
)
from carecircle.emergency.tables import EmergencyAccess
from carecircle.identifiers import OrganizationId
from carecircle.notices.service import put
from carecircle.policy import Policy


async def called(
    db: AsyncSession, tenant: OrganizationId, row: EmergencyAccess, entry_id: UUID, now: datetime
) -> list[Approver]:
    """Who may decide about it now, in the order of telling; whoever was not on record as its approver is from now on."""
    found = await approvers_of(
        db, tenant, requester_id=row.provider_id, unit_id=row.unit_id, patient_id=row.patient_id, at=now
    )
    known = {one.duty_id for one in await approvers_on(db, tenant, row.lineage_id)}
    await record_approvers(db, tenant, row.lineage_id, [one for one in found if one.duty_id not in known], entry_id)
    return found


async def call(
    db: AsyncSession,
    tenant: OrganizationId,
    row: EmergencyAccess,
    entry_id: UUID,
    now: datetime,
    policy: Policy,
    *,
    event: str,
) -> None:
    """Tell who decides first, and let both clocks run: for an acknowledgement, and for a decision."""
    found = await called(db, tenant, row, entry_id, now)
    await tell(
        db, tenant, row.lineage_id, first_told(found), entry_id, now,
        event=event, mailbox="" if found else policy.privacy_office_email,
    )  # fmt: skip
    for kind, minutes in (
        ("unacknowledged", policy.emergency_acknowledge_minutes),
        ("undecided", policy.emergency_decide_minutes),
    ):
        due_at = now + timedelta(minutes=minutes)
        await put(db, tenant, kind, subject_id=row.lineage_id, due_at=due_at, entry_id=entry_id)
