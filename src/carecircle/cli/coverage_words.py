"""Coverage in words: what is covered, who by name, and the turns of a rota by the clock on the wall."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from carecircle.cli.careful import counted
from carecircle.cli.circle import Desk
from carecircle.cli.clock import Clock, offset
from carecircle.cli.output import Output, emit, note
from carecircle.identifiers import to_text

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from carecircle.cli.coverage_attention import Attention
    from carecircle.coverage.tables import CoverageArrangement

TYPES = {"full": "in full", "urgent": "for what is urgent", "on_call": "on call"}


@dataclass(frozen=True)
class Known:
    """The names of providers and of care teams; an id stands for itself where there is none."""

    names: Mapping[UUID, str]
    teams: Mapping[UUID, str]

    def who(self, provider_id: UUID) -> str:
        return self.names.get(provider_id) or to_text(provider_id)

    def team(self, care_team_id: UUID) -> str:
        return self.teams.get(care_team_id) or to_text(care_team_id)

    def thing(self, care_team_id: UUID | None, patient_id: UUID | None) -> str:
        """What is covered."""
        if care_team_id is not None:
            return f"the patients of {self.team(care_team_id)}"
        return "all patients" if patient_id is None else f"patient {to_text(patient_id)}"


async def known_of(desk: Desk, providers: Iterable[UUID], care_teams: Iterable[UUID | None]) -> Known:
    """Their names, looked up once."""
    from carecircle.care_teams.reading_service import team_of

    wanted = {one for one in care_teams if one is not None}

    async def named(session: AsyncSession) -> dict[UUID, str]:
        return {one: (await team_of(session, care_team_id=one)).name for one in wanted}

    return Known(await desk.names(providers), await desk.read(named) if wanted else {})


async def rows_known(desk: Desk, rows: Sequence[CoverageArrangement], found: Iterable[Attention] = ()) -> Known:
    people = {one for row in rows for one in (row.covered_provider_id, row.covering_provider_id)}
    teams = {row.care_team_id for row in rows}
    for one in found:
        people |= set(one.providers)
        teams.add(one.care_team_id)
    return await known_of(desk, people, teams)


def what_of(rows: Sequence[CoverageArrangement], known: Known) -> str:
    """What the rows of one arrangement are for: `all patients, on call`."""
    first = rows[0]
    patients = len({row.patient_id for row in rows if row.patient_id is not None})
    named = counted(patients, "named patient") if patients > 1 else known.thing(first.care_team_id, first.patient_id)
    return f"{named}, {TYPES[first.coverage_type]}"


def row_record(row: CoverageArrangement, known: Known) -> dict[str, Any]:
    """A row as data: ids, names beside them, instants in UTC."""
    return {
        "arrangement": row.arrangement_id,
        "row": row.id,
        "covered": row.covered_provider_id,
        "covered_name": known.names.get(row.covered_provider_id),
        "covering": row.covering_provider_id,
        "covering_name": known.names.get(row.covering_provider_id),
        "type": row.coverage_type,
        "care_team": row.care_team_id,
        "patient": row.patient_id,
        "may": list(row.scope),
        "rests_on": list(row.rests_on),
        "starts_at": row.starts_at,
        "duty_ends_at": row.duty_ends_at,
        "ends_at": row.ends_at,
    }


def turns_table(turns: Sequence[Mapping[str, Any]], known: Known, clock: Clock) -> None:
    """Turns by the local clock, with its distance from UTC and how long they really are."""
    rows = [
        {
            "": number,
            "who": known.who(turn["covering"]),
            "from": _local(turn["starts_at"], clock),
            "until": _local(turn["duty_ends_at"], clock),
            "hours": _hours(turn["duty_ends_at"] - turn["starts_at"]),
            "note": _changes(turn["starts_at"], turn["duty_ends_at"], clock),
        }
        for number, turn in enumerate(turns, 1)
    ]
    columns = ["", "who", "from", "until", "hours", *(["note"] if any(row["note"] for row in rows) else [])]
    emit(rows, columns=columns, name="turns", how=Output.table)
    note(f"\nTimes by the clock of {clock.name}, with its distance from UTC.", Output.table)


def _local(instant: datetime, clock: Clock) -> str:
    at = clock.local(instant)
    return f"{at:%a} {at.day} {at:%b %Y %H:%M} {offset(at).removeprefix('UTC')}"


def _hours(length: timedelta) -> str:
    hours = length / timedelta(hours=1)
    return f"{hours:g}" if hours == round(hours, 2) else f"{hours:.2f}"


def _changes(starts_at: datetime, ends_at: datetime, clock: Clock) -> str:
    begins, ends = clock.local(starts_at).utcoffset(), clock.local(ends_at).utcoffset()
    if begins is None or ends is None or begins == ends:
        return ""
    shift = _hours(abs(ends - begins))
    return f"clocks change: {shift} h {'shorter' if ends > begins else 'longer'}"
