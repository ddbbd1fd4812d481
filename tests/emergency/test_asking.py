"""What a request must bring: a reason, a recent sign-in, an attestation, hours, actions, a unit."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from carecircle import directory
from carecircle.cli import break_glass_words
from carecircle.emergency import report_page
from carecircle.emergency.opening_rules import surname
from carecircle.errors import (
    InvalidInstant,
    InvalidRequest,
    UnitNotRegistered,
)
from carecircle.errors.emergency import (
    AttestationRequired,
    ReasonRequired,
    StepUpRequired,
)
from carecircle.identifiers import new_id
from tests.conftest import Hospital
from tests.emergency.clinic import HOUR, MINUTE, Clinic

InHospital = Callable[[Callable[[Hospital], Any]], Any]
SECOND = timedelta(seconds=1)


def test_a_reason_is_a_known_code_and_other_needs_words(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        for wrong in (
            {"reason_code": "", "words": "Yes."}, {"reason_code": "curiosity"}, {"reason_code": "other"},
            {"reason_code": "other", "words": " \n"}, {"reason_code": "sepsis"},
        ):  # fmt: skip
            with pytest.raises(ReasonRequired):
                await c.request(**wrong)
        for unusable in ("x" * 4001, "\ud800"):
            with pytest.raises(InvalidRequest):
                await c.request(words=unusable)
        await c.request(reason_code="other", words="Said in words.")
        await c.policy(emergency_reasons=["sepsis"])
        assert (await c.request(reason_code="sepsis", patient=await hospital.patient())).reason_code == "sepsis"
        await c.policy(emergency_demands=["words"])
        with pytest.raises(ReasonRequired):
            await c.request(patient=await hospital.patient())
        await c.request(patient=await hospital.patient(), words="Said too.")

    in_hospital(body)


def test_a_sign_in_is_recent_by_the_clock_of_the_database(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        now = await c.instant()
        for wrong in (now - 5 * MINUTE - SECOND, now - HOUR, now + MINUTE + 10 * SECOND, now + 5 * MINUTE):
            with pytest.raises(StepUpRequired):
                await c.request(authenticated_at=wrong)
        with pytest.raises(InvalidInstant):
            await c.request(authenticated_at=now.replace(tzinfo=None))
        for right in (now - 4 * MINUTE, now + 50 * SECOND):
            row = await c.request(authenticated_at=right, patient=await hospital.patient())
            assert (row.authenticated_at, row.signals) == (right, [])
        row = await c.request(authenticated_at=None)
        assert row.signals == ["sign-in-not-said"]
        await c.policy(emergency_demands=["sign-in"], emergency_sign_in_minutes=30)
        with pytest.raises(StepUpRequired):
            await c.request(authenticated_at=None, patient=await hospital.patient())
        await c.request(authenticated_at=now - 20 * MINUTE, patient=await hospital.patient())

    in_hospital(body)


def test_an_attestation_is_demanded_or_missed(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        assert (await c.request(attested=False)).signals == ["not-attested"]
        await c.policy(emergency_demands=["attestation"])
        with pytest.raises(AttestationRequired):
            await c.request(attested=False, patient=await hospital.patient())
        assert (await c.request(patient=await hospital.patient())).attested

    in_hospital(body)


def test_hours_and_actions_that_cannot_be(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        wrongs: list[dict[str, Any]] = [
            *({"hours": one} for one in (0, -1, float("nan"), float("inf"), 1e-12)),
            *({"scope": one} for one in ((), ("fly",), ("read", "fly"), ("write",))),
        ]
        for wrong in wrongs:
            with pytest.raises(InvalidRequest):
                await c.request(**wrong)
        with pytest.raises(UnitNotRegistered):
            await c.request(unit=new_id())
        row = await c.request(hours=1.5, scope=("read", "read"))
        assert (row.wanted_until - row.asked_at, row.wanted_scope) == (1.5 * HOUR, ["read"])
        # Policy has a cap, and nothing lasts longer than was asked.
        row = await c.request(hours=10**400, patient=await hospital.patient())
        assert row.wanted_until - row.asked_at == 24 * HOUR
        row = await c.request(hours=0.1, patient=await hospital.patient())
        assert row.ends_at == row.wanted_until == row.asked_at + 6 * MINUTE

    in_hospital(body)


def test_the_unit_is_the_one_somebody_works_in(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        row = await c.request(unit=None)
        assert (row.unit_id, row.signals) == (None, ["no-unit"])
        assert await c.told(row.lineage_id) == ["everywhere@hospital.example"]
        await c.works_in(c.doctor, c.ward)
        row = await c.request(unit=None, patient=await hospital.patient())
        assert (row.unit_id, row.signals) == (c.ward, [])
        assert await c.told(row.lineage_id) == ["first@hospital.example"]
        row = await c.request(unit="unit|Clinic", patient=await hospital.patient())
        assert row.unit_id == c.clinic
        # Of two, nobody knows which it is.
        await c.works_in(c.doctor, c.clinic)
        row = await c.request(unit=None, provider=c.doctor, patient=await hospital.patient())
        assert row.unit_id is None

    in_hospital(body)


def test_a_unit_that_is_not_ones_own_is_noticed(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        # Who works in no unit works in no other.
        assert (await c.request(unit=c.clinic, patient=await hospital.patient())).signals == []
        await c.works_in(c.doctor, c.ward)
        assert (await c.request(unit=c.ward)).signals == []
        row = await c.request(unit=c.clinic, patient=await hospital.patient())
        assert (row.unit_id, row.signals) == (c.clinic, ["other-unit"])
        assert await c.may(patient=row.patient_id)
        rover = await c.breaker()
        for unit in (c.ward, c.clinic):
            await c.works_in(rover, unit)
            assert (await c.request(unit=unit, provider=rover, patient=await hospital.patient())).signals == []

    in_hospital(body)


def test_every_signal_has_its_words() -> None:
    assert break_glass_words.SIGNALS.keys() == report_page.SIGNALS.keys()
    assert "other-unit" in report_page.SIGNALS


def test_the_same_words_and_the_same_surname_are_noticed(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        first = await c.request(words="Needed  for care")
        assert first.signals == []
        again = await c.request(words=" needed for CARE ", patient=await hospital.patient())
        assert again.signals == ["repeated-words"]
        assert (await c.request(words="Needed for care!", patient=await hospital.patient())).signals == []
        # Somebody else's words are their own.
        assert (await c.request(words="Needed for care", provider=await c.breaker())).signals == []
        async with hospital.change() as db:
            named = await directory.register_provider(
                db, name="Dr. Ida Castro3", organization_id=hospital.organization, actor="test"
            )
        await c.duty(named, "break_glass")
        cousin, stranger = await hospital.patient(name="Leon77 CASTRO"), await hospital.patient(name="Castro Young")
        assert (await c.request(provider=named, patient=cousin)).signals == ["same-surname"]
        assert (await c.request(provider=named, patient=stranger)).signals == []

    in_hospital(body)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Ida Castro", "castro"),
        ("Castro, Ida", "castro"),
        ("Dr. Ida CASTRO-Dahl, MD", "castro-dahl"),
        ("Ben Dahl Jr.", "dahl"),
        ("Abbott774", "abbott"),
        ("", ""),
        (" 12 ", ""),
    ],
)
def test_a_surname(name: str, expected: str) -> None:
    assert surname(name) == expected
