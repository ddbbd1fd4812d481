"""credential: recorded, renewed, ended; what rests on it is suspended and comes back, and every step says how to undo it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.cli.conftest import Command


@pytest.fixture
def licensed(carecircle: Command, own: str, tmp_path: Path) -> str:
    """An organization where primaries need a licence, and its doctor is the patient's with one until 2040."""
    file = tmp_path / "policy.json"
    file.write_text('{"assignment_credentials": {"primary": ["licence"]}}')
    assert carecircle("policy", "set", str(file), organization=own).code == 0
    added = carecircle("credential", "add", "doctor", "licence", "L-1", "--until", "2040-01-01", organization=own)
    assert (added.code, "Undo: carecircle credential end " in added.err) == (0, True)
    assert carecircle("assign", "primary", "patient", "doctor", organization=own).code == 0
    return own


def test_ending_suspends_and_renewing_brings_back(carecircle: Command, licensed: str) -> None:
    ending = ("credential", "end", "doctor", "licence", "L-1")
    tried = carecircle(*ending, "--dry-run", organization=licensed)
    assert "This would suspend 1 assignment. Nothing was changed." in tried.out
    assert carecircle("check", "doctor", "read", "patient", organization=licensed).code == 0
    assert carecircle("credential", "suspended", organization=licensed).code == 0
    ended = carecircle(*ending, organization=licensed)
    assert "Suspended with it: 1 assignment." in ended.out
    denied = carecircle("check", "doctor", "read", "patient", organization=licensed)
    assert (denied.code, "suspended: rests on licence, which does not hold" in denied.out) == (10, True)
    found = carecircle("credential", "suspended", "-o", "json", organization=licensed)
    assert (found.code, [row["lacking"] for row in found.json["suspended"]]) == (11, [["licence"]])
    [undo] = [line for line in ended.err.splitlines() if line.startswith("Undo: carecircle ")]
    assert carecircle(*undo.removeprefix("Undo: carecircle ").split(), organization=licensed).code == 0
    assert carecircle("check", "doctor", "read", "patient", organization=licensed).code == 0
    assert carecircle(*ending[:-1], "L-2", organization=licensed).code == 5


def test_the_same_again_changes_nothing(carecircle: Command, licensed: str) -> None:
    again = carecircle("credential", "add", "doctor", "licence", "L-1", "--until", "2040-01-01", organization=licensed)
    assert (again.code, "nothing was changed" in again.out, "Undo" in again.err) == (0, True, False)
    renewed = carecircle(
        "credential", "renew", "doctor", "licence", "L-1", "--until", "2041-01-01", organization=licensed
    )
    assert (renewed.code, renewed.err.count("carecircle credential")) == (0, 2)
    shorter = carecircle(
        "credential", "renew", "doctor", "licence", "L-1", "--until", "2039-01-01", organization=licensed
    )
    assert shorter.code == 7
    listed = carecircle("credential", "list", "doctor", "-o", "json", organization=licensed).json["credentials"]
    assert [(row["state"], row["ends_at"]) for row in listed] == [("holds", "2041-01-01T00:00:00Z")]


def test_lapsing_counts_what_rests_on_it(carecircle: Command, licensed: str) -> None:
    assert carecircle("credential", "lapsing", organization=licensed).code == 0
    assert carecircle("credential", "end", "doctor", "licence", "L-1", organization=licensed).code == 0
    soon = (datetime.now(UTC) + timedelta(days=10)).isoformat()
    renewed = carecircle("credential", "renew", "doctor", "licence", "L-1", "--until", soon, organization=licensed)
    assert renewed.code == 0
    found = carecircle("credential", "lapsing", organization=licensed)
    assert (found.code, "1 assignment, seat or arrangement is suspended with what lapses" in found.err) == (11, True)
    assert carecircle("credential", "lapsing", "--days", "5", organization=licensed).code == 0


def test_what_lapsed_lately_is_listed_too(carecircle: Command, own: str) -> None:
    carecircle("credential", "add", "other", "licence", "L-9", "--from", "2020-01-01", organization=own)
    assert carecircle("credential", "end", "other", "licence", "L-9", organization=own).code == 0
    found = carecircle("credential", "lapsing", "-o", "json", organization=own)
    assert (found.code, [(row["code"], row["state"]) for row in found.json["lapsing"]]) == (0, [("L-9", "lapsed")])
    assert "0 assignments" in carecircle("credential", "lapsing", organization=own).err


def test_specialties_come_from_a_file(carecircle: Command, own: str, tmp_path: Path) -> None:
    file = tmp_path / "taxonomy.csv"
    file.write_text("Code,Display Name\n207RC0000X,Cardiovascular Disease Physician\n")
    done = carecircle("credential", "import-specialties", str(file), "-o", "json", organization=own)
    assert (done.code, done.json["added"]) == (0, 1)
    assert "Nothing changed" in carecircle("credential", "import-specialties", str(file), organization=own).err
    assert carecircle("credential", "add", "doctor", "specialty", "207RC0000X", organization=own).code == 0
    assert carecircle("credential", "add", "doctor", "specialty", "nonsense", organization=own).code == 7
    assert carecircle("credential", "add", "doctor", "diploma", "x", organization=own).code == 2
    file.write_text("nothing\n")
    assert carecircle("credential", "import-specialties", str(file), organization=own).code == 7


def test_nobody_unknown_has_credentials(carecircle: Command, own: str) -> None:
    for words in (("add", "nobody", "licence", "x"), ("list", "nobody"), ("renew", "doctor", "licence", "never")):
        assert carecircle("credential", *words, organization=own).code == 5, words
