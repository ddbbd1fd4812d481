"""A ward team of 5,000 patients: one fact lets a nurse in to all of them, one closing ends them all."""

from __future__ import annotations

import time
from statistics import median

from sqlalchemy import event

from carecircle import acting_as
from carecircle.care_teams.reading_service import patients_of, team_of, teams
from carecircle.care_teams.service import add_member, end_membership
from carecircle.care_teams.team_service import close_team
from tests.care_teams.ward import Run, Ward
from tests.conftest import Hospital

PATIENTS = 5000
FACTS = (
    "select (select count(*) from carecircle.care_team_members where organization_id = :tenant)"
    " + (select count(*) from carecircle.care_team_patients where organization_id = :tenant) as facts"
)


def test_a_nurse_is_one_fact_and_out_the_instant_after_she_leaves(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital)
        patients = await ward.fill(PATIENTS)
        nurses = [await hospital.provider() for _ in range(12)]
        before = (await ward.rows(FACTS))[0]["facts"]
        took = []
        for nurse in nurses:
            with acting_as(organization=hospital.organization, actor="test"):
                async with hospital.change() as db:
                    began = time.perf_counter()
                    await add_member(db, care_team_id=ward.team, provider=nurse, member_role="nurse")
                    took.append(time.perf_counter() - began)
        assert (await ward.rows(FACTS))[0]["facts"] == before + len(nurses)
        # The figure is 5 ms on a machine of its own; a busy one gets the time that only a row per patient would need.
        assert median(took) < 0.05, took
        nurse = nurses[0]
        seen = [patients[0], patients[PATIENTS // 2], patients[-1]]
        for patient in seen:
            assert await ward.may(nurse, "write", patient)
        assert await ward.do(end_membership, provider=nurse) == 1
        for patient in seen:
            assert not await ward.may(nurse, "read", patient)
            assert await ward.may(nurses[1], "read", patient)

    in_hospital(body)


def test_closing_the_ward_takes_a_few_statements(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital)
        patients = await ward.fill(PATIENTS)
        nurse = (await ward.seat("nurse")).provider_id
        assert await ward.may(nurse, "read", patients[-1])
        statements = 0

        def count(*_: object) -> None:
            nonlocal statements
            statements += 1

        engine = hospital.circle.engine.sync_engine
        event.listen(engine, "before_cursor_execute", count)
        closing = await ward.do(close_team)
        event.remove(engine, "before_cursor_execute", count)
        assert (closing.members, closing.patients) == (1, PATIENTS)
        assert statements < 25
        assert not await ward.may(nurse, "read", patients[-1])
        believed = await ward.rows(
            "select count(*) as n, count(distinct lineage_id) as lineages, max(ends_at) as last,"
            " count(distinct entry_id) as entries"
            " from carecircle.care_team_patients where care_team_id = :team and superseded_at = 'infinity'"
        )
        assert believed == [
            {"n": PATIENTS, "lineages": PATIENTS, "last": closing.closed_since, "entries": 1},
        ]
        superseded = await ward.rows(
            "select count(*) as n from carecircle.care_team_patients where care_team_id = :team"
            " and superseded_entry_id = :entry",
            entry=(await ward.entries("care-team-closed"))[0]["id"],
        )
        assert superseded == [{"n": PATIENTS}]

    in_hospital(body)


def test_a_ward_is_read_page_by_page(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        ward, other = await Ward.open(hospital), await Ward.open(hospital)
        patients = await ward.fill(250)
        await other.fill(3)
        nurse = await hospital.provider()
        await ward.credential(nurse, "licence", "RN-1")
        seat = await ward.seat("nurse", nurse, scope=["read"], rests_on=["licence"])
        team = await ward.do(team_of)
        assert (team.id, team.name, team.team_type, team.patients) == (ward.team, "Ward 4", "primary", 250)
        (member,) = team.members
        assert (member.provider_id, member.role, member.scope) == (seat.provider_id, "nurse", ("read",))
        assert (member.rests_on, member.starts_at, member.ends_at) == (("licence",), seat.starts_at, seat.ends_at)
        read, after = [], None
        while page := await ward.do(patients_of, limit=100, after=after):
            assert len(page) <= 100
            read += [one.patient_id for one in page]
            after = page[-1].patient_id
        assert read == patients
        with acting_as(organization=hospital.organization, actor="test"):
            async with hospital.change() as db:
                everyone = {one.id: one for one in await teams(db)}
                earlier = {one.id: one for one in await teams(db, as_of=seat.starts_at.replace(year=2000))}
        assert {one: team.patients for one, team in everyone.items()} == {ward.team: 250, other.team: 3}
        assert everyone[ward.team] == team
        assert everyone[other.team].members == ()
        assert all(one.patients == 0 and not one.members for one in earlier.values())
        assert set(earlier) == set(everyone)

    in_hospital(body)
