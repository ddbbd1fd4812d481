"""Care teams from the command line: by name, whole or not at all, and every change with the command that takes it back."""

from __future__ import annotations

import asyncio
import shlex
from pathlib import Path
from typing import Any

import pytest

from carecircle import Settings, assemble, reach
from carecircle.database.session import transaction
from carecircle.directory import find_organization, register_patient
from tests.cli.conftest import Command, Ran
from tests.cli.test_changes import entries

COMMANDS = (
    "create", "rename", "close", "reopen", "list", "show", "add", "change", "remove", "give", "take", "add-member",
    "add-patient",
)  # fmt: skip


def done(carecircle: Command, slug: str, *words: str) -> dict[str, Any]:
    ran = carecircle("team", *words, "-o", "json", organization=slug)
    assert ran.code == 0, ran.err
    told: dict[str, Any] = ran.json
    return told


def taken_back(carecircle: Command, slug: str, told: dict[str, Any]) -> None:
    """Run the commands that a change said would take it back."""
    assert told["undo"]
    for line in told["undo"]:
        ran = carecircle(*shlex.split(line)[1:], organization=slug)
        assert ran.code in (0, 11), ran.err


def may(carecircle: Command, slug: str, provider: str, action: str) -> bool:
    ran = carecircle("check", provider, action, "patient", organization=slug)
    assert ran.code in (0, 10), ran.err
    return ran.code == 0


@pytest.fixture
def ward(carecircle: Command, own: str) -> str:
    """An organization with the team Ward 1, which looks after its patient."""
    done(carecircle, own, "create", "Ward 1")
    done(carecircle, own, "give", "Ward 1", "patient")
    return own


def test_a_team_is_found_by_its_name_whatever_its_capitals(carecircle: Command, ward: str) -> None:
    added = carecircle("team", "add", "wARD 1", "doctor", "--role", "nurse", organization=ward)
    assert added.code == 0, added.err
    assert added.lines[0].startswith("This provider is on Ward 1 as nurse, from now on.")
    assert "read and write" in added.lines[1]
    assert "Take it back with: carecircle team remove" in added.err
    assert may(carecircle, ward, "doctor", "write")


def test_a_name_nobody_has_and_one_that_two_have(carecircle: Command, ward: str) -> None:
    unknown = carecircle("team", "show", "Ward 2", organization=ward)
    assert (unknown.code, "did you mean Ward 1?" in unknown.err) == (5, True)
    first = done(carecircle, ward, "show", "Ward 1")["team"]
    made = carecircle("team", "create", "ward 1", "-o", "json", organization=ward)
    assert (made.code, made.json["same_name"]) == (11, [first])
    second = made.json["team"]
    twice = carecircle("team", "show", "Ward 1", organization=ward)
    assert (twice.code, second in twice.err) == (7, True)
    assert carecircle("team", "show", second, organization=ward).code == 0
    done(carecircle, ward, "close", second, "--yes")
    # Of several, the open one is meant.
    assert done(carecircle, ward, "show", "Ward 1")["patient_count"] == 1


def test_each_change_is_taken_back_by_what_it_says(carecircle: Command, ward: str) -> None:
    seat = done(carecircle, ward, "add", "Ward 1", "doctor", "--until", "2090-01-31T08:00:00Z")
    assert may(carecircle, ward, "doctor", "read")
    widened = done(carecircle, ward, "change", "Ward 1", "doctor", "--role", "attending", "--actions", "read,share")
    assert may(carecircle, ward, "doctor", "share")
    taken_back(carecircle, ward, widened)
    assert not may(carecircle, ward, "doctor", "share")
    (member,) = done(carecircle, ward, "show", "Ward 1")["members"]
    assert (member["role"], member["may"], member["ends_at"]) == ("member", ["read"], "2090-01-31T08:00:00Z")
    removed = done(carecircle, ward, "remove", "Ward 1", "doctor")
    assert not may(carecircle, ward, "doctor", "read")
    taken_back(carecircle, ward, removed)
    assert done(carecircle, ward, "show", "Ward 1")["members"][0]["ends_at"] == "2090-01-31T08:00:00Z"
    taken_back(carecircle, ward, seat)
    assert not may(carecircle, ward, "doctor", "read")


