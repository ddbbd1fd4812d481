"""What becomes of one patient's facts beside another's when the two turn out to be the same person. Pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from typing import Literal
from uuid import UUID

from carecircle.period import Period

Change = Literal["demoted", "shortened", "dropped", "widened", "narrowed", "stricter"]
# How far each keeps a provider from a record in an emergency, the least first.
STRICTNESS = ("household", "family", "self")


@dataclass(frozen=True, slots=True)
class Said:
    """One fact of one kind: when it holds, and what only one fact of a patient can hold at a time (`slot`, if anything).

    `taking` is the part of the period in which the slot is held, which may end before the fact does.
    """

    id: UUID
    period: Period
    taking: Period
    slot: tuple[object, ...] | None = None


@dataclass(frozen=True, slots=True)
class Direct(Said):
    """A direct assignment. `kept` is what it grants where a primary has to become consulting: maybe nothing."""

    provider_id: UUID | None = None
    assignment_type: str = ""
    scope: frozenset[str] = frozenset()
    kept: tuple[str, ...] = ()
    rests_on: frozenset[str] = frozenset()
    referral_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Cover(Said):
    """Coverage for a named patient: the actions it grants, in order, and the credentials on which it rests."""

    scope: tuple[str, ...] = ()
    rests_on: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Related(Said):
    """How a provider is related to the patient: one of STRICTNESS."""

    relation: str = STRICTNESS[0]


@dataclass(frozen=True, slots=True)
class Piece:
    """A fact to record: what row `of` says, for this period; an assignment with `scope` is consulting.

    Coverage with `scope` grants that, rests on `rests_on`, and its duty ends at `duty_ends_at`. With `relation`, it is that.
    """

    of: UUID
    period: Period
    scope: tuple[str, ...] | None = None
    rests_on: tuple[str, ...] | None = None
    duty_ends_at: datetime | None = None
    relation: str | None = None


@dataclass(frozen=True, slots=True)
class Changed:
    """A fact that did not go along as it was, and why: a code. `id` is the row of the patient given up.

    "widened": the survivor's coverage grants what this one did as well; "narrowed": it does not, and this one is gone.
    "stricter": the survivor's relation to the same provider is what this one was, for the time of both.
    """

    kind: str
    id: UUID
    became: Change
    reason: str


class _Line:
    """Facts in the order in which they begin, found by the time at which they hold."""

    def __init__(self, rows: Iterable[tuple[Period, Said]]) -> None:
        self._rows = sorted(rows, key=lambda one: one[0].starts_at)
        self._starts = [period.starts_at for period, _ in self._rows]
        self._reached = list(accumulate((period.ends_at for period, _ in self._rows), max))

    def meeting(self, period: Period) -> list[Said]:
        first, last = bisect_right(self._reached, period.starts_at), bisect_left(self._starts, period.ends_at)
        return [row for held, row in self._rows[first:last] if held.overlaps(period)]


class Held:
    """What one patient holds of one kind, looked through once: what a row meets there is found without reading the rest."""

    def __init__(self, rows: Iterable[Said]) -> None:
        slots: defaultdict[object, list[tuple[Period, Said]]] = defaultdict(list)
        providers: defaultdict[object, list[tuple[Period, Said]]] = defaultdict(list)
        for row in rows:
            if row.slot is not None:
                slots[row.slot].append((row.taking, row))
            if isinstance(row, Direct):
                providers[row.provider_id].append((row.period, row))
        self._slots = {slot: _Line(found) for slot, found in slots.items()}
        self._providers = {provider: _Line(found) for provider, found in providers.items()}

    def in_the_way(self, row: Said) -> list[Said]:
        """What holds the row's slot at its time, in order."""
        line = None if row.slot is None else self._slots.get(row.slot)
        return [] if line is None else line.meeting(row.taking)

    def letting_in_as_far(self, row: Direct) -> list[Said]:
        """The same provider's assignments by which nothing is lost if this primary is not even consulting at their time."""
        line = self._providers.get(row.provider_id)
        found = [] if line is None else line.meeting(row.period)
        return [one for one in found if isinstance(one, Direct) and _lets_in_as_far(one, row)]

    def standing_for(self, row: Said) -> list[Said]:
        """What the row was not recorded beside, because it says the same or holds its place."""
        if isinstance(row, Direct) and row.kept:
            return self.letting_in_as_far(row) if row.slot is not None else []
        return self.in_the_way(row)


def without(period: Period, taken: Iterable[Period]) -> list[Period]:
    """What is left of a period outside others, in order."""
    left: list[Period] = []
    begins = period.starts_at
    for other in sorted(taken, key=lambda one: one.starts_at):
        if begins < min(other.starts_at, period.ends_at):
            left.append(Period(begins, min(other.starts_at, period.ends_at)))
        begins = max(begins, other.ends_at)
    return [*left, Period(begins, period.ends_at)] if begins < period.ends_at else left


def cut(row: Said, taken: Sequence[Period]) -> list[Period]:
    """What is left of a fact outside these periods. The last piece of what outlasts its slot does so too."""
    ends_at = min([row.period.ends_at, *(one.starts_at for one in taken if one.starts_at >= row.taking.ends_at)])
    return [
        Period(one.starts_at, ends_at) if one.ends_at == row.taking.ends_at else one
        for one in without(row.taking, taken)
    ]


