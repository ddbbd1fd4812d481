"""Who may decide about a request: as computed at its instant and kept, and as asked again when somebody decides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from carecircle.coverage.absence_service import record_absence
from carecircle.directory.duty_service import add_duty, end_duty
from carecircle.directory.relation_service import relate
from carecircle.directory.reporting_service import add_reporting_line, end_reporting_line
from carecircle.emergency.approvers_service import approvers_of, approvers_on, require_may_decide
from carecircle.emergency.tables import EmergencyAccess
from carecircle.errors.emergency import NotAnApprover, SelfApproval
from carecircle.restrictions.service import lift_suspension, suspend
from tests.conftest import Hospital, open_hospital
from tests.emergency.clinic import HOUR, MINUTE, Clinic

InHospital = Callable[[Callable[[Hospital], Any]], Any]


async def _approvers(c: Clinic, unit: UUID | None = None) -> list[UUID]:
    async with c.hospital.change() as db:
        found = await approvers_of(
            db, c.hospital.organization, requester_id=c.doctor, unit_id=unit, patient_id=c.patient, at=await c.instant()
        )
        return [one.provider_id for one in found]


async def _may_decide(c: Clinic, row: EmergencyAccess, approver: UUID) -> bool:
    at = await c.instant()
    async with c.hospital.change() as db:
        try:
            await require_may_decide(db, c.hospital.organization, row, approver, at)
        except NotAnApprover:
            return False
    return True


def test_supervisors_come_first_in_their_order_then_managers_then_the_privacy_office(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        assert await _approvers(c, c.ward) == [c.first, c.second, c.everywhere, c.manager, c.office]
        # Supervisors of a unit decide about that unit; those of all units about any, and about none in particular.
        assert await _approvers(c, c.clinic) == [c.everywhere, c.manager, c.office]
        assert await _approvers(c) == [c.everywhere, c.manager, c.office]
        row = await c.request()
        async with hospital.change() as db:
            kept = await approvers_on(db, hospital.organization, row.lineage_id)
        assert [(one.provider_id, one.duty, one.duty_id, one.call_order, one.contact) for one in kept] == [
            (who, c.duties[who].duty, c.duties[who].id, c.duties[who].call_order, c.duties[who].contact)
            for who in (c.first, c.second, c.everywhere, c.manager, c.office)
        ]

    in_hospital(body)


def test_only_duties_that_hold_at_the_instant_count(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        now = await c.instant()
        soon, over, ending = [await hospital.provider() for _ in range(3)]
        await c.duty(soon, "supervisor", unit=c.ward, starts_at=now + HOUR)
        await c.duty(ending, "supervisor", unit=c.ward, ends_at=now + HOUR)
        row = await c.duty(over, "supervisor", unit=c.ward)
        assert {ending, over} <= set(await _approvers(c, c.ward))
        await c.do(end_duty, duty_id=row.id)
        found = await _approvers(c, c.ward)
        assert ending in found
        assert soon not in found
        assert over not in found

    in_hospital(body)


@pytest.mark.parametrize(
    "why", ["suspended", "absent", "self", "family", "household", "reports", "reports-to-one-below"]
)
def test_who_does_not_decide(in_hospital: InHospital, why: str) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        assert await _approvers(c, c.ward) == [c.first, c.second, c.everywhere, c.manager, c.office]
        match why:
            case "suspended":
                await c.do(suspend, provider=c.first)
            case "absent":
                now = await c.instant()
                await c.do(record_absence, provider=c.first, starts_at=now - MINUTE, ends_at=now + HOUR)
            case "reports":
                await c.do(add_reporting_line, provider=c.first, reports_to=c.doctor)
            case "reports-to-one-below":
                between = await hospital.provider()
                await c.do(add_reporting_line, provider=c.first, reports_to=between)
                assert c.first in await _approvers(c, c.ward)
                await c.do(add_reporting_line, provider=between, reports_to=c.doctor)
            case _:
                await c.do(relate, provider=c.first, patient=c.patient, relation=why)
        assert await _approvers(c, c.ward) == [c.second, c.everywhere, c.manager, c.office]
        row = await c.request()
        assert not await _may_decide(c, row, c.first)
        assert await _may_decide(c, row, c.second)
        assert await c.told(row.lineage_id) == ["second@hospital.example"]

    in_hospital(body)


def test_whom_the_requester_reports_to_decides(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        await c.do(add_reporting_line, provider=c.doctor, reports_to=c.first)
        assert c.first in await _approvers(c, c.ward)

    in_hospital(body)


def test_a_requester_on_duty_is_not_among_their_approvers(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        await c.do(add_duty, provider=c.doctor, duty="supervisor", unit=c.ward)
        await c.do(add_duty, provider=c.first, duty="break_glass")
        assert c.doctor not in await _approvers(c, c.ward)
        row = await c.request()
        with pytest.raises(SelfApproval):
            await _may_decide(c, row, c.doctor)
        # They decide about others.
        other = await c.request(provider=c.first)
        assert await _may_decide(c, other, c.doctor)
        with pytest.raises(SelfApproval):
            await _may_decide(c, other, c.first)

    in_hospital(body)


def test_who_may_decide_is_asked_again_at_the_decision(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        row = await c.request()
        late = await hospital.provider()
        await c.duty(late, "supervisor", unit=c.ward)
        for who, may in (
            (c.first, True), (c.second, True), (c.everywhere, True), (c.manager, True), (c.office, True),
            (late, False), (await hospital.provider(), False), (await c.breaker(), False),
        ):  # fmt: skip
            assert await _may_decide(c, row, who) is may
        await c.do(suspend, provider=c.first)
        assert not await _may_decide(c, row, c.first)
        await c.do(lift_suspension, provider=c.first)
        assert await _may_decide(c, row, c.first)
        await c.do(add_reporting_line, provider=c.first, reports_to=c.doctor)
        assert not await _may_decide(c, row, c.first)
        await c.do(end_reporting_line, provider=c.first, reports_to=c.doctor)
        assert await _may_decide(c, row, c.first)
        await c.do(end_duty, duty_id=c.duties[c.first].id)
        assert not await _may_decide(c, row, c.first)
        # A new duty decides about later requests, not about this one.
        await c.duty(c.first, "supervisor", unit=c.ward)
        assert not await _may_decide(c, row, c.first)

    in_hospital(body)


def test_who_went_off_duty_still_decides_about_what_they_were_told_of(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        tired = await hospital.provider()
        await c.duty(tired, "supervisor", unit=c.ward, ends_at=await c.instant() + HOUR)
        row = await c.request()
        async with hospital.change() as db:
            await require_may_decide(db, hospital.organization, row, tired, await c.instant() + 2 * HOUR)
            stranger = await c.breaker()
            with pytest.raises(NotAnApprover):
                await require_may_decide(db, hospital.organization, row, stranger, await c.instant())

    in_hospital(body)


def test_approvers_of_another_organization_have_no_say(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        row = await c.request()
        async with open_hospital(hospital.circle) as other:
            # The same people, on duty there.
            for who in (c.first, c.doctor):
                await other.provider(provider_id=who)
            away = await other.provider()
            await other.patient(patient_id=c.patient)
            for who, duty in ((away, "supervisor"), (c.doctor, "break_glass")):
                async with other.change() as db:
                    await add_duty(db, provider=who, duty=duty, organization=other.organization, actor="test")
            assert away not in await _approvers(c, c.ward)
            async with other.change() as db:
                at = row.asked_at
                with pytest.raises(NotAnApprover):
                    await require_may_decide(db, other.organization, row, c.first, at)
                found = await approvers_of(
                    db, other.organization, requester_id=c.doctor, unit_id=c.ward, patient_id=c.patient,
                    at=await c.instant(),
                )  # fmt: skip
                assert [one.provider_id for one in found] == [away]
        assert await _may_decide(c, row, c.first)

    in_hospital(body)
