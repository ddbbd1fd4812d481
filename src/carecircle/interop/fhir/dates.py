"""FHIR dates and periods as half-open periods in UTC: an end includes the whole of the day, month or year it names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from carecircle.interop.fhir.codes import text_of
from carecircle.period import FOREVER

_PARTIAL = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?")
# Systems that must write an end write one nobody lives to see.
_NEVER = 9000
# A year before this is a slip of the pen.
_LONG_AGO = 1000


@dataclass(frozen=True, slots=True)
class Span:
    """When something holds. `starts_at` is None where nobody said; `over` when it is said to have ended."""

    starts_at: datetime | None = None
    ends_at: datetime = FOREVER
    over: bool = False

    @property
    def has_end(self) -> bool:
        return self.ends_at < FOREVER


class UnusableDate(ValueError):
    """A date that is none, or an instant without a time zone."""


def first_instant(written: Any) -> datetime | None:
    """Where a FHIR date or instant begins, in UTC; None when nothing is written. Raises UnusableDate."""
    return _bounds(written)[0] if written is not None else None


def end_instant(written: Any) -> datetime:
    """The first instant after a FHIR date, or the instant itself; FOREVER when nothing is written. Raises UnusableDate."""
    return _bounds(written)[1] if written is not None else FOREVER


def span(*periods: Any, over: bool = False) -> Span:
    """The period of something: each bound is the first that is written, the most particular period first.

    Raises UnusableDate.
    """
    starts_at, ends_at = None, FOREVER
    for period in periods:
        if not isinstance(period, dict):
            continue
        if starts_at is None:
            starts_at = first_instant(period.get("start"))
        if ends_at == FOREVER:
            ends_at = end_instant(period.get("end"))
    return Span(starts_at, ends_at, over)


def _bounds(written: Any) -> tuple[datetime, datetime]:
    given = text_of(written)
    partial = _PARTIAL.fullmatch(given)
    try:
        if partial is None:
            instant = datetime.fromisoformat(given)
            if instant.tzinfo is None or "T" not in given:
                raise UnusableDate
            instant = instant.astimezone(UTC)
            if instant.year < _LONG_AGO:
                raise UnusableDate
            return (instant, FOREVER if instant.year >= _NEVER else instant)
        year, month, day = (int(part) if part else None for part in partial.groups())
        assert year is not None
        if year < _LONG_AGO:
            raise UnusableDate
        first = date(year, month or 1, day or 1)
        if year >= _NEVER:
            return _midnight(first), FOREVER
        if day:
            after = first + timedelta(days=1)
        elif month:
            after = date(year + month // 12, month % 12 + 1, 1)
        else:
            after = date(year + 1, 1, 1)
        return _midnight(first), _midnight(after)
    except (ValueError, OverflowError):
        raise UnusableDate from None


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
