"""Who sits on a care team and whom it looks after. Changes join the caller's session; constraints have the last word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.actor import Actor, actor_of, organization_of
from carecircle.audit.entry import Entry, append
from carecircle.care_teams.rows import end_rows, require_open, seat_at, successor
from carecircle.care_teams.rules import default_scope, is_role
from carecircle.care_teams.seating_service import require_allowed
from carecircle.care_teams.tables import CareTeamMember, CareTeamPatient
from carecircle.care_teams.team_service import create_team as create_team
from carecircle.database.facts import supersede
from carecircle.database.session import enter_tenant, one_change, take_turns
from carecircle.directory.policy_service import policy_at, require_known_actions
from carecircle.directory.rules import resting_on
from carecircle.directory.service import AnyId, resolve_patient, resolve_provider
from carecircle.errors import InvalidRequest
from carecircle.identifiers import OrganizationId, new_id, to_text
from carecircle.period import FOREVER, Period, show


async def add_member(
    db: AsyncSession,
    *,
    care_team_id: UUID,
    provider: AnyId,
    member_role: str = "member",
    scope: Sequence[str] | None = None,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
    rests_on: Sequence[str] | None = None,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> CareTeamMember:
    """Seat a provider on a team for a period (now, and open, by default).

    The seat holds only while every credential does that the policy of its start (that of now, where it began before)
    asks of the role, and every one in `rests_on` beside them, each a kind or a code. Raises RulesViolated with every rule
    of the policy that it would break, OverlappingMembership when seated already, CareTeamClosed, CareTeamNotFound,
    ProviderNotRegistered, InvalidRequest for an unusable role or an action that the policy does not know.
    """
    who, role = actor_of(actor), _usable(member_role)
    async with one_change(db):
        tenant = await enter_tenant(db, organization_of(organization))
        provider_id = await resolve_provider(db, tenant, provider)
        now = await take_turns(db, tenant, care_team_id)
        period = Period(starts_at or now, ends_at or FOREVER)
        await require_open(db, tenant, care_team_id, period)
        policy = await policy_at(db, tenant, max(period.starts_at, now))
        rests = resting_on(policy.role_credentials.get(role, ()), rests_on)
        await require_allowed(
            db,
            tenant,
            policy,
            care_team_id=care_team_id,
            provider_id=provider_id,
            role=role,
            period=period,
            needs=rests,
        )
        granted = list(default_scope(role) if scope is None else scope)
        require_known_actions(policy, granted)
        entry = Entry(
            tenant, "change", who, "member-added", provider_id=provider_id,
            detail={"care_team": to_text(care_team_id), "role": role, "starts_at": show(period.starts_at)},
        )  # fmt: skip
        await append(db, entry)
        row_id = new_id()
        seat = CareTeamMember(
            organization_id=tenant, id=row_id, lineage_id=row_id, care_team_id=care_team_id, provider_id=provider_id,
            member_role=role, scope=granted, rests_on=rests, starts_at=period.starts_at, ends_at=period.ends_at,
            recorded_at=now, entry_id=entry.id,
        )  # fmt: skip
        db.add(seat)
        await db.flush()
        return seat


async def change_member(
    db: AsyncSession,
    *,
    care_team_id: UUID,
    provider: AnyId,
    member_role: str | None = None,
    scope: Sequence[str] | None = None,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> CareTeamMember:
    """Give who sits on a team now another role, another scope, or both, from now until the seat ends.

    A new role comes with its own scope, unless one is given, and rests on what the policy asks of it, beside what the
    seat rests on: a change lifts no suspension. What is so already changes nothing; a seat that only begins later is
    left as it is. Raises NotFound when the provider has no seat there now, RulesViolated for a role as when adding a
    member, CareTeamNotFound, CareTeamClosed, InvalidRequest for an unusable role or an action that the policy does not
    know.
    """
    who = actor_of(actor)
    wanted = _usable(member_role) if member_role is not None else None
    async with one_change(db):
        tenant = await enter_tenant(db, organization_of(organization))
        provider_id = await resolve_provider(db, tenant, provider)
        now = await take_turns(db, tenant, care_team_id)
        seat = await seat_at(db, tenant, care_team_id, provider_id, now)
        role = wanted or seat.member_role
        anew = role != seat.member_role
        granted = list(scope if scope is not None else default_scope(role) if anew else seat.scope)
        if not anew and set(granted) == set(seat.scope):
            return seat
        period, rests_on = Period(now, seat.ends_at), seat.rests_on
        await require_open(db, tenant, care_team_id, period)
        policy = await policy_at(db, tenant, now)
        if anew:  # a scope alone takes up no place and no role
            needs = policy.role_credentials.get(role, ())
            await require_allowed(
                db, tenant, policy, care_team_id=care_team_id, provider_id=provider_id, role=role, period=period,
                needs=needs, instead_of=seat.id,
            )  # fmt: skip
            rests_on = resting_on(seat.rests_on, needs)
        if scope is not None:
            require_known_actions(policy, granted)
        entry = Entry(
            tenant, "change", who, "member-changed", provider_id=provider_id,
            detail={
                "care_team": to_text(care_team_id), "role": role, "former_role": seat.member_role,
                "scope": ",".join(granted),
            },
        )  # fmt: skip
        await append(db, entry)
        await supersede(db, seat, entry.id, now)
        if seat.starts_at < now:
            db.add(successor(seat, Period(seat.starts_at, now), now, entry.id))
        changed = successor(seat, period, now, entry.id)
        changed.member_role, changed.scope, changed.rests_on = role, granted, rests_on
        db.add(changed)
        await db.flush()
        return changed


async def end_membership(
    db: AsyncSession,
    *,
    care_team_id: UUID,
    provider: AnyId,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> int:
    """End a provider's seats on a team, now and ahead; how many there were."""
    who = actor_of(actor)
    async with one_change(db):
        tenant = await enter_tenant(db, organization_of(organization))
        provider_id = await resolve_provider(db, tenant, provider)
        entry = Entry(
            tenant, "change", who, "member-removed", provider_id=provider_id,
            detail={"care_team": to_text(care_team_id)},
        )  # fmt: skip
        return await _end(db, CareTeamMember, care_team_id, provider_id, entry)


