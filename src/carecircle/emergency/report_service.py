"""Writing the after-action report of one emergency access from the facts, the audit trail and the circle as it is now."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import cache
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from carecircle.access.relation import circle, restrictions
from carecircle.actor import Actor, actor_of, organization_of
from carecircle.audit.entry import Entry, append
from carecircle.database.constraints import translated
from carecircle.database.instants import Instant
from carecircle.database.session import enter_tenant, instant, transaction
from carecircle.directory.service import names_of
from carecircle.directory.tables import Organization, Unit
from carecircle.emergency.approvers_service import approvers_on
from carecircle.emergency.concern_service import Concern
from carecircle.emergency.reading_service import Note, deliveries_of, notes_of, notes_told_to, show, told_to
from carecircle.emergency.report import DisclosureNote, MayHaveDecided, Opened, RelationFound, Report, StateHeld
from carecircle.emergency.rows import states_of
from carecircle.emergency.rules import REASONS
from carecircle.emergency.tables import EmergencyAccess
from carecircle.emergency.value import Emergency
from carecircle.identifiers import OrganizationId, to_text
from carecircle.period import FOREVER

NOW_WITHIN = timedelta(minutes=1)
"""Whoever names an instant this near to when they ask, asks about now: their clock may be wrong."""

# As carecircle_auditor, who sees one tenant's entries. Decisions about an instant in the past are recorded when they are
# asked, so nothing ends this but the present.
_OPENED = text("""
    select e.id, e.recorded_at, coalesce(e.as_of, e.recorded_at) as as_of, e.believed_at, e.action, e.purpose,
      e.basis_kinds, e.basis_under
    from carecircle.audit_events e
    where e.organization_id = :tenant and e.provider_id = :provider and e.recorded_at >= :since
      and e.basis_kinds @> array['emergency_access'] and :emergency = any (e.basis_under) and e.kind = 'decision' and e.allowed
    order by e.recorded_at, e.id""").columns(recorded_at=Instant(), as_of=Instant(), believed_at=Instant())
_LABELLED = text("""
    select exists (
      select from carecircle.patient_labels l
      where l.organization_id = :tenant and l.patient_id = any (:patients) and l.label = 'SUD'
        and l.superseded_at = 'infinity' and l.starts_at < :until and l.ends_at > :since)""")


async def report(
    db: AsyncSession,
    *,
    emergency_id: UUID,
    auditor: AsyncEngine,
    concern: Concern = "privacy-office",
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> Report:
    """The report of one emergency access as of now, at any time after it was asked for; an entry says that it was read.

    `concern` is as whom somebody reads it: not everything is told to everybody (reading_service.told_to). What 42 CFR Part 2
    wants written down says that the patient has a label, so that its draft is for the privacy office. `auditor` is an engine
    of the role carecircle_auditor (`CareCircle.auditor`): it reads the decisions. Raises EmergencyAccessNotFound,
    KeyUnavailable, DatabaseUnavailable.
    """
    who = actor_of(actor)
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        emergency = told_to(await show(db, emergency_id=emergency_id, words=True, organization=tenant), concern)
        rows = await states_of(db, tenant, emergency_id)
        notes = tuple(notes_told_to(await notes_of(db, emergency_id=emergency_id, organization=tenant), concern))
        deliveries = tuple(
            one
            for one in await deliveries_of(db, emergency_id=emergency_id, organization=tenant)
            if concern != "requester" or "review-due" not in one.kind  # when that is due tells a label
        )
        approvers = await _approvers(db, tenant, emergency_id)
        now = await instant(db)
        opened, supposed = await _opened(auditor, tenant, emergency)
        people = {
            emergency.provider_id,
            *(one.provider_id for one in approvers),
            *(one.provider_id for one in notes),
            *(one.recipient_id for one in deliveries),
            *(who for row in rows for who in (row.decided_by_id, row.seconded_by_id)),
            emergency.reviewed_by_id,
        }
        names = await names_of(db, tenant, [one for one in people if one is not None])
        unit = await db.get(Unit, (tenant, emergency.unit_id)) if emergency.unit_id else None
        facility = await db.scalar(select(Organization.name).where(Organization.id == tenant)) or ""
        written = Report(
            written_at=now,
            emergency=emergency,
            organization=facility,
            unit=unit.name if unit else None,
            reason=_read(emergency.reason_code),
            second_reason=_read(emergency.second_reason_code) if emergency.second_reason_code else None,
            names=names,
            approvers=approvers,
            states=tuple(map(_held, rows)),
            notes=notes,
            deliveries=deliveries,
            opened=opened,
            supposed=supposed,
            relations=await _relations(db, tenant, emergency, now),
            converted_at=_converted_at(rows, notes),
            seconds_open=sum((min(row.ends_at, now) - row.starts_at).total_seconds() for row in rows if row.scope),
            disclosure=(
                await _disclosure(db, tenant, emergency, rows, opened, names, facility, unit)
                if concern == "privacy-office"
                else None
            ),
            told_to=concern,
        )
        await append(
            db,
            Entry(
                tenant, "reading", who, "emergency-report-read",
                provider_id=emergency.provider_id, patient_id=emergency.patient_id,
                detail={"emergency": to_text(emergency_id), "opened": len(opened)},
            ),
        )  # fmt: skip
    return written


def _read(code: str) -> str:
    """A reason as people read it; a policy's own codes are read as they are."""
    return REASONS.get(code, code)


