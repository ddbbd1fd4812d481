"""Rows of any holding, closed and followed by others: the same few statements for whatever a person can hold."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Select, Text, cast, func, literal, literal_column, null, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.directory.holdings import Holding
from carecircle.errors import StaleVersion
from carecircle.identifiers import new_id

# Written out, not bound: only then do the partial indexes of believed rows serve a prepared statement.
BELIEVED: ColumnElement[datetime] = literal_column("timestamptz 'infinity'")
_CLOCKS = {"organization_id", "id", "lineage_id", "starts_at", "ends_at", "recorded_at", "superseded_at", "entry_id"}
_CLOCKS |= {"superseded_entry_id", "source", "source_record", "source_item"}


@dataclass(frozen=True, slots=True)
class Held:
    """A row that is believed: what it calls itself, whom it is about, when it holds, and what it rests on.

    `lapses_at` is the first of its ends: a stand-in's duty is over then, while access still has its grace.
    """

    id: UUID
    lineage_id: UUID
    provider_id: UUID
    named: str
    patient_id: UUID | None
    care_team_id: UUID | None
    covered_id: UUID | None
    rests_on: list[str]
    starts_at: datetime
    ends_at: datetime
    lapses_at: datetime


@dataclass(frozen=True, slots=True)
class Successor:
    """A row to insert: what row `of` says, for another period, perhaps for another provider.

    Only with `sourced` does it also claim to come from where `of` was imported from.
    """

    of: UUID
    id: UUID
    lineage_id: UUID
    starts_at: datetime
    ends_at: datetime
    entry_id: UUID
    provider_id: UUID | None = None
    sourced: bool = False

    @classmethod
    def ended(cls, row: Held, at: datetime, entry_id: UUID) -> Successor:
        return cls(row.id, new_id(), row.lineage_id, row.starts_at, at, entry_id)

    @classmethod
    def handed_over(
        cls, row: Held, at: datetime, entry_id: UUID, provider_id: UUID, *, keeps_lineage: bool = False
    ) -> Successor:
        fresh = new_id()
        lineage = row.lineage_id if keeps_lineage else fresh
        return cls(row.id, fresh, lineage, max(row.starts_at, at), row.ends_at, entry_id, provider_id)

    @classmethod
    def restored(cls, row: Held, entry_id: UUID) -> Successor:
        return cls(row.id, new_id(), row.lineage_id, row.starts_at, row.ends_at, entry_id, sourced=True)


async def held_by(
    db: AsyncSession, tenant: UUID, holding: Holding, provider_id: UUID, after: datetime, *, lock: bool = False
) -> list[Held]:
    """What a provider holds of this kind and has not lost by `after`, by id; locked against closing when asked."""
    columns = holding.table.__table__.c
    query = _rows(holding, tenant).where(
        columns[holding.provider] == provider_id,
        columns.superseded_at == BELIEVED,
        columns.ends_at > after,
        columns.starts_at < columns.ends_at,
    )
    if holding.only and holding.named:
        query = query.where(columns[holding.named].in_(holding.only))
    return await _read(db, query.order_by(columns.id), lock)


async def by_id(
    db: AsyncSession, tenant: UUID, holding: Holding, ids: Collection[UUID], *, believed: bool = True
) -> dict[UUID, Held]:
    """Those of these rows that are still believed, locked against closing; or all of them, as they were."""
    columns = holding.table.__table__.c
    query = _rows(holding, tenant).where(columns.id.in_(list(ids)))
    if believed:
        query = query.where(columns.superseded_at == BELIEVED)
    return {row.id: row for row in await _read(db, query.order_by(columns.id), believed)}


async def close(
    db: AsyncSession, tenant: UUID, holding: Holding, closings: Sequence[tuple[UUID, UUID]], at: datetime
) -> None:
    """Close rows, each (row, entry) under the entry that closes it. Raises StaleVersion when one was closed before."""
    if not closings:
        return
    closed = await db.execute(
        text(
            f"update carecircle.{holding.table.__tablename__} t set superseded_at = :at,"
            " superseded_xid = pg_current_xact_id(), superseded_entry_id = c.entry_id"
            " from unnest(cast(:ids as uuid[]), cast(:entries as uuid[])) as c (id, entry_id)"
            " where t.organization_id = :tenant and t.id = c.id and t.superseded_at = 'infinity' returning t.id"
        ),
        {"at": at, "tenant": tenant, "ids": [row for row, _ in closings], "entries": [entry for _, entry in closings]},
    )
    if len(closed.all()) != len(closings):
        raise StaleVersion


async def follow(
    db: AsyncSession, tenant: UUID, holding: Holding, successors: Sequence[Successor], at: datetime
) -> None:
    """Insert rows that follow others, recorded at `at`; what ends with a row ends no later than its successor."""
    if not successors:
        return
    table = holding.table.__tablename__
    own = [name for name in holding.table.__table__.c.keys() if name not in _CLOCKS and name != holding.provider]  # noqa: SIM118 - iterating the columns gives columns, not names
    said = "".join(f", least(t.{name}, s.ends_at)" if name in holding.also_ends else f", t.{name}" for name in own)
    await db.execute(
        text(
            f"insert into carecircle.{table} (organization_id, id, lineage_id, {holding.provider}, starts_at, ends_at,"
            f" recorded_at, entry_id, source, source_record, source_item{''.join(f', {name}' for name in own)})"
            f" select t.organization_id, s.id, s.lineage_id, coalesce(s.provider_id, t.{holding.provider}), s.starts_at,"
            " s.ends_at, :at, s.entry_id, case when s.sourced then t.source else '' end,"
            " case when s.sourced then t.source_record else '' end,"
            f" case when s.sourced then t.source_item else '' end{said}"
            " from unnest(cast(:of as uuid[]), cast(:ids as uuid[]), cast(:lineages as uuid[]), cast(:providers as uuid[]),"
            " cast(:starts as timestamptz[]), cast(:ends as timestamptz[]), cast(:entries as uuid[]),"
            " cast(:sourced as boolean[]))"
            " as s (of, id, lineage_id, provider_id, starts_at, ends_at, entry_id, sourced)"
            f" join carecircle.{table} t on t.organization_id = :tenant and t.id = s.of"
        ),
        {
            "at": at,
            "tenant": tenant,
            "of": [one.of for one in successors],
            "ids": [one.id for one in successors],
            "lineages": [one.lineage_id for one in successors],
            "providers": [one.provider_id for one in successors],
            "starts": [one.starts_at for one in successors],
            "ends": [one.ends_at for one in successors],
            "entries": [one.entry_id for one in successors],
            "sourced": [one.sourced for one in successors],
        },
    )


async def in_the_way(
    db: AsyncSession,
    tenant: UUID,
    holding: Holding,
    wanted: Sequence[tuple[UUID, UUID]],
    at: datetime,
    *,
    besides: Collection[UUID] = (),
) -> set[tuple[UUID, UUID]]:
    """Of (row, provider) pairs, those where this provider needs no copy of the row from `at` on, or can have none.

    Needs none: already holds the like for the rest of the row's period. Can have none: an exclusive one overlaps it.
    """
    if not wanted or not holding.once:
        return set()
    columns = holding.table.__table__.c
    # Only equality finds its rows through an index.
    same = " and ".join(
        f"o.{name} {'is not distinct from' if columns[name].nullable else '='} t.{name}" for name in holding.once
    )
    clash = (
        f"o.starts_at < {_first_end(holding, 't')} and {_first_end(holding, 'o')} > greatest(t.starts_at, :at)"
        if holding.exclusive
        else f"o.starts_at <= greatest(t.starts_at, :at) and {_first_end(holding, 'o')} >= {_first_end(holding, 't')}"
    )
    table = holding.table.__tablename__
    found = await db.execute(
        text(
            "select distinct w.id, w.provider_id"
            " from unnest(cast(:ids as uuid[]), cast(:providers as uuid[])) as w (id, provider_id)"
            f" join carecircle.{table} t on t.organization_id = :tenant and t.id = w.id"
            f" join carecircle.{table} o on o.organization_id = :tenant and o.{holding.provider} = w.provider_id"
            f" and {same} and {clash} and o.superseded_at = 'infinity' and o.starts_at < o.ends_at"
            " and o.id <> t.id and o.id <> all (cast(:besides as uuid[]))"
        ),
        {
            "ids": [row for row, _ in wanted],
            "providers": [provider for _, provider in wanted],
            "tenant": tenant,
            "at": at,
            "besides": list(besides),
        },
    )
    return {(row[0], row[1]) for row in found}


def _first_end(holding: Holding, alias: str) -> str:
    return f"least({', '.join(f'{alias}.{name}' for name in ('ends_at', *holding.also_ends))})"


def _rows(holding: Holding, tenant: UUID) -> Select[Any]:
    columns = holding.table.__table__.c

    def or_null(name: str | None) -> ColumnElement[Any]:
        return columns[name] if name else null()

    return select(
        columns.id,
        columns.lineage_id,
        columns[holding.provider].label("provider_id"),
        (cast(columns[holding.named], Text) if holding.named else literal("")).label("named"),
        or_null(holding.patient).label("patient_id"),
        or_null(holding.care_team).label("care_team_id"),
        or_null(holding.covered).label("covered_id"),
        (columns.rests_on if "rests_on" in columns else literal([], ARRAY(Text()))).label("rests_on"),
        columns.starts_at,
        columns.ends_at,
        func.least(columns.ends_at, *(columns[name] for name in holding.also_ends), type_=columns.ends_at.type).label(
            "lapses_at"
        ),
    ).where(columns.organization_id == tenant)


async def _read(db: AsyncSession, query: Select[Any], lock: bool) -> list[Held]:
    rows = await db.execute(query.with_for_update() if lock else query)
    return [Held(**row) for row in rows.mappings()]
