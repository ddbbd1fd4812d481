"""Calling those who may decide now: those who came on duty since join those on record, and the clocks are set."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.emergency.approvers_service import (
    Approver,
    approvers_of,
    approvers_on,
    first_told,
    may_decide_about,
    record_approvers,
    tell,
)
from carecircle.emergency.tables import EmergencyAccess
from carecircle.identifiers import OrganizationId
from carecircle.notices.service import put
from carecircle.policy import Policy


async def called(
    db: AsyncSession, tenant: OrganizationId, row: EmergencyAccess, entry_id: UUID, now: datetime
) -> tuple[list[Approver], list[Approver]]:
    """Who may decide about it now, in the order of telling, and those of them who came on duty since.

    The latter were not on record as its approvers, and are from now on.
    """
    found = await approvers_of(
        db, tenant, requester_id=row.provider_id, unit_id=row.unit_id, patient_id=row.patient_id, at=now
    )
    known = {one.duty_id for one in await approvers_on(db, tenant, row.lineage_id)}
    new = [one for one in found if one.duty_id not in known]
    await record_approvers(db, tenant, row.lineage_id, new, entry_id)
    return found, new


def office_reached(recipients: Iterable[Approver]) -> bool:
    """Whether one of these is of the privacy office and can be written to; where not, its mailbox is."""
    return any(one.duty == "privacy_office" and one.contact for one in recipients)


async def still_deciding(
    db: AsyncSession, tenant: OrganizationId, row: EmergencyAccess, approvers: Sequence[Approver], now: datetime
) -> list[Approver]:
    """Those of its approvers on record who may decide about it now: their shift may be over, they may not be suspended, say."""
    people = dict.fromkeys(one.provider_id for one in approvers)
    may = {one for one in people if await may_decide_about(db, tenant, [row], one, now)}
    return [one for one in approvers if one.provider_id in may]


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
    found, _ = await called(db, tenant, row, entry_id, now)
    reached = any(one.duty == "supervisor" for one in found) or office_reached(found)
    await tell(
        db, tenant, row.lineage_id, first_told(found), entry_id, now,
        event=event, mailbox="" if reached else policy.privacy_office_email,
    )  # fmt: skip
    for kind, minutes in (
        ("unacknowledged", policy.emergency_acknowledge_minutes),
        ("undecided", policy.emergency_decide_minutes),
    ):
        due_at = now + timedelta(minutes=minutes)
        await put(db, tenant, kind, subject_id=row.lineage_id, due_at=due_at, entry_id=entry_id)
