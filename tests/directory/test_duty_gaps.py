"""When nobody would be there: the pure rule against counting instant by instant, and what is loaded for it."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest

from carecircle.coverage.absence_service import record_absence
from carecircle.directory.duty_gap_service import duty_gaps
from carecircle.directory.duty_gaps import Away, Gap, Held, Wanted, gaps
from carecircle.directory.duty_service import add_duty
from carecircle.errors import InvalidPeriod
from carecircle.period import Period
from carecircle.restrictions.service import suspend
from tests.directory.house import House
from tests.directory.test_duties import Run, in_house

START = datetime(2026, 3, 27, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
PEOPLE = [UUID(int=number) for number in range(3)]
UNITS = [None, UUID(int=11), UUID(int=12)]
DUTIES = ("supervisor", "duty_manager", "break_glass")


def hours(first: int, last: int) -> Period:
    return Period(START + first * HOUR, START + last * HOUR)


def test_gaps_are_what_counting_every_hour_finds() -> None:
    chance = random.Random(7)

    def drawn() -> Period:
        first = chance.randrange(-4, 26)
        return hours(first, first + chance.randrange(1, 12))

    some = 0
    for _ in range(300):
        held = [
            Held(chance.choice(PEOPLE), chance.choice(DUTIES), chance.choice(UNITS), drawn())
            for _ in range(chance.randrange(6))
        ]
        away = [Away(chance.choice(PEOPLE), drawn()) for _ in range(chance.randrange(4))]
        wanted = [Wanted("supervisor", UNITS[1]), Wanted("duty_manager"), Wanted("break_glass", anywhere=True)]
        found = gaps(hours(0, 24), held, away, wanted)
        some += len(found)
        for want in wanted:
            mine = [gap.period for gap in found if gap.duty == want.duty]
            for hour in range(24):
                at = START + hour * HOUR
                gone = {one.provider_id for one in away if at in one.period}
                units = UNITS if want.anywhere else (None, want.unit_id)
                there = any(
                    at in one.period and one.duty == want.duty and one.unit_id in units and one.provider_id not in gone
                    for one in held
                )
                assert any(at in period for period in mine) is not there
            assert all(one.ends_at < other.starts_at for one, other in pairwise(mine))
    assert some > 300


def test_one_shift_that_follows_another_leaves_no_gap() -> None:
    shifts = [Held(PEOPLE[0], "supervisor", UNITS[1], hours(0, 8)), Held(PEOPLE[1], "supervisor", None, hours(8, 24))]
    wanted = [Wanted("supervisor", UNITS[1]), Wanted("supervisor", UNITS[1])]
    assert gaps(hours(0, 24), shifts, [], wanted) == []
    assert gaps(hours(0, 24), shifts[:1], [], wanted) == [Gap("supervisor", UNITS[1], hours(8, 24))]


def test_what_is_loaded_counts_absences_suspensions_and_units(in_hospital: Run) -> None:
    async def work(house: House) -> None:
        one, other, third, worker = house.people
        ward = await house.unit("Ward 7")
        week = timedelta(days=7)

        async def found(**said: Any) -> list[tuple[str, UUID | None, int, int]]:
            """Duty, unit, and from which until which day."""
            told: list[Gap] = await house.do(duty_gaps, **({"within": week} | said))
            day = [((gap.period.starts_at - house.now) / DAY, (gap.period.ends_at - house.now) / DAY) for gap in told]
            return [(gap.duty, gap.unit_id, round(a), round(b)) for gap, (a, b) in zip(told, day, strict=True)]

        nobody = [("break_glass", None, 0, 7), ("duty_manager", None, 0, 7), ("privacy_office", None, 0, 7)]
        assert await found() == nobody
        await house.role(worker, "nurse", ward)
        assert await found() == [*nobody, ("supervisor", ward, 0, 7)]
        await house.do(add_duty, provider=worker, duty="break_glass", unit=ward)
        for duty in ("duty_manager", "privacy_office", "supervisor"):
            await house.do(add_duty, provider=one, duty=duty)
        assert await found() == []
        await house.do(record_absence, provider=one, starts_at=house.now + 2 * DAY, ends_at=house.now + 3 * DAY)
        away = [("duty_manager", None, 2, 3), ("privacy_office", None, 2, 3), ("supervisor", ward, 2, 3)]
        assert await found() == away
        assert await found(within=DAY) == []
        await house.do(add_duty, provider=other, duty="supervisor", unit=ward)
        assert await found() == away[:2]
        await house.do(add_duty, provider=third, duty="duty_manager", unit=ward)  # of one ward: not of the organization
        assert await found() == away[:2]
        await house.do(suspend, provider=one, starts_at=house.now + 5 * DAY)
        await house.do(suspend, provider=other, starts_at=house.now + 6 * DAY)
        late = [("duty_manager", None, 5, 7), ("privacy_office", None, 5, 7), ("supervisor", ward, 6, 7)]
        assert await found() == [*away[:2], *late]
        for wrong in (timedelta(0), -DAY, 401 * DAY):
            with pytest.raises(InvalidPeriod):
                await found(within=wrong)

    in_house(in_hospital, work)
