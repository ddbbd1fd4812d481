"""What cover lets in, asked of real decisions: one hop, never more than either, only what was named, and only as long."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from carecircle.assignments.service import add_assignment, assign_primary, end_assignments
from carecircle.care_teams.service import add_member, add_patient, create_team, end_membership
from carecircle.coverage.service import end_coverage
from carecircle.directory.credential_service import add_credential, end_credential
from carecircle.restrictions.service import label, object_to, suspend
from tests.conftest import Hospital
from tests.coverage.clinic import HOUR, MINUTE, Clinic

Run = Callable[[Callable[[Hospital], Any]], Any]
ACTIONS = ("read", "write", "order", "share")


def test_cover_lets_in_while_it_lasts_and_says_why(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital)
        assert not await clinic.may(clinic.b)
        [row] = await clinic.cover(clinic.a, clinic.b, timedelta(0))
        decision = await clinic.ask(clinic.b)
        assert decision.allowed
        [basis] = decision.bases
        assert (basis.kind, basis.id, basis.via_id) == ("coverage", row.id, clinic.a)
        assert [await clinic.may(clinic.b, at=at) for at in (-MINUTE, timedelta(0), HOUR - MINUTE, HOUR)] == [
            False, True, True, False,
        ]  # fmt: skip
        assert not await clinic.may(clinic.a, patient=await hospital.patient())
        assert not await clinic.may(clinic.b, patient=await hospital.patient())

    in_hospital(body)


def test_access_passes_one_hop(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital)
        await clinic.cover(clinic.a, clinic.b)
        await clinic.cover(clinic.b, clinic.c)
        assert await clinic.may(clinic.b)
        denied = await clinic.ask(clinic.c)
        assert (denied.allowed, denied.code) == (False, "no-relationship")
        # What B holds himself does pass to C.
        await clinic.do(add_assignment, patient=clinic.patient, provider=clinic.b)
        [basis] = (await clinic.ask(clinic.c)).bases
        assert basis.via_id == clinic.b

    in_hospital(body)


def test_never_more_than_either_party_holds(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital)
        await clinic.cover(clinic.a, clinic.b, coverage_type="on_call")
        await clinic.cover(clinic.a, clinic.c, coverage_type="full", scope=["share", "read"])
        assert [await clinic.may(clinic.b, action) for action in ACTIONS] == [True, True, False, False]
        assert [await clinic.may(clinic.c, action) for action in ACTIONS] == [True, False, False, True]
        await clinic.do(add_assignment, patient=clinic.patient, provider=clinic.d, scope=["read"])
        e = await hospital.provider()
        await clinic.cover(clinic.d, e)
        assert [await clinic.may(e, action) for action in ACTIONS] == [True, False, False, False]

    in_hospital(body)


def test_named_patients_only(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital)
        second, third = await hospital.patient(), await hospital.patient()
        for patient in (second, third):
            await clinic.do(assign_primary, patient=patient, provider=clinic.a)
        await clinic.cover(clinic.a, clinic.b, patients=[clinic.patient, second])
        await clinic.cover(clinic.a, clinic.c)
        patients = (clinic.patient, second, third)
        assert [await clinic.may(clinic.b, patient=one) for one in patients] == [True, True, False]
        assert [await clinic.may(clinic.c, patient=one) for one in patients] == [True, True, True]

    in_hospital(body)


def test_the_seat_on_one_team_only(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital)
        patients = [await hospital.patient() for _ in range(2)]
        teams = [await clinic.do(create_team, name="Ward") for _ in range(2)]
        for team, patient in zip(teams, patients, strict=True):
            await clinic.do(add_member, care_team_id=team, provider=clinic.a, member_role="nurse")
            await clinic.do(add_patient, care_team_id=team, patient=patient)
        await clinic.cover(clinic.a, clinic.b, care_team_id=teams[0])
        await clinic.cover(clinic.a, clinic.c)
        assert [await clinic.may(clinic.b, patient=one) for one in (*patients, clinic.patient)] == [True, False, False]
        assert [await clinic.may(clinic.c, patient=one) for one in (*patients, clinic.patient)] == [True, True, True]
        assert not await clinic.may(clinic.b, "order", patients[0])  # a nurse's seat does not order
        await clinic.do(end_membership, care_team_id=teams[0], provider=clinic.a)
        assert not await clinic.may(clinic.b, patient=patients[0])

    in_hospital(body)


def test_access_outlasts_the_duty_by_the_grace(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital)
        await clinic.cover(clinic.a, clinic.c)
        await clinic.policy(coverage_grace_minutes=30)
        await clinic.cover(clinic.a, clinic.b)
        times = (HOUR - MINUTE, HOUR, HOUR + 29 * MINUTE, HOUR + 30 * MINUTE)
        assert [await clinic.may(clinic.b, at=at) for at in times] == [True, True, True, False]
        assert [await clinic.may(clinic.c, at=at) for at in times] == [True, False, False, False]

    in_hospital(body)


def test_ended_cover_refuses_the_next_check(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital)
        await clinic.policy(coverage_grace_minutes=30)
        [row] = await clinic.cover(clinic.a, clinic.b)
        [other] = await clinic.cover(clinic.a, clinic.c)
        assert await clinic.may(clinic.b)
        await clinic.do(end_coverage, arrangement_id=row.arrangement_id)
        assert not await clinic.may(clinic.b)
        assert await clinic.may(clinic.c)
        # It ends with what it passes on, too.
        await clinic.do(end_assignments, patient=clinic.patient, provider=clinic.a)
        assert not await clinic.may(clinic.c)
        assert other.arrangement_id != row.arrangement_id

    in_hospital(body)


def test_what_is_written_down_in_the_evening_lets_in_from_then_on(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital)
        before = await clinic.ask(clinic.b)
        await clinic.cover(clinic.a, clinic.b, -8 * HOUR)
        assert not before.allowed
        assert await clinic.may(clinic.b)
        with_hindsight = await clinic.ask(clinic.b, at=-7 * HOUR)
        assert not with_hindsight.allowed  # A himself was not primary then
        assert not await clinic.may(clinic.a, at=-7 * HOUR)

    in_hospital(body)


def test_cover_holds_as_long_as_what_it_rests_on(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital)
        licence = {"provider": clinic.b, "kind": "licence", "code": "MD"}
        await clinic.do(add_credential, **licence)
        await clinic.cover(clinic.a, clinic.c)
        await clinic.policy(coverage_credentials=["licence"])
        await clinic.cover(clinic.a, clinic.b, timedelta(minutes=1))
        soon = 2 * MINUTE
        assert (await clinic.may(clinic.b, at=soon), await clinic.may(clinic.c, at=soon)) == (True, True)
        await clinic.do(end_credential, **licence)
        assert (await clinic.may(clinic.b, at=soon), await clinic.may(clinic.c, at=soon)) == (False, True)
        await clinic.do(add_credential, **licence)
        assert await clinic.may(clinic.b, at=soon)

    in_hospital(body)


def test_what_is_restricted_does_not_pass_on(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital)
        objecting, labelled = await hospital.patient(), await hospital.patient()
        for patient in (objecting, labelled):
            await clinic.do(assign_primary, patient=patient, provider=clinic.a)
        await clinic.cover(clinic.a, clinic.b)
        assert [await clinic.may(clinic.b, patient=one) for one in (objecting, labelled)] == [True, True]
        await clinic.do(object_to, patient=objecting, provider=clinic.a)
        await clinic.do(label, patient=labelled, label="CEL")
        assert [await clinic.may(clinic.b, patient=one) for one in (objecting, labelled)] == [False, False]
        assert await clinic.may(clinic.a, patient=labelled)
        # A suspended provider's patients need somebody all the same.
        await clinic.do(suspend, provider=clinic.a)
        assert (await clinic.may(clinic.a), await clinic.may(clinic.b)) == (False, True)

    in_hospital(body)
