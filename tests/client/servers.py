"""Servers that answer what they are told to: as ours would, and as none of ours would."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, NamedTuple

import httpx

from carecircle import to_text
from carecircle.client import AsyncClient, Client, Limits
from carecircle.identifiers import new_id

CREDENTIAL = "cck_very-secret"
QUICK = Limits(tries=3, first=0.001, longest=0.1)
YES = {"decision": True, "context": {"id": to_text(new_id()), "code": "allowed", "bases": []}}
NO = {"decision": False, "context": {"id": to_text(new_id()), "code": "no-relationship", "remedies": []}}
PROBLEM = {"content-type": "application/problem+json"}


class Said(NamedTuple):
    """What a server sends back, byte by byte."""

    status: int
    headers: dict[str, str]
    body: bytes


class Scripted:
    """A server that says these things in turn, the last one for ever; an exception is raised instead. It keeps `seen`."""

    def __init__(self, *script: Said | Exception) -> None:
        self._script = list(script)
        self.seen: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        step = self._script.pop(0) if len(self._script) > 1 else self._script[0]
        if isinstance(step, Exception):
            raise step
        return httpx.Response(step.status, headers=step.headers, stream=httpx.ByteStream(step.body))


def answer(said: Any, status: int = 200, **headers: str) -> Said:
    """JSON, as our service would send it."""
    kind = "application/json" if status < 400 else "application/problem+json"
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Said(status, {"content-type": kind, **named}, json.dumps(said).encode())


def both(server: Scripted, limits: Limits = QUICK) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The two faces before that server, each as a function that calls a method and returns what it returns."""

    def blocking(method: str, *args: Any, **kwargs: Any) -> Any:
        with Client("https://circle.test", CREDENTIAL, limits=limits, transport=httpx.MockTransport(server)) as client:
            return getattr(client, method)(*args, **kwargs)

    def waiting(method: str, *args: Any, **kwargs: Any) -> Any:
        async def body() -> Any:
            async with AsyncClient(
                "https://circle.test", CREDENTIAL, limits=limits, transport=httpx.MockTransport(server)
            ) as client:
                return await getattr(client, method)(*args, **kwargs)

        return asyncio.run(body())

    return blocking, waiting
