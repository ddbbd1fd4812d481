"""Referring a patient to a specialty; ending, redirecting and prolonging a referral. Changes join the caller's session."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.actor import Actor, actor_of, organization_of
from carecircle.audit.entry import Entry, append
from carecircle.database.constraints import translated
from carecircle.database.facts import supersede
from carecircle.database.session import enter_tenant, instant, lock_patient, one_change
from carecircle.directory.credential_service import require_code
from carecircle.directory.policy_service import policy_at
from carecircle.directory.service import AnyId, resolve_patient, resolve_provider
from carecircle.errors import (
    InvalidPeriod,
    PatientNotRegistered,
    ProviderNotRegistered,
    ReferralNotFound,
    RulesViolated,
)
from carecircle.identifiers import EntryId, OrganizationId, new_id, to_text
from carecircle.period import FOREVER, Period, show, usable
from carecircle.referrals.rules import referring_violations
from carecircle.referrals.tables import Referral


async def refer(
    db: AsyncSession,
    *,
    patient: AnyId,
    referring: AnyId,
    specialty_code: str,
    provider: AnyId | None = None,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> Referral:
    """Send a patient to a specialty, to `provider` or to whoever of it takes them. The same one again changes nothing.

    It holds from now, and for as many days as the policy lets a specialist's assignment last, unless said otherwise. The
    `lineage_id` of what is returned is the referral's id. Raises RulesViolated when the policy wants referrals to come from
    the primary provider and this one does not, InvalidPeriod, InvalidRequest for what is no code or a referral to oneself,
    PatientNotRegistered, ProviderNotRegistered.
    """
    who = actor_of(actor)
    async with one_change(db):
        tenant = await enter_tenant(db, organization_of(organization))
        patient_id = await resolve_patient(db, tenant, patient)
        referring_id = await resolve_provider(db, tenant, referring)
        performer_id = await resolve_provider(db, tenant, provider) if provider is not None else None
        require_code(specialty_code)
        now = await lock_patient(db, tenant, patient_id)
        start = usable(starts_at) if starts_at is not None else now
        policy = await policy_at(db, tenant, start)
        default_end = start + timedelta(days=policy.longest_specialist_days)
        period = Period(start, usable(ends_at) if ends_at is not None else default_end)
        await _allowed(db, tenant, patient_id, referring_id, start, from_primary=policy.referral_from_primary)
        for row in await _open(db, tenant, now, patient_id=patient_id):
            same = (row.referring_provider_id, row.provider_id, row.specialty_code)
            begun = row.starts_at == start or (starts_at is None and row.starts_at <= now)
            ends_so = ends_at is None or row.ends_at == period.ends_at
            if same == (referring_id, performer_id, specialty_code) and begun and ends_so:
                return row
        row_id = new_id()
        row = Referral(
            organization_id=tenant, id=row_id, lineage_id=row_id, patient_id=patient_id, referring_provider_id=referring_id,
            provider_id=performer_id, specialty_code=specialty_code, starts_at=period.starts_at, ends_at=period.ends_at,
        )  # fmt: skip
        entry = _entry(tenant, who, "referred", row)
        await append(db, entry)
        await _record(db, [row], now, entry.id)
        return row


async def end_referral(
    db: AsyncSession, *, referral_id: UUID, organization: UUID | str | None = None, actor: Actor | str | None = None
) -> list[Referral]:
    """End a referral now; what rests on it holds no longer. Returns the rows it ended. Raises ReferralNotFound."""
    who = actor_of(actor)
    async with one_change(db):
        tenant = await enter_tenant(db, organization_of(organization))
        rows, now = await _locked(db, tenant, referral_id)
        entry = _entry(tenant, who, "referral-ended", rows[0])
        await append(db, entry)
        kept = []
        for row in rows:
            await supersede(db, row, entry.id, now)
            if row.starts_at < now:
                kept.append(_again(row, ends_at=now))
        await _record(db, kept, now, entry.id)
        return rows


async def redirect_referral(
    db: AsyncSession,
    *,
    referral_id: UUID,
    provider: AnyId | None,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> Referral:
    """Address a referral to somebody else from now on, or (None) to whoever takes it; it stays the same referral.

    What the former performer holds by it holds no longer. Returns the row that holds from now, or from when the referral
    begins. To whom it is addressed already changes nothing. Raises ReferralNotFound, ProviderNotRegistered,
    InvalidRequest for a referral to whoever referred.
    """
    who = actor_of(actor)
    async with one_change(db):
        tenant = await enter_tenant(db, organization_of(organization))
        performer_id = await resolve_provider(db, tenant, provider) if provider is not None else None
        rows, now = await _locked(db, tenant, referral_id)
        changing = [row for row in rows if row.provider_id != performer_id]
        if not changing:
            return rows[0]
        fresh = [_again(row, starts_at=max(row.starts_at, now)) for row in changing]
        for row in fresh:
            row.provider_id = performer_id
        entry = _entry(tenant, who, "referral-redirected", fresh[0])
        await append(db, entry)
        for row in changing:
            await supersede(db, row, entry.id, now)
        kept = [_again(row, ends_at=now) for row in changing if row.starts_at < now]
        await _record(db, [*kept, *fresh], now, entry.id)
        return fresh[0]


async def prolong_referral(
    db: AsyncSession,
    *,
    referral_id: UUID,
    ends_at: datetime,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> Referral:
    """Let a referral end at another time, later than now. An assignment that rests on it keeps the end of its own.

    Raises ReferralNotFound for one that has ended, InvalidPeriod for an end that is past or before the referral begins.
    """
    who = actor_of(actor)
    async with one_change(db):
        tenant = await enter_tenant(db, organization_of(organization))
        rows, now = await _locked(db, tenant, referral_id)
        last, end = rows[-1], usable(ends_at)
        if end <= now:
            raise InvalidPeriod("A referral is prolonged beyond now; to end it, use: carecircle referral end.")
        if end == last.ends_at:
            return last
        fresh = _again(last, ends_at=Period(last.starts_at, end).ends_at)
        entry = _entry(tenant, who, "referral-prolonged", fresh)
        await append(db, entry)
        await supersede(db, last, entry.id, now)
        await _record(db, [fresh], now, entry.id)
        return fresh


async def referrals_of(
    db: AsyncSession, *, patient: AnyId, as_of: datetime | None = None, organization: UUID | str | None = None
) -> list[Referral]:
    """The patient's referrals that hold at an instant; without one, those that hold now or begin later. Oldest first."""
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        patient_id = await resolve_patient(db, tenant, patient)
        if as_of is None:
            return await _open(db, tenant, await instant(db), patient_id=patient_id)
        at = usable(as_of)
        return [row for row in await _open(db, tenant, at, patient_id=patient_id) if row.starts_at <= at]


