"""break-glass watch: lines where no terminal is, a live list on one, at once when something changes, 130 at Ctrl-C."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import orjson
import pytest

from tests.cli.conftest import Command, Place
from tests.cli.test_changes import entries
from tests.cli.ward import asked, give_duties, glass

PATIENCE = 60.0
"""Seconds; far more than is ever needed."""
WATCH = "from carecircle.cli.main import run; run()"


@dataclass
class Watching:
    """A watch that runs elsewhere, and what it has written so far."""

    running: subprocess.Popen[bytes]
    source: int
    text: str = ""
    reader: threading.Thread | None = None
    grown: threading.Condition = field(default_factory=threading.Condition)

    def read(self) -> None:
        while True:
            try:
                piece = os.read(self.source, 65536)
            except OSError:
                return
            if not piece:
                return
            with self.grown:
                self.text += piece.decode()
                self.grown.notify_all()

    def until(self, pattern: str, *, after: int = 0) -> float:
        """Wait for it; how many seconds that took."""
        began = time.monotonic()
        with self.grown:
            assert self.grown.wait_for(lambda: re.search(pattern, self.text[after:], re.DOTALL), PATIENCE), self.text
        return time.monotonic() - began

    def interrupted(self) -> int:
        """Press Ctrl-C; how it ended."""
        os.killpg(self.running.pid, signal.SIGINT)
        return self.running.wait(PATIENCE)


@pytest.fixture
def ward(carecircle: Command, own: str) -> str:
    give_duties(own)
    return own


@contextmanager
def watching(place: Place, organization: str, *words: str, terminal: bool = False) -> Iterator[Watching]:
    """`carecircle break-glass watch` in a process of its own, on a terminal of 80 columns or a pipe."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CARECIRCLE_")}
    environment = clean | place.environment | {"CARECIRCLE_ORGANIZATION": organization, "PYTHONUNBUFFERED": "1"}
    for name in ("COLUMNS", "LINES", "NO_COLOR"):
        environment.pop(name, None)
    source, target = pty.openpty() if terminal else os.pipe()
    if terminal:
        environment["TERM"] = "xterm-256color"
        fcntl.ioctl(target, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    running = subprocess.Popen(
        [sys.executable, "-c", WATCH, "break-glass", "watch", "--time-zone", "Europe/Berlin", *words],
        env=environment, stdin=subprocess.DEVNULL, stdout=target, stderr=target, start_new_session=True,
    )  # fmt: skip
    os.close(target)
    seen = Watching(running, source)
    seen.reader = threading.Thread(target=seen.read, daemon=True)
    seen.reader.start()
    try:
        yield seen
    finally:
        if running.poll() is None:
            running.kill()
            running.wait(PATIENCE)
        seen.reader.join(PATIENCE)
        os.close(source)


def test_each_change_is_a_line_at_once(carecircle: Command, ward: str, place: Place) -> None:
    with watching(place, ward) as seen:
        seen.until("Nothing waits for a decision")
        name = asked(carecircle, ward)["reference"]
        seen.until(rf"NEW    {name}  .*life-threat: decide by \d\d:\d\d; open until \d\d:\d\d\n")
        assert glass(carecircle, ward, "acknowledge", name, "--as", "boss").code == 0
        seen.until(rf"SEEN   {name}  .*seen by ")
        assert glass(carecircle, ward, "approve", name, "--as", "boss").code == 0
        seen.until(rf"DONE   {name}  .*: approved by ")
        assert seen.interrupted() == 130
        assert "Traceback" not in seen.text
        assert "rror" not in seen.text


def test_ndjson_has_a_line_of_json_for_each_change_and_only_that(carecircle: Command, ward: str, place: Place) -> None:
    first = asked(carecircle, ward)
    with watching(place, ward, "-o", "ndjson") as seen:
        seen.until('"event": "waiting"')
        assert glass(carecircle, ward, "end", first["reference"], "--as", "doctor").code == 0
        seen.until('"event": "gone"')
        assert seen.interrupted() == 130
        told = [orjson.loads(line) for line in seen.text.splitlines() if line.strip()]
    assert [(one["event"], one["emergency"], one["state"]) for one in told] == [
        ("waiting", first["emergency"], "provisional"),
        ("gone", first["emergency"], "ended"),
    ]
    assert all(one["schema_version"] == 1 for one in told)


def test_a_supervisor_sees_what_they_may_decide(carecircle: Command, ward: str, place: Place) -> None:
    with watching(place, ward, "--as", "other") as none, watching(place, ward, "--as", "boss") as theirs:
        none.until("Nothing waits")
        theirs.until("Nothing waits")
        name = asked(carecircle, ward)["reference"]
        theirs.until(f"NEW    {name}")
        time.sleep(0.5)
        assert name not in none.text
        assert (none.interrupted(), theirs.interrupted()) == (130, 130)


def test_a_terminal_has_a_live_list_that_counts_down(carecircle: Command, ward: str, place: Place) -> None:
    name = asked(carecircle, ward)["reference"]
    with watching(place, ward, "--as", "boss", terminal=True) as seen:
        seen.until(rf"1 waiting for boss.*{name}.*life-threat.*open 1\d min")
        first = re.findall(r"(\d):(\d\d) ", seen.text)[-1]
        seen.until(r"Ctrl-C ends", after=len(seen.text))
        mark = len(seen.text)
        assert glass(carecircle, ward, "deny", name, "--as", "boss", "--words", "No", "--yes").code == 0
        seen.until("Nothing waiting for boss", after=mark)
        assert first < ("5", "00")
        assert seen.interrupted() == 130
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen.text)
    assert max(len(line) for line in re.split(r"[\r\n]+", plain)) <= 80
    assert seen.text.rstrip().endswith("\x1b[?25h"), "the cursor is back"
    assert "Traceback" not in plain


def test_only_what_is_new_to_see_leaves_an_entry(carecircle: Command, ward: str, place: Place) -> None:
    with watching(place, ward) as seen:
        seen.until("Nothing waits")
        name = asked(carecircle, ward)["reference"]
        seen.until(f"NEW    {name}")
        assert glass(carecircle, ward, "acknowledge", name, "--as", "boss").code == 0
        seen.until("SEEN")
        assert seen.interrupted() == 130
    codes = [code for _, code in entries(carecircle, ward, "kind, code")]
    # One when it began, and one for what was new.
    assert codes.count("emergency-listed") == 2
