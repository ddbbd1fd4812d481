"""Emergency access as values for doors: one, many, who must decide about what, what waits for a review, and what was said."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, or_, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.actor import organization_of
from carecircle.database.constraints import translated
from carecircle.database.session import enter_tenant, instant
from carecircle.directory.policy_service import policy_at
from carecircle.directory.service import AnyId, resolve_patient, resolve_provider
from carecircle.emergency.approvers_service import may_decide_about
from carecircle.emergency.concern_service import Concern
from carecircle.emergency.rows import believed, states_of
from carecircle.emergency.rules import OPEN_STATES
from carecircle.emergency.tables import EmergencyAccess, EmergencyApprover, EmergencyNote
from carecircle.emergency.value import Emergency as Emergency
from carecircle.emergency.value import awaits_decision, extension_pending, opened_as_asked, said, shown_state, value_of
from carecircle.errors.emergency import EmergencyAccessNotFound
from carecircle.identifiers import OrganizationId
from carecircle.notices.tables import Due
from carecircle.notices.words import reference as reference
from carecircle.period import usable


@dataclass(frozen=True, slots=True)
class Note:
    """What was said or happened beside the states; `words` is what was said with it, if anything."""

    kind: str
    provider_id: UUID | None
    at: datetime
    words: str | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """A notice or a step that was due; `settled_at` is None while it still is. Addresses are not shown."""

    kind: str
    recipient_id: UUID | None
    due_at: datetime
    settled_at: datetime | None
    attempts: int
    outcome: str


async def show(
    db: AsyncSession,
    *,
    emergency_id: UUID,
    words: bool = False,
    as_of: datetime | None = None,
    organization: UUID | str | None = None,
) -> Emergency:
    """One emergency access as it stands now, or stood at `as_of`; with `words`, the reasons in words too.

    Raises EmergencyAccessNotFound, also for an `as_of` before it was asked for; KeyUnavailable for the words.
    """
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        rows = await states_of(db, tenant, emergency_id)
        at = usable(as_of) if as_of is not None else await instant(db)
        held = [row for row in rows if row.starts_at <= at] if as_of is not None else rows
        if not held:
            raise EmergencyAccessNotFound
        return (await _shown(db, tenant, [held[-1]], at, words=words))[0]


async def emergencies(
    db: AsyncSession,
    *,
    pending: bool = False,
    open_now: bool = False,
    provider: AnyId | None = None,
    patient: AnyId | None = None,
    since: datetime | None = None,
    organization: UUID | str | None = None,
) -> list[Emergency]:
    """Every emergency access of the organization, the one asked for last first; without words.

    With `pending`, those that await a decision; with `open_now`, those that let somebody in now; with `since`, those asked
    for at that instant or later. Raises PatientNotRegistered and ProviderNotRegistered for an identifier nobody has.
    """
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        query = _last(tenant)
        if provider is not None:
            query = query.where(EmergencyAccess.provider_id == await resolve_provider(db, tenant, provider))
        if patient is not None:
            query = query.where(EmergencyAccess.patient_id == await resolve_patient(db, tenant, patient))
        if since is not None:
            query = query.where(EmergencyAccess.asked_at >= usable(since))
        now = await instant(db)
        if pending or open_now:
            # States of one access do not overlap: what has not ended is its last one.
            query = query.where(EmergencyAccess.ends_at > now, EmergencyAccess.state.in_(OPEN_STATES))
        rows = [
            row
            for row in await db.scalars(query)
            if (not pending or awaits_decision(row, now)) and (not open_now or row.scope)
        ]
        found = await _shown(db, tenant, rows, now)
    return sorted(found, key=lambda one: (one.asked_at, one.id), reverse=True)


async def to_review(db: AsyncSession, *, organization: UUID | str | None = None) -> list[Emergency]:
    """What was opened, or recorded after a downtime, is over and was not reviewed yet; what is due first comes first."""
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        query = _last(tenant).where(or_(EmergencyAccess.opened_at.is_not(None), EmergencyAccess.mode == "downtime"))
        now = await instant(db)
        rows = [
            row
            for row in await db.scalars(query)
            if row.state != "reviewed" and shown_state(row, now) not in OPEN_STATES
        ]
        found = await _shown(db, tenant, rows, now)
    return sorted(found, key=lambda one: (one.review_due_at or one.asked_at, one.id))


async def inbox(
    db: AsyncSession, *, approver: AnyId, pending: bool = True, organization: UUID | str | None = None
) -> list[Emergency]:
    """What awaits a decision that this provider may take, the oldest deadline first; not what they approved already as one
    of two. Without `pending`, what opened as asked, too: nobody must decide about it, they may deny it. Raises
    ProviderNotRegistered for an identifier nobody has.
    """
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        approver_id = await resolve_provider(db, tenant, approver)
        now = await instant(db)
        theirs = select(EmergencyApprover.emergency_id).where(
            EmergencyApprover.organization_id == tenant, EmergencyApprover.provider_id == approver_id
        )
        query = _last(tenant).where(EmergencyAccess.ends_at > now, EmergencyAccess.lineage_id.in_(theirs))
        awaited = [
            row
            for row in await db.scalars(query)
            if awaits_decision(row, now) or (not pending and opened_as_asked(row, now))
        ]
        rows = [
            row
            for row in await may_decide_about(db, tenant, awaited, approver_id, now)
            if not (row.two_persons and await _has_approved(db, row, approver_id))
        ]
        found = await _shown(db, tenant, rows, now)
    return sorted(found, key=lambda one: (one.decide_by or one.asked_at, one.id))


async def notes_of(db: AsyncSession, *, emergency_id: UUID, organization: UUID | str | None = None) -> list[Note]:
    """What was said about one emergency access, in its order. Raises EmergencyAccessNotFound, KeyUnavailable."""
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        await states_of(db, tenant, emergency_id)
        rows = await db.scalars(_notes(tenant, [emergency_id]))
    return [Note(row.kind, row.provider_id, row.recorded_at, said(row, "body", row.id)) for row in rows]


async def deliveries_of(
    db: AsyncSession, *, emergency_id: UUID, organization: UUID | str | None = None
) -> list[Delivery]:
    """What had to be sent or done about one emergency access, in the order it is due. Raises EmergencyAccessNotFound."""
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        await states_of(db, tenant, emergency_id)
        rows = await db.scalars(
            select(Due)
            .where(Due.organization_id == tenant, Due.subject_id == emergency_id)
            .order_by(Due.due_at, Due.id)
            .execution_options(populate_existing=True)
        )
    return [Delivery(row.kind, row.recipient_id, row.due_at, row.settled_at, row.attempts, row.outcome) for row in rows]


def told_to(one: Emergency, concern: Concern) -> Emergency:
    """As much of it as is told to whom it concerns in this way.

    What stands out, and when the review is due, tells the patient's labels: whoever asked is told neither. By whom and how
    it was reviewed is for the privacy office; the others see that it was.
    """
    if concern == "requester":
        one = replace(one, signals=(), review_due_at=None)
    return one if concern == "privacy-office" else replace(one, verdict=None, reviewed_by_id=None)


def notes_told_to(notes: Iterable[Note], concern: Concern) -> list[Note]:
    """What of these notes is told to whom it concerns in this way: a review is for the privacy office."""
    return [note for note in notes if note.kind != "reviewed" or concern == "privacy-office"]


async def _has_approved(db: AsyncSession, row: EmergencyAccess, provider_id: UUID) -> bool:
    """Whether they are the first of two who approve what is awaited; of an extension, a note says that."""
    if not extension_pending(row):
        return row.seconded_by_id == provider_id
    query = _notes(OrganizationId(row.organization_id), [row.lineage_id]).where(
        EmergencyNote.kind == "decided",
        EmergencyNote.provider_id == provider_id,
        EmergencyNote.recorded_at >= row.starts_at,
    )
    return (await db.scalars(query.limit(1))).first() is not None


def _last(tenant: OrganizationId) -> Select[EmergencyAccess]:
    """The last state of each; a condition on what is the same in all states of one may be added."""
    return (
        believed(tenant)
        .ext(distinct_on(EmergencyAccess.lineage_id))
        .order_by(None)
        .order_by(EmergencyAccess.lineage_id, EmergencyAccess.starts_at.desc())
    )


def _notes(tenant: OrganizationId, emergencies: Iterable[UUID]) -> Select[EmergencyNote]:
    return (
        select(EmergencyNote)
        .where(EmergencyNote.organization_id == tenant, EmergencyNote.emergency_id.in_(list(emergencies)))
        .order_by(EmergencyNote.recorded_at, EmergencyNote.id)
    )


async def _shown(
    db: AsyncSession, tenant: OrganizationId, rows: Sequence[EmergencyAccess], at: datetime, *, words: bool = False
) -> list[Emergency]:
    if not rows:
        return []
    policy = await policy_at(db, tenant, at)
    acknowledged: dict[UUID, list[UUID]] = {}
    query = _notes(tenant, [row.lineage_id for row in rows]).where(EmergencyNote.kind == "acknowledged")
    for note in await db.scalars(query.where(EmergencyNote.recorded_at <= at)):
        if note.provider_id is not None:
            acknowledged.setdefault(note.emergency_id, []).append(note.provider_id)
    return [value_of(row, at, policy, acknowledged.get(row.lineage_id, ()), words=words) for row in rows]
