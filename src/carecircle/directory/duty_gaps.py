"""When nobody holds a duty who is needed: gaps within a window of time. Pure, over what is already loaded."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from carecircle.period import Period


@dataclass(frozen=True, slots=True)
class Held:
    """A provider has a duty, of one unit or (None) of all of them."""

    provider_id: UUID
    duty: str
    unit_id: UUID | None
    period: Period


@dataclass(frozen=True, slots=True)
class Away:
    """A provider is absent or suspended: what they hold helps nobody meanwhile."""

    provider_id: UUID
    period: Period


@dataclass(frozen=True, slots=True)
class Wanted:
    """Somebody is to have this duty at every instant: for one unit, or (None) for all; with `anywhere`, for any."""

    duty: str
    unit_id: UUID | None = None
    anywhere: bool = False

    def met_by(self, held: Held) -> bool:
        """A duty of all units serves each of them; one of a single unit serves no other, nor all of them."""
        return held.duty == self.duty and (self.anywhere or held.unit_id in (None, self.unit_id))


@dataclass(frozen=True, slots=True)
class Gap:
    """Nobody has this duty for this unit (None: for the organization) in this period."""

    duty: str
    unit_id: UUID | None
    period: Period


def gaps(window: Period, held: Iterable[Held], away: Iterable[Away], wanted: Iterable[Wanted]) -> list[Gap]:
    """Every gap in what is wanted within the window, by when it begins; what is wanted twice counts once."""
    gone: dict[UUID, list[Period]] = defaultdict(list)
    for one in away:
        gone[one.provider_id].append(one.period)
    present = [(one, lacking(one.period, gone.get(one.provider_id, ()))) for one in held]
    found = [
        Gap(one.duty, one.unit_id, period)
        for one in dict.fromkeys(wanted)
        for period in lacking(window, [part for duty, parts in present if one.met_by(duty) for part in parts])
    ]
    return sorted(found, key=lambda gap: (gap.period.starts_at, gap.duty, str(gap.unit_id or "")))


def lacking(window: Period, taken: Sequence[Period]) -> list[Period]:
    """What is left of a window when these periods, in any order and however they overlap, are taken from it."""
    left: list[Period] = []
    reached: datetime = window.starts_at
    for period in sorted(taken, key=lambda one: one.starts_at):
        if period.starts_at >= window.ends_at:
            break
        if period.starts_at > reached:
            left.append(Period(reached, period.starts_at))
        reached = max(reached, period.ends_at)
    if reached < window.ends_at:
        left.append(Period(reached, window.ends_at))
    return left
