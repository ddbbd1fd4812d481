"""AssignmentValidator: every rule broken alone and with others, beside the same case without the fault; ids, unknown people."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event

from carecircle import acting_as
from carecircle.assignments.service import add_assignment, end_assignments
from carecircle.care_teams.team_service import create_team
from carecircle.errors import FactsNotLoaded, InvalidPeriod, OrganizationRequired, Violation
from carecircle.identifiers import new_id, to_text
from carecircle.services.validator import AssignmentValidator
from carecircle.staffing.merge_service import merge_patients
from tests.conftest import Hospital
from tests.referrals.clinic import CARDIOLOGY, DAY, Clinic
from tests.services.faults import (
    Fault,
    closed,
    full,
    held_once,
    lapsed,
    licence_wanted,
    no_specialty,
    not_from_primary,
    objected,
    planned,
    promised,
    resident_elsewhere,
    seated,
    sent_elsewhere,
    sent_no_more,
    sent_twice,
    short_wanted,
    suspended,
    taken,
)


async def load(clinic: Clinic, *teams: Any, **said: Any) -> AssignmentValidator:
    given: dict[str, Any] = {
        "patients": [clinic.patient],
        "providers": [clinic.family, clinic.heart, clinic.other, clinic.nobody],
        "teams": teams,
    }
    return await clinic.read(AssignmentValidator.load, **(given | said))


def codes(violations: tuple[Violation, ...]) -> list[str]:
    return sorted(one.code for one in violations)


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (taken, "primary-already-assigned"),
        (promised, "primary-already-assigned"),
        (planned, "conflicting-assignment"),
        (licence_wanted, "credential-missing"),
        (lapsed, "credential-lapsed"),
        (suspended, "provider-suspended"),
        (objected, "patient-objects"),
    ],
)
def test_a_primary_rule_broken_alone(in_clinic: Any, fault: Fault, code: str) -> None:
    async def body(clinic: Clinic) -> None:
        await clinic.do(end_assignments, patient=clinic.patient, provider=clinic.family)
        pair = (clinic.patient, clinic.heart)
        before = await load(clinic)
        assert before.validate_primary_assignment(*pair) is True
        await fault(clinic, new_id())
        assert (await load(clinic)).validate_primary_assignment(*pair) is False
        async with clinic.hospital.change() as db:
            said = await AssignmentValidator.violations_primary_assignment(
                db, *pair, organization=clinic.hospital.organization
            )
        assert codes(said) == [code]
        assert before.validate_primary_assignment(*pair) is True  # it answers for the facts it loaded

    in_clinic(body)


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (no_specialty, "specialty-missing"),
        (sent_elsewhere, "referral-missing"),
        (sent_no_more, "referral-missing"),
        (sent_twice, "referral-ambiguous"),
        (not_from_primary, "referral-not-from-primary"),
        (short_wanted, "duration-too-long"),
        (licence_wanted, "credential-missing"),
        (lapsed, "credential-lapsed"),
        (suspended, "provider-suspended"),
        (objected, "patient-objects"),
    ],
)
def test_a_specialists_rule_broken_alone(in_clinic: Any, fault: Fault, code: str) -> None:
    async def body(clinic: Clinic) -> None:
        referral = await clinic.refer(clinic.heart)
        asked = (clinic.patient, clinic.heart, CARDIOLOGY)
        ends_at = None if fault is short_wanted else clinic.now + 40 * DAY
        assert (await load(clinic)).validate_specialist_assignment(*asked, ends_at=ends_at) is True
        assert (await load(clinic)).validate_specialist_assignment(*asked) is True
        await fault(clinic, referral.lineage_id)
        assert (await load(clinic)).validate_specialist_assignment(*asked, ends_at=ends_at) is False
        async with clinic.hospital.change() as db:
            said = await AssignmentValidator.violations_specialist_assignment(
                db, *asked, ends_at=ends_at, organization=clinic.hospital.organization
            )
        assert codes(said) == [code]

    in_clinic(body)


def test_how_long_a_specialist_is_assigned(in_clinic: Any) -> None:
    async def body(clinic: Clinic) -> None:
        asked = (clinic.patient, clinic.heart, CARDIOLOGY)
        async with clinic.hospital.change() as db:
            said = await AssignmentValidator.violations_specialist_assignment(
                db, *asked, organization=clinic.hospital.organization
            )
        assert codes(said) == ["duration-missing", "referral-missing"]
        referral = await clinic.refer(ends_at=clinic.now + 500 * DAY)
        facts = await load(clinic)
        assert facts.validate_specialist_assignment(*asked) is False
        assert facts.validate_specialist_assignment(*asked, ends_at=facts.as_of + 365 * DAY) is True
        too_long = facts.as_of + 365 * DAY + timedelta(microseconds=1)
        assert facts.validate_specialist_assignment(*asked, ends_at=too_long) is False
        with pytest.raises(InvalidPeriod):
            facts.validate_specialist_assignment(*asked, ends_at=facts.as_of)
        # Past the referral's end is fine: it is cut there.
        later = await load(clinic, as_of=referral.ends_at - DAY)
        assert later.validate_specialist_assignment(*asked) is True
        assert later.validate_specialist_assignment(*asked, ends_at=referral.ends_at + DAY) is True
        assert (await load(clinic, as_of=referral.ends_at)).validate_specialist_assignment(*asked) is False

    in_clinic(body)


def test_which_referral(in_clinic: Any) -> None:
    async def body(clinic: Clinic) -> None:
        one, two = await clinic.refer(), await clinic.refer(clinic.heart)
        asked = (clinic.patient, clinic.heart, CARDIOLOGY)
        facts = await load(clinic)
        assert facts.validate_specialist_assignment(*asked) is False
        for referral in (one, two):
            assert facts.validate_specialist_assignment(*asked, referral_id=referral.lineage_id) is True
        assert facts.validate_specialist_assignment(*asked, referral_id=new_id()) is False
        assert facts.validate_specialist_assignment(clinic.patient, clinic.other, CARDIOLOGY) is True

    in_clinic(body)


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (closed, "care-team-closed"),
        (seated, "overlapping-membership"),
        (resident_elsewhere, "role-conflict"),
        (full, "team-full"),
        (held_once, "role-held-once"),
        (licence_wanted, "credential-missing"),
        (suspended, "provider-suspended"),
    ],
)
def test_a_teams_rule_broken_alone(in_clinic: Any, fault: Fault, code: str) -> None:
    async def body(clinic: Clinic) -> None:
        team = await clinic.do(create_team, name="Ward")
        asked = (team, clinic.heart, "attending")
        assert (await load(clinic, team)).validate_care_team_membership(*asked) is True
        await fault(clinic, team)
        facts = await load(clinic, team)
        assert facts.validate_care_team_membership(*asked) is False
        async with clinic.hospital.change() as db:
            said = await AssignmentValidator.violations_care_team_membership(
                db, *asked, organization=clinic.hospital.organization
            )
        assert codes(said) == [code]
        assert facts.validate_care_team_membership(team, clinic.heart, "Head Nurse") is False

    in_clinic(body)


def test_all_that_is_wrong_at_once(in_clinic: Any) -> None:
    async def body(clinic: Clinic) -> None:
        team = await clinic.do(create_team, name="Ward")
        for fault in (taken, seated, resident_elsewhere, held_once, licence_wanted, lapsed, objected, suspended):
            await fault(clinic, team)
        of: dict[str, Any] = {"organization": clinic.hospital.organization}
        async with clinic.hospital.change() as db:
            primary = await AssignmentValidator.violations_primary_assignment(db, clinic.patient, clinic.heart, **of)
            specialist = await AssignmentValidator.violations_specialist_assignment(
                db, clinic.patient, clinic.heart, "207Q00000X", **of
            )
            seat = await AssignmentValidator.violations_care_team_membership(db, team, clinic.heart, "attending", **of)
        person = ["credential-lapsed", "credential-missing", "patient-objects", "provider-suspended"]
        assert codes(primary) == sorted([*person, "primary-already-assigned"])
        assert codes(specialist) == sorted([*person, "duration-missing", "referral-missing", "specialty-missing"])
        assert codes(seat) == ["credential-missing", "overlapping-membership", "provider-suspended", "role-conflict"]
        for one in (*primary, *specialist, *seat):
            assert one.sentence.endswith((".", "carecircle team reopen"))
            assert all(str(known) not in one.sentence for known in (clinic.patient, clinic.heart))

    in_clinic(body)


def test_who_is_primary_already_may_be(in_clinic: Any) -> None:
    async def body(clinic: Clinic) -> None:
        await promised(clinic, new_id())
        facts = await load(clinic)
        assert facts.validate_primary_assignment(clinic.patient, clinic.family) is True
        assert facts.validate_primary_assignment(clinic.patient, clinic.heart) is False
        later = await load(clinic, as_of=clinic.now + 10 * DAY)
        assert later.validate_primary_assignment(clinic.patient, clinic.family) is False
        assert later.validate_primary_assignment(clinic.patient, clinic.other) is True

    in_clinic(body)


def test_any_form_of_id_that_was_loaded(in_hospital: Any) -> None:
    async def body(hospital: Hospital) -> None:
        patient, provider = await hospital.patient("mrn|77"), await hospital.provider("npi|88")
        by: dict[str, Any] = {"organization": hospital.organization, "actor": "test"}
        async with hospital.change() as db:
            team = await create_team(db, name="Ward", **by)
            facts = await AssignmentValidator.load(
                db, patients=["mrn|77"], providers=["npi|88"], teams=[to_text(team)], organization=hospital.organization
            )
        for one in ("mrn|77", patient, str(patient), to_text(patient)):
            for other in ("npi|88", provider, str(provider), to_text(provider)):
                assert facts.validate_primary_assignment(one, other) is True
                assert facts.validate_care_team_membership(str(team), other, "nurse") is True
        strangers: list[tuple[UUID | str, UUID | str]] = [
            (new_id(), provider), (patient, new_id()), ("mrn|78", provider), (patient, "npi|77"),
        ]  # fmt: skip
        for someone, somebody in strangers:
            with pytest.raises(FactsNotLoaded):
                facts.validate_primary_assignment(someone, somebody)
            with pytest.raises(FactsNotLoaded):
                facts.validate_specialist_assignment(someone, somebody, CARDIOLOGY)
        for ward, someone in ((new_id(), provider), (team, new_id())):
            with pytest.raises(FactsNotLoaded):
                facts.validate_care_team_membership(ward, someone, "nurse")

    in_hospital(body)


def test_whom_nobody_registered(in_clinic: Any) -> None:
    async def body(clinic: Clinic) -> None:
        await clinic.refer()
        stranger = new_id()
        of: dict[str, Any] = {"organization": clinic.hospital.organization}
        facts = await load(
            clinic, stranger, patients=[stranger, "mrn|none"], providers=[stranger, clinic.heart, "npi|none"]
        )
        assert facts.validate_primary_assignment("mrn|none", clinic.heart) is False
        assert facts.validate_primary_assignment(stranger, "npi|none") is False
        assert facts.validate_specialist_assignment(stranger, clinic.heart, CARDIOLOGY) is False
        assert facts.validate_care_team_membership(stranger, clinic.heart, "nurse") is False
        async with clinic.hospital.change() as db:
            primary = await AssignmentValidator.violations_primary_assignment(db, stranger, stranger, **of)
            seat = await AssignmentValidator.violations_care_team_membership(db, stranger, stranger, "nurse", **of)
        assert codes(primary) == ["patient-not-registered", "provider-not-registered"]
        assert codes(seat) == ["care-team-not-found", "provider-not-registered"]

    in_clinic(body)


def test_another_organizations_people_are_strangers(in_hospital: Any, in_clinic: Any) -> None:
    kept: list[Any] = []

    async def elsewhere(clinic: Clinic) -> None:
        kept.extend([clinic.patient, clinic.heart, await clinic.do(create_team, name="Ward")])

    async def here(hospital: Hospital) -> None:
        patient, provider, team = kept
        async with hospital.change() as db:
            facts = await AssignmentValidator.load(
                db, patients=[patient], providers=[provider], teams=[team], organization=hospital.organization
            )
        assert facts.validate_primary_assignment(patient, provider) is False
        assert facts.validate_care_team_membership(team, provider, "nurse") is False

    in_clinic(elsewhere)
    in_hospital(here)


def test_a_merged_record_is_who_the_patient_is_now(in_clinic: Any) -> None:
    async def body(clinic: Clinic) -> None:
        copy = await clinic.hospital.patient("mrn|copy")
        assert (await load(clinic, patients=[copy])).validate_primary_assignment(copy, clinic.heart) is True
        await clinic.do(merge_patients, patient=copy, into=clinic.patient)
        facts = await load(clinic, patients=[copy, "mrn|copy"])
        for known in (copy, "mrn|copy", clinic.patient):
            assert facts.validate_primary_assignment(known, clinic.heart) is False
            assert facts.validate_primary_assignment(known, clinic.family) is True

    in_clinic(body)


def test_many_people_take_no_more_queries_than_few(in_clinic: Any) -> None:
    async def body(clinic: Clinic) -> None:
        few, many = [await clinic.hospital.patient("mrn|1")], [f"mrn|{number}" for number in range(40)]
        for name in many[1:]:
            await clinic.hospital.patient(name)
        engine, asked = clinic.hospital.circle.engine.sync_engine, [0]
        event.listen(engine, "before_cursor_execute", lambda *_: asked.__setitem__(0, asked[0] + 1))
        counts = []
        for patients in ([few[0], "mrn|1"], many):
            asked[0] = 0
            await load(clinic, patients=patients)
            counts.append(asked[0])
        assert counts[0] == counts[1] < 20

    in_clinic(body)


def test_it_needs_an_organization(in_clinic: Any) -> None:
    async def body(clinic: Clinic) -> None:
        async with clinic.hospital.change() as db:
            with pytest.raises(OrganizationRequired):
                await AssignmentValidator.load(db, patients=[clinic.patient], providers=[clinic.heart])
            with acting_as(organization=clinic.hospital.organization):
                facts = await AssignmentValidator.load(db, patients=[clinic.patient], providers=[clinic.family])
        assert facts.validate_primary_assignment(clinic.patient, clinic.family) is True

    in_clinic(body)


def test_a_consulting_provider_may_become_primary(in_clinic: Any) -> None:
    async def body(clinic: Clinic) -> None:
        await clinic.do(end_assignments, patient=clinic.patient, provider=clinic.family)
        await clinic.do(add_assignment, patient=clinic.patient, provider=clinic.heart, assignment_type="attending")
        assert (await load(clinic)).validate_primary_assignment(clinic.patient, clinic.heart) is True

    in_clinic(body)
