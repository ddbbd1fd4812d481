"""Everybody else, in the proof `emergency`: a process whose connections ask for decisions, so many in a second altogether.

`python -m proofs.emergency_load PORT CONNECTIONS RATE`: reads lines of token, tab and body from standard input until an
empty one, asks until standard input ends, and prints what it saw as JSON.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field

PATH = "/access/v1/evaluation"
REQUEST = (
    f"POST {PATH} HTTP/1.1\r\nHost: proof\r\nAuthorization: Bearer {{token}}\r\nContent-Type: application/json\r\n"
    "Content-Length: {length}\r\n\r\n{body}"
)


@dataclass
class Seen:
    """How many were answered, how soon at the median and the 99th percentile (milliseconds), and how many were not."""

    answered: int = 0
    per_s: float = 0.0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    errors: int = 0
    times: list[float] = field(default_factory=list, repr=False)

    def summed_up(self, seconds: float) -> str:
        times = sorted(self.times) or [0.0]
        self.answered, self.per_s = len(self.times), len(self.times) / seconds
        self.p50_ms, self.p99_ms = 1000 * times[len(times) // 2], 1000 * times[int(len(times) * 0.99)]
        self.times = []
        return json.dumps(asdict(self))


@contextmanager
def others_ask(port: int, asked: Sequence[tuple[str, bytes]], *, connections: int, rate: float) -> Iterator[Seen]:
    """(token, body) pairs are asked in turn until the block ends; then what was given says how that went."""
    command = [sys.executable, "-m", "proofs.emergency_load", str(port), str(connections), str(rate)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"".join(b"%b\t%b\n" % (token.encode(), body) for token, body in asked) + b"\n")
    process.stdin.flush()
    seen = Seen()
    try:
        yield seen
        process.stdin.close()
        vars(seen).update(json.loads(process.stdout.read()))
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            stream.close()


async def _ask(port: int, requests: Iterator[bytes], every: float, ended: asyncio.Event, seen: Seen) -> None:
    """One connection: asks at its times, one after the other; late ones are asked at once."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    due = time.perf_counter()
    while not ended.is_set():
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        began, due = time.perf_counter(), due + every
        writer.write(next(requests))
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        await reader.readexactly(int(length[1]) if length else 0)
        seen.times.append(time.perf_counter() - began)
        seen.errors += not head.startswith(b"HTTP/1.1 200")
    writer.close()


async def _all(port: int, connections: int, rate: float) -> None:
    requests = []
    for line in iter(sys.stdin.readline, "\n"):
        token, body = line.rstrip("\n").split("\t", 1)
        requests.append(REQUEST.format(token=token, length=len(body.encode()), body=body).encode())
    source, ended, seen = itertools.cycle(requests), asyncio.Event(), Seen()
    began = time.perf_counter()
    async with asyncio.TaskGroup() as asking:
        for _ in range(connections):
            asking.create_task(_ask(port, source, connections / rate, ended, seen))
            await asyncio.sleep(1 / rate)
        await asyncio.to_thread(sys.stdin.read)
        ended.set()
    print(seen.summed_up(time.perf_counter() - began))


if __name__ == "__main__":
    asyncio.run(_all(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
