"""break-glass: asked for, told, decided, extended, ended, reviewed and counted from a terminal; and what is refused."""

from __future__ import annotations

import io
import re
import stat
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest

from carecircle.cli.break_glass_figures import picture
from carecircle.cli.break_glass_options import How
from carecircle.cli.break_glass_words import DUTIES, ENDED, SAID, SIGNALS, length, reason
from carecircle.cli.output import Output
from carecircle.directory.duty_service import DUTIES as KNOWN_DUTIES
from carecircle.emergency.figures_service import spread
from carecircle.emergency.report_page import SIGNALS as REPORTED
from carecircle.emergency.rules import VERDICTS
from tests.cli.conftest import Command
from tests.cli.test_changes import entries
from tests.cli.ward import asked, give_duties, glass

WORDS = "Found unconscious at the station"


@pytest.fixture
def ward(carecircle: Command, own: str) -> str:
    give_duties(own)
    return own


def test_the_answer_says_in_one_glance_what_is_open_and_for_how_long(carecircle: Command, ward: str) -> None:
    assert carecircle("check", "doctor", "read", "patient", organization=ward).code == 10
    ran = glass(
        carecircle, ward, "request", "patient", "--as", "doctor", "--reason", "life-threat", "--attest",
        "--time-zone", "Europe/Berlin",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    first = ran.lines[0]
    assert first.startswith("OPEN BG-")
    assert "may read for 15 min, until " in first
    assert "(not approved yet)" in first
    assert "a supervisor must decide by" in ran.out
    assert "(5 min left)" in ran.out
    assert "(Europe/Berlin)" in ran.out
    assert " (supervisor)\n" in ran.out
    assert max(map(len, ran.lines)) <= 80
    [line] = [line for line in ran.err.splitlines() if line.startswith("End it: ")]
    assert carecircle("check", "doctor", "read", "patient", organization=ward).code == 0
    assert carecircle("check", "doctor", "write", "patient", organization=ward).code == 10
    ended = carecircle(*line.removeprefix("End it: carecircle ").split(), organization=ward)
    assert (ended.code, ended.lines[0].startswith("ENDED BG-")) == (0, True)
    assert carecircle("check", "doctor", "read", "patient", organization=ward).code == 10


def test_data_has_ids_instants_and_who_was_told_but_no_words(carecircle: Command, ward: str) -> None:
    told = asked(carecircle, ward, "--words", WORDS)
    assert (told["state"], told["open"], told["mode"], told["scope"]) == ("provisional", True, "provisional", ["read"])
    assert len(told["told"]) == 1
    assert told["signals"] == []
    assert set(told["next"]) == {"end"}
    listed = glass(carecircle, ward, "list", "--pending", "-o", "ndjson")
    [line] = listed.lines
    assert orjson.loads(line)["reference"] == told["reference"]
    shown = glass(carecircle, ward, "show", told["reference"].lower(), "-o", "json").json
    assert (shown["words"], len(shown["approvers"])) == (WORDS, 5)
    assert "sign-in-not-said" in shown["signals"]
    for ran in (
        listed,
        glass(carecircle, ward, "list"),
        glass(carecircle, ward, "end", told["emergency"], "--as", "doctor"),
    ):
        assert WORDS not in ran.out + ran.err
    read = [code for _, code in entries(carecircle, ward, "kind, code") if str(code).startswith("emergency-")]
    assert read == ["emergency-opened", "emergency-listed", "emergency-read", "emergency-listed", "emergency-ended"]


def test_it_is_attested_and_has_a_reason(carecircle: Command, ward: str) -> None:
    request = ("request", "patient", "--as", "doctor")
    for words, code in (
        (("--reason", "life-threat"), "attestation-required"),
        (("--attest",), "reason-required"),
        (("--attest", "--reason", "other"), "reason-required"),
        (("--attest", "--reason", "nonsense"), "reason-required"),
        (("--attest", "--reason", "life-threat", "--scope", ","), "invalid-request"),
    ):
        ran = glass(carecircle, ward, *request, *words)
        assert (ran.code, code in ran.err) == (7, True), (words, ran.err)
    assert glass(carecircle, ward, "list", "-o", "json").json["emergencies"] == []
    helped = glass(carecircle, ward, "request", "--help", COLUMNS="200", TERM="dumb").out
    assert "cross-cover" in helped


def test_words_come_from_standard_input(carecircle: Command, ward: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(f"{WORDS} ü\n".encode())))
    told = asked(carecircle, ward, "--words", "-")
    assert glass(carecircle, ward, "show", told["reference"], "-o", "json").json["words"] == f"{WORDS} ü"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xff\xfe")))
    ran = glass(carecircle, ward, "answer", told["reference"], "--as", "doctor", "--words", "-")
    assert (ran.code, "invalid-input" in ran.err) == (7, True)


