"""What a patient is told has words for everything, and no code of ours."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest

import carecircle
from carecircle.access.decision import Code
from carecircle.emergency.rules import REASONS
from carecircle.reports.page import access_page
from carecircle.reports.words import (
    ALTERED,
    EMERGENCY_STEPS,
    WORK,
    action_in_words,
    basis_in_words,
    denial_in_words,
    purpose_for_the_patient,
    purpose_in_words,
    reading_in_words,
)
from tests.conftest import Hospital
from tests.reports.case import emergency_entries, open_case
from tests.reports.pages import must_be_plain

InHospital = Callable[[Callable[[Hospital], Any]], Any]


@pytest.mark.parametrize("code", [one for one in get_args(Code) if one != "allowed"])
def test_every_denial_has_words(code: str) -> None:
    assert code not in denial_in_words(code)


def test_what_nobody_foresaw_is_told_without_its_code() -> None:
    assert denial_in_words("new-code") == "They were not let in."
    assert action_in_words("lab.results") == "use your record in another way"
    assert purpose_for_the_patient("X") == "For another purpose"
    assert purpose_in_words("X") == "Other: X"  # an accounting of disclosures names it
    assert reading_in_words("new-read") == "looked up something about your care"
    assert basis_in_words("new_basis") == "They take part in your care."
    assert basis_in_words("coverage") == "They stood in for somebody who cares for you."


# Words that people write with a hyphen, which are nobody's code.
HYPHENATED = {"life-threatening"}
READING = re.compile(r"""(?:"reading", *\w+, *|kind="reading", *code=|\brecord\(\w+, *)"([a-z]+(?:-[a-z]+)+)\"""")


def codes_of_readings() -> set[str]:
    source = (one.read_text() for one in Path(carecircle.__file__).parent.rglob("*.py"))
    return {code for text in source for code in READING.findall(text)}


def must_have_no_code(told: str) -> None:
    assert set(re.findall(r"[a-z]+(?:[-_][a-z]+)+", told.lower())) <= HYPHENATED, told


def test_no_sentence_has_a_code() -> None:
    known = codes_of_readings()
    assert {"audit-entry-proved", "audit-searched", "emergency-read", "access-reported"} <= known
    for code in sorted(known | {"not-yet-there"}):
        must_have_no_code(reading_in_words(code))
        must_have_no_code(denial_in_words(code))
        must_have_no_code(action_in_words(code))
        must_have_no_code(purpose_for_the_patient(code))
        must_have_no_code(basis_in_words(code))
    for code in get_args(Code):
        must_have_no_code(denial_in_words(code))
    for told in (*REASONS.values(), *EMERGENCY_STEPS.values(), ALTERED, WORK):
        must_have_no_code(told)


def test_no_line_of_a_page_has_a_code(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        case = await open_case(hospital)
        for code in ("audit-entry-proved", "not-yet-there"):
            await case.entry(code, kind="reading", patient_id=case.patient)
        await emergency_entries(case, case.stranger, "emergency-opened", reason="not-yet-there")
        await case.ask(case.doctor, purpose="not-yet-there")
        await case.ask(case.stranger, action="read")
        told = must_be_plain(access_page(await case.access())).text
        assert "Checked that one line of the log" in told
        must_have_no_code(told)

    in_hospital(body)
