"""Many connections of one process, asked over in turn at a steady rate; cheap enough to share a machine with the server."""

from __future__ import annotations

import asyncio
import resource
import socket
import time
from array import array
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

import orjson

PORTS = 20_000
"""Connections from one address; beyond it the next 127.0.0.x is used."""
_TOGETHER = 200
"""Connections that are being made at a time."""
_PATIENCE = 10.0
"""Seconds after which a question that has no answer is an error."""


@dataclass
class Told:
    """What a run came to. Times are in seconds, memory in bytes of the server."""

    connections: int
    errors: Counter[str] = field(default_factory=Counter)
    latencies: array[float] = field(default_factory=lambda: array("d"))
    took: float = 0.0
    each: float = 0.0
    in_all: int = 0

    @property
    def answers(self) -> int:
        return len(self.latencies)

    @property
    def rate(self) -> float:
        return self.answers / self.took if self.took else 0.0

    @property
    def p50(self) -> float:
        return self._at(0.5)

    @property
    def p99(self) -> float:
        return self._at(0.99)

    @property
    def longest(self) -> float:
        return max(self.latencies, default=float("inf"))

    def _at(self, share: float) -> float:
        ordered = sorted(self.latencies)
        return ordered[int(len(ordered) * share)] if ordered else float("inf")


def request(token: str, provider: str, patient: str) -> bytes:
    asked = {
        "subject": {"type": "user", "id": provider},
        "action": {"name": "read"},
        "resource": {"type": "patient", "id": patient},
    }
    body = orjson.dumps(asked)
    return (
        b"POST /access/v1/evaluation HTTP/1.1\r\nHost: load\r\nAuthorization: Bearer %b\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (token.encode(), len(body), body)
    )


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def room_for(connections: int) -> None:
    """Let this process, and those it starts, open so many files. Raises SystemExit, in one sentence."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < connections + 200:
        raise SystemExit(
            f"This needs {connections + 200:,} open files and may open {hard:,}; raise the limit (ulimit -Hn)."
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Connection(asyncio.Protocol):
    """One question at a time; its answer's latency counts from when it was due."""

    def __init__(self, told: Told, free: deque[Connection]) -> None:
        self._told, self._free = told, free
        self._seen = b""
        self._due = 0.0
        self._over = False
        self.busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but its class

    def ask(self, question: bytes, due: float) -> None:
        self.busy, self._due = True, due
        self.transport.write(question)

    def data_received(self, data: bytes) -> None:
        self._seen += data
        head, found, body = self._seen.partition(b"\r\n\r\n")
        if not found:
            return
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        if len(body) < int(length or 0):
            return
        self._seen, self.busy = b"", False
        if head.startswith(b"HTTP/1.1 200"):
            self._told.latencies.append(time.perf_counter() - self._due)
            self._free.append(self)
        else:
            self._told.errors[head.partition(b"\r\n")[0].decode("latin-1")] += 1

    def connection_lost(self, error: Exception | None) -> None:
        if not self._over:
            self._over = True
            self._told.errors["a connection was closed"] += 1

    def give_up(self, late: float) -> None:
        """At the end: what was asked long ago and has no answer is an error."""
        self._over, was_over = True, self._over
        if self.busy and not was_over and late - self._due > _PATIENCE:
            self._told.errors["no answer"] += 1
        self.transport.close()


async def ask(
    port: int,
    questions: list[bytes],
    *,
    connections: int,
    seconds: float,
    rate: float,
    memory: Callable[[], int],
) -> Told:
    """Open them all, then ask for so long at this rate. `memory` is looked at before and when all are open."""
    told, free = Told(connections), deque[Connection]()
    everybody: list[Connection] = []
    loop = asyncio.get_running_loop()
    # One question before, so that what a server makes at its first is not taken for the connections'.
    await _wait_for(port, questions[0], told)
    empty = memory()

    async def connect(number: int) -> None:
        connection = Connection(told, free)
        source = (f"127.0.0.{1 + number // PORTS}", 0)
        try:
            await loop.create_connection(lambda: connection, "127.0.0.1", port, local_addr=source)
        except OSError:
            told.errors["could not connect"] += 1
        else:
            everybody.append(connection)
            free.append(connection)

    for first in range(0, connections, _TOGETHER):
        await asyncio.gather(*(connect(number) for number in range(first, min(first + _TOGETHER, connections))))
    await asyncio.sleep(0.5)
    told.each = (memory() - empty) / connections
    told.took = await _at_a_steady_rate(questions, free, told, seconds, rate)
    told.in_all = memory()
    late = time.perf_counter()
    for connection in everybody:
        connection.give_up(late)
    return told


async def _wait_for(port: int, question: bytes, told: Told) -> None:
    loop, answered = asyncio.get_running_loop(), deque[Connection]()
    async with asyncio.timeout(60):
        while True:
            connection = Connection(told, answered)
            try:
                await loop.create_connection(lambda connection=connection: connection, "127.0.0.1", port)  # type: ignore[misc]
                break
            except OSError:
                await asyncio.sleep(0.1)
        connection.ask(question, time.perf_counter())
        while not answered:  # noqa: ASYNC110  a deque, as everywhere here
            await asyncio.sleep(0.01)
    connection.give_up(time.perf_counter())  # unused from here on, it would be closed for that one day


async def _at_a_steady_rate(
    questions: list[bytes], free: deque[Connection], told: Told, seconds: float, rate: float
) -> float:
    """Ask what is due, each time over the connection that has been free for longest. Returns how long it took."""
    before = told.answers + told.errors.total()
    began = time.perf_counter()
    asked, number = 0, int(seconds * rate)
    while asked < number:
        now = time.perf_counter() - began
        while asked < number and asked / rate <= now:
            if not free:
                told.errors["no connection was free"] += 1
            else:
                connection = free.popleft()
                if not connection.transport.is_closing():
                    connection.ask(questions[asked % len(questions)], began + asked / rate)
            asked += 1
        await asyncio.sleep(0.002)
    end = time.perf_counter() + _PATIENCE
    while told.answers + told.errors.total() - before < number and time.perf_counter() < end:  # noqa: ASYNC110  the same
        await asyncio.sleep(0.01)
    return time.perf_counter() - began