def test_taking_a_patient_away_and_giving_it_back_keeps_its_end(carecircle: Command, ward: str) -> None:
    done(carecircle, ward, "take", "Ward 1", "patient")
    done(carecircle, ward, "give", "Ward 1", "patient", "--until", "2090-01-31")
    taken_back(carecircle, ward, done(carecircle, ward, "take", "Ward 1", "patient"))
    (patient,) = done(carecircle, ward, "show", "Ward 1", "--patients")["patients"]
    assert patient["ends_at"] == "2090-01-31T00:00:00Z"


def test_what_is_so_already_changes_nothing(carecircle: Command, ward: str) -> None:
    done(carecircle, ward, "add", "Ward 1", "doctor", "--role", "nurse")
    again = carecircle("team", "change", "Ward 1", "doctor", "--role", "nurse", organization=ward)
    assert (again.code, "Nothing was changed." in again.err) == (0, True)
    assert done(carecircle, ward, "reopen", "Ward 1")["reopened"] is False


def test_an_action_nobody_knows_is_refused_here(carecircle: Command, ward: str) -> None:
    done(carecircle, ward, "add", "Ward 1", "doctor")
    for words in (("add", "Ward 1", "other"), ("change", "Ward 1", "doctor")):
        ran = carecircle("team", *words, "--actions", "read,fly", organization=ward)
        assert (ran.code, "known are read, write" in ran.err) == (7, True)
    assert may(carecircle, ward, "doctor", "read")


async def register(own: str, patients: int) -> None:
    settings = Settings.read()
    with reach(settings) as at:
        async with assemble(settings, at) as circle, transaction(circle.engine) as db:
            organization = await find_organization(db, own)
            for number in range(patients):
                await register_patient(db, identifiers=[f"p{number}"], organization_id=organization, actor="test")


def test_several_patients_or_none(carecircle: Command, ward: str, tmp_path: Path) -> None:
    asyncio.run(register(ward, 60))
    ran = carecircle("team", "give", "Ward 1", "p1", "patient", "p2", organization=ward)
    assert (ran.code, "Patient 2 of 3" in ran.err, "Nothing was changed" in ran.err) == (6, True, True)
    assert done(carecircle, ward, "show", "Ward 1")["patient_count"] == 1
    listed = tmp_path / "patients.csv"
    listed.write_text("patient,starts_at\n" + "".join(f"p{number},\n" for number in range(60)))
    assert len(done(carecircle, ward, "give", "Ward 1", "--file", str(listed))["patients"]) == 60
    as_csv = carecircle("team", "show", "Ward 1", "--patients", "-o", "csv", organization=ward)
    assert len(as_csv.lines) == 62
    listed.write_text(as_csv.out)
    assert len(done(carecircle, ward, "take", "Ward 1", "--file", str(listed))["patients"]) == 61
    listed.write_text(" Patient \np1\n")
    assert len(done(carecircle, ward, "give", "Ward 1", "--file", str(listed))["patients"]) == 1
    for text, why in (("\n", "is empty"), ("patient\n", "no patient below")):
        listed.write_text(text)
        ran = carecircle("team", "give", "Ward 1", "--file", str(listed), organization=ward)
        assert (ran.code, why in ran.err) == (7, True), ran.err
    listed.write_text("a,b\nc,d\n")
    assert carecircle("team", "give", "Ward 1", "--file", str(listed), organization=ward).code == 7
    assert carecircle("team", "give", "Ward 1", organization=ward).code == 7


def test_closing_asks_first_and_says_what_ends(carecircle: Command, ward: str) -> None:
    done(carecircle, ward, "add", "Ward 1", "doctor")
    unasked = carecircle("team", "close", "Ward 1", organization=ward)
    assert (unasked.code, "--yes" in unasked.err) == (7, True)
    looked = carecircle("team", "close", "Ward 1", "--dry-run", organization=ward)
    assert (looked.code, "1 seat and the care of 1 patient" in looked.err) == (0, True)
    assert "Nothing was changed." in looked.err
    assert may(carecircle, ward, "doctor", "read")
    closed = carecircle("team", "close", "Ward 1", "--yes", organization=ward)
    assert closed.lines == ["Ward 1 is closed now: 1 seat and the care of 1 patient ended."]
    assert not may(carecircle, ward, "doctor", "read")
    refused = carecircle("team", "add", "Ward 1", "other", organization=ward)
    assert (refused.code, "care-team-closed" in refused.err) == (6, True)
    assert entries(carecircle, ward, "kind, code")[-1] == ["refusal", "care-team-closed"]
    assert done(carecircle, ward, "list")["teams"] == []
    assert len(done(carecircle, ward, "list", "--closed")["teams"]) == 1
    assert done(carecircle, ward, "reopen", "Ward 1")["reopened"] is True
    done(carecircle, ward, "add", "Ward 1", "other")


