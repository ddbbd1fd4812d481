"""Coverage from the command line: who stands in, in which turns, what goes wrong, and who answers for a patient."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from carecircle.cli.clock import Clock
from carecircle.cli.coverage_attention import Attention
from carecircle.cli.coverage_picture import print_picture
from carecircle.cli.coverage_words import Known
from carecircle.identifiers import new_id
from carecircle.period import Period
from tests.cli.conftest import Command
from tests.cli.test_changes import entries

COMMANDS = ["add", "rota", "end", "away", "back", "list", "forecast", "responsible"]
BERLIN = ("--time-zone", "Europe/Berlin")


def later(hours: float) -> str:
    """An instant so many hours from now, as somebody types it."""
    return (datetime.now(UTC) + timedelta(hours=hours)).isoformat(timespec="seconds")


def done(carecircle: Command, slug: str, *words: str, code: int = 0) -> dict[str, Any]:
    ran = carecircle("coverage", *words, "-o", "json", organization=slug)
    assert ran.code == code, ran.out + ran.err
    told: dict[str, Any] = ran.json
    return told


def may(carecircle: Command, slug: str, provider: str) -> bool:
    ran = carecircle("check", provider, "read", "patient", organization=slug)
    assert ran.code in (0, 10), ran.err
    return ran.code == 0


@pytest.fixture
def clinic(carecircle: Command, own: str) -> str:
    """An organization whose patient has `doctor` as primary; `other` and `third` work there too."""
    added = carecircle("provider", "add", "--identifier", "third", "--name", "Dr. Third", organization=own)
    assert added.code == 0
    assert carecircle("assign", "primary", "patient", "doctor", organization=own).code == 0
    return own


def test_standing_in_lets_in_and_is_taken_back(carecircle: Command, clinic: str) -> None:
    ran = carecircle("coverage", "add", "doctor", "third", "--until", later(12), organization=clinic)
    assert ran.code == 0, ran.err
    assert ran.lines[0].startswith("Dr. Third covers ")
    assert "for all patients, in full, from " in ran.lines[0]
    assert may(carecircle, clinic, "third")
    (line,) = [line for line in ran.err.splitlines() if line.startswith("Take it back with: ")]
    ended = carecircle(*shlex.split(line)[5:], "-o", "json", organization=clinic)
    assert ended.code == 0, ended.err
    assert not may(carecircle, clinic, "third")
    (again,) = ended.json["undo"]
    assert carecircle(*shlex.split(again)[1:], organization=clinic).code == 0
    assert may(carecircle, clinic, "third")


def test_ending_what_lies_ahead_is_taken_back_from_its_beginning(carecircle: Command, clinic: str) -> None:
    words = (
        "add",
        "doctor",
        "other",
        "--from",
        later(24),
        "--until",
        later(30),
        "--type",
        "on-call",
        "--patient",
        "patient",
    )
    (row,) = done(carecircle, clinic, *words)["rows"]
    ended = done(carecircle, clinic, "end", row["arrangement"])
    assert done(carecircle, clinic, "list")["rows"] == []
    assert carecircle(*shlex.split(ended["undo"][0])[1:], organization=clinic).code == 0
    (again,) = done(carecircle, clinic, "list")["rows"]
    kept = ("covered", "covering", "type", "patient", "may", "starts_at", "duty_ends_at")
    assert {name: again[name] for name in kept} == {name: row[name] for name in kept}
    assert not may(carecircle, clinic, "other")


def test_a_circle_is_arranged_and_told(carecircle: Command, clinic: str) -> None:
    done(carecircle, clinic, "add", "doctor", "other", "--until", later(12))
    closed = carecircle("coverage", "add", "other", "doctor", "--until", later(6), organization=clinic)
    assert closed.code == 11
    assert closed.lines[-1].startswith("CIRCLE  ")
    assert sum(line.startswith("STOPS") for line in closed.lines) == 0
    responsible = carecircle("coverage", "responsible", "patient", organization=clinic)
    assert (responsible.code, responsible.lines[0].startswith("NOBODY answers")) == (11, True)
    assert "on this chain already" in responsible.out
    kinds = {one["kind"] for one in done(carecircle, clinic, "forecast", code=11)["attention"]}
    assert "circle" in kinds


def test_two_for_the_same_are_arranged_and_told(carecircle: Command, clinic: str) -> None:
    done(carecircle, clinic, "add", "doctor", "other", "--until", later(12))
    second = done(carecircle, clinic, "add", "doctor", "third", "--from", later(6), "--until", later(24), code=11)
    assert [one["kind"] for one in second["attention"]] == ["twice"]
    assert len(done(carecircle, clinic, "list")["rows"]) == 2
    refused = carecircle("coverage", "add", "doctor", "third", "--until", later(24), organization=clinic)
    assert (refused.code, "overlapping-coverage" in refused.err) == (6, True)
    assert entries(carecircle, clinic, "kind, code")[-1] == ["refusal", "overlapping-coverage"]


def test_the_chain_says_where_access_stops_and_the_remedy_helps(carecircle: Command, clinic: str) -> None:
    done(carecircle, clinic, "add", "doctor", "other", "--until", later(12))
    alone = done(carecircle, clinic, "responsible", "patient")
    assert [link["has_access"] for link in alone["chain"]] == [True, True]
    broken = done(carecircle, clinic, "add", "other", "third", "--until", later(24), code=11)
    assert [one["kind"] for one in broken["attention"]] == ["covering-provider-covered"]
    chain = carecircle("coverage", "responsible", "patient", organization=clinic)
    assert chain.code == 11
    assert chain.lines[0] == "Dr. Third answers for this patient now, but MAY NOT read the record."
    assert "Access stops at Dr. Third, until " in chain.out
    assert not may(carecircle, clinic, "third")
    remedy = shlex.split(chain.err.strip().splitlines()[-1])
    assert carecircle(*remedy[1:], organization=clinic).code in (0, 11)
    assert may(carecircle, clinic, "third")


def test_a_patient_without_a_primary_has_nobody(carecircle: Command, own: str) -> None:
    ran = carecircle("coverage", "responsible", "patient", organization=own)
    assert (ran.code, "no primary provider" in ran.out) == (11, True)


def test_being_away_shows_who_is_not_covered(carecircle: Command, clinic: str) -> None:
    gone = done(carecircle, clinic, "away", "doctor", "--from", later(24), "--until", later(48), code=11)
    assert [one["kind"] for one in gone["attention"]] == ["absent-without-coverage"]
    done(carecircle, clinic, "add", "doctor", "third", "--from", later(23), "--until", later(49))
    covered = carecircle("coverage", "forecast", organization=clinic)
    assert (covered.code, "nothing needs attention" in covered.out) == (0, True)
    ended = done(carecircle, clinic, "list")["rows"][0]["arrangement"]
    uncovered = done(carecircle, clinic, "end", ended, code=11)
    assert [one["kind"] for one in uncovered["attention"]] == ["absent-without-coverage"]
    forecast = carecircle("coverage", "forecast", *BERLIN, organization=clinic)
    assert forecast.code == 11
    assert forecast.out.count("NOBODY") == 1
    assert "!" in forecast.out
    (line,) = gone["undo"]
    assert carecircle(*shlex.split(line)[1:], organization=clinic).code == 0
    assert carecircle("coverage", "forecast", organization=clinic).code == 0
    assert carecircle("coverage", "back", "doctor", organization=clinic).code == 5


def test_being_away_takes_no_access_and_ends_with_being_back(carecircle: Command, clinic: str) -> None:
    done(carecircle, clinic, "away", "doctor", code=11)
    assert may(carecircle, clinic, "doctor")
    assert done(carecircle, clinic, "list")["away"][0]["ends_at"] is None
    back = done(carecircle, clinic, "back", "doctor")
    assert done(carecircle, clinic, "list")["away"] == []
    assert carecircle(*shlex.split(back["undo"][0])[1:], organization=clinic).code == 11
    assert len(done(carecircle, clinic, "list")["away"]) == 1


ROTA = ("rota", "doctor", "other", "third", "--first", "2090-03-25 18:00", "--rule", "FREQ=DAILY;COUNT=3", *BERLIN)


@pytest.mark.parametrize("lasts", ["14h", "08:00"])
def test_the_turns_of_a_rota_are_right_when_the_clocks_change(carecircle: Command, clinic: str, lasts: str) -> None:
    ran = carecircle("coverage", *ROTA, "--lasts", lasts, "--preview", organization=clinic)
    assert ran.code == 0, ran.err
    assert ran.lines[1].split()[:1] == ["1"]
    assert "Sat 25 Mar 2090 18:00 +01:00  Sun 26 Mar 2090 08:00 +02:00  13" in ran.out
    assert "clocks change: 1 h shorter" in ran.out
    assert "Nothing was changed" in ran.err
    assert done(carecircle, clinic, "list", "--ahead", "4000w")["rows"] == []
    turns = done(carecircle, clinic, *ROTA, "--lasts", lasts, "--preview")["turns"]
    assert turns[0]["starts_local"] == "2090-03-25T18:00:00+01:00"
    rows = done(carecircle, clinic, *ROTA, "--lasts", lasts)["rows"]
    assert [(row["covering"], row["starts_at"]) for row in rows] == [
        (turn["covering"], turn["starts_at"]) for turn in turns
    ]
    assert len({row["arrangement"] for row in rows}) == 1
    only = done(carecircle, clinic, "end", rows[0]["arrangement"], "--only", "third")
    assert len(only["rows"]) == 1
    assert len(done(carecircle, clinic, "list", "--ahead", "4000w")["rows"]) == 2


def test_only_the_patients_of_one_team(carecircle: Command, clinic: str) -> None:
    for words in (("create", "Ward 1"), ("give", "Ward 1", "patient"), ("add", "Ward 1", "other")):
        assert carecircle("team", *words, organization=clinic).code == 0
    ran = carecircle("coverage", "add", "other", "third", "--until", later(2), "--team", "ward 1", organization=clinic)
    assert "for the patients of Ward 1" in ran.out
    assert "is not on this team" not in ran.out
    useless = carecircle(
        "coverage", "add", "doctor", "other", "--until", later(2), "--team", "ward 1", organization=clinic
    )
    assert "is not on this team now" in useless.out
    assert may(carecircle, clinic, "third")
    listed = carecircle("coverage", "list", "--provider", "third", *BERLIN, organization=clinic)
    assert "now    by Dr. Third" in listed.out


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("add", "doctor", "nobody", "--until", "2090-01-01"), 5),
        (("add", "doctor", "doctor", "--until", "2090-01-01"), 7),
        (("add", "doctor", "other", "--until", "2020-01-01"), 7),
        (("add", "doctor", "other", "--until", "tomorrow"), 7),
        (("add", "doctor", "other", "--until", "2090-01-01", "--actions", "fly"), 7),
        (("add", "doctor", "other", "--until", "2090-01-01", "--team", "Nowhere"), 5),
        (("add", "doctor", "other"), 2),
        (("add", "doctor", "other", "--until", "2090-01-01", "--type", "half"), 2),
        (("end", "01JD3V5T6Z0000000000000000"), 5),
        (("end", "the first"), 7),
        (("list", "--ahead", "soon"), 7),
        (("responsible", "nobody"), 5),
        (("back", "doctor"), 5),
        ((*ROTA, "--lasts", "14h", "--preview", "--until", "2090-03-01"), 7),
        ((*ROTA, "--lasts", "long"), 7),
        ((*ROTA, "--lasts", "25:00"), 7),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_refusals_end_as_others_do(carecircle: Command, clinic: str, words: tuple[str, ...], code: int) -> None:
    ran = carecircle("coverage", *words, organization=clinic)
    assert (ran.code, ran.out) == (code, ""), ran.err
    assert "Traceback" not in ran.err


def test_a_preview_finds_whom_nobody_knows(carecircle: Command, clinic: str) -> None:
    words = [one if one != "third" else "nobody" for one in ROTA]
    assert carecircle("coverage", *words, "--lasts", "14h", "--preview", organization=clinic).code == 5


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_shows_an_example(carecircle: Command, command: str) -> None:
    ran = carecircle("coverage", command, "--help", COLUMNS="200")
    assert (ran.code, "Example: " in ran.out) == (0, True)


def test_an_hour_that_comes_twice_is_told_with_its_distance_from_utc() -> None:
    clock = Clock.of("Europe/Berlin")
    first, second = (datetime(2090, 10, 29, hour, 30, tzinfo=UTC) for hour in (0, 1))
    assert clock.tell(first) == "Sun 29 Oct 2090 02:30 (UTC+02:00)"
    assert clock.tell(second) == "Sun 29 Oct 2090 02:30 (UTC+01:00)"
    assert clock.instant("2090-10-29 02:30") == first
    assert clock.instant("2090-10-29") == datetime(2090, 10, 28, 22, tzinfo=UTC)
    assert clock.span(Period(second, second + timedelta(hours=8))).endswith("until Sun 29 Oct 2090 10:30")
    assert clock.span(Period(second + timedelta(hours=1), second + timedelta(hours=8))).endswith("03:30 until 10:30")


def test_the_picture_marks_each_part_of_a_day(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock.of("Europe/Berlin")
    midnight = datetime(2090, 3, 25, 23, tzinfo=UTC)  # of the Sunday on which the clocks go forward

    def hours(first: float, last: float) -> Period:
        return Period(midnight + timedelta(hours=first), midnight + timedelta(hours=last))

    one, other = new_id(), new_id()
    found = [
        Attention("absent-without-coverage", (one,), hours(13, 23)),
        Attention("circle", (one, other), hours(23, 27)),
    ]
    print_picture(hours(5, 47), found, [], [], Known({one: "One", other: "Other"}, {}), clock)
    days, first, second, *_ = capsys.readouterr().out.splitlines()
    assert days == "       Sun 26      Mon 27"
    # Two hours a mark, by the clock: six hours of Sunday are over, although only five have passed.
    assert first == "One       ····!!!!!@@··········"
    assert second == "Other     ·········@@··········"
