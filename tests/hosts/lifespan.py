"""An ASGI application, started and stopped as a server does it: over the application itself, not past its middleware."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx


@asynccontextmanager
async def started(app: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the running application."""
    told: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    heard: asyncio.Queue[str] = asyncio.Queue()

    async def send(message: dict[str, Any]) -> None:
        await heard.put(message["type"])

    running = asyncio.create_task(app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, told.get, send))
    await told.put({"type": "lifespan.startup"})
    assert await heard.get() == "lifespan.startup.complete"
    try:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://host") as client:
            yield client
    finally:
        await told.put({"type": "lifespan.shutdown"})
        await running
    assert await heard.get() == "lifespan.shutdown.complete"
