"""A patient's facts, closed and recorded again for another patient: the same few statements for every kind."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.assignments.rules import demoted_scope
from carecircle.errors import StaleVersion
from carecircle.identifiers import new_ids
from carecircle.period import FOREVER, Period
from carecircle.staffing.merging_rules import Cover, Direct, Piece, Related, Said
from carecircle.staffing.patient_facts import DIRECT, RELATED, AboutPatient
from carecircle.staffing.turnover_service import BELIEVED

_CLOCKS = {"organization_id", "id", "lineage_id", "patient_id", "starts_at", "ends_at", "recorded_at"}
_CLOCKS |= {"superseded_at", "entry_id", "superseded_entry_id", "source", "source_record", "source_item"}
# What a piece says otherwise than the row it is of.
_OTHERWISE = {
    (DIRECT.kind, "assignment_type"): "case when p.scope is null then t.assignment_type else 'consulting' end",
    (DIRECT.kind, "scope"): "coalesce(string_to_array(p.scope, ','), t.scope)",
    ("coverage", "scope"): "coalesce(string_to_array(p.scope, ','), t.scope)",
    ("coverage", "rests_on"): "coalesce(string_to_array(p.rests_on, ','), t.rests_on)",
    (RELATED.kind, "relation"): "coalesce(p.relation, t.relation)",
    ("coverage", "duty_ends_at"): "coalesce(p.duty_ends_at, least(t.duty_ends_at, coalesce(p.ends_at, 'infinity')))",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A row as it is in the table: `what` is all it says besides whom it is about, where it is from, and its clocks."""

    id: UUID
    lineage_id: UUID
    period: Period
    what: dict[str, Any]

    @property
    def content(self) -> tuple[object, ...]:
        """Equal for rows of any patient that say the same of the same time."""
        said = (tuple(value) if isinstance(value, list) else value for value in self.what.values())
        return (self.period.starts_at, self.period.ends_at, *said)


async def believed_about(
    db: AsyncSession, tenant: UUID, fact: AboutPatient, patient_id: UUID, *, lock: bool = True
) -> list[Row]:
    """Every row believed of this patient, past, present and ahead, locked against closing unless told otherwise."""
    columns = fact.table.__table__.c
    query = _rows(fact, tenant).where(columns.patient_id == patient_id, columns.superseded_at == BELIEVED)
    return await _read(db, query.order_by(columns.id).with_for_update() if lock else query)


async def closed_by(db: AsyncSession, tenant: UUID, fact: AboutPatient, patient_id: UUID, entry_id: UUID) -> list[Row]:
    """The rows of this patient that an entry closed."""
    columns = fact.table.__table__.c
    query = _rows(fact, tenant).where(
        columns.patient_id == patient_id, columns.superseded_at < BELIEVED, columns.superseded_entry_id == entry_id
    )
    return await _read(db, query.order_by(columns.id))


async def made_by(
    db: AsyncSession, tenant: UUID, fact: AboutPatient, lineages: Collection[UUID], entry_id: UUID
) -> list[Row]:
    """The rows of these lineages that an entry recorded, believed or not."""
    columns = fact.table.__table__.c
    return await _read(
        db, _rows(fact, tenant).where(columns.lineage_id.in_(list(lineages)), columns.entry_id == entry_id)
    )


async def held_before(
    db: AsyncSession, tenant: UUID, fact: AboutPatient, patient_id: UUID, at: datetime, entry_id: UUID
) -> list[Row]:
    """The rows believed of this patient just before an entry that was made at this instant."""
    columns = fact.table.__table__.c
    query = _rows(fact, tenant).where(
        columns.patient_id == patient_id, columns.recorded_at <= at, columns.entry_id != entry_id,
        or_(columns.superseded_at > at, columns.superseded_entry_id == entry_id),
    )  # fmt: skip
    return await _read(db, query.order_by(columns.id))


async def recorded_about(
    db: AsyncSession, tenant: UUID, fact: AboutPatient, patient_id: UUID, after: datetime, *, besides: Collection[UUID]
) -> list[UUID]:
    """The rows believed of this patient that were recorded after an instant, by other entries than these."""
    columns = fact.table.__table__.c
    rows = await db.scalars(
        select(columns.id).where(
            columns.organization_id == tenant, columns.patient_id == patient_id, columns.superseded_at == BELIEVED,
            columns.recorded_at > after, columns.entry_id.not_in(besides),
        )
    )  # fmt: skip
    return list(rows)


