"""How receivers and patients stand at an instant: credentials, suspensions, objections, who referred, teams."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.care_teams.tables import CareTeamMember, CareTeamPatient
from carecircle.directory.tables import ProviderCredential
from carecircle.identifiers import OrganizationId
from carecircle.referrals.tables import Referral
from carecircle.restrictions.tables import AccessRestriction
from carecircle.staffing.turnover_service import BELIEVED


@dataclass(frozen=True, slots=True)
class Restricted:
    """Who is suspended, and which providers each patient objects to."""

    suspended: set[UUID]
    objected: Mapping[UUID, set[UUID]]


@dataclass(frozen=True, slots=True)
class Credentials:
    """Names (kinds and codes) each provider holds at the instant, and at any time; which codes are specialties."""

    held: Mapping[UUID, set[str]]
    ever: Mapping[UUID, set[str]]
    specialties: set[str]


async def restrictions_on(db: AsyncSession, tenant: UUID, providers: Collection[UUID], at: datetime) -> Restricted:
    """Suspensions of these providers and objections to them that hold at an instant, or will after it."""
    rows = await db.execute(
        select(AccessRestriction.provider_id, AccessRestriction.patient_id).where(
            AccessRestriction.organization_id == tenant,
            AccessRestriction.provider_id.in_(providers),
            AccessRestriction.superseded_at == BELIEVED,
            AccessRestriction.starts_at < AccessRestriction.ends_at,
            AccessRestriction.ends_at > at,
        )
    )
    suspended: set[UUID] = set()
    objected: dict[UUID, set[UUID]] = defaultdict(set)
    for provider_id, patient_id in rows:
        if patient_id is None:
            suspended.add(provider_id)
        else:
            objected[patient_id].add(provider_id)
    return Restricted(suspended, objected)


async def credentials_of(db: AsyncSession, tenant: UUID, providers: Collection[UUID], at: datetime) -> Credentials:
    """Credentials of these providers; held at the instant, or ever."""
    held: dict[UUID, set[str]] = defaultdict(set)
    ever: dict[UUID, set[str]] = defaultdict(set)
    specialties: set[str] = set()
    rows = await db.scalars(
        select(ProviderCredential).where(
            ProviderCredential.organization_id == tenant,
            ProviderCredential.provider_id.in_(providers),
            ProviderCredential.superseded_at == BELIEVED,
            ProviderCredential.starts_at < ProviderCredential.ends_at,
        )
    )
    for row in rows:
        ever[row.provider_id] |= {row.kind, row.code}
        if row.starts_at <= at < row.ends_at:
            held[row.provider_id] |= {row.kind, row.code}
        if row.kind == "specialty":
            specialties.add(row.code)
    return Credentials(held, ever, specialties)


async def referrers(db: AsyncSession, tenant: UUID, referrals: Collection[UUID]) -> dict[UUID, set[UUID]]:
    """Who referred each patient: nobody is sent the patient they sent."""
    found: dict[UUID, set[UUID]] = defaultdict(set)
    rows = await db.execute(
        select(Referral.patient_id, Referral.referring_provider_id).where(
            Referral.organization_id == tenant, Referral.id.in_(referrals)
        )
    )
    for patient_id, provider_id in rows:
        found[patient_id].add(provider_id)
    return found


async def seated(
    db: AsyncSession, tenant: OrganizationId, providers: list[UUID], at: datetime
) -> set[tuple[UUID, UUID]]:
    """On which teams (team, provider) these providers sit at an instant, or will after it."""
    rows = await db.execute(
        select(CareTeamMember.care_team_id, CareTeamMember.provider_id).where(
            CareTeamMember.organization_id == tenant,
            CareTeamMember.provider_id.in_(providers),
            CareTeamMember.superseded_at == BELIEVED,
            CareTeamMember.starts_at < CareTeamMember.ends_at,
            CareTeamMember.ends_at > at,
        )
    )
    return {(row[0], row[1]) for row in rows}


async def looked_after(
    db: AsyncSession, tenant: OrganizationId, teams: set[UUID], at: datetime
) -> dict[UUID, set[UUID]]:
    """The patients of each team at an instant."""
    found: dict[UUID, set[UUID]] = defaultdict(set)
    rows = await db.execute(
        select(CareTeamPatient.care_team_id, CareTeamPatient.patient_id).where(
            CareTeamPatient.organization_id == tenant,
            CareTeamPatient.care_team_id.in_(teams),
            CareTeamPatient.superseded_at == BELIEVED,
            CareTeamPatient.starts_at < CareTeamPatient.ends_at,
            CareTeamPatient.starts_at <= at,
            CareTeamPatient.ends_at > at,
        )
    )
    for team, patient_id in rows:
        found[team].add(patient_id)
    return found
