"""Reading coverage: what is arranged, who covers whom, who answers for a patient, and what will go wrong."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, bindparam, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.access.relation import circle, restrictions
from carecircle.actor import Actor, actor_of, organization_of
from carecircle.audit.entry import Entry, append
from carecircle.coverage.forecast import Absence, Forecast, foresee
from carecircle.coverage.responsibility import Link, Responsibility, why_not
from carecircle.coverage.rows import as_cover, believed, suspensions
from carecircle.coverage.rules import Cover, first_in_line
from carecircle.coverage.tables import CoverageArrangement
from carecircle.database.constraints import translated
from carecircle.database.instants import Instant
from carecircle.database.session import enter_tenant, instant
from carecircle.directory.service import AnyId, resolve_patient, resolve_provider
from carecircle.directory.tables import Patient, ProviderAbsence
from carecircle.errors import InvalidRequest, PatientNotRegistered
from carecircle.identifiers import OrganizationId, ProviderId, to_text
from carecircle.period import FOREVER, Period, usable

FARTHEST_DAYS = 400


async def arrangements(
    db: AsyncSession,
    *,
    provider: AnyId | None = None,
    as_of: datetime | None = None,
    ahead: timedelta = timedelta(days=14),
    organization: UUID | str | None = None,
) -> list[CoverageArrangement]:
    """The rows that let somebody in at `as_of` (now, by default), grace included, or begin in the time ahead, by their start.

    With `provider`, those in which they cover or are covered.
    """
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        at = usable(as_of) if as_of is not None else await instant(db)
        query = believed(tenant).where(
            CoverageArrangement.ends_at > at,
            or_(CoverageArrangement.starts_at <= at, CoverageArrangement.starts_at < at + ahead),
        )
        if provider is not None:
            provider_id = await resolve_provider(db, tenant, provider)
            query = query.where(
                or_(
                    CoverageArrangement.covered_provider_id == provider_id,
                    CoverageArrangement.covering_provider_id == provider_id,
                )
            )
        return list(await db.scalars(query))


async def covering_provider(
    db: AsyncSession, *, covered: AnyId, at: datetime | None = None, organization: UUID | str | None = None
) -> ProviderId | None:
    """Who is on duty for a provider's whole panel at an instant (now, by default), or None.

    Who is suspended then covers nobody. Of several: full before urgent before on call, then who began last.
    """
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        covered_id = await resolve_provider(db, tenant, covered)
        then = usable(at) if at is not None else await instant(db)
        on_duty = [one for one in await _on_duty(db, tenant, covered_id, then) if one.whole_panel]
        suspended = await suspensions(db, tenant, {one.covering for one in on_duty}, then)
        cover = first_in_line(
            one for one in on_duty if not any(then in period for period in suspended.get(one.covering, ()))
        )
        return ProviderId(cover.covering) if cover is not None else None


async def responsible_for(
    db: AsyncSession,
    *,
    patient: AnyId,
    at: datetime | None = None,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> Responsibility:
    """Who answers for this patient at an instant (now, by default), as believed now: A is primary, B covers A, C covers B.

    On each hop the patient's own stand-in comes before the panel's. Access passes one hop: the chain says who on it may
    read the record and who may not, as the circle of care has it. That it was asked is recorded.
    Raises PatientNotRegistered.
    """
    who = actor_of(actor)
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        patient_id = await resolve_patient(db, tenant, patient)
        registered = select(Patient.id).where(Patient.organization_id == tenant, Patient.id == patient_id)
        if await db.scalar(registered) is None:
            raise PatientNotRegistered
        as_of = usable(at) if at is not None else await instant(db)
        asked = {"organization_id": tenant, "patient_id": patient_id, "as_of": as_of}
        primary = (await db.execute(_PRIMARY, asked)).one_or_none()
        hops: list[tuple[UUID, str, UUID, datetime]] = []
        returns_to: UUID | None = None
        if primary is not None:
            hops.append((primary.provider_id, "primary", primary.id, primary.ends_at))
        while hops and (cover := await _next(db, tenant, hops[-1][0], patient_id, as_of)) is not None:
            if any(cover.covering == hop[0] for hop in hops):
                returns_to = cover.covering
                break
            hops.append((cover.covering, cover.coverage_type, cover.id, cover.period.ends_at))
        readers = await _readers(db, tenant, patient_id, [hop[0] for hop in hops], as_of)
        chain = tuple(
            Link(*hop, True)
            if readers.get(hop[0])
            else Link(*hop, False, why_not(distance, restricted=hop[0] in readers))
            for distance, hop in enumerate(hops)
        )
        found = Responsibility(patient_id, as_of, chain, returns_to)
        await append(
            db,
            Entry(
                tenant, "reading", who, "responsible-asked", provider_id=found.responsible, patient_id=patient_id,
                detail={"as_of": as_of.isoformat(), "links": len(chain),
                        "stops_at": to_text(found.access_stops_at) if found.access_stops_at else None},
            ),
        )  # fmt: skip
        return found


async def forecast(
    db: AsyncSession,
    *,
    days: int = 14,
    starts_at: datetime | None = None,
    organization: UUID | str | None = None,
) -> Forecast:
    """What will go wrong in the days from `starts_at` (now, by default) on: providers who cover each other round, two who
    cover the same, and times in which nobody answers. Raises InvalidRequest for fewer than 1 or more than 400 days.
    """
    if not 1 <= days <= FARTHEST_DAYS:
        raise InvalidRequest(f"A forecast looks 1 to {FARTHEST_DAYS} days ahead.")
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        start = usable(starts_at) if starts_at is not None else await instant(db)
        window = Period(start, start + timedelta(days=days))
        rows = await db.scalars(
            believed(tenant).where(
                CoverageArrangement.duty_ends_at > window.starts_at, CoverageArrangement.starts_at < window.ends_at
            )
        )
        away = await db.execute(
            select(ProviderAbsence.provider_id, ProviderAbsence.starts_at, ProviderAbsence.ends_at).where(
                ProviderAbsence.organization_id == tenant,
                ProviderAbsence.superseded_at == FOREVER,
                ProviderAbsence.ends_at > window.starts_at,
                ProviderAbsence.starts_at < window.ends_at,
            )
        )
        covers = [as_cover(row) for row in rows]
        return foresee(window, covers, [Absence(one, Period(starts, ends)) for one, starts, ends in away])


async def _on_duty(db: AsyncSession, tenant: OrganizationId, covered_id: UUID, at: datetime) -> list[Cover]:
    rows = await db.scalars(
        believed(tenant).where(
            CoverageArrangement.covered_provider_id == covered_id,
            CoverageArrangement.starts_at <= at,
            CoverageArrangement.duty_ends_at > at,
            CoverageArrangement.ends_at > at,
        )
    )
    return [as_cover(row) for row in rows]


async def _next(
    db: AsyncSession, tenant: OrganizationId, covered_id: UUID, patient_id: UUID, at: datetime
) -> Cover | None:
    """Who stands in for a provider with this patient."""
    on_duty = await _on_duty(db, tenant, covered_id, at)
    return first_in_line(one for one in on_duty if one.whole_panel or one.patient_id == patient_id)


# The primary assignment is another room's row; here it is only read.
_PRIMARY = text("""
    select id, provider_id, ends_at from carecircle.patient_assignments
    where organization_id = :organization_id and patient_id = :patient_id and assignment_type = 'primary'
      and superseded_at = 'infinity' and starts_at <= :as_of and ends_at > :as_of""").columns(
    id=Uuid(), provider_id=Uuid(), ends_at=Instant()
)


async def _readers(
    db: AsyncSession, tenant: OrganizationId, patient_id: UUID, providers: list[UUID], at: datetime
) -> dict[UUID, bool]:
    """Of these providers, those whom the circle lets read: True, or False where a restriction takes all their paths away."""
    asked = {"organization_id": tenant, "patient_id": patient_id, "as_of": at, "providers": providers}
    query = text(_reading()).bindparams(bindparam("providers", type_=ARRAY(Uuid)))
    return {row.provider_id: row.let_in for row in await db.execute(query, asked)}


@cache
def _reading() -> str:
    organization, at = "cast(:organization_id as uuid)", "cast(:as_of as timestamptz)"
    in_circle = circle(organization=organization, patient="cast(:patient_id as uuid)", action="'read'", as_of=at)
    kept_from = restrictions(organization=organization, patient="c.patient_id", provider="c.provider_id", as_of=at)
    return f"""
    select c.provider_id,
           bool_or(not exists (select from ({kept_from}) r where r.restriction <> all (c.despite))) as let_in
    from ({in_circle}) c
    where c.grants and c.provider_id = any (:providers)
    group by c.provider_id"""