async def close(
    db: AsyncSession, tenant: UUID, fact: AboutPatient, rows: Sequence[Row], entry_id: UUID, at: datetime
) -> None:
    """Close rows under one entry. Raises StaleVersion when somebody closed one before us."""
    if not rows:
        return
    closed = await db.execute(
        text(
            f"update carecircle.{fact.table.__tablename__} set superseded_at = :at,"
            " superseded_xid = pg_current_xact_id(), superseded_entry_id = :entry_id"
            " where organization_id = :tenant and id = any(cast(:ids as uuid[])) and superseded_at = 'infinity' returning id"
        ),
        {"at": at, "entry_id": entry_id, "tenant": tenant, "ids": [row.id for row in rows]},
    )
    if len(closed.all()) != len(rows):
        raise StaleVersion


async def record(
    db: AsyncSession,
    tenant: UUID,
    fact: AboutPatient,
    patient_id: UUID,
    pieces: Sequence[Piece],
    entry_id: UUID,
    at: datetime,
    *,
    anew: bool = False,
) -> None:
    """Record pieces of rows for a patient: under the rows' own lineages, from the same sources; `anew`, as facts of their own."""
    if not pieces:
        return
    table = fact.table.__tablename__
    own = _own(fact)
    lineage, origin = ("p.id", "'', '', ''") if anew else ("t.lineage_id", "t.source, t.source_record, t.source_item")
    said = "".join(f", {_OTHERWISE.get((fact.kind, name), 't.' + name)}" for name in own)
    await db.execute(
        text(
            f"insert into carecircle.{table} (organization_id, id, lineage_id, patient_id, starts_at, ends_at, recorded_at,"
            f" entry_id, source, source_record, source_item{''.join(f', {name}' for name in own)})"
            f" select t.organization_id, p.id, {lineage}, :patient, p.starts_at, coalesce(p.ends_at, 'infinity'), :at,"
            f" :entry_id, {origin}{said}"
            " from unnest(cast(:of as uuid[]), cast(:ids as uuid[]), cast(:starts as timestamptz[]),"
            " cast(:ends as timestamptz[]), cast(:scopes as text[]), cast(:rests as text[]), cast(:duties as timestamptz[]),"
            " cast(:relations as text[])) as p (of, id, starts_at, ends_at, scope, rests_on, duty_ends_at, relation)"
            f" join carecircle.{table} t on t.organization_id = :tenant and t.id = p.of"
        ),
        {
            "tenant": tenant,
            "patient": patient_id,
            "at": at,
            "entry_id": entry_id,
            "of": [piece.of for piece in pieces],
            "ids": new_ids(len(pieces)),
            "starts": [piece.period.starts_at for piece in pieces],
            "ends": [None if piece.period.ends_at >= FOREVER else piece.period.ends_at for piece in pieces],
            "scopes": [None if piece.scope is None else ",".join(piece.scope) for piece in pieces],
            "rests": [None if piece.rests_on is None else ",".join(piece.rests_on) for piece in pieces],
            "duties": [piece.duty_ends_at for piece in pieces],
            "relations": [piece.relation for piece in pieces],
        },
    )


def as_said(fact: AboutPatient, row: Row) -> Said:
    """A row as the rules see it."""
    what = row.what
    if fact is DIRECT:
        primary = what["assignment_type"] == "primary"
        return Direct(
            row.id,
            row.period,
            row.period,
            ("primary",) if primary else None,
            provider_id=what["provider_id"],
            assignment_type=what["assignment_type"],
            scope=frozenset(what["scope"]),
            kept=tuple(demoted_scope(what["scope"])),
            rests_on=frozenset(what["rests_on"]),
            referral_id=what["referral_id"],
        )
    slot = None if fact.once is None else tuple(what[name] for name in fact.once)
    taking = row.period if fact.until == "ends_at" else Period(row.period.starts_at, what[fact.until])
    if fact.kind == "coverage":
        scope, rests_on = tuple(what["scope"]), frozenset(what["rests_on"])
        return Cover(row.id, row.period, taking, slot, scope=scope, rests_on=rests_on)
    if fact is RELATED:
        return Related(row.id, row.period, taking, slot, relation=what["relation"])
    return Said(row.id, row.period, taking, slot)


def _own(fact: AboutPatient) -> list[str]:
    """The columns that say what a fact is, besides whom it is about."""
    return [column.name for column in fact.table.__table__.columns if column.name not in _CLOCKS]


def _rows(fact: AboutPatient, tenant: UUID) -> Select[Any]:
    columns = fact.table.__table__.c
    clocks = (columns.id, columns.lineage_id, columns.starts_at, columns.ends_at)
    return select(*clocks, *(columns[name] for name in _own(fact))).where(columns.organization_id == tenant)


async def _read(db: AsyncSession, query: Select[Any]) -> list[Row]:
    found = await db.execute(query)
    return [
        Row(said.pop("id"), said.pop("lineage_id"), Period(said.pop("starts_at"), said.pop("ends_at")), said)
        for said in map(dict, found.mappings())
    ]
