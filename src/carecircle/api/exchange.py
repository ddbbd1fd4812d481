"""What is read of a request, and how an answer is sent, where no framework does it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from carecircle.api.at_once import heads
from carecircle.errors import InvalidRequest
from carecircle.period import show

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

LARGEST_BODY = 65536
JSON = b"application/json"


class HungUpError(Exception):
    """The caller left before the question was whole: there is nobody to answer, and nothing to decide."""


async def read_body(receive: Receive) -> bytes:
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body") and len(body) <= LARGEST_BODY:
        message = await receive()
        body += message.get("body", b"")
    if message["type"] == "http.disconnect":
        raise HungUpError
    if len(body) > LARGEST_BODY:
        raise InvalidRequest(f"A body has at most {LARGEST_BODY} bytes.")
    return body


async def read_json(headers: dict[bytes, bytes], receive: Receive) -> bytes:
    """The whole body, or nothing. Raises InvalidRequest for one that is too large, or is not said to be JSON."""
    body = await read_body(receive)
    if body and headers.get(b"content-type", b"").partition(b";")[0].strip().lower() != JSON:
        raise InvalidRequest("Send a body as Content-Type: application/json.")
    return body


def once_more(body: bytes, receive: Receive) -> Receive:
    """A body that has been read already, and then whatever else comes."""
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def first() -> MutableMapping[str, Any]:
        return waiting.pop() if waiting else await receive()

    return first


def told_how(send: Send, request_id: bytes | None, as_of: datetime | None = None) -> Send:
    """Answers that nobody stores, that name the request as the caller did, and say as of when a replica was read."""
    headers = [(b"cache-control", b"no-store")] + ([(b"x-request-id", request_id)] if request_id else [])
    headers += [(b"carecircle-as-of", show(as_of).encode())] if as_of is not None else []

    async def sent(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *headers]
        await send(message)

    return sent


async def send_answer(
    send: Send,
    status: int,
    body: bytes,
    kind: bytes,
    request_id: bytes | None,
    more: Mapping[str, str] = MappingProxyType({}),
) -> None:
    await send({"type": "http.response.start", "status": status, "headers": heads(kind, len(body), request_id, more)})
    await send({"type": "http.response.body", "body": body})
