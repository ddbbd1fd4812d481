"""Ending emergency access, or asking for more of it: the clinician's own word, a discharge, a relationship that has come."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import cache
from uuid import UUID

from sqlalchemy import Select, text
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.access.relation import circle, restrictions
from carecircle.actor import Actor, actor_of, organization_of
from carecircle.database.crypto import keyring
from carecircle.database.session import enter_tenant, lock_patient, one_change, take_turns
from carecircle.directory.policy_service import policy_at
from carecircle.directory.service import AnyId, resolve_patient, resolve_provider
from carecircle.emergency.acting import require_self
from carecircle.emergency.approvers_service import tell
from carecircle.emergency.calling_service import call
from carecircle.emergency.noting_service import note
from carecircle.emergency.opening_rules import lasting, require_reason
from carecircle.emergency.rows import believed, in_turn, step
from carecircle.emergency.rules import NEEDS_NO_DECISION, OPEN_STATES, latest_end, scope_of
from carecircle.emergency.tables import EmergencyAccess
from carecircle.emergency.value import extension_pending
from carecircle.errors import InvalidRequest
from carecircle.errors.emergency import EmergencyAccessOpen, GrantEnded, NotThemselves
from carecircle.identifiers import OrganizationId
from carecircle.period import FOREVER, show


async def end(
    db: AsyncSession,
    *,
    emergency_id: UUID,
    provider: AnyId,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> EmergencyAccess:
    """End one's own emergency access, or take back a request that waits, now.

    Raises NotThemselves for anybody else, GrantEnded when it is over already, EmergencyAccessNotFound.
    """
    who = actor_of(actor)
    async with one_change(db):
        tenant, row, now = await _own(db, who, emergency_id, provider, organization)
        return await _end(db, tenant, row, now, who, "emergency-ended", "clinician")


async def end_on_discharge(
    db: AsyncSession,
    *,
    patient: AnyId,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> list[EmergencyAccess]:
    """End every emergency access to a patient that is open or waits: they were discharged. Raises PatientNotRegistered."""
    who = actor_of(actor)
    async with one_change(db):
        tenant = await enter_tenant(db, organization_of(organization))
        patient_id = await resolve_patient(db, tenant, patient)
        # Whoever opens one meanwhile goes first, and theirs ends too.
        now = await lock_patient(db, tenant, patient_id)
        found = await db.scalars(_open_at(tenant, now).where(EmergencyAccess.patient_id == patient_id))
        return await end_these(db, tenant, {row.lineage_id for row in found}, who, "discharge")


async def end_open_of_provider(
    db: AsyncSession, tenant: OrganizationId, provider_id: UUID, who: Actor
) -> list[EmergencyAccess]:
    """End every emergency access of a provider that is open or waits, in the caller's transaction: they have left."""
    # Whoever opens one for them meanwhile goes first, and theirs ends too.
    now = await take_turns(db, tenant, provider_id)
    found = await db.scalars(_open_at(tenant, now).where(EmergencyAccess.provider_id == provider_id))
    return await end_these(db, tenant, {row.lineage_id for row in found}, who, "offboarded")


async def end_these(
    db: AsyncSession, tenant: OrganizationId, emergency_ids: Iterable[UUID], who: Actor, because: str
) -> list[EmergencyAccess]:
    """End those of these that are open or wait, in the caller's transaction; `because` is a code. What is over is left alone.

    Raises EmergencyAccessNotFound.
    """
    ended = []
    # In one order, so that two who end the same ones wait for each other in one direction.
    for emergency_id in sorted(set(emergency_ids)):
        row, at = await in_turn(db, tenant, emergency_id)
        if _is_open(row, at):
            ended.append(await _end(db, tenant, row, at, who, "emergency-ended", because))
    return ended


