"""The import contracts of pyproject.toml hold; a contract that cannot hold is reported as broken."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.house import ROOT

UPSIDE_DOWN = """[importlinter]
root_package = carecircle

[importlinter:contract:planted]
name = The database above the rooms
type = layers
containers = carecircle
layers =
    errors
    database
    assignments
"""


def lint(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = str(Path(sys.executable).with_name("lint-imports"))
    return subprocess.run([program, "--no-cache", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


def test_dependencies_point_down() -> None:
    done = lint()
    if done.returncode != 0:
        pytest.fail(done.stdout[-4000:] + done.stderr[-1000:])
    assert "0 broken" in done.stdout


def test_a_broken_contract_is_reported(tmp_path: Path) -> None:
    config = tmp_path / "upside-down.ini"
    config.write_text(UPSIDE_DOWN)
    done = lint("--config", str(config))
    assert done.returncode == 1
    assert "BROKEN" in done.stdout


@pytest.mark.parametrize(("also", "light"), [("", True), ("import carecircle.settings", False)])
def test_a_command_that_asks_nobody_loads_no_library_for_it(also: str, light: bool) -> None:
    # --help, completion, and refusing what was misspelt: what somebody waits for most often.
    heavy = "{'sqlalchemy', 'asyncpg', 'pydantic', 'fastapi', 'cryptography', 'httpx'}"
    loaded = f"import sys, carecircle.cli.main\n{also}\nsys.exit(bool({heavy} & sys.modules.keys()))"
    assert (subprocess.run([sys.executable, "-c", loaded], check=False).returncode == 0) is light
