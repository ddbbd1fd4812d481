"""What is asked again when a request is approved: who it is for, what policy says by then, and the first of two approvers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from carecircle.directory.duty_service import end_duty
from carecircle.directory.relation_service import end_relation, relate
from carecircle.emergency.deciding_service import approve, deny
from carecircle.emergency.ending_service import extend
from carecircle.emergency.tables import EmergencyAccess
from carecircle.errors.emergency import EmergencyAccessRefused, MayNotBreakGlass, OwnRecord
from carecircle.restrictions.service import label, lift_objection, lift_suspension, object_to, suspend
from tests.conftest import Hospital
from tests.emergency.clinic import HOUR, Clinic

InHospital = Callable[[Callable[[Hospital], Any]], Any]
BOTH = ["sensitivity", "objection"]


async def approved(c: Clinic, row: EmergencyAccess, **said: Any) -> EmergencyAccess:
    """The state that follows the first supervisor's approval, or somebody else's."""
    following: EmergencyAccess = await c.do(approve, emergency_id=row.lineage_id, **({"approver": c.first} | said))
    return following


async def refused(c: Clinic, row: EmergencyAccess, error: type[Exception]) -> None:
    with pytest.raises(error):
        await approved(c, row)


@pytest.mark.parametrize("mode", ["gated", "provisional"])
def test_a_duty_taken_back_since_opens_nothing(in_hospital: InHospital, mode: str) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        await c.policy(emergency_mode=mode)
        row = await c.request()
        await c.do(end_duty, duty_id=c.duties[c.doctor].id)
        await refused(c, row, MayNotBreakGlass)
        # Who has it again may have it again; and it may be denied whoever has it.
        await c.duty(c.doctor, "break_glass")
        assert (await approved(c, row)).state == "approved"
        other = await c.breaker()
        row = await c.request(provider=other)
        await c.do(end_duty, duty_id=c.duties[other].id)
        await c.do(deny, emergency_id=row.lineage_id, approver=c.first, words="No longer.")

    in_hospital(body)


def test_a_shift_that_is_over_by_then_keeps_nobody_out(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        over = await c.instant() + timedelta(seconds=2)
        planned, shortened = await hospital.provider(), await c.breaker()
        await c.duty(planned, "break_glass", ends_at=over)
        await c.do(end_duty, duty_id=c.duties[shortened].id, at=over)
        rows = [await c.request(provider=one) for one in (planned, shortened)]
        await asyncio.sleep((over - await c.instant()).total_seconds() + 0.05)
        for row in rows:
            with pytest.raises(MayNotBreakGlass):
                await c.request(provider=row.provider_id, patient=await hospital.patient())
            assert (await approved(c, row)).state == "approved"

    in_hospital(body)


def test_what_has_become_their_own_record_opens_to_nobody(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        await c.policy(emergency_mode="gated")
        row = await c.request()
        await c.do(relate, provider=c.doctor, patient=c.patient, relation="self")
        await refused(c, row, OwnRecord)
        await c.do(end_relation, provider=c.doctor, patient=c.patient)
        assert (await approved(c, row)).state == "approved"
        insured, elsewhere = await c.breaker("insurance|77"), await hospital.patient()
        row = await c.request(provider=insured, patient=elsewhere)
        await hospital.patient("insurance|77", patient_id=elsewhere)
        await refused(c, row, OwnRecord)
        assert not await c.may(insured, patient=elsewhere)

    in_hospital(body)


def test_nobody_suspended_by_then(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        await c.policy(emergency_mode="gated", emergency_overrides=BOTH)
        row = await c.request()
        await c.do(suspend, provider=c.doctor)
        await refused(c, row, EmergencyAccessRefused)
        await c.do(lift_suspension, provider=c.doctor)
        assert (await approved(c, row)).state == "approved"
        assert await c.may()

    in_hospital(body)


def test_an_approval_overrides_what_policy_said_then_and_says_now(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        await c.policy(emergency_overrides=BOTH)
        kept, narrowed = [await c.request(provider=await c.breaker()) for _ in range(2)]
        assert (await approved(c, kept)).despite == BOTH
        await c.policy(emergency_overrides=["sensitivity"])
        assert narrowed.despite == BOTH
        await c.do(object_to, patient=c.patient, provider=narrowed.provider_id)
        await refused(c, narrowed, EmergencyAccessRefused)
        await c.do(lift_objection, patient=c.patient, provider=narrowed.provider_id)
        assert (await approved(c, narrowed)).despite == ["sensitivity"]
        await c.do(label, patient=c.patient, label="PSY")
        assert await c.may(narrowed.provider_id)
        for row, lets_in in ((kept, True), (narrowed, False)):
            await c.do(object_to, patient=c.patient, provider=row.provider_id)
            assert await c.may(row.provider_id) is lets_in
        # What policy has come to override since was not asked for.
        row = await c.request()
        await c.policy(emergency_overrides=BOTH)
        await c.do(object_to, patient=c.patient, provider=c.doctor)
        await refused(c, row, EmergencyAccessRefused)
        await c.do(lift_objection, patient=c.patient, provider=c.doctor)
        assert (await approved(c, row)).despite == ["sensitivity"]

    in_hospital(body)


@pytest.mark.parametrize("how", ["taken back", "suspended"])
def test_of_two_who_approve_the_first_may_still_decide(in_hospital: InHospital, how: str) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        await c.policy(emergency_open_at_once=1)
        await c.request(patient=await hospital.patient())
        row = await c.request()
        assert (await approved(c, row)).seconded_by_id == c.first
        if how == "suspended":
            await c.do(suspend, provider=c.first)
        else:
            await c.do(end_duty, duty_id=c.duties[c.first].id)
        after = await approved(c, row, approver=c.second)
        assert (after.state, after.seconded_by_id, after.decided_by_id) == ("provisional", c.second, None)
        after = await approved(c, row, approver=c.everywhere)
        assert (after.state, after.seconded_by_id, after.decided_by_id) == ("approved", c.second, c.everywhere)
        assert len(await c.audit("emergency-seconded")) == 2

    in_hospital(body)


def test_of_two_who_approve_more_time_too(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        await c.policy(emergency_open_at_once=1)
        await c.request(patient=await hospital.patient())
        row = await c.request(hours=1)
        for who in (c.manager, c.office):
            given = await approved(c, row, approver=who)
        asked: dict[str, Any] = {
            "emergency_id": row.lineage_id,
            "provider": c.doctor,
            "reason_code": "transfer",
            "hours": 1,
        }
        await c.do(extend, **asked)
        await approved(c, row)
        await c.do(suspend, provider=c.first)
        assert (await approved(c, row, approver=c.second)).ends_at == given.ends_at
        after = await approved(c, row, approver=c.everywhere)
        assert (after.seconded_by_id, after.decided_by_id) == (c.second, c.everywhere)
        assert after.ends_at == given.ends_at + HOUR
        # Who may decide still is the first of the two; whoever may again after all is, too.
        await c.do(extend, **asked)
        await approved(c, row, approver=c.second)
        await c.do(lift_suspension, provider=c.first)
        after = await approved(c, row)
        assert (after.seconded_by_id, after.decided_by_id) == (c.second, c.first)

    in_hospital(body)
