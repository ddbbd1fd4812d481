"""uvicorn's server, which counts the seconds of its connections and, told to stop, loses no answer.

A stop is in steps: /readyz says 503 for as long as load balancers need to notice; then every answer says Connection: close,
so that callers leave by themselves; nothing more is accepted; whoever stays idle is let go; and when all are gone, or the
time is up, the rest of the application stops.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from time import monotonic
from typing import TYPE_CHECKING, Any

import uvicorn

from carecircle.api.hot import HotProtocol

if TYPE_CHECKING:
    import socket

    from carecircle.settings import Settings

_BACKLOG_EMPTIED = 0.1
"""Seconds in which connections that were made already are still accepted."""
_IDLE_LEAVE = 1.0
"""Seconds an idle connection has for one more request while the server drains: it may be on its way already."""


class Server(uvicorn.Server):
    """Of an application with an attribute `draining`. In a worker, stops by itself when its parent has gone."""

    def __init__(self, config: uvicorn.Config, settings: Settings, parent: int | None = None) -> None:
        super().__init__(config)
        self._notice, self._longest = settings.drain_notice, settings.drain
        self._parent = parent

    async def on_tick(self, counter: int) -> bool:
        if counter % 10 == 0:
            for connection in self._connections():
                connection.tick()
            if self._parent is not None and os.getppid() != self._parent:
                self.should_exit = True
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        application: Any = self.config.loaded_app
        application.draining = True
        await self._pause(self._notice)
        for connection in self._connections():
            connection.drain()
        await self._pause(_BACKLOG_EMPTIED)
        for server in self.servers:
            server.close()
        began = monotonic()
        while self.server_state.connections and not self.force_exit and (past := monotonic() - began) < self._longest:
            if past > _IDLE_LEAVE:
                for connection in self._connections():
                    connection.leave_if_idle()
            await asyncio.sleep(0.05)
        # What is left has had its time.
        for connection in self._connections():
            connection.transport.close()
        await super().shutdown(sockets)

    async def _pause(self, seconds: float) -> None:
        end = monotonic() + seconds
        while not self.force_exit and (left := end - monotonic()) > 0:  # noqa: ASYNC110  a flag is all uvicorn has
            await asyncio.sleep(min(left, 0.1))

    def _connections(self) -> Iterator[HotProtocol]:
        return (one for one in list(self.server_state.connections) if isinstance(one, HotProtocol))