def _held(row: EmergencyAccess) -> StateHeld:
    return StateHeld(
        row.state, row.starts_at, None if row.ends_at == FOREVER else row.ends_at, tuple(row.scope), row.patient_id,
        row.decided_at, row.decided_by_id, row.seconded_by_id, row.wanted_until,
    )  # fmt: skip


def _converted_at(rows: Iterable[EmergencyAccess], notes: Iterable[Note]) -> datetime | None:
    """When it ended because a relationship had appeared."""
    ended = [row.starts_at for row in rows if row.ended_because == "relationship"]
    return min([*ended, *(note.at for note in notes if note.kind == "converted")], default=None)


async def _approvers(db: AsyncSession, tenant: OrganizationId, emergency_id: UUID) -> tuple[MayHaveDecided, ...]:
    kept = await approvers_on(db, tenant, emergency_id)
    return tuple(MayHaveDecided(one.provider_id, one.duty, one.call_order) for one in kept)


async def _opened(
    auditor: AsyncEngine, tenant: OrganizationId, emergency: Emergency
) -> tuple[tuple[Opened, ...], tuple[Opened, ...]]:
    """The decisions that let in by it when they were asked, and those about another instant than that."""
    asked = {
        "tenant": tenant,
        "provider": emergency.provider_id,
        "since": emergency.asked_at,
        "emergency": emergency.id,
    }
    async with transaction(auditor, tenant) as trail:
        rows = (await trail.execute(_OPENED, asked)).all()
    opened: list[Opened] = []
    supposed: list[Opened] = []
    for row in rows:
        besides = _besides(row.basis_kinds, row.basis_under, emergency.id)
        about_now = row.believed_at is None and abs(row.recorded_at - row.as_of) <= NOW_WITHIN
        (opened if about_now else supposed).append(
            Opened(row.id, row.recorded_at, row.as_of, row.action, row.purpose, besides)
        )
    return tuple(opened), tuple(supposed)


def _besides(kinds: Sequence[str], under: Sequence[UUID | None], emergency_id: UUID) -> tuple[str, ...]:
    return tuple(dict.fromkeys(kind for kind, one in zip(kinds, under, strict=True) if one != emergency_id))


@cache
def _relations_statement() -> str:
    """Paths other than emergency access on which the provider may read now, whatever was opened by breaking the glass."""
    now = "cast(:at as timestamptz)"
    paths = circle(
        organization=":tenant", action="'read'", as_of=now, provider=":provider", patient=":patient"
    )  # fmt: skip
    taken = restrictions(organization=":tenant", patient=":patient", provider=":provider", as_of=now)
    return f"""
        select c.basis, c.basis_id, c.starts_at, c.ends_at
        from ({paths}) c
        where c.basis <> 'emergency_access' and c.grants
          and not exists (select from ({taken}) r where r.restriction <> all (c.despite))
        order by c.starts_at, c.basis_id"""


async def _relations(
    db: AsyncSession, tenant: OrganizationId, emergency: Emergency, now: datetime
) -> tuple[RelationFound, ...]:
    query = text(_relations_statement()).columns(starts_at=Instant(), ends_at=Instant())
    asked = {"tenant": tenant, "provider": emergency.provider_id, "patient": emergency.patient_id, "at": now}
    return tuple(
        RelationFound(kind, own, since, None if until == FOREVER else until)
        for kind, own, since, until in await db.execute(query, asked)
    )


async def _disclosure(
    db: AsyncSession,
    tenant: OrganizationId,
    emergency: Emergency,
    rows: Sequence[EmergencyAccess],
    opened: Sequence[Opened],
    names: dict[UUID, str],
    facility: str,
    unit: Unit | None,
) -> DisclosureNote | None:
    granting = [row for row in rows if row.scope]
    if not granting or emergency.opened_at is None:
        return None
    asked = {
        "tenant": tenant,
        "patients": list({row.patient_id for row in rows}),
        "since": granting[0].starts_at,
        "until": granting[-1].ends_at,
    }
    if not await db.scalar(_LABELLED, asked):
        return None
    nature = _read(emergency.reason_code)
    return DisclosureNote(
        recipient=names.get(emergency.provider_id, ""),
        facility=", ".join(one for one in (unit.name if unit else "", facility) if one),
        disclosed_by="",
        approved_by=names.get(emergency.decided_by_id, "") if emergency.decided_by_id else "",
        at=min((one.at for one in opened), default=emergency.opened_at),
        nature=f"{nature}: {emergency.words}" if emergency.words else nature,
    )
