"""Which providers are a patient themselves, of their family or of their household, as dated facts.

Nobody breaks the glass of their own record or decides about a relative's; a relative's opens under a stricter policy.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, get_args
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.actor import Actor, actor_of, organization_of
from carecircle.audit.entry import Entry, append
from carecircle.database.constraints import translated
from carecircle.database.facts import supersede
from carecircle.database.session import enter_tenant, instant, lock_patient, one_change
from carecircle.directory.service import AnyId, resolve_patient, resolve_provider
from carecircle.directory.tables import PersonalRelation
from carecircle.errors import InvalidPeriod, InvalidRequest
from carecircle.errors.emergency import RelationNotFound
from carecircle.identifiers import OrganizationId, new_id, to_text
from carecircle.period import FOREVER, Period, show, usable

Relation = Literal["self", "family", "household"]
RELATIONS: tuple[Relation, ...] = get_args(Relation)


async def relate(
    db: AsyncSession,
    *,
    provider: AnyId,
    patient: AnyId,
    relation: str,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> PersonalRelation:
    """Record how a provider is related to a patient (a code of RELATIONS), from now on and without an end by default.

    Raises OverlappingRelation, InvalidRequest for another code, InvalidPeriod, ProviderNotRegistered, PatientNotRegistered.
    """
    if relation not in RELATIONS:
        raise InvalidRequest(f"Unknown relation; known are {', '.join(RELATIONS)}.")
    who = actor_of(actor)
    async with one_change(db):
        tenant = await enter_tenant(db, organization_of(organization))
        patient_id = await resolve_patient(db, tenant, patient)
        provider_id = await resolve_provider(db, tenant, provider)
        now = await lock_patient(db, tenant, patient_id)
        period = Period(
            now if starts_at is None else usable(starts_at), FOREVER if ends_at is None else usable(ends_at)
        )
        if period.ends_at <= now:
            raise InvalidPeriod(f"This relation would have ended {show(period.ends_at)}; it must end later than now.")
        row_id = new_id()
        row = PersonalRelation(
            organization_id=tenant, id=row_id, lineage_id=row_id, provider_id=provider_id, patient_id=patient_id,
            relation=relation, starts_at=period.starts_at, ends_at=period.ends_at, recorded_at=now,
        )  # fmt: skip
        entry = _entry(row, who, "relation-added", starts_at=show(row.starts_at), ends_at=show(row.ends_at))
        row.entry_id = entry.id
        await append(db, entry)
        db.add(row)
        await db.flush()
        return row


async def end_relation(
    db: AsyncSession,
    *,
    provider: AnyId,
    patient: AnyId,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> list[PersonalRelation]:
    """End how a provider is related to a patient, now and ahead. Returns the rows that were ended.

    Raises RelationNotFound, ProviderNotRegistered, PatientNotRegistered.
    """
    who = actor_of(actor)
    async with one_change(db):
        tenant = await enter_tenant(db, organization_of(organization))
        patient_id = await resolve_patient(db, tenant, patient)
        provider_id = await resolve_provider(db, tenant, provider)
        now = await lock_patient(db, tenant, patient_id)
        rows = await _held(db, tenant, now, {"patient_id": patient_id, "provider_id": provider_id})
        if not rows:
            raise RelationNotFound
        for row in rows:
            entry = _entry(row, who, "relation-ended", ended_at=show(now))
            await append(db, entry)
            await supersede(db, row, entry.id, now)
            if row.starts_at < now:
                db.add(
                    PersonalRelation(
                        organization_id=tenant, id=new_id(), lineage_id=row.lineage_id, provider_id=provider_id,
                        patient_id=patient_id, relation=row.relation, starts_at=row.starts_at, ends_at=now,
                        recorded_at=now, entry_id=entry.id,
                    )
                )  # fmt: skip
                await db.flush()
        return rows


async def relations(
    db: AsyncSession,
    *,
    provider: AnyId | None = None,
    patient: AnyId | None = None,
    as_of: datetime | None = None,
    organization: UUID | str | None = None,
) -> list[PersonalRelation]:
    """Relations that name this provider, this patient, or both, or all; they hold at `as_of`, or, without it, now or ahead.

    They name patients: whoever shows them leaves an entry. Raises ProviderNotRegistered, PatientNotRegistered.
    """
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        named: dict[str, UUID] = {}
        if patient is not None:
            named["patient_id"] = await resolve_patient(db, tenant, patient)
        if provider is not None:
            named["provider_id"] = await resolve_provider(db, tenant, provider)
        at = await instant(db) if as_of is None else usable(as_of)
        return [row for row in await _held(db, tenant, at, named) if as_of is None or row.starts_at <= at]


async def _held(
    db: AsyncSession, tenant: OrganizationId, now: datetime, named: dict[str, UUID]
) -> list[PersonalRelation]:
    query = select(PersonalRelation).where(
        PersonalRelation.organization_id == tenant,
        PersonalRelation.superseded_at == FOREVER,
        PersonalRelation.ends_at > now,
        *(getattr(PersonalRelation, column) == value for column, value in named.items()),
    )
    ordered = query.order_by(PersonalRelation.starts_at, PersonalRelation.id)
    return list(await db.scalars(ordered.execution_options(populate_existing=True)))


def _entry(row: PersonalRelation, who: Actor, code: str, **said: str) -> Entry:
    """What an entry says of a relation: whose it is and its row; how they are related stays in the row."""
    detail: dict[str, Any] = {"relation_id": to_text(row.id), **said}
    return Entry(
        row.organization_id, "change", who, code, provider_id=row.provider_id, patient_id=row.patient_id, detail=detail
    )
