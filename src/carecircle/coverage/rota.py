"""The turns of a rota: a recurrence of local wall-clock times as instants, right on both daylight-saving nights."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from itertools import islice
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dateutil.rrule import rrulestr

from carecircle.errors import InvalidRequest
from carecircle.identifiers import Reference, parse_reference
from carecircle.period import Period, usable

MOST_TURNS = 400
LONGEST = timedelta(days=400)
_LEAP_YEAR = 2028

# What a rota can say of RFC 5545. The time of day is `first`'s; what recurs within a day is no rota. A rule that
# contradicts itself would be sought until the year 9999, a long time: what easily does (BYSETPOS, BYYEARDAY) is left out.
_DAYS = r"(?:MO|TU|WE|TH|FR|SA|SU)"
_PARTS = {
    "FREQ": r"DAILY|WEEKLY|MONTHLY|YEARLY",
    "INTERVAL": r"[1-9][0-9]{0,2}",
    "COUNT": r"[1-9][0-9]{0,3}",
    "UNTIL": r"[0-9]{8}(?:T[0-9]{6}Z?)?",
    "BYDAY": rf"(?:[+-]?[1-5])?{_DAYS}(?:,(?:[+-]?[1-5])?{_DAYS})*",
    "BYMONTH": r"(?:1[0-2]|[1-9])(?:,(?:1[0-2]|[1-9]))*",
    "BYMONTHDAY": r"-?(?:3[01]|[12][0-9]|[1-9])(?:,-?(?:3[01]|[12][0-9]|[1-9]))*",
    "WKST": _DAYS,
}


@dataclass(frozen=True, slots=True)
class Turn:
    """One occurrence of a rota: who covers, and from when until when."""

    covering: Reference
    period: Period


def preview_rota(
    *,
    covering: Sequence[Reference | str],
    rule: str,
    first: datetime,
    lasts: timedelta | time,
    time_zone: str,
    until: datetime | None = None,
) -> list[Turn]:
    """The turns of a rota, in order; nothing is written.

    `rule` is an RFC 5545 RRULE such as `FREQ=WEEKLY;BYDAY=MO,TU`, of FREQ (daily to yearly), INTERVAL, COUNT, UNTIL, BYDAY,
    BYMONTH, BYMONTHDAY and WKST. `first` is a local time without a zone: the turns are those of the rule from then on, at
    its time of day. `lasts` is how long a turn is by the clock on the wall, or the local time at which it ends. `time_zone` is
    an IANA name. Turns begin before `until`, an aware instant, and not after the rule's UNTIL (a date: until its end).

    By the wall clock, a night from 18:00 to 08:00 is 13 or 15 hours long when the clocks change. A time the clocks leave
    out is the first instant after it; of a time that comes twice, the first is meant. Those who cover take turns in the
    order given. A turn without length (both its ends fall into the hour left out) is nobody's.

    Raises InvalidRequest for a rule that cannot be read, names no turn, more than 400 or one beyond 400 days, and for an
    unknown time zone; InvalidInstant for `until` without a time zone.
    """
    if first.tzinfo is not None:
        raise InvalidRequest("A rota's first turn is a local time without a zone; its zone is given beside it.")
    if not 1900 <= first.year < 9900:
        raise InvalidRequest("A rota's first turn lies between the years 1900 and 9899.")
    if not covering:
        raise InvalidRequest("A rota needs at least one provider who covers.")
    zone = _zone(time_zone)
    people = [parse_reference(one) for one in covering]
    periods = list(_periods(_wall_times(rule, first.replace(fold=0), zone, until), lasts, zone))
    if not periods:
        raise InvalidRequest("This rule names no turn between the first day and the last; see what it says of days.")
    return [Turn(people[at % len(people)], period) for at, period in enumerate(periods)]


def _wall_times(rule: str, first: datetime, zone: ZoneInfo, until: datetime | None) -> list[datetime]:
    """The local times at which turns begin."""
    parts = _parts(rule)
    ends = [_last(parts["UNTIL"], zone)] if "UNTIL" in parts else []
    if until is not None:
        ends.append(usable(until) - timedelta(microseconds=1))
    count = int(parts["COUNT"]) if "COUNT" in parts else None
    if not ends and count is None:
        raise InvalidRequest("Say when the rota ends: with `until`, or with COUNT or UNTIL in its rule.")
    horizon = first + LONGEST
    # The end is counted here, for the rule's own would be compared in local time; the day after tells that it is passed.
    recurring = ";".join(f"{name}={value}" for name, value in parts.items() if name not in ("COUNT", "UNTIL"))
    try:
        endless = rrulestr(f"{recurring};UNTIL={horizon + timedelta(days=1):%Y%m%dT%H%M%S}", dtstart=first)
        asked = list(islice(endless, min(count or MOST_TURNS + 1, MOST_TURNS + 1)))
    except (ValueError, OverflowError):
        raise InvalidRequest(_UNREADABLE) from None
    kept = [wall for wall in asked if all(instant_of(wall, zone) <= end for end in ends)]
    if len(kept) > MOST_TURNS:
        raise InvalidRequest(f"This rota has more than {MOST_TURNS} turns; arrange it in parts.")
    stopped = bool(ends) and min(ends) <= instant_of(horizon, zone)
    if (kept and kept[-1] > horizon) or not (stopped or count == len(kept)):
        raise InvalidRequest(
            f"This rota reaches further than {LONGEST.days} days from its first turn; arrange it in parts."
        )
    return kept


_UNREADABLE = (
    "This is not a rule a rota can follow; write it as RFC 5545 does, such as FREQ=DAILY;COUNT=14 or"
    " FREQ=WEEKLY;BYDAY=MO,TU;UNTIL=20261231."
)


def _parts(rule: str) -> dict[str, str]:
    parts: dict[str, str] = {}
    for part in rule.strip().upper().removeprefix("RRULE:").split(";"):
        name, _, value = part.partition("=")
        if name in parts or not re.fullmatch(_PARTS.get(name, r"(?!)"), value, re.ASCII):
            raise InvalidRequest(_UNREADABLE)
        parts[name] = value
    often = parts.get("FREQ")
    if often is None or ("COUNT" in parts and "UNTIL" in parts):
        raise InvalidRequest(_UNREADABLE)
    if often in ("DAILY", "WEEKLY") and ("BYMONTHDAY" in parts or re.search("[0-9]", parts.get("BYDAY", ""))):
        raise InvalidRequest("Days of the month need FREQ=MONTHLY or FREQ=YEARLY in a rota's rule.")
    if "BYDAY" in parts and ("BYMONTHDAY" in parts or (often == "DAILY" and parts.get("INTERVAL", "1") != "1")):
        raise InvalidRequest(
            "A rota's rule names days of the week, or days of the month, or every so many days; not two of them."
        )
    months = [int(one) for one in parts.get("BYMONTH", "1").split(",")]
    days = [abs(int(one)) for one in parts.get("BYMONTHDAY", "1").split(",")]
    if min(days) > max(monthrange(_LEAP_YEAR, month)[1] for month in months):
        raise InvalidRequest("No month that this rota's rule names has such a day.")
    return parts


def _last(text: str, zone: ZoneInfo) -> datetime:
    """The last instant at which a turn may begin by the rule's UNTIL: local, or UTC with a Z; a date means all of it."""
    try:
        if text.endswith("Z"):
            return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        if "T" in text:
            return instant_of(datetime.strptime(text, "%Y%m%dT%H%M%S"), zone)  # noqa: DTZ007  local on purpose
        day = datetime.strptime(text, "%Y%m%d")  # noqa: DTZ007  the same
        return instant_of(datetime.combine(day, time.max), zone)
    except (ValueError, OverflowError):
        raise InvalidRequest(_UNREADABLE) from None


