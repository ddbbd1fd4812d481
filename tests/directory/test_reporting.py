"""Who reports to whom: lines over time, no loops at any instant, also when two are added at once."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from carecircle.directory.reporting_service import add_reporting_line, end_reporting_line, reporting_lines
from carecircle.errors import CareCircleError, InvalidPeriod, InvalidRequest
from carecircle.errors.emergency import OverlappingReportingLine, ReportingLineNotFound, ReportingLoop
from tests.directory.house import House
from tests.directory.test_duties import Run, in_house

DAY = timedelta(days=1)


def test_a_line_holds_until_it_is_ended(in_hospital: Run) -> None:
    async def work(house: House) -> None:
        junior, senior, other, _ = house.people
        row = await house.do(add_reporting_line, provider=junior, reports_to="staff|1")
        with pytest.raises(OverlappingReportingLine):
            await house.do(add_reporting_line, provider=junior, reports_to=senior)
        assert [one.id for one in await house.do(reporting_lines, senior)] == [row.id]
        assert await house.do(reporting_lines, other) == []
        assert len(await house.do(end_reporting_line, provider=junior, reports_to=senior)) == 1
        assert await house.do(reporting_lines) == []
        with pytest.raises(ReportingLineNotFound):
            await house.do(end_reporting_line, provider=junior, reports_to=senior)
        with pytest.raises(InvalidPeriod):
            await house.do(add_reporting_line, provider=junior, reports_to=senior, ends_at=house.now - DAY)
        codes = ["reporting-line-added", "reporting-line-ended"]
        assert await house.entries(*codes) == codes

    in_house(in_hospital, work)


def test_nobody_reports_in_a_circle(in_hospital: Run) -> None:
    async def work(house: House) -> None:
        a, b, c, d = house.people
        for one, other in ((a, b), (b, c), (c, d), (a, c)):  # two ways up from a
            await house.do(add_reporting_line, provider=one, reports_to=other)
        for one, other in ((b, a), (c, a), (d, a), (d, b)):
            with pytest.raises(ReportingLoop):
                await house.do(add_reporting_line, provider=one, reports_to=other)
        with pytest.raises(InvalidRequest) as himself:
            await house.do(add_reporting_line, provider=a, reports_to=a)
        assert not isinstance(himself.value, ReportingLoop)
        await house.do(end_reporting_line, provider=b, reports_to=c)
        await house.do(end_reporting_line, provider=a, reports_to=c)
        await house.do(add_reporting_line, provider=d, reports_to=a)

    in_house(in_hospital, work)


def test_a_circle_counts_only_where_all_of_it_holds_at_one_instant(in_hospital: Run) -> None:
    async def work(house: House) -> None:
        (a, b, c, _), now = house.people, house.now
        await house.do(add_reporting_line, provider=a, reports_to=b, ends_at=now + 2 * DAY)
        await house.do(add_reporting_line, provider=b, reports_to=c, starts_at=now + DAY, ends_at=now + 3 * DAY)
        with pytest.raises(ReportingLoop):
            await house.do(add_reporting_line, provider=c, reports_to=a)
        with pytest.raises(ReportingLoop):
            await house.do(
                add_reporting_line, provider=c, reports_to=a, starts_at=now + 1.5 * DAY, ends_at=now + 9 * DAY
            )
        await house.do(add_reporting_line, provider=c, reports_to=a, ends_at=now + DAY)
        await house.do(add_reporting_line, provider=c, reports_to=a, starts_at=now + 2 * DAY)

    in_house(in_hospital, work)


def test_two_who_add_at_once_make_no_circle(in_hospital: Run) -> None:
    async def work(house: House) -> None:
        a, b, c, _ = house.people
        await house.do(add_reporting_line, provider=b, reports_to=c)
        done = await asyncio.gather(
            house.do(add_reporting_line, provider=a, reports_to=b),
            house.do(add_reporting_line, provider=c, reports_to=a),
            return_exceptions=True,
        )
        assert sorted(type(one).__name__ for one in done) == ["ReportingLine", "ReportingLoop"]
        assert [one.code for one in done if isinstance(one, CareCircleError)] == ["reporting-loop"]
        assert len(await house.do(reporting_lines)) == 2

    in_house(in_hospital, work)
