"""The machine on which the proof `emergency` runs: its database, its CARECIRCLE_HOME, and its processes.

`site()` has a PostgreSQL of its own with durable settings; `serving(site)` and `working(site)` run `carecircle serve` and
`carecircle worker`, each in a process group of its own that is gone at the end of the block.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from sqlalchemy.engine import make_url

from carecircle import Settings
from carecircle.database import migrate
from carecircle.database.embedded import EmbeddedServer, temporary_server
from carecircle.database.reach import Reach, dsn, over_socket, role_passwords
from carecircle.identifiers import new_id

SLUG = "proof"
READY_SECONDS, STOP_SECONDS = 60.0, 10.0


@dataclass(frozen=True)
class Site:
    """One machine: CARECIRCLE_HOME, the migrated database, how it is reached, and what its processes find in their environment."""

    home: Path
    server: EmbeddedServer
    at: Reach
    settings: Settings

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("CARECIRCLE_", "PG"))}
        return {
            **kept, "CARECIRCLE_HOME": str(self.home), "CARECIRCLE_DATABASE_URL": dsn(self.at.admin),
            "CARECIRCLE_ORGANIZATION": SLUG, **(more or {}),
        }  # fmt: skip


@contextmanager
def site() -> Iterator[Site]:
    """A new one, with the durable settings; nothing of it is left afterwards."""
    before = os.environ.get("CARECIRCLE_HOME")
    with temporary_server() as (home, server):
        os.environ["CARECIRCLE_HOME"] = str(home)
        try:
            at = Reach(over_socket(make_url(server.admin_url), server), role_passwords(home), server.bin_dir)
            migrate.upgrade(at)
            yield Site(home, server, at, Settings(home=home, database_url=None))
        finally:
            if before is None:
                del os.environ["CARECIRCLE_HOME"]
            else:
                os.environ["CARECIRCLE_HOME"] = before


@dataclass(frozen=True)
class Running:
    """A process of ours that is ready: its address, where it answers any, and its log."""

    process: subprocess.Popen[bytes]
    log: Path
    address: str = ""

    def kill(self) -> None:
        """SIGKILL, to it and to everybody it started; they are gone when this returns."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def clock_can_be_turned() -> bool:
    """Whether the program `faketime` is there, which lets a process live in another time."""
    return shutil.which("faketime") is not None


@contextmanager
def serving(
    at: Site, *, workers: int = 1, env: Mapping[str, str] | None = None, ahead: timedelta | None = None
) -> Iterator[Running]:
    """`carecircle serve` on a free port, ready to answer; with `ahead`, by a clock that is that much ahead of the database's
    (behind it when negative), which needs `faketime`."""
    port = free_port()
    command = [*_carecircle(), "serve", "--port", str(port), "--workers", str(workers)]
    if ahead is not None:
        command = ["faketime", "--exclude-monotonic", "-f", f"{ahead.total_seconds():+.0f}s", *command]
    address = f"http://127.0.0.1:{port}"
    with _running(at, "serve", command, env) as (process, log):
        _until(lambda: _answers(address), process, log)
        yield Running(process, log, address)


@contextmanager
def working(at: Site, *, env: Mapping[str, str] | None = None) -> Iterator[Running]:
    """`carecircle worker`, which has begun to watch the outbox."""
    with _running(at, "worker", [*_carecircle(), "worker"], env) as (process, log):
        _until(lambda: b'"watching"' in log.read_bytes(), process, log)
        yield Running(process, log)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _carecircle() -> list[str]:
    return [sys.executable, "-c", "from carecircle.cli.main import run; run()"]


@contextmanager
def _running(
    at: Site, name: str, command: list[str], env: Mapping[str, str] | None
) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    log = at.home / f"{name}-{new_id()}.log"
    with log.open("wb") as said:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=at.environment(env), start_new_session=True
        )
    try:
        yield process, log
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
        with suppress(ProcessLookupError):  # whoever of the group is left
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _until(ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    """Raises RuntimeError, with the end of its log, when the process ends first or takes too long."""
    limit = time.monotonic() + READY_SECONDS
    while not ready():
        if process.poll() is not None or time.monotonic() > limit:
            raise RuntimeError(f"{log.stem} is not ready: {log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.05)


def _answers(address: str) -> bool:
    try:
        with urlopen(f"{address}/readyz", timeout=2) as answer:  # noqa: S310 - our own address
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False