def lost(row: Said, recorded: Sequence[Period], stood: Held, stands: Held) -> list[Period]:
    """Those times of a row that are over: it was not recorded for them because others stood for it, and these do no more.

    `recorded` is when it was; `stood` were the survivor's facts then, `stands` is what has become of them.
    """
    now = [one.period for one in stands.standing_for(row)]
    over: list[Period] = []
    for gap in without(row.period, recorded):
        nobody = without(gap, [one.period for one in stood.standing_for(row)])
        over += without(gap, [*now, *nobody])
    return over


def lifted(made: Sequence[Period], present: Sequence[Period]) -> list[Period]:
    """When something that was recorded holds no more."""
    return [left for one in made for left in without(one, present)]


def carry(kind: str, row: Said, held: Held | Sequence[Said]) -> tuple[list[Piece], list[Changed]]:
    """The pieces of a fact that the survivor, who holds `held`, has not got already, and what that changed.

    A piece of one of the survivor's own facts is what that one says instead for its time: see `widened`.
    """
    if not isinstance(held, Held):
        held = Held(held)
    in_the_way = held.in_the_way(row)
    if not in_the_way:
        return [Piece(row.id, row.period)], []
    taken = [other.taking for other in in_the_way]
    pieces = [Piece(row.id, left) for left in cut(row, taken)]
    if isinstance(row, Direct):
        return _carry_primary(kind, row, held, pieces, without(row.taking, taken))
    if stricter := _carry_related(row, in_the_way):
        return [*pieces, *stricter], [Changed(kind, row.id, "stricter", "survivors-was-less-strict")]
    wider, narrowed = _carry_cover(row, in_the_way) if isinstance(row, Cover) else ([], False)
    if narrowed:
        return [*pieces, *wider], [Changed(kind, row.id, "narrowed", "survivors-rests-on-something-else")]
    if wider:
        return [*pieces, *wider], [Changed(kind, row.id, "widened", "survivors-granted-less")]
    return pieces, [Changed(kind, row.id, "shortened" if pieces else "dropped", "survivor-has-it")]


def widened(row: Said, wider: Sequence[Piece]) -> list[Piece]:
    """All of a fact of the survivor's: what it says instead for a time, and the rest as it is."""
    taken = [Period(one.period.starts_at, one.duty_ends_at or one.period.ends_at) for one in wider]
    return sorted(
        [*(Piece(row.id, left) for left in cut(row, taken)), *wider], key=lambda piece: piece.period.starts_at
    )


def _carry_related(row: Said, in_the_way: Sequence[Said]) -> list[Piece]:
    """What the survivor's relations have to be so that nobody gets nearer to their own record, or their family's."""
    return [
        Piece(
            other.id,
            Period(max(row.period.starts_at, other.period.starts_at), min(row.period.ends_at, other.period.ends_at)),
            relation=row.relation,
        )
        for other in in_the_way
        if isinstance(row, Related) and isinstance(other, Related)
        if STRICTNESS.index(other.relation) < STRICTNESS.index(row.relation)
    ]


def _carry_cover(row: Cover, in_the_way: Sequence[Said]) -> tuple[list[Piece], bool]:
    """What the survivor's coverage has to grant so that nothing is lost, and whether something is.

    It is when it rests on more, or on something else: what both grant is not granted on fewer conditions than either had.
    """
    wider: list[Piece] = []
    narrowed = False
    for other in in_the_way:
        assert isinstance(other, Cover)
        less, more = set(other.scope) >= set(row.scope), set(row.scope) >= set(other.scope)
        if less and other.rests_on <= row.rests_on:
            continue
        if other.rests_on != row.rests_on and not (more and row.rests_on <= other.rests_on):
            narrowed = True
            continue
        duty_ends_at = min(row.taking.ends_at, other.taking.ends_at)
        last = duty_ends_at == other.taking.ends_at
        ends_at = other.period.ends_at if last else min(row.period.ends_at, other.period.ends_at)
        period = Period(max(row.taking.starts_at, other.taking.starts_at), ends_at)
        scope = tuple(dict.fromkeys((*other.scope, *row.scope)))
        wider.append(Piece(other.id, period, scope, tuple(sorted(row.rests_on)), duty_ends_at))
    return wider, narrowed


def _carry_primary(
    kind: str, row: Direct, held: Held, pieces: list[Piece], kept: Sequence[Period]
) -> tuple[list[Piece], list[Changed]]:
    """Where the survivor has a primary provider already, this one is consulting, unless they are let in as far anyway."""
    overlap = without(row.period, kept)
    if not row.kept:
        return pieces, [Changed(kind, row.id, "shortened" if pieces else "dropped", "grants-nothing-as-consulting")]
    enough = [other.period for other in held.letting_in_as_far(row)]
    demoted = [Piece(row.id, left, row.kept) for one in overlap for left in without(one, enough)]
    if demoted:
        changed = Changed(kind, row.id, "demoted", "survivor-has-a-primary")
    else:
        changed = Changed(kind, row.id, "shortened" if pieces else "dropped", "survivor-has-it")
    return sorted([*pieces, *demoted], key=lambda piece: piece.period.starts_at), [changed]


def _lets_in_as_far(other: Direct, row: Direct) -> bool:
    return (
        other.provider_id == row.provider_id
        and other.assignment_type in ("primary", "consulting")
        and other.scope >= set(row.kept)
        and other.rests_on <= row.rests_on
        and other.referral_id in (None, row.referral_id)
    )
