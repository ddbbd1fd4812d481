"""One write for each answer: head and body leave together, where uvicorn alone would make two system calls of them."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class Corked:
    """A transport that keeps what is written in one turn of the event loop and sends it at the turn's end."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._kept: list[bytes] = []

    def write(self, data: bytes) -> None:
        if not self._kept:
            self._loop.call_soon(self._pour)
        self._kept.append(data)

    def close(self) -> None:
        self._pour()
        self._transport.close()

    def _pour(self) -> None:
        if self._kept:
            self._transport.write(b"".join(self._kept))
            self._kept.clear()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class CorkedProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol over a corked transport."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn declares it
        # asyncio's own loop leaves it on for a listener like ours: what follows a head would wait 40 ms for its receipt.
        if (socket_ := transport.get_extra_info("socket")) is not None and socket_.family != socket.AF_UNIX:
            socket_.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().connection_made(Corked(transport, self.loop))  # type: ignore[arg-type]  # a transport in all that is used

    def shutdown(self) -> None:
        """The server stops: answers are given to their end, but a stream has none; its reader comes back elsewhere."""
        super().shutdown()
        if self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete:
            self.transport.close()