def test_a_closing_ahead_is_shown_lifted_and_put_back(carecircle: Command, ward: str) -> None:
    done(carecircle, ward, "add", "Ward 1", "doctor", "--role", "nurse")
    berlin = {"CARECIRCLE_TIME_ZONE": "Europe/Berlin"}
    words = ("team", "close", "Ward 1", "--at", "2090-12-24 20:00")
    looked = carecircle(*words, "--dry-run", organization=ward, **berlin)
    assert "This closes Ward 1 from Sun 24 Dec 2090 20:00 (Europe/Berlin) on" in looked.err
    assert "Nothing was changed." in looked.err
    assert carecircle(*words, "--yes", organization=ward, **berlin).code == 0
    shown = carecircle("team", "show", "Ward 1", organization=ward, **berlin)
    assert shown.lines[0].startswith("Ward 1 (primary, closes Sun 24 Dec 2090 20:00): 1 person on it")
    assert done(carecircle, ward, "show", "Ward 1")["closes_at"] == "2090-12-24T19:00:00Z"
    opened = carecircle("team", "reopen", "Ward 1", organization=ward, **berlin)
    told = "Ward 1 is open again. 1 seat and 1 patient still end Sun 24 Dec 2090 20:00 (Europe/Berlin); prolong them:"
    assert opened.lines[0] == told
    assert "--at 2090-12-24T19:00:00Z --yes" in opened.err
    assert done(carecircle, ward, "show", "Ward 1")["closes_at"] is None
    for line in opened.lines[1:]:
        assert carecircle(*shlex.split(line)[1:], organization=ward).code == 0
    later = done(carecircle, ward, "show", "Ward 1", "--at", "2091-01-01", "--patients")
    assert [one["role"] for one in later["members"]] == ["nurse"]
    assert len(later["patients"]) == 1
    put_back = opened.err.strip().removeprefix("Take it back with: ")
    assert carecircle(*shlex.split(put_back)[1:], organization=ward).code == 0
    assert done(carecircle, ward, "show", "Ward 1")["closes_at"] == "2090-12-24T19:00:00Z"


def test_a_local_time_needs_a_clock(carecircle: Command, ward: str) -> None:
    words = ("team", "add", "Ward 1", "doctor", "--until", "2090-07-01 08:00")
    refused = carecircle(*words, organization=ward)
    assert (refused.code, "--time-zone" in refused.err) == (7, True)
    assert carecircle(*words, "--time-zone", "Europe/Berln", organization=ward).code == 7
    said = carecircle(*words, organization=ward, CARECIRCLE_TIME_ZONE="Europe/Berlin")
    assert "until Sat 1 Jul 2090 08:00 (Europe/Berlin)" in said.out
    assert done(carecircle, ward, "show", "Ward 1")["members"][0]["ends_at"] == "2090-07-01T06:00:00Z"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("add", "Ward 1", "nobody"), 5),
        (("remove", "Ward 1", "doctor"), 5),
        (("change", "Ward 1", "doctor", "--role", "nurse"), 5),
        (("change", "Ward 1", "doctor"), 7),
        (("take", "Ward 1", "patient2"), 5),
        (("give", "Ward 1", "nobody"), 5),
        (("give", "Ward 1", "patient"), 6),
        (("add", "Ward 1", "doctor", "--actions", ","), 7),
        (("add", "Ward 1", "doctor", "--role", "Head Nurse"), 7),
        (("create", " "), 7),
        (("create",), 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_refusals_end_as_others_do(carecircle: Command, ward: str, words: tuple[str, ...], code: int) -> None:
    ran: Ran = carecircle("team", *words, organization=ward)
    assert (ran.code, ran.out) == (code, ""), ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_shows_an_example(carecircle: Command, command: str) -> None:
    ran = carecircle("team", command, "--help", COLUMNS="200")
    assert (ran.code, "Example: " in ran.out) == (0, True)
