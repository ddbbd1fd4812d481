"""The HTTP service: one gate for every route but health, the hot route bare, the rest FastAPI."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from contextlib import asynccontextmanager
from time import perf_counter
from types import MappingProxyType
from typing import Any

import structlog
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest

from carecircle.api.evaluation import evaluate
from carecircle.api.live import Live, open_live
from carecircle.api.openapi import describe
from carecircle.api.problems import headers_of, problem
from carecircle.api.sign_ins import SignIns
from carecircle.api.tokens import Caller, Gate
from carecircle.api.traffic import Answered, address_of, label_of
from carecircle.api.v1.all_routes import answer, mount
from carecircle.api.v1.door import Door
from carecircle.audit import metrics as changes
from carecircle.bootstrap import CareCircle, assemble
from carecircle.database.reach import Reach, reach
from carecircle.database.session import require_ready
from carecircle.errors import CareCircleError, InvalidRequest, NotFound, Unauthenticated
from carecircle.logs import where_of
from carecircle.settings import Settings

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

EVALUATION = "/access/v1/evaluation"
ROUTES = "/v1/"
OPEN_ROUTES = frozenset({"/healthz", "/readyz"})
LARGEST_BODY = 65536
JSON = b"application/json"
PROBLEM = b"application/problem+json"

log = structlog.get_logger("carecircle.api")


class Service:
    """The ASGI application. Parts are put together when the server starts and let go when it stops."""

    def __init__(self, settings: Settings, at: Reach | None = None) -> None:
        self._settings = settings
        self._given = at
        self._circle: CareCircle
        self._gate: Gate
        self._live: Live
        self._sign_ins: SignIns
        self.registry = CollectorRegistry()
        self.registry.register(changes.REGISTRY)
        self._decisions = Counter(
            "carecircle_decisions", "Decisions answered over HTTP.", ["answer"], registry=self.registry
        )
        self._seconds = Histogram(
            "carecircle_evaluation_seconds",
            "Time from a question's arrival to its recorded answer.",
            buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5),
            registry=self.registry,
        )
        self._allowed, self._denied, self._failed = (
            self._decisions.labels(answer) for answer in ("allowed", "denied", "failed")
        )
        self.pages = self._make_pages()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.pages(scope, receive, send)
            return
        headers = dict(scope["headers"])
        request_id = label_of(headers)
        path: str = scope["path"]
        address = address_of(scope)
        answered = send = Answered(send)
        try:
            if path == EVALUATION and scope["method"] == "POST":
                body = await self._evaluation(headers, receive, request_id, address)
                await _answer(send, 200, body, JSON, request_id)
                return
            if path not in OPEN_ROUTES:
                caller = await self._admitted(headers, address)
                if path.startswith(ROUTES):
                    scope["carecircle.door"] = Door(self._circle, self._live, caller.at(address))
                    receive = _once(await _json(headers, receive), receive)
                    send = _told(send, request_id)
        except _HungUpError:
            return
        except CareCircleError as error:
            status, body = problem(error)
            await _answer(send, status, body, PROBLEM, request_id, headers_of(error))
            answered.tell(scope)
            return
        try:
            await self.pages(scope, receive, send)
        except Exception as error:  # noqa: BLE001  it has been answered already, and must not reach a log as it is
            # The caller has been told. Where it went wrong may be logged; what the error says may be about a patient.
            log.error("request failed", kind=type(error).__name__, where=where_of(error.__traceback__))  # noqa: TRY400  the same
        answered.tell(scope, quietly=path in OPEN_ROUTES)

    async def _admitted(self, headers: dict[bytes, bytes], address: str | None) -> Caller:
        """Who sent this, their sign-in on record. Raises Unauthenticated, DatabaseUnavailable and its kin."""
        try:
            caller = self._gate.admit(headers.get(b"authorization"))
        except Unauthenticated as error:
            await self._sign_ins.refuse(error, address)
            raise
        if not self._sign_ins.knows(caller):
            await self._sign_ins.note(caller, address)
        return caller

    async def _evaluation(
        self, headers: dict[bytes, bytes], receive: Receive, request_id: bytes | None, address: str | None
    ) -> bytes:
        started = perf_counter()
        caller = await self._admitted(headers, address)
        if headers.get(b"content-type", b"").partition(b";")[0].strip().lower() != JSON:
            raise InvalidRequest("Send the question as Content-Type: application/json.")
        asked = await _body(receive)
        try:
            answer = await evaluate(
                self._circle.access, caller, asked, request_id.decode("latin-1") if request_id else None, address
            )
        except InvalidRequest:
            raise
        except CareCircleError as error:
            self._failed.inc()
            log.warning("evaluation failed", code=error.code)
            raise
        (self._allowed if answer.startswith(b'{"decision":true') else self._denied).inc()
        self._seconds.observe(perf_counter() - started)
        return answer

    def _make_pages(self) -> FastAPI:
        # The documentation pages FastAPI brings load scripts from elsewhere, so they are off.
        pages = FastAPI(
            title="carecircle", lifespan=self._run, docs_url=None, redoc_url=None, openapi_url=None,
            redirect_slashes=False,
        )  # fmt: skip

        @pages.exception_handler(404)
        @pages.exception_handler(405)
        async def nothing_here(_: Request, error: HTTPException) -> Response:
            return answer(NotFound("There is no such route; /openapi.json lists them."))

        @pages.exception_handler(400)
        async def unreadable(_: Request, error: HTTPException) -> Response:
            return answer(InvalidRequest("The body cannot be read as JSON."))

        @pages.exception_handler(Exception)
        async def broken(_: Request, error: Exception) -> Response:
            return answer(CareCircleError("Something went wrong here; nothing was changed unless you were told so."))

        @pages.get("/healthz")
        async def healthz() -> dict[str, str]:
            return {"status": "ok"}

        @pages.get("/readyz")
        async def readyz() -> Response:
            try:
                await require_ready(self._circle.engine)
            except CareCircleError as error:
                return answer(error)
            return Response(b'{"status":"ready"}', media_type="application/json")

        @pages.get("/metrics")
        async def metrics() -> Response:
            return Response(generate_latest(self.registry), media_type=CONTENT_TYPE_LATEST)

        @pages.get(EVALUATION, include_in_schema=False)
        async def evaluation_is_asked() -> Response:
            return Response(status_code=405, headers={"allow": "POST"})

        @pages.get("/openapi.json")
        async def openapi() -> dict[str, Any]:
            return describe(pages)

        mount(pages)
        return pages

    @asynccontextmanager
    async def _run(self, _: FastAPI) -> AsyncIterator[None]:
        if self._given is not None:
            async with self._open(self._given):
                yield
        else:
            with reach(self._settings) as at:
                async with self._open(at):
                    yield

    @asynccontextmanager
    async def _open(self, at: Reach) -> AsyncIterator[None]:
        async with assemble(self._settings, at) as circle, open_live(lambda: circle.reach.dsn("notifier")) as live:
            self._circle, self._gate, self._live = circle, Gate(circle.keyring), live
            self._sign_ins = SignIns(circle.engine)
            yield


class _HungUpError(Exception):
    """The caller left before the question was whole: there is nobody to answer, and nothing to decide."""


async def _body(receive: Receive) -> bytes:
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body") and len(body) <= LARGEST_BODY:
        message = await receive()
        body += message.get("body", b"")
    if message["type"] == "http.disconnect":
        raise _HungUpError
    if len(body) > LARGEST_BODY:
        raise InvalidRequest(f"A body has at most {LARGEST_BODY} bytes.")
    return body


async def _json(headers: dict[bytes, bytes], receive: Receive) -> bytes:
    """The whole body, or nothing. Raises InvalidRequest for one that is too large, or is not said to be JSON."""
    body = await _body(receive)
    if body and headers.get(b"content-type", b"").partition(b";")[0].strip().lower() != JSON:
        raise InvalidRequest("Send a body as Content-Type: application/json.")
    return body


def _once(body: bytes, receive: Receive) -> Receive:
    """A body that has been read already, and then whatever else comes."""
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def first() -> MutableMapping[str, Any]:
        return waiting.pop() if waiting else await receive()

    return first


def _told(send: Send, request_id: bytes | None) -> Send:
    """Answers that nobody stores, and that name the request as the caller did."""
    headers = [(b"cache-control", b"no-store")] + ([(b"x-request-id", request_id)] if request_id else [])

    async def sent(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *headers]
        await send(message)

    return sent


async def _answer(
    send: Send,
    status: int,
    body: bytes,
    kind: bytes,
    request_id: bytes | None,
    more: Mapping[str, str] = MappingProxyType({}),
) -> None:
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode()), (b"cache-control", b"no-store")]
    headers += [(name.encode(), said.encode()) for name, said in more.items()]
    if request_id is not None:
        headers.append((b"x-request-id", request_id))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
