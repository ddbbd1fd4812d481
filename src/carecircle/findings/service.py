"""Findings: what could not be taken is recorded once, closed when it no longer holds, and listed until then."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, literal_column, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.database.keyset import Key, beyond
from carecircle.findings.tables import Finding
from carecircle.identifiers import new_id

_STILL: ColumnElement[datetime] = literal_column("timestamptz 'infinity'")


@dataclass(frozen=True, slots=True)
class NewFinding:
    """What is wrong and where: `source_record` names the record ("Encounter/abc"), `source_item` the part of it.

    One (source, record, item, code) is told once. Neither text may hold patient data.
    """

    source: str
    source_record: str
    source_item: str
    code: str
    sentence: str
    remedy: str = ""
    patient_id: UUID | None = None
    provider_id: UUID | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        return (self.source_record, self.source_item, self.code)


@dataclass(frozen=True, slots=True)
class Open:
    """A finding that waits to be resolved, as far as comparing needs it."""

    id: UUID
    lineage_id: UUID
    sentence: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Difference:
    """What has to be written so that exactly the stated findings are open; nothing when they are already."""

    opened: tuple[NewFinding, ...] = ()
    closed: tuple[Open, ...] = ()
    reworded: tuple[tuple[Open, NewFinding], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.opened or self.closed or self.reworded)


async def open_by_record(
    session: AsyncSession, organization_id: UUID, source: str, records: Collection[str]
) -> dict[str, dict[tuple[str, str, str], Open]]:
    """The open findings of these records of a source: by record, then by key."""
    found: dict[str, dict[tuple[str, str, str], Open]] = {}
    if not records:
        return found
    rows = await session.execute(
        select(Finding.source_record, Finding.source_item, Finding.code, Finding.id, Finding.lineage_id,
               Finding.sentence, Finding.remedy)
        .where(
            Finding.organization_id == organization_id,
            Finding.source == source,
            Finding.source_record == func.any(list(records)),
            Finding.superseded_at == _STILL,
        )
    )  # fmt: skip
    for record, item, code, finding_id, lineage_id, sentence, remedy in rows:
        found.setdefault(record, {})[(record, item, code)] = Open(finding_id, lineage_id, sentence, remedy)
    return found


def difference(known: Mapping[tuple[str, str, str], Open], stated: Iterable[NewFinding]) -> Difference:
    """Compare what is open of one record with what holds now; of two with the same key the first counts."""
    wanted: dict[tuple[str, str, str], NewFinding] = {}
    for finding in stated:
        wanted.setdefault(finding.key, finding)
    return Difference(
        opened=tuple(finding for key, finding in wanted.items() if key not in known),
        closed=tuple(finding for key, finding in known.items() if key not in wanted),
        reworded=tuple(
            (known[key], finding)
            for key, finding in wanted.items()
            if key in known and (known[key].sentence, known[key].remedy) != (finding.sentence, finding.remedy)
        ),
    )


async def apply(
    session: AsyncSession, organization_id: UUID, changes: Iterable[tuple[UUID, Difference]], at: datetime
) -> None:
    """Write differences, each under its audit entry, at an instant of this transaction."""
    closings: list[dict[str, Any]] = []
    openings: list[dict[str, Any]] = []
    for entry_id, change in changes:
        gone = [*change.closed, *(was for was, _ in change.reworded)]
        closings += [{"organization_id": organization_id, "id": one.id, "entry_id": entry_id, "at": at} for one in gone]
        fresh = [(None, finding) for finding in change.opened]
        for was, finding in [*fresh, *change.reworded]:
            openings.append(_row(organization_id, finding, was, entry_id, at))
    if closings:
        await session.execute(_CLOSE, closings)
    if openings:
        await session.execute(_OPEN, openings)


async def record(
    session: AsyncSession, organization_id: UUID, finding: NewFinding, entry_id: UUID, at: datetime
) -> None:
    """Record one finding, unless it is open already."""
    known = await open_by_record(session, organization_id, finding.source, [finding.source_record])
    mine = {key: one for key, one in known.get(finding.source_record, {}).items() if key == finding.key}
    await apply(session, organization_id, [(entry_id, difference(mine, [finding]))], at)


async def list_open(
    session: AsyncSession,
    organization_id: UUID,
    *,
    codes: Sequence[str] = (),
    source: str | None = None,
    limit: int = 1000,
    after: Sequence[Key] | None = None,
) -> list[Finding]:
    """Open findings, oldest first; all codes and sources unless some are named. `after`: instant and id of the last one seen.

    Raises InvalidCursor when it is no such place.
    """
    query = select(Finding).where(Finding.organization_id == organization_id, Finding.superseded_at == _STILL)
    if codes:
        query = query.where(Finding.code.in_(codes))
    if source is not None:
        query = query.where(Finding.source == source)
    return list(await session.scalars(beyond(query, Finding.recorded_at, Finding.id, after=after, limit=limit)))


async def count_open(session: AsyncSession, organization_id: UUID) -> dict[str, int]:
    """How many findings of each code are open."""
    rows = await session.execute(
        select(Finding.code, func.count())
        .where(Finding.organization_id == organization_id, Finding.superseded_at == _STILL)
        .group_by(Finding.code)
        .order_by(Finding.code)
    )
    return {row[0]: row[1] for row in rows}


def _row(organization_id: UUID, finding: NewFinding, was: Open | None, entry_id: UUID, at: datetime) -> dict[str, Any]:
    fresh = new_id()
    return {
        "organization_id": organization_id,
        "id": fresh,
        "lineage_id": was.lineage_id if was else fresh,
        "code": finding.code,
        "sentence": finding.sentence,
        "remedy": finding.remedy,
        "source": finding.source,
        "source_record": finding.source_record,
        "source_item": finding.source_item,
        "patient_id": finding.patient_id,
        "provider_id": finding.provider_id,
        "at": at,
        "entry_id": entry_id,
    }


_CLOSE = text("""
    update carecircle.findings
       set superseded_at = :at, superseded_xid = pg_current_xact_id(), superseded_entry_id = :entry_id
     where organization_id = :organization_id and id = :id and superseded_at = 'infinity'""")

_OPEN = text("""
    insert into carecircle.findings
      (organization_id, id, lineage_id, code, sentence, remedy, source, source_record, source_item,
       patient_id, provider_id, recorded_at, entry_id)
    values (:organization_id, :id, :lineage_id, :code, :sentence, :remedy, :source, :source_record, :source_item,
            :patient_id, :provider_id, :at, :entry_id)
    on conflict do nothing""")
