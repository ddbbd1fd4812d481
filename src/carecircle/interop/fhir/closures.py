"""When a care team is closed, and which part of a period that leaves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

# From, until.
Stretch = tuple[datetime, datetime]


def open_part(period: Stretch, closures: Sequence[Stretch], now: datetime) -> Stretch | None:
    """The part of a period in which a team is open: the first that holds now or is to come, else the last there was.

    `closures` are in order and do not overlap. None when the team is closed all the time.
    """
    parts = list(_parts(period, closures))
    return next((part for part in parts if part[1] > now), parts[-1] if parts else None)


def _parts(period: Stretch, closures: Sequence[Stretch]) -> Iterator[Stretch]:
    since, until = period
    for closed, reopened in closures:
        if reopened > since and closed < until:
            if since < closed:
                yield since, closed
            since = reopened
    if since < until:
        yield since, until
