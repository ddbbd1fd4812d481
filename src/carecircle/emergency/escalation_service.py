"""What becomes due about an emergency access: nobody acknowledged it, nobody decided, a relationship came, a review is due.

Each step is taken by the notifier in the organization's transaction, about something it has claimed: it looks at what is so
by then, acts or finds nothing left to do, puts down what follows, and returns a code that says which.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.actor import Actor
from carecircle.audit import metrics
from carecircle.audit.entry import append
from carecircle.directory.policy_service import policy_at
from carecircle.emergency.approvers_service import Approver, approvers_of, approvers_on, tell
from carecircle.emergency.calling_service import called, office_reached, still_deciding
from carecircle.emergency.counting_service import once_committed
from carecircle.emergency.ending_service import convert
from carecircle.emergency.noting_service import note
from carecircle.emergency.rows import entry_about, in_turn
from carecircle.emergency.rules import NEEDS_NO_DECISION, OPEN_STATES
from carecircle.emergency.tables import EmergencyAccess, EmergencyNote
from carecircle.emergency.value import extension_pending
from carecircle.identifiers import OrganizationId
from carecircle.notices.service import put, rearm
from carecircle.notices.tables import Due

NOTIFIER = Actor.service("notifier")
MOOT, TOLD, GONE, NOBODY_NEXT, CONVERTED = "moot", "told", "gone", "nobody-next", "converted"
LOOKED_AGAIN = timedelta(minutes=1)
"""How often the circle is looked at while emergency access is open."""


async def unacknowledged(db: AsyncSession, tenant: OrganizationId, due: Due) -> str:
    """Nobody said that they have seen it: tell whoever comes next in the order of call, and look again as long as one does.

    After the last supervisors come the duty managers; the privacy office is told when no decision comes. Who may not decide
    about it any more is not told, and where that is everybody who comes next, those after them are looked at at once.
    """
    row, now = await in_turn(db, tenant, due.subject_id)
    if not _undecided(row, due) or row.ends_at <= now or await _seen(db, tenant, row):
        return MOOT
    groups = _groups(await approvers_on(db, tenant, row.lineage_id))
    reached = 1 + await _passed_before(db, tenant, row)
    if reached >= len(groups):
        return NOBODY_NEXT
    next_ones = await still_deciding(db, tenant, row, groups[reached], now)
    is_last = reached + 1 == len(groups)
    if not next_ones:
        if is_last:
            return NOBODY_NEXT
        await put(db, tenant, due.kind, subject_id=row.lineage_id, due_at=now, entry_id=due.entry_id)
        return GONE
    entry = entry_about(row, NOTIFIER, "emergency-escalated", {"because": "unacknowledged", "told": len(next_ones)})
    await append(db, entry)
    await tell(db, tenant, row.lineage_id, next_ones, entry.id, now, event=entry.code)
    if not is_last:
        minutes = (await policy_at(db, tenant, now)).emergency_acknowledge_minutes
        due_at = now + timedelta(minutes=minutes)
        await put(db, tenant, due.kind, subject_id=row.lineage_id, due_at=due_at, entry_id=entry.id)
    return TOLD


async def undecided(db: AsyncSession, tenant: OrganizationId, due: Due) -> str:
    """Nobody decided in time, late as this may be known: count it, tell the duty managers and the privacy office of now.

    The supervisors who came on duty since are told with them: they decide from now on, and have not heard of it.
    Nothing is approved by this, and nothing ends.
    """
    row, now = await in_turn(db, tenant, due.subject_id)
    if not _undecided(row, due):
        return MOOT
    entry = entry_about(row, NOTIFIER, "emergency-undecided")
    await append(db, entry)
    found, new = await called(db, tenant, row, entry.id, now)
    told = [one for one in found if one.duty != "supervisor" or one in new]
    await note(db, row, "escalated", entry.id)
    await _tell_privacy(db, tenant, row, now, entry.id, told, event=entry.code)
    once_committed(db, metrics.EMERGENCY_UNDECIDED.inc)
    return TOLD


async def relationship(db: AsyncSession, tenant: OrganizationId, due: Due) -> str:
    """Look whether the circle has come to let the provider in without it; look again while it is open."""
    row, now = await in_turn(db, tenant, due.subject_id)
    if row.state not in OPEN_STATES or row.ends_at <= now:
        return MOOT
    if await convert(db, tenant, row, now, NOTIFIER) is not None:
        return CONVERTED
    return await rearm(db, due, now + LOOKED_AGAIN)


async def review_due(db: AsyncSession, tenant: OrganizationId, due: Due) -> str:
    """The time for its review is over: tell the privacy office of now; while it is still open, wait for its end."""
    row, now = await in_turn(db, tenant, due.subject_id)
    if row.state == "reviewed" or (row.opened_at is None and row.mode != "downtime"):
        return MOOT
    if row.state in OPEN_STATES and row.ends_at > now:
        return await rearm(db, due, row.ends_at)
    entry = entry_about(row, NOTIFIER, "emergency-escalated", {"because": "review-due"})
    await append(db, entry)
    found = await approvers_of(
        db, tenant, requester_id=row.provider_id, unit_id=row.unit_id, patient_id=row.patient_id, at=now
    )
    office = [one for one in found if one.duty == "privacy_office"]
    await _tell_privacy(db, tenant, row, now, entry.id, office, event="emergency-review-due")
    return TOLD


async def _tell_privacy(
    db: AsyncSession,
    tenant: OrganizationId,
    row: EmergencyAccess,
    now: datetime,
    entry_id: UUID,
    recipients: Sequence[Approver],
    *,
    event: str,
) -> None:
    """Tell these, and the privacy office's mailbox when none of them who is of it can be written to."""
    mailbox = ""
    if not office_reached(recipients):
        mailbox = (await policy_at(db, tenant, now)).privacy_office_email
    await tell(db, tenant, row.lineage_id, recipients, entry_id, now, event=event, mailbox=mailbox)


