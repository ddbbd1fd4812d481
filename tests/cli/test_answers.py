"""Answers in words, as a tree, as JSON and as CSV."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

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


@pytest.mark.parametrize("speaking", ["\x1b[2J", "\x9b2J", "\x7f", "\r", "\n", "\u202e"])
def test_a_name_cannot_speak_to_the_terminal_anywhere(carecircle: Command, own: str, speaking: str) -> None:
    added = carecircle("provider", "add", "--identifier", "evil", "--name", f"Zebra{speaking}B", organization=own)
    assert added.code == 0
    assert carecircle("assign", "primary", "patient", "evil", organization=own).code == 0
    check = ("check", "evil", "read", "patient")
    shown = [
        carecircle(*command, *how, organization=own)
        for command in (check, ("who-can", "patient"), ("assign", "history", "patient"))
        for how in ((), ("-o", "json"), ("-o", "csv"))
    ] + [carecircle(*check, "--explain", organization=own)]
    for ran in shown:
        assert ran.code == 0, ran.err
        assert f"Zebra{speaking}" not in ran.out + ran.err
    escaped = speaking[0].encode("unicode_escape").decode()
    assert shown[0].lines[0].startswith(f"ALLOWED: Zebra{escaped}")
    assert f"Zebra{escaped}" in shown[3].out
    assert f"Zebra{escaped}" in shown[-1].out
    # JSON only looks different: it reads as the same name.
    assert shown[4].json["providers"][0]["name"] == f"Zebra{speaking}B"


def test_what_somebody_typed_cannot_speak_to_the_terminal(carecircle: Command, tmp_path: Path) -> None:
    evil = "no\x1b[2J\x9bwhere"
    for how in ("table", "json"):
        ran = carecircle("check", "a", "read", "b", "-o", how, "--organization", evil, organization=None)
        assert "\x1b" not in ran.err
        assert ran.code == 5, ran.err
        ran = carecircle("import", "fhir", str(tmp_path / "no\x1b[2Jwhere"), "-o", how)
        assert (ran.code, "\x1b" in ran.err) == (7, False)
        assert "no\\x1b[2Jwhere" in ran.err or "no\\u001b[2Jwhere" in ran.err


def test_names_are_read_at_once(carecircle: Command) -> None:
    seen: list[str] = []

    def remember(_: Any, __: Any, statement: str, *___: Any) -> None:
        seen.append(statement)

    event.listen(Engine, "before_cursor_execute", remember)
    try:
        assert len(carecircle("who-can", "N-0002", "-o", "json").json["providers"]) > 3
    finally:
        event.remove(Engine, "before_cursor_execute", remember)
    assert sum("providers" in statement for statement in seen) == 1


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


def test_the_help_says_which_source_is_meant_by_default(carecircle: Command) -> None:
    assert "fhir, unless said" in carecircle("import", "fhir", "--help", COLUMNS="200").out
