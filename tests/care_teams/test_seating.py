"""Seats: what the policy refuses, what a seat rests on, another role or scope, and leaving."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from carecircle.actor import acting_as
from carecircle.care_teams.service import add_member, add_patient, change_member, end_membership, end_patient
from carecircle.care_teams.team_service import rename_team
from carecircle.directory.credential_service import end_credential
from carecircle.directory.policy_service import set_policy
from carecircle.errors import (
    CareTeamNotFound,
    InvalidRequest,
    NotFound,
    OverlappingMembership,
    PatientAlreadyOnTeam,
    ProviderNotRegistered,
    RulesViolated,
)
from carecircle.identifiers import new_id
from tests.care_teams.ward import DAY, Run, Ward
from tests.conftest import Hospital


def test_a_full_team_takes_nobody_until_somebody_leaves(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital, largest_team=2)
        now = await ward.now()
        first = await ward.seat("nurse", ends_at=now + DAY)
        await ward.seat("nurse")
        with pytest.raises(RulesViolated) as refused:
            await ward.seat("nurse")
        assert [one.code for one in refused.value.violations] == ["team-full"]
        assert refused.value.facts["care_team_id"] == ward.team
        await ward.seat("nurse", starts_at=first.ends_at)  # from the instant that the first one's place is free
        with pytest.raises(RulesViolated):
            await ward.seat("nurse", starts_at=first.ends_at - timedelta(microseconds=1))

    in_hospital(body)


def test_a_role_held_once_is_one_members_on_each_team(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital, roles_held_once=["attending"])
        chief = await ward.seat("attending")
        with pytest.raises(RulesViolated) as refused:
            await ward.seat("attending")
        assert [one.code for one in refused.value.violations] == ["role-held-once"]
        await (await Ward.open(hospital)).seat("attending")
        await ward.seat("nurse")
        await ward.do(end_membership, provider=chief.provider_id)
        await ward.seat("attending")

    in_hospital(body)


def test_conflicting_roles_are_looked_for_on_every_team(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        ward, other = await Ward.open(hospital), await Ward.open(hospital)
        resident = await ward.seat("resident")
        with pytest.raises(RulesViolated) as refused:
            await other.seat("attending", resident.provider_id)
        assert [one.code for one in refused.value.violations] == ["role-conflict"]
        await other.seat("resident", resident.provider_id)
        await ward.do(end_membership, provider=resident.provider_id)
        with pytest.raises(RulesViolated):
            await ward.seat("attending", resident.provider_id)  # still resident on the other
        await other.do(end_membership, provider=resident.provider_id)
        await ward.seat("attending", resident.provider_id)

    in_hospital(body)


def test_a_role_that_asks_for_a_credential_rests_on_it(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital, role_credentials={"nurse": ["licence", "BLS"]})
        nurse, patient = await hospital.provider(), await hospital.patient()
        await ward.look_after(patient)
        lapses = await ward.now() + timedelta(hours=8)
        await ward.credential(nurse, "licence", "RN-77", until=lapses)
        with pytest.raises(RulesViolated) as refused:
            await ward.seat("nurse", nurse)
        assert [one.code for one in refused.value.violations] == ["credential-missing"]
        assert "BLS" in refused.value.violations[0].sentence
        await ward.credential(nurse, "certification", "BLS")
        with pytest.raises(RulesViolated):
            await ward.seat("nurse", nurse, starts_at=lapses)
        row = await ward.seat("nurse", nurse)
        assert row.rests_on == ["licence", "BLS"]
        assert await ward.may(nurse, "write", patient)
        assert not await ward.may(nurse, "write", patient, as_of=lapses)
        plain = await ward.seat("member")
        assert plain.rests_on == []
        with pytest.raises(RulesViolated) as refused:
            await ward.seat("member", rests_on=["BLS"])
        assert [one.code for one in refused.value.violations] == ["credential-missing"]
        assert refused.value.facts["care_team_id"] == ward.team
        assert "provider_id" in refused.value.facts
        passing = await hospital.provider()
        await ward.credential(passing, "certification", "BLS", until=lapses)
        said = await ward.seat("member", passing, rests_on=["BLS"])
        assert said.rests_on == ["BLS"]
        assert await ward.may(passing, "read", patient)
        assert not await ward.may(passing, "read", patient, as_of=lapses)
        assert await ward.may(plain.provider_id, "read", patient)

    in_hospital(body)


def test_all_that_speaks_against_a_seat_is_said_at_once_and_nothing_is_kept(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(
            hospital, largest_team=1, roles_held_once=["attending"], role_credentials={"attending": ["licence"]}
        )
        chief, resident = await hospital.provider(), await hospital.provider()
        await ward.credential(chief, "licence", "MD-1")
        await ward.seat("attending", chief)
        await (await Ward.open(hospital)).seat("resident", resident)
        with pytest.raises(RulesViolated) as refused:
            await ward.seat("attending", resident)
        codes = [one.code for one in refused.value.violations]
        assert codes == ["team-full", "role-held-once", "role-conflict", "credential-missing"]
        assert str(refused.value) == " ".join(one.sentence for one in refused.value.violations)
        assert len(await ward.rows("select 1 from carecircle.care_team_members where care_team_id = :team")) == 1

    in_hospital(body)


def test_what_no_policy_is_asked_about(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital, role_credentials={"nurse": ["licence"]})
        seat, patient = await ward.seat("ward-clerk"), await hospital.patient()
        assert seat.scope == ["read"]
        await ward.look_after(patient)
        for error, change in (
            (OverlappingMembership, ward.seat("nurse-aide", seat.provider_id)),
            (PatientAlreadyOnTeam, ward.look_after(patient)),
            (ProviderNotRegistered, ward.seat("member", new_id())),
            (ProviderNotRegistered, ward.seat("nurse", new_id())),
            (InvalidRequest, ward.seat("Head Nurse")),
            (InvalidRequest, ward.do(change_member, provider=seat.provider_id, member_role="Head Nurse")),
            (InvalidRequest, ward.seat("member", scope=[])),
            (CareTeamNotFound, ward.do(add_member, care_team_id=new_id(), provider=seat.provider_id)),
            (CareTeamNotFound, ward.do(add_patient, care_team_id=new_id(), patient=patient)),
            (CareTeamNotFound, ward.do(change_member, care_team_id=new_id(), provider=seat.provider_id)),
            (CareTeamNotFound, ward.do(rename_team, care_team_id=new_id(), name="Ward 9")),
            (InvalidRequest, ward.do(rename_team, name=" ")),
            (NotFound, ward.do(change_member, provider=new_id(), scope=["read"])),
        ):
            with pytest.raises(error):
                await change

    in_hospital(body)


def test_another_role_or_scope_from_now_on(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital, roles_held_once=["attending"], role_credentials={"specialist": ["specialty"]})
        seat, patient = await ward.seat("resident"), await hospital.patient()
        who = seat.provider_id
        await ward.look_after(patient)
        as_resident = await ward.now()
        unchanged = await ward.do(change_member, provider=who, member_role="resident")
        assert unchanged.id == seat.id
        attending = await ward.do(change_member, provider=who, member_role="attending")  # resident no more: no conflict
        assert attending.lineage_id == seat.lineage_id
        assert attending.scope == ["read", "write", "order", "share"]
        assert await ward.may(who, "share", patient)
        assert not await ward.may(who, "share", patient, as_of=as_resident)
        assert await ward.may(who, "order", patient, as_of=as_resident)
        narrowed = await ward.do(change_member, provider=who, scope=["read"])
        assert narrowed.member_role == "attending"
        assert not await ward.may(who, "write", patient)
        assert await ward.may(who, "read", patient)
        with pytest.raises(RulesViolated) as refused:
            await ward.do(change_member, provider=who, member_role="specialist")
        assert [one.code for one in refused.value.violations] == ["credential-missing"]
        second = await ward.seat("nurse")
        with pytest.raises(RulesViolated) as refused:
            await ward.do(change_member, provider=second.provider_id, member_role="attending")
        assert [one.code for one in refused.value.violations] == ["role-held-once"]
        believed = await ward.rows(
            "select member_role, lineage_id, ends_at = 'infinity' as open from carecircle.care_team_members"
            " where care_team_id = :team and provider_id = :who and superseded_at = 'infinity' order by starts_at",
            who=who,
        )
        assert [(row["member_role"], row["open"]) for row in believed] == [
            ("resident", False), ("attending", False), ("attending", True),
        ]  # fmt: skip
        assert {row["lineage_id"] for row in believed} == {seat.lineage_id}

    in_hospital(body)


def test_another_role_lifts_no_suspension(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital, role_credentials={"nurse": ["BLS"]})
        lapsing, lasting, patient = await hospital.provider(), await hospital.provider(), await hospital.patient()
        await ward.look_after(patient)
        for who, code in ((lapsing, "RN-1"), (lasting, "RN-2")):
            await ward.credential(who, "licence", code)
            await ward.credential(who, "certification", "BLS")
            await ward.seat("member", who, rests_on=["licence"])
        with acting_as(organization=hospital.organization, actor="test"):
            async with hospital.change() as db:
                await end_credential(db, provider=lapsing, kind="licence", code="RN-1")
        for who in (lapsing, lasting):
            nurse = await ward.do(change_member, provider=who, member_role="nurse")
            assert nurse.rests_on == ["licence", "BLS"]
            assert await ward.may(who, "write", patient) == (who == lasting)
            again = await ward.do(change_member, provider=who, member_role="resident")
            assert again.rests_on == ["licence", "BLS"]

    in_hospital(body)


def test_a_seat_obeys_the_policy_of_its_start(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital)
        now = await ward.now()
        with acting_as(organization=hospital.organization, actor="test"):
            async with hospital.change() as db:
                await set_policy(db, document={"role_credentials": {"nurse": ["licence"]}}, starts_at=now + DAY)
        assert (await ward.seat("nurse", starts_at=now - DAY)).rests_on == []
        assert (await ward.seat("nurse")).rests_on == []
        with pytest.raises(RulesViolated) as refused:
            await ward.seat("nurse", starts_at=now + DAY)
        assert [one.code for one in refused.value.violations] == ["credential-missing"]
        licensed = await hospital.provider()
        await ward.credential(licensed, "licence", "RN-1")
        assert (await ward.seat("nurse", licensed, starts_at=now + DAY)).rests_on == ["licence"]

    in_hospital(body)


def test_who_leaves_is_out_at_once_and_what_was_stays_on_record(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital)
        patient, other = await hospital.patient(), await hospital.patient()
        now = await ward.now()
        seat = await ward.seat("nurse", ends_at=now + DAY)
        await ward.seat("nurse", seat.provider_id, starts_at=now + 2 * DAY)
        await ward.look_after(patient)
        await ward.look_after(other)
        before = await ward.now()
        assert await ward.may(seat.provider_id, "read", patient)
        assert await ward.do(end_patient, patient=patient) == 1
        assert await ward.do(end_patient, patient=patient) == 0
        assert not await ward.may(seat.provider_id, "read", patient)
        assert await ward.may(seat.provider_id, "read", other)
        assert await ward.do(end_membership, provider=seat.provider_id) == 2
        assert await ward.do(end_membership, provider=seat.provider_id) == 0
        assert not await ward.may(seat.provider_id, "read", other)
        assert not await ward.may(seat.provider_id, "read", other, as_of=now + 3 * DAY)
        assert await ward.may(seat.provider_id, "read", patient, as_of=before)
        entries = await ward.entries("team-patient-removed", "member-removed")
        assert [row["code"] for row in entries] == ["team-patient-removed", "member-removed"]

    in_hospital(body)


def test_two_who_seat_at_once_do_not_overlook_each_other(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital, largest_team=1, conflicting_roles=[["attending", "resident"]])
        other = await Ward.open(hospital)
        who = await hospital.provider()
        for first, second, code in (
            (ward.seat("nurse"), ward.seat("nurse"), "team-full"),
            (other.seat("attending", who), (await Ward.open(hospital)).seat("resident", who), "role-conflict"),
        ):
            outcome = await asyncio.gather(first, second, return_exceptions=True)
            refused = [one for one in outcome if isinstance(one, RulesViolated)]
            assert len(refused) == 1, outcome
            assert [one.code for one in refused[0].violations] == [code]

    in_hospital(body)
