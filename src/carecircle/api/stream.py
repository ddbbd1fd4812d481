"""Server-sent events for one person: what changed since the last look, a heartbeat, and an end with the token's."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any
from uuid import UUID

import orjson
from fastapi.responses import Response
from starlette.types import Receive, Scope, Send

from carecircle.api.caller import Caller
from carecircle.api.live import Live
from carecircle.api.problems import TooManyStreams, headers_of, problem
from carecircle.errors import CareCircleError

LOOK_ANYWAY = 5.0
"""Seconds after which a change is noticed whose notification was lost."""
HEARTBEAT = 15.0
SHORTEST_REST = 0.2
"""Seconds between two looks, however often a stream is woken."""

Look = Callable[[], Awaitable[Iterable[Mapping[str, Any]]]]
Holds = Callable[[], Awaitable[bool]]
"""Whether what the caller rests on lets them in now."""


class EventStream(Response):
    """Sends what each `look` finds as events of one name, until the reader leaves, or the caller's token, sign-in or account
    ends.

    `holds` is asked before each look, which says only what is new. When either cannot (CareCircleError), the next one does;
    nobody is told an error's sentence.
    """

    media_type = "text/event-stream"

    def __init__(self, live: Live, caller: Caller, person: UUID, name: str, look: Look, holds: Holds) -> None:
        super().__init__(headers={"x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._live, self._caller, self._person = live, caller, person
        self._name, self._look, self._holds = name, look, holds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            with self._live.follow(self._caller.organization_id, self._person) as woken:
                gone = asyncio.create_task(_gone(receive))
                gone.add_done_callback(lambda _: woken.set())
                try:
                    await self._tell(send, woken, gone)
                finally:
                    gone.cancel()
        except TooManyStreams as error:
            status, body = problem(error)
            refusal = Response(body, status, headers_of(error), media_type="application/problem+json")
            await refusal(scope, receive, send)

    async def _tell(self, send: Send, woken: asyncio.Event, gone: asyncio.Task[None]) -> None:
        async def write(text: bytes, *, more: bool = True) -> None:
            # A reader who stops reading without leaving is let go: the token's end must be looked at again.
            async with asyncio.timeout(HEARTBEAT):
                await send({"type": "http.response.body", "body": text, "more_body": more})

        with suppress(TimeoutError):
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            await write(b"retry: 1000\n\n")
            beaten = time.monotonic()
            while not gone.done() and (left := self._caller.expires_at - time.time()) > 0:
                woken.clear()
                if (found := await self._found()) is None:
                    break
                for said in found:
                    await write(b"event: %b\ndata: %b\n\n" % (self._name.encode(), orjson.dumps(said)))
                if (since := time.monotonic() - beaten) >= HEARTBEAT:
                    await write(b":\n\n")
                    beaten, since = time.monotonic(), 0.0
                await _rest(woken, gone, min(LOOK_ANYWAY, HEARTBEAT - since, left))
            if not gone.done():
                await write(b"", more=False)

    async def _found(self) -> Iterable[Mapping[str, Any]] | None:
        """What is new; None for somebody who may not be told any more."""
        async with self._live.reading:
            try:
                return await self._look() if await self._holds() else None
            except CareCircleError:
                return ()


async def _gone(receive: Receive) -> None:
    """Returns when the reader has left."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _rest(woken: asyncio.Event, gone: asyncio.Task[None], longest: float) -> None:
    """Wait to be woken, and then for as long as it takes that many wakings are answered by one look."""
    began = time.monotonic()
    with suppress(TimeoutError):
        async with asyncio.timeout(longest):
            await woken.wait()
    short = SHORTEST_REST - (time.monotonic() - began)
    if short > 0 and not gone.done():
        await asyncio.wait([gone], timeout=min(short, longest))
