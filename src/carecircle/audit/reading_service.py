"""Reading the audit trail of one organization, as carecircle_auditor: searching it, one entry, what is new. Each leaves an entry.

Entries come in their canonical form, as a mapping: ids as UUIDs, instants as ISO 8601 in UTC, `detail` as text (canonical.py).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from carecircle.actor import Actor, actor_of, organization_of
from carecircle.audit.canonical import LINE, UTC_SESSION
from carecircle.audit.entry import Entry, append
from carecircle.audit.search import DEFAULT_LIMIT, LARGEST_LIMIT, Cursor, Filter
from carecircle.database.instants import Instant
from carecircle.database.session import transaction
from carecircle.errors import InvalidRequest
from carecircle.errors.audit import EntryNotFound
from carecircle.errors.service import InvalidCursor
from carecircle.identifiers import EntryId, to_text

Read = dict[str, Any]
FOLLOWED = "audit-followed"

_CONDITIONS = {
    "since": "e.recorded_at >= :since",
    "until": "e.recorded_at < :until",
    "provider_id": "e.provider_id = :provider_id",
    "patient_ids": "e.patient_id = any (:patient_ids)",
    "actor": "e.actor = :actor",
    "kind": "e.kind = :kind",
    "code": "e.code = :code",
    "allowed": "e.allowed = :allowed",
    "basis": ":basis = any (e.basis_kinds)",
    # A decision rests on it; a change or a reading is about it and says so in its detail, in 26 characters.
    "emergency": "(:emergency = any (e.basis_under) or strpos(e.detail, :emergency_text) > 0)",
    "request_id": "e.request_id = :request_id",
    "address": "e.address = :address",
}
_PLACE = """
    select l.epoch, l.leaf_index, l.leaf_hash
    from carecircle.audit_leaves l where l.organization_id = :tenant and l.entry_id = :entry"""
_NEWEST = text("""
    select c.epoch, c.tree_size, c.root_hash, c.signed_at, c.note
    from carecircle.audit_checkpoints c where c.organization_id = :tenant
    order by c.epoch desc, c.tree_size desc limit 1""").columns(signed_at=Instant())
_CHECKPOINTS = text("""
    select c.epoch, c.tree_size, c.root_hash, c.signed_at, c.note
    from carecircle.audit_checkpoints c where c.organization_id = :tenant
      and (cast(:epoch as bigint) is null or (c.epoch, c.tree_size) < (:epoch, :size))
    order by c.epoch desc, c.tree_size desc limit :rows""").columns(signed_at=Instant())


@dataclass(frozen=True, slots=True)
class Page:
    """Entries, the newest first, and where the next page begins; None where there is none. `entry_id` says who looked."""

    entries: tuple[Read, ...]
    following: Cursor | None
    entry_id: EntryId


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A signed checkpoint: its note is a signed note of C2SP, and says all the rest."""

    epoch: int
    tree_size: int
    root_hash: bytes
    signed_at: datetime
    note: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where an entry stands in the tree."""

    epoch: int
    leaf_index: int
    leaf_hash: bytes


def condition(wanted: Filter) -> tuple[str, dict[str, Any]]:
    """SQL over a row `e` of audit_events, and its parameters."""
    said = {name: value for name in _CONDITIONS if (value := getattr(wanted, name)) is not None}
    parts = ["e.organization_id = :tenant", *(_CONDITIONS[name] for name in said)]
    if "patient_ids" in said:
        said["patient_ids"] = list(said["patient_ids"])
    if wanted.emergency is not None:
        said["emergency_text"] = f'"{to_text(wanted.emergency)}"'
    return " and ".join(parts), said


async def search(
    db: AsyncSession,
    wanted: Filter,
    *,
    auditor: AsyncEngine,
    limit: int = DEFAULT_LIMIT,
    after: Cursor | None = None,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> Page:
    """The newest entries that fit, at most `limit`; with `after`, those that follow it.

    `db` is a session of the app's role: commit it before anybody sees the page, for it holds the entry that says who looked
    for what, by the names of the filters. `auditor` is an engine of carecircle_auditor. Raises InvalidRequest, and
    DatabaseUnavailable.
    """
    if not 1 <= limit <= LARGEST_LIMIT:
        raise InvalidRequest(f"A page has 1 to {LARGEST_LIMIT:,} entries.")
    tenant = organization_of(organization)
    where, said = condition(wanted)
    if after is not None:
        where += " and (e.recorded_at, e.id) < (:after_at, :after_id) and e.recorded_at <= :after_at"
        said |= {"after_at": after.recorded_at, "after_id": after.id}
    query = text(
        f"select e.recorded_at, e.id, {LINE} as line from (select * from carecircle.audit_events e where {where}"
        " order by e.recorded_at desc, e.id desc limit :rows) e order by e.recorded_at desc, e.id desc"
    ).columns(recorded_at=Instant())
    async with transaction(auditor, tenant) as trail:
        await trail.execute(text(UTC_SESSION))
        found = (await trail.execute(query, {**said, "tenant": tenant, "rows": limit + 1})).all()
    entries = tuple(json.loads(row.line) for row in found[:limit])
    following = Cursor(found[limit - 1].recorded_at, found[limit - 1].id) if len(found) > limit else None
    own = await record(db, "audit-searched", wanted, actor=actor, organization=tenant, count=len(entries))
    return Page(entries, following, own)


async def record(
    db: AsyncSession,
    code: str,
    wanted: Filter | None = None,
    *,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
    **told: int | str | None,
) -> EntryId:
    """Append the entry that says that the audit was read: counts, ids and words of ours, and the names of the filters.

    The entry is about the provider and the patient who were looked for. Returns its id.
    """
    filters = wanted.names() if wanted is not None else ()
    detail = {name: value for name, value in told.items() if value is not None}
    if filters:
        detail["filters"] = " ".join(filters)
    entry = Entry(
        organization_of(organization), "reading", actor_of(actor), code,
        provider_id=wanted.provider_id if wanted else None,
        patient_id=wanted.patient_ids[0] if wanted and wanted.patient_ids else None,
        detail=detail,
    )  # fmt: skip
    await append(db, entry)
    return entry.id


async def one(
    db: AsyncSession,
    entry_id: UUID,
    *,
    auditor: AsyncEngine,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> tuple[str, Place | None]:
    """One entry's line, byte for byte its canonical form, and where it stands in the tree; None before it is sealed.

    That it was read is recorded in `db`. Raises EntryNotFound, DatabaseUnavailable.
    """
    tenant = organization_of(organization)
    asked = {"tenant": tenant, "entry": entry_id}
    query = text(
        f"select {LINE} from carecircle.audit_events e where e.organization_id = :tenant and e.id = :entry"
        " order by e.xid limit 1"
    )
    async with transaction(auditor, tenant) as trail:
        await trail.execute(text(UTC_SESSION))
        line = (await trail.execute(query, asked)).scalar_one_or_none()
        place = (await trail.execute(text(_PLACE), asked)).one_or_none()
    if line is None:
        raise EntryNotFound
    about = json.loads(line)
    patient, provider = (None if about[name] is None else UUID(about[name]) for name in ("patient_id", "provider_id"))
    seen = Filter(provider_id=provider, patient_ids=(patient,) if patient else None)
    await record(db, "audit-entry-read", seen, actor=actor, organization=tenant, entry=to_text(entry_id))
    return line, Place(*place) if place else None


async def newest_checkpoint(auditor: AsyncEngine, *, organization: UUID | str | None = None) -> Checkpoint | None:
    """The newest checkpoint; None where nothing was sealed yet. It tells of no entry, so that reading it leaves none."""
    tenant = organization_of(organization)
    async with transaction(auditor, tenant) as trail:
        row = (await trail.execute(_NEWEST, {"tenant": tenant})).one_or_none()
    return Checkpoint(*row) if row else None


async def checkpoints(
    auditor: AsyncEngine,
    *,
    after: Sequence[object] | None = None,
    limit: int = DEFAULT_LIMIT,
    organization: UUID | str | None = None,
) -> list[Checkpoint]:
    """The newest checkpoints, at most `limit`; with `after` (epoch, tree size), those before that one.

    Raises InvalidCursor when `after` is no such place.
    """
    match after:
        case None:
            epoch, size = None, None
        case [int(epoch), int(size)]:
            pass
        case _:
            raise InvalidCursor
    tenant = organization_of(organization)
    asked = {"tenant": tenant, "epoch": epoch, "size": size, "rows": limit}
    async with transaction(auditor, tenant) as trail:
        return [Checkpoint(*row) for row in await trail.execute(_CHECKPOINTS, asked)]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a snapshot of the database had in it: text of PostgreSQL's pg_snapshot."""

    snapshot: str


