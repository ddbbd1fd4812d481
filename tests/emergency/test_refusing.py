"""Who may not break the glass, for whom, and what it overrides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from carecircle.directory.duty_service import end_duty
from carecircle.directory.relation_service import end_relation, relate
from carecircle.errors import (
    PatientNotRegistered,
    ProviderNotRegistered,
)
from carecircle.errors.emergency import (
    EmergencyAccessOpen,
    EmergencyAccessRefused,
    MayNotBreakGlass,
    OwnRecord,
)
from carecircle.identifiers import new_id
from carecircle.restrictions.service import label, lift_objection, lift_suspension, object_to, suspend
from carecircle.staffing.merge_service import merge_patients
from tests.conftest import Hospital
from tests.emergency.clinic import HOUR, Clinic

InHospital = Callable[[Callable[[Hospital], Any]], Any]


def test_only_who_may_break_the_glass_now(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        with pytest.raises(MayNotBreakGlass):
            await c.request(provider=c.first)
        with pytest.raises(ProviderNotRegistered):
            await c.request(provider=new_id())
        with pytest.raises(PatientNotRegistered):
            await c.request(patient=new_id())
        later = await hospital.provider()
        await c.duty(later, "break_glass", starts_at=await c.instant() + HOUR)
        with pytest.raises(MayNotBreakGlass):
            await c.request(provider=later)
        # For any unit, when it is for one.
        elsewhere = await hospital.provider()
        row = await c.duty(elsewhere, "break_glass", unit=c.clinic)
        await c.request(provider=elsewhere)
        await c.do(end_duty, duty_id=row.id)
        with pytest.raises(MayNotBreakGlass):
            await c.request(provider=elsewhere, patient=await hospital.patient())

    in_hospital(body)


def test_nobody_suspended(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        await c.policy(emergency_overrides=["sensitivity", "objection"])
        await c.do(suspend, provider=c.doctor)
        with pytest.raises(EmergencyAccessRefused):
            await c.request()
        await c.do(lift_suspension, provider=c.doctor)
        await c.request()
        assert await c.may()
        # Whoever is suspended afterwards sees nobody: that is never overridden.
        await c.do(suspend, provider=c.doctor)
        assert (await c.ask()).code == "restricted"

    in_hospital(body)


def test_nobody_opens_their_own_record(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        await c.do(relate, provider=c.doctor, patient=c.patient, relation="self")
        with pytest.raises(OwnRecord):
            await c.request()
        await c.do(end_relation, provider=c.doctor, patient=c.patient)
        await c.request()
        insured = await c.breaker("insurance|77", "12")
        own, merged, namesake = [await hospital.patient(one) for one in ("insurance|77", "mrn|4", "12")]
        with pytest.raises(OwnRecord):
            await c.request(provider=insured, patient=own)
        # A number without a system is anybody's.
        await c.request(provider=insured, patient=namesake)
        await c.do(merge_patients, patient=own, into=merged)
        with pytest.raises(OwnRecord):
            await c.request(provider=insured, patient=merged)
        await c.request(provider=c.doctor, patient=merged)

    in_hospital(body)


def test_an_objection_is_overridden_only_where_policy_says_so(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        await c.do(object_to, patient=c.patient, provider=c.doctor)
        with pytest.raises(EmergencyAccessRefused):
            await c.request()
        # It keeps this provider from this patient, nobody else and from nobody else.
        await c.request(patient=await hospital.patient())
        other = await c.breaker()
        await c.request(provider=other)
        assert await c.may(other)
        await c.policy(emergency_overrides=["objection"])
        row = await c.request()
        assert row.despite == ["objection"]
        assert await c.may()
        await c.do(label, patient=c.patient, label="PSY")
        assert (await c.ask()).code == "restricted"

    in_hospital(body)


def test_an_objection_made_afterwards_ends_what_does_not_override_it(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        await c.request()
        assert await c.may()
        await c.do(object_to, patient=c.patient, provider=c.doctor)
        assert (await c.ask()).code == "restricted"
        await c.do(lift_objection, patient=c.patient, provider=c.doctor)
        assert await c.may()

    in_hospital(body)


@pytest.mark.parametrize(("code", "signal", "hours"), [("PSY", None, 72), ("CEL", "vip", 24), ("EMP", "co-worker", 24)])
def test_a_label_is_overridden_unless_policy_says_otherwise(
    in_hospital: InHospital, code: str, signal: str | None, hours: int
) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        await c.do(label, patient=c.patient, label=code)
        row = await c.request()
        assert await c.may()
        assert row.signals == ([signal] if signal else [])
        assert row.review_due_at == row.asked_at + hours * HOUR
        # Which label it was is about the patient's health: the entry does not say so.
        (entry,) = await c.audit("emergency-opened")
        assert code not in entry["detail"]
        assert signal is None or signal not in entry["detail"]
        await c.policy(emergency_overrides=[])
        other = await c.breaker()
        assert (await c.request(provider=other)).despite == []
        assert (await c.ask(other)).code == "restricted"

    in_hospital(body)


def test_a_merged_patient_is_followed(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        gone, survivor = await hospital.patient("mrn|1"), await hospital.patient("mrn|2")
        before = await c.request(patient=gone)
        await c.do(merge_patients, patient=gone, into=survivor)
        with pytest.raises(EmergencyAccessOpen) as refused:
            await c.request(patient="mrn|1")
        assert refused.value.facts["emergency_id"] == before.lineage_id
        assert await c.may(patient=survivor)
        other = await c.breaker()
        assert not await c.may(other, patient=survivor)
        row = await c.request(provider=other, patient="mrn|1")
        assert row.patient_id == survivor
        assert await c.may(other, patient=survivor)

    in_hospital(body)
