"""Several processes that accept from one socket: one that dies is replaced, and all stop together when told to."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable
from multiprocessing.connection import wait
from time import monotonic
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    import socket
    from multiprocessing.context import SpawnProcess

_LOOK_ANYWAY = 0.2
"""Seconds after which a signal is noticed."""
_LIVED_WELL = 10.0
"""Seconds after which a death is not counted as another failure to start."""
_LONGEST_REST = 5.0

Work = Callable[["socket.socket"], None]

log = structlog.get_logger("carecircle.api")


class _Seat:
    """One of the workers, by number; whoever holds it."""

    def __init__(self, work: Work, listener: socket.socket) -> None:
        self._work, self._listener = work, listener
        self._failures = 0
        self.due = 0.0
        self.process: SpawnProcess | None = None

    def fill(self) -> None:
        self._began = monotonic()
        self.process = multiprocessing.get_context("spawn").Process(target=self._work, args=(self._listener,))
        self.process.start()

    def empty(self) -> None:
        """Its holder has died: the next one comes at once, or later where many died young."""
        assert self.process is not None
        log.warning("worker died", pid=self.process.pid, exit=self.process.exitcode)
        self.process.join()
        self.process = None
        self._failures = 0 if monotonic() - self._began > _LIVED_WELL else self._failures + 1
        self.due = monotonic() + (min(0.1 * 2**self._failures, _LONGEST_REST) if self._failures > 1 else 0)


def keep(workers: int, work: Work, listener: socket.socket, longest: float) -> None:
    """Keep so many processes that do `work` with the listener, until SIGTERM or SIGINT.

    They get SIGTERM then, and are killed if they have not ended after `longest` seconds. `work` is a function that a new
    interpreter can import.
    """
    stopping = False

    def stop(_signal: int, _frame: object) -> None:
        nonlocal stopping
        stopping = True

    before = {one: signal.signal(one, stop) for one in (signal.SIGTERM, signal.SIGINT)}
    seats = [_Seat(work, listener) for _ in range(workers)]
    try:
        while not stopping:
            for seat in seats:
                if seat.process is not None and seat.process.exitcode is not None:
                    seat.empty()
                if seat.process is None and seat.due <= monotonic():
                    seat.fill()
            wait([seat.process.sentinel for seat in seats if seat.process is not None], timeout=_LOOK_ANYWAY)
    finally:
        listener.close()
        _end([seat.process for seat in seats if seat.process is not None], longest)
        for one, handler in before.items():
            signal.signal(one, handler)


def _end(processes: list[SpawnProcess], longest: float) -> None:
    for process in processes:
        process.terminate()
    end = monotonic() + longest
    for process in processes:
        process.join(max(0.0, end - monotonic()))
        if process.exitcode is None:
            log.warning("worker killed: it did not stop in time", pid=process.pid)
            process.kill()
            process.join()
