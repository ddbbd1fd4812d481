"""Loading what the rules of assignments, referrals and care teams ask about many people: one query per kind of fact."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Executable, TextClause, text
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.actor import organization_of
from carecircle.care_teams.rules import Seat
from carecircle.database.constraints import translated
from carecircle.database.crypto import keyring
from carecircle.database.instants import Instant
from carecircle.database.session import enter_tenant, instant
from carecircle.directory.following_service import survivors_of
from carecircle.directory.policy_service import policy_at
from carecircle.directory.rules import HeldCredential
from carecircle.directory.service import AnyId
from carecircle.identifiers import Identifier, OrganizationId, Reference, parse_reference
from carecircle.period import usable
from carecircle.referrals.rules import Referred
from carecircle.staffing.situation import PrimaryTurn, Situation

Known = dict[Reference, UUID | None]


async def load_situation(
    db: AsyncSession,
    *,
    patients: Iterable[AnyId] = (),
    providers: Iterable[AnyId] = (),
    teams: Iterable[AnyId] = (),
    as_of: datetime | None = None,
    organization: UUID | str | None = None,
) -> Situation:
    """Everything the rules ask about these patients, providers and care teams at an instant, now by default, and after it.

    Whoever is not registered is loaded as such. Raises InvalidIdentifier for an id that cannot be read.
    """
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        at = usable(as_of) if as_of is not None else await instant(db)
        patient_of = await _patients(db, tenant, patients)
        provider_of = await _with_value(db, tenant, _PROVIDERS, _PROVIDERS_BY_VALUE, providers)
        team_of = await _with_value(db, tenant, _TEAMS, _TEAMS_BY_VALUE, teams)
        asked = {
            "tenant": tenant,
            "at": at,
            "patients": _ids(patient_of),
            "providers": _ids(provider_of),
            "teams": _ids(team_of),
        }

        async def rows(query: Executable) -> list[tuple[Any, ...]]:
            return [tuple(row) for row in await db.execute(query, asked)]

        restricted = await rows(_RESTRICTIONS)
        return Situation(
            at=at,
            policy=await policy_at(db, tenant, at),
            patients=patient_of,
            providers=provider_of,
            teams=team_of,
            credentials=_by_first((one, HeldCredential(*said)) for one, *said in await rows(_CREDENTIALS)),
            suspended=frozenset(provider for kind, provider, _ in restricted if kind == "suspension"),
            objections=frozenset((patient, provider) for kind, provider, patient in restricted if kind == "objection"),
            primaries=_by_first((one, PrimaryTurn(*said)) for one, *said in await rows(_PRIMARIES)),
            referrals=_by_first((one, Referred(*said)) for one, *said in await rows(_REFERRALS)),
            seats_on=_by_first((team, Seat(*said)) for team, *said in await rows(_SEATS_ON)),
            seats_of=_by_first((said[0], Seat(*said)) for _, *said in await rows(_SEATS_OF)),
            closed=frozenset(team for (team,) in await rows(_CLOSED)),
        )


def _ids(known: Known) -> list[UUID]:
    return sorted({one for one in known.values() if one is not None})


def _by_first(pairs: Iterable[tuple[UUID, Any]]) -> Mapping[UUID, Any]:
    found: dict[UUID, list[Any]] = defaultdict(list)
    for owner, fact in pairs:
        found[owner].append(fact)
    return found


async def _registered(db: AsyncSession, tenant: OrganizationId, query: TextClause, known: Known) -> Known:
    """The same, with None for ids that are nobody's; every id found may be asked about as itself."""
    ids = set(await db.scalars(query, {"tenant": tenant, "ids": _ids(known)}))
    seen = {reference: one if one in ids else None for reference, one in known.items()}
    return {**{one: one for one in ids}, **seen}


async def _with_value(
    db: AsyncSession, tenant: OrganizationId, by_id: TextClause, by_value: TextClause, given: Iterable[AnyId]
) -> Known:
    """Whose each reference is, by id or by (system, value)."""
    references = [parse_reference(one) for one in given]
    named = [one for one in references if isinstance(one, Identifier)]
    owners: dict[tuple[str, str], UUID] = {}
    if named:
        asked = {"tenant": tenant, "systems": [one.system for one in named], "values": [one.value for one in named]}
        owners = {(row.system, row.value): row.id for row in await db.execute(by_value, asked)}
    known: Known = {
        one: owners.get((one.system, one.value)) if isinstance(one, Identifier) else one for one in references
    }
    return await _registered(db, tenant, by_id, known)


