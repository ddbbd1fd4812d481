"""What becomes of one patient's facts beside another's when the two turn out to be the same person. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from carecircle.period import Period

Change = Literal["demoted", "shortened", "dropped"]


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
class Piece:
    """A fact to record for the survivor: what row `of` says, for this period; with `scope`, as a consulting assignment."""

    of: UUID
    period: Period
    scope: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Changed:
    """A fact that did not go along as it was, and why: a code. `id` is the row of the patient given up."""

    kind: str
    id: UUID
    became: Change
    reason: str


def without(period: Period, taken: Iterable[Period]) -> list[Period]:
    """What is left of a period outside others, in order."""
    left: list[Period] = []
    begins = period.starts_at
    for other in sorted(taken, key=lambda one: one.starts_at):
        if begins < min(other.starts_at, period.ends_at):
            left.append(Period(begins, min(other.starts_at, period.ends_at)))
        begins = max(begins, other.ends_at)
    return [*left, Period(begins, period.ends_at)] if begins < period.ends_at else left


def carry(kind: str, row: Said, held: Sequence[Said]) -> tuple[list[Piece], list[Changed]]:
    """The pieces of a fact that the survivor, who holds `held`, has not got already, and what that changed."""
    if row.slot is None:
        return [Piece(row.id, row.period)], []
    in_the_way = [other.taking for other in held if other.slot == row.slot and other.taking.overlaps(row.taking)]
    if not in_the_way:
        return [Piece(row.id, row.period)], []
    kept = without(row.taking, in_the_way)
    # The last piece of what outlasts its slot does so too.
    pieces = [
        Piece(row.id, Period(one.starts_at, row.period.ends_at) if one.ends_at == row.taking.ends_at else one)
        for one in kept
    ]
    if isinstance(row, Direct):
        return _carry_primary(kind, row, held, pieces, kept)
    return pieces, [Changed(kind, row.id, "shortened" if pieces else "dropped", "survivor-has-it")]


def _carry_primary(
    kind: str, row: Direct, held: Sequence[Said], pieces: list[Piece], kept: Sequence[Period]
) -> tuple[list[Piece], list[Changed]]:
    """Where the survivor has a primary provider already, this one is consulting, unless they are let in as far anyway."""
    overlap = without(row.period, kept)
    if not row.kept:
        return pieces, [Changed(kind, row.id, "shortened" if pieces else "dropped", "grants-nothing-as-consulting")]
    enough = [other.period for other in held if isinstance(other, Direct) and _lets_in_as_far(other, row)]
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
