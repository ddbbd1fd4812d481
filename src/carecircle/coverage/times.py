"""Reckoning with periods: what several have in common, what one leaves of another, and who is there at the same time."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from uuid import UUID

from carecircle.period import Period


def common(one: Period, other: Period) -> Period | None:
    starts_at, ends_at = max(one.starts_at, other.starts_at), min(one.ends_at, other.ends_at)
    return Period(starts_at, ends_at) if starts_at < ends_at else None


def united(periods: Iterable[Period]) -> list[Period]:
    """The same time as disjoint periods in order; what touches becomes one."""
    joined: list[Period] = []
    for period in sorted(periods, key=lambda one: one.starts_at):
        if joined and period.starts_at <= joined[-1].ends_at:
            joined[-1] = Period(joined[-1].starts_at, max(joined[-1].ends_at, period.ends_at))
        else:
            joined.append(period)
    return joined


def shared(period: Period, times: Sequence[Period]) -> list[Period]:
    """The parts of a period that lie within `times`, which are disjoint and in order."""
    found = []
    for at in range(bisect_right(times, period.starts_at, key=lambda one: one.ends_at), len(times)):
        part = common(period, times[at])
        if part is None:
            break
        found.append(part)
    return found


def lacking(period: Period, times: Sequence[Period]) -> list[Period]:
    """The parts of a period that lie outside `times`, which are disjoint and in order."""
    found, reached = [], period.starts_at
    for part in shared(period, times):
        if reached < part.starts_at:
            found.append(Period(reached, part.starts_at))
        reached = part.ends_at
    if reached < period.ends_at:
        found.append(Period(reached, period.ends_at))
    return found


def together(members: Mapping[UUID, Iterable[Period]]) -> Iterator[tuple[tuple[UUID, ...], Period]]:
    """Who is there at the same time: each set of two or more, and when it was that set."""
    changes = [
        change
        for one, periods in members.items()
        for period in periods
        for change in ((period.starts_at, 1, one), (period.ends_at, -1, one))
    ]
    changes.sort(key=lambda change: change[0])
    there: Counter[UUID] = Counter()
    present: tuple[UUID, ...] = ()
    since = None
    for instant, group in groupby(changes, key=lambda change: change[0]):
        for _, step, one in group:
            there[one] += step
        there = +there
        now = tuple(sorted(there)) if len(there) > 1 else ()
        if now != present:
            if present and since is not None:
                yield present, Period(since, instant)
            present, since = now, instant
