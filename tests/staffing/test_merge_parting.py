"""Parting two records: what ended while they were one stays ended, and what kept somebody out keeps them out of both."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from carecircle.assignments.service import add_assignment, assign_primary, end_assignments
from carecircle.care_teams.service import add_member, add_patient, create_team
from carecircle.care_teams.team_service import close_team
from carecircle.coverage.service import arrange_coverage, end_coverage
from carecircle.restrictions.service import Restriction, label, lift_objection, object_to, restrictions, unlabel
from carecircle.staffing.offboard_service import offboard
from tests.conftest import Hospital
from tests.staffing.records import Records

InHospital = Callable[[Callable[[Hospital], Any]], Any]


async def _restrictions(r: Records, patient: UUID) -> list[Restriction]:
    async with r.hospital.change() as db:
        return await restrictions(db, patient=patient, organization=r.hospital.organization)


@pytest.mark.parametrize("leaves", [True, False])
def test_who_left_while_two_records_were_one_is_not_let_in_when_they_are_parted(
    in_hospital: InHospital, leaves: bool
) -> None:
    async def body(hospital: Hospital) -> None:
        r = await Records.open(hospital)
        doctor = await hospital.provider()
        for patient in (r.b, r.a):
            await r.do(assign_primary, patient=patient, provider=doctor)
        [changed] = (await r.merge(r.a, r.b)).changed
        assert (changed.became, changed.reason) == ("dropped", "survivor-has-it")
        if leaves:
            await r.do(offboard, person=doctor)
        done = await r.unmerge(r.a)
        assert done.restored == Counter({"direct-assignment": 1})
        assert (await r.may(doctor, r.a)).allowed is not leaves
        assert (done.left_alone, done.reasons) == (
            ([("direct-assignment", changed.id)], {changed.id: "survivors-has-ended"}) if leaves else ([], {})
        )
        # What was until they left is on record of both.
        rows = await r.rows(
            "select ends_at = 'infinity' from carecircle.patient_assignments where patient_id = :a"
            " and superseded_at = 'infinity'",
            a=r.a,
        )
        assert [row[0] for row in rows] == [not leaves]

    in_hospital(body)


def test_who_was_consulting_less_far_and_lost_that_is_primary_only_where_nothing_stood_for_it(
    in_hospital: InHospital,
) -> None:
    """Of a demoted primary: the survivor's consulting assignment stood for hours 1 to 4, and was ended in between."""

    async def body(hospital: Hospital) -> None:
        r = await Records.open(hospital)
        x, y = await hospital.provider(), await hospital.provider()
        await r.do(
            add_assignment, patient=r.a, provider=x, assignment_type="primary", starts_at=r.at(1), ends_at=r.at(9)
        )
        await r.do(add_assignment, patient=r.b, provider=x, starts_at=r.at(1), ends_at=r.at(4))
        await r.do(add_assignment, patient=r.b, provider=y, assignment_type="primary")
        [changed] = (await r.merge(r.a, r.b)).changed
        assert changed.became == "demoted"
        assert [row for row in await r.direct(r.b) if row[0] == x] == [
            (x, "consulting", 1, 4), (x, "consulting", 4, 9),
        ]  # fmt: skip
        await r.rows(
            "update carecircle.patient_assignments set superseded_at = statement_timestamp(), superseded_entry_id = entry_id,"
            " superseded_xid = pg_current_xact_id() where patient_id = :b and provider_id = :x"
            " and ends_at = :ends returning id",
            b=r.b, x=x, ends=r.at(4),
        )  # fmt: skip
        done = await r.unmerge(r.a)
        assert await r.direct(r.a) == [(x, "primary", 4, 9)]
        assert done.left_alone == [("direct-assignment", changed.id)]

    in_hospital(body)


@pytest.mark.parametrize("closes", [True, False])
def test_no_patient_comes_back_to_a_team_that_was_closed(in_hospital: InHospital, closes: bool) -> None:
    async def body(hospital: Hospital) -> None:
        r = await Records.open(hospital)
        nurse = await hospital.provider()
        teams = []
        for name in ("of both", "of one"):
            teams.append(await r.do(create_team, name=name))
            await r.do(add_member, care_team_id=teams[-1], provider=nurse)
        for team, patient in ((teams[0], r.b), (teams[0], r.a), (teams[1], r.a)):
            await r.do(add_patient, care_team_id=team, patient=patient)
        await r.merge(r.a, r.b)
        if closes:
            for team in teams:
                await r.do(close_team, care_team_id=team)
        done = await r.unmerge(r.a)
        held = await r.rows(
            "select 1 from carecircle.care_team_patients where patient_id = :a and superseded_at = 'infinity'"
            " and ends_at > statement_timestamp()",
            a=r.a,
        )
        assert len(held) == (0 if closes else 2)
        assert (await r.may(nurse, r.a)).allowed is not closes
        reasons = ["changed-since", "survivors-has-ended"] if closes else []
        assert sorted(done.reasons.values()) == reasons

    in_hospital(body)


