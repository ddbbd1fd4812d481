"""Care teams as doors show them: who is on them at an instant, and the patients of one, page by page."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.actor import organization_of
from carecircle.care_teams.rows import BELIEVED, require_team
from carecircle.care_teams.tables import CareTeam, CareTeamClosure, CareTeamMember, CareTeamPatient
from carecircle.database.constraints import translated
from carecircle.database.session import enter_tenant, instant
from carecircle.errors import CareTeamNotFound
from carecircle.identifiers import CareTeamId, OrganizationId, PatientId, ProviderId
from carecircle.period import usable


@dataclass(frozen=True, slots=True)
class Member:
    """A seat on a team; it holds only while every credential in `rests_on` does. Instants are aware."""

    provider_id: ProviderId
    role: str
    scope: tuple[str, ...]
    rests_on: tuple[str, ...]
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class TeamPatient:
    """A patient whom a team looks after, and from when until when."""

    patient_id: PatientId
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Team:
    """A team at an instant: who is on it, how many patients it has, and since when it is closed, where it is."""

    id: CareTeamId
    name: str
    team_type: str
    closed_since: datetime | None
    members: tuple[Member, ...]
    patients: int


async def team_of(
    db: AsyncSession, *, care_team_id: UUID, as_of: datetime | None = None, organization: UUID | str | None = None
) -> Team:
    """One team at `as_of` (now, by default), as we believe now. Raises CareTeamNotFound."""
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        found = await _teams(db, tenant, as_of, care_team_id)
    if not found:
        raise CareTeamNotFound
    return found[0]


async def teams(
    db: AsyncSession, *, as_of: datetime | None = None, organization: UUID | str | None = None
) -> list[Team]:
    """Every team of the organization at `as_of` (now, by default), closed ones too, by name."""
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        return await _teams(db, tenant, as_of, None)


async def patients_of(
    db: AsyncSession,
    *,
    care_team_id: UUID,
    limit: int = 100,
    after: UUID | None = None,
    as_of: datetime | None = None,
    organization: UUID | str | None = None,
) -> list[TeamPatient]:
    """The first `limit` patients whom a team looks after at `as_of` (now, by default), by id, beyond the id `after`.

    Raises CareTeamNotFound.
    """
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        await require_team(db, tenant, care_team_id)
        at = await _at(db, as_of)
        query = select(CareTeamPatient.patient_id, CareTeamPatient.starts_at, CareTeamPatient.ends_at).where(
            CareTeamPatient.organization_id == tenant,
            CareTeamPatient.care_team_id == care_team_id,
            CareTeamPatient.superseded_at == BELIEVED,
            CareTeamPatient.starts_at <= at,
            CareTeamPatient.ends_at > at,
            CareTeamPatient.starts_at < CareTeamPatient.ends_at,
        )
        if after is not None:
            query = query.where(CareTeamPatient.patient_id > after)
        found = await db.execute(query.order_by(CareTeamPatient.patient_id).limit(limit))
        return [TeamPatient(PatientId(row.patient_id), row.starts_at, row.ends_at) for row in found]


async def _at(db: AsyncSession, as_of: datetime | None) -> datetime:
    return usable(as_of) if as_of is not None else await instant(db)


async def _teams(db: AsyncSession, tenant: OrganizationId, as_of: datetime | None, only: UUID | None) -> list[Team]:
    at = await _at(db, as_of)
    query = select(CareTeam.id, CareTeam.name, CareTeam.team_type).where(CareTeam.organization_id == tenant)
    if only is not None:
        query = query.where(CareTeam.id == only)
    known = (await db.execute(query.order_by(CareTeam.name, CareTeam.id))).all()
    closed = await _closed_since(db, tenant, at, only)
    members = await _members(db, tenant, at, only)
    patients = await _patients(db, tenant, at, only)
    return [
        Team(
            CareTeamId(team.id), team.name, team.team_type, closed.get(team.id), tuple(members[team.id]),
            patients.get(team.id, 0),
        )
        for team in known
    ]  # fmt: skip


async def _closed_since(
    db: AsyncSession, tenant: OrganizationId, at: datetime, only: UUID | None
) -> dict[UUID, datetime]:
    query = select(CareTeamClosure.care_team_id, CareTeamClosure.starts_at).where(
        CareTeamClosure.organization_id == tenant,
        CareTeamClosure.superseded_at == BELIEVED,
        CareTeamClosure.starts_at <= at,
        CareTeamClosure.ends_at > at,
    )
    if only is not None:
        query = query.where(CareTeamClosure.care_team_id == only)
    return {row.care_team_id: row.starts_at for row in await db.execute(query)}


async def _members(
    db: AsyncSession, tenant: OrganizationId, at: datetime, only: UUID | None
) -> dict[UUID, list[Member]]:
    query = select(CareTeamMember).where(
        CareTeamMember.organization_id == tenant,
        CareTeamMember.superseded_at == BELIEVED,
        CareTeamMember.starts_at <= at,
        CareTeamMember.ends_at > at,
    )
    if only is not None:
        query = query.where(CareTeamMember.care_team_id == only)
    found: dict[UUID, list[Member]] = defaultdict(list)
    for seat in await db.scalars(query.order_by(CareTeamMember.starts_at, CareTeamMember.provider_id)):
        found[seat.care_team_id].append(
            Member(
                ProviderId(seat.provider_id), seat.member_role, tuple(seat.scope), tuple(seat.rests_on), seat.starts_at,
                seat.ends_at,
            )
        )  # fmt: skip
    return found


async def _patients(db: AsyncSession, tenant: OrganizationId, at: datetime, only: UUID | None) -> dict[UUID, int]:
    query = (
        select(CareTeamPatient.care_team_id, func.count().label("patients"))
        .where(
            CareTeamPatient.organization_id == tenant,
            CareTeamPatient.superseded_at == BELIEVED,
            CareTeamPatient.starts_at <= at,
            CareTeamPatient.ends_at > at,
            CareTeamPatient.starts_at < CareTeamPatient.ends_at,
        )
        .group_by(CareTeamPatient.care_team_id)
    )
    if only is not None:
        query = query.where(CareTeamPatient.care_team_id == only)
    return {row.care_team_id: row.patients for row in await db.execute(query)}
