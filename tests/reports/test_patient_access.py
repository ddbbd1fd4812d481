"""A patient's own access report: who, when, why; who was kept out; emergencies; and nothing about anybody else."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from carecircle.coverage.service import arrange_coverage
from carecircle.errors import InvalidRequest, PatientNotRegistered
from carecircle.identifiers import new_id, to_text
from carecircle.reports import page as pages
from carecircle.reports.page import access_page
from carecircle.reports.words import (
    EMERGENCY_STEPS,
    WORK,
)
from carecircle.staffing.merge_service import merge_patients
from tests.conftest import Hospital
from tests.emergency.kept import Kept
from tests.reports.case import NAME, OTHER, emergency_entries, open_case
from tests.reports.pages import must_be_plain

InHospital = Callable[[Callable[[Hospital], Any]], Any]


def test_it_says_who_was_let_in_when_and_why(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        case = await open_case(hospital)
        await case.ask(case.doctor)
        await case.ask(case.doctor, action="write")
        await case.ask(case.nurse, purpose="HOPERAT")
        found = await case.access()
        (day,) = found.days
        doctor, nurse = day.looks
        assert (doctor.person.name, doctor.times) == ("Dr. Ada Brenner", 2)
        assert set(doctor.actions) == {"may read your record", "may write in your record"}
        assert doctor.reasons == ("They were in charge of you during your stay.",)
        assert doctor.purposes == ("To treat you",)
        assert doctor.through == ("the program ehr",)
        assert nurse.person.roles == ("staff nurse, Ward 3",)
        assert nurse.reasons == ("They are on your care team Ward 3 nurses.",)
        assert (found.persons, found.attempts, found.emergencies, found.supposed) == (2, (), (), 0)

    in_hospital(body)


def test_who_stands_in_is_told_with_whom_they_stand_in_for(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        case = await open_case(hospital)
        async with hospital.change() as db:
            now = datetime.now(UTC)
            await arrange_coverage(
                db, covered=case.doctor, covering=case.stranger, starts_at=now - timedelta(minutes=1),
                ends_at=now + timedelta(hours=8), **case.by,
            )  # fmt: skip
        assert (await case.ask(case.stranger)).allowed
        ((look,),) = [day.looks for day in (await case.access()).days]
        assert look.reasons == ("They stood in for Dr. Ada Brenner.",)

    in_hospital(body)


def test_who_was_kept_out_is_told_apart(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        case = await open_case(hospital)
        for _ in range(3):
            assert not (await case.ask(case.stranger)).allowed
        await case.ask(case.doctor, action="order")
        found = await case.access()
        assert found.days == ()
        told = [(one.person.name, one.times, one.action, one.reason) for one in found.attempts]
        assert told == [
            ("Dr. Otto Lind", 3, "wanted to read your record", "Nothing on record linked them to your care."),
            (
                "Dr. Ada Brenner",
                1,
                "wanted to order something for you",
                "They take part in your care, but may not do this.",
            ),
        ]

    in_hospital(body)


def test_emergencies_are_explained_without_the_words_that_were_said(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        case = await open_case(hospital)
        kept = await Kept.open(hospital)
        await kept.access(case.stranger, case.patient, ("provisional", -5, {"ends": 10}), words="found in the hallway")
        assert (await case.ask(case.stranger)).allowed
        first = await emergency_entries(
            case, case.stranger, "emergency-opened", "emergency-escalated", "emergency-approved", "emergency-ended"
        )
        second = await emergency_entries(case, case.nurse, "emergency-denied", reason="")
        found = await case.access()
        assert [one.id for one in found.emergencies] == [second, first]
        told = found.emergencies[1]
        assert (told.person.name, told.reason) == ("Dr. Otto Lind", "Life-threatening emergency")
        assert [one.words for one in told.steps] == [
            EMERGENCY_STEPS[f"emergency-{one}"] for one in ("opened", "approved", "ended")
        ]
        look = next(look for day in found.days for look in day.looks)
        assert look.emergency
        assert "They opened it in an emergency." in look.reasons
        text = must_be_plain(access_page(found)).text
        assert "Life-threatening emergency" in text
        assert "hallway" not in text

    in_hospital(body)


def test_it_is_about_nobody_else(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        case = await open_case(hospital)
        await case.ask(case.doctor, patient=case.other)
        await case.ask(case.stranger, patient=case.other)
        await case.entry("referrals-read", kind="reading", patient_id=case.other)
        found = await case.access()
        assert (found.days, found.attempts) == ((), ())
        assert (await case.access(patient=case.other)).persons == 1
        text = access_page(await case.access()) + json.dumps((await case.access()).as_json())
        assert "Hidden" not in text
        assert to_text(case.other) not in text

    in_hospital(body)


def test_who_only_worked_with_the_log_or_asked_who_may_look_is_told_apart(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        case = await open_case(hospital)
        await case.entry("referrals-read", kind="reading", patient_id=case.patient, provider_id=case.doctor)
        await case.access(actor="provider:" + to_text(case.nurse))
        ((actor, patient, _, kind, detail),) = await case.recorded("access-reported")
        assert (actor, patient, kind) == ("provider:" + to_text(case.nurse), case.patient, "reading")
        assert "Secret" not in detail
        await hospital.circle.access.list_providers(
            case.patient, organization=hospital.organization, actor="operator:root"
        )
        found = await case.access()
        assert (found.days, found.attempts, found.persons) == ((), (), 0)
        ((irma, nurse, root),) = [day.looks for day in found.worked]
        assert (irma.person.name, irma.person.id, irma.actions) == (
            "irma (administration)",
            None,
            ("looked up your referrals",),
        )
        assert (nurse.person.name, nurse.actions) == ("Nadja Rossi", ("prepared a report like this one",))
        assert (root.person.name, root.actions) == ("root (administration)", ("asked who may see your record",))
        assert {(one.reasons, one.purposes) for one in (irma, nurse, root)} == {((WORK,), ())}
        told = must_be_plain(access_page(found)).text
        assert "Who worked with the log, or asked who may see you" in told
        assert "People let in 0" in told
        assert "To treat you" not in told
        assert "Why is not written down" not in told

    in_hospital(body)


def test_days_are_those_of_the_zone(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        case = await open_case(hospital)
        await case.ask(case.doctor)
        zones = {
            zone: (await case.access(time_zone=zone)).days[0] for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago")
        }
        earlier, later = zones["Pacific/Pago_Pago"], zones["Pacific/Kiritimati"]
        assert earlier.day < later.day
        assert earlier.looks[0].first_at == later.looks[0].first_at
        with pytest.raises(InvalidRequest):
            await case.access(time_zone="Mars/Olympus")
        with pytest.raises(PatientNotRegistered):
            await case.access(patient=new_id())

    in_hospital(body)


def test_questions_about_another_time_are_counted_alone(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        case = await open_case(hospital)
        await case.ask(case.doctor, as_of=datetime.now(UTC) + timedelta(days=3))
        found = await case.access()
        assert (found.days, found.supposed) == ((), 1)
        assert "1 more question was about another day" in must_be_plain(access_page(found)).text

    in_hospital(body)


def test_its_page_says_everything_and_needs_nothing(in_hospital: InHospital, monkeypatch: pytest.MonkeyPatch) -> None:
    async def body(hospital: Hospital) -> None:
        case = await open_case(hospital)
        await case.ask(case.doctor)
        await case.ask(case.nurse)
        await case.ask(case.stranger)
        await case.ask(case.stranger, action="write")
        found = await case.access(time_zone="Europe/Berlin")
        told = must_be_plain(access_page(found)).text
        for said in (NAME, "Dr. Ada Brenner", "Nadja Rossi", "Dr. Otto Lind", "Ward 3 nurses", "Europe/Berlin", "Test"):
            assert said in told
        assert OTHER not in told
        assert not re.search(r"778-12-9|TREAT|no-relationship|care_team", told)
        shown = json.loads(json.dumps(found.as_json()))
        assert shown["days"][0]["looks"][0]["person"]["id"] == to_text(case.doctor)
        monkeypatch.setattr(pages, "LONGEST", 1)
        assert "1 earlier one is not on this page" in must_be_plain(access_page(found)).text

    in_hospital(body)


def test_a_question_about_a_merged_record_that_is_asked_again_is_no_attempt(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        case = await open_case(hospital)
        async with hospital.change() as db:
            await merge_patients(db, patient=case.other, into=case.patient, **case.by)
        for _ in range(2):
            assert (await case.ask(case.doctor, patient=case.other)).allowed
        assert len(await case.recorded("patient-merged")) == 2
        found = await case.access()
        assert (found.attempts, found.supposed) == ((), 0)
        assert [look.times for day in found.days for look in day.looks] == [2]
        # Kept out by the record that it was merged into is once, not twice.
        assert not (await case.ask(case.stranger, patient=case.other)).allowed
        assert [one.times for one in (await case.access()).attempts] == [1]
        await case.ask(case.doctor, patient=case.other, as_of=datetime.now(UTC) + timedelta(days=3))
        assert (await case.access()).supposed == 1

    in_hospital(body)


def test_what_was_done_several_times_says_from_when_to_when(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        case = await open_case(hospital)
        for _ in range(2):
            await case.ask(case.doctor)
            await case.ask(case.stranger)
        found = await case.access()
        ((look,),), (attempt,) = [day.looks for day in found.days], found.attempts
        assert attempt.first_at < attempt.last_at
        early = found.written_at.replace(hour=12, minute=47)
        late = early.replace(hour=19, minute=17)
        day = replace(found.days[0], looks=(replace(look, first_at=early, last_at=late, times=5),))
        attempts = (replace(attempt, first_at=early, last_at=late), replace(attempt, first_at=early, last_at=early))
        told = must_be_plain(access_page(replace(found, days=(day,), attempts=attempts))).text
        assert "12:47–19:17, 5 times" in told
        assert ", 12:47–19:17, 2 times" in told
        assert ", 12:47, 2 times" in told

    in_hospital(body)
