"""Legal holds: while one is in force, no month that holds an entry it is about is retired. Changes join the caller's session."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.actor import Actor, actor_of, organization_of
from carecircle.audit.entry import Entry, append
from carecircle.audit.holds_tables import LegalHold
from carecircle.database.constraints import translated
from carecircle.database.crypto import keyring
from carecircle.database.facts import supersede
from carecircle.database.session import enter_tenant, instant, one_change, take_turns
from carecircle.errors import Conflict, InvalidPeriod, InvalidRequest, KeyDestroyed
from carecircle.errors.proof import LegalHoldNotFound
from carecircle.identifiers import OrganizationId, new_id, to_text
from carecircle.period import FOREVER, Period, show

LONGEST_REASON = 2000
RETIRING = "hashtextextended('carecircle.retiring', 0)"
"""SQL: the advisory lock that who places a hold shares, and who takes a month away holds alone."""
_ALONE = text(f"select pg_advisory_xact_lock({RETIRING})")
_BEFORE_RETIRING = text(f"select pg_advisory_xact_lock_shared({RETIRING})")


@dataclass(frozen=True, slots=True)
class Hold:
    """One legal hold; `patient_id` is None where it is about every entry of the organization, `reason` where it is not shown."""

    id: UUID
    patient_id: UUID | None
    reason: str | None
    period: Period
    recorded_at: datetime
    entry_id: UUID


async def place_hold(
    db: AsyncSession,
    *,
    reason: str,
    patient_id: UUID | None = None,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> Hold:
    """Keep every entry of the organization, or those about one patient, from now until it is lifted unless said otherwise.

    It waits while a month is being taken away just now. Raises InvalidRequest without a reason or with one of more than
    2,000 characters, InvalidPeriod (also for an end in the past), PatientNotRegistered.
    """
    who = actor_of(actor)
    words = reason.strip()
    if not words or len(words) > LONGEST_REASON:
        raise InvalidRequest(f"A legal hold has a reason of 1 to {LONGEST_REASON:,} characters.")
    async with one_change(db):
        tenant = await enter_tenant(db, organization_of(organization))
        await db.execute(_BEFORE_RETIRING)
        own = new_id()
        now = await take_turns(db, tenant, own)
        period = Period(starts_at or now, ends_at or FOREVER)
        if period.ends_at <= now:
            raise InvalidPeriod("A legal hold must end later than now.")
        row = LegalHold(
            organization_id=tenant, id=own, lineage_id=own, patient_id=patient_id,
            reason=keyring().seal(words.encode(), tenant, "legal_holds", "reason", own),
            starts_at=period.starts_at, ends_at=period.ends_at, recorded_at=now,
        )  # fmt: skip
        entry = _entry(tenant, who, "hold-placed", row, starts_at=show(period.starts_at), ends_at=show(period.ends_at))
        row.entry_id = entry.id
        await append(db, entry)
        db.add(row)
        await db.flush()
        return _shown(row, words)


async def lift_hold(
    db: AsyncSession,
    *,
    hold_id: UUID,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> Hold:
    """End a hold now or, when it has not begun, altogether. Returns what was lifted. Raises LegalHoldNotFound."""
    who = actor_of(actor)
    async with one_change(db):
        tenant = await enter_tenant(db, organization_of(organization))
        now = await take_turns(db, tenant, hold_id)
        row = await db.scalar(
            select(LegalHold).where(
                LegalHold.organization_id == tenant,
                LegalHold.lineage_id == hold_id,
                LegalHold.superseded_at == FOREVER,
                LegalHold.ends_at > now,
            )
        )
        if row is None:
            raise LegalHoldNotFound
        entry = _entry(tenant, who, "hold-lifted", row)
        await append(db, entry)
        await supersede(db, row, entry.id, now)
        if row.starts_at < now:
            db.add(
                LegalHold(
                    organization_id=tenant, id=new_id(), lineage_id=row.lineage_id, patient_id=row.patient_id,
                    reason=row.reason, starts_at=row.starts_at, ends_at=now, recorded_at=now, entry_id=entry.id,
                )
            )  # fmt: skip
            await db.flush()
        return _shown(row)


async def holds(
    db: AsyncSession,
    *,
    as_of: datetime | None = None,
    words: bool = False,
    organization: UUID | str | None = None,
) -> list[Hold]:
    """Those in force at `as_of`, or, without it, now or ahead; the oldest first. With `words`, their reasons, unsealed.

    A reason whose key was destroyed is None. Raises KeyUnavailable when one does not open otherwise.
    """
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        at = Period(as_of).starts_at if as_of is not None else await instant(db)
        found = select(LegalHold).where(
            LegalHold.organization_id == tenant, LegalHold.superseded_at == FOREVER, LegalHold.ends_at > at
        )
        if as_of is not None:
            found = found.where(LegalHold.starts_at <= at)
        rows = await db.scalars(found.order_by(LegalHold.starts_at, LegalHold.id))
        return [_shown(row, _said(row) if words else None) for row in rows]


async def require_no_hold(db: AsyncSession, *, organization: UUID | str | None = None) -> None:
    """Raises Conflict while a legal hold is in force; nobody places another before the transaction ends."""
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        await db.execute(_ALONE)
    if await holds(db, as_of=await instant(db), organization=tenant):
        raise Conflict("A legal hold of this organization is in force: lift it first, see: carecircle audit hold list.")


async def record_holds_read(
    db: AsyncSession, count: int, *, organization: UUID | str | None = None, actor: Actor | str | None = None
) -> None:
    """Append an entry that the holds, with their reasons, were read."""
    tenant = await enter_tenant(db, organization_of(organization))
    await append(db, Entry(tenant, "reading", actor_of(actor), "holds-read", detail={"holds": count}))


def _said(row: LegalHold) -> str | None:
    if row.reason is None:
        return None
    try:
        return keyring().unseal(row.reason, row.organization_id, "legal_holds", "reason", row.lineage_id).decode()
    except KeyDestroyed:
        return None


def _shown(row: LegalHold, words: str | None = None) -> Hold:
    return Hold(
        row.lineage_id, row.patient_id, words, Period(row.starts_at, row.ends_at), row.recorded_at, row.entry_id
    )


def _entry(tenant: OrganizationId, who: Actor, code: str, row: LegalHold, **said: str) -> Entry:
    return Entry(
        tenant, "change", who, code, patient_id=row.patient_id, detail={"hold": to_text(row.lineage_id), **said}
    )
