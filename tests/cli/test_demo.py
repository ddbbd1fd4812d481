"""The demo, from an empty home, as a newcomer runs it; and the script in front of it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx

from tests.cli.conftest import Place

ROOT = Path(__file__).resolve().parents[2]
EXPECTED = ["ALLOWED", "DENIED", "ALLOWED", "DENIED", "DENIED", "ALLOWED", "DENIED", "ALLOWED", "DENIED", "DENIED"]


def demo(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CARECIRCLE_")}
    return subprocess.run(
        [sys.executable, "-c", "from carecircle.cli.main import run; run()", "demo", *arguments],
        env=clean | {"CARECIRCLE_HOME": str(home)}, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def test_once_and_once_more(tmp_path: Path) -> None:
    started = time.monotonic()
    first = demo(tmp_path, "--once")
    between = time.monotonic()
    second = demo(tmp_path, "--once")
    for ran in (first, second):
        assert ran.returncode == 0, ran.stderr
        assert "DEMO DATA" in ran.stdout
        assert re.findall(r"^(ALLOWED|DENIED)", ran.stdout, re.MULTILINE) == EXPECTED
        assert "12 of 12 answers are in the audit trail" in ran.stdout
    assert "Inventing" in first.stderr
    assert "Inventing" not in second.stderr
    commands = [re.findall(r"^\$ carecircle (.*)$", ran.stdout, re.MULTILINE) for ran in (first, second)]
    assert commands[0] == commands[1]
    # Generous: the machine may be busy with other tests.
    assert between - started < 60
    assert time.monotonic() - between < 30


def test_three_at_once_in_a_fresh_home_make_one_demo(tmp_path: Path) -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CARECIRCLE_")}
    command = [sys.executable, "-c", "from carecircle.cli.main import run; run()", "demo", "--once"]
    started = [
        subprocess.Popen(
            command, env=clean | {"CARECIRCLE_HOME": str(tmp_path)},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(3)
    ]  # fmt: skip
    ran = [(*one.communicate(timeout=120), one.returncode) for one in started]
    assert [code for _, _, code in ran] == [0, 0, 0], [err for _, err, _ in ran]
    assert sum("Inventing" in err for _, err, _ in ran) == 1
    for out, _, _ in ran:
        assert re.findall(r"^(ALLOWED|DENIED)", out, re.MULTILINE) == EXPECTED


def test_then_it_serves_and_what_it_prints_can_be_pasted(place: Place) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CARECIRCLE_")}
    served = subprocess.Popen(
        [sys.executable, "-u", "-c", "from carecircle.cli.main import run; run()", "demo", "--port", port],
        env=clean | {"CARECIRCLE_HOME": str(place.home)}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        assert served.stdout is not None
        told = "".join(iter(served.stdout.readline, f"Serving at http://127.0.0.1:{port} until Ctrl-C.\n"))
        (found,) = re.findall(r"^  TOKEN=(\S+)$", told, re.MULTILINE)
        (body,) = re.findall(r"-d '(.*)'$", told, re.MULTILINE)
        answer = ask(port, body, found)
        assert answer["decision"] is True
        busy = demo(place.home, "--port", port)
        assert (busy.returncode, "choose another with --port" in busy.stderr) == (7, True)
    finally:
        served.send_signal(signal.SIGINT)
        served.communicate(timeout=30)
    assert served.returncode in {0, 130, -signal.SIGINT}


def ask(port: str, body: str, token: str) -> dict[str, Any]:
    """Ask over HTTP, waiting for the server to listen."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    for _ in range(200):
        try:
            answer = httpx.post(f"http://127.0.0.1:{port}/access/v1/evaluation", content=body, headers=headers)
        except httpx.ConnectError:
            time.sleep(0.05)
        else:
            assert answer.status_code == 200, answer.text
            told: dict[str, Any] = answer.json()
            return told
    raise AssertionError("nobody listened")


def test_a_configured_database_is_not_filled_unasked(tmp_path: Path) -> None:
    address = {"CARECIRCLE_DATABASE_URL": "postgresql://a:b@127.0.0.1:1/c", "CARECIRCLE_HOME": str(tmp_path)}
    ran = subprocess.run(
        [sys.executable, "-c", "from carecircle.cli.main import run; run(['demo', '--once'])"],
        env=os.environ | address, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert ran.returncode == 7
    assert "confirmation-required" in ran.stderr


def in_bare_clone(tmp_path: Path, *programs: str, python: str | None = None) -> subprocess.CompletedProcess[str]:
    """`./dev version` where only these programs are on PATH and python3 is the given script."""
    clone, tools = tmp_path / "clone", tmp_path / "bin"
    clone.mkdir()
    tools.mkdir()
    shutil.copy(ROOT / "dev", clone / "dev")
    for program in ("dirname", "cat", *programs):
        (tools / program).symlink_to(str(shutil.which(program)))
    if python is not None:
        (tools / "python3").write_text(f"#!/bin/sh\n{python}\n")
        (tools / "python3").chmod(0o755)
    bash = str(shutil.which("bash"))
    return subprocess.run(
        [bash, str(clone / "dev"), "run", "version"],
        env={"PATH": str(tools)}, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def test_the_script_says_what_is_missing(tmp_path: Path) -> None:
    ran = in_bare_clone(tmp_path)
    assert ran.returncode == 1
    assert "needs uv, or python3 3.11 or later with pip" in ran.stderr


def test_the_script_refuses_an_old_python(tmp_path: Path) -> None:
    ran = in_bare_clone(tmp_path, python="exit 1")
    assert "3.11" in ran.stderr


def test_the_script_says_that_pip_is_missing(tmp_path: Path) -> None:
    ran = in_bare_clone(tmp_path, python='[ "$1" = -c ]')
    assert ran.returncode == 1
    assert "no pip" in ran.stderr


def test_the_script_knows_its_commands() -> None:
    script = str(ROOT / "dev")
    helped = subprocess.run([script], capture_output=True, text=True, check=False)
    assert helped.returncode == 0
    assert "./dev demo" in helped.stdout
    wrong = subprocess.run([script, "nonsense"], capture_output=True, text=True, check=False)
    assert (wrong.returncode, wrong.stdout) == (2, "")
