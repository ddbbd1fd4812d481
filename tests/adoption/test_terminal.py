"""At a terminal: apply shows its plan and asks, and a bar on stderr takes nothing from stdout."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import threading

import pytest

from tests.adoption.conftest import Application

COMMAND = [sys.executable, "-c", "from carecircle.cli.main import run; run()"]


@pytest.mark.parametrize(("answer", "code", "left"), [("n", 130, [1, 3, 4]), ("y", 0, [3])])
def test_apply_asks_at_a_terminal(application: Application, answer: str, code: int, left: list[int]) -> None:
    application.make()
    application.fill()
    ours, theirs = pty.openpty()
    try:
        process = subprocess.Popen(
            [*COMMAND, "adopt", "primary-provider", "apply", "--schema", application.schema],
            env={**os.environ, "CARECIRCLE_DATABASE_URL": application.address},
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        os.write(ours, f"{answer}\n".encode())
        _, err = process.communicate(timeout=60)
    finally:
        os.close(ours)
        os.close(theirs)
    assert (process.returncode, application.primaries()) == (code, left)
    assert "rows to demote: 8" in err
    assert "CREATE UNIQUE INDEX CONCURRENTLY" in err
    assert "Apply this plan? [y/N]" in err


def test_a_bar_on_stderr_takes_nothing_from_stdout(application: Application) -> None:
    application.make()
    application.fill()
    ours, theirs = pty.openpty()
    shown: list[bytes] = []

    def read() -> None:
        try:
            while some := os.read(ours, 4096):
                shown.append(some)
        except OSError:
            return  # the other end was closed

    reader = threading.Thread(target=read)
    reader.start()
    arguments = ["quality", "primary-providers", "--table", "care_team_assignments", "--schema", application.schema]
    done = subprocess.run(
        [*COMMAND, *arguments, "-o", "csv"],
        env={**os.environ, "CARECIRCLE_DATABASE_URL": application.address, "TERM": "xterm"},
        stdout=subprocess.PIPE,
        stderr=theirs,
        check=False,
    )
    os.close(theirs)
    reader.join()
    os.close(ours)
    assert (done.returncode, len(done.stdout.splitlines())) == (11, 13)
    assert b"checking" in b"".join(shown)
    assert b"organization,patient" not in b"".join(shown)
