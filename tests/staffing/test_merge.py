"""Merging two records of one patient and taking it back, asked through the circle itself."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from carecircle.assignments.service import add_assignment, assign_primary, end_assignments, primary_of
from carecircle.care_teams.service import add_member, add_patient, create_team
from carecircle.coverage.service import arrange_coverage
from carecircle.database.reach import Reach
from carecircle.database.session import instant
from carecircle.directory.policy_service import set_policy
from carecircle.directory.relation_service import relate
from carecircle.emergency.tables import EmergencyAccess
from carecircle.errors import AlreadyMerged, InvalidRequest, MergeNotFound, PatientNotRegistered
from carecircle.identifiers import new_id, to_text
from carecircle.referrals.service import refer
from carecircle.restrictions.service import label, object_to
from carecircle.staffing.merge_service import merge_patients, merges_into
from carecircle.staffing.patient_facts import PATIENT_FACTS, STAYS
from tests.architecture.catalog import rolled_back
from tests.conftest import Hospital, open_hospital
from tests.staffing.records import HOUR, Records

InHospital = Callable[[Callable[[Hospital], Any]], Any]

# A fact has both clocks; it is about a patient when a foreign key says so or a column is called so.
ABOUT = """
  select distinct c.relname::text
  from pg_class c
  join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  where c.relnamespace = 'carecircle'::regnamespace and c.relkind in ('r', 'p')
    and (select count(*) from pg_attribute f
         where f.attrelid = c.oid and f.attname in ('starts_at', 'superseded_at')) = 2
    and (a.attname ~ 'patient_id$'
         or exists (select from pg_constraint k
                    where k.conrelid = c.oid and k.contype = 'f' and k.confrelid = 'carecircle.patients'::regclass
                      and a.attnum = any (k.conkey) and a.attname <> 'organization_id'))"""


def unknown(at: Reach, *planted: str) -> set[str]:
    """Fact tables about a patient that are on no list."""

    async def read() -> set[str]:
        async with rolled_back(at) as connection:
            for statement in planted:
                await connection.execute(statement)
            return {row[0] for row in await connection.fetch(ABOUT)}

    known = {fact.table.__tablename__ for fact in PATIENT_FACTS} | {table.__tablename__ for table in STAYS}
    found = asyncio.run(read())
    assert known <= found, "the list names what is not there"
    return found - known


def test_everything_that_is_said_about_a_patient_is_on_the_list(migrated: Reach) -> None:
    assert unknown(migrated) == set()


def test_a_fact_about_a_patient_that_nobody_listed_is_found(migrated: Reach) -> None:
    clocks = "starts_at timestamptz, superseded_at timestamptz"
    assert unknown(
        migrated,
        f"create table carecircle.planted (organization_id uuid, other_patient_id uuid, {clocks})",
        f"create table carecircle.planted_by_key (organization_id uuid, whom uuid, {clocks}, foreign key"
        " (organization_id, whom) references carecircle.patients (organization_id, id))",
        "create table carecircle.not_a_fact (organization_id uuid, patient_id uuid)",
    ) == {"planted", "planted_by_key"}


def test_what_the_list_says_of_a_table_is_so() -> None:
    for fact in PATIENT_FACTS:
        assert {"patient_id", fact.until, *(fact.once or ())} <= set(fact.table.__table__.c.keys()), fact.kind


async def _everything(r: Records, patient: UUID, team: UUID, doctors: list[UUID]) -> None:
    """One fact of every kind about a patient: primary, a team, a referral, coverage, an objection, a label, a relation to
    somebody who works there, and emergency access.
    """
    doctor, stand_in, unwanted = doctors
    await r.do(assign_primary, patient=patient, provider=doctor)
    await r.do(add_patient, care_team_id=team, patient=patient)
    await r.do(refer, patient=patient, referring=doctor, specialty_code="207RC0000X")
    await r.do(
        arrange_coverage, covered=doctor, covering=stand_in, starts_at=r.at(0), ends_at=r.at(8), patients=[patient]
    )
    await r.do(object_to, patient=patient, provider=unwanted)
    await r.do(label, patient=patient, label="PSY", starts_at=r.at(20))
    await r.do(relate, provider=doctor, patient=patient, relation="family")
    await _break_glass(r, patient, unwanted, despite=["sensitivity", "objection"], starts_at=r.at(30), ends_at=r.at(31))


async def _break_glass(r: Records, patient: UUID, provider: UUID, **said: Any) -> None:
    """Emergency access as a row of its own, whatever the services would say to it."""
    row_id = new_id()
    async with r.hospital.change() as db:
        db.add(
            EmergencyAccess(
                organization_id=r.hospital.organization, id=row_id, lineage_id=row_id, entry_id=new_id(),
                recorded_at=await instant(db), provider_id=provider, patient_id=patient, state="provisional",
                mode="provisional", scope=["read"], reason_code="other", wanted_scope=["read"], wanted_until=r.at(31),
                asked_at=r.at(30), opened_at=r.at(30), signals=[], **said,
            )
        )  # fmt: skip


async def _a_team(r: Records, *members: UUID) -> UUID:
    team: UUID = await r.do(create_team, name="Team")
    for member in members:
        await r.do(add_member, care_team_id=team, provider=member, member_role="nurse")
    return team


def test_all_that_is_said_of_one_record_is_said_of_the_other(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        r = await Records.open(hospital)
        doctor, stand_in, unwanted, nurse = [await hospital.provider() for _ in range(4)]
        team = await _a_team(r, nurse, unwanted)
        await _everything(r, r.a, team, [doctor, stand_in, unwanted])
        everything = Counter({fact.kind: 1 for fact in PATIENT_FACTS})
        assert await r.said_of(r.a) == everything
        before = await r.instant()
        for one, allowed in ((doctor, True), (stand_in, True), (nurse, True), (unwanted, False)):
            assert (await r.may(one, r.a)).allowed is allowed
            assert not (await r.may(one, r.b)).allowed

        merged = await r.merge(r.a, r.b)
        assert (merged.moved, merged.changed) == (everything, [])
        assert (await r.said_of(r.a), await r.said_of(r.b)) == (Counter(), everything)
        for one, allowed in ((doctor, True), (stand_in, True), (nurse, True), (unwanted, False)):
            for asked in (r.a, r.b, "mrn|a", "mrn|b"):
                assert (await r.may(one, asked)).allowed is allowed
            assert await r.listed(one) == ({r.b} if allowed else set())
        assert (await r.may(unwanted, r.b)).code == "restricted"
        for asked in (r.a, r.b, "mrn|a"):
            assert await r.circle_of(asked) == {doctor, stand_in, nurse}
        # The label that is ahead went along: the team lets in until then, the primary after that too.
        assert (await r.may(nurse, r.b, at=r.at(19))).allowed
        assert (await r.may(nurse, r.b, at=r.at(21))).code == "restricted"
        assert (await r.may(doctor, r.b, at=r.at(21))).allowed
        # So did the emergency access ahead: to whom the patient objects, and for no longer than it holds.
        assert [(await r.may(unwanted, r.b, at=r.at(n))).allowed for n in (29, 30, 30.99, 31)] == [
            False,
            True,
            True,
            False,
        ]
        # What was believed before stays on record.
        assert (await r.may(doctor, r.a, at=before, believed_at=before)).allowed
        assert not (await r.may(doctor, r.b, at=before, believed_at=before)).allowed

        entries = await r.audit("patients-merged")
        assert len(entries) == 1
        assert json.loads(entries[0]["detail"]) == {"patient": to_text(r.a), "into": to_text(r.b), "moved": 8}
        for fact in PATIENT_FACTS:
            rows = await r.rows(
                "select was.lineage_id = is_.lineage_id and was.superseded_entry_id = is_.entry_id"
                "   and was.starts_at = is_.starts_at and was.ends_at = is_.ends_at as carried, is_.entry_id"
                f" from carecircle.{fact.table.__tablename__} was join carecircle.{fact.table.__tablename__} is_"
                "   on is_.organization_id = was.organization_id and is_.superseded_at = 'infinity'"
                " where was.patient_id = :a and is_.patient_id = :b",
                a=r.a, b=r.b,
            )  # fmt: skip
            assert [tuple(row) for row in rows] == [(True, entries[0]["id"])], fact.kind

    in_hospital(body)


def test_a_change_about_the_one_given_up_is_a_change_about_the_survivor(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        r = await Records.open(hospital)
        doctor = await hospital.provider()
        await r.merge("mrn|a", "mrn|b")
        await r.merge(r.b, r.c)
        for patient in (r.a, "mrn|a", r.b, "mrn|c"):
            assert (await r.do(assign_primary, patient=patient, provider=doctor)).patient_id == r.c
        assert await r.said_of(r.a) == Counter()
        async with hospital.change() as db:
            present = await primary_of(db, patient=r.a, organization=hospital.organization)
        assert present is not None
        assert present.provider_id == doctor
        assert (await r.may(doctor, "mrn|a")).allowed

    in_hospital(body)


def test_of_two_primaries_the_survivors_stays(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        r = await Records.open(hospital)
        x, y = await hospital.provider(), await hospital.provider()
        await r.do(add_assignment, patient=r.a, provider=x, assignment_type="primary", starts_at=r.at(-9))
        await r.do(
            add_assignment, patient=r.b, provider=y, assignment_type="primary", starts_at=r.at(-2), ends_at=r.at(5)
        )
        assert (await r.may(x, r.a, "share")).allowed
        merged = await r.merge(r.a, r.b)
        assert [(one.kind, one.became, one.reason) for one in merged.changed] == [
            ("direct-assignment", "demoted", "survivor-has-a-primary")
        ]
        assert await r.direct(r.b) == [
            (x, "primary", -9, -2), (y, "primary", -2, 5), (x, "consulting", -2, 5), (x, "primary", 5, None),
        ]  # fmt: skip
        assert (await r.may(x, r.b, "order")).allowed
        assert not (await r.may(x, r.b, "share")).allowed
        assert (await r.may(y, r.b, "share")).allowed
        assert (await r.may(x, r.b, "share", r.at(6))).allowed
        assert json.loads((await r.audit("patients-merged"))[0]["detail"])["demoted"] == 1
        await r.unmerge(r.a)
        assert await r.direct(r.a) == [(x, "primary", -9, None)]
        assert await r.direct(r.b) == [(y, "primary", -2, 5)]

    in_hospital(body)


def test_a_primary_who_keeps_nothing_as_a_consultant_or_has_it_already_is_left_out(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        r = await Records.open(hospital)
        x, y = await hospital.provider(), await hospital.provider()
        primary = {"assignment_type": "primary", "starts_at": r.at(0)}
        await r.do(add_assignment, patient=r.a, provider=x, scope=["share"], **primary)
        await r.do(add_assignment, patient=r.b, provider=y, **primary)
        merged = await r.merge(r.a, r.b)
        assert [(one.became, one.reason) for one in merged.changed] == [("dropped", "grants-nothing-as-consulting")]
        assert not await r.listed(x)
        await r.do(add_assignment, patient=r.c, provider=y, **primary)
        merged = await r.merge(r.c, r.b)
        assert [(one.became, one.reason) for one in merged.changed] == [("dropped", "survivor-has-it")]
        assert [row[:2] for row in await r.direct(r.b)] == [(y, "primary")]
        # Both come back from nothing.
        assert (await r.unmerge(r.c)).restored == Counter({"direct-assignment": 1})
        assert (await r.unmerge(r.a)).restored == Counter({"direct-assignment": 1})
        assert await r.listed(y) == {r.b, r.c}
        assert (await r.may(x, r.a, "share")).allowed

    in_hospital(body)


def test_what_the_survivor_has_already_is_not_recorded_twice(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        r = await Records.open(hospital)
        doctor, stand_in, unwanted, nurse = [await hospital.provider() for _ in range(4)]
        team = await _a_team(r, nurse)
        for patient, starts, ends in ((r.a, -9, 9), (r.b, -3, 3)):
            period = {"starts_at": r.at(starts), "ends_at": r.at(ends)}
            await r.do(add_patient, care_team_id=team, patient=patient, **period)
            await r.do(object_to, patient=patient, provider=unwanted, **period)
            await r.do(label, patient=patient, label="HIV", **period)
            await r.do(arrange_coverage, covered=doctor, covering=stand_in, patients=[patient], **period)
        await r.do(label, patient=r.b, label="R", starts_at=r.at(-9))
        merged = await r.merge(r.a, r.b)
        assert Counter((one.kind, one.became) for one in merged.changed) == Counter(
            (kind, "shortened") for kind in ("care-team-patient", "objection", "label", "coverage")
        )
        for table, of in (
            ("care_team_patients", ""), ("access_restrictions", ""), ("patient_labels", " and label = 'HIV'"),
            ("coverage_arrangements", ""),
        ):  # fmt: skip
            rows = await r.rows(
                f"select starts_at, ends_at from carecircle.{table}"
                f" where patient_id = :b and superseded_at = 'infinity'{of} order by 1",
                b=r.b,
            )
            assert [(r.hours(row[0]), r.hours(row[1])) for row in rows] == [(-9, -3), (-3, 3), (3, 9)], table
        done = await r.unmerge(r.a)
        assert (done.restored.total(), done.left_alone) == (4, [])
        assert (await r.said_of(r.a)).total() == 4
        assert (await r.said_of(r.b)).total() == 5

    in_hospital(body)


def test_coverage_keeps_its_grace_where_its_duty_ends(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        r = await Records.open(hospital)
        doctor, stand_in = await hospital.provider(), await hospital.provider()
        document = {"coverage_grace_minutes": 60}
        await r.do(set_policy, document=document)
        for patient, ends in ((r.a, 9), (r.b, 3)):
            await r.do(
                arrange_coverage, covered=doctor, covering=stand_in, patients=[patient],
                starts_at=r.at(0), ends_at=r.at(ends),
            )  # fmt: skip
        await r.merge(r.a, r.b)
        rows = await r.rows(
            "select starts_at, duty_ends_at, ends_at from carecircle.coverage_arrangements"
            " where patient_id = :b and superseded_at = 'infinity' order by 1",
            b=r.b,
        )
        assert [tuple(map(r.hours, row)) for row in rows] == [(0, 3, 4), (3, 9, 10)]

    in_hospital(body)


@pytest.mark.parametrize(
    ("gone", "into", "error", "sentence"),
    [
        ("mrn|a", "mrn|a", InvalidRequest, "one record already"),
        ("mrn|a", "mrn|nobody", PatientNotRegistered, "register"),
        ("mrn|d", "mrn|a", AlreadyMerged, "already"),
        ("mrn|a", "mrn|d", AlreadyMerged, "merge into that one"),
        ("mrn|b", "mrn|a", None, ""),
    ],
)
def test_a_merge_that_makes_no_sense_is_refused(
    in_hospital: InHospital, gone: str, into: str, error: type[Exception] | None, sentence: str
) -> None:
    async def body(hospital: Hospital) -> None:
        r = await Records.open(hospital)
        d = await hospital.patient("mrn|d")
        await r.merge(d, r.c)
        if error is None:
            await r.merge(gone, into)
            return
        with pytest.raises(error, match=sentence) as refused:
            await r.merge(gone, into)
        if into == "mrn|d":
            assert to_text(r.c) in str(refused.value)
        assert await r.said_of(r.a) == Counter()
        assert len(await r.audit("patients-merged")) == 1

    in_hospital(body)


def test_an_id_of_nobody_or_of_another_organization_is_refused(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        r = await Records.open(hospital)
        async with open_hospital(hospital.circle) as elsewhere:
            stranger = await elsewhere.patient()
        for patient in (new_id(), stranger):
            with pytest.raises(PatientNotRegistered):
                await r.merge(patient, r.a)
            with pytest.raises(PatientNotRegistered):
                await r.merge(r.a, patient)
        for patient in (r.a, new_id()):
            with pytest.raises(MergeNotFound):
                await r.unmerge(patient)

    in_hospital(body)


def test_a_chain_is_taken_back_from_its_end(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        r = await Records.open(hospital)
        x, y, z = [await hospital.provider() for _ in range(3)]
        for patient, provider in ((r.a, x), (r.b, y), (r.c, z)):
            await r.do(add_assignment, patient=patient, provider=provider, assignment_type="primary", starts_at=r.at(0))
            await r.do(label, patient=patient, label="PSY", starts_at=r.at(0))
        await r.merge(r.a, r.b)
        await r.merge(r.b, r.c)
        assert {row[:2] for row in await r.direct(r.c)} == {(x, "consulting"), (y, "consulting"), (z, "primary")}
        for one in (x, y, z):
            assert await r.listed(one) == {r.c}
            assert (await r.may(one, "mrn|a")).allowed
        async with hospital.change() as db:
            found = await merges_into(db, patient=r.c, organization=hospital.organization)
        assert [(row.patient_id, row.into_patient_id) for row in found] == [(r.a, r.b), (r.b, r.c)]
        with pytest.raises(AlreadyMerged, match="take that back first"):
            await r.unmerge(r.a)
        assert (await r.unmerge("mrn|b")).left_alone == []
        assert {row[:2] for row in await r.direct(r.b)} == {(x, "consulting"), (y, "primary")}
        assert await r.listed(x) == {r.b}
        assert (await r.unmerge("mrn|a")).left_alone == []
        for patient, provider in ((r.a, x), (r.b, y), (r.c, z)):
            assert [row[:2] for row in await r.direct(patient)] == [(provider, "primary")]
            assert await r.said_of(patient) == Counter({"direct-assignment": 1, "label": 1})
            assert await r.listed(provider) == {patient}
        assert not (await r.may(x, "mrn|b")).allowed

    in_hospital(body)


def test_what_was_changed_since_is_left_alone(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        r = await Records.open(hospital)
        x, y, later = [await hospital.provider() for _ in range(3)]
        await r.do(assign_primary, patient=r.a, provider=x)
        await r.do(add_assignment, patient=r.a, provider=y)
        await r.merge(r.a, r.b)
        await r.do(end_assignments, patient=r.b, provider=y)
        await r.do(add_assignment, patient=r.a, provider=later)
        done = await r.unmerge(r.a)
        assert (done.restored, [kind for kind, _ in done.left_alone]) == (
            Counter({"direct-assignment": 1}), ["direct-assignment"],
        )  # fmt: skip
        assert await r.listed(x) == {r.a}
        assert await r.listed(y) == set()
        # Said while they were one, of the one who was left.
        assert await r.listed(later) == {r.b}
        assert [kind for kind, _ in done.recorded_since] == ["direct-assignment"] * 2
        detail = json.loads((await r.audit("patients-unmerged"))[0]["detail"])
        assert (detail["restored"], detail["left_alone"], detail["recorded_since"]) == (1, 1, 2)
        await r.merge(r.a, r.b)
        assert await r.listed(x) == {r.b}

    in_hospital(body)


def test_a_change_and_a_merge_take_turns(in_hospital: InHospital) -> None:
    """Whoever has looked a patient up writes before the merge; whoever looks up during it writes about the survivor."""

    async def body(hospital: Hospital) -> None:
        r = await Records.open(hospital)
        team = await _a_team(r)
        early, late = await hospital.provider(), await hospital.provider()
        async with hospital.change() as first:
            await add_assignment(first, patient=r.a, provider=early, **r.by)
            merging = asyncio.create_task(r.merge(r.a, r.b))
            await asyncio.sleep(0.3)
            assert not merging.done()
        await merging
        assert (await r.said_of(r.a), await r.listed(early)) == (Counter(), {r.b})
        async with hospital.change() as second:
            await merge_patients(second, patient=r.b, into=r.c, **r.by)
            adding = [
                asyncio.create_task(r.do(add_assignment, patient=r.a, provider=late)),
                asyncio.create_task(r.do(add_patient, care_team_id=team, patient=r.b)),
            ]
            await asyncio.sleep(0.3)
            assert not any(one.done() for one in adding)
        await asyncio.gather(*adding)
        assert (await r.said_of(r.a), await r.said_of(r.b)) == (Counter(), Counter())
        assert await r.said_of(r.c) == Counter({"direct-assignment": 2, "care-team-patient": 1})

    in_hospital(body)


def test_two_who_merge_the_same_in_both_directions_do_not_make_a_circle(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        r = await Records.open(hospital)
        both = await asyncio.gather(r.merge(r.a, r.b), r.merge(r.b, r.a), return_exceptions=True)
        assert sorted(type(one).__name__ for one in both) == ["AlreadyMerged", "Merged"]
        assert len(await r.rows("select 1 from carecircle.patient_merges where superseded_at = 'infinity'")) == 1

    in_hospital(body)


def test_many_facts_go_along_in_a_few_statements(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        r = await Records.open(hospital)
        doctor = await hospital.provider()
        async with hospital.change() as db:
            for number in range(300):
                await add_assignment(
                    db, patient=r.a, provider=doctor, starts_at=r.at(number), ends_at=r.at(number) + HOUR / 2, **r.by
                )
        merged = await r.merge(r.a, r.b)
        assert merged.moved == Counter({"direct-assignment": 300})
        assert (await r.unmerge(r.a)).restored == Counter({"direct-assignment": 300})
        assert len(await r.direct(r.a)) == 300

    in_hospital(body)
