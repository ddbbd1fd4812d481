"""The room's rows: checking, inserting and ending arrangements. What they mean is said in the services."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast
from uuid import UUID

from sqlalchemy import ARRAY, Select, Uuid, any_, bindparam, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.elements import CollectionAggregate

from carecircle.actor import Actor
from carecircle.audit.entry import Entry, append
from carecircle.coverage.rules import COVERAGE_TYPES, DEFAULT_SCOPE, Cover, CoverageType, covering_violations
from carecircle.coverage.tables import CoverageArrangement
from carecircle.database.constraints import translate
from carecircle.database.instants import Instant
from carecircle.database.session import instant, take_turns
from carecircle.directory.policy_service import policy_of, require_known_actions
from carecircle.directory.rules import HeldCredential, lacking
from carecircle.directory.tables import PolicyVersion, Provider, ProviderCredential
from carecircle.errors import InvalidPeriod, InvalidRequest, ProviderNotRegistered, RulesViolated, Violation
from carecircle.identifiers import OrganizationId, new_id, to_text
from carecircle.period import FOREVER, Period, show, usable
from carecircle.policy import Policy


@dataclass(frozen=True, slots=True)
class Duty:
    """Who covers and while they are on duty; with a patient, only for that one."""

    covering_id: UUID
    period: Period
    patient_id: UUID | None = None


async def record_arrangement(
    db: AsyncSession,
    tenant: OrganizationId,
    who: Actor,
    *,
    covered_id: UUID,
    duties: Sequence[Duty],
    coverage_type: CoverageType,
    care_team_id: UUID | None,
    scope: Sequence[str] | None,
) -> list[CoverageArrangement]:
    """Insert the rows of one new arrangement, in the order of its duties, under one entry.

    Each duty goes by the policy that holds when it begins: its grace, what it rests on, and the actions it knows.
    Raises InvalidPeriod for a duty that is over or never ends, InvalidRequest for an unknown type or action, RulesViolated
    for somebody who may not cover, and what the constraints refuse when it is flushed.
    """
    if coverage_type not in COVERAGE_TYPES:
        raise InvalidRequest(f"Unknown type of coverage; known are {', '.join(COVERAGE_TYPES)}.")
    await take_turns(db, tenant, covered_id)
    now = await instant(db)
    for duty in duties:
        usable(duty.period.starts_at)
        usable(duty.period.ends_at)
        if duty.period.ends_at <= now:
            raise InvalidPeriod(f"This coverage ended {show(duty.period.ends_at)}; it must end later than now.")
    policies = await _policies(db, tenant, {max(now, duty.period.starts_at) for duty in duties})
    granted = list(dict.fromkeys(DEFAULT_SCOPE[coverage_type] if scope is None else scope))
    for policy in policies.values():
        require_known_actions(policy, granted)
    await _require_fit(db, tenant, policies, duties, now)

    arrangement_id = new_id()
    covering = list(dict.fromkeys(duty.covering_id for duty in duties))
    only_patient = _only_patient(duties)
    entry = Entry(
        tenant, "change", who, "coverage-arranged",
        provider_id=covering[0] if len(covering) == 1 else None,
        patient_id=only_patient,
        detail={
            "arrangement": to_text(arrangement_id), "covered": to_text(covered_id), "type": coverage_type,
            "care_team": to_text(care_team_id) if care_team_id else None, "rows": len(duties),
            "starts_at": show(min(duty.period.starts_at for duty in duties)),
            "ends_at": show(max(duty.period.ends_at for duty in duties)),
        },
    )  # fmt: skip
    await append(db, entry)
    rows = []
    for duty in duties:
        policy = policies[max(now, duty.period.starts_at)]
        grace = timedelta(minutes=policy.coverage_grace_minutes)
        row_id = new_id()
        row = CoverageArrangement(
            organization_id=tenant, id=row_id, lineage_id=row_id, arrangement_id=arrangement_id,
            covered_provider_id=covered_id, covering_provider_id=duty.covering_id, coverage_type=coverage_type,
            care_team_id=care_team_id, patient_id=duty.patient_id, scope=granted,
            rests_on=list(policy.coverage_credentials), starts_at=duty.period.starts_at,
            duty_ends_at=duty.period.ends_at, ends_at=duty.period.ends_at + grace, recorded_at=now, entry_id=entry.id,
        )  # fmt: skip
        rows.append(row)
    db.add_all(rows)
    try:
        await db.flush()
    except SQLAlchemyError as error:
        refused = translate(error)
        refused.facts = {**refused.facts, "patient_id": only_patient, "provider_id": entry.provider_id}
        raise refused from None
    return rows


def believed(tenant: OrganizationId) -> Select[CoverageArrangement]:
    """The arrangements that are believed now, as they are in the database and not as the session remembers them."""
    return (
        select(CoverageArrangement)
        .where(CoverageArrangement.organization_id == tenant, CoverageArrangement.superseded_at == FOREVER)
        .order_by(CoverageArrangement.starts_at, CoverageArrangement.id)
        .execution_options(populate_existing=True)
    )


def successor(row: CoverageArrangement, at: datetime, now: datetime, entry_id: UUID) -> CoverageArrangement:
    """What a row that has begun was until `at`: neither duty nor access lasts longer."""
    return CoverageArrangement(
        organization_id=row.organization_id, id=new_id(), lineage_id=row.lineage_id, arrangement_id=row.arrangement_id,
        covered_provider_id=row.covered_provider_id, covering_provider_id=row.covering_provider_id,
        coverage_type=row.coverage_type, care_team_id=row.care_team_id, patient_id=row.patient_id, scope=row.scope,
        rests_on=row.rests_on, starts_at=row.starts_at, duty_ends_at=min(row.duty_ends_at, at), ends_at=at,
        recorded_at=now, entry_id=entry_id,
    )  # fmt: skip


def as_cover(row: CoverageArrangement) -> Cover:
    return Cover(
        row.id, row.arrangement_id, row.covered_provider_id, row.covering_provider_id,
        cast("CoverageType", row.coverage_type), row.care_team_id, row.patient_id, Period(row.starts_at, row.duty_ends_at),
    )  # fmt: skip


async def _require_fit(
    db: AsyncSession, tenant: OrganizationId, policies: Mapping[datetime, Policy], duties: Sequence[Duty], now: datetime
) -> None:
    """Raises ProviderNotRegistered, or RulesViolated with everything that keeps these providers from covering."""
    providers = {duty.covering_id for duty in duties}
    registered = select(Provider.id).where(Provider.organization_id == tenant, Provider.id == _any(providers))
    if providers - set(await db.scalars(registered)):
        raise ProviderNotRegistered(patient_id=_only_patient(duties))
    needed = any(policy.coverage_credentials for policy in policies.values())
    held = await _credentials(db, tenant, providers) if needed else {}
    suspended_in = await suspensions(db, tenant, providers, now)
    violations: dict[Violation, None] = {}
    for duty in duties:
        at, who = max(now, duty.period.starts_at), duty.covering_id
        missing = lacking(policies[at].coverage_credentials, held.get(who, ()), at)
        suspended = any(at in period for period in suspended_in.get(who, ()))
        violations |= dict.fromkeys(covering_violations(who, missing, suspended, at))
    if violations:
        provider_id = providers.pop() if len(providers) == 1 else None
        raise RulesViolated([*violations], provider_id=provider_id, patient_id=_only_patient(duties))


async def _policies(db: AsyncSession, tenant: OrganizationId, instants: set[datetime]) -> dict[datetime, Policy]:
    """The policy that holds at each of these instants, as we believe now; one query, however many there are."""
    found = await db.scalars(
        select(PolicyVersion).where(
            PolicyVersion.organization_id == tenant,
            PolicyVersion.superseded_at == FOREVER,
            PolicyVersion.starts_at <= max(instants),
            PolicyVersion.ends_at > min(instants),
        )
    )
    versions = [(Period(row.starts_at, row.ends_at), policy_of(row)) for row in found]
    return {at: next((policy for period, policy in versions if at in period), Policy()) for at in instants}


def _only_patient(duties: Sequence[Duty]) -> UUID | None:
    """The one patient whom all these duties are about, if there is one."""
    patients = {duty.patient_id for duty in duties}
    return patients.pop() if len(patients) == 1 else None


async def _credentials(
    db: AsyncSession, tenant: OrganizationId, providers: Iterable[UUID]
) -> dict[UUID, list[HeldCredential]]:
    held: dict[UUID, list[HeldCredential]] = defaultdict(list)
    for row in await db.scalars(
        select(ProviderCredential).where(
            ProviderCredential.organization_id == tenant,
            ProviderCredential.provider_id == _any(providers),
            ProviderCredential.superseded_at == FOREVER,
        )
    ):
        held[row.provider_id].append(HeldCredential(row.kind, row.code, row.starts_at, row.ends_at))
    return held


# Suspensions are another room's rows; whoever arranges coverage only reads them.
_SUSPENSIONS = text("""
    select provider_id, starts_at, ends_at from carecircle.access_restrictions
    where organization_id = :organization_id and kind = 'suspension' and provider_id = any (:providers)
      and superseded_at = 'infinity' and ends_at > :now""")


async def suspensions(
    db: AsyncSession, tenant: OrganizationId, providers: Iterable[UUID], now: datetime
) -> dict[UUID, list[Period]]:
    """When each of these providers is suspended, of what ends after `now`."""
    query = _SUSPENSIONS.bindparams(bindparam("providers", type_=ARRAY(Uuid))).columns(
        provider_id=Uuid(), starts_at=Instant(), ends_at=Instant()
    )
    said = {"organization_id": tenant, "providers": list(providers), "now": now}
    periods: dict[UUID, list[Period]] = defaultdict(list)
    for provider_id, starts_at, ends_at in await db.execute(query, said):
        periods[provider_id].append(Period(starts_at, ends_at))
    return periods


def _any(providers: Iterable[UUID]) -> CollectionAggregate[bool]:
    """One parameter, however many there are."""
    return any_(bindparam("providers", list(providers), ARRAY(Uuid)))
