"""Turns of a rota by the clock on the wall: both daylight-saving nights, half-hour changes, and rules it does not follow."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from time import process_time
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from carecircle.coverage.rota import Turn, instant_of, preview_rota
from carecircle.errors import InvalidInstant, InvalidRequest
from carecircle.identifiers import new_id

A, B, C = sorted(new_id() for _ in range(3))
HOUR = timedelta(hours=1)


def turns(rule: str, first: str, lasts: timedelta | time, zone: str, **said: Any) -> list[Turn]:
    return preview_rota(
        covering=said.pop("covering", [A]),
        rule=rule,
        first=datetime.fromisoformat(first),
        lasts=lasts,
        time_zone=zone,
        **said,
    )


def local(turn: Turn, zone: str) -> tuple[str, str]:
    there = ZoneInfo(zone)
    return tuple(f"{one.astimezone(there):%d %H:%M}" for one in (turn.period.starts_at, turn.period.ends_at))  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("zone", "first", "hours"),
    [
        ("Europe/Berlin", "2026-03-27T18:00", [14, 13, 14]),
        ("Europe/Berlin", "2026-10-23T18:00", [14, 15, 14]),
        ("America/New_York", "2026-03-06T18:00", [14, 13, 14]),
        ("America/New_York", "2026-10-30T18:00", [14, 15, 14]),
        ("Australia/Lord_Howe", "2026-10-02T18:00", [14, 13.5, 14]),
        ("Australia/Lord_Howe", "2026-04-03T18:00", [14, 14.5, 14]),
        ("UTC", "2026-03-27T18:00", [14, 14, 14]),
    ],
)
@pytest.mark.parametrize("lasts", [timedelta(hours=14), time(8)])
def test_a_night_is_a_night_by_the_wall_clock(
    zone: str, first: str, hours: list[float], lasts: timedelta | time
) -> None:
    found = turns("FREQ=DAILY;COUNT=3", first, lasts, zone)
    assert [(turn.period.ends_at - turn.period.starts_at) / HOUR for turn in found] == hours
    for turn in found:
        starts, ends = local(turn, zone)
        assert (starts[-5:], ends[-5:]) == ("18:00", "08:00")


@pytest.mark.parametrize(
    ("zone", "wall", "instant"),
    [
        # Left out by the clocks: the first instant that exists.
        ("Europe/Berlin", "2026-03-29T02:00", "2026-03-29T01:00+00:00"),
        ("Europe/Berlin", "2026-03-29T02:30", "2026-03-29T01:00+00:00"),
        ("Europe/Berlin", "2026-03-29T03:00", "2026-03-29T01:00+00:00"),
        ("Europe/Berlin", "2026-03-29T01:59:59", "2026-03-29T00:59:59+00:00"),
        ("America/New_York", "2026-03-08T02:30", "2026-03-08T07:00+00:00"),
        ("Australia/Lord_Howe", "2026-10-04T02:15", "2026-10-03T15:30+00:00"),
        ("Pacific/Apia", "2011-12-30T12:00", "2011-12-30T10:00+00:00"),
        # Twice on the wall: the first of the two.
        ("Europe/Berlin", "2026-10-25T02:30", "2026-10-25T00:30+00:00"),
        ("America/New_York", "2026-11-01T01:30", "2026-11-01T05:30+00:00"),
        ("Australia/Lord_Howe", "2026-04-05T01:45", "2026-04-04T14:45+00:00"),
    ],
)
def test_a_time_left_out_and_a_time_that_comes_twice(zone: str, wall: str, instant: str) -> None:
    assert instant_of(datetime.fromisoformat(wall), ZoneInfo(zone)) == datetime.fromisoformat(instant)


def test_turns_meet_without_a_gap_through_a_whole_year() -> None:
    for zone in ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe"):
        found = turns("FREQ=DAILY;COUNT=366", "2026-01-01T02:15", timedelta(days=1), zone)
        assert all(one.period.ends_at == other.period.starts_at for one, other in pairwise(found))


def test_a_turn_that_the_clocks_leave_nothing_of_is_nobodys() -> None:
    found = turns("FREQ=DAILY;COUNT=3", "2026-03-28T02:00", HOUR, "Europe/Berlin", covering=[A, B])
    assert [(turn.covering, turn.period.starts_at.day) for turn in found] == [(A, 28), (B, 30)]


def test_they_cover_in_turn() -> None:
    found = turns("FREQ=DAILY;COUNT=5", "2026-01-01T18:00", time(8), "UTC", covering=[A, B, C])
    assert [turn.covering for turn in found] == [A, B, C, A, B]


def test_days_of_the_week_and_three_ways_to_end() -> None:
    days = [1, 5, 6, 8]  # January 2026 begins on a Thursday
    for rule, until in (
        ("FREQ=WEEKLY;BYDAY=MO,TU,TH;COUNT=4", None),
        ("RRULE:FREQ=WEEKLY;BYDAY=MO,TU,TH;UNTIL=20260108", None),
        ("FREQ=WEEKLY;BYDAY=MO,TU,TH;UNTIL=20260108T180000", None),
        ("FREQ=DAILY;BYDAY=MO,TU,TH;UNTIL=20260108T170000Z", None),
        ("freq=daily;byday=mo,tu,th", datetime(2026, 1, 8, 17, 1, tzinfo=UTC)),
        ("FREQ=DAILY;BYDAY=MO,TU,TH;COUNT=9", datetime(2026, 1, 8, 17, 1, tzinfo=UTC)),
    ):
        found = turns(rule, "2026-01-01T18:00", HOUR, "Europe/Berlin", until=until)
        assert [turn.period.starts_at.day for turn in found] == days
        assert found[0].period.starts_at == datetime(2026, 1, 1, 17, tzinfo=UTC)
    for rule, until in (
        ("FREQ=DAILY;BYDAY=MO,TU,TH;UNTIL=20260108T165959Z", None),
        ("FREQ=DAILY;BYDAY=MO,TU,TH;UNTIL=20260108T175959", None),
        ("FREQ=DAILY;BYDAY=MO,TU,TH;UNTIL=20260107", None),
        ("FREQ=DAILY;BYDAY=MO,TU,TH", datetime(2026, 1, 8, 17, tzinfo=UTC)),
    ):
        found = turns(rule, "2026-01-01T18:00", HOUR, "Europe/Berlin", until=until)
        assert [turn.period.starts_at.day for turn in found] == days[:-1]


def test_the_first_monday_of_the_month_and_the_last_day() -> None:
    found = turns("FREQ=MONTHLY;BYDAY=1MO;COUNT=3", "2026-01-01T08:00", HOUR, "UTC")
    assert [(turn.period.starts_at.month, turn.period.starts_at.day) for turn in found] == [(1, 5), (2, 2), (3, 2)]
    found = turns("FREQ=MONTHLY;BYMONTHDAY=-1;COUNT=3", "2026-01-01T08:00", HOUR, "UTC")
    assert [turn.period.starts_at.day for turn in found] == [31, 28, 31]


GOOD: dict[str, Any] = {
    "rule": "FREQ=DAILY;COUNT=2",
    "first": "2026-01-01T18:00",
    "lasts": HOUR,
    "zone": "Europe/Berlin",
}


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"rule": "every night"}, "RFC 5545"),
        ({"rule": ""}, "RFC 5545"),
        ({"rule": "FREQ=NEVER;COUNT=2"}, "RFC 5545"),
        ({"rule": "FREQ=HOURLY;COUNT=2"}, "RFC 5545"),
        ({"rule": "COUNT=2"}, "RFC 5545"),
        ({"rule": "FREQ=DAILY;FREQ=DAILY;COUNT=2"}, "RFC 5545"),
        ({"rule": "FREQ=DAILY;COUNT=0"}, "RFC 5545"),
        ({"rule": "FREQ=DAILY;INTERVAL=0;COUNT=2"}, "RFC 5545"),
        ({"rule": "FREQ=DAILY;BYDAY=XX;COUNT=2"}, "RFC 5545"),
        ({"rule": "FREQ=DAILY;BYSETPOS=2;COUNT=2"}, "RFC 5545"),
        ({"rule": "FREQ=DAILY;UNTIL=20260230"}, "RFC 5545"),
        ({"rule": "FREQ=DAILY;COUNT=2;UNTIL=20260105"}, "RFC 5545"),
        ({"rule": "DTSTART:20260101T000000\nRRULE:FREQ=DAILY;COUNT=2"}, "RFC 5545"),
        ({"rule": "FREQ=DAILY;COUNT=２"}, "RFC 5545"),
        ({"rule": "FREQ=DAILY;BYMONTHDAY=30;COUNT=2"}, "Days of the month"),
        ({"rule": "FREQ=WEEKLY;BYDAY=2MO;COUNT=2"}, "Days of the month"),
        ({"rule": "FREQ=YEARLY;BYMONTH=2,4;BYMONTHDAY=-31,31;COUNT=2"}, "such a day"),
        ({"rule": "FREQ=DAILY;INTERVAL=7;BYDAY=MO;COUNT=2"}, "not two of them"),
        ({"rule": "FREQ=MONTHLY;BYMONTHDAY=13;BYDAY=FR;COUNT=2"}, "not two of them"),
        ({"rule": "FREQ=DAILY"}, "when the rota ends"),
        ({"rule": "FREQ=DAILY;COUNT=401"}, "more than 400"),
        ({"rule": "FREQ=DAILY;UNTIL=20271231"}, "400"),
        ({"rule": "FREQ=YEARLY;COUNT=3"}, "further than 400 days"),
        ({"rule": "FREQ=DAILY;UNTIL=20251231"}, "names no turn"),
        ({"first": "9999-12-31T00:00"}, "between the years"),
        ({"first": "2026-01-01T18:00+01:00"}, "without a zone"),
        ({"zone": "Europe/Atlantis"}, "no such time zone"),
        ({"zone": "../etc/passwd"}, "no such time zone"),
        ({"zone": ""}, "no such time zone"),
        ({"lasts": timedelta(0)}, "longer than nothing"),
        ({"lasts": timedelta(days=401)}, "longer than nothing"),
        ({"lasts": time(8, tzinfo=UTC)}, "without a zone"),
        ({"covering": []}, "at least one"),
    ],
)
def test_what_a_rota_does_not_follow(wrong: dict[str, Any], says: str) -> None:
    assert len(turns(**GOOD)) == 2
    with pytest.raises(InvalidRequest, match=says) as refused:
        turns(**{**GOOD, **wrong})
    assert str(refused.value).endswith(".")


def test_an_end_needs_a_time_zone() -> None:
    with pytest.raises(InvalidInstant):
        turns("FREQ=DAILY", "2026-01-01T18:00", HOUR, "UTC", until=datetime(2026, 2, 1))  # noqa: DTZ001 - a rota is written in local time
    assert len(turns("FREQ=DAILY", "2026-01-01T18:00", HOUR, "UTC", until=datetime(2026, 2, 1, tzinfo=UTC))) == 31


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=MONTHLY;INTERVAL=12;BYMONTH=3",
        "FREQ=MONTHLY;INTERVAL=2;BYMONTH=2,4",
        "FREQ=YEARLY;INTERVAL=4;BYMONTH=2;BYMONTHDAY=29",
    ],
)
def test_a_rule_that_contradicts_itself_is_told_soon(rule: str) -> None:
    before = process_time()
    with pytest.raises(InvalidRequest, match="names no turn"):
        turns(f"{rule};UNTIL=20260901", "2026-01-01T18:00", HOUR, "UTC")
    assert process_time() - before < 1
