"""Every way of ending has its exit code, one sentence on stderr, and nothing but data on stdout."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from carecircle import errors
from carecircle.cli.exits import UNREAD, exit_code
from carecircle.cli.output import as_called_here
from carecircle.errors import CareCircleError, Undecidable
from tests.cli.conftest import Command, Place, embedded

ALL_ERRORS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, CareCircleError)]


@pytest.mark.parametrize("kind", ALL_ERRORS, ids=lambda kind: kind.code)
def test_every_error_has_an_exit_code_of_its_kind(kind: type[CareCircleError]) -> None:
    code = exit_code(kind)
    assert code in {3, 4, 5, 6, 7} or kind in {CareCircleError, Undecidable}


def test_what_is_none_of_ours_is_unexpected() -> None:
    assert exit_code(ValueError) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("check", "okafor", "read", "N-0001"), 0, ""),
        (("check", "lindqvist", "read", "N-0001"), 10, ""),
        (("check", "lindqvist", "read", "N-0001", "--exit-zero"), 0, ""),
        (("check", "okafor", "prescribe", "N-0001"), 10, ""),
        (("check", "nobody", "read", "N-0001"), 10, ""),
        (("check", "okafor", "read", "nobody"), 10, ""),
        (("quality", "findings"), 11, ""),
        (("check", "okafor"), 2, ""),
        (("nonsense",), 2, ""),
        (("check", "okafor", "read", "N-0001", "--organization", "nowhere"), 5, "organization-not-found"),
        (("assign", "primary", "nobody", "okafor"), 5, "patient-not-registered"),
        (("assign", "primary", "N-0001", "nobody"), 5, "provider-not-registered"),
        (("who-can", "nobody"), 5, "unknown-patient"),
        (("panel", "okafor", "prescribe"), 7, "unknown-action"),
        (("assign", "add", "N-0001", "rossi", "--type", "primary"), 6, "primary-already-assigned"),
        (("check", "okafor", "read", ""), 7, "invalid-identifier"),
        (("check", "okafor", "read", "N-0001", "--as-of", "yesterday"), 7, "invalid-instant"),
        (("check", "okafor", "read", "N-0001", "--as-of", "2026-01-01T08:00"), 7, "invalid-instant"),
        (("assign", "add", "N-0001", "rossi", "--from", "2026-02-01", "--until", "2026-01-01"), 7, "invalid-period"),
        (("import", "fhir", "/nowhere/at/all"), 7, "invalid-input"),
        (("db", "downgrade", "base"), 7, "confirmation-required"),
        (("db", "upgrade", "nonsense"), 7, "invalid-request"),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, tuple) else None,
)
def test_each_ending(carecircle: Command, arguments: tuple[str, ...], code: int, said: str) -> None:
    ran = carecircle(*arguments)
    assert ran.code == code, ran.err
    assert said in ran.err
    assert "Traceback" not in ran.err


def test_without_an_organization_it_says_how_to_name_one(carecircle: Command) -> None:
    ran = carecircle("check", "okafor", "read", "N-0001", organization=None)
    assert (ran.code, ran.out) == (7, "")
    assert "--organization" in ran.err


def test_an_unreachable_database_is_3_and_says_nothing_of_its_password(carecircle: Command) -> None:
    address = "postgresql://admin:sesame@127.0.0.1:1/carecircle"
    for command in (
        ("check", "okafor", "read", "N-0001"),
        ("db", "status"),
        ("db", "upgrade"),
        ("demo", "--once", "--yes"),
    ):
        ran = carecircle(*command, CARECIRCLE_DATABASE_URL=address)
        assert ran.code == 3
        assert "database-unavailable" in ran.err
        assert "sesame" not in ran.out + ran.err


def test_a_home_without_a_database_is_3_with_the_remedy_and_makes_none(carecircle: Command, tmp_path: Path) -> None:
    ran = carecircle("check", "okafor", "read", "N-0001", **embedded(tmp_path / "empty"))
    assert ran.code == 3
    assert "carecircle db upgrade" in ran.err
    assert not (tmp_path / "empty").exists()


def test_an_error_of_a_json_command_is_json_on_stderr(carecircle: Command) -> None:
    ran = carecircle("assign", "add", "N-0001", "rossi", "--type", "primary", "-o", "json")
    assert (ran.code, ran.out) == (6, "")
    told = orjson.loads(ran.err)
    assert told["schema_version"] == 1
    assert told["error"]["code"] == "primary-already-assigned"


def test_an_unexpected_error_shows_its_name_and_no_value(carecircle: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError("MRN 4711")

    monkeypatch.setattr("carecircle.access.service.Access.explain", broken)
    ran = carecircle("check", "okafor", "read", "N-0001")
    assert (ran.code, ran.out) == (1, "")
    assert "builtins.RuntimeError" in ran.err
    assert "4711" not in ran.err


@pytest.mark.parametrize("lines", [0, 1])
@pytest.mark.parametrize("how", ["table", "json", "csv"])
def test_a_reader_who_leaves_is_no_error(place: Place, lines: int, how: str) -> None:
    """With 0 the reader has gone before the first byte; a panel is longer than what is written at once."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CARECIRCLE_")}
    command = ["panel", "okafor", "-o", how, "--organization", "north-hospital"]
    running = subprocess.Popen(
        [sys.executable, "-c", "from carecircle.cli.main import run; run()", *command],
        env=clean | place.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert running.stdout is not None
    assert running.stderr is not None
    for _ in range(lines):
        assert running.stdout.readline()
    running.stdout.close()
    told = running.stderr.read()
    running.stderr.close()
    ended = running.wait(timeout=60)
    assert "Traceback" not in told
    assert "rror" not in told
    # With a line read, all may have been written before the reader left.
    assert ended in ({UNREAD} if not lines else {0, UNREAD}), told


def test_an_interrupt_is_130(carecircle: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    async def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("carecircle.access.service.Access.explain", interrupted)
    assert carecircle("check", "okafor", "read", "N-0001").code == 130


def test_advice_names_the_command_as_it_is_called_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CARECIRCLE_COMMAND", raising=False)
    sentence = "There is no database yet; make one with: carecircle db upgrade. carecircle is calm."
    assert as_called_here(sentence) == sentence
    monkeypatch.setenv("CARECIRCLE_COMMAND", "./dev run")
    assert (
        as_called_here(sentence) == "There is no database yet; make one with: ./dev run db upgrade. carecircle is calm."
    )
