"""What the proof `emergency` listens with: people who follow the live events, and who note when they heard of each access."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from uuid import UUID

import httpx
import orjson
import psutil

from carecircle.identifiers import parse_id

REACHED_WITHIN = 30.0
"""Seconds in which every process has come up and taken a connection."""


class Stream:
    """One person's open stream. `heard` says when (time.perf_counter) an access was first told of."""

    def __init__(self, http: httpx.AsyncClient, address: str, headers: Mapping[str, str]) -> None:
        self.heard: dict[UUID, float] = {}
        self.port = 0
        """Of this end: by it the process is found that serves the other."""
        self._opened = asyncio.Event()
        self._reading = asyncio.create_task(self._read(http, address, headers))

    async def opened(self) -> None:
        """Until what stands has been asked for. Raises what kept it from opening."""
        waiting = asyncio.create_task(self._opened.wait())
        await asyncio.wait([waiting, self._reading], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if self._reading.done():
            self._reading.result()

    async def close(self) -> None:
        """Leave. Raises what ended it before, if anything did."""
        self._reading.cancel()
        with suppress(asyncio.CancelledError):
            await self._reading

    async def _read(self, http: httpx.AsyncClient, address: str, headers: Mapping[str, str]) -> None:
        async with http.stream(
            "GET", f"{address}/v1/break-glass/events", headers=dict(headers), timeout=httpx.Timeout(10, read=60)
        ) as answer:
            answer.raise_for_status()
            self.port = answer.extensions["network_stream"].get_extra_info("client_addr")[1]
            async for line in answer.aiter_lines():
                self._opened.set()
                if line.startswith("data: "):
                    self.heard.setdefault(parse_id(orjson.loads(line[6:])["id"]), time.perf_counter())
        raise RuntimeError("a stream ended that nobody closed")


async def followed_everywhere(
    http: httpx.AsyncClient, address: str, people: Sequence[Mapping[str, str]], processes: Sequence[psutil.Process]
) -> tuple[list[Stream], int]:
    """One stream of each of these people, and more until every process serves one; how many processes do."""
    streams: list[Stream] = []
    reached: set[int] = set()
    limit = time.monotonic() + REACHED_WITHIN
    while (not streams or len(reached) < len(processes)) and time.monotonic() < limit:
        # Several at once: one after the other, they all come to whichever process is the idlest.
        tried = [Stream(http, address, one) for one in people]
        await asyncio.gather(*(stream.opened() for stream in tried))
        keep_all = not streams
        for stream in tried:
            server = _served_by(stream.port, processes)
            if keep_all or server not in reached:
                streams.append(stream)
                reached |= {server} - {0}
            else:
                await stream.close()
    return streams, len(reached)


def _served_by(port: int, processes: Sequence[psutil.Process]) -> int:
    """The process whose connection goes to this port of ours; 0 for none."""
    return next(
        (one.pid for one in processes for line in one.net_connections("tcp") if line.raddr and line.raddr.port == port),
        0,
    )
