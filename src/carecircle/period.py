"""Instants and half-open periods. Everything has a time zone; an open end is `FOREVER` (PostgreSQL's infinity)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from carecircle.errors import InvalidInstant, InvalidPeriod

# asyncpg reads 'infinity'::timestamptz as this value and writes it back as 'infinity'.
FOREVER = datetime.max.replace(tzinfo=UTC)
EARLIEST = datetime(2, 1, 1, tzinfo=UTC)
LATEST = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Period:
    """From `starts_at`, included, until `ends_at`, excluded; both aware datetimes.

    Raises InvalidPeriod when it would be empty, InvalidInstant when an end has no time zone.
    """

    starts_at: datetime
    ends_at: datetime = FOREVER

    def __post_init__(self) -> None:
        for end in (self.starts_at, self.ends_at):
            if end.tzinfo is None:
                raise InvalidInstant("A period needs instants with a time zone, such as 2026-01-31T08:00:00+00:00.")
        if self.starts_at >= self.ends_at:
            raise InvalidPeriod(
                f"A period must start before it ends; this one starts {show(self.starts_at)} and ends {show(self.ends_at)}."
            )

    def __contains__(self, instant: datetime) -> bool:
        return self.starts_at <= instant < self.ends_at

    def overlaps(self, other: Period) -> bool:
        return self.starts_at < other.ends_at and other.starts_at < self.ends_at


def parse_instant(text: str) -> datetime:
    """Read ISO 8601 with a time zone; a bare date is its first moment in UTC. Raises InvalidInstant."""
    given = text.strip()
    try:
        if len(given) == 10:
            day = date.fromisoformat(given)
            return datetime(day.year, day.month, day.day, tzinfo=UTC)
        instant = datetime.fromisoformat(given)
    except ValueError:
        raise InvalidInstant(
            "An instant is written as ISO 8601 with a time zone, such as 2026-01-31T08:00:00+00:00."
        ) from None
    return usable(instant)


def usable(instant: datetime) -> datetime:
    """The instant itself. Raises InvalidInstant when it has no time zone, or lies where PostgreSQL's infinities begin."""
    if instant.tzinfo is None:
        raise InvalidInstant("This instant has no time zone; add one, such as 2026-01-31T08:00:00+00:00 or …Z.")
    if not EARLIEST <= instant < LATEST:
        raise InvalidInstant("An instant lies between the years 2 and 9998.")
    return instant


def show(instant: datetime) -> str:
    """An instant as people and scripts read it: ISO 8601 in UTC, or `open` for an open end.

    To the microsecond where there are any: pasted back, it must mean the same instant.
    """
    if instant >= FOREVER - timedelta(days=1):
        return "open"
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
