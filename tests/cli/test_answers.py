"""Answers in words, as a tree, as JSON and as CSV."""

from __future__ import annotations

import csv
import io

from carecircle.cli.output import formula_safe
from tests.cli.conftest import Command


def test_a_denial_says_what_came_nearest_and_what_helps(carecircle: Command) -> None:
    ran = carecircle("check", "novak", "read", "N-0003")
    assert ran.lines[0] == "DENIED: Dr. Petr Novak may not read this patient's record now."
    assert "consulting provider, which ended" in ran.out
    assert "renew" in ran.out
    assert ran.lines[-1].startswith("  recorded  entry ")


def test_the_same_question_as_of_then_is_allowed(carecircle: Command) -> None:
    history = carecircle("assign", "history", "N-0003", "-o", "json").json["assignments"]
    ended = next(row for row in history if row["type"] == "consulting")
    assert carecircle("check", "novak", "read", "N-0003", "--as-of", ended["starts_at"]).code == 0
    assert carecircle("check", "novak", "read", "N-0003", "--as-of", ended["ends_at"]).code == 10


def test_a_corrected_mistake_is_denied_now_and_explained_then(carecircle: Command) -> None:
    history = carecircle("assign", "history", "N-0004", "-o", "json").json["assignments"]
    mistake = next(row for row in history if row["superseded_at"])
    instead = next(row for row in history if row["type"] == "consulting" and not row["superseded_at"])
    assert carecircle("check", mistake["provider"], "read", "N-0004").code == 10
    assert carecircle("check", instead["provider"], "read", "N-0004").code == 0
    before = carecircle("check", instead["provider"], "read", "N-0004", "--believed-at", mistake["recorded_at"])
    assert before.code == 10


def test_explain_is_a_tree_with_every_row(carecircle: Command) -> None:
    ran = carecircle("check", "moreau", "write", "N-0002", "--explain")
    assert ran.code == 0
    assert "├── what held" in ran.out
    assert "a seat on a care team that looks after the patient" in ran.out
    assert "under it, the team's patient: row" in ran.out


def test_a_decision_as_json(carecircle: Command) -> None:
    told = carecircle("check", "moreau", "order", "N-0002", "-o", "json", "--explain").json
    assert told["schema_version"] == 1
    assert (told["allowed"], told["code"]) == (False, "action-not-granted")
    assert told["bases"] == []
    assert told["nearest"]["lack"] == "action-not-granted"
    assert told["missing"][0] == told["nearest"]
    assert told["remedies"][0]["kind"] == "widen-scope"
    assert told["nearest"]["ends_at"] is None
    assert len(told["entry"]) == 26


def test_a_decision_as_csv_is_one_row(carecircle: Command) -> None:
    (row,) = csv.DictReader(io.StringIO(carecircle("check", "okafor", "read", "N-0001", "-o", "csv").out))
    assert (row["allowed"], row["bases"]) == ("true", "primary")


def test_lists_agree_with_the_check_and_name_providers(carecircle: Command) -> None:
    told = carecircle("who-can", "N-0002", "order", "-o", "json").json
    assert (told["code"], told["count"]) == ("listed", len(told["providers"]))
    names = {row["name"] for row in told["providers"]}
    assert {"Dr. Jonas Brandt", "Dr. Chiara Rossi"} <= names
    assert "Claire Moreau" not in names
    patients = csv.DictReader(io.StringIO(carecircle("panel", "moreau", "-o", "csv").out))
    patient = carecircle("check", "moreau", "read", "N-0002", "-o", "json").json["patient"]
    assert patient in {row["patient"] for row in patients}


def test_findings_as_json_and_none_of_them(carecircle: Command, own: str) -> None:
    ran = carecircle("quality", "findings", "-o", "json")
    assert ran.code == 11
    assert {row["code"] for row in ran.json["findings"]} >= {"primary-already-assigned", "period-ends-before-start"}
    assert ran.json["open"]["primary-already-assigned"] == 2
    none = carecircle("quality", "findings", "-o", "json", organization=own)
    assert (none.code, none.json["findings"]) == (0, [])


def test_a_name_cannot_become_a_formula_or_speak_to_the_terminal(carecircle: Command, own: str) -> None:
    name = "=cmd()\x1b[2J"
    added = carecircle("provider", "add", "--identifier", "evil", "--name", name, organization=own)
    assert added.code == 0
    assert carecircle("assign", "primary", "patient", "evil", organization=own).code == 0
    as_csv, as_table = (carecircle("who-can", "patient", "-o", how, organization=own).out for how in ("csv", "table"))
    assert ",'=cmd()" in as_csv
    assert "\x1b[2J" not in as_csv + as_table
    assert "=cmd()" in as_table


def test_formulas_and_plain_cells() -> None:
    assert [formula_safe(cell) for cell in ("=1", "+1", "-1", "@x", "\tx", "\rx")] == [
        "'=1", "'+1", "'-1", "'@x", "'\tx", "'\rx",
    ]  # fmt: skip
    assert formula_safe("plain = 1") == "plain = 1"


def test_messages_stay_off_stdout_and_colours_off_a_pipe(carecircle: Command) -> None:
    ran = carecircle("who-can", "N-0002")
    assert "recorded as entry" in ran.err
    assert "recorded" not in ran.out
    assert "\x1b" not in ran.out + ran.err


def test_every_command_shows_an_example(carecircle: Command) -> None:
    commands = """check;who-can;panel;assign primary;assign add;assign end;assign history;patient add;provider add
        ;organization add;team create;team add-member;team add-patient;import fhir;quality findings;demo;serve;token;version
        ;db upgrade;db downgrade;db status;db shell"""
    for command in commands.split(";"):
        ran = carecircle(*command.split(), "--help", COLUMNS="200")
        assert ran.code == 0
        assert "Example: " in ran.out, command
