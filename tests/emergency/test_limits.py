"""More than is usual opens and is told; so does what nobody on duty could decide about."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from carecircle.directory.duty_service import end_duty
from carecircle.emergency.deciding_service import approve
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


def test_more_than_is_usual_does_not_open_as_asked_before_two_approved(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        await c.policy(emergency_mode="immediate", emergency_open_at_once=1, emergency_scope=["read", "write"])
        wide: dict[str, Any] = {"scope": ("read", "write")}
        row = await c.request(patient=await hospital.patient(), **wide)
        assert (row.mode, row.scope, row.two_persons) == ("immediate", ["read", "write"], False)
        row = await c.request(**wide)
        assert (row.mode, row.scope, row.two_persons) == ("provisional", ["read"], True)
        assert row.ends_at == row.asked_at + 15 * MINUTE
        assert {"unacknowledged", "undecided"} <= {one[0] for one in await c.due(row.lineage_id)}
        assert await c.may()
        await c.do(approve, emergency_id=row.lineage_id, approver=c.first)
        assert not await c.may(action="write")
        await c.do(approve, emergency_id=row.lineage_id, approver=c.second)
        assert await c.may(action="write")
        # What waits anyhow goes on waiting.
        await c.policy(emergency_mode="gated", emergency_open_at_once=1)
        row = await c.request(patient=await hospital.patient())
        assert (row.mode, row.two_persons) == ("gated", True)

    in_hospital(body)


def test_an_office_nobody_can_write_to_is_told_at_its_mailbox(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        mailbox = "privacy@hospital.example"
        await c.policy(privacy_office_email=mailbox, emergency_open_at_once=1)
        await c.request(patient=await hospital.patient())
        more = await c.request(patient=await hospital.patient())
        assert await c.told(more.lineage_id) == ["first@hospital.example", "office@hospital.example"]
        await c.do(end_duty, duty_id=c.duties[c.office].id)
        await c.duty(c.office, "privacy_office")
        more = await c.request(patient=await hospital.patient())
        assert more.two_persons
        assert await c.told(more.lineage_id) == ["first@hospital.example", mailbox]
        for who in (c.first, c.second, c.everywhere):
            await c.do(end_duty, duty_id=c.duties[who].id)
        row = await c.request(provider=await c.breaker())
        assert (row.two_persons, row.signals) == (False, ["nobody-on-duty"])
        assert await c.told(row.lineage_id) == ["manager@hospital.example", mailbox]
        # One of them who can be written to is enough.
        await c.duty(await hospital.provider(), "privacy_office", contact="office@hospital.example")
        row = await c.request(provider=await c.breaker())
        assert await c.told(row.lineage_id) == ["manager@hospital.example", "office@hospital.example"]

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
