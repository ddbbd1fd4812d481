"""Explaining an entry: read as the auditor, asked again as the decider, with where every row of its proof comes from."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from carecircle.access.listing import Wanted
from carecircle.access.recorded import REPLAYED, Knowing, Known, Recorded, Replay, proofs
from carecircle.access.service import Access
from carecircle.actor import Actor, actor_of, organization_of
from carecircle.audit.canonical import UNTOUCHED
from carecircle.audit.entry import Entry, append
from carecircle.database.instants import Instant
from carecircle.database.session import transaction
from carecircle.errors.audit import EntryNotFound
from carecircle.identifiers import to_text
from carecircle.period import FOREVER

# Where a basis or a restriction, or what lies under one, can be.
_PROVING = (
    "patient_assignments", "care_team_members", "care_team_patients", "coverage_arrangements", "emergency_access",
    "access_restrictions", "patient_labels",
)  # fmt: skip
# Where an entry was sealed says which cluster its transactions are of; of one not sealed yet, its own row does.
_ENTRY = text(f"""
    select e.*, e.xid::text as own_xid, e.snapshot::text as seen, e.mark is not null as marked, {UNTOUCHED} as untouched,
      e.xid < pg_snapshot_xmax(pg_current_snapshot()) as past,
      (select system_identifier from pg_control_system()) as here,
      (select c.system_id from carecircle.audit_leaves l
       join carecircle.audit_checkpoints c
         on c.organization_id = l.organization_id and c.epoch = l.epoch and c.tree_size > l.leaf_index
       where l.organization_id = e.organization_id and l.entry_id = e.id order by c.tree_size limit 1) as sealed_in
    from carecircle.audit_events e where e.organization_id = :tenant and e.id = :entry""").columns(
    recorded_at=Instant(), as_of=Instant(), believed_at=Instant()
)
_REGISTERED = text("""
    select 'patient' as who, p.recorded_at from carecircle.patients p where p.organization_id = :tenant and p.id = :patient
    union all
    select 'provider', p.recorded_at from carecircle.providers p where p.organization_id = :tenant and p.id = :provider""")
# A person has one row, edited in place, and no transaction on it: when it committed, the entry that registered them says,
# the first that names them. It follows within moments; whoever has none within minutes was brought by what names nobody.
# Ids begin with the time, by the clock of who wrote them: so their index finds it.
_REGISTERING = text("""
    select pg_visible_in_snapshot(e.xid, cast(cast(:snapshot as text) as pg_snapshot))
    from carecircle.audit_events e
    where e.organization_id = :tenant and e.id >= :first and e.id < :last
      and e.kind in ('change', 'import') and e.code in ('patient-registered', 'provider-registered', 'fhir-record-taken')
      and :person in (e.patient_id, e.provider_id) and e.recorded_at >= :at and e.recorded_at < :until
    order by e.recorded_at, e.id limit 1""")
_FOLLOWS_WITHIN = timedelta(minutes=10)
_CLOCKS_APART = timedelta(minutes=5)
# What a list is of, as its entry's detail says it.
_LISTED: dict[str, Wanted] = {"patient_id": "patients", "provider_id": "providers"}
_CLOCKS_APART = timedelta(minutes=5)
_ROWS = text(
    "select f.*, m.code as made_by, m.actor as maker, c.code as closed_by, c.actor as closer from ("
    + " union all ".join(
        f"select '{table}' as source, id, recorded_at, entry_id, superseded_at, superseded_entry_id"
        f" from carecircle.{table} where organization_id = :tenant and id = any (:ids)"
        for table in _PROVING
    )
    + ") f left join carecircle.audit_events m on m.organization_id = :tenant and m.id = f.entry_id"
    " left join carecircle.audit_events c on c.organization_id = :tenant and c.id = f.superseded_entry_id"
).columns(recorded_at=Instant(), superseded_at=Instant())


@dataclass(frozen=True, slots=True)
class Row:
    """A fact in a proof: since when it is believed and by which entry (its code, who), and until when and by which."""

    table: str
    id: UUID
    recorded_at: datetime
    entry_id: UUID
    made_by: str | None
    maker: str | None
    superseded_at: datetime | None
    superseded_entry_id: UUID | None
    closed_by: str | None
    closer: str | None


@dataclass(frozen=True, slots=True)
class Explained:
    """An entry; of an answer also the same question asked again, and the rows its proof names, by their ids."""

    entry: Recorded
    replay: Replay | None
    rows: Mapping[UUID, Row]


async def explain_entry(
    access: Access,
    *,
    app: AsyncEngine,
    auditor: AsyncEngine,
    entry_id: UUID,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> Explained:
    """What an entry says and whether the same is answered again; that it was explained is an entry, made before it is told.

    `auditor` is an engine of the role carecircle_auditor. Raises EntryNotFound for an entry that this organization does not have,
    AccessUnavailable when the question cannot be asked again.
    """
    tenant = organization_of(organization)
    async with transaction(auditor, tenant) as trail:
        entry, by, why = await _entry(trail, tenant, entry_id)
        named = {one for proof in entry.proofs for one in (proof.id, proof.under_id) if one is not None}
        rows = await _rows(trail, tenant, named)
    async with transaction(app, tenant) as session:
        await append(session, _told(tenant, entry, actor_of(actor)))
    # Whether somebody might ask at all is no question about the patient.
    if entry.kind not in REPLAYED or entry.code in ("not-admitted", "outside-scope"):
        return Explained(entry, None, rows)
    known = await known_then(app, auditor, entry, by, why)
    return Explained(entry, await access.replay(entry, known), rows)


async def replayed(
    access: Access,
    *,
    app: AsyncEngine,
    auditor: AsyncEngine,
    organization: UUID,
    entry_id: UUID,
    knowing: Knowing | None = None,
) -> Replay:
    """An answer asked again, for who checks many at a time and records that once. `entry_id` is of an answer.

    `knowing` says by what, where that is not to be found out. Raises what `explain_entry` raises.
    """
    async with transaction(auditor, organization) as trail:
        entry, by, why = await _entry(trail, organization, entry_id)
    if knowing is not None:
        by, why = knowing, None
    return await access.replay(entry, await known_then(app, auditor, entry, by, why))


async def known_then(
    app: AsyncEngine, auditor: AsyncEngine, entry: Recorded, by: Knowing, why: str | None = None
) -> Known:
    """Who of the two was registered for the statement that made the entry."""
    asked = {"tenant": entry.organization_id, "patient": entry.patient_id, "provider": entry.provider_id}
    async with transaction(app, entry.organization_id) as session:
        since = {row.who: row.recorded_at for row in await session.execute(_REGISTERED, asked)}
    known = {who: at <= entry.recorded_at for who, at in since.items()}
    if by == "snapshot":
        async with transaction(auditor, entry.organization_id) as trail:
            for who, at in since.items():
                about = {
                    "tenant": entry.organization_id, "snapshot": entry.snapshot, "person": asked[who],
                    "at": at, "until": at + _FOLLOWS_WITHIN,
                    "first": _id_at(at - _CLOCKS_APART), "last": _id_at(at + _FOLLOWS_WITHIN + _CLOCKS_APART),
                }  # fmt: skip
                seen = (await trail.execute(_REGISTERING, about)).scalar_one_or_none()
                known[who] = known[who] if seen is None else seen
    return Known(by, known.get("provider", False), known.get("patient", False), why)


def _id_at(instant: datetime) -> UUID:
    """The first id that is made at an instant."""
    return UUID(bytes=int(instant.timestamp() * 1000).to_bytes(6, "big") + bytes(10))


async def _entry(trail: AsyncSession, tenant: UUID, entry_id: UUID) -> tuple[Recorded, Knowing, str | None]:
    """The entry, what can say what it knew, and why that is not its snapshot."""
    row = (await trail.execute(_ENTRY, {"tenant": tenant, "entry": entry_id})).one_or_none()
    if row is None:
        raise EntryNotFound(
            f"There is no entry {to_text(entry_id)} in this organization; if it is old, its month may have been retired."
        )
    known: Knowing = "snapshot"
    why = None
    if not row.past or row.sealed_in not in (None, row.here):
        known, why = "clocks", "restored"
    elif row.sealed_in is None and row.kind in REPLAYED and not row.untouched:
        known, why = "clocks", "rewritten"
    return _recorded(row), known, why


def _recorded(row: Any) -> Recorded:
    said = _said(row.detail) if row.kind == "listing" else {}
    listed, count, digest = _LISTED.get(str(said.get("listed"))), said.get("count"), said.get("digest")
    return Recorded(
        row.organization_id, row.id, row.recorded_at, row.kind, row.actor, row.on_behalf_of, row.address, row.provider_id,
        row.patient_id, row.action, row.purpose, row.allowed, row.code, row.as_of or row.recorded_at, row.believed_at,
        proofs(row.basis_kinds, row.basis_ids, row.basis_under, row.basis_via, row.basis_ends), row.policy_version,
        row.request_id, row.detail, listed, count, digest, row.marked, row.own_xid, row.seen,
    )  # fmt: skip


def _said(detail: str | None) -> dict[str, Any]:
    """What an entry's detail holds; nothing where somebody wrote something else there."""
    try:
        said = json.loads(detail or "{}")
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


async def _rows(trail: AsyncSession, tenant: UUID, ids: Collection[UUID]) -> dict[UUID, Row]:
    if not ids:
        return {}
    found = (await trail.execute(_ROWS, {"tenant": tenant, "ids": list(ids)})).all()
    rows = [
        Row(
            row.source, row.id, row.recorded_at, row.entry_id, row.made_by, row.maker, row.superseded_at,
            row.superseded_entry_id, row.closed_by, row.closer,
        )
        for row in found
    ]  # fmt: skip
    return {row.id: row if row.superseded_at != FOREVER else replace(row, superseded_at=None) for row in rows}


def _told(tenant: UUID, entry: Recorded, actor: Actor) -> Entry:
    return Entry(
        tenant, "reading", actor, "decision-explained", entry.provider_id, entry.patient_id,
        detail={"entry": to_text(entry.id), "kind": entry.kind},
    )  # fmt: skip
