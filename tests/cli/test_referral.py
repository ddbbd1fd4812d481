"""referral, assign specialist: made, redirected, prolonged, ended; a refusal names every rule on a line of its own."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Command, Ran
from tests.cli.test_changes import entries

CARDIOLOGY = "207RC0000X"


@pytest.fixture
def clinic(carecircle: Command, own: str) -> str:
    """An organization whose doctor is the patient's primary, and whose other is a cardiologist."""
    assert carecircle("assign", "primary", "patient", "doctor", organization=own).code == 0
    assert carecircle("credential", "add", "other", "specialty", CARDIOLOGY, organization=own).code == 0
    return own


def referred(carecircle: Command, clinic: str, *more: str) -> Ran:
    said = ("patient", "--from-provider", "doctor", "--specialty", CARDIOLOGY, *more)
    return carecircle("referral", "add", *said, "-o", "json", organization=clinic)


def assigned(carecircle: Command, clinic: str, *more: str) -> Ran:
    return carecircle("assign", "specialist", "patient", "other", "--specialty", CARDIOLOGY, *more, organization=clinic)


def test_a_refusal_names_every_rule_and_is_recorded(carecircle: Command, own: str) -> None:
    refused = assigned(carecircle, own)
    assert refused.code == 4
    first, *rules = refused.err.splitlines()
    assert first == "error: 3 rules speak against this [rules-violated]"
    assert [line.rpartition(" ")[2] for line in rules] == [
        "[specialty-missing]",
        "[referral-missing]",
        "[duration-missing]",
    ]
    told = assigned(carecircle, own, "-o", "json").err
    assert '"violations": [{"code": "specialty-missing"' in told
    assert entries(carecircle, own, "kind, code")[-1] == ["refusal", "rules-violated"]
    wrong = carecircle("referral", "add", "patient", "--from-provider", "other", "--specialty", "x", organization=own)
    assert (wrong.code, "[referral-not-from-primary]" in wrong.err) == (4, True)


def test_a_specialist_comes_and_goes_with_the_referral(carecircle: Command, clinic: str) -> None:
    made = referred(carecircle, clinic)
    referral = made.json["referral"]
    assert made.json["undo"] == [f"carecircle referral end {referral}"]
    assert carecircle("check", "other", "read", "patient", organization=clinic).code == 10
    done = assigned(carecircle, clinic, "--referral", referral)
    assert (done.code, "Undo: carecircle assign end " in done.err) == (0, True)
    assert "nothing was changed" in assigned(carecircle, clinic).out
    assert carecircle("check", "other", "read", "patient", organization=clinic).code == 0
    ended = carecircle("referral", "end", referral, organization=clinic)
    assert "lets nobody in from now on" in ended.out
    denied = carecircle("check", "other", "read", "patient", organization=clinic)
    assert "suspended: rests on referral, which does not hold" in denied.out
    assert carecircle("referral", "end", referral, organization=clinic).code == 5
    [undo] = [line for line in ended.err.splitlines() if line.startswith("Undo: carecircle ")]
    assert carecircle(*undo.removeprefix("Undo: carecircle ").split(), organization=clinic).code == 0


def test_redirecting_and_back(carecircle: Command, clinic: str) -> None:
    referral = referred(carecircle, clinic).json["referral"]
    assert assigned(carecircle, clinic).code == 0
    away = carecircle("referral", "redirect", referral, "--to", "doctor", "-o", "json", organization=clinic)
    if away.code == 7:  # whoever refers is nobody to refer to
        assert carecircle("provider", "add", "--identifier", "third", organization=clinic).code == 0
        away = carecircle("referral", "redirect", referral, "--to", "third", "-o", "json", organization=clinic)
    assert away.json["undo"] == [f"carecircle referral redirect {referral} --to-anybody"]
    assert carecircle("check", "other", "read", "patient", organization=clinic).code == 10
    back = carecircle("referral", "redirect", referral, "--to-anybody", organization=clinic)
    assert (back.code, "Undo: " in back.err) == (0, True)
    assert carecircle("check", "other", "read", "patient", organization=clinic).code == 0
    same = carecircle("referral", "redirect", referral, "--to-anybody", organization=clinic)
    assert "nothing was changed" in same.out
    assert carecircle("referral", "redirect", referral, organization=clinic).code == 7


def test_prolonging_and_listing(carecircle: Command, clinic: str) -> None:
    first = referred(carecircle, clinic, "--to", "other")
    assert referred(carecircle, clinic, "--to", "other").json["undo"] == []
    longer = carecircle(
        "referral", "prolong", first.json["referral"], "--until", "2040-01-01", "-o", "json", organization=clinic
    )
    assert longer.json["undo"][0].endswith(first.json["ends_at"])
    [row] = carecircle("referral", "list", "patient", "-o", "json", organization=clinic).json["referrals"]
    assert (row["referral"], row["ends_at"]) == (first.json["referral"], "2040-01-01T00:00:00Z")
    at = carecircle("referral", "list", "patient", "--as-of", "2020-01-01", organization=clinic)
    assert (at.code, at.out) == (0, "")
    past = carecircle("referral", "prolong", row["referral"], "--until", "2020-01-01", organization=clinic)
    assert past.code == 7
