"""Who answers for a patient: the chain, who on it may read the record, and where access stops."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from carecircle.assignments.service import add_assignment, end_assignments
from carecircle.coverage.absence_service import record_absence
from carecircle.coverage.reading_service import forecast, responsible_for
from carecircle.directory.credential_service import add_credential, end_credential
from carecircle.errors import InvalidRequest, PatientNotRegistered
from carecircle.identifiers import new_id, to_text
from carecircle.restrictions.service import label, object_to, suspend
from tests.conftest import Hospital
from tests.coverage.clinic import HOUR, MINUTE, Clinic

Run = Callable[[Callable[[Hospital], Any]], Any]


def steps(found: Any) -> list[tuple[Any, ...]]:
    return [(link.provider_id, link.basis, link.has_access, link.why_not) for link in found.chain]


def test_the_chain_and_where_access_stops(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital)
        alone = await clinic.do(responsible_for, patient=clinic.patient)
        assert steps(alone) == [(clinic.a, "primary", True, None)]
        assert (alone.responsible, alone.access_stops_at) == (clinic.a, None)
        [first] = await clinic.cover(clinic.a, clinic.b)
        [second] = await clinic.cover(clinic.b, clinic.c, coverage_type="on_call")
        found = await clinic.do(responsible_for, patient=clinic.patient)
        assert steps(found) == [
            (clinic.a, "primary", True, None),
            (clinic.b, "full", True, None),
            (clinic.c, "on_call", False, "one-hop"),
        ]
        assert (found.responsible, found.access_stops_at, found.returns_to) == (clinic.c, clinic.c, None)
        assert [link.row_id for link in found.chain[1:]] == [first.id, second.id]
        assert [link.until for link in found.chain[1:]] == [first.duty_ends_at, second.duty_ends_at]
        a, b, c = map(to_text, (clinic.a, clinic.b, clinic.c))
        assert f"{a} is primary; {b} covers {a} (full) until" in found.sentence
        assert f"{c} covers {b} (on call) until" in found.sentence
        assert found.sentence.endswith("but may not read the record: access passes one hop only.")
        assert "Dr Bee covers" in found.told({clinic.b: "Dr Bee"})
        # C's own relation to the patient is access all the same.
        await clinic.do(add_assignment, patient=clinic.patient, provider=clinic.c)
        assert (await clinic.do(responsible_for, patient=clinic.patient)).access_stops_at is None

    in_hospital(body)


def test_another_time_another_chain(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital)
        await clinic.policy(coverage_grace_minutes=60)
        await clinic.cover(clinic.a, clinic.b, HOUR, 2 * HOUR)

        async def who(at: timedelta) -> Any:
            return (await clinic.do(responsible_for, patient=clinic.patient, at=clinic.now + at)).responsible

        assert await who(-HOUR) is None
        assert [await who(at) for at in (HOUR - MINUTE, HOUR, 2 * HOUR - MINUTE, 2 * HOUR)] == [
            clinic.a, clinic.b, clinic.b, clinic.a,
        ]  # fmt: skip

    in_hospital(body)


def test_the_patients_own_stand_in_comes_first(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital)
        await clinic.cover(clinic.a, clinic.b)
        await clinic.cover(clinic.a, clinic.c, coverage_type="on_call", patients=[clinic.patient])
        await clinic.cover(clinic.a, clinic.d, patients=[await hospital.patient()])
        assert (await clinic.do(responsible_for, patient=clinic.patient)).responsible == clinic.c

    in_hospital(body)


def test_a_round_ends_the_chain(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital)
        for covered, covering in ((clinic.a, clinic.b), (clinic.b, clinic.c), (clinic.c, clinic.b)):
            await clinic.cover(covered, covering)
        found = await clinic.do(responsible_for, patient=clinic.patient)
        assert [link.provider_id for link in found.chain] == [clinic.a, clinic.b, clinic.c]
        assert (found.returns_to, found.responsible) == (clinic.b, None)
        assert "the chain goes round" in found.sentence

    in_hospital(body)


def test_nobody_is_primary(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital)
        await clinic.do(end_assignments, patient=clinic.patient, provider=clinic.a)
        found = await clinic.do(responsible_for, patient=clinic.patient)
        assert (found.chain, found.responsible) == ((), None)
        assert "nobody answers" in found.sentence
        with pytest.raises(PatientNotRegistered):
            await clinic.do(responsible_for, patient=new_id())

    in_hospital(body)


def test_why_a_stand_in_has_no_access(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital)

        async def why() -> Any:
            found = await clinic.do(responsible_for, patient=clinic.patient)
            assert [link.has_access for link in found.chain] == [
                await clinic.may(link.provider_id, at=found.as_of - clinic.now) for link in found.chain
            ]
            return [link.why_not for link in found.chain]

        licence = {"provider": clinic.b, "kind": "licence", "code": "MD"}
        await clinic.do(add_credential, **licence)
        await clinic.policy(coverage_credentials=["licence"])
        await clinic.cover(clinic.a, clinic.b)
        assert await why() == [None, None]
        await clinic.do(end_credential, **licence)
        assert await why() == [None, "not-granted"]
        await clinic.do(add_credential, **licence)
        assert await why() == [None, None]
        await clinic.do(object_to, patient=clinic.patient, provider=clinic.b, ends_at=clinic.now + HOUR)
        assert await why() == [None, "restricted"]
        await clinic.do(label, patient=clinic.patient, label="CEL")
        assert await why() == [None, "restricted"]
        await clinic.do(suspend, provider=clinic.a)
        assert await why() == ["restricted", "restricted"]

    in_hospital(body)


def test_that_it_was_asked_is_recorded(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital)
        await clinic.cover(clinic.a, clinic.b)
        await clinic.do(responsible_for, patient=clinic.patient)
        [entry] = await clinic.entries("reading", "responsible-asked")
        assert (entry["patient_id"], entry["provider_id"], entry["actor"]) == (clinic.patient, clinic.b, "test")

    in_hospital(body)


def test_the_forecast_of_what_is_on_record(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital)
        quiet = await clinic.do(forecast)
        assert (quiet.cycles, quiet.overlaps, quiet.gaps) == ((), (), ())
        day = timedelta(days=1)
        assert quiet.period.ends_at - quiet.period.starts_at == 14 * day
        await clinic.cover(clinic.a, clinic.b, day, 2 * day)
        await clinic.cover(clinic.b, clinic.a, day, 2 * day)
        await clinic.cover(clinic.c, clinic.d, day, 2 * day)
        await clinic.cover(clinic.c, await hospital.provider(), day, 2 * day)
        await clinic.do(record_absence, provider=clinic.d, starts_at=clinic.now + 20 * day)
        found = await clinic.do(forecast)
        assert [set(one.providers) for one in found.cycles] == [{clinic.a, clinic.b}]
        assert [one.covered for one in found.overlaps] == [clinic.c]
        assert {one.kind for one in found.gaps} == {"covering-provider-covered"}
        assert [one.kind for one in (await clinic.do(forecast, days=30)).gaps][-1] == "absent-without-coverage"
        assert (await clinic.do(forecast, starts_at=clinic.now + 3 * day)).cycles == ()
        for days in (0, 401):
            with pytest.raises(InvalidRequest):
                await clinic.do(forecast, days=days)

    in_hospital(body)
