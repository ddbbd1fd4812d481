"""Duties over time: who has them, of which unit, until when; enrolling a whole role; and what is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from carecircle.directory.duty_service import add_duty, duties, end_duty, enrol
from carecircle.directory.service import resolve_provider
from carecircle.errors import InvalidPeriod, InvalidRequest, ProviderNotRegistered, UnitNotRegistered
from carecircle.errors.emergency import DutyNotFound, OverlappingDuty
from carecircle.identifiers import Identifier, new_id
from carecircle.period import FOREVER
from tests.conftest import Hospital
from tests.directory.house import House

Run = Callable[[Callable[[Hospital], Any]], Any]
HOUR = timedelta(hours=1)


def in_house(in_hospital: Run, work: Callable[[House], Any]) -> None:
    async def body(hospital: Hospital) -> None:
        await work(await House.open(hospital))

    in_hospital(body)


def test_a_duty_holds_from_now_until_it_is_ended(in_hospital: Run) -> None:
    async def work(house: House) -> None:
        ward, doctor = await house.unit("Ward 7"), house.people[0]
        said = {"provider": doctor, "duty": "supervisor", "unit": ward, "contact": "ward7@hospital.example"}
        row = await house.do(add_duty, **said)
        assert (row.unit_id, row.call_order, row.ends_at) == (ward, 1, FOREVER)
        with pytest.raises(OverlappingDuty):
            await house.do(add_duty, **said)
        assert [one.id for one in await house.do(duties, duty="supervisor")] == [row.id]
        await house.do(end_duty, duty_id=row.id)
        assert await house.do(duties) == []
        [then] = await house.do(duties, as_of=row.starts_at)
        assert (then.lineage_id, then.contact) == (row.id, "ward7@hospital.example")
        with pytest.raises(DutyNotFound):
            await house.do(end_duty, duty_id=row.id)
        with pytest.raises(DutyNotFound):
            await house.do(end_duty, duty_id=then.id)
        await house.do(add_duty, **said)
        assert await house.entries("duty-added", "duty-ended") == ["duty-added", "duty-ended", "duty-added"]

    in_house(in_hospital, work)


def test_a_shift_is_shortened_and_one_ahead_never_begins(in_hospital: Run) -> None:
    async def work(house: House) -> None:
        now, said = house.now, {"provider": house.people[0], "duty": "duty_manager"}
        shift = await house.do(add_duty, **said, ends_at=now + 8 * HOUR)
        ahead = await house.do(add_duty, **said, starts_at=now + 8 * HOUR, ends_at=now + 16 * HOUR)
        for wrong in (now - HOUR, now + 8 * HOUR, now + 9 * HOUR):
            with pytest.raises(InvalidPeriod):
                await house.do(end_duty, duty_id=shift.id, at=wrong)
        await house.do(end_duty, duty_id=shift.id, at=now + HOUR)
        assert [one.ends_at for one in await house.do(duties)] == [now + HOUR, now + 16 * HOUR]
        await house.do(end_duty, duty_id=ahead.id)
        assert await house.do(duties, as_of=now + 9 * HOUR) == []

    in_house(in_hospital, work)


def test_a_units_list_has_its_own_and_those_of_all_units(in_hospital: Run) -> None:
    async def work(house: House) -> None:
        one, other = await house.unit("Ward 7", "urn:ward|7"), await house.unit("Ward 8")
        doctor, colleague, third, _ = house.people
        await house.do(add_duty, provider=doctor, duty="supervisor", unit=Identifier("urn:ward", "7"), call_order=2)
        await house.do(add_duty, provider=third, duty="supervisor", unit="Ward 7", call_order=1)
        await house.do(add_duty, provider=colleague, duty="supervisor", unit=other)
        await house.do(add_duty, provider=colleague, duty="supervisor")
        found = await house.do(duties, unit=one)
        assert [(row.provider_id, row.unit_id) for row in found] == [(third, one), (doctor, one), (colleague, None)]
        assert len(await house.do(duties, provider="staff|1")) == 2
        await house.unit("Ward 8")
        for unknown in ("Ward 8", "urn:ward|8", new_id()):  # two wards have the name
            with pytest.raises(UnitNotRegistered):
                await house.do(duties, unit=unknown)

    in_house(in_hospital, work)


def test_what_is_no_duty_no_order_and_no_address_is_refused(in_hospital: Run) -> None:
    async def work(house: House) -> None:
        sound = {"provider": house.people[0], "duty": "supervisor"}
        wrong: list[dict[str, Any]] = [{"duty": "chief"}, {"call_order": 0}, {"call_order": 10**9}]
        addresses = (
            "wardseven",
            "a@b@c",
            "a b@c",
            "@c",
            "a@",
            "a@c\n",
            "x" * 65 + "@c",
            "A <a@b>",
            "a@b,c@d",
            "a@" + "c" * 300,
        )
        for change in wrong + [{"contact": one} for one in addresses]:
            with pytest.raises(InvalidRequest) as refused:
                await house.do(add_duty, **(sound | change))
            assert change.get("contact", "none of it") not in str(refused.value)
        with pytest.raises(InvalidPeriod):
            await house.do(add_duty, **sound, starts_at=house.now - 2 * HOUR, ends_at=house.now - HOUR)
        with pytest.raises(ProviderNotRegistered):
            await house.do(add_duty, provider=new_id(), duty="supervisor")
        with pytest.raises(InvalidRequest):
            await house.do(duties, duty="chief")
        assert await house.do(duties) == []
        assert await house.do(add_duty, **sound, contact="o'hara+7@ward.example")

    in_house(in_hospital, work)


def test_a_role_is_enrolled_as_a_whole_and_who_has_it_is_passed_over(in_hospital: Run) -> None:
    async def work(house: House) -> None:
        doctor, colleague, nurse, idle = house.people
        for person, code in ((doctor, "physician"), (colleague, "physician"), (nurse, "nurse")):
            await house.role(person, code)
        await house.role(colleague, "physician", await house.unit("Ward 7"))  # twice in the role, once in the duty
        await house.do(add_duty, provider=doctor, duty="break_glass")
        done = await house.do(enrol, role="physician", duty="break_glass")
        assert ([one.provider_id for one in done.added], done.had_it) == ([colleague], 1)
        done = await house.do(enrol, role="physician", duty="break_glass")
        assert (done.added, done.had_it) == ((), 2)
        with pytest.raises(InvalidRequest):
            await house.do(enrol, role="surgeon", duty="break_glass")
        may = {one.provider_id for one in await house.do(duties, duty="break_glass")}
        assert may == {doctor, colleague}
        assert idle not in may
        assert await house.entries("duty-added") == ["duty-added"] * 2

    in_house(in_hospital, work)


def test_two_who_enrol_at_once_enrol_everybody_once(in_hospital: Run) -> None:
    async def work(house: House) -> None:
        for person in house.people:
            await house.role(person, "physician")
        both = await asyncio.gather(*(house.do(enrol, role="physician", duty="break_glass") for _ in range(2)))
        assert sorted((len(one.added), one.had_it) for one in both) == [(0, 4), (4, 0)]

    in_house(in_hospital, work)


def test_another_organization_sees_and_ends_nothing_of_it(in_hospital: Run) -> None:
    async def work(house: House) -> None:
        row = await house.do(add_duty, provider=house.people[0], duty="privacy_office")

        async def elsewhere(hospital: Hospital) -> None:
            theirs = await House.open(hospital)
            assert await theirs.do(duties) == []
            with pytest.raises(DutyNotFound):
                await theirs.do(end_duty, duty_id=row.id)
            with pytest.raises(ProviderNotRegistered):
                await theirs.do(add_duty, provider=house.people[0], duty="privacy_office")

        from tests.conftest import open_hospital

        async with open_hospital(house.hospital.circle) as other:
            await elsewhere(other)
        assert [one.id for one in await house.do(duties)] == [row.id]
        assert await house.do(resolve_provider, house.hospital.organization, "staff|0") == house.people[0]

    in_house(in_hospital, work)
