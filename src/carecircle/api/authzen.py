"""The AuthZEN routes beside the single evaluation, as bare ASGI: batches, searches, and the metadata that names them all."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, NamedTuple

import orjson
import structlog

from carecircle.api.caller import Caller
from carecircle.api.evaluations import Answer, evaluate_many
from carecircle.api.problems import headers_of, problem
from carecircle.api.search import search_actions, search_resources, search_subjects
from carecircle.api.traffic import address_of
from carecircle.bootstrap import CareCircle
from carecircle.errors import CareCircleError, InvalidRequest, NotFound
from carecircle.interop.authzen.metadata import ENDPOINTS, WELL_KNOWN, is_public, metadata
from carecircle.logs import where_of

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Admit = Callable[[dict[bytes, bytes], str | None], Awaitable[Caller]]

LARGEST_BATCH = 1 << 20
LARGEST_BODY = 1 << 16
JSON = "application/json"
NOT_STORED = {"cache-control": "no-store"}
SECONDS_KEPT = 3600
_SEARCHES = {
    ENDPOINTS["search_subject_endpoint"]: search_subjects,
    ENDPOINTS["search_resource_endpoint"]: search_resources,
    ENDPOINTS["search_action_endpoint"]: search_actions,
}
_BATCH = ENDPOINTS["access_evaluations_endpoint"]
_SINGLE = ENDPOINTS["access_evaluation_endpoint"]
_ROUTES = frozenset({_SINGLE, _BATCH, *_SEARCHES})

log = structlog.get_logger("carecircle.api")


class Route(NamedTuple):
    """What the log of answered requests calls a route."""

    path: str


class _Response(NamedTuple):
    status: int
    body: bytes
    headers: Mapping[str, str] = NOT_STORED
    kind: str = JSON


class HungUpError(Exception):
    """The caller left before the request was whole: there is nobody to answer, and nothing to decide."""


def is_authzen(path: str, method: str) -> bool:
    """Whether `serve` answers this. The single evaluation is answered elsewhere: nothing stands in its way."""
    if path == _SINGLE:
        return method != "POST"
    return path in _ROUTES or path == WELL_KNOWN or path.startswith(WELL_KNOWN + "/")


async def serve(scope: Scope, receive: Receive, send: Send, circle: CareCircle, admit: Admit) -> Answer | None:
    """Answer a request to one of these paths; what it decided, where it was a batch that did. It raises nothing."""
    headers: dict[bytes, bytes] = dict(scope["headers"])
    answer = None
    try:
        if scope["path"] in _ROUTES:
            scope["route"] = Route(scope["path"])
            answer, response = await _asked(scope, headers, receive, circle, admit)
        else:
            scope["route"] = Route(WELL_KNOWN)
            response = _described(scope, headers, circle.settings.public_url)
    except HungUpError:
        return None
    except CareCircleError as error:
        status, body = problem(error)
        response = _Response(status, body, NOT_STORED | headers_of(error), "application/problem+json")
        if status >= 500:
            log.warning("evaluation failed", code=error.code)
    except Exception as error:  # noqa: BLE001  whatever it was, the caller must hear of it, and of nothing in it
        log.error("request failed", kind=type(error).__name__, where=where_of(error.__traceback__))  # noqa: TRY400  the same
        response = _Response(*problem(CareCircleError()), NOT_STORED, "application/problem+json")
    await _send(send, response, headers.get(b"x-request-id"), bodiless=scope["method"] == "HEAD")
    return answer


async def _asked(
    scope: Scope, headers: dict[bytes, bytes], receive: Receive, circle: CareCircle, admit: Admit
) -> tuple[Answer | None, _Response]:
    path, address = scope["path"], address_of(scope)
    caller = await admit(headers, address)
    if scope["method"] != "POST":
        return None, _Response(405, *_only("POST"))
    if headers.get(b"content-type", b"").partition(b";")[0].strip().lower() != JSON.encode():
        raise InvalidRequest("Send the request as Content-Type: application/json.")
    body = await _body(receive, LARGEST_BATCH if path == _BATCH else LARGEST_BODY)
    given = headers.get(b"x-request-id")
    request_id = None if given is None else given.decode("latin-1")
    if path == _BATCH:
        answer = await evaluate_many(circle.access, caller, body, request_id, address)
        return answer, _Response(200, answer.body)
    return None, _Response(200, await _SEARCHES[path](circle, caller, body, request_id, address))


def _described(scope: Scope, headers: Mapping[bytes, bytes], public_url: str | None) -> _Response:
    """Open to everybody, and the same whoever exists: no organization is looked for."""
    if scope["method"] not in ("GET", "HEAD"):
        return _Response(405, *_only("GET, HEAD"))
    document = metadata(scope["path"], public_url=public_url, host=headers.get(b"host", b"").decode("latin-1") or None)
    if document is None:
        raise NotFound("There is no such metadata.")
    kept = {"cache-control": f"max-age={SECONDS_KEPT}"} if is_public(public_url) else NOT_STORED
    return _Response(200, orjson.dumps(document), kept)


def _only(methods: str) -> tuple[bytes, Mapping[str, str]]:
    return b"", {**NOT_STORED, "allow": methods}


async def _body(receive: Receive, largest: int) -> bytes:
    """The whole body. Raises InvalidRequest for one that is too large, HungUpError."""
    parts: list[bytes] = []
    length = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise HungUpError
        parts.append(message.get("body", b""))
        length += len(parts[-1])
        if length > largest:
            raise InvalidRequest(f"A body has at most {largest} bytes here.")
        if not message.get("more_body"):
            return b"".join(parts)


async def _send(send: Send, response: _Response, request_id: bytes | None, *, bodiless: bool) -> None:
    """What was sent as X-Request-ID goes back as it came, as AuthZEN demands, to who sent it and to nobody else."""
    headers = [(name.encode(), said.encode()) for name, said in response.headers.items()]
    if response.body:
        headers.append((b"content-type", response.kind.encode()))
    headers.append((b"content-length", b"%d" % len(response.body)))
    if request_id is not None:
        headers.append((b"x-request-id", request_id))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if bodiless else response.body})
