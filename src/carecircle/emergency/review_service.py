"""Reviewing emergency access once it is over: by the privacy office, by nobody who asked for it or decided about it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.actor import Actor, actor_of, organization_of
from carecircle.database.session import enter_tenant, lock_patient, one_change
from carecircle.directory.service import AnyId, resolve_patient, resolve_provider
from carecircle.directory.tables import Duty, PersonalRelation
from carecircle.emergency.acting import require_self
from carecircle.emergency.approvers_service import tell
from carecircle.emergency.noting_service import note
from carecircle.emergency.opening_rules import require_words
from carecircle.emergency.rows import in_turn, states_of, step
from carecircle.emergency.rules import OPEN_STATES, VERDICTS
from carecircle.emergency.tables import EmergencyAccess, EmergencyNote
from carecircle.errors import InvalidRequest
from carecircle.errors.emergency import AlreadyReviewed, NotAReviewer, NotYetEnded, OwnReview
from carecircle.identifiers import OrganizationId, to_text
from carecircle.period import FOREVER

_SUSPENDED = text("""
    select exists (
      select from carecircle.access_restrictions r
      where r.organization_id = :tenant and r.provider_id = :provider and r.kind = 'suspension'
        and r.superseded_at = 'infinity' and r.starts_at <= :at and r.ends_at > :at)""")


async def review(
    db: AsyncSession,
    *,
    emergency_id: UUID,
    reviewer: AnyId,
    verdict: str,
    words: str = "",
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> EmergencyAccess:
    """Say what to think of an emergency access that is over: justified, concern or escalated, with words where useful.

    The reviewer is on the duty `privacy_office` now and not suspended. Raises EmergencyAccessNotFound, AlreadyReviewed,
    NotYetEnded; NotAReviewer; OwnReview for whoever asked for it, took part in any decision about it or is related to the
    patient now; NotThemselves; InvalidRequest for another verdict, or words too long or unreadable.
    """
    who = actor_of(actor)
    if verdict not in VERDICTS:
        raise InvalidRequest(f"A verdict is one of {', '.join(VERDICTS)}.")
    require_words(words, needed=False)
    async with one_change(db):
        tenant = await enter_tenant(db, organization_of(organization))
        reviewer_id = await resolve_provider(db, tenant, reviewer)
        require_self(who, reviewer_id)
        await _keep_patient(db, tenant, emergency_id)
        row, now = await in_turn(db, tenant, emergency_id)
        if row.state == "reviewed":
            raise AlreadyReviewed
        if reviewer_id in await _had_a_part(db, tenant, emergency_id):
            raise OwnReview
        if await _is_related(db, tenant, reviewer_id, row.patient_id, now):
            raise OwnReview("Nobody reviews emergency access to the record of somebody they are related to.")
        await _require_reviewer(db, tenant, reviewer_id, now)
        if row.state in OPEN_STATES and row.ends_at > now:
            raise NotYetEnded
        reviewed = await step(
            db,
            row,
            now,
            who,
            "emergency-reviewed",
            until=FOREVER,
            detail={"verdict": verdict, "reviewer": to_text(reviewer_id)},
            state="reviewed",
            scope=[],
            verdict=verdict,
            reviewed_by_id=reviewer_id,
            ended_because="expired" if row.state in OPEN_STATES else row.ended_because,
        )
        await note(db, reviewed, "reviewed", reviewed.entry_id, provider_id=reviewer_id, words=words)
        await tell(db, tenant, emergency_id, [], reviewed.entry_id, now, event="emergency-reviewed")
    return reviewed


async def _keep_patient(db: AsyncSession, tenant: OrganizationId, emergency_id: UUID) -> None:
    """Let nobody merge or part this patient's record, or put on record who is related to them, until the transaction ends.

    What expired has no state that the review closes, so that nothing else would notice what came between.
    """
    kept: UUID | None = None
    while (patient_id := (await states_of(db, tenant, emergency_id))[-1].patient_id) != kept:
        kept = patient_id
        await lock_patient(db, tenant, await resolve_patient(db, tenant, patient_id))


async def _is_related(
    db: AsyncSession, tenant: OrganizationId, provider_id: UUID, patient_id: UUID, at: datetime
) -> bool:
    related = await db.scalar(
        select(PersonalRelation.id)
        .where(
            PersonalRelation.organization_id == tenant,
            PersonalRelation.provider_id == provider_id,
            PersonalRelation.patient_id == patient_id,
            PersonalRelation.superseded_at == FOREVER,
            PersonalRelation.starts_at <= at,
            PersonalRelation.ends_at > at,
        )
        .limit(1)
    )
    return related is not None


async def _had_a_part(db: AsyncSession, tenant: OrganizationId, emergency_id: UUID) -> set[UUID | None]:
    """Who asked for it or decided about it in any of its states: a later decision hides no earlier one.

    Who approved an extension as the first of two is on no state, if the second never came; a note names them.
    """
    noted = await db.scalars(
        select(EmergencyNote.provider_id).where(
            EmergencyNote.organization_id == tenant,
            EmergencyNote.emergency_id == emergency_id,
            EmergencyNote.kind == "decided",
        )
    )
    states = await states_of(db, tenant, emergency_id)
    return {who for row in states for who in (row.provider_id, row.seconded_by_id, row.decided_by_id)} | set(noted)


async def _require_reviewer(db: AsyncSession, tenant: OrganizationId, provider_id: UUID, at: datetime) -> None:
    on_duty = await db.scalar(
        select(Duty.id)
        .where(
            Duty.organization_id == tenant,
            Duty.provider_id == provider_id,
            Duty.duty == "privacy_office",
            Duty.superseded_at == FOREVER,
            Duty.starts_at <= at,
            Duty.ends_at > at,
        )
        .limit(1)
    )
    if on_duty is None or await db.scalar(_SUSPENDED, {"tenant": tenant, "provider": provider_id, "at": at}):
        raise NotAReviewer