async def _open(
    db: AsyncSession,
    tenant: OrganizationId,
    after: datetime,
    *,
    patient_id: UUID | None = None,
    lineage_id: UUID | None = None,
) -> list[Referral]:
    """Believed referrals of a patient, or the rows of one referral, that have not ended by `after`; oldest first."""
    query = select(Referral).where(
        Referral.organization_id == tenant, Referral.superseded_at == FOREVER, Referral.ends_at > after
    )
    if patient_id is not None:
        query = query.where(Referral.patient_id == patient_id)
    if lineage_id is not None:
        query = query.where(Referral.lineage_id == lineage_id)
    found = await db.scalars(query.order_by(Referral.starts_at, Referral.id).execution_options(populate_existing=True))
    return list(found)


async def _locked(db: AsyncSession, tenant: OrganizationId, referral_id: UUID) -> tuple[list[Referral], datetime]:
    """What a referral is now and ahead, one row at least, with its patient locked; and the instant after that."""
    rows = await _open(db, tenant, await instant(db), lineage_id=referral_id)
    if not rows:
        raise ReferralNotFound
    now = await lock_patient(db, tenant, await resolve_patient(db, tenant, rows[0].patient_id))
    rows = await _open(db, tenant, now, lineage_id=referral_id)
    if not rows:
        raise ReferralNotFound
    return rows, now


async def _allowed(
    db: AsyncSession, tenant: OrganizationId, patient_id: UUID, referring_id: UUID, at: datetime, *, from_primary: bool
) -> None:
    """Raise what speaks against this provider referring this patient at that instant."""
    known = (
        await db.execute(_WHO, {"tenant": tenant, "patient": patient_id, "referring": referring_id, "at": at})
    ).one()
    if not known.patient_is_known:
        raise PatientNotRegistered
    if not known.referring_is_known:
        raise ProviderNotRegistered
    violations = referring_violations(referring_id, known.primary_id, from_primary=from_primary)
    if violations:
        raise RulesViolated(violations, patient_id=patient_id, wanted_provider_id=referring_id)


def _again(row: Referral, *, starts_at: datetime | None = None, ends_at: datetime | None = None) -> Referral:
    """Another version of the same referral, not recorded yet."""
    return Referral(
        organization_id=row.organization_id, id=new_id(), lineage_id=row.lineage_id, patient_id=row.patient_id,
        referring_provider_id=row.referring_provider_id, provider_id=row.provider_id, specialty_code=row.specialty_code,
        starts_at=starts_at or row.starts_at, ends_at=ends_at or row.ends_at,
        source=row.source, source_record=row.source_record, source_item=row.source_item,
    )  # fmt: skip


async def _record(db: AsyncSession, rows: list[Referral], now: datetime, entry_id: EntryId) -> None:
    for row in rows:
        row.recorded_at, row.entry_id = now, entry_id
    db.add_all(rows)
    await db.flush()


def _entry(tenant: OrganizationId, who: Actor, code: str, row: Referral) -> Entry:
    # Not the specialty, which tells what the patient has: whoever may read the row finds it there.
    return Entry(
        tenant, "change", who, code, provider_id=row.provider_id, patient_id=row.patient_id,
        detail={
            "referral": to_text(row.lineage_id),
            "referring": to_text(row.referring_provider_id),
            "starts_at": show(row.starts_at),
            "ends_at": show(row.ends_at),
        },
    )  # fmt: skip


# Rooms do not import each other: who is primary is read where it is kept.
_WHO = text("""
    select exists (select from carecircle.patients where organization_id = :tenant and id = :patient) as patient_is_known,
           exists (select from carecircle.providers where organization_id = :tenant and id = :referring)
             as referring_is_known,
           (select provider_id from carecircle.patient_assignments
            where organization_id = :tenant and patient_id = :patient and is_primary_provider
              and superseded_at = 'infinity' and starts_at <= :at and ends_at > :at) as primary_id""")
