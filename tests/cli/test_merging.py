"""patient merge and unmerge: tried first, done once, followed by questions, taken back."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Command
from tests.cli.test_changes import entries


@pytest.fixture
def twice(carecircle: Command, own: str) -> str:
    """An organization that knows one person twice: `patient` with the primary `doctor`, `double` with the primary `other`."""
    assert carecircle("patient", "add", "--identifier", "double", organization=own).code == 0
    assert carecircle("assign", "primary", "patient", "doctor", organization=own).code == 0
    assert carecircle("assign", "primary", "double", "other", organization=own).code == 0
    return own


def test_merging_says_what_moves_and_is_followed_by_answers(carecircle: Command, twice: str) -> None:
    merging = ("patient", "merge", "double", "--into", "patient")
    asked = carecircle(*merging, organization=twice)
    assert (asked.code, "confirmation-required" in asked.err) == (7, True)
    tried = carecircle(*merging, "--dry-run", organization=twice)
    assert "1 assignment." in tried.err
    assert "1 assignment demoted: the record that is kept has a primary provider then" in tried.err
    assert carecircle("check", "other", "share", "double", organization=twice).code == 0
    done = carecircle(*merging, "--yes", "-o", "json", organization=twice)
    assert (done.json["moved"], done.json["dry_run"]) == ({"direct-assignment": 1}, False)
    assert [one["became"] for one in done.json["changed"]] == ["demoted"]
    again = carecircle(*merging, "--yes", organization=twice)
    assert (again.code, entries(carecircle, twice, "kind, code")[-1]) == (6, ["refusal", "already-merged"])
    followed = carecircle("check", "doctor", "read", "double", organization=twice)
    assert (followed.code, "was merged into" in followed.err) == (0, True)
    told = carecircle("check", "doctor", "read", done.json["patient"], "-o", "json", organization=twice).json
    assert (told["patient"], told["merged_from"]) == (done.json["into"], done.json["patient"])
    plain = carecircle("check", "doctor", "read", "patient", "-o", "json", organization=twice)
    assert (plain.json["merged_from"], "merged" in plain.err) == (None, False)


def test_parting_gives_back_and_says_what_somebody_must_look_at(carecircle: Command, twice: str) -> None:
    assert carecircle("patient", "merge", "double", "--into", "patient", "--yes", organization=twice).code == 0
    parted = carecircle("patient", "unmerge", "double", organization=twice)
    assert (parted.code, "1 assignment" in parted.out) == (0, True)
    assert carecircle("check", "other", "share", "double", organization=twice).code == 0
    [undo] = [line for line in parted.err.splitlines() if line.startswith("Undo: carecircle ")]
    assert carecircle(*undo.removeprefix("Undo: carecircle ").split(), "--yes", organization=twice).code == 0
    assert carecircle("restrict", "label", "double", "vip", organization=twice).code == 0
    parted = carecircle("patient", "unmerge", "double", organization=twice)
    assert (parted.code, "whose is it?" in parted.err) == (11, True)
    assert carecircle("patient", "unmerge", "double", organization=twice).code == 5


def test_nobody_is_merged_into_themselves_or_a_stranger(carecircle: Command, own: str) -> None:
    assert carecircle("patient", "merge", "patient", "--into", "patient", "--yes", organization=own).code == 7
    assert carecircle("patient", "merge", "patient", "--into", "nobody", "--yes", organization=own).code == 5
    assert carecircle("patient", "merge", "nobody", "--into", "patient", "--dry-run", organization=own).code == 5


def test_every_command_around_the_patient_shows_an_example(carecircle: Command) -> None:
    commands = {
        "restrict": "object suspend label unlabel lift list",
        "policy": "show set history example",
        "credential": "add renew end list lapsing suspended import-specialties",
        "referral": "add list end redirect prolong",
        "assign": "specialist",
        "patient": "merge unmerge",
    }
    for group, names in commands.items():
        for name in names.split():
            ran = carecircle(group, name, "--help", COLUMNS="200")
            assert ran.code == 0
            assert f"Example: carecircle {group} {name}" in ran.out, (group, name)