def _undecided(row: EmergencyAccess, due: Due) -> bool:
    """Whether what fell due is about something that nobody has decided about: the request, or the extension last asked for."""
    if extension_pending(row):
        return due.recorded_at >= row.starts_at
    return row.state in ("requested", "provisional") and row.mode not in NEEDS_NO_DECISION


def _groups(approvers: Sequence[Approver]) -> list[list[Approver]]:
    """Who is told together: supervisors by their order of call, then all duty managers; each person in the first of theirs.

    Where there is no supervisor, everybody was told at once.
    """
    supervisors = [one for one in approvers if one.duty == "supervisor"]
    if not supervisors:
        return [list(approvers)]
    orders = sorted({one.call_order for one in supervisors})
    groups = [[one for one in supervisors if one.call_order == order] for order in orders]
    groups.append([one for one in approvers if one.duty == "duty_manager"])
    told: set[UUID] = set()
    found = []
    for group in groups:
        fresh = [one for one in group if one.provider_id not in told]
        told |= {one.provider_id for one in fresh}
        if fresh:
            found.append(fresh)
    return found


def _waits_since(row: EmergencyAccess) -> datetime:
    return row.starts_at if extension_pending(row) else row.asked_at


async def _seen(db: AsyncSession, tenant: OrganizationId, row: EmergencyAccess) -> bool:
    """Whether somebody has said so, or asked back, since it waits."""
    said = select(EmergencyNote.id).where(
        EmergencyNote.organization_id == tenant,
        EmergencyNote.emergency_id == row.lineage_id,
        EmergencyNote.kind.in_(("acknowledged", "asked")),
        EmergencyNote.recorded_at >= _waits_since(row),
    )
    return await db.scalar(said.limit(1)) is not None


async def _passed_before(db: AsyncSession, tenant: OrganizationId, row: EmergencyAccess) -> int:
    """How many times since it waits the next ones were told for want of an acknowledgement, or were gone."""
    return (
        await db.scalar(
            select(func.count()).where(
                Due.organization_id == tenant,
                Due.subject_id == row.lineage_id,
                Due.kind == "unacknowledged",
                Due.outcome.in_((TOLD, GONE)),
                Due.recorded_at >= _waits_since(row),
            )
        )
        or 0
    )