async def extend(
    db: AsyncSession,
    *,
    emergency_id: UUID,
    provider: AnyId,
    reason_code: str,
    words: str = "",
    hours: float,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> EmergencyAccess:
    """Ask for so many hours more of one's own approved access, and say why again; nothing lasts longer until it is approved.

    What is asked for is cut at the policy's cap. Supervisors are told as they were of the request, and escalation starts anew.

    Raises ReasonRequired, InvalidRequest for hours that are no number above 0, for access that nobody has approved yet and
    where the cap leaves no more; EmergencyAccessOpen while an earlier extension waits, GrantEnded, NotThemselves,
    EmergencyAccessNotFound.
    """
    who = actor_of(actor)
    async with one_change(db):
        tenant, row, now = await _own(db, who, emergency_id, provider, organization)
        policy = await policy_at(db, tenant, now)
        require_reason(policy, reason_code, words)
        if row.state != "approved" or row.opened_at is None:
            raise InvalidRequest("Only approved emergency access is extended; this one still waits for its approval.")
        if extension_pending(row):
            raise EmergencyAccessOpen("An extension of this emergency access waits for a decision already.")
        wanted_until = min(row.ends_at + lasting(policy, hours), latest_end(policy, row.opened_at))
        if wanted_until <= row.ends_at:
            raise InvalidRequest("This emergency access lasts as long as the policy allows; it cannot be extended.")
        sealed = keyring().seal(words.encode(), tenant, "emergency_access", "second_reason", row.lineage_id)
        following = await step(
            db, row, now, who, "emergency-extension-asked", until=row.ends_at,
            detail={"reason": reason_code, "wanted_until": show(wanted_until)},
            second_reason_code=reason_code, second_reason=sealed if words.strip() else None, wanted_until=wanted_until,
        )  # fmt: skip
        await call(db, tenant, following, following.entry_id, now, policy, event="emergency-extension-asked")
        return following


async def end_if_related(
    db: AsyncSession,
    *,
    emergency_id: UUID,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> EmergencyAccess | None:
    """End emergency access that a relationship has made needless; None where it is over already, or still needed.

    Raises EmergencyAccessNotFound.
    """
    who = actor_of(actor)
    async with one_change(db):
        tenant = await enter_tenant(db, organization_of(organization))
        row, now = await in_turn(db, tenant, emergency_id)
        return await convert(db, tenant, row, now, who) if _is_open(row, now) else None


async def convert(
    db: AsyncSession, tenant: OrganizationId, row: EmergencyAccess, now: datetime, who: Actor
) -> EmergencyAccess | None:
    """End an open state when the circle lets the provider do all of it by another basis, for at least as long; else None.

    All of it is what is granted, and what may still be approved of what was asked for: the actions that policy allows, and
    the time, of a request that nobody decided about; the time of an extension.
    """
    actions, until = list(row.scope), row.ends_at
    if extension_pending(row):
        until = row.wanted_until
    elif row.state != "approved" and row.mode not in NEEDS_NO_DECISION:
        allowed = scope_of(await policy_at(db, tenant, now), row.wanted_scope, "provisional", approved=True)
        actions, until = list(dict.fromkeys([*actions, *allowed])), row.wanted_until
    asked = {
        "organization_id": tenant, "provider_id": row.provider_id, "patient_id": row.patient_id, "as_of": now,
        "actions": actions, "until": until,
    }  # fmt: skip
    if not await db.scalar(text(_related()), asked):
        return None
    ended = await _end(db, tenant, row, now, who, "emergency-converted", "relationship")
    await note(db, row, "converted", ended.entry_id)
    return ended


async def _own(
    db: AsyncSession, who: Actor, emergency_id: UUID, provider: AnyId, organization: UUID | str | None
) -> tuple[OrganizationId, EmergencyAccess, datetime]:
    """The organization, the open state of the provider's own emergency access, and the instant."""
    tenant = await enter_tenant(db, organization_of(organization))
    provider_id = await resolve_provider(db, tenant, provider)
    require_self(who, provider_id)
    row, now = await in_turn(db, tenant, emergency_id)
    if row.provider_id != provider_id:
        raise NotThemselves
    if not _is_open(row, now):
        raise GrantEnded
    return tenant, row, now


def _open_at(tenant: OrganizationId, now: datetime) -> Select[EmergencyAccess]:
    return believed(tenant).where(EmergencyAccess.state.in_(OPEN_STATES), EmergencyAccess.ends_at > now)


def _is_open(row: EmergencyAccess, now: datetime) -> bool:
    return row.state in OPEN_STATES and row.ends_at > now


async def _end(
    db: AsyncSession, tenant: OrganizationId, row: EmergencyAccess, now: datetime, who: Actor, code: str, because: str
) -> EmergencyAccess:
    ended = await step(
        db, row, now, who, code, until=FOREVER, detail={"because": because},
        state="ended", scope=[], ended_because=because,
    )  # fmt: skip
    await tell(db, tenant, row.lineage_id, [], ended.entry_id, now, event=code)
    return ended


@cache
def _related() -> str:
    """Whether each action is let through by a basis that is no emergency access, whatever restricts it, until an instant."""
    asked = {name: f"cast(:{name} as uuid)" for name in ("organization_id", "provider_id", "patient_id")}
    at, (organization, provider, patient) = "cast(:as_of as timestamptz)", asked.values()
    in_circle = circle(organization=organization, provider=provider, patient=patient, action="q.action", as_of=at)
    kept_from = restrictions(organization=organization, patient=patient, provider=provider, as_of=at)
    return f"""
    select bool_and(exists (
      select from ({in_circle}) c
      where c.grants and c.basis <> 'emergency_access' and c.ends_at >= cast(:until as timestamptz)
        and not exists (select from ({kept_from}) r where r.restriction <> all (c.despite))))
    from unnest(cast(:actions as text[])) as q (action)"""
