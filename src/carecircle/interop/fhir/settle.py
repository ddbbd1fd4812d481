"""What has to be written so that the facts of a record are what it says now: a comparison, nothing else.

A statement that is new becomes a fact, a changed one supersedes its fact under the same lineage, one that is gone ends
its fact now. What had ended already, and what could not be read this time, stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from carecircle.identifiers import new_id
from carecircle.interop.fhir.closures import Stretch, open_part
from carecircle.interop.fhir.dates import Span
from carecircle.interop.fhir.problems import (
    Problem,
    patient_on_team_already,
    period_empty,
    period_missing,
    seat_taken,
    second_primary,
    team_closed,
)

Slot = tuple[Any, ...]
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Row:
    """One fact: `values` in the order of the table's own columns (fact_tables.py).

    `rests_on` is None while nobody has asked the policy (policies.py).
    """

    table: str
    id: UUID
    lineage_id: UUID
    source: str
    record: str
    item: str
    values: tuple[Any, ...]
    starts_at: datetime
    ends_at: datetime
    rests_on: tuple[str, ...] | None = None

    @property
    def slot(self) -> Slot | None:
        """What only one fact may hold at a time, where there is such a thing."""
        return slot_of(self.table, self.values)

    def meets(self, other: Row) -> bool:
        return self.starts_at < other.ends_at and other.starts_at < self.ends_at


@dataclass(frozen=True, slots=True)
class Wanted:
    """A statement whose references are resolved. `since` is when the record was last updated, if it says."""

    table: str
    item: str
    values: tuple[Any, ...]
    span: Span
    since: datetime | None = None


@dataclass(slots=True)
class Settled:
    """Rows to close and rows to insert. A successor has the lineage of the row it follows."""

    closed: list[Row] = field(default_factory=list)
    opened: list[Row] = field(default_factory=list)
    recorded: int = 0
    superseded: int = 0
    ended: int = 0
    problems: list[Problem] = field(default_factory=list)
    pending: list[tuple[Wanted, Row | None, Row]] = field(default_factory=list)


class Slots:
    """Who holds each slot while a batch is settled: every live row of the slots, whoever recorded it."""

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        self._held: dict[Slot, dict[UUID, Row]] = {}
        for row in rows:
            self.hold(row)

    def hold(self, row: Row) -> None:
        if row.slot is not None:
            self._held.setdefault(row.slot, {})[row.id] = row

    def free(self, row: Row) -> None:
        if row.slot is not None:
            self._held.get(row.slot, {}).pop(row.id, None)

    def in_the_way_of(self, row: Row) -> list[Row]:
        if row.slot is None:
            return []
        return [other for other in self._held.get(row.slot, {}).values() if other.meets(row)]

    def seats(self) -> Iterable[Row]:
        for rows in self._held.values():
            yield from (row for row in rows.values() if row.table == "care_team_members")


def compare(
    source: str,
    record: str,
    known: Sequence[Row],
    wanted: Sequence[Wanted],
    slots: Slots,
    now: datetime,
    *,
    untouched: Callable[[str], bool] = lambda item: False,
    withdrawn: bool = False,
    closed: Mapping[UUID, Sequence[Stretch]] | None = None,
) -> Settled:
    """Compare the live facts of one record (all tables) with what it wants: end what is gone, leave the rest for `place`.

    `closed` says of care teams when they are closed, in order: nothing is wanted for such a time.
    """
    done = Settled()
    left = {row.id: row for row in known}
    pairs = list(zip(wanted, _matches(wanted, left), strict=True))
    for row in left.values():
        if withdrawn or (row.ends_at > now and not untouched(row.item)):
            _end(done, slots, row, now, withdrawn=withdrawn)
    for want, match in pairs:
        proposed = _propose(source, record, want, match, now, done)
        if proposed is not None and closed and (closures := closed.get(proposed.values[0])):
            proposed = _while_open(proposed, closures, match, slots, now, done)
        if proposed is None:
            continue
        if match is not None and proposed.lineage_id == match.lineage_id:
            if (match.table, match.item, match.values, match.starts_at, match.ends_at) == (
                proposed.table, proposed.item, proposed.values, proposed.starts_at, proposed.ends_at
            ):  # fmt: skip
                continue
            slots.free(match)
            done.pending.append((want, match, proposed))
        else:
            done.pending.append((want, None, proposed))
    return done


def place(done: Settled, slots: Slots, now: datetime) -> None:
    """Give every proposed row its slot, once all records of the batch were compared; where one is held, tell it."""
    for want, match, proposed in done.pending:
        _place(done, slots, want, match, proposed, now)


def _matches(wanted: Sequence[Wanted], left: dict[UUID, Row]) -> list[Row | None]:
    """The fact each statement made before, taken out of `left`: the very same one, else the same item, else the same seat."""
    found: list[Row | None] = [None] * len(wanted)
    for alike in (_is_same, _is_same_item, _is_same_seat):
        for position, want in enumerate(wanted):
            if found[position] is None:
                candidates = [row for row in left.values() if row.table == want.table and alike(want, row)]
                match = max(candidates, key=lambda row: row.ends_at, default=None)
                if match is not None:
                    found[position] = left.pop(match.id)
    return found


def _is_same(want: Wanted, row: Row) -> bool:
    same_seat = row.table == "care_team_members" and row.values == want.values
    return same_seat and (row.starts_at, row.ends_at) == (want.span.starts_at, want.span.ends_at)


def _is_same_item(want: Wanted, row: Row) -> bool:
    return row.item == want.item


def _is_same_seat(want: Wanted, row: Row) -> bool:
    """A reference may be written otherwise than before and still mean the same member."""
    return row.table == "care_team_members" and row.slot == slot_of(want.table, want.values)


def _end(done: Settled, slots: Slots, row: Row, now: datetime, *, withdrawn: bool) -> None:
    slots.free(row)
    done.closed.append(row)
    if withdrawn or row.starts_at >= now:
        done.superseded += 1
        return
    done.ended += 1
    after = replace(row, id=new_id(), ends_at=now)
    done.opened.append(after)
    slots.hold(after)


def _propose(source: str, record: str, want: Wanted, match: Row | None, now: datetime, done: Settled) -> Row | None:
    """The row this statement asks for; None, with a problem, when its period turns out to be none."""
    starts_at, ends_at = want.span.starts_at, want.span.ends_at
    follows = match
    if starts_at is None:
        # Nobody said since when: since the record was last updated, or since we first heard of it.
        if match is not None and (match.ends_at > now or want.span.has_end):
            starts_at = match.starts_at
        else:
            starts_at = min(want.since or now, now)
            if match is not None:
                starts_at, follows = max(starts_at, match.ends_at), None
    if want.span.over and ends_at > now:
        ends_at = match.ends_at if match is not None and match.ends_at <= now else now
    if starts_at >= ends_at:
        done.problems.append(period_missing(want.item) if want.span.starts_at is None else period_empty(want.item))
        return None
    fresh = new_id()
    lineage_id = follows.lineage_id if follows is not None else fresh
    # What goes on as it began rests on what it did, whatever the policy asks by now.
    goes_on = follows is not None and (follows.values, follows.starts_at) == (want.values, starts_at)
    rests_on = follows.rests_on if follows is not None and goes_on else None
    return Row(want.table, fresh, lineage_id, source, record, want.item, want.values, starts_at, ends_at, rests_on)


def _while_open(
    row: Row, closures: Sequence[Stretch], match: Row | None, slots: Slots, now: datetime, done: Settled
) -> Row | None:
    """The part of a row in which its team is open; a problem, and maybe nothing, when a closing cuts its end."""
    part = open_part((row.starts_at, row.ends_at), closures, now)
    if part is None or part[1] < row.ends_at:
        done.problems.append(team_closed(row.item))
    if part is None:
        if match is not None and match.ends_at > now:
            _end(done, slots, match, now, withdrawn=False)
        return None
    if match is not None and match.ends_at <= part[0]:
        # What it said before the closing stays as it is.
        row = replace(row, lineage_id=row.id, rests_on=None)
    return replace(row, starts_at=part[0], ends_at=part[1])


def _place(done: Settled, slots: Slots, want: Wanted, match: Row | None, row: Row, now: datetime) -> None:
    held = slots.in_the_way_of(row)
    if held and want.span.starts_at is None and all(other.ends_at <= now for other in held):
        # Nothing said when it started: then it starts when the one before it had ended.
        starts_at = max(other.ends_at for other in held)
        row = replace(row, starts_at=starts_at)
        held = slots.in_the_way_of(row) if starts_at < row.ends_at else held
    if held:
        done.problems.append(_in_the_way(row))
        if match is not None and slots.in_the_way_of(match):
            # Its own place was given to somebody stronger: what it said before gives way as well.
            _end(done, slots, match, now, withdrawn=True)
        elif match is not None:
            slots.hold(match)
        return
    if match is not None:
        done.closed.append(match)
        done.superseded += 1
    else:
        done.recorded += 1
    done.opened.append(row)
    slots.hold(row)


def one_seat_each(wanted: Iterable[Wanted]) -> tuple[list[Wanted], list[Problem]]:
    """Of several seats of one member at the same time the first counts; one that only repeats it is dropped quietly."""
    kept: list[Wanted] = []
    problems: list[Problem] = []
    for want in wanted:
        others = [
            other for other in kept
            if slot_of(other.table, other.values) == slot_of(want.table, want.values) and _stated(other, want)
        ]  # fmt: skip
        if not others:
            kept.append(want)
        elif not any(_starts(one) <= _starts(want) and want.span.ends_at <= one.span.ends_at for one in others):
            problems.append(seat_taken(want.item))
    return kept, problems


def _stated(one: Wanted, other: Wanted) -> bool:
    return _starts(one) < other.span.ends_at and _starts(other) < one.span.ends_at


def _starts(want: Wanted) -> datetime:
    return want.span.starts_at or want.since or _LONG_AGO


def slot_of(table: str, values: tuple[Any, ...]) -> Slot | None:
    """(table, …) for what only one fact may be at a time: a patient's primary, a seat, a patient's place on a team."""
    if table == "patient_assignments":
        return (table, values[0]) if values[2] == "primary" else None
    if table == "provider_roles":
        return None
    return (table, values[0], values[1])


def _in_the_way(row: Row) -> Problem:
    match row.table:
        case "patient_assignments":
            return second_primary(row.item, row.values[1])
        case "care_team_members":
            return seat_taken(row.item)
        case _:
            return patient_on_team_already(row.item)
