"""Making care teams, seating members on them and giving them patients. Changes join the caller's session."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.actor import Actor, actor_of, organization_of
from carecircle.audit.entry import Entry, append
from carecircle.care_teams.rules import default_scope
from carecircle.care_teams.tables import CareTeam, CareTeamMember, CareTeamPatient
from carecircle.database.facts import supersede
from carecircle.database.session import enter_tenant, instant, one_change
from carecircle.directory.service import AnyId, resolve_patient, resolve_provider
from carecircle.errors import CareTeamNotFound
from carecircle.identifiers import CareTeamId, OrganizationId, new_id, to_text
from carecircle.period import FOREVER, Period, show


async def create_team(
    db: AsyncSession,
    *,
    name: str,
    team_type: str = "primary",
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> CareTeamId:
    """A new team without patients or members. Raises InvalidRequest for an unknown type."""
    who = actor_of(actor)
    async with one_change(db):
        tenant = await enter_tenant(db, organization_of(organization))
        team_id = CareTeamId(new_id())
        db.add(CareTeam(organization_id=tenant, id=team_id, name=name, team_type=team_type, value=to_text(team_id)))
        await append(db, Entry(tenant, "change", who, "care-team-created", detail={"care_team": to_text(team_id)}))
        await db.flush()
        return team_id


async def add_member(
    db: AsyncSession,
    *,
    care_team_id: UUID,
    provider: AnyId,
    member_role: str = "member",
    scope: Sequence[str] | None = None,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> CareTeamMember:
    """Seat a provider on a team. Raises OverlappingMembership when seated already, CareTeamNotFound, ProviderNotRegistered."""
    who = actor_of(actor)
    async with one_change(db):
        tenant = await enter_tenant(db, organization_of(organization))
        await _require(db, tenant, care_team_id)
        provider_id = await resolve_provider(db, tenant, provider)
        now = await instant(db)
        period = Period(starts_at or now, ends_at or FOREVER)
        entry = Entry(
            tenant, "change", who, "member-added", provider_id=provider_id,
            detail={"care_team": to_text(care_team_id), "role": member_role, "starts_at": show(period.starts_at)},
        )  # fmt: skip
        await append(db, entry)
        row_id = new_id()
        seat = CareTeamMember(
            organization_id=tenant, id=row_id, lineage_id=row_id, care_team_id=care_team_id, provider_id=provider_id,
            member_role=member_role, scope=list(scope if scope is not None else default_scope(member_role)),
            starts_at=period.starts_at, ends_at=period.ends_at, recorded_at=now, entry_id=entry.id,
        )  # fmt: skip
        db.add(seat)
        await db.flush()
        return seat


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
    """Give a team a patient to look after. Raises PatientAlreadyOnTeam, CareTeamNotFound, PatientNotRegistered."""
    who = actor_of(actor)
    async with one_change(db):
        tenant = await enter_tenant(db, organization_of(organization))
        await _require(db, tenant, care_team_id)
        patient_id = await resolve_patient(db, tenant, patient)
        now = await instant(db)
        period = Period(starts_at or now, ends_at or FOREVER)
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
        now = await instant(db)
        seats = list(
            await db.scalars(
                select(CareTeamMember).where(
                    CareTeamMember.organization_id == tenant,
                    CareTeamMember.care_team_id == care_team_id,
                    CareTeamMember.provider_id == provider_id,
                    CareTeamMember.superseded_at == FOREVER,
                    CareTeamMember.ends_at > now,
                )
            )
        )
        if not seats:
            return 0
        entry = Entry(
            tenant, "change", who, "member-removed", provider_id=provider_id,
            detail={"care_team": to_text(care_team_id), "ended": len(seats)},
        )  # fmt: skip
        await append(db, entry)
        for seat in seats:
            await supersede(db, seat, entry.id, now)
            if seat.starts_at < now:
                db.add(
                    CareTeamMember(
                        organization_id=tenant,
                        id=new_id(),
                        lineage_id=seat.lineage_id,
                        care_team_id=care_team_id,
                        provider_id=provider_id,
                        member_role=seat.member_role,
                        scope=seat.scope,
                        starts_at=seat.starts_at,
                        ends_at=now,
                        recorded_at=now,
                        entry_id=entry.id,
                    )
                )
        await db.flush()
        return len(seats)


async def _require(db: AsyncSession, tenant: OrganizationId, care_team_id: UUID) -> None:
    found = await db.scalar(select(CareTeam.id).where(CareTeam.organization_id == tenant, CareTeam.id == care_team_id))
    if found is None:
        raise CareTeamNotFound
