"""Deciding about emergency access: approving it, denying it, saying that one has seen it, asking back and answering.

Everybody who works on one emergency access waits for the one before: of two who decide, the second meets what the first
decided. Each change is one entry, and whoever listens hears of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.actor import Actor, actor_of, organization_of
from carecircle.audit import metrics
from carecircle.audit.entry import append
from carecircle.database.crypto import keyring
from carecircle.database.session import enter_tenant, one_change
from carecircle.directory.policy_service import policy_at
from carecircle.directory.service import AnyId, resolve_provider
from carecircle.emergency.acting import require_self
from carecircle.emergency.approvers_service import may_decide_about, require_may_decide, tell
from carecircle.emergency.counting_service import once_committed
from carecircle.emergency.deciding_rules import approved_despite, approved_scope, approved_until
from carecircle.emergency.facts_service import require_may_have
from carecircle.emergency.noting_service import note
from carecircle.emergency.opening_rules import require_words
from carecircle.emergency.rows import entry_about, in_turn, step
from carecircle.emergency.rules import OPEN_STATES
from carecircle.emergency.tables import EmergencyAccess, EmergencyNote
from carecircle.emergency.value import extension_pending
from carecircle.errors import InvalidPeriod, InvalidRequest
from carecircle.errors.emergency import AlreadyDecided, GrantEnded, NotThemselves
from carecircle.identifiers import OrganizationId, to_text
from carecircle.period import FOREVER, show


async def approve(
    db: AsyncSession,
    *,
    emergency_id: UUID,
    approver: AnyId,
    hours: float | None = None,
    scope: Sequence[str] | None = None,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> EmergencyAccess:
    """Approve what was asked, or less: for so many `hours` from its opening, or with fewer actions; where time was added to
    it, approve that time. Neither more than was asked nor more than policy allows is ever given.

    Where two persons are needed, the first approval changes nothing but what is left to approve: the second gives it. Where
    the first may decide no more by then, the second is the first.

    What would refuse the request refuses its approval too: MayNotBreakGlass when the duty was taken back since (the shift may
    be over), EmergencyAccessRefused, OwnRecord. Policy as of now may override less than it did, never more.

    Raises AlreadyDecided when nothing is left to approve, GrantEnded after its end by the database's clock, SelfApproval for
    the requester and for the same person twice, NotAnApprover, NotThemselves, InvalidPeriod when the hours are over already,
    InvalidRequest for hours or actions that cannot be, EmergencyAccessNotFound.
    """
    who = actor_of(actor)
    async with one_change(db):
        tenant, row, approver_id, now = await _decider(db, who, emergency_id, approver, organization)
        _require_open(row, now, AlreadyDecided)
        extending = extension_pending(row)
        if row.state == "approved" and not extending:
            raise AlreadyDecided
        policy = await policy_at(db, tenant, now)
        despite = approved_despite(policy, row.despite)
        await require_may_have(
            db, tenant, keyring(), row.provider_id, row.patient_id, now, despite=despite, asked_at=row.asked_at
        )
        opened_at = row.opened_at or now
        until = approved_until(policy, opened_at, row.wanted_until, hours)
        given = approved_scope(policy, row.scope if extending else row.wanted_scope, scope)
        said: dict[str, str | int | bool | None] = {
            "by": to_text(approver_id), "ends_at": show(until), "scope": " ".join(given),
        }  # fmt: skip
        if until <= now:
            raise InvalidPeriod("So many hours from its opening are over already; give it longer, or deny it.")
        if extending and until <= row.ends_at:
            raise InvalidRequest("An extension is approved for longer than the access lasts already; else it lapses.")
        first = await _first_of_two(db, tenant, row, now) if row.two_persons else None
        if row.two_persons and first is None:
            if not extending:
                following = await step(
                    db, row, now, who, "emergency-seconded", until=row.ends_at, detail=said,
                    seconded_by_id=approver_id, wanted_scope=given, wanted_until=until,
                )  # fmt: skip
                await tell(db, tenant, row.lineage_id, [], following.entry_id, now, event="emergency-seconded")
                return following
            if hours is not None or scope is not None:
                raise InvalidRequest("Of the two who approve an extension, the second says for how long.")
            return await _second_extension(db, tenant, row, now, who, approver_id)
        code = "emergency-extended" if extending else "emergency-approved"
        following = await step(
            db, row, now, who, code, until=until, detail=said,
            state="approved", scope=given, despite=despite, opened_at=opened_at, decided_by_id=approver_id, seconded_by_id=first,
            decided_at=row.decided_at or now, wanted_until=until if extending else row.wanted_until,
        )  # fmt: skip
        _count(db, row, now)
        await tell(db, tenant, row.lineage_id, [], following.entry_id, now, event=code)
        return following


async def deny(
    db: AsyncSession,
    *,
    emergency_id: UUID,
    approver: AnyId,
    words: str,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> EmergencyAccess:
    """Deny a request, or take back what was approved, and say why: whatever access there is ends at once.

    Raises ReasonRequired without words, GrantEnded when it is over, SelfApproval for the requester, NotAnApprover,
    NotThemselves, EmergencyAccessNotFound.
    """
    who = actor_of(actor)
    require_words(words)
    async with one_change(db):
        tenant, row, approver_id, now = await _decider(db, who, emergency_id, approver, organization)
        _require_open(row, now, GrantEnded)
        # Who approved with somebody and now denies has decided; the other one stays on record beside them.
        other = row.decided_by_id if row.seconded_by_id == approver_id else row.seconded_by_id
        following = await step(
            db, row, now, who, "emergency-denied", until=FOREVER, detail={"by": to_text(approver_id)},
            state="denied", scope=[], decided_by_id=approver_id, seconded_by_id=other, decided_at=row.decided_at or now,
        )  # fmt: skip
        await note(db, row, "decided", following.entry_id, provider_id=approver_id, words=words)
        _count(db, row, now)
        await tell(db, tenant, row.lineage_id, [], following.entry_id, now, event="emergency-denied")
        return following


async def acknowledge(
    db: AsyncSession,
    *,
    emergency_id: UUID,
    approver: AnyId,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> EmergencyNote:
    """Say that one has seen it: nobody else is told for want of an answer, and the time to decide runs on.

    Raises what `deny` does.
    """
    return await _said(db, "acknowledged", emergency_id, approver, "", organization, actor)


async def ask(
    db: AsyncSession,
    *,
    emergency_id: UUID,
    approver: AnyId,
    words: str,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> EmergencyNote:
    """Ask the requester something before deciding; the time to decide runs on. Raises what `deny` does."""
    require_words(words)
    return await _said(db, "asked", emergency_id, approver, words, organization, actor)


async def answer(
    db: AsyncSession,
    *,
    emergency_id: UUID,
    provider: AnyId,
    words: str,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> EmergencyNote:
    """Answer what was asked, as the one who requested it.

    Raises ReasonRequired without words, NotThemselves for anybody else, GrantEnded when it is over, EmergencyAccessNotFound.
    """
    who = actor_of(actor)
    require_words(words)
    async with one_change(db):
        tenant = await enter_tenant(db, organization_of(organization))
        provider_id = await resolve_provider(db, tenant, provider)
        require_self(who, provider_id)
        row, now = await in_turn(db, tenant, emergency_id)
        if row.provider_id != provider_id:
            raise NotThemselves
        _require_open(row, now, GrantEnded)
        return await _noted(db, tenant, row, now, who, "answered", provider_id, words)


async def _decider(
    db: AsyncSession, who: Actor, emergency_id: UUID, approver: AnyId, organization: UUID | str | None
) -> tuple[OrganizationId, EmergencyAccess, UUID, datetime]:
    """The organization, the last state, who decides and when, with everybody else kept waiting until they have."""
    tenant = await enter_tenant(db, organization_of(organization))
    approver_id = await resolve_provider(db, tenant, approver)
    require_self(who, approver_id)
    row, now = await in_turn(db, tenant, emergency_id)
    await require_may_decide(db, tenant, row, approver_id, now)
    return tenant, row, approver_id, now


def _require_open(row: EmergencyAccess, now: datetime, over: type[AlreadyDecided | GrantEnded]) -> None:
    if row.state not in OPEN_STATES:
        raise over(f"This emergency access is {row.state} already.")
    if row.ends_at <= now:
        raise GrantEnded


def _count(db: AsyncSession, row: EmergencyAccess, now: datetime) -> None:
    """Keep how long the first decision took; what is decided later about the same access is no answer to the request."""
    if row.decided_at is None:
        seconds = (now - row.asked_at).total_seconds()
        once_committed(db, lambda: metrics.EMERGENCY_DECISION_SECONDS.observe(seconds))


async def _first_of_two(db: AsyncSession, tenant: OrganizationId, row: EmergencyAccess, now: datetime) -> UUID | None:
    """Who has approved, as the first of two, what is still to be approved, and may still decide about it."""
    for one in await _approved_by(db, tenant, row):
        if one is not None and await may_decide_about(db, tenant, [row], one, now):
            return one
    return None


async def _approved_by(db: AsyncSession, tenant: OrganizationId, row: EmergencyAccess) -> list[UUID | None]:
    """Everybody who has approved what is still to be approved, in their order."""
    if not extension_pending(row):
        return [row.seconded_by_id]
    # An extension leaves the state as it is until it is given: its first approval is a note since it was asked for.
    found = await db.scalars(
        select(EmergencyNote.provider_id)
        .where(
            EmergencyNote.organization_id == tenant,
            EmergencyNote.emergency_id == row.lineage_id,
            EmergencyNote.kind == "decided",
            EmergencyNote.recorded_at >= row.starts_at,
        )
        .order_by(EmergencyNote.recorded_at, EmergencyNote.id)
    )
    return list(found)


async def _second_extension(
    db: AsyncSession, tenant: OrganizationId, row: EmergencyAccess, now: datetime, who: Actor, approver_id: UUID
) -> EmergencyAccess:
    entry = entry_about(row, who, "emergency-seconded", {"by": to_text(approver_id)})
    await append(db, entry)
    await note(db, row, "decided", entry.id, provider_id=approver_id)
    await tell(db, tenant, row.lineage_id, [], entry.id, now, event="emergency-seconded")
    return row


async def _said(
    db: AsyncSession,
    kind: str,
    emergency_id: UUID,
    approver: AnyId,
    words: str,
    organization: UUID | str | None,
    actor: Actor | str | None,
) -> EmergencyNote:
    who = actor_of(actor)
    async with one_change(db):
        tenant, row, approver_id, now = await _decider(db, who, emergency_id, approver, organization)
        _require_open(row, now, GrantEnded)
        return await _noted(db, tenant, row, now, who, kind, approver_id, words)


async def _noted(
    db: AsyncSession,
    tenant: OrganizationId,
    row: EmergencyAccess,
    now: datetime,
    who: Actor,
    kind: str,
    provider_id: UUID,
    words: str,
) -> EmergencyNote:
    entry = entry_about(row, who, f"emergency-{kind}", {"by": to_text(provider_id)})
    await append(db, entry)
    said = await note(db, row, kind, entry.id, provider_id=provider_id, words=words)
    await tell(db, tenant, row.lineage_id, [], entry.id, now, event=f"emergency-{kind}")
    return said
