"""What takes access away, through real decisions: objections, suspensions, labels, at every door and at every instant."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from carecircle.assignments.service import add_assignment, assign_primary
from carecircle.care_teams.service import add_member, add_patient, create_team
from carecircle.errors import (
    AlreadyRestricted,
    InvalidPeriod,
    InvalidRequest,
    PatientNotRegistered,
    ProviderNotRegistered,
    RestrictionNotFound,
)
from carecircle.identifiers import new_id, to_text
from carecircle.restrictions.rules import LABELS
from carecircle.restrictions.service import (
    label,
    lift,
    lift_objection,
    lift_suspension,
    object_to,
    restrictions,
    suspend,
    unlabel,
)
from tests.conftest import Hospital, open_hospital
from tests.staffing.records import Records

InHospital = Callable[[Callable[[Hospital], Any]], Any]


async def _doctor_and_nurse(r: Records) -> tuple[UUID, UUID]:
    """The doctor is primary for patients a and b; the nurse is on a team that looks after both."""
    doctor, nurse = await r.hospital.provider("npi|1"), await r.hospital.provider()
    team = await r.do(create_team, name="Team")
    await r.do(add_member, care_team_id=team, provider=nurse, member_role="nurse")
    for patient in (r.a, r.b):
        await r.do(assign_primary, patient=patient, provider=doctor)
        await r.do(add_patient, care_team_id=team, patient=patient)
    return doctor, nurse


async def _agree(r: Records, provider: UUID, patient: UUID, allowed: bool) -> str:
    """Check, list_patients and list_providers say the same; the code of the decision."""
    decision = await r.may(provider, patient)
    assert decision.allowed is allowed, decision.code
    assert (patient in await r.listed(provider)) is allowed
    assert (provider in await r.circle_of(patient)) is allowed
    return decision.code


async def _kinds(r: Records, **named: Any) -> list[str]:
    async with r.hospital.change() as db:
        return [one.kind for one in await restrictions(db, organization=r.hospital.organization, **named)]


def test_an_objection_keeps_one_provider_from_one_patient(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        r = await Records.open(hospital)
        doctor, nurse = await _doctor_and_nurse(r)
        # An emergency assignment is an ordinary one: it overrides nothing.
        await r.do(
            add_assignment, patient=r.a, provider=doctor, assignment_type="emergency",
            ends_at=r.now + timedelta(hours=1),
        )  # fmt: skip
        await _agree(r, doctor, r.a, True)
        before = await r.instant()
        row = await r.do(object_to, patient="mrn|a", provider="npi|1")
        assert await _agree(r, doctor, r.a, False) == "restricted"
        await _agree(r, doctor, r.b, True)
        await _agree(r, nurse, r.a, True)
        await r.do(object_to, patient=r.a, provider=nurse)
        assert await _agree(r, nurse, r.a, False) == "restricted"
        assert (await r.may(doctor, r.a, at=before)).allowed
        assert await _kinds(r, patient=r.a, provider=doctor) == ["objection"]
        await r.do(lift, restriction_id=row.id)
        await _agree(r, doctor, r.a, True)
        await r.do(lift_objection, patient=r.a, provider=nurse)
        await _agree(r, nurse, r.a, True)
        # While it was believed, it held: what was decided then stays explained.
        known = await r.rows("select max(ends_at) from carecircle.access_restrictions where superseded_at = 'infinity'")
        during = row.starts_at + (known[0][0] - row.starts_at) / 2
        assert (await r.may(doctor, r.a, at=during)).code == "restricted"

    in_hospital(body)


def test_a_suspended_provider_sees_nobody_until_it_is_lifted(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        r = await Records.open(hospital)
        doctor, nurse = await _doctor_and_nurse(r)
        await r.do(suspend, provider="npi|1")
        for patient in (r.a, r.b):
            assert await _agree(r, doctor, patient, False) == "restricted"
            await _agree(r, nurse, patient, True)
        assert await _kinds(r, provider=doctor) == ["suspension"]
        assert await _kinds(r, provider=nurse) == []
        await r.do(lift_suspension, provider=doctor)
        for patient in (r.a, r.b):
            await _agree(r, doctor, patient, True)

    in_hospital(body)


@pytest.mark.parametrize("code", sorted(LABELS))
def test_a_label_leaves_only_those_who_are_let_in_directly(in_hospital: InHospital, code: str) -> None:
    async def body(hospital: Hospital) -> None:
        r = await Records.open(hospital)
        doctor, nurse = await _doctor_and_nurse(r)
        await _agree(r, nurse, r.a, True)
        row = await r.do(label, patient="mrn|a", label=code)
        await _agree(r, doctor, r.a, True)
        assert await _agree(r, nurse, r.a, False) == "restricted"
        await _agree(r, nurse, r.b, True)
        # Who is assigned directly as well is let in by that.
        await r.do(add_assignment, patient=r.a, provider=nurse)
        await _agree(r, nurse, r.a, True)
        other = await r.hospital.provider()
        assert (await r.may(other, r.a)).code == "no-relationship"
        await r.do(unlabel, patient=r.a, label=code)
        assert await _kinds(r, patient=r.a) == []
        with pytest.raises(RestrictionNotFound):
            await r.do(lift, restriction_id=row.id)

    in_hospital(body)


def test_a_restriction_holds_in_its_period_and_no_longer(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        r = await Records.open(hospital)
        doctor, nurse = await _doctor_and_nurse(r)
        await r.do(object_to, patient=r.a, provider=doctor, starts_at=r.at(1), ends_at=r.at(2))
        await r.do(suspend, provider=doctor, starts_at=r.at(3), ends_at=r.at(4))
        await r.do(label, patient=r.a, label="R", starts_at=r.at(1), ends_at=r.at(2))
        for hours, allowed in ((0.5, True), (1, False), (1.5, False), (2, True), (3, False), (4, True)):
            assert (await r.may(doctor, r.a, at=r.at(hours))).allowed is allowed, hours
        for hours, allowed in ((0.5, True), (1, False), (2, True), (3, True)):
            assert (await r.may(nurse, r.a, at=r.at(hours))).allowed is allowed, hours
        assert await _kinds(r) == ["objection", "sensitivity", "suspension"]
        assert await _kinds(r, as_of=r.at(0.5)) == []
        assert await _kinds(r, as_of=r.at(1.5)) == ["objection", "sensitivity"]
        assert await _kinds(r, as_of=r.at(3)) == ["suspension"]
        assert await _kinds(r, patient=r.b) == []
        # One that has not begun leaves nothing behind.
        await r.do(lift_suspension, provider=doctor)
        assert (await r.may(doctor, r.a, at=r.at(3))).allowed
        assert await _kinds(r, provider=doctor) == ["objection"]

    in_hospital(body)


def test_the_same_twice_at_a_time_is_refused_and_again_later_is_not(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        r = await Records.open(hospital)
        doctor = await hospital.provider()
        for change, said in (
            (object_to, {"patient": r.a, "provider": doctor}),
            (suspend, {"provider": doctor}),
            (label, {"patient": r.a, "label": "HIV"}),
        ):  # fmt: skip
            await r.do(change, **said, ends_at=r.at(2))
            with pytest.raises(AlreadyRestricted):
                await r.do(change, **said, starts_at=r.at(1))
            await r.do(change, **said, starts_at=r.at(2))
            with pytest.raises(InvalidPeriod):
                await r.do(change, **said, starts_at=r.at(9), ends_at=r.at(9))
        await r.do(label, patient=r.a, label="R")
        assert len(await _kinds(r)) == 7

    in_hospital(body)


def test_nobody_and_nothing_known_is_refused(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        r = await Records.open(hospital)
        doctor = await hospital.provider()
        with pytest.raises(PatientNotRegistered):
            await r.do(object_to, patient="mrn|nobody", provider=doctor)
        with pytest.raises(PatientNotRegistered):
            await r.do(label, patient=new_id(), label="R")
        with pytest.raises(ProviderNotRegistered):
            await r.do(object_to, patient=r.a, provider=new_id())
        with pytest.raises(ProviderNotRegistered):
            await r.do(suspend, provider=new_id())
        with pytest.raises(InvalidRequest, match="CEL"):
            await r.do(label, patient=r.a, label="VIP")
        with pytest.raises(InvalidRequest, match="CEL"):
            await r.do(unlabel, patient=r.a, label="VIP")
        nothing: tuple[tuple[Any, dict[str, Any]], ...] = (
            (lift, {"restriction_id": new_id()}), (lift_objection, {"patient": r.a, "provider": doctor}),
            (lift_suspension, {"provider": doctor}), (unlabel, {"patient": r.a, "label": "R"}),
        )  # fmt: skip
        for undo, said in nothing:
            with pytest.raises(RestrictionNotFound):
                await r.do(undo, **said)
        row = await r.do(suspend, provider=doctor)
        async with open_hospital(hospital.circle) as elsewhere:
            with pytest.raises(RestrictionNotFound):
                async with elsewhere.change() as db:
                    await lift(db, restriction_id=row.id, organization=elsewhere.organization, actor="test")
        assert (await r.do(lift, restriction_id=row.id)).id == row.id

    in_hospital(body)


def test_no_entry_tells_which_label_it_was(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        r = await Records.open(hospital)
        doctor = await hospital.provider()
        row = await r.do(label, patient=r.a, label="HIV")
        await r.do(unlabel, patient=r.a, label="HIV")
        await r.do(object_to, patient=r.a, provider=doctor)
        for code in ("patient-labelled", "patient-unlabelled"):
            (entry,) = await r.audit(code)
            assert json.loads(entry["detail"])["restriction"] == to_text(row.id)
            assert entry["patient_id"] == r.a
            assert "HIV" not in str(dict(entry))
        # The positive control: an objection's entry names whom it is about.
        (entry,) = await r.audit("objection-recorded")
        assert (entry["patient_id"], entry["provider_id"]) == (r.a, doctor)

    in_hospital(body)
