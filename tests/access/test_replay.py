"""A recorded answer is given again from what was known then, whatever was changed since, by whatever lets in or keeps out."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import text

from carecircle import acting_as, directory
from carecircle.actor import Actor
from carecircle.assignments.service import add_assignment, assign_primary, end_assignments
from carecircle.audit.entry import Entry, append
from carecircle.care_teams.service import add_member, add_patient, create_team, end_membership
from carecircle.coverage.service import end_coverage
from carecircle.directory.policy_service import set_policy
from carecircle.identifiers import new_id
from carecircle.restrictions.service import label, lift_objection, object_to, suspend, unlabel
from tests.access.replaying import InHospital, again, all_same, as_administrator, check, explained
from tests.conftest import Hospital
from tests.coverage.clinic import Clinic as Covering
from tests.emergency.clinic import Clinic as Emergencies
from tests.staffing.records import HOUR, Records


def test_ordinary_answers_stay_what_they_were(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        r = await Records.open(hospital)
        doctor, nurse, stranger = [await hospital.provider() for _ in range(3)]
        team = await r.do(create_team, name="Team")
        await r.do(assign_primary, patient=r.a, provider=doctor)
        await r.do(add_assignment, patient=r.a, provider=stranger, scope=["order"])
        await r.do(add_member, care_team_id=team, provider=nurse, member_role="nurse")
        await r.do(add_patient, care_team_id=team, patient=r.a)
        await r.do(add_patient, care_team_id=team, patient=r.b)
        wanted = {
            "allowed": await r.may(doctor, r.a),
            "no-relationship": await r.may(doctor, r.b),
            "action-not-granted": await r.may(stranger, r.a),
            "unknown-action": await r.may(doctor, r.a, "fly"),
            "unknown-patient": await r.may(doctor, new_id()),
            "unknown-provider": await r.may(new_id(), r.a),
        }
        assert {code: one.code for code, one in wanted.items()} == {code: code for code in wanted}
        by_team = await r.may(nurse, r.b)
        assert by_team.bases[0].kind == "care_team"
        # What is changed afterwards is not what was known.
        await r.do(end_assignments, patient=r.a, provider=doctor)
        await r.do(end_membership, care_team_id=team, provider=nurse)
        await r.do(assign_primary, patient=r.b, provider=doctor)
        await r.do(add_assignment, patient=r.a, provider=stranger, starts_at=r.at(-24))
        await all_same(hospital, by_team.id, *(one.id for one in wanted.values()))
        assert not (await r.may(doctor, r.a)).allowed
        assert (await r.may(doctor, r.b)).allowed

    in_hospital(body)


def test_whoever_is_registered_later_was_unknown(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        doctor, patient, later, new = await hospital.provider(), await hospital.patient(), new_id(), new_id()
        unknown = await check(hospital, doctor, later), await check(hospital, new, patient)
        await hospital.patient(patient_id=later)
        await hospital.provider(provider_id=new)
        await all_same(hospital, *(one.id for one in unknown))
        assert (await again(hospital, unknown[0].id)).answer.code == "unknown-patient"
        # One whose registration was open when it was asked.
        async with hospital.change() as db:
            late = await directory.register_patient(db, organization_id=hospital.organization, actor="test")
            denied = await check(hospital, doctor, late)
            assert denied.code == "unknown-patient"
        await all_same(hospital, denied.id)
        # The control: the clocks take them for registered. And another identifier later makes nobody unknown.
        assert (await again(hospital, denied.id, "clocks")).answer.code == "no-relationship"
        known = await check(hospital, doctor, late)
        await hospital.patient("mrn|x", patient_id=late)
        await all_same(hospital, known.id)

    in_hospital(body)


def test_whoever_an_open_import_was_bringing_was_unknown(in_hospital: InHospital) -> None:
    """Its entry for each record says when it committed. Without one, the clock is all there is: the control."""

    async def body(hospital: Hospital) -> None:
        doctor, imported, nobodys = await hospital.provider(), new_id(), new_id()
        registering = text("insert into carecircle.patients (organization_id, id) values (:organization, :patient)")
        denied = []
        for patient, entries in ((imported, 1), (nobodys, 0)):
            async with hospital.change() as db:
                await db.execute(registering, {"organization": hospital.organization, "patient": patient})
                denied.append(await check(hospital, doctor, patient))
                entry = Entry(hospital.organization, "import", Actor("test"), "fhir-record-taken", patient_id=patient)
                await append(db, *[entry] * entries)
        assert {one.code for one in denied} == {"unknown-patient"}
        await all_same(hospital, denied[0].id)
        assert not (await again(hospital, denied[1].id)).same
        after = await check(hospital, doctor, imported)
        assert after.code == "no-relationship"
        await all_same(hospital, after.id)

    in_hospital(body)


def test_restrictions_and_labels(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        r = await Records.open(hospital)
        doctor, nurse = await hospital.provider(), await hospital.provider()
        team = await r.do(create_team, name="Team")
        await r.do(add_member, care_team_id=team, provider=nurse)
        await r.do(add_patient, care_team_id=team, patient=r.a)
        await r.do(assign_primary, patient=r.a, provider=doctor)
        await r.do(object_to, patient=r.a, provider=doctor)
        await r.do(label, patient=r.a, label="PSY")
        first = [await r.may(doctor, r.a), await r.may(nurse, r.a)]
        assert {one.code for one in first} == {"restricted"}
        await r.do(suspend, provider=doctor)
        both = await r.may(doctor, r.a)
        assert sorted(one.kind for one in both.restrictions) == ["objection", "sensitivity", "suspension"]
        await r.do(lift_objection, patient=r.a, provider=doctor)
        await r.do(unlabel, patient=r.a, label="PSY")
        after = await r.may(nurse, r.a)
        assert after.allowed
        await all_same(hospital, both.id, after.id, *(one.id for one in first))

    in_hospital(body)


def test_merged_records(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        r = await Records.open(hospital)
        doctor = await hospital.provider()
        await r.do(assign_primary, patient=r.a, provider=doctor)
        before = await r.may(doctor, r.a)
        await r.merge(r.a, r.b)
        followed = await r.may(doctor, r.a)
        assert followed.allowed
        assert followed.question.patient_id == r.b
        async with as_administrator(hospital) as admin:
            merged = await admin.fetchval(
                "select id from carecircle.audit_events where organization_id = $1 and code = 'patient-merged'"
                " and kind = 'decision'", hospital.organization,
            )  # fmt: skip
        await r.unmerge(r.a)
        await all_same(hospital, before.id, followed.id, merged)

    in_hospital(body)


def test_actions_and_versions_of_the_policy(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        r = await Records.open(hospital)
        doctor = await hospital.provider()
        await r.do(assign_primary, patient=r.a, provider=doctor)
        unknown = await r.may(doctor, r.a, "transport")
        await r.do(set_policy, document={"actions": ["transport"]})
        await r.do(add_assignment, patient=r.a, provider=doctor, scope=["transport"])
        known = await r.may(doctor, r.a, "transport")
        await r.do(set_policy, document={})
        assert [unknown.code, known.code] == ["unknown-action", "allowed"]
        await all_same(hospital, unknown.id, known.id)
        assert (await again(hospital, known.id)).answer.policy_version == 1

    in_hospital(body)


def test_standing_in(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Covering.open(hospital)
        [row] = await c.cover(c.a, c.b)
        allowed = await c.ask(c.b)
        assert allowed.bases[0].via_id == c.a
        await c.do(end_coverage, arrangement_id=row.arrangement_id)
        denied = await c.ask(c.b)
        assert not denied.allowed
        await all_same(hospital, allowed.id, denied.id)

    in_hospital(body)


def test_broken_glass(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Emergencies.open(hospital)
        before = await c.ask()
        emergency = await c.request()
        during = await c.ask()
        assert [before.code, during.code] == ["no-relationship", "allowed"]
        told = await explained(hospital, during.id)
        assert told.replay is not None
        assert told.replay.same
        assert told.rows[during.bases[0].id].table == "emergency_access"
        assert during.bases[0].under_id == emergency.lineage_id
        await all_same(hospital, before.id)

    in_hospital(body)


def test_other_instants_and_other_beliefs(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        r = await Records.open(hospital)
        doctor = await hospital.provider()
        first = await r.instant()
        await r.do(add_assignment, patient=r.a, provider=doctor, starts_at=r.at(-48), ends_at=r.at(48))
        second = await r.instant()
        await r.do(end_assignments, patient=r.a, provider=doctor)
        third = await r.instant()
        asked = [
            await r.may(doctor, r.a, at=at, believed_at=belief)
            for at in (None, r.at(-24), r.at(24), r.at(72))
            for belief in (None, first, second, third, third + HOUR)
        ]
        assert {one.allowed for one in asked} == {True, False}
        await r.do(add_assignment, patient=r.a, provider=doctor, starts_at=r.at(-96))
        await all_same(hospital, *(one.id for one in asked))

    in_hospital(body)


def test_a_change_that_had_not_committed_was_not_known(in_hospital: InHospital) -> None:
    """Its instant precedes the answer, its commit follows it: only the snapshot can tell. The clocks are the control."""

    async def body(hospital: Hospital) -> None:
        r = await Records.open(hospital)
        doctor = await hospital.provider()
        async with hospital.change() as db:
            await add_assignment(db, patient=r.a, provider=doctor, starts_at=r.at(-24), **r.by)
            denied = await r.may(doctor, r.a)
            early = await r.may(doctor, r.a, believed_at=await later_than(r))
        async with hospital.change() as db:
            await end_assignments(db, patient=r.a, provider=doctor, **r.by)
            allowed = await r.may(doctor, r.a)
            believed = await r.may(doctor, r.a, believed_at=await later_than(r))
        assert [one.allowed for one in (denied, early, allowed, believed)] == [False, False, True, True]
        await all_same(hospital, denied.id, early.id, allowed.id, believed.id)
        for one in (denied, early, allowed, believed):
            by_clocks = await again(hospital, one.id, "clocks")
            assert by_clocks.answer.allowed is not one.allowed
            assert "allowed" in {difference.what for difference in by_clocks.differences}

    async def later_than(r: Records) -> datetime:
        return await r.instant() + timedelta(seconds=1)

    in_hospital(body)


def test_lists(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        r = await Records.open(hospital)
        doctor, other = await hospital.provider(), await hospital.provider()
        access = hospital.circle.access
        for patient in (r.a, r.b):
            await r.do(assign_primary, patient=patient, provider=doctor)
        with acting_as(organization=hospital.organization, actor="test"):
            async with hospital.change() as db:
                await add_assignment(db, patient=r.c, provider=doctor, **r.by)
                lists = [
                    await access.list_patients(doctor),
                    await access.list_providers(r.c),
                    await access.list_patients(doctor, as_of=r.at(1), believed_at=await r.instant()),
                    await access.list_patients(doctor, "fly"),
                    await access.list_patients(new_id()),
                ]
            await r.merge(r.a, r.b)
            lists += [await access.list_providers(r.a), await access.list_patients(doctor)]
        assert [len(one.rows) for one in lists] == [2, 0, 2, 0, 0, 1, 2]
        await r.do(assign_primary, patient=r.b, provider=other, previous="end")
        await all_same(hospital, *(one.id for one in lists))
        # The control: by the clocks alone one more patient was on the list.
        found = {one.what: one for one in (await again(hospital, lists[0].id, "clocks")).differences}
        assert (found["count"].recorded, found["count"].replayed) == ("2", "3")
        assert "digest" in found

    in_hospital(body)
