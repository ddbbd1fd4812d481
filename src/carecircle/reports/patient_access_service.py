"""Writing a patient's own access report from the audit trail and the directory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from carecircle.actor import Actor, actor_of
from carecircle.audit.canonical import UTC_SESSION, hash_of
from carecircle.audit.entry import Entry, append
from carecircle.database.constraints import translated
from carecircle.database.instants import Instant
from carecircle.database.session import instant, transaction
from carecircle.directory.service import AnyId
from carecircle.errors import InvalidRequest
from carecircle.period import show
from carecircle.reports.emergencies import told_emergencies
from carecircle.reports.patient_access import YEARS, Attempt, Day, Look, PatientAccess, Person
from carecircle.reports.subject_service import People, actor_in_words, people, provider_of, span, subject
from carecircle.reports.words import (
    WORK,
    action_in_words,
    basis_in_words,
    denial_in_words,
    purpose_for_the_patient,
    reading_in_words,
)

_OF_THE_PATIENT = (
    "e.organization_id = :tenant and e.patient_id = any (:records)"
    " and e.recorded_at >= :since and e.recorded_at < :until"
)
# What was asked about another instant, or as it was believed once, let nobody in.
_ABOUT_NOW = (
    "(e.believed_at is null and abs(extract(epoch from e.recorded_at - coalesce(e.as_of, e.recorded_at))) <= 60)"
)
# An entry without a leaf is young, or waits for a sealer that has not come to it; one that the sealer has passed by is not ours.
_ALTERED = f"""case when l.entry_id is not null then l.leaf_hash <> {hash_of()}
      else coalesce(e.recorded_at < h.signed_at - interval '60 seconds'
        and (e.xid < h.last_xid or (e.xid = h.last_xid and e.id <= h.last_entry_id)), false) end"""
_WITH_LEAF = """carecircle.audit_events e
      left join carecircle.audit_leaves l on l.organization_id = e.organization_id and l.entry_id = e.id
      left join (
        select c.signed_at, c.last_xid, c.last_entry_id from carecircle.audit_checkpoints c
        where c.organization_id = :tenant order by c.epoch desc, c.tree_size desc limit 1) h on true"""
# Whoever asks about a record that was merged is asked again about the one it was merged into: one question, counted once.
_ASKED_AGAIN = """(e.code = 'patient-merged' and exists (
      select from carecircle.audit_events n
      where n.organization_id = :tenant and n.patient_id = any (:records) and n.patient_id <> e.patient_id
        and n.recorded_at >= e.recorded_at and n.recorded_at < e.recorded_at + interval '10 seconds'
        and n.kind = e.kind and n.actor = e.actor and n.provider_id is not distinct from e.provider_id
        and n.on_behalf_of is not distinct from e.on_behalf_of and n.action is not distinct from e.action
        and n.purpose is not distinct from e.purpose))"""
_ENTRIES = f"""(
      select e.*, {_ALTERED} as altered from {_WITH_LEAF}
      where {_OF_THE_PATIENT} and e.kind in ('decision', 'listing', 'reading') offset 0) e"""
# As carecircle_auditor, who sees one tenant's entries. A day's entries that say the same are counted where they are. What was
# altered is always told: nobody hides a line by having it say something that is left out.
_LOOKED = text(f"""
    select cast(e.recorded_at at time zone :zone as date) as day, e.kind,
      case when e.kind = 'decision' then e.provider_id end as provider_id, e.actor, e.on_behalf_of, e.action, e.purpose,
      e.code, coalesce(e.allowed, true) as allowed, e.basis_kinds, e.basis_ids, e.basis_via, e.altered,
      min(e.recorded_at) as first_at, max(e.recorded_at) as last_at, count(*) as times
    from {_ENTRIES}
    where e.altered or e.kind = 'reading' or ({_ABOUT_NOW} and e.code <> 'unknown-patient' and not {_ASKED_AGAIN})
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13
    order by 1 desc, min(e.recorded_at)""").columns(first_at=Instant(), last_at=Instant())
_SUPPOSED = text(f"""
    select count(*) from {_ENTRIES}
    where e.kind <> 'reading' and not e.altered and not {_ABOUT_NOW} and not {_ASKED_AGAIN}""")
_EMERGENCIES = text(f"""
    select e.recorded_at, e.code, e.provider_id, e.detail, {_ALTERED} as altered from {_WITH_LEAF}
    where {_OF_THE_PATIENT} and e.kind = 'change' and e.code like 'emergency-%'
    order by e.recorded_at, e.id""").columns(recorded_at=Instant())

# The hash is of instants as a session in UTC writes them.
_IN_UTC = text(UTC_SESSION.replace("set ", "set local ", 1))


async def report(
    db: AsyncSession,
    *,
    patient: AnyId,
    auditor: AsyncEngine,
    since: datetime | None = None,
    until: datetime | None = None,
    time_zone: str = "UTC",
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> PatientAccess:
    """Who was let in to a patient's record, by default in the three years until now; an entry says that it was reported.

    It is about this patient alone, with the records that were merged into theirs. `time_zone` is an IANA name: whose days
    they are. `auditor` is an engine of carecircle_auditor.

    Raises PatientNotRegistered, InvalidIdentifier, InvalidPeriod, InvalidRequest for an unknown zone, DatabaseUnavailable.
    """
    who = actor_of(actor)
    _require_zone(time_zone)
    with translated():
        about = await subject(db, patient, organization)
        now = await instant(db)
        period = span(since, until, now, YEARS, at_most=False)
        asked = {
            "tenant": about.tenant, "records": list(about.records), "since": period.starts_at, "until": period.ends_at,
        }  # fmt: skip
        async with transaction(auditor, about.tenant) as trail:
            await trail.execute(_IN_UTC)
            looked = [row async for row in await trail.stream(_LOOKED, asked | {"zone": time_zone})]
            supposed = await trail.scalar(_SUPPOSED, asked)
            emergencies = (await trail.execute(_EMERGENCIES, asked)).all()
        known = await people(
            db, about.tenant, period, _providers(looked) | {row.provider_id for row in emergencies if row.provider_id},
            {seat for row in looked for seat in row.basis_ids or () if row.allowed},
        )  # fmt: skip
        days = _days([row for row in looked if row.kind == "decision" and row.allowed], known)
        worked = _days([row for row in looked if row.kind != "decision"], known)
        attempts = _attempts([row for row in looked if row.kind == "decision" and not row.allowed], known)
        told: dict[str, str | int | bool | None] = {
            "since": show(period.starts_at), "until": show(period.ends_at), "days": len(days), "attempts": len(attempts),
        }  # fmt: skip
        await append(
            db, Entry(about.tenant, "reading", who, "access-reported", patient_id=about.patient_id, detail=told)
        )
    return PatientAccess(
        written_at=now,
        organization=about.organization,
        patient_id=about.patient_id,
        patient_name=about.name,
        since=period.starts_at,
        until=period.ends_at,
        time_zone=time_zone,
        days=days,
        worked=worked,
        attempts=attempts,
        emergencies=told_emergencies(emergencies, lambda provider: _person(provider, None, known)),
        supposed=supposed or 0,
    )


def _require_zone(name: str) -> None:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidRequest("There is no such time zone; write an IANA name, such as Europe/Berlin.") from None


def _looker(row: Any) -> tuple[UUID | None, str]:
    """Who looked: whom a decision was about; otherwise whom the asking program acted for, or who asked."""
    if row.provider_id is not None:
        return row.provider_id, ""
    name: str = row.on_behalf_of or row.actor
    return provider_of(name), name


def _providers(rows: Iterable[Any]) -> set[UUID]:
    found: set[UUID | None] = set()
    for row in rows:
        found |= {_looker(row)[0], provider_of(row.actor), *(row.basis_via or ())}
    return {one for one in found if one is not None}


def _person(provider: UUID | None, name: str | None, known: People) -> Person:
    if provider is not None:
        own = UUID(bytes=provider.bytes)
        return Person(own, known.names.get(own, "Somebody whose name is not kept here"), known.roles.get(own, ()))
    return Person(None, actor_in_words(name or ""))


def _days(rows: Sequence[Any], known: People) -> tuple[Day, ...]:
    """Rows by day, the newest first, and by person; what was altered apart from what was not."""
    grouped: dict[date, dict[tuple[Person, bool], list[Any]]] = {}
    for row in rows:
        own = _person(*_looker(row), known), row.altered
        grouped.setdefault(row.day, {}).setdefault(own, []).append(row)
    return tuple(
        Day(day, tuple(_look(person, theirs, known) for (person, _), theirs in persons.items()))
        for day, persons in grouped.items()
    )


def _look(person: Person, rows: Sequence[Any], known: People) -> Look:
    let_in = [row for row in rows if row.kind == "decision"]
    kinds = {kind for row in let_in for kind in row.basis_kinds or ()}
    through = (_through(row, known) for row in rows)
    return Look(
        person=person,
        first_at=min(row.first_at for row in rows),
        last_at=max(row.last_at for row in rows),
        times=sum(row.times for row in rows),
        actions=_once(map(_done, rows)),
        purposes=_once(purpose_for_the_patient(row.purpose) for row in let_in if row.purpose),
        reasons=_once(reason for row in let_in for reason in _reasons(row, known)) if let_in else (WORK,),
        emergency="emergency_access" in kinds,
        through=_once(one for one in through if one and one != person.name),
        altered=any(row.altered for row in rows),
    )


def _done(row: Any) -> str:
    """What they did, as far as is known: what they were let in to do, or what of the circle they looked up."""
    if row.kind == "reading":
        return reading_in_words(row.code)
    return "asked who may see your record" if row.kind == "listing" else f"may {action_in_words(row.action)}"


def _reasons(row: Any, known: People) -> list[str]:
    via = row.basis_via or (None,) * len(row.basis_kinds or ())
    return [
        basis_in_words(kind, team=known.teams.get(own), covered=known.names.get(covered) if covered else None)
        for kind, own, covered in zip(row.basis_kinds or (), row.basis_ids or (), via, strict=False)
    ]


def _through(row: Any, known: People) -> str:
    """Who put the question, where that was somebody else than who was let in."""
    asking = provider_of(row.actor)
    return known.names.get(asking, "") if asking else actor_in_words(row.actor)


def _attempts(rows: Sequence[Any], known: People) -> tuple[Attempt, ...]:
    """One for each day, person, wish and reason, in the order of the rows."""
    grouped: dict[tuple[Person, date, str, str, bool], list[Any]] = {}
    for row in rows:
        wanted = f"wanted to {action_in_words(row.action)}"
        own = _person(*_looker(row), known), row.day, wanted, denial_in_words(row.code), row.altered
        grouped.setdefault(own, []).append(row)
    return tuple(
        Attempt(
            person, day, min(row.first_at for row in same), max(row.last_at for row in same),
            sum(row.times for row in same), wanted, reason, altered,
        )
        for (person, day, wanted, reason, altered), same in grouped.items()
    )  # fmt: skip


def _once(told: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(told))
