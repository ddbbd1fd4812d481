"""policy: shown with what it means, set with what differs, tried without being kept, taken back."""

from __future__ import annotations

import io
import json
from dataclasses import fields
from pathlib import Path

import pytest

from carecircle.cli.policy_words import EXAMPLE, MEANINGS
from carecircle.directory.policy_service import document_of, parse_policy
from carecircle.policy import Policy
from tests.cli.conftest import Command


def test_every_key_has_its_meaning_and_stands_in_the_example() -> None:
    keys = {field.name for field in fields(Policy)} - {"version"}
    assert set(MEANINGS) == set(EXAMPLE) == keys
    assert document_of(parse_policy(EXAMPLE)) == EXAMPLE


def test_the_example_is_a_policy_that_can_be_set(carecircle: Command, own: str, tmp_path: Path) -> None:
    file = tmp_path / "policy.json"
    file.write_text(carecircle("policy", "example", organization=own).out)
    tried = carecircle("policy", "set", str(file), "--dry-run", organization=own)
    assert (tried.code, "30" in tried.out, "Nothing was changed." in tried.err) == (0, True, True)
    assert carecircle("policy", "history", "-o", "json", organization=own).json["versions"] == []
    done = carecircle("policy", "set", str(file), organization=own)
    assert "Undo: carecircle policy set --version 0" in done.err
    assert "holds already" in carecircle("policy", "set", str(file), organization=own).err
    shown = carecircle("policy", "show", organization=own).out
    assert "Policy version 1, since" in shown
    assert "* coverage_grace_minutes: 30\n" in shown
    assert "  referral_from_primary: yes\n" in shown
    assert carecircle("policy", "set", "--version", "0", organization=own).code == 0
    told = carecircle("policy", "show", "-o", "json", organization=own).json
    assert (told["version"], told["differs_from_default"]) == (2, [])
    assert carecircle("policy", "show", "--version", "1", "-o", "json", organization=own).json["policy"] == EXAMPLE
    history = carecircle("policy", "history", "-o", "json", organization=own).json["versions"]
    assert [row["version"] for row in history] == [1, 2]


def test_a_document_that_was_shown_can_be_set(carecircle: Command, own: str, monkeypatch: pytest.MonkeyPatch) -> None:
    document = json.loads(carecircle("policy", "show", "--document", organization=own).out) | {"largest_team": 7}
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(document)))
    told = carecircle("policy", "set", "-", "-o", "json", organization=own).json
    assert told["differences"] == [{"key": "largest_team", "before": 100, "after": 7}]


def test_what_was_planned_and_is_taken_back_is_told(carecircle: Command, own: str, tmp_path: Path) -> None:
    file = tmp_path / "policy.json"
    file.write_text('{"largest_team": 7}')
    assert carecircle("policy", "set", str(file), "--from", "2031-01-01", organization=own).code == 0
    assert carecircle("policy", "show", "-o", "json", organization=own).json["version"] == 0
    later = carecircle("policy", "show", "--as-of", "2031-01-02", "-o", "json", organization=own).json
    assert (later["version"], later["policy"]["largest_team"]) == (1, 7)
    again = carecircle("policy", "set", "--version", "0", organization=own)
    assert "taken back by this: version 1 (from 2031-01-01T00:00:00Z)" in again.err


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("{", 7, "line 1"),
        ("[]", 7, "invalid-policy"),
        ('{"largest_team": 0, "unheard": 1}', 7, "'unheard'"),
        ('{"largest_team": 0, "unheard": 1}', 7, "from 1 to 10000"),
    ],
)
def test_what_is_no_policy_is_refused_whole(
    carecircle: Command, own: str, tmp_path: Path, text: str, code: int, said: str
) -> None:
    file = tmp_path / "policy.json"
    file.write_text(text)
    ran = carecircle("policy", "set", str(file), organization=own)
    assert ran.code == code
    assert said in ran.err


def test_what_to_set_must_be_said(carecircle: Command, own: str, tmp_path: Path) -> None:
    assert carecircle("policy", "set", organization=own).code == 7
    assert carecircle("policy", "set", str(tmp_path / "nowhere.json"), organization=own).code == 7
    assert carecircle("policy", "set", "--version", "5", organization=own).code == 7
