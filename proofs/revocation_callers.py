"""Who asks all the time in the proof `revocation`: connections to every worker, and what they were told when."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from time import perf_counter
from uuid import UUID

import orjson
import psutil

from carecircle import to_text
from carecircle.identifiers import parse_id

ROUTE = b"POST /access/v1/evaluation HTTP/1.1\r\nhost: proof\r\ncontent-type: application/json\r\n"
PAUSE = 0.004
"""Seconds between an answer and the next question on one connection."""
ENOUGH_ALLOWED = 5
ENOUGH_REFUSED = 20
PATIENCE = 20.0


class TooFewWorkersError(Exception):
    """Not every worker holds a connection."""


@dataclass
class Connection:
    """One connection: the instants (perf_counter) and entries of what it was allowed, and what it was told last."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    worker: int
    allowed: list[tuple[float, UUID]] = field(default_factory=list)
    refused_in_a_row: int = 0

    async def ask(self, request: bytes) -> None:
        self.writer.write(request)
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        body = await self.reader.readexactly(length)
        now = perf_counter()
        status = int(head[9:12])
        if status >= 500:
            raise AssertionError(f"a question was answered with {status}")
        told = orjson.loads(body)
        if status == 200 and told["decision"]:
            self.allowed.append((now, parse_id(told["context"]["id"])))
            self.refused_in_a_row = 0
        else:
            self.refused_in_a_row += 1

    def begin(self, request: bytes, stop: asyncio.Event) -> asyncio.Task[None]:
        """Ask until told to stop; what was heard before is forgotten."""
        self.allowed, self.refused_in_a_row = [], 0
        return asyncio.create_task(self._ask_on(request, stop))

    async def _ask_on(self, request: bytes, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self.ask(request)
            await asyncio.sleep(PAUSE)


def request(token: str, provider: UUID, patient: UUID) -> bytes:
    body = orjson.dumps({
        "subject": {"type": "user", "id": to_text(provider)}, "action": {"name": "read"},
        "resource": {"type": "patient", "id": to_text(patient)},
    })  # fmt: skip
    return ROUTE + f"authorization: Bearer {token}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


async def connect(server: subprocess.Popen[bytes], port: int, workers: int, each: int) -> list[Connection]:
    """So many connections to each worker process. Raises TooFewWorkersError."""
    kept: dict[int, list[Connection]] = {}
    until = perf_counter() + PATIENCE * 6
    while perf_counter() < until:
        # Many at a time: one after the other would all go to whichever worker is awake.
        opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(4 * workers * each)]
        await asyncio.sleep(0.2)
        holders = _holders(server)
        for reader, writer in opened:
            worker = holders.get(writer.get_extra_info("sockname")[1])
            theirs = kept.setdefault(worker, []) if worker is not None else []
            if worker is None or len(theirs) >= each:
                writer.close()
            else:
                theirs.append(Connection(reader, writer, worker))
        if len(kept) == workers and all(len(one) == each for one in kept.values()):
            return [one for theirs in kept.values() for one in theirs]
    raise TooFewWorkersError(f"{len(kept)} of {workers} workers hold connections enough")


async def close(connections: Sequence[Connection]) -> None:
    for one in connections:
        one.writer.close()
        with suppress(OSError):
            await one.writer.wait_closed()


def _holders(server: subprocess.Popen[bytes]) -> dict[int, int]:
    """Which process of the server is at the other end of which of our ports."""
    found: dict[int, int] = {}
    family = psutil.Process(server.pid)
    for process in (family, *family.children(recursive=True)):
        with suppress(psutil.Error):
            found |= {one.raddr.port: process.pid for one in process.net_connections("tcp") if one.raddr}
    return found


async def settle(connections: Sequence[Connection], asking: Sequence[asyncio.Task[None]], *, allowed: bool) -> bool:
    """Until every connection was allowed, or refused, often enough; whether that came in time, and nobody gave up."""
    until = perf_counter() + PATIENCE
    while perf_counter() < until and not any(one.done() for one in asking):
        if all(
            len(one.allowed) >= ENOUGH_ALLOWED if allowed else one.refused_in_a_row >= ENOUGH_REFUSED
            for one in connections
        ):
            return True
        await asyncio.sleep(0.005)
    return False
