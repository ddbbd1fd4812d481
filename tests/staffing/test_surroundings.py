"""Handing over what surrounds a panel: referrals, coverage, what rests on credentials; and who is not given any of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from carecircle.assignments.tables import PatientAssignment
from carecircle.care_teams.tables import CareTeamMember
from carecircle.directory.credential_service import end_credential
from carecircle.staffing.plan_service import Wish
from tests.conftest import Hospital
from tests.staffing.clinic import Clinic

Run = Callable[[Callable[[Hospital], Any]], Any]
HEART, LUNG = "207RC0000X", "207RP1001X"


def test_a_specialists_patients_go_to_the_same_specialty(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital, panel=1)
        general, heart = clinic.receivers
        referrer = await hospital.provider()
        await clinic.credential(clinic.leaver, HEART)
        await clinic.credential(clinic.leaver, LUNG)
        await clinic.credential(heart, HEART)
        patients = [await hospital.patient() for _ in range(3)]
        made = [await clinic.referred(one, referrer, clinic.leaver, HEART) for one in patients]
        lungs = await hospital.patient()
        await clinic.referred(lungs, referrer, clinic.leaver, LUNG)
        assert [await clinic.check(clinic.leaver, one) for one in (*patients, lungs)] == ["allowed"] * 4
        assert await clinic.check(heart, patients[0]) == "no-relationship"
        # Rather the other one, if they could.
        plan = await clinic.plan(wishes=[Wish(one, general) for one in (*patients, lungs)])
        assert (await clinic.preview(plan)).counts == {
            ("direct-assignment", "exception", "specialty-missing"): 1,
            ("direct-assignment", "hand-over", "even-spread"): 4,
            ("referral", "exception", "specialty-missing"): 1,
            ("referral", "hand-over", "even-spread"): 3,
        }
        assert (await clinic.apply(plan)).outcomes == {"handed-over": 7}
        assert [await clinic.check(heart, one) for one in patients] == ["allowed"] * 3
        assert [await clinic.check(clinic.leaver, one) for one in patients] == ["no-relationship"] * 3
        assert list(await clinic.sees(general)) == clinic.panel
        assert await clinic.check(clinic.leaver, lungs) == "allowed", "whom nobody can take stays"
        rows = await clinic.believed(
            "referrals", "lineage_id, provider_id, referring_provider_id", f"provider_id = '{heart}'"
        )
        assert sorted(rows) == sorted((one.lineage_id, heart, referrer) for one in made)
        resting = await clinic.believed("patient_assignments", "referral_id, rests_on", f"provider_id = '{heart}'")
        assert sorted(resting) == sorted((one.lineage_id, [HEART]) for one in made)
        assert await clinic.unaudited() == 0

    in_hospital(body)


def test_nobody_is_sent_the_patient_they_referred(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital, panel=0)
        first, second = clinic.receivers
        patient, sent = await hospital.patient(), await hospital.patient()
        await clinic.referred(patient, first, clinic.leaver, HEART)
        await clinic.referred(sent, clinic.leaver, second, HEART)
        for one in (clinic.leaver, first, second):
            await clinic.credential(one, HEART)
        assert await clinic.check(second, sent) == "allowed"
        await clinic.apply(await clinic.plan(wishes=[Wish(patient, first)]))
        assert await clinic.check(second, patient) == "allowed"
        assert await clinic.check(second, sent) == "allowed", "a referral holds when who made it leaves"
        assert await clinic.check(first, patient) == "no-relationship"
        clinic.leaver, clinic.receivers = second, [first]
        left = (await clinic.preview(await clinic.plan())).exceptions
        assert [(one.patient_id, one.reason) for one in left] == [(patient, "restricted")] * 2

    in_hospital(body)


def test_standing_in_is_passed_on_and_being_stood_in_for_ends(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital, panel=2)
        covered, other = clinic.receivers
        deputy = await hospital.provider()
        theirs = await hospital.patient()
        await clinic.primary(theirs, covered)
        given = await clinic.covers(clinic.leaver, covered, grace=timedelta(hours=2))
        await clinic.covers(deputy, clinic.leaver)
        assert await clinic.check(clinic.leaver, theirs) == await clinic.check(deputy, clinic.panel[0]) == "allowed"
        assert await clinic.check(other, theirs) == "no-relationship"
        plan = await clinic.plan()
        counts = (await clinic.preview(plan)).counts
        assert counts[("coverage-given", "hand-over", "even-spread")] == 1, "not to the one who is covered"
        assert counts[("coverage-received", "end", "panel-gone")] == 1
        await clinic.apply(plan)
        assert await clinic.check(other, theirs) == "allowed"
        assert await clinic.check(clinic.leaver, theirs) == "no-relationship"
        assert await clinic.check(deputy, clinic.panel[0]) == "no-relationship"
        columns = "covering_provider_id, covered_provider_id, arrangement_id, duty_ends_at, ends_at"
        assert await clinic.believed("coverage_arrangements", columns, "true") == [
            (other, covered, given.arrangement_id, given.duty_ends_at, given.ends_at)
        ]
        assert (await clinic.certificate(plan)).without == []
        assert await clinic.unaudited() == 0

    in_hospital(body)


def test_nobody_stands_in_twice_and_a_grace_is_not_passed_on(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital, panel=0)
        first, second = clinic.receivers
        covered, theirs = await hospital.provider(), await hospital.patient()
        await clinic.primary(theirs, covered)
        await clinic.covers(first, covered)
        await clinic.covers(clinic.leaver, covered)
        begun = await clinic.now() - timedelta(days=9)
        over = await hospital.provider()
        await clinic.covers(
            clinic.leaver, over, grace=timedelta(days=30), starts_at=begun, duty_ends_at=begun + timedelta(days=1)
        )
        plan = await clinic.plan()
        assert (await clinic.preview(plan)).counts == {
            ("coverage-given", "end", "duty-over"): 1,
            ("coverage-given", "hand-over", "even-spread"): 1,
        }
        # Meanwhile the other one is asked to stand in as well: handing over would be twice.
        await clinic.covers(second, covered)
        assert (await clinic.apply(plan)).outcomes == {"already-covers": 1, "ended": 1}
        assert await clinic.check(clinic.leaver, theirs) == "allowed"
        again = await clinic.preview(await clinic.plan())
        assert again.counts == {("coverage-given", "exception", "already-covers"): 1}
        assert await clinic.unaudited() == 0

    in_hospital(body)


def test_a_duty_that_ends_before_it_is_applied_is_not_passed_on(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital, panel=0)
        covered, theirs = await hospital.provider(), await hospital.patient()
        await clinic.primary(theirs, covered)
        soon = await clinic.now() + timedelta(seconds=2)
        await clinic.covers(clinic.leaver, covered, grace=timedelta(hours=1), duty_ends_at=soon)
        plan = await clinic.plan()
        assert await clinic.check(clinic.leaver, theirs) == "allowed"
        await asyncio.sleep((soon - await clinic.now()).total_seconds() + 0.1)
        assert await clinic.check(clinic.leaver, theirs) == "allowed", "there is a grace"
        assert (await clinic.apply(plan)).outcomes == {"ended": 1}
        assert await clinic.check(clinic.leaver, theirs) == "no-relationship"

    in_hospital(body)


def test_an_objection_and_a_suspension_are_kept_to(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital, panel=4, receivers=3)
        first, second, away = clinic.receivers
        objecting = clinic.panel[0]
        await clinic.restrict(first, objecting, starts_at=await clinic.now() + timedelta(days=5))
        yesterday = await clinic.now() - timedelta(days=1)
        await clinic.restrict(second, clinic.panel[1], starts_at=yesterday - timedelta(days=1), ends_at=yesterday)
        await clinic.restrict(away)
        team = await clinic.team([clinic.leaver], [objecting])
        plan = await clinic.plan(
            wishes=[Wish(objecting, first), Wish(clinic.panel[1], second), Wish(clinic.panel[2], away)]
        )
        letters = await clinic.letters(plan)
        assert letters[objecting] == second
        assert letters[clinic.panel[1]] == second, "an objection that is over counts no more"
        assert away not in letters.values()
        await clinic.apply(plan)
        seats = await clinic.believed("care_team_members", "provider_id", f"care_team_id = '{team}'")
        assert seats == [(second,)], "who a patient of the team objects to takes no seat"
        assert [await clinic.check(second, one) for one in clinic.panel[:2]] == ["allowed"] * 2
        assert (await clinic.certificate(plan)).without == []
        clinic.leaver, clinic.receivers = second, [away]
        assert {one.reason for one in (await clinic.preview(await clinic.plan())).exceptions} == {"suspended"}

    in_hospital(body)


def test_who_was_suspended_or_objected_to_since_is_given_nobody(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital, panel=4)
        kept, suspended = clinic.receivers
        deputy = await hospital.provider()
        await clinic.team([clinic.leaver], [])
        await clinic.covers(deputy, clinic.leaver)
        plan = await clinic.plan()
        letters = await clinic.letters(plan)
        mine, theirs = ([one for one in clinic.panel if letters[one] == who] for who in (kept, suspended))
        await clinic.restrict(suspended)
        await clinic.restrict(kept, mine[0])
        progress = await clinic.apply(plan, patients=1)
        assert progress.outcomes == {
            "handed-over": 2, "destination-suspended": 2, "destination-objected": 1, "still-needed": 1,
        }  # fmt: skip
        assert list(await clinic.sees(clinic.leaver)) == sorted([*theirs, mine[0]])
        assert await clinic.check(deputy, theirs[0]) == "allowed", "who stands in does so for those who stay"
        assert await clinic.check(kept, mine[1]) == "allowed"
        assert [one for one, _ in (await clinic.certificate(plan)).without] == sorted([*theirs, mine[0]])
        assert (await clinic.status(plan)).state == "applied"

    in_hospital(body)


def test_who_lost_the_specialty_since_is_not_given_what_rests_on_it(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital, panel=1, receivers=1)
        (receiver,), referrer = clinic.receivers, await hospital.provider()
        patient = await hospital.patient()
        await clinic.credential(clinic.leaver, HEART)
        await clinic.credential(receiver, HEART)
        await clinic.referred(patient, referrer, clinic.leaver, HEART)
        plan = await clinic.plan()
        async with hospital.change() as db:
            await end_credential(db, provider=receiver, kind="specialty", code=HEART, **clinic.by)
        assert (await clinic.apply(plan)).outcomes == {"handed-over": 1, "destination-unqualified": 2}
        assert await clinic.check(clinic.leaver, patient) == "allowed", "the referral stays with what rests on it"
        assert list(await clinic.sees(receiver)) == clinic.panel

    in_hospital(body)


def test_what_rests_on_a_licence_goes_to_who_has_one_then(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital, panel=0)
        lapsing, licensed = clinic.receivers
        leaves = await clinic.now() + timedelta(days=10)
        await clinic.credential(clinic.leaver, "L-1", "licence")
        await clinic.credential(lapsing, "L-2", "licence", ends_at=leaves - timedelta(days=1))
        await clinic.credential(licensed, "L-3", "licence")
        patient, seen = await hospital.patient(), await hospital.patient()
        said = {"provider_id": clinic.leaver, "scope": ["read"], "rests_on": ["licence"]}
        await clinic.fact(PatientAssignment(patient_id=patient, assignment_type="consulting", **said))
        team = await clinic.team([], [seen])
        await clinic.fact(CareTeamMember(care_team_id=team, member_role="nurse", **said))
        assert [await clinic.check(clinic.leaver, one) for one in (patient, seen)] == ["allowed"] * 2
        plan = await clinic.plan(effective_at=leaves, wishes=[Wish(patient, lapsing)])
        await clinic.apply(plan)
        for one in (patient, seen):
            assert await clinic.check(clinic.leaver, one, as_of=leaves - timedelta(microseconds=1)) == "allowed"
            assert await clinic.check(clinic.leaver, one, as_of=leaves) == "no-relationship"
            assert await clinic.check(licensed, one, as_of=leaves) == "allowed"
        assert await clinic.sees(lapsing, as_of=leaves) == {}
        clinic.leaver, clinic.receivers = licensed, [lapsing]
        left = (await clinic.preview(await clinic.plan(effective_at=leaves))).exceptions
        assert [one.reason for one in left] == ["credential-missing"] * 2

    in_hospital(body)


def test_an_exception_keeps_the_stand_in_of_that_patient(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital, panel=2, receivers=1)
        staying, going = clinic.panel
        deputy = await hospital.provider()
        await clinic.covers(deputy, clinic.leaver, patient_id=staying)
        await clinic.covers(deputy, clinic.leaver, patient_id=going)
        plan = await clinic.plan(wishes=[Wish(staying, clinic.receivers[0], never=True)])
        counts = (await clinic.preview(plan)).counts
        assert counts[("coverage-received", "exception", "still-needed")] == 1
        assert counts[("coverage-received", "end", "panel-gone")] == 1
        await clinic.apply(plan)
        assert [await clinic.check(deputy, one) for one in clinic.panel] == ["allowed", "no-relationship"]

    in_hospital(body)
