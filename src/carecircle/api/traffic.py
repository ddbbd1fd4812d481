"""A line of the log per answered request: method, the route's template, status, duration; never the path that was sent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from time import perf_counter
from typing import Any

import structlog

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
NO_ROUTE = "none"

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

log = structlog.get_logger("carecircle.api")


class Answered:
    """Sends an answer on, and remembers its status and when the request came."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._began = perf_counter()
        self.status = 0

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self._send(message)

    def tell(self, scope: Scope, *, quietly: bool = False) -> None:
        """Write the line; `quietly` for what is asked all the time, which only a log of everything holds."""
        tell(scope["method"], getattr(scope.get("route"), "path", NO_ROUTE), self.status, self._began, quietly=quietly)


def tell(method: str, route: str, status: int, began: float, *, quietly: bool = False) -> None:
    """The line of one request, which began at this instant of perf_counter."""
    write = log.debug if quietly else log.info
    shown = method if method in METHODS else "other"
    write("answered", method=shown, route=route, status=status, seconds=round(perf_counter() - began, 4))


def address_of(scope: Scope) -> str | None:
    """The address the request came from, as the socket knows it: what a header says of it anybody can write."""
    client = scope.get("client")
    return None if not client else str(client[0])


def label_of(headers: Mapping[bytes, bytes]) -> bytes | None:
    """The caller's x-request-id, which goes back to them as it is; what of it is recorded, `request_label` decides."""
    return headers.get(b"x-request-id")