def _periods(starts: Sequence[datetime], lasts: timedelta | time, zone: ZoneInfo) -> Iterator[Period]:
    if isinstance(lasts, timedelta) and not timedelta(0) < lasts <= LONGEST:
        raise InvalidRequest(f"A turn lasts longer than nothing and at most {LONGEST.days} days.")
    if isinstance(lasts, time) and lasts.tzinfo is not None:
        raise InvalidRequest("A turn ends at a local time without a zone; its zone is given beside it.")
    for wall in starts:
        if isinstance(lasts, timedelta):
            end = wall + lasts
        else:
            end = datetime.combine(wall, lasts)
            end += timedelta(days=1 if end <= wall else 0)
        starts_at, ends_at = instant_of(wall, zone), instant_of(end, zone)
        if starts_at < ends_at:
            yield Period(starts_at, ends_at)


def instant_of(wall: datetime, zone: ZoneInfo) -> datetime:
    """The instant, in UTC, of a local time: the first one of two, and what follows a gap for a time within it."""
    before = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if before.astimezone(zone).replace(tzinfo=None) == wall:
        return before
    # The clocks leave this time out. The change lies between what it would be by the clock after and by the clock before.
    late = before.replace(microsecond=0)
    early = wall.replace(tzinfo=zone, fold=1, microsecond=0).astimezone(UTC)
    shifted = late.astimezone(zone).utcoffset()
    while late - early > timedelta(seconds=1):
        middle = early + (late - early) // timedelta(seconds=2) * timedelta(seconds=1)
        if middle.astimezone(zone).utcoffset() == shifted:
            late = middle
        else:
            early = middle
    return late


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidRequest("There is no such time zone; write an IANA name, such as Europe/Berlin.") from None
