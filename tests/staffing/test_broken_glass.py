"""Emergency access when records are merged and parted, and when the people around it leave."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from carecircle.directory.relation_service import relate
from carecircle.emergency.deciding_service import approve
from carecircle.emergency.opening_service import request
from carecircle.emergency.rows import states_of
from carecircle.errors.emergency import MayNotBreakGlass, NotAnApprover, OwnRecord
from carecircle.identifiers import OrganizationId
from carecircle.staffing.merge_service import merge_patients, unmerge_patients
from carecircle.staffing.offboard_service import Offboarded, offboard
from tests.conftest import Hospital
from tests.emergency.clinic import Clinic

InHospital = Callable[[Callable[[Hospital], Any]], Any]


async def _last(c: Clinic, emergency_id: UUID) -> tuple[str, str | None]:
    """The state of an emergency access, and why it ended."""
    async with c.hospital.change() as db:
        row = (await states_of(db, OrganizationId(c.hospital.organization), emergency_id))[-1]
        return row.state, row.ended_because


@pytest.mark.parametrize("own", [True, False])
def test_ones_own_record_stays_ones_own_in_a_merge(in_hospital: InHospital, own: bool) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        other = await hospital.patient()
        await c.do(relate, provider=c.doctor, patient=other, relation="self" if own else "family")
        await c.do(relate, provider=c.doctor, patient=c.patient, relation="household")
        merged = await c.do(merge_patients, patient=other, into=c.patient)
        assert [one.became for one in merged.changed] == ["stricter"]
        if own:
            for patient in (other, c.patient):
                with pytest.raises(OwnRecord):
                    await c.request(patient=patient)
        else:
            assert (await c.request()).state == "provisional"
        await c.do(unmerge_patients, patient=other)
        related = "select patient_id, relation from carecircle.personal_relations where superseded_at = 'infinity'"
        assert {row[0]: row[1] for row in await c.rows(f"{related} and ends_at > now()")} == {
            other: "self" if own else "family",
            c.patient: "household",
        }

    in_hospital(body)


@pytest.mark.parametrize("known_by", ["relation", "identifier", None])
@pytest.mark.parametrize("gives_up_own", [True, False])
def test_what_a_merge_shows_to_be_ones_own_record_is_ended(
    in_hospital: InHospital, known_by: str | None, gives_up_own: bool
) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        numbered = ["urn:people|7"] if known_by == "identifier" else []
        asker, other = await c.breaker(*numbered), await hospital.patient(*numbered)
        if known_by == "relation":
            await c.do(relate, provider=asker, patient=other, relation="self")
        theirs, doctors = await c.request(provider=asker), await c.request()
        gone, into = (other, c.patient) if gives_up_own else (c.patient, other)
        await c.do(merge_patients, patient=gone, into=into)
        assert await c.may(asker, patient=into) is (known_by is None)
        assert await _last(c, theirs.lineage_id) == (("ended", "merged") if known_by else ("provisional", None))
        assert await _last(c, doctors.lineage_id) == ("provisional", None)
        assert await c.may(patient=into)

    in_hospital(body)


@pytest.mark.parametrize("changed", [True, False])
def test_access_approved_while_two_records_were_one_ends_when_they_are_parted(
    in_hospital: InHospital, changed: bool
) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        other, colleague = await hospital.patient(), await c.breaker()
        asked, others = await c.request(), await c.request(provider=colleague, patient=other)
        await c.do(merge_patients, patient=c.patient, into=other)
        if changed:
            await c.do(approve, emergency_id=asked.lineage_id, approver=c.first)
        done = await c.do(unmerge_patients, patient=c.patient)
        assert await c.may() is not changed
        assert not await c.may(patient=other)
        assert await _last(c, asked.lineage_id) == (("ended", "parted") if changed else ("provisional", None))
        assert ("emergency-access" in done.restored + Counter()) is not changed
        # What the survivor had before is the survivor's.
        assert await _last(c, others.lineage_id) == ("provisional", None)
        assert await c.may(colleague, patient=other)

    in_hospital(body)


@pytest.mark.parametrize("named", ["gone", "survivor"])
def test_access_asked_for_while_two_records_were_one_ends_when_they_are_parted(
    in_hospital: InHospital, named: str
) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        other, third = await hospital.patient(), await hospital.patient()
        colleague = await c.breaker()
        thirds = await c.request(provider=colleague, patient=third)
        await c.do(merge_patients, patient=c.patient, into=other)
        asked = await c.request(patient=c.patient if named == "gone" else other)
        await c.do(merge_patients, patient=third, into=other)
        assert await c.may(patient=other)
        await c.do(unmerge_patients, patient=c.patient)
        assert (await c.may(), await c.may(patient=other)) == (False, False)
        assert await _last(c, asked.lineage_id) == ("ended", "parted")
        # What another merge brought, and nobody changed, stays where that merge took it.
        assert await _last(c, thirds.lineage_id) == ("provisional", None)
        assert await c.may(colleague, patient=other)

    in_hospital(body)


@pytest.mark.parametrize("first", ["merge", "approve"])
def test_a_merge_and_a_decision_take_turns(in_hospital: InHospital, first: str) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        other = await hospital.patient()
        asked = await c.request()
        merging: tuple[Any, dict[str, Any]] = merge_patients, {"patient": c.patient, "into": other}
        deciding: tuple[Any, dict[str, Any]] = approve, {"emergency_id": asked.lineage_id, "approver": c.first}
        one, then = (merging, deciding) if first == "merge" else (deciding, merging)
        async with hospital.change() as db:
            await one[0](db, **one[1], organization=hospital.organization, actor="operator:test")
            waits = asyncio.create_task(c.do(then[0], **then[1]))
            await asyncio.sleep(0.3)
            assert not waits.done()
        await waits
        assert await _last(c, asked.lineage_id) == ("approved", None)
        assert await c.may(patient=other)

    in_hospital(body)


def test_offboarding_ends_emergency_access_as_its_requester_would(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        colleague = await c.breaker()
        rows = [await c.request(), await c.request(patient=await hospital.patient())]
        others = await c.request(provider=colleague)
        seen = await c.do(offboard, person=c.doctor, dry_run=True)
        assert await c.may()
        done = await c.do(offboard, person=c.doctor)
        assert seen.ended == done.ended == {"emergency-access": 2, "duty": 1}
        assert [await _last(c, row.lineage_id) for row in rows] == [("ended", "offboarded")] * 2
        assert len(await c.audit("emergency-ended")) == 2
        assert (await c.may(), await c.may(colleague)) == (False, True)
        assert await _last(c, others.lineage_id) == ("provisional", None)
        assert (await c.do(offboard, person=c.doctor)).ended == {}

    in_hospital(body)


def test_a_request_in_flight_does_not_outlive_offboarding(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        await c.policy(emergency_mode="immediate")

        async def leave() -> Offboarded:
            done: Offboarded = await c.do(offboard, person=c.doctor)
            return done

        async with hospital.change() as db:
            asked = await request(
                db, provider=c.doctor, patient=c.patient, reason_code="life-threat", unit=c.ward,
                organization=hospital.organization, actor="operator:test",
            )  # fmt: skip
            leaving = asyncio.create_task(leave())
            await asyncio.sleep(0.3)
            assert not leaving.done()
        assert (await leaving).ended == {"emergency-access": 1, "duty": 1}
        assert not await c.may()
        assert await _last(c, asked.lineage_id) == ("ended", "offboarded")

    in_hospital(body)


def test_who_asks_while_they_are_offboarded_is_refused(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        async with hospital.change() as db:
            await offboard(db, person=c.doctor, organization=hospital.organization, actor="operator:test")
            asking = asyncio.create_task(c.request())
            await asyncio.sleep(0.3)
            assert not asking.done()
        with pytest.raises(MayNotBreakGlass):
            await asking
        colleague = await c.breaker()
        assert (await c.request(provider=colleague)).state == "provisional"

    in_hospital(body)


@pytest.mark.parametrize("leaves", [True, False])
def test_who_was_offboarded_decides_no_more_by_a_shift_that_was_over(in_hospital: InHospital, leaves: bool) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        night = await hospital.provider()
        shift = await c.duty(
            night, "supervisor", unit=c.ward, call_order=4, ends_at=await c.instant() + timedelta(seconds=0.4)
        )
        asked = await c.request()
        await asyncio.sleep(0.5)
        if leaves:
            for _ in range(2):
                assert (await c.do(offboard, person=night)).ended == {}
            with pytest.raises(NotAnApprover):
                await c.do(approve, emergency_id=asked.lineage_id, approver=night)
        else:
            done = await c.do(approve, emergency_id=asked.lineage_id, approver=night)
            assert done.state == "approved"
        # What the shift was stays on record, and it is set down anew once only.
        believed = "select starts_at, ends_at from carecircle.duties where provider_id = :night"
        assert [tuple(row) for row in await c.rows(f"{believed} and superseded_at = 'infinity'", night=night)] == [
            (shift.starts_at, shift.ends_at)
        ]
        assert len(await c.rows(believed, night=night)) == 1 + leaves
        assert len(await c.audit("offboarded")) == int(leaves)

    in_hospital(body)