async def add_patient(
    db: AsyncSession,
    *,
    care_team_id: UUID,
    patient: AnyId,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> CareTeamPatient:
    """Give a team a patient to look after for a period (now, and open, by default).

    Raises PatientAlreadyOnTeam, CareTeamClosed, CareTeamNotFound, PatientNotRegistered.
    """
    who = actor_of(actor)
    async with one_change(db):
        tenant = await enter_tenant(db, organization_of(organization))
        patient_id = await resolve_patient(db, tenant, patient)
        now = await take_turns(db, tenant, care_team_id)
        period = Period(starts_at or now, ends_at or FOREVER)
        await require_open(db, tenant, care_team_id, period)
        entry = Entry(
            tenant, "change", who, "team-patient-added", patient_id=patient_id,
            detail={"care_team": to_text(care_team_id), "starts_at": show(period.starts_at)},
        )  # fmt: skip
        await append(db, entry)
        row_id = new_id()
        row = CareTeamPatient(
            organization_id=tenant, id=row_id, lineage_id=row_id, care_team_id=care_team_id, patient_id=patient_id,
            starts_at=period.starts_at, ends_at=period.ends_at, recorded_at=now, entry_id=entry.id,
        )  # fmt: skip
        db.add(row)
        await db.flush()
        return row


async def end_patient(
    db: AsyncSession,
    *,
    care_team_id: UUID,
    patient: AnyId,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> int:
    """Let a team look after a patient no longer, now and ahead; how many periods there were."""
    who = actor_of(actor)
    async with one_change(db):
        tenant = await enter_tenant(db, organization_of(organization))
        patient_id = await resolve_patient(db, tenant, patient)
        entry = Entry(
            tenant, "change", who, "team-patient-removed", patient_id=patient_id,
            detail={"care_team": to_text(care_team_id)},
        )  # fmt: skip
        return await _end(db, CareTeamPatient, care_team_id, patient_id, entry)


async def _end(
    db: AsyncSession, table: type[CareTeamMember | CareTeamPatient], care_team_id: UUID, who: UUID, entry: Entry
) -> int:
    tenant = OrganizationId(entry.organization_id)
    now = await take_turns(db, tenant, care_team_id)
    ended = await end_rows(db, table, tenant, care_team_id, at=now, now=now, entry_id=entry.id, who=who)
    if ended:
        await append(db, replace(entry, detail={**entry.detail, "ended": ended}))
    return ended


def _usable(role: str) -> str:
    if not is_role(role):
        raise InvalidRequest(
            "A role on a care team is written as up to 32 small letters, digits and hyphens, beginning with a letter."
        )
    return role
