"""More than is usual opens and is told; so does what nobody on duty could decide about."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from carecircle.directory.duty_service import end_duty
from tests.conftest import Hospital
from tests.emergency.clinic import HOUR, MINUTE, Clinic

InHospital = Callable[[Callable[[Hospital], Any]], Any]


@pytest.mark.parametrize(
    "limit", ["emergency_open_at_once", "emergency_opened_a_day", "emergency_opened_by_unit_an_hour"]
)
def test_more_than_is_usual_opens_and_needs_two(in_hospital: InHospital, limit: str) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        await c.policy(**{limit: 2})
        earlier = []
        for _ in range(2):
            row = await c.request(patient=await hospital.patient())
            assert (row.two_persons, row.signals) == (False, [])
            assert await c.told(row.lineage_id) == ["first@hospital.example"]
            earlier.append(row)
        row = await c.request()
        assert (row.two_persons, row.signals) == (True, ["over-limit"])
        assert await c.told(row.lineage_id) == ["first@hospital.example", "office@hospital.example"]
        assert await c.may()
        # It is about this provider, or about this unit.
        by_unit = limit == "emergency_opened_by_unit_an_hour"
        other = await c.request(provider=await c.breaker())
        assert other.two_persons is by_unit
        assert not (await c.request(provider=await c.breaker(), unit=c.clinic)).two_persons
        # And about its time: what has expired is open no more, what is long past no more of today, or of this hour.
        waits = {"emergency_open_at_once": 20 * MINUTE, "emergency_opened_a_day": 25 * HOUR}
        for one in (*earlier, row, other):
            await c.earlier(one, waits.get(limit, 61 * MINUTE))
        assert not (await c.request(patient=await hospital.patient())).two_persons

    in_hospital(body)


def test_where_nobody_is_on_duty_it_opens_and_everybody_else_is_told(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        await c.policy(privacy_office_email="privacy@hospital.example")
        for who in (c.first, c.second, c.everywhere):
            await c.do(end_duty, duty_id=c.duties[who].id)
        row = await c.request()
        assert row.signals == ["nobody-on-duty"]
        assert await c.may()
        assert await c.told(row.lineage_id) == ["manager@hospital.example", "office@hospital.example"]
        await c.do(end_duty, duty_id=c.duties[c.office].id)
        row = await c.request(patient=await hospital.patient())
        assert await c.told(row.lineage_id) == ["manager@hospital.example", "privacy@hospital.example"]
        await c.do(end_duty, duty_id=c.duties[c.manager].id)
        await c.policy()
        row = await c.request(patient=await hospital.patient())
        assert await c.told(row.lineage_id) == []
        assert [one[0] for one in await c.due(row.lineage_id)] == [
            "relationship", "review-due", "unacknowledged", "undecided", "webhook:emergency-opened",
        ]  # fmt: skip
        assert await c.may(patient=row.patient_id)

    in_hospital(body)


def test_everybody_first_in_the_order_of_call_is_told_once(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        beside, silent = await hospital.provider(), await hospital.provider()
        await c.duty(beside, "supervisor", unit=c.ward, contact="beside@hospital.example")
        await c.duty(beside, "supervisor", contact="beside@hospital.example")
        await c.duty(silent, "supervisor", unit=c.ward)
        row = await c.request()
        assert await c.told(row.lineage_id) == ["beside@hospital.example", "first@hospital.example"]

    in_hospital(body)