class Typing(io.StringIO):
    """Somebody at a terminal who types these lines."""

    def isatty(self) -> bool:
        return True


def test_on_a_terminal_it_asks_for_a_reason_and_the_attestation(
    carecircle: Command, ward: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", Typing("9\n7\nNot known here\nn\n"))
    ran = glass(carecircle, ward, "request", "patient", "--as", "doctor")
    assert (ran.code, "nobody was told" in ran.err) == (0, True), ran.err
    assert "7  Something else, said in words (other)" in ran.err
    assert "It is recorded, and a supervisor is told now. Open it?" in ran.err
    assert glass(carecircle, ward, "list", "-o", "json").json["emergencies"] == []
    monkeypatch.setattr(sys, "stdin", Typing("2\ny\n"))
    assert (
        glass(carecircle, ward, "request", "patient", "--as", "doctor", "-o", "json").json["reason"] == "unresponsive"
    )
    [one] = glass(carecircle, ward, "list", "-o", "json").json["emergencies"]
    monkeypatch.setattr(sys, "stdin", Typing("Not here\nn\n"))
    kept = glass(carecircle, ward, "deny", one["reference"], "--as", "boss")
    assert (kept.code, "Nothing was changed" in kept.err) == (0, True)
    monkeypatch.setattr(sys, "stdin", Typing("Not here\ny\n"))
    assert "DENIED BG-" in glass(carecircle, ward, "deny", one["reference"], "--as", "boss").lines[0]


def test_more_than_usual_opens_all_the_same_and_takes_two(carecircle: Command, ward: str, tmp_path: Path) -> None:
    policy = tmp_path / "policy.json"
    policy.write_text('{"emergency_opened_a_day": 1}')
    assert carecircle("policy", "set", str(policy), organization=ward).code == 0
    assert carecircle("patient", "add", "--identifier", "another", organization=ward).code == 0
    asked(carecircle, ward)
    request = ("request", "another", "--as", "doctor", "--reason", "disaster", "--attest")
    ran = glass(carecircle, ward, *request)
    assert (ran.code, ran.lines[0].startswith("OPEN BG-")) == (0, True), ran.err
    assert "two people must decide by" in ran.out
    assert "(privacy office" in ran.out
    assert "more of it than usual" not in ran.out, "what stands out is for whoever decides"
    name = ran.lines[0].split()[1].rstrip(":")
    first = glass(carecircle, ward, "approve", name, "--as", "boss")
    assert (first.code, "(not approved yet)" in first.lines[0]) == (0, True)
    assert "has approved; a second person must decide by" in " ".join(first.out.split())
    assert "more of it than usual" in first.out
    assert glass(carecircle, ward, "approve", name, "--as", "boss").code == 4
    second = glass(carecircle, ward, "approve", name, "--as", "manager")
    assert (second.code, "(approved)" in second.lines[0]) == (0, True)


def test_nobody_on_duty_is_said(carecircle: Command, own: str) -> None:
    assert carecircle("duty", "add", "break_glass", "doctor", organization=own).code == 0
    ran = glass(carecircle, own, "request", "patient", "--as", "doctor", "--reason", "disaster", "--attest")
    assert (ran.code, ran.lines[0].startswith("OPEN BG-")) == (0, True), ran.err
    assert "told       NOBODY" in ran.out
    assert "no supervisor was on duty" in ran.out


def test_who_may_not_is_refused_and_a_second_time_names_the_first(carecircle: Command, ward: str) -> None:
    refused = glass(carecircle, ward, "request", "patient", "--as", "other", "--reason", "consult", "--attest")
    assert (refused.code, "may-not-break-glass" in refused.err) == (4, True)
    assert entries(carecircle, ward, "kind, code")[-1] == ["refusal", "may-not-break-glass"]
    told = asked(carecircle, ward)
    again = glass(carecircle, ward, "request", "patient", "--as", "doctor", "--reason", "consult", "--attest")
    assert (again.code, told["reference"] in again.err, "emergency-access-open" in again.err) == (6, True, True)


def test_a_conversation_then_approved_for_less_extended_and_taken_back(carecircle: Command, ward: str) -> None:
    name = asked(carecircle, ward, "--scope", "read,write")["reference"]
    assert glass(carecircle, ward, "acknowledge", name, "--as", "boss").code == 0
    assert glass(carecircle, ward, "ask", name, "--as", "boss", "--words", "Which bed?").code == 0
    assert glass(carecircle, ward, "answer", name, "--as", "doctor", "--words", "Bed 12").code == 0
    for words in (("ask", name, "--as", "boss"), ("answer", name, "--as", "doctor")):
        assert glass(carecircle, ward, *words).code == 7
    assert glass(carecircle, ward, "approve", name, "--as", "doctor").code == 4
    assert glass(carecircle, ward, "approve", name, "--as", "other").code == 4
    approved = glass(carecircle, ward, "approve", name, "--as", "boss", "--hours", "2")
    assert approved.code == 0, approved.err
    assert "may read for 2 h, until" in approved.lines[0]
    assert "not given  write" in approved.out
    assert "Deny and end: carecircle break-glass deny" in approved.err
    assert glass(carecircle, ward, "approve", name, "--as", "second").code == 6
    more = glass(
        carecircle, ward, "extend", name, "--as", "doctor", "--hours", "3", "--reason", "other", "--words", "Still here"
    )
    assert more.code == 0, more.err
    assert "must decide about more time by" in more.out
    assert glass(carecircle, ward, "approve", name, "--as", "second").code == 0
    denied = glass(carecircle, ward, "deny", name, "--as", "boss", "--words", "Moved on")
    assert (denied.code, "confirmation-required" in denied.err) == (7, True)
    denied = glass(carecircle, ward, "deny", name, "--as", "boss", "--words", "Moved on", "--yes")
    assert (denied.code, denied.lines[0].startswith("DENIED BG-"), "Undo" in denied.err) == (0, True, False)
    assert carecircle("check", "doctor", "read", "patient", organization=ward).code == 10
    shown = glass(carecircle, ward, "show", name).out
    for said in ('asks: "Which bed?"', 'answers: "Bed 12"', 'decided: "Moved on"', '"Still here"', "has seen it"):
        assert said in " ".join(shown.split())
    assert glass(carecircle, ward, "approve", name, "--as", "boss").code == 6


def test_what_was_denied_waits_the_next_time(carecircle: Command, ward: str) -> None:
    name = asked(carecircle, ward)["reference"]
    assert glass(carecircle, ward, "deny", name, "--as", "boss", "--words", "No", "--yes").code == 0
    ran = glass(carecircle, ward, "request", "patient", "--as", "doctor", "--reason", "transfer", "--attest")
    assert ran.code == 0, ran.err
    assert ran.lines[0].endswith("NOTHING IS OPEN until a supervisor approves it.")
    assert ran.lines[0].startswith("WAITING BG-")
    assert "asked again after nobody decided, or after a denial" in ran.out
    [waiting] = glass(carecircle, ward, "list", "--pending", "--as", "boss", "-o", "json").json["emergencies"]
    assert (waiting["open"], waiting["state"]) == (False, "requested")
    assert glass(carecircle, ward, "list", "--open", "-o", "json").json["emergencies"] == []
    assert glass(carecircle, ward, "list", "--pending", "--as", "other", "-o", "json").json["emergencies"] == []
    assert glass(carecircle, ward, "approve", waiting["emergency"], "--as", "second").code == 0
    [opened] = glass(carecircle, ward, "list", "--open", "-o", "json").json["emergencies"]
    assert opened["emergency"] == waiting["emergency"]


def test_a_discharge_ends_all_and_a_review_by_another_closes_it(carecircle: Command, ward: str) -> None:
    told = asked(carecircle, ward)
    name = told["reference"]
    assert glass(carecircle, ward, "approve", name, "--as", "office").code == 0
    early = glass(carecircle, ward, "review", name, "--as", "auditor", "--verdict", "justified")
    assert (early.code, "not-yet-ended" in early.err) == (6, True)
    ended = glass(carecircle, ward, "discharge", "patient")
    assert (ended.code, "with the patient's discharge" in ended.out) == (0, True)
    assert "Nothing was open" in glass(carecircle, ward, "discharge", "patient").err
    [due] = glass(carecircle, ward, "list", "--to-review", "-o", "json").json["emergencies"]
    assert due["emergency"] == told["emergency"]
    left = datetime.fromisoformat(due["review_due_at"]) - datetime.now(UTC)
    assert timedelta(hours=71, minutes=50) < left <= timedelta(hours=72)
    assert re.search(r"in (3 days|2 days 23 h)", glass(carecircle, ward, "list", "--to-review").out)
    own = glass(carecircle, ward, "review", name, "--as", "office", "--verdict", "justified")
    assert (own.code, "own-review" in own.err) == (4, True)
    assert glass(carecircle, ward, "review", name, "--as", "auditor", "--verdict", "splendid").code == 2
    done = glass(carecircle, ward, "review", name, "--as", "auditor", "--verdict", "concern", "--words", "Why?")
    assert (done.code, done.lines[0]) == (0, f"REVIEWED {name}: concern.")
    assert glass(carecircle, ward, "list", "--to-review", "-o", "json").json["emergencies"] == []


def test_what_was_done_on_paper_is_entered_and_lets_nobody_in(carecircle: Command, ward: str) -> None:
    now = datetime.now(UTC)
    period = ("--from", (now - timedelta(hours=2)).isoformat(), "--until", (now - timedelta(hours=1)).isoformat())
    words = ("record-downtime", "patient", "--as", "doctor", "--reason", "life-threat", "--words", "Form 12", *period)
    made = glass(carecircle, ward, *words)
    assert (made.code, made.lines[0].startswith("RECORDED BG-")) == (0, True), made.err
    assert "NOBODY" not in made.out
    assert glass(carecircle, ward, *words).code == 6
    assert carecircle("check", "doctor", "read", "patient", organization=ward).code == 10
    [due] = glass(carecircle, ward, "list", "--to-review", "-o", "json").json["emergencies"]
    assert due["mode"] == "downtime"
    told = glass(carecircle, ward, "report", due["reference"])
    assert (told.code, "Used while carecircle could not be asked" in told.out) == (0, True)
    assert glass(carecircle, ward, "review", due["reference"], "--as", "office", "--verdict", "justified").code == 0


def test_a_report_is_told_kept_privately_and_never_written_over(carecircle: Command, ward: str, tmp_path: Path) -> None:
    name = asked(carecircle, ward, "--words", WORDS)["reference"]
    assert carecircle("check", "doctor", "read", "patient", organization=ward).code == 0
    told = glass(carecircle, ward, "report", name)
    assert told.code == 0, told.err
    for said in (WORDS, "opened 1 time", "Record opened for the first time", "Opened provisionally, to read"):
        assert said in " ".join(told.out.split())
    data = glass(carecircle, ward, "report", name, "--json").json
    assert data["emergency"]["reference"] == name
    assert glass(carecircle, ward, "report", name, "-o", "json").json["emergency"] == data["emergency"]
    assert glass(carecircle, ward, "report", name, "-o", "csv").code == 7
    page = tmp_path / "report.html"
    assert glass(carecircle, ward, "report", name, "--html", str(page)).code == 0
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    assert WORDS in page.read_text()
    before = page.read_bytes()
    assert glass(carecircle, ward, "report", name, "--html", str(page)).code == 7
    assert page.read_bytes() == before
    assert glass(carecircle, ward, "report", name, "--html", str(tmp_path)).code == 0
    assert len(list(tmp_path.glob("emergency-access-*.html"))) == 1
    assert glass(carecircle, ward, "report", name, "--html", str(tmp_path / "no" / "where.html")).code == 7


def test_figures_are_told_drawn_and_written(carecircle: Command, ward: str) -> None:
    assert "nothing was decided yet" in glass(carecircle, ward, "figures").out
    name = asked(carecircle, ward)["reference"]
    assert glass(carecircle, ward, "approve", name, "--as", "boss").code == 0
    told = glass(carecircle, ward, "figures")
    assert told.code == 0, told.err
    assert "Life-threatening emergency (life-threat)" in told.out
    assert "Time to a decision (1 decision)" in told.out
    assert max(map(len, told.lines)) <= 80
    assert glass(carecircle, ward, "figures", "-o", "json").json["approved"] == 1
    rows = glass(carecircle, ward, "figures", "-o", "csv").lines
    assert (rows[0], sum(int(row.split(",")[1]) for row in rows[1:])) == ("seconds,count", 1)
    ahead = glass(carecircle, ward, "figures", "--from", "2031-01-01", "-o", "json").json
    assert (ahead["asked"], ahead["approved"]) == (0, 0)


def test_one_is_named_by_its_id_or_a_recent_reference(carecircle: Command, ward: str) -> None:
    told = asked(carecircle, ward)
    for name in (told["emergency"], told["reference"], told["reference"].lower()):
        assert glass(carecircle, ward, "show", name).code == 0
    for name, code, said in (
        ("BG-000000", 5, "emergency-access-not-found"),
        ("nonsense", 7, "invalid-identifier"),
        ("01M80000000000000000000000", 5, "emergency-access-not-found"),
    ):
        ran = glass(carecircle, ward, "show", name)
        assert (ran.code, said in ran.err) == (code, True), ran.err


def test_choices_that_contradict_each_other_are_refused(carecircle: Command, ward: str) -> None:
    for words in (
        ("--pending", "--open"),
        ("--as", "boss"),
        ("--to-review", "--provider", "doctor"),
        ("--within", "soon"),
    ):
        assert glass(carecircle, ward, "list", *words).code == 7, words
    assert glass(carecircle, ward, "watch", "-o", "json").code == 7


def test_every_command_has_an_example(carecircle: Command) -> None:
    names = (
        "request", "answer", "extend", "end", "list", "show", "approve", "deny", "ask", "acknowledge", "watch", "review",
        "report", "figures", "record-downtime", "discharge",
    )  # fmt: skip
    for name in names:
        ran = carecircle("break-glass", name, "--help")
        assert (ran.code, f"Example: carecircle break-glass {name}" in " ".join(ran.out.split())) == (0, True), name


def test_every_code_has_its_words() -> None:
    assert set(SIGNALS) == set(REPORTED)
    assert set(DUTIES) == set(KNOWN_DUTIES)
    assert set(SAID) == {"acknowledged", "asked", "answered", "decided", "reviewed", "converted", "escalated"}
    assert set(ENDED) == {
        "clinician", "discharge", "relationship", "expired", "offboarded", "merged", "parted",
    }  # fmt: skip
    assert reason("ward-code") == "ward-code"
    from carecircle.cli.break_glass_after import Verdict

    assert tuple(Verdict) == VERDICTS
    assert {how.value for how in How} == {how.value for how in Output} | {"ndjson"}


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (-5, "0 s"), (45, "45 s"), (899, "15 min"), (900, "15 min"), (890, "14 min"), (3600, "1 h"), (5400, "1 h 30 min"),
        (86_399, "24 h"), (72 * 3600 - 1, "3 days"), (75 * 3600, "3 days 3 h"),
    ],
)  # fmt: skip
def test_how_long_is_said_in_two_units(seconds: int, told: str) -> None:
    assert length(timedelta(seconds=seconds)) == told


def test_the_picture_has_a_bar_for_each_span_and_the_aim_between_them() -> None:
    drawn = picture(spread([20.0] * 8 + [100.0] * 4 + [400.0, 7200.0]))
    assert drawn[0].startswith("Time to a decision (14 decisions)")
    aim = next(place for place, line in enumerate(drawn) if "5 minutes" in line)
    assert "3 min to 5 min" in drawn[aim - 1]
    assert "86%" in drawn[aim - 1]
    assert drawn[aim + 1].split()[-2:] == ["1", "93%"]
    assert "over 60 min" in drawn[-2]
    assert drawn[-1] == "Half within 20 s; 90 of 100 within 6 min 40 s; the longest 2 h."
    assert max(map(len, drawn)) <= 80
    longest = max(drawn[1:-1], key=lambda line: line.count("█"))
    assert (longest.count("█"), "15 s to 30 s" in longest) == (32, True)