async def seen_now(auditor: AsyncEngine, *, organization: UUID | str | None = None) -> Seen:
    """What is there now: the beginning of following."""
    async with transaction(auditor, organization_of(organization)) as trail:
        return Seen((await trail.execute(text("select pg_current_snapshot()::text"))).scalar_one())


async def since(
    seen: Seen, wanted: Filter, *, auditor: AsyncEngine, organization: UUID | str | None = None
) -> tuple[tuple[Read, ...], Seen]:
    """The entries committed since, the oldest first, each exactly once, and what is there now.

    The caller leaves the entry that says who follows, and commits it, before anybody sees them (`record`).
    """
    tenant = organization_of(organization)
    where, said = condition(wanted)
    # Entries become visible in another order than that of their clocks: what counts is whether the last look could see them.
    # One statement, and so one snapshot, finds them and says what it could see.
    query = text(
        "select pg_current_snapshot()::text as now, found.line from (select) here left join ("
        f" select {LINE} as line, e.recorded_at, e.id from carecircle.audit_events e where {where}"
        " and e.xid >= pg_snapshot_xmin(cast(:seen as text)::pg_snapshot)"
        " and not pg_visible_in_snapshot(e.xid, cast(:seen as text)::pg_snapshot)"
        # What a dump brought from a cluster that had come further is not new for ever.
        " and e.xid < pg_snapshot_xmax(pg_current_snapshot())"
        ") found on true order by found.recorded_at, found.id"
    )
    async with transaction(auditor, tenant) as trail:
        await trail.execute(text(UTC_SESSION))
        rows = (await trail.execute(query, {**said, "tenant": tenant, "seen": seen.snapshot})).all()
    return tuple(json.loads(row.line) for row in rows if row.line is not None), Seen(rows[0].now)


def worth_recording(entries: Iterable[Read]) -> int:
    """How many of them say more than that somebody follows; without this, two who follow would record each other for ever."""
    return sum(entry["code"] != FOLLOWED for entry in entries)