async def _patients(db: AsyncSession, tenant: OrganizationId, given: Iterable[AnyId]) -> Known:
    """Who each reference stands for: where records were merged, for who the patient is now."""
    references = [parse_reference(one) for one in given]
    known: Known = {one: one if isinstance(one, UUID) else None for one in references}
    named = [one for one in references if isinstance(one, Identifier)]
    if named:
        ring = keyring()
        index = {ring.blind_index(one, tenant): one for one in named}
        found = await db.execute(_PATIENTS_BY_INDEX, {"tenant": tenant, "indexes": list(index)})
        known |= {index[row.blind_index]: row.patient_id for row in found}
    survivors = await survivors_of(db, tenant, _ids(known))
    return await _registered(
        db, tenant, _PATIENTS, {reference: survivors[one] if one else None for reference, one in known.items()}
    )


_PATIENTS = text("select id from carecircle.patients where organization_id = :tenant and id = any(:ids)")
_PROVIDERS = text("select id from carecircle.providers where organization_id = :tenant and id = any(:ids)")
_TEAMS = text("select id from carecircle.care_teams where organization_id = :tenant and id = any(:ids)")
_PATIENTS_BY_INDEX = text("""
    select blind_index, patient_id from carecircle.patient_identifiers
    where organization_id = :tenant and blind_index = any(:indexes)""")
_PROVIDERS_BY_VALUE = text("""
    select system, value, provider_id as id from carecircle.provider_identifiers
    join unnest(cast(:systems as text[]), cast(:values as text[])) as given (system, value) using (system, value)
    where organization_id = :tenant""")
_TEAMS_BY_VALUE = text("""
    select system, value, id from carecircle.care_teams
    join unnest(cast(:systems as text[]), cast(:values as text[])) as given (system, value) using (system, value)
    where organization_id = :tenant""")


def _facts(sql: str) -> Executable:
    return text(sql).columns(starts_at=Instant(), ends_at=Instant())


# Lapsed ones too: who never had a licence is asked for none, who had one must still have one.
_CREDENTIALS = _facts("""
    select provider_id, kind, code, starts_at, ends_at from carecircle.provider_credentials
    where organization_id = :tenant and provider_id = any(:providers) and superseded_at = 'infinity'""")
_RESTRICTIONS = text("""
    select kind, provider_id, patient_id from carecircle.access_restrictions
    where organization_id = :tenant and provider_id = any(:providers)
      and (patient_id is null or patient_id = any(:patients))
      and superseded_at = 'infinity' and starts_at <= :at and ends_at > :at""")
_PRIMARIES = _facts("""
    select patient_id, provider_id, starts_at, ends_at from carecircle.patient_assignments
    where organization_id = :tenant and patient_id = any(:patients) and is_primary_provider
      and superseded_at = 'infinity' and ends_at > :at""")
# A redirected referral has several rows: whether it came from the primary is asked of when the first of them began.
_REFERRALS = _facts("""
    select r.patient_id, r.lineage_id, r.referring_provider_id, a.provider_id, r.provider_id, r.specialty_code,
           r.starts_at, r.ends_at
    from carecircle.referrals r
    cross join lateral (
      select min(f.starts_at) as began from carecircle.referrals f
      where f.organization_id = r.organization_id and f.lineage_id = r.lineage_id and f.superseded_at = 'infinity') f
    left join carecircle.patient_assignments a
      on a.organization_id = r.organization_id and a.patient_id = r.patient_id and a.is_primary_provider
     and a.superseded_at = 'infinity' and a.starts_at <= f.began and a.ends_at > f.began
    where r.organization_id = :tenant and r.patient_id = any(:patients)
      and r.superseded_at = 'infinity' and r.starts_at <= :at and r.ends_at > :at""")
_SEATS_ON = _facts("""
    select care_team_id, provider_id, member_role, starts_at, ends_at from carecircle.care_team_members
    where organization_id = :tenant and care_team_id = any(:teams)
      and superseded_at = 'infinity' and ends_at > :at and starts_at < ends_at""")
_SEATS_OF = _facts("""
    select care_team_id, provider_id, member_role, starts_at, ends_at from carecircle.care_team_members
    where organization_id = :tenant and provider_id = any(:providers)
      and superseded_at = 'infinity' and ends_at > :at and starts_at < ends_at""")
_CLOSED = text("""
    select care_team_id from carecircle.care_team_closures
    where organization_id = :tenant and care_team_id = any(:teams) and superseded_at = 'infinity' and ends_at > :at""")
