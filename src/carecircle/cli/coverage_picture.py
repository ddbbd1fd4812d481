"""The days ahead drawn in letters: a line for everybody who is covered or away, a mark for every few hours."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING
from uuid import UUID

from carecircle.cli.careful import counted
from carecircle.cli.clock import Clock
from carecircle.cli.coverage_attention import Attention
from carecircle.cli.coverage_words import Known
from carecircle.cli.output import Output, note, printable
from carecircle.period import Period

if TYPE_CHECKING:
    from carecircle.coverage.tables import CoverageArrangement
    from carecircle.directory.tables import ProviderAbsence

WIDEST = 60
MOST_LINES = 30
HOURS = (2, 4, 6, 8, 12, 24)
NOTHING, PAST, COVERED, PARTLY = "·", " ", "=", "-"
MARKS = {"circle": "@", "twice": "2"}
GAP = "!"
# What a mark shows of several: the worst.
WORST = ("@", GAP, "2", COVERED, PARTLY)


def print_picture(
    window: Period,
    found: Sequence[Attention],
    rows: Sequence[CoverageArrangement],
    away: Sequence[ProviderAbsence],
    known: Known,
    clock: Clock,
) -> None:
    """Lines of those who need attention first, then of the others; nothing when there is nobody."""
    marks: dict[UUID, list[tuple[Period, str]]] = {}
    for one in found:
        for person in one.providers if one.kind == "circle" else one.providers[:1]:
            marks.setdefault(person, []).append((one.period, MARKS.get(one.kind, GAP)))
    needing = list(marks)
    for row in rows:
        whole = row.care_team_id is None and row.patient_id is None
        if row.starts_at < row.duty_ends_at:
            part = (Period(row.starts_at, row.duty_ends_at), COVERED if whole else PARTLY)
            marks.setdefault(row.covered_provider_id, []).append(part)
    for one_away in away:
        if one_away.starts_at < window.ends_at:
            marks.setdefault(one_away.provider_id, [])
    people = needing + sorted((one for one in marks if one not in set(needing)), key=known.who)
    if not people:
        return
    cells, per_day = _cells(window, clock)
    names = {one: printable(known.who(one)) for one in people[:MOST_LINES]}
    margin = max(map(len, names.values())) + 2
    print(" " * margin + _days(cells, per_day, clock))
    for person, name in names.items():
        print(f"{name:<{margin}}{''.join(_mark(cell, marks[person], window) for cell in cells)}")
    print(f"\n{GAP} nobody answers, or who does may not see   @ in a circle   2 two cover")
    print(f"{COVERED} covered   {PARTLY} covered in part   {NOTHING} not covered")
    print(f"One mark is {_length(per_day, cells)}.")
    if len(people) > MOST_LINES:
        note(f"{counted(len(people) - MOST_LINES, 'more line')} not drawn.", Output.table)


def _cells(window: Period, clock: Clock) -> tuple[list[Period], int]:
    """Equal parts of local days, from the first midnight on, and how many to a day; whole days where there are many."""
    first = clock.local(window.starts_at).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    last = clock.local(window.ends_at).replace(tzinfo=None)
    days = (last - first) / timedelta(days=1)
    hours = next((one for one in HOURS if days * 24 / one <= WIDEST), 24 * (1 + int(days // WIDEST)))
    edges = [first]
    while edges[-1] < last:
        edges.append(edges[-1] + timedelta(hours=hours))
    instants = [_instant(edge, clock) for edge in edges]
    cells = [Period(one, other) for one, other in pairwise(instants) if one < other]
    return cells, max(1, 24 // hours)


def _length(per_day: int, cells: Sequence[Period]) -> str:
    if per_day > 1:
        return counted(24 // per_day, "hour")
    return counted(round((cells[0].ends_at - cells[0].starts_at) / timedelta(days=1)), "day")


def _instant(wall: datetime, clock: Clock) -> datetime:
    from carecircle.coverage.rota import instant_of

    return instant_of(wall, clock.zone) if clock.zone is not None else wall.astimezone()


def _days(cells: Sequence[Period], per_day: int, clock: Clock) -> str:
    """Above the first mark of a day which day it is, as far as there is room."""
    line = ""
    for at, cell in enumerate(cells):
        if at % per_day or len(line) > at:
            continue
        day = clock.local(cell.starts_at)
        label = f"{day:%a} {day.day}" if per_day > 6 else f"{day.day}" if per_day > 2 else f"{day.day} {day:%b}"
        line = line.ljust(at) + f"{label} "
    return line.rstrip()


def _mark(cell: Period, marks: Sequence[tuple[Period, str]], window: Period) -> str:
    if cell.ends_at <= window.starts_at:
        return PAST
    shown = {mark for period, mark in marks if period.overlaps(cell) and period.ends_at > window.starts_at}
    return next((mark for mark in WORST if mark in shown), NOTHING)
