"""The HTTP service: one gate for every route but health, the hot route bare, the rest FastAPI."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import perf_counter

import structlog
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from carecircle.access.bearer import Standing
from carecircle.api import docs_page
from carecircle.api.at_once import AtOnce
from carecircle.api.authzen import is_authzen, serve
from carecircle.api.caller import Caller
from carecircle.api.evaluation import evaluate
from carecircle.api.exchange import (
    JSON,
    HungUpError,
    Receive,
    Scope,
    Send,
    once_more,
    read_body,
    read_json,
    send_answer,
    told_how,
)
from carecircle.api.gate import Entrance, open_entrance
from carecircle.api.hot import TakesAtOnce
from carecircle.api.idempotency import once_of, withheld
from carecircle.api.live import Live, open_live
from carecircle.api.openapi import describe
from carecircle.api.problems import headers_of, problem
from carecircle.api.tally import Tally
from carecircle.api.traffic import Answered, address_of, label_of
from carecircle.api.v1.all_routes import answer, mount
from carecircle.api.v1.door import Door
from carecircle.api.v1.etag import unless_known
from carecircle.audit import metrics as changes
from carecircle.bootstrap import CareCircle, assemble
from carecircle.database.reach import Reach, reach
from carecircle.database.replica import read_as_of
from carecircle.database.session import require_ready
from carecircle.errors import AccessUnavailable, CareCircleError, InvalidRequest, NotFound, Unauthenticated
from carecircle.logs import where_of
from carecircle.settings import Settings

EVALUATION = "/access/v1/evaluation"
ROUTES = "/v1/"
MAY_BE_OLD = ("/v1/audit/", "/v1/reports/")
"""What is read on the replica, where there is one."""
HEALTH = frozenset({"/healthz", "/readyz"})
OPEN_ROUTES = HEALTH | docs_page.OPEN | docs_page.OPEN_FILES
BROKEN = CareCircleError("Something went wrong here; nothing was changed unless you were told so.")
PROBLEM = b"application/problem+json"

log = structlog.get_logger("carecircle.api")


class Service:
    """The ASGI application. Parts are put together when the server starts and let go when it stops.

    `hot_route` and `at_once` are for a server that answers questions below ASGI (api/hot.py); `draining` is set by one that
    is about to stop.
    """

    hot_route = EVALUATION.encode()
    at_once: TakesAtOnce

    def __init__(self, settings: Settings, at: Reach | None = None) -> None:
        self._settings = settings
        self._given = at
        self._circle: CareCircle
        self._entrance: Entrance
        self._live: Live
        self.registry = CollectorRegistry()
        self.registry.register(changes.REGISTRY)
        self._tally = Tally(self.registry)
        self.draining = False
        self.pages = self._make_pages()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.pages(scope, receive, send)
            return
        answered = Answered(send)
        if is_authzen(scope["path"], scope["method"]):
            await self._authzen(scope, receive, answered)
            return
        try:
            further = await self._to_its_page(scope, receive, answered)
        except HungUpError:
            return
        except Exception as error:  # noqa: BLE001  whatever it is, the caller hears of it, and the log not what it says
            await self._fail(scope, answered, error)
            return
        if further is not None:
            await self._page(scope, *further)
            answered.tell(scope, quietly=scope["path"] in HEALTH)

    async def _to_its_page(self, scope: Scope, receive: Receive, send: Send) -> tuple[Receive, Send] | None:
        """What a page reads from and answers to; None where there was nothing left to do for one."""
        headers, address, path = dict(scope["headers"]), address_of(scope), scope["path"]
        if path == EVALUATION and scope["method"] == "POST":
            label = label_of(headers)
            await send_answer(send, 200, await self._evaluation(headers, receive, label, address), JSON, label)
            return None
        if path not in OPEN_ROUTES:
            caller, standing = await self._entrance.enter(headers, address)
            if path.startswith(ROUTES):
                return await self._to_a_route(scope, headers, caller.at(address), standing, receive, send)
        return receive, send

    async def _page(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self.pages(scope, receive, send)
        except Exception as error:  # noqa: BLE001  it has been answered already, and must not reach a log as it is
            # The caller has been told. Where it went wrong may be logged; what the error says may be about a patient.
            log.error("request failed", kind=type(error).__name__, where=where_of(error.__traceback__))  # noqa: TRY400  the same
        finally:
            if (door := scope.get("carecircle.door")) is not None and door.once is not None:
                await door.once.undo()

    async def _fail(self, scope: Scope, send: Answered, error: Exception) -> None:
        if not isinstance(error, CareCircleError):
            log.error("request failed", kind=type(error).__name__, where=where_of(error.__traceback__))
            error = BROKEN
        status, body = problem(error)
        await send_answer(send, status, body, PROBLEM, label_of(dict(scope["headers"])), headers_of(error))
        send.tell(scope)

    async def _authzen(self, scope: Scope, receive: Receive, send: Answered) -> None:
        many = await serve(scope, receive, send, self._circle, self._entered)
        if many is not None:
            self._tally.allowed += many.allowed
            self._tally.denied += many.denied
        send.tell(scope)

    async def _to_a_route(
        self,
        scope: Scope,
        headers: dict[bytes, bytes],
        caller: Caller,
        standing: Standing,
        receive: Receive,
        send: Send,
    ) -> tuple[Receive, Send]:
        """Put the door into the scope of a request under /v1. Raises InvalidRequest for what is sent wrongly."""
        body = await read_json(headers, receive)
        if body:  # it may have taken long to come: what holds now is read after it
            caller, standing = await self._entrance.enter(headers, address_of(scope))
            caller = caller.at(address_of(scope))
        once = once_of(self._circle.keyring, caller, scope, headers, body)
        scope["carecircle.door"] = door = Door(self._circle, self._live, caller, once, standing)
        told = scope["path"].startswith(MAY_BE_OLD) and self._circle.reach.replica is not None
        send = told_how(send, label_of(headers), await read_as_of(self._circle.auditor) if told else None)
        if once is not None:
            send = withheld(send, door.settle)
        elif scope["method"] == "GET" and (known := headers.get(b"if-none-match")):
            send = unless_known(send, known)
        return once_more(body, receive), send

    async def _entered(self, headers: dict[bytes, bytes], address: str | None) -> Caller:
        """Who sent this. Raises what Entrance.enter does."""
        return (await self._entrance.enter(headers, address))[0]

    async def _evaluation(
        self, headers: dict[bytes, bytes], receive: Receive, request_id: bytes | None, address: str | None
    ) -> bytes:
        started = perf_counter()
        caller = await self._entrance.admit(headers, address)
        if headers.get(b"content-type", b"").partition(b";")[0].strip().lower() != JSON:
            raise InvalidRequest("Send the question as Content-Type: application/json.")
        asked = await read_body(receive)
        try:
            label, access = request_id.decode("latin-1") if request_id else None, self._circle.access
            try:
                answer = await evaluate(access, caller, asked, label, address)
            except Unauthenticated as error:
                caller = await self._entrance.again(error, headers, address)
                answer = await evaluate(access, caller, asked, label, address)
        except InvalidRequest:
            raise
        except CareCircleError as error:
            if self._tally.unanswered(error):
                log.warning("evaluation failed", code=error.code)
            raise
        self._tally.answered(answer.startswith(b'{"decision":true'), perf_counter() - started)
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
            return answer(BROKEN)

        @pages.get("/healthz")
        async def healthz() -> dict[str, str]:
            return {"status": "ok"}

        @pages.get("/readyz")
        async def readyz() -> Response:
            try:
                await self._require_ready()
            except CareCircleError as error:
                return answer(error)
            return Response(b'{"status":"ready"}', media_type="application/json")

        @pages.get("/metrics")
        async def metrics() -> Response:
            return Response(generate_latest(self.registry), media_type=CONTENT_TYPE_LATEST)

        docs_page.add_docs(pages, lambda: describe(pages))
        mount(pages)
        return pages

    async def _require_ready(self) -> None:
        """Raises AccessUnavailable: nothing should be asked here now."""
        if self.draining:
            raise AccessUnavailable("This process is draining: it is about to stop; ask another one.")
        await require_ready(self._circle.engine)

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
        async with (
            assemble(self._settings, at) as circle,
            open_entrance(circle) as entrance,
            open_live(lambda: circle.reach.dsn("notifier")) as live,
        ):
            self._circle, self._entrance, self._live = circle, entrance, live
            circle.access.bound(most_waiting=self._settings.most_waiting, longest_wait=self._settings.longest_wait)
            self.at_once = AtOnce(circle.access, entrance, self._tally).take
            yield