@pytest.mark.parametrize("anew", [True, False])
def test_a_label_recorded_anew_meanwhile_holds_for_both(in_hospital: InHospital, anew: bool) -> None:
    async def body(hospital: Hospital) -> None:
        r = await Records.open(hospital)
        nurse = await hospital.provider()
        team = await r.do(create_team, name="Team")
        await r.do(add_member, care_team_id=team, provider=nurse)
        for patient in (r.a, r.b):
            await r.do(add_patient, care_team_id=team, patient=patient)
        await r.do(label, patient=r.a, label="PSY")
        assert ((await r.may(nurse, r.a)).code, (await r.may(nurse, r.b)).allowed) == ("restricted", True)
        await r.merge(r.a, r.b)
        await r.do(unlabel, patient=r.b, label="PSY")
        assert (await r.may(nurse, r.b)).allowed
        if anew:
            await r.do(label, patient=r.b, label="PSY")
        done = await r.unmerge(r.a)
        # Lifted and not said again, it stays lifted.
        for patient in (r.a, r.b):
            assert (await r.may(nurse, patient)).allowed is not anew
        assert [kind for kind, _ in done.for_both] == ["label"] * anew
        assert json.loads((await r.audit("patients-unmerged"))[0]["detail"])["for_both"] == anew
        if anew:
            await r.do(unlabel, patient=r.a, label="PSY")
            assert ((await r.may(nurse, r.a)).allowed, (await r.may(nurse, r.b)).code) == (True, "restricted")
            await r.merge(r.a, r.b)
            assert (await r.unmerge(r.a)).for_both == []
            assert ((await r.may(nurse, r.a)).allowed, (await r.may(nurse, r.b)).code) == (True, "restricted")

    in_hospital(body)


def test_an_objection_made_meanwhile_holds_for_both_and_an_untouched_one_goes_home(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        r = await Records.open(hospital)
        again, untouched, fresh, only = [await hospital.provider() for _ in range(4)]
        for one in (again, untouched):
            await r.do(object_to, patient=r.a, provider=one)
        await r.do(object_to, patient=r.b, provider=only)
        await r.merge(r.a, r.b)
        await r.do(lift_objection, patient=r.b, provider=again)
        await r.do(object_to, patient=r.b, provider=again, ends_at=r.at(9))
        await r.do(object_to, patient=r.a, provider=fresh)
        done = await r.unmerge(r.a)
        assert len(done.for_both) == 2
        for patient, expected in ((r.a, {again, untouched, fresh}), (r.b, {again, fresh, only})):
            found = await _restrictions(r, patient)
            assert {one.provider_id for one in found} == expected
            for one in expected:
                assert not (await r.may(one, patient)).allowed
        # They stay the survivor's as well.
        assert ("objection", done.for_both[0][1]) in done.recorded_since

    in_hospital(body)


def test_a_restriction_the_survivor_had_too_is_the_patients_again_though_the_survivors_was_lifted(
    in_hospital: InHospital,
) -> None:
    async def body(hospital: Hospital) -> None:
        r = await Records.open(hospital)
        for patient in (r.b, r.a):
            await r.do(label, patient=patient, label="HIV")
        await r.merge(r.a, r.b)
        await r.do(unlabel, patient=r.b, label="HIV")
        assert (await r.unmerge(r.a)).restored == Counter({"label": 1})
        assert [one.label for one in await _restrictions(r, r.a)] == ["HIV"]
        assert await _restrictions(r, r.b) == []

    in_hospital(body)


@pytest.mark.parametrize("ends", [True, False])
def test_the_wider_of_two_covers_is_kept_and_narrow_again_when_parted(in_hospital: InHospital, ends: bool) -> None:
    async def body(hospital: Hospital) -> None:
        r = await Records.open(hospital)
        doctor, stand_in = await hospital.provider(), await hospital.provider()
        for patient in (r.a, r.b):
            await r.do(assign_primary, patient=patient, provider=doctor)
        cover = {"covered": doctor, "covering": stand_in, "starts_at": r.at(-1)}
        [narrow] = await r.do(arrange_coverage, patients=[r.b], scope=["read"], ends_at=r.at(8), **cover)
        await r.do(arrange_coverage, patients=[r.a], scope=["read", "write"], ends_at=r.at(5), **cover)
        merged = await r.merge(r.a, r.b)
        assert [(one.became, one.reason) for one in merged.changed if one.kind == "coverage"] == [
            ("widened", "survivors-granted-less")
        ]
        for hour, action, allowed in ((4, "write", True), (4, "read", True), (6, "write", False), (6, "read", True)):
            assert (await r.may(stand_in, r.b, action, r.at(hour))).allowed is allowed
        assert not (await r.may(stand_in, r.b, "order", r.at(4))).allowed
        if ends:
            await r.do(end_coverage, arrangement_id=narrow.arrangement_id)
        await r.unmerge(r.a)
        now = await r.instant()
        for patient, action, allowed in ((r.a, "write", True), (r.b, "write", False), (r.b, "read", True)):
            assert (await r.may(stand_in, patient, action, now)).allowed is (allowed and not ends)

    in_hospital(body)


def test_what_was_ended_for_the_survivor_alone_is_theirs_alone_to_lose(in_hospital: InHospital) -> None:
    """Another provider's end, or one of a fact that stood for nothing, takes nothing from the patient who goes."""

    async def body(hospital: Hospital) -> None:
        r = await Records.open(hospital)
        x, y = await hospital.provider(), await hospital.provider()
        await r.do(assign_primary, patient=r.a, provider=x)
        await r.do(assign_primary, patient=r.b, provider=y)
        await r.merge(r.a, r.b)
        await r.do(end_assignments, patient=r.b, provider=y)
        done = await r.unmerge(r.a)
        assert done.left_alone == []
        assert (await r.may(x, r.a, "share")).allowed

    in_hospital(body)
