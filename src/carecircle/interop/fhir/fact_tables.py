"""Reading and writing facts of the circle, many at a time: closed and inserted, never edited."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from carecircle.assignments.rules import DEFAULT_SCOPE
from carecircle.care_teams.rules import default_scope
from carecircle.interop.fhir.closures import Stretch
from carecircle.interop.fhir.service import Desk
from carecircle.interop.fhir.settle import Row
from carecircle.period import FOREVER

# The columns that say what a fact is, with their types, in the order of Row.values.
COLUMNS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "patient_assignments": (("patient_id", "uuid"), ("provider_id", "uuid"), ("assignment_type", "text")),
    "care_team_patients": (("care_team_id", "uuid"), ("patient_id", "uuid")),
    "care_team_members": (("care_team_id", "uuid"), ("provider_id", "uuid"), ("member_role", "text")),
    "provider_roles": (("provider_id", "uuid"), ("role_code", "text"), ("specialty_code", "text"), ("unit_id", "uuid")),
}

# The tables whose facts rest on credentials.
RESTING = ("patient_assignments", "care_team_members")

# The tables whose facts let somebody in.
CIRCLE = ("patient_assignments", "care_team_patients", "care_team_members")


async def facts_of_records(desk: Desk, table: str, records: Sequence[str]) -> list[Row]:
    """The facts believed now that these records of our source made."""
    if not records:
        return []
    return await _select(
        desk, table, "source = :source and source <> '' and source_record = any(:records)",
        source=desk.run.source, records=list(records),
    )  # fmt: skip


async def primaries_of(desk: Desk, patient_ids: Sequence[UUID]) -> list[Row]:
    """Every primary of these patients believed now, whoever recorded it."""
    return await _select(
        desk, "patient_assignments", "patient_id = any(:ids) and is_primary_provider", ids=list(patient_ids)
    )


async def facts_of_teams(desk: Desk, table: str, team_ids: Sequence[UUID]) -> list[Row]:
    """Every seat of (or patient on) these teams believed now, whoever recorded it."""
    return await _select(desk, table, "care_team_id = any(:ids)", ids=list(team_ids))


async def closures_of(desk: Desk, team_ids: Sequence[UUID]) -> dict[UUID, list[Stretch]]:
    """When each of these teams was, is or will be closed, in order; teams that never were are left out."""
    closures: dict[UUID, list[Stretch]] = {}
    rows = await desk.rows(
        "select care_team_id, starts_at, nullif(ends_at, 'infinity') as ends_at from carecircle.care_team_closures"
        " where organization_id = :organization and care_team_id = any(:ids) and superseded_at = 'infinity'"
        " order by care_team_id, starts_at",
        ids=list(team_ids),
    )
    for row in rows:
        closures.setdefault(row.care_team_id, []).append((row.starts_at, row.ends_at or FOREVER))
    return closures


async def seats_of(desk: Desk, held: Collection[tuple[UUID, str]], after: datetime) -> list[Row]:
    """The seats that these providers hold in these roles after an instant, on whatever teams."""
    if not held:
        return []
    return await _select(
        desk, "care_team_members", "ends_at > :after and (provider_id, member_role) in"
        " (select * from unnest(cast(:providers as uuid[]), cast(:roles as text[])))",
        after=after, providers=[one for one, _ in held], roles=[role for _, role in held],
    )  # fmt: skip


async def merges_said_by(desk: Desk, records: Sequence[str]) -> list[UUID]:
    """The patients who are merged into others because these records of our source said so, the last merged first."""
    if not records:
        return []
    rows = await desk.rows(
        "select patient_id from carecircle.patient_merges where organization_id = :organization"
        " and superseded_at = 'infinity' and source = :source and source_record = any(:records) order by recorded_at desc, id desc",
        source=desk.run.source,
        records=list(records),
    )
    return [row.patient_id for row in rows]


async def records_about(desk: Desk, patient_id: UUID) -> list[str]:
    """The records of our source that facts believed of this patient come from."""
    rows = await desk.rows(
        " union ".join(
            f"select source_record from carecircle.{table} where organization_id = :organization and patient_id = :id"
            " and superseded_at = 'infinity' and source = :source and source <> ''"
            for table in ("patient_assignments", "care_team_patients")
        ),
        id=patient_id,
        source=desk.run.source,
    )
    return [row.source_record for row in rows]


async def demoted_by_merges(desk: Desk, records: Sequence[str]) -> Sequence[Any]:
    """Rows (said_by, source, source_record, source_item, provider_id) of who is consulting, and was primary before a merge
    that these records of our source said.
    """
    return await desk.rows(
        "select distinct m.source_record as said_by, c.source, c.source_record, c.source_item, c.provider_id"
        " from carecircle.patient_merges m"
        " join carecircle.patient_assignments was on was.organization_id = m.organization_id"
        "   and was.patient_id = m.patient_id and was.superseded_entry_id = m.entry_id and was.superseded_at < 'infinity'"
        " join carecircle.patient_assignments c on c.organization_id = m.organization_id and c.lineage_id = was.lineage_id"
        " where m.organization_id = :organization and m.superseded_at = 'infinity' and m.source = :source"
        "   and m.source_record = any(:records) and was.is_primary_provider and c.superseded_at = 'infinity'"
        "   and c.assignment_type = 'consulting' and not exists (select from carecircle.patient_assignments p"
        "     where p.organization_id = c.organization_id and p.patient_id = c.patient_id and p.provider_id = c.provider_id"
        "     and p.superseded_at = 'infinity' and p.is_primary_provider"
        "     and p.starts_at < c.ends_at and p.ends_at > c.starts_at)"
        " order by 1, 2, 3, 4, 5",
        source=desk.run.source,
        records=list(records),
    )


async def imported_and_live(desk: Desk) -> int:
    """How many imported facts let somebody in now, or will."""
    counted = " + ".join(
        f"(select count(*) from carecircle.{table} where organization_id = :organization"
        " and superseded_at = 'infinity' and source <> '' and ends_at > statement_timestamp())"
        for table in CIRCLE
    )
    return int((await desk.rows(f"select {counted} as live"))[0].live)


async def taken_over(desk: Desk, table: str, ids: Sequence[UUID]) -> set[tuple[str, str]]:
    """(record, item) of our facts that somebody has since changed by hand; `ids` are their patients, or their teams."""
    owner = COLUMNS[table][0][0]
    rows = await desk.rows(
        "select distinct ours.source_record, ours.source_item"
        f" from carecircle.{table} hand join carecircle.{table} ours"
        "   on ours.organization_id = hand.organization_id and ours.lineage_id = hand.lineage_id"
        " where hand.organization_id = :organization and hand.superseded_at = 'infinity' and hand.source = ''"
        f" and hand.lineage_id <> hand.id and hand.{owner} = any(:ids) and ours.source = :source",
        ids=list(ids),
        source=desk.run.source,
    )
    return {(row.source_record, row.source_item) for row in rows}


async def close(desk: Desk, rows: Sequence[tuple[Row, UUID]], at: datetime) -> None:
    """Supersede rows, each under an entry. Raises StaleVersion when somebody closed one before us."""
    for table in dict.fromkeys(row.table for row, _ in rows):
        mine = [(row.id, entry_id) for row, entry_id in rows if row.table == table]
        closed = await desk.write(
            f"update carecircle.{table} f set superseded_at = :at, superseded_xid = pg_current_xact_id(),"
            " superseded_entry_id = t.entry_id"
            " from unnest(cast(:ids as uuid[]), cast(:entries as uuid[])) as t (id, entry_id)"
            " where f.organization_id = :organization and f.id = t.id and f.superseded_at = 'infinity'",
            at=at,
            ids=[row_id for row_id, _ in mine],
            entries=[entry_id for _, entry_id in mine],
        )
        if closed != len(mine):
            raise desk.stale()


async def insert(desk: Desk, rows: Sequence[tuple[Row, UUID]], at: datetime) -> None:
    """Insert rows, each under an entry, recorded at `at`."""
    for table in dict.fromkeys(row.table for row, _ in rows):
        mine = [(row, entry_id) for row, entry_id in rows if row.table == table]
        columns = COLUMNS[table]
        given: dict[str, Any] = {
            name: [row.values[position] for row, _ in mine] for position, (name, _) in enumerate(columns)
        }
        names = [name for name, _ in columns]
        typed = [f"cast(:{name} as {kind}[])" for name, kind in columns]
        scope = _SCOPES.get(table)
        if scope is not None:
            given["scope"] = [",".join(scope(row)) for row, _ in mine]
            typed.append("cast(:scope as text[])")
            given["rests_on"] = [_array(row.rests_on or ()) for row, _ in mine]
            typed.append("cast(:rests_on as text[])")
        await desk.write(
            f"insert into carecircle.{table} (organization_id, recorded_at, id, lineage_id, entry_id, source,"
            f" source_record, source_item, starts_at, ends_at, {', '.join(names)}{', scope, rests_on' if scope else ''})"
            " select :organization, :at, t.id, t.lineage_id, t.entry_id, t.source, t.record, t.item, t.starts_at,"
            f" coalesce(t.ends_at, 'infinity'), {', '.join('t.' + name for name in names)}"
            f"{', string_to_array(t.scope, chr(44)), cast(t.rests_on as text[])' if scope else ''}"
            " from unnest(cast(:ids as uuid[]), cast(:lineages as uuid[]), cast(:entries as uuid[]),"
            " cast(:sources as text[]), cast(:records as text[]), cast(:items as text[]), cast(:starts as timestamptz[]),"
            f" cast(:ends as timestamptz[]), {', '.join(typed)})"
            f" as t (id, lineage_id, entry_id, source, record, item, starts_at, ends_at, {', '.join(names)}"
            f"{', scope, rests_on' if scope else ''})",
            at=at,
            ids=[row.id for row, _ in mine],
            sources=[row.source for row, _ in mine],
            lineages=[row.lineage_id for row, _ in mine],
            entries=[entry_id for _, entry_id in mine],
            records=[row.record for row, _ in mine],
            items=[row.item for row, _ in mine],
            starts=[row.starts_at for row, _ in mine],
            ends=[None if row.ends_at >= FOREVER else row.ends_at for row, _ in mine],
            **given,
        )


async def _select(desk: Desk, table: str, where: str, **given: Any) -> list[Row]:
    names = ", ".join(name for name, _ in COLUMNS[table])
    rests_on = "rests_on" if table in RESTING else "cast('{}' as text[])"
    found = await desk.rows(
        "select id, lineage_id, source, source_record, source_item, starts_at, nullif(ends_at, 'infinity') as ends_at,"
        f" {rests_on} as rests_on, {names} from carecircle.{table}"
        f" where organization_id = :organization and superseded_at = 'infinity' and {where}",
        **given,
    )
    return [
        Row(
            table,
            row.id,
            row.lineage_id,
            row.source,
            row.source_record,
            row.source_item,
            tuple(row[8:]),
            row.starts_at.astimezone(UTC),
            row.ends_at.astimezone(UTC) if row.ends_at is not None else FOREVER,
            tuple(row.rests_on),
        )
        for row in found
    ]


def _array(names: Sequence[str]) -> str:
    """Texts as PostgreSQL writes an array of them."""
    quoted = (name.replace("\\", "\\\\").replace('"', '\\"') for name in names)
    return "{" + ",".join(f'"{name}"' for name in quoted) + "}"


_SCOPES: Mapping[str, Any] = {
    "patient_assignments": lambda row: DEFAULT_SCOPE[row.values[2]],
    "care_team_members": lambda row: default_scope(row.values[2]),
}
