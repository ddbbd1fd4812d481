"""The accounting of disclosures: what counts, what does not, series, six years, and that asking leaves an entry."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from carecircle.errors import InvalidPeriod, PatientNotRegistered
from carecircle.identifiers import new_id, to_text
from carecircle.reports.disclosures import LEFT_OUT, TO_THE_INDIVIDUAL, is_routine
from carecircle.reports.page import content_security_policy, disclosures_page, file_name
from carecircle.reports.subject_service import span, years_before
from carecircle.staffing.merge_service import merge_patients
from tests.conftest import Hospital
from tests.reports.case import NAME, OTHER, open_case
from tests.reports.pages import must_be_plain

InHospital = Callable[[Callable[[Hospital], Any]], Any]


def test_treatment_payment_operations_and_the_patients_own_wish_are_left_out(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        case = await open_case(hospital)
        for purpose in ("TREAT", "BTG", "COC", "HPAYMT", "COVERAGE", "HOPERAT", "TRAIN", "PATRQT", "FAMRQT", "treat"):
            assert (await case.ask(case.doctor, purpose=purpose)).allowed
        await case.ask(case.stranger, purpose="HRESCH")  # denied: nothing was disclosed
        assert (await case.accounting()).disclosures == ()
        for purpose in ("HRESCH", "PUBHLTH", "HMARKT", "DONAT", "LOCAL-1"):
            assert (await case.ask(case.doctor, purpose=purpose)).allowed
        found = (await case.accounting()).disclosures
        assert [one.purpose for one in found] == ["HRESCH", "PUBHLTH", "HMARKT", "DONAT", "LOCAL-1"]
        assert {one.recipient for one in found} == {"Dr. Ada Brenner"}
        assert found[0].purpose_in_words == "For research"
        assert found[-1].purpose_in_words == "Other: LOCAL-1"

    in_hospital(body)


def test_sharing_counts_whatever_its_purpose(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        case = await open_case(hospital)
        assert (await case.ask(case.doctor, action="share")).allowed
        assert (await case.ask(case.doctor, action="share", purpose="PATRQT")).allowed
        (found,) = (await case.accounting()).disclosures
        assert (found.action, found.purpose, found.recipient, found.made_by) == (
            "share",
            "TREAT",
            None,
            "Dr. Ada Brenner",
        )

    in_hospital(body)


def test_a_series_is_one_line_with_its_first_its_last_and_how_often(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        case = await open_case(hospital)
        first = await case.ask(case.doctor, purpose="HRESCH")
        await case.ask(case.nurse, purpose="HRESCH")
        for _ in range(2):
            await case.ask(case.doctor, purpose="HRESCH")
        series, once = (await case.accounting()).disclosures
        assert (series.times, series.entry_id) == (3, first.id)
        assert series.first_at < once.first_at < series.last_at
        assert (once.times, once.recipient) == (1, "Nadja Rossi")

    in_hospital(body)


def test_questions_about_another_time_disclose_nothing(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        case = await open_case(hospital)
        assert (await case.ask(case.doctor, purpose="HRESCH", as_of=datetime.now(UTC) + timedelta(hours=2))).allowed
        assert (await case.accounting()).disclosures == ()
        await case.ask(case.doctor, purpose="HRESCH", as_of=datetime.now(UTC))
        assert len((await case.accounting()).disclosures) == 1

    in_hospital(body)


def test_lists_count_and_those_that_name_nobody_are_to_be_checked(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        case = await open_case(hospital)
        access = hospital.circle.access
        for purpose in ("TREAT", "HRESCH"):
            await access.list_providers(case.patient, purpose=purpose, **case.by)
            await access.list_patients(case.doctor, purpose=purpose, **case.by)
        found = await case.accounting()
        (listed,) = found.disclosures
        assert (listed.action, listed.recipient, listed.purpose) == ("list", "the program ehr", "HRESCH")
        assert found.untraced == 1
        assert "1 list of patients was given out" in must_be_plain(disclosures_page(found)).text

    in_hospital(body)


def test_it_is_about_one_patient_with_the_records_merged_into_theirs(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        case = await open_case(hospital)
        await case.ask(case.doctor, patient=case.other, purpose="HRESCH")
        assert (await case.accounting()).disclosures == ()
        async with hospital.change() as db:
            await merge_patients(db, patient=case.other, into=case.patient, **case.by)
        for asked in (case.patient, case.other):
            found = await case.accounting(patient=asked)
            assert (found.patient_id, len(found.disclosures)) == (case.patient, 1)

    in_hospital(body)


def test_asking_is_recorded_without_a_name(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        case = await open_case(hospital)
        await case.ask(case.doctor, purpose="HRESCH")
        await case.accounting(actor="operator:irma")
        ((actor, patient, _, kind, detail),) = await case.recorded("disclosures-accounted")
        assert (actor, patient, kind) == ("operator:irma", case.patient, "reading")
        assert json.loads(detail)["disclosures"] == 1
        assert "Secret" not in detail

    in_hospital(body)


def test_its_page_and_its_json_say_the_same(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        case = await open_case(hospital)
        await case.ask(case.doctor, purpose="HRESCH")
        await case.ask(case.doctor, action="share")
        found = await case.accounting()
        text = disclosures_page(found)
        page = must_be_plain(text)
        for said in (NAME, "Dr. Ada Brenner", "For research", "To be completed", "164.528", "Test"):
            assert said in page.text
        assert "Hidden" not in text
        assert content_security_policy() in [one.get("content") for tag, one in page.tags if tag == "meta"]
        told = json.loads(json.dumps(found.as_json()))
        assert told["patient"] == to_text(case.patient)
        assert [one["description"] for one in told["disclosures"]] == ["Reading the record", "Sharing the record"]
        assert file_name("disclosures", case.patient, "html") == f"disclosures-{to_text(case.patient)}.html"
        assert OTHER not in json.dumps(told)

    in_hospital(body)


def test_it_goes_back_six_years_and_no_further(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        case = await open_case(hospital)
        found = await case.accounting()
        assert years_before(found.until, 6) == found.since
        for since in (found.since - timedelta(days=1), datetime(2001, 1, 1, tzinfo=UTC)):
            with pytest.raises(InvalidPeriod):
                await case.accounting(since=since)
        assert (await case.accounting(since=found.since + timedelta(days=1))).since == found.since + timedelta(days=1)
        with pytest.raises(PatientNotRegistered):
            await case.accounting(patient=new_id())

    in_hospital(body)


def test_years_are_counted_by_the_calendar() -> None:
    leap = datetime(2028, 2, 29, 12, tzinfo=UTC)
    assert years_before(leap, 6) == datetime(2022, 2, 28, 12, tzinfo=UTC)
    assert span(None, None, leap, 6, at_most=True).starts_at == years_before(leap, 6)
    # Until an earlier day, the law's six years still count from today.
    earlier = span(None, leap - timedelta(days=400), leap, 6, at_most=True)
    assert (earlier.starts_at, earlier.ends_at) == (years_before(leap, 6), leap - timedelta(days=400))


def test_what_is_left_out_follows_the_tree_of_purposes() -> None:
    assert {"TREAT", "ETREAT", "BTG", "HTEST", "ELIGVER", "PATRQT", "PWATRNY"} <= set(LEFT_OUT)
    assert not {"HRESCH", "CLINTRCHPC", "PUBHLTH", "DISASTER", "HMARKT", "GOV", "MILCDM", "MILDCRG"} & set(LEFT_OUT)
    assert set(TO_THE_INDIVIDUAL) == {"PATRQT", "FAMRQT", "PWATRNY", "SUPNWK"}
    assert not is_routine("SOMETHING")
