"""Sends prepared HTTP requests over many connections and times the answers: wrk where it is installed, else asyncio."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

WRK = """
local requests = {}
for line in io.lines(REQUESTS) do
  local token, body = line:match("^(.-)\\t(.*)$")
  requests[#requests + 1] = wrk.format("POST", PATH,
    {["Authorization"] = "Bearer " .. token, ["Content-Type"] = "application/json", ["Host"] = "bench"}, body)
end
local at = math.random(#requests)
request = function() at = at % #requests + 1; return requests[at] end
done = function(summary, latency)
  io.write(string.format('FIGURES {"requests": %d, "us": %d, "p50": %d, "p99": %d, "errors": %d}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout + summary.errors.status))
end
"""


@dataclass(frozen=True)
class Figures:
    per_s: float
    p50_us: float
    p99_us: float
    errors: int
    generator: str


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def load(port: int, path: str, asked: list[tuple[str, bytes]], *, connections: int, seconds: float) -> Figures:
    """Ask (token, body) pairs in turn, each connection one at a time. Anything but a 2xx answer is an error."""
    if shutil.which("wrk"):
        return _with_wrk(port, path, asked, connections, seconds)
    return asyncio.run(_with_asyncio(port, path, asked, connections, seconds))


def _with_wrk(port: int, path: str, asked: list[tuple[str, bytes]], connections: int, seconds: float) -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        requests = Path(folder) / "requests"
        requests.write_bytes(b"".join(token.encode() + b"\t" + body + b"\n" for token, body in asked))
        script = Path(folder) / "ask.lua"
        script.write_text(f'local REQUESTS, PATH = "{requests}", "{path}"\n{WRK}')
        done = subprocess.run(
            ["wrk", "-t1", f"-c{connections}", f"-d{seconds:.0f}", "-s", str(script), f"http://127.0.0.1:{port}"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    found = re.search(r"^FIGURES (.*)$", done.stdout, re.MULTILINE)
    assert found, done.stdout + done.stderr
    told = json.loads(found[1])
    return Figures(told["requests"] / told["us"] * 1e6, told["p50"], told["p99"], told["errors"], "wrk")


async def _with_asyncio(
    port: int, path: str, asked: list[tuple[str, bytes]], connections: int, seconds: float
) -> Figures:
    requests = [
        b"POST %s HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (path.encode(), token.encode(), len(body), body)
        for token, body in asked
    ]
    source = itertools.cycle(requests)
    latencies: list[float] = []
    loop = asyncio.get_running_loop()
    end = time.perf_counter() + seconds
    askers = [_Asker(source, latencies, end, loop.create_future()) for _ in range(connections)]
    for asker in askers:
        await loop.create_connection(lambda asker=asker: asker, "127.0.0.1", port)  # type: ignore[misc]
    started = time.perf_counter()
    await asyncio.gather(*(asker.finished for asker in askers))
    took = time.perf_counter() - started
    latencies.sort()
    return Figures(
        len(latencies) / took,
        latencies[len(latencies) // 2] * 1e6,
        latencies[int(len(latencies) * 0.99)] * 1e6,
        sum(asker.errors for asker in askers),
        "asyncio",
    )


class _Asker(asyncio.Protocol):
    """One connection: asks, waits for the whole answer, asks again."""

    def __init__(
        self, source: Iterator[bytes], latencies: list[float], end: float, finished: asyncio.Future[None]
    ) -> None:
        self.source, self.latencies, self.end, self.finished = source, latencies, end, finished
        self.errors = 0
        self.seen = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.ask()

    def ask(self) -> None:
        self.asked = time.perf_counter()
        self.transport.write(next(self.source))

    def data_received(self, data: bytes) -> None:
        self.seen += data
        head, found, body = self.seen.partition(b"\r\n\r\n")
        if not found:
            return
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        if length and len(body) < int(length[1]):
            return
        now = time.perf_counter()
        self.latencies.append(now - self.asked)
        self.errors += not head.startswith(b"HTTP/1.1 2")
        self.seen = b""
        if now < self.end:
            self.ask()
        else:
            self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.finished.done():
            self.errors += error is not None
            self.finished.set_result(None)
