"""Whom a report is about and who is named in it: the patient with their merged records, the people, their roles and teams."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.actor import organization_of
from carecircle.care_teams.tables import CareTeam, CareTeamMember
from carecircle.database.crypto import keyring
from carecircle.database.session import enter_tenant
from carecircle.directory import resolve_patient
from carecircle.directory.service import AnyId, is_registered, names_of
from carecircle.directory.tables import Organization, Patient, ProviderRole, Specialty, Unit
from carecircle.errors import InvalidIdentifier, InvalidPeriod, KeyUnavailable, PatientNotRegistered
from carecircle.identifiers import OrganizationId, parse_id
from carecircle.period import FOREVER, Period

# Entries stay under the number somebody asked about: a patient's old records are theirs too.
_SAME_PATIENT = text("""
    with recursive same (id) as (
      select cast(:patient as uuid)
      union
      select m.patient_id from same join carecircle.patient_merges m
        on m.organization_id = :tenant and m.into_patient_id = same.id and m.superseded_at = 'infinity'
       and m.starts_at <= statement_timestamp() and m.ends_at > statement_timestamp())
    select id from same""")


@dataclass(frozen=True, slots=True)
class Subject:
    """The patient a report is about: who they are now, every record that is theirs, their name where one is kept."""

    tenant: OrganizationId
    organization: str
    patient_id: UUID
    records: tuple[UUID, ...]
    name: str | None


@dataclass(frozen=True, slots=True)
class People:
    """The names of providers, their roles in a period, and the teams of seats; only of what is known."""

    names: dict[UUID, str]
    roles: dict[UUID, tuple[str, ...]]
    teams: dict[UUID, str]


async def subject(db: AsyncSession, patient: AnyId, organization: UUID | str | None) -> Subject:
    """Raises PatientNotRegistered, InvalidIdentifier, OrganizationRequired."""
    tenant = await enter_tenant(db, organization_of(organization))
    own = await resolve_patient(db, tenant, patient)
    if not await is_registered(db, tenant, "patient", own):
        raise PatientNotRegistered
    records = await db.scalars(_SAME_PATIENT, {"tenant": tenant, "patient": own})
    name = await _name(db, tenant, own)
    house = await db.scalar(select(Organization.name).where(Organization.id == tenant)) or ""
    return Subject(tenant, house, own, tuple(UUID(bytes=one.bytes) for one in records), name)


async def _name(db: AsyncSession, tenant: UUID, patient_id: UUID) -> str | None:
    """The patient's name; None where none is kept, or its key is gone: a report without the name is one all the same."""
    sealed = await db.scalar(
        select(Patient.demographics).where(Patient.organization_id == tenant, Patient.id == patient_id)
    )
    if sealed is None:
        return None
    try:
        told = json.loads(keyring().unseal(sealed, tenant, "patients", "demographics", patient_id))
    except KeyUnavailable:
        return None
    name = told.get("name")
    return name if isinstance(name, str) else None


async def people(
    db: AsyncSession, tenant: UUID, period: Period, providers: Collection[UUID], seats: Collection[UUID]
) -> People:
    """Those of these providers and seats (care_team_members) who are known here; roles are those of the period."""
    names = await names_of(db, tenant, providers)
    held = await db.execute(
        select(ProviderRole.provider_id, ProviderRole.role_code, Specialty.display, Unit.name)
        .outerjoin(Unit, (Unit.organization_id == tenant) & (Unit.id == ProviderRole.unit_id))
        .outerjoin(Specialty, (Specialty.organization_id == tenant) & (Specialty.code == ProviderRole.specialty_code))
        .where(
            ProviderRole.organization_id == tenant,
            ProviderRole.provider_id.in_(providers),
            ProviderRole.superseded_at == FOREVER,
            ProviderRole.starts_at < period.ends_at,
            ProviderRole.ends_at > period.starts_at,
        )
        .order_by(ProviderRole.starts_at, ProviderRole.id)
    )
    roles: dict[UUID, dict[str, None]] = {}
    for provider, role, specialty, unit in held:
        told = ", ".join(one for one in (specialty or role.replace("_", " ").replace("-", " "), unit) if one)
        roles.setdefault(provider, {})[told] = None
    sitting = await db.execute(
        select(CareTeamMember.id, CareTeam.name)
        .join(
            CareTeam,
            (CareTeam.organization_id == CareTeamMember.organization_id) & (CareTeam.id == CareTeamMember.care_team_id),
        )
        .where(CareTeamMember.organization_id == tenant, CareTeamMember.id.in_(seats))
    )
    return People(
        names, {who: tuple(held) for who, held in roles.items()}, {seat: name for seat, name in sitting if name}
    )


def provider_of(actor: str) -> UUID | None:
    """The provider an actor's name stands for, where it is one's."""
    kind, _, own = actor.partition(":")
    try:
        return parse_id(own) if kind == "provider" else None
    except InvalidIdentifier:
        return None


def actor_in_words(actor: str) -> str:
    """Somebody who is no provider here, as people read it."""
    kind, _, own = actor.partition(":")
    match kind if own else "":
        case "operator":
            return f"{own} (administration)"
        case "service":
            return f"the program {own}"
        case "provider":
            return "a provider who is not known here"
        case _:
            return actor


def years_before(instant: datetime, years: int) -> datetime:
    """The same day so many years earlier; of 29 February the 28th."""
    try:
        return instant.replace(year=instant.year - years)
    except ValueError:
        return instant.replace(year=instant.year - years, day=28)


def span(since: datetime | None, until: datetime | None, now: datetime, years: int, *, at_most: bool) -> Period:
    """The period asked about: by default until now, and so many years. Raises InvalidPeriod, and for more than `at_most` allows."""
    ends = min(until or now, now)
    earliest = years_before(now, years)
    begins = since or years_before(ends, years)
    if at_most and begins < earliest:
        if since is not None:
            raise InvalidPeriod(f"It goes back {years} years at most; ask from a later day on.")
        begins = min(earliest, ends)
    return Period(begins, ends)
