"""Arranging and ending coverage: what is recorded, every refusal beside what is taken, and what is left when it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, time, timedelta
from typing import Any

import pytest

from carecircle.care_teams.service import create_team
from carecircle.coverage.absence_service import absences, end_absence, record_absence
from carecircle.coverage.reading_service import arrangements, covering_provider
from carecircle.coverage.rota_service import arrange_rota
from carecircle.coverage.service import arrange_coverage, end_coverage
from carecircle.directory.credential_service import add_credential
from carecircle.errors import (
    CareCircleError,
    CareTeamNotFound,
    CoverageNotFound,
    InvalidInstant,
    InvalidPeriod,
    InvalidRequest,
    NotFound,
    OverlappingAbsence,
    OverlappingCoverage,
    PatientNotRegistered,
    ProviderNotRegistered,
    RulesViolated,
)
from carecircle.identifiers import new_id, to_text
from carecircle.period import FOREVER
from carecircle.restrictions.service import suspend
from tests.conftest import Hospital
from tests.coverage.clinic import HOUR, MINUTE, Clinic

Run = Callable[[Callable[[Hospital], Any]], Any]
DAY = timedelta(days=1)


def test_one_row_with_what_its_type_grants(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital)
        for kind, scope in (
            ("full", ["read", "write", "order", "share"]),
            ("urgent", ["read", "write", "order"]),
            ("on_call", ["read", "write"]),
        ):
            [row] = await clinic.cover(clinic.a, clinic.b, HOUR, 2 * HOUR, coverage_type=kind)
            assert (row.coverage_type, row.scope, row.rests_on) == (kind, scope, [])
            assert row.starts_at == clinic.now + HOUR
            assert row.duty_ends_at == row.ends_at == clinic.now + 2 * HOUR
            await clinic.do(end_coverage, arrangement_id=row.arrangement_id)
        [row] = await clinic.cover(clinic.a, clinic.b, scope=["read"])
        assert row.scope == ["read"]
        entries = await clinic.entries("change", "coverage-arranged")
        assert len(entries) == 4
        assert entries[-1]["id"] == row.entry_id
        assert entries[-1]["provider_id"] == clinic.b
        assert to_text(clinic.a) in entries[-1]["detail"]

    in_hospital(body)


def test_a_row_for_each_named_patient_of_one_arrangement(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital)
        other = await hospital.patient("mrn|1")
        rows = await clinic.cover(clinic.a, clinic.b, patients=[clinic.patient, "mrn|1", other])
        assert [row.patient_id for row in rows] == [clinic.patient, other]
        assert len({row.arrangement_id for row in rows}) == 1
        assert len(await clinic.do(end_coverage, arrangement_id=rows[0].arrangement_id)) == 2

    in_hospital(body)


def test_the_grace_of_the_policy_follows_the_duty(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital)
        await clinic.policy(coverage_grace_minutes=30)
        [row] = await clinic.cover(clinic.a, clinic.b)
        assert row.duty_ends_at == clinic.now + HOUR
        assert row.ends_at == clinic.now + HOUR + 30 * MINUTE
        # The next turn of the same provider begins when the duty ends, within the grace.
        await clinic.cover(clinic.a, clinic.b, HOUR, 2 * HOUR)

    in_hospital(body)


def test_what_is_refused(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital)
        team = await clinic.do(create_team, name="Ward 4")
        await clinic.cover(clinic.a, clinic.b)
        good: dict[str, Any] = {
            "covered": clinic.a, "covering": clinic.c, "starts_at": clinic.now, "ends_at": clinic.now + HOUR
        }  # fmt: skip
        naive = datetime(2030, 1, 1)  # noqa: DTZ001
        cases: list[tuple[type[CareCircleError], dict[str, Any]]] = [
            (OverlappingCoverage, {"covering": clinic.b, "ends_at": clinic.now + 9 * HOUR}),
            (InvalidRequest, {"covering": clinic.a}),
            (InvalidRequest, {"coverage_type": "half"}),
            (InvalidRequest, {"scope": []}),
            (InvalidRequest, {"scope": ["read", "fly"]}),
            (InvalidRequest, {"care_team_id": team, "patients": [clinic.patient]}),
            (InvalidPeriod, {"starts_at": clinic.now - 2 * HOUR, "ends_at": clinic.now - HOUR}),
            (InvalidPeriod, {"ends_at": clinic.now}),
            (InvalidInstant, {"ends_at": FOREVER}),
            (InvalidInstant, {"starts_at": naive}),
            (ProviderNotRegistered, {"covered": new_id()}),
            (ProviderNotRegistered, {"covering": new_id()}),
            (ProviderNotRegistered, {"covering": "staff|9"}),
            (PatientNotRegistered, {"patients": [new_id()]}),
            (PatientNotRegistered, {"patients": ["mrn|9"]}),
            (CareTeamNotFound, {"care_team_id": new_id()}),
        ]
        for error, wrong in cases:
            with pytest.raises(CareCircleError) as refused:
                await clinic.do(arrange_coverage, **{**good, **wrong})
            assert type(refused.value) is error, wrong
        assert len(await clinic.entries("change", "coverage-arranged")) == 1
        await clinic.do(arrange_coverage, **good)
        await clinic.do(arrange_coverage, **good, care_team_id=team)
        await clinic.do(arrange_coverage, **good, patients=[clinic.patient])

    in_hospital(body)


def test_covering_rests_on_what_the_policy_names(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital)
        await clinic.policy(coverage_credentials=["licence", "ACLS"])
        with pytest.raises(RulesViolated) as refused:
            await clinic.cover(clinic.a, clinic.b)
        assert [one.code for one in refused.value.violations] == ["credential-missing", "credential-missing"]
        licence = {"provider": clinic.b, "kind": "licence", "code": "MD"}
        await clinic.do(add_credential, **licence, starts_at=clinic.now - DAY, ends_at=clinic.now + HOUR)
        await clinic.do(
            add_credential, provider=clinic.b, kind="certification", code="ACLS", starts_at=clinic.now - DAY
        )
        [row] = await clinic.cover(clinic.a, clinic.b)
        assert row.rests_on == ["licence", "ACLS"]
        with pytest.raises(RulesViolated) as refused:  # the licence has lapsed by then
            await clinic.cover(clinic.a, clinic.b, HOUR, 2 * HOUR)
        assert [one.code for one in refused.value.violations] == ["credential-missing"]
        assert "licence" in str(refused.value)

    in_hospital(body)


def test_who_is_suspended_covers_nobody(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital)
        await clinic.do(suspend, provider=clinic.b, ends_at=clinic.now + DAY)
        with pytest.raises(RulesViolated) as refused:
            await clinic.cover(clinic.a, clinic.b)
        assert [one.code for one in refused.value.violations] == ["provider-suspended"]
        await clinic.cover(clinic.a, clinic.b, DAY, 2 * DAY)
        await clinic.cover(clinic.b, clinic.c)  # a suspended provider's patients need somebody

    in_hospital(body)


def test_ending_keeps_what_was_and_takes_back_what_was_to_come(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital)
        await clinic.policy(coverage_grace_minutes=60)
        rota = await clinic.do(
            arrange_rota, covered=clinic.a, covering=[clinic.b, clinic.c], rule="FREQ=DAILY;COUNT=4",
            first=(clinic.now - HOUR).replace(tzinfo=None), lasts=timedelta(hours=12), time_zone="UTC",
        )  # fmt: skip
        assert [row.covering_provider_id for row in rota] == [clinic.b, clinic.c, clinic.b, clinic.c]
        arrangement = rota[0].arrangement_id
        with pytest.raises(InvalidPeriod):
            await clinic.do(end_coverage, arrangement_id=arrangement, at=clinic.now - MINUTE)
        taken_back = await clinic.do(end_coverage, arrangement_id=arrangement, at=clinic.now + 2 * DAY + 20 * HOUR)
        assert [row.id for row in taken_back] == [rota[3].id]
        assert len(await clinic.do(end_coverage, arrangement_id=arrangement, covering=clinic.c)) == 1
        [kept, ahead] = await clinic.do(arrangements)
        assert {kept.id, ahead.id} == {rota[0].id, rota[2].id}
        assert len(await clinic.do(end_coverage, arrangement_id=arrangement)) == 2
        assert await clinic.do(arrangements) == []
        [was] = await clinic.do(arrangements, as_of=clinic.now - MINUTE, ahead=timedelta(0))
        assert (was.lineage_id, was.starts_at) == (rota[0].lineage_id, rota[0].starts_at)
        assert was.duty_ends_at == was.ends_at > clinic.now
        for missing in (arrangement, new_id()):
            with pytest.raises(CoverageNotFound):
                await clinic.do(end_coverage, arrangement_id=missing)

    in_hospital(body)


def test_ending_within_the_grace_leaves_the_duty_as_it_was(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital)
        await clinic.policy(coverage_grace_minutes=60)
        [row] = await clinic.cover(clinic.a, clinic.b)
        await clinic.do(end_coverage, arrangement_id=row.arrangement_id, at=clinic.now + HOUR + 30 * MINUTE)
        [cut] = await clinic.do(arrangements)
        assert (cut.duty_ends_at, cut.ends_at) == (clinic.now + HOUR, clinic.now + HOUR + 30 * MINUTE)

    in_hospital(body)


def test_a_rota_is_arranged_as_a_whole_or_not_at_all(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital)
        rota: dict[str, Any] = {
            "covered": clinic.a, "covering": [clinic.b, clinic.c], "rule": "FREQ=DAILY;COUNT=4", "lasts": time(8),
            "first": (clinic.now + DAY).replace(tzinfo=None, hour=18, minute=0, second=0, microsecond=0),
            "time_zone": "Europe/Berlin",
        }  # fmt: skip
        for error, wrong in (
            (ProviderNotRegistered, {"covering": [clinic.b, new_id()]}),
            (InvalidRequest, {"covering": [clinic.b, clinic.a]}),
            (InvalidRequest, {"rule": "nightly"}),
            (InvalidPeriod, {"first": rota["first"] - 3 * DAY}),
        ):
            with pytest.raises(error):
                await clinic.do(arrange_rota, **{**rota, **wrong})
        assert await clinic.do(arrangements) == []
        rows = await clinic.do(arrange_rota, **rota, coverage_type="on_call")
        assert [row.coverage_type for row in rows] == ["on_call"] * 4
        assert len({row.arrangement_id for row in rows}) == 1
        with pytest.raises(OverlappingCoverage):
            await clinic.do(arrange_rota, **rota)

    in_hospital(body)


def test_who_covers_at_an_instant(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital)
        await clinic.policy(coverage_grace_minutes=60)
        team = await clinic.do(create_team, name="Ward 4")

        async def who(at: timedelta) -> Any:
            return await clinic.do(covering_provider, covered=clinic.a, at=clinic.now + at)

        assert await clinic.do(covering_provider, covered=clinic.a) is None
        await clinic.cover(clinic.a, clinic.d, patients=[clinic.patient])
        await clinic.cover(clinic.a, clinic.d, care_team_id=team)
        assert await who(MINUTE) is None
        await clinic.cover(clinic.a, clinic.b, coverage_type="on_call")
        assert await clinic.do(covering_provider, covered=clinic.a) == clinic.b
        assert await who(-HOUR) == clinic.b
        assert await who(-HOUR - MINUTE) is None
        assert await who(HOUR) is None  # the grace is access, not duty
        await clinic.cover(clinic.a, clinic.c, HOUR / 2, HOUR, coverage_type="urgent")
        assert (await who(MINUTE), await who(HOUR / 2)) == (clinic.b, clinic.c)
        await clinic.cover(clinic.a, clinic.d, HOUR / 2, HOUR)
        assert await who(HOUR / 2) == clinic.d
        began_last = await hospital.provider()
        await clinic.cover(clinic.a, began_last, HOUR / 2 + MINUTE, HOUR)
        assert await who(HOUR / 2 + MINUTE) == began_last

    in_hospital(body)


def test_what_is_arranged_ahead_and_for_whom(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital)
        [now] = await clinic.cover(clinic.a, clinic.b)
        [later] = await clinic.cover(clinic.c, clinic.a, 5 * DAY, 6 * DAY)
        [far] = await clinic.cover(clinic.c, clinic.d, 20 * DAY, 21 * DAY)

        async def ids(**said: Any) -> list[Any]:
            return [row.id for row in await clinic.do(arrangements, **said)]

        assert await ids() == [now.id, later.id]
        assert await ids(ahead=timedelta(0)) == [now.id]
        assert await ids(ahead=30 * DAY) == [now.id, later.id, far.id]
        assert await ids(as_of=clinic.now + 20 * DAY, ahead=timedelta(0)) == [far.id]
        assert await ids(provider=clinic.a) == [now.id, later.id]
        assert await ids(provider=clinic.b) == [now.id]
        assert await ids(provider=clinic.d) == []

    in_hospital(body)


def test_being_away_and_coming_back(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital)
        away: dict[str, Any] = {"provider": clinic.a, "starts_at": clinic.now - HOUR, "ends_at": clinic.now + DAY}
        with pytest.raises(NotFound):
            await clinic.do(end_absence, provider=clinic.a)
        for error, wrong in (
            (InvalidPeriod, {"ends_at": clinic.now - MINUTE}),
            (ProviderNotRegistered, {"provider": new_id()}),
            (InvalidInstant, {"starts_at": datetime(2030, 1, 1)}),  # noqa: DTZ001
        ):
            with pytest.raises(error):
                await clinic.do(record_absence, **{**away, **wrong})
        ill = await clinic.do(record_absence, **away)
        with pytest.raises(OverlappingAbsence):
            await clinic.do(record_absence, **away)
        leave = await clinic.do(record_absence, provider=clinic.a, starts_at=clinic.now + 9 * DAY)
        assert [row.id for row in await clinic.do(absences, provider=clinic.a)] == [ill.id, leave.id]
        assert await clinic.do(absences, provider=clinic.b) == []
        assert (await clinic.do(end_absence, provider=clinic.a)).id == ill.id
        assert [row.id for row in await clinic.do(absences)] == [leave.id]
        await clinic.do(end_absence, provider=clinic.a, holding_at=clinic.now + 10 * DAY)
        assert await clinic.do(absences) == []
        assert await clinic.may(clinic.a)  # being away takes no access
        assert len(await clinic.entries("change", "absence-ended")) == 2

    in_hospital(body)


def test_two_who_end_it_at_once_end_it_once(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital)
        rows = await clinic.cover(clinic.a, clinic.b, patients=[clinic.patient, await hospital.patient()])
        ending = [clinic.do(end_coverage, arrangement_id=rows[0].arrangement_id) for _ in range(4)]
        outcomes = await asyncio.gather(*ending, return_exceptions=True)
        assert sorted(type(one).__name__ for one in outcomes) == ["CoverageNotFound"] * 3 + ["list"]

    in_hospital(body)


def test_two_who_arrange_the_same_at_once_arrange_it_once(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital)
        outcomes = await asyncio.gather(*(clinic.cover(clinic.a, clinic.b) for _ in range(4)), return_exceptions=True)
        assert sorted(type(one).__name__ for one in outcomes) == ["OverlappingCoverage"] * 3 + ["list"]
        assert len(await clinic.do(arrangements)) == 1

    in_hospital(body)
