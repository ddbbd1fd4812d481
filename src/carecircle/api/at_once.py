"""A question answered without a task of its own: only one whose sender and ids are known without asking anybody.

Everything else (a new token, an identifier to look up, a body that is no question) is left to the ordinary way, which
finds out again what is the matter and says so; so both give the same answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from time import perf_counter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

import structlog

from carecircle.api.evaluation import conclude, read_question, render
from carecircle.api.problems import headers_of, problem
from carecircle.api.traffic import NO_ROUTE, label_of, tell
from carecircle.errors import AccessUnavailable, CareCircleError, Unauthenticated
from carecircle.logs import where_of

if TYPE_CHECKING:
    from carecircle.access.decision import AccessDecision
    from carecircle.access.service import Access
    from carecircle.api.caller import Caller
    from carecircle.api.gate import Entrance
    from carecircle.api.hot import Done, Headers
    from carecircle.api.tally import Tally

T = TypeVar("T")
Conclude = Callable[["AccessDecision"], Coroutine[Any, Any, "AccessDecision"]]
JSON = b"application/json"
PROBLEM = b"application/problem+json"
UNFINISHED = frozenset({"patient-merged", "not-admitted"})
"""Codes of decisions that are not an answer yet."""

log = structlog.get_logger("carecircle.api")


class AtOnce:
    """The hot route's questions; `tally` counts their answers as it does those of the ordinary way."""

    def __init__(self, access: Access, entrance: Entrance, tally: Tally) -> None:
        self._access, self._entrance, self._tally = access, entrance, tally

    def take(self, headers: Headers, client: tuple[str, int] | None, body: bytes, done: Done) -> bool:
        """Whether this question was taken; then `done` is called with its answer, in a later turn of the loop."""
        known = dict(headers)
        caller = self._entrance.recall(known)
        if caller is None or known.get(b"content-type") != JSON:
            return False
        label = label_of(known)
        address = client[0] if client else None
        request_id = label.decode("latin-1") if label else None
        try:
            question = _without_waiting(read_question(self._access, caller, body, request_id, address))
        except Exception:  # noqa: BLE001  whatever it is, the ordinary way meets it again and says it
            return False
        if question is None:
            return False
        asked = _Asked(partial(self._concluded, caller, known, body, request_id, address), self._tally, label, done)
        try:
            self._access.begin(question).add_done_callback(asked.first)
        except AccessUnavailable as error:
            asyncio.get_running_loop().call_soon(asked.fail, error)
        return True

    async def _concluded(
        self, caller: Caller, headers: dict[bytes, bytes], body: bytes, request_id: str | None, address: str | None,
        decision: AccessDecision,
    ) -> AccessDecision:  # fmt: skip
        try:
            return await conclude(self._access, caller, await self._access.followed(decision))
        except Unauthenticated as error:
            # Where only the account was changed, the same question rests on what it is now.
            anew = await self._entrance.again(error, headers, address)
        asked = await read_question(self._access, anew, body, request_id, address)
        return await conclude(self._access, anew, await self._access.ask(asked))


class _Asked:
    """A question under way: what becomes of its answer."""

    __slots__ = ("_began", "_conclude", "_done", "_label", "_tally")

    def __init__(self, conclude: Conclude, tally: Tally, label: bytes | None, done: Done) -> None:
        self._conclude, self._tally, self._label, self._done = conclude, tally, label, done
        self._began = perf_counter()

    def first(self, answer: asyncio.Future[AccessDecision]) -> None:
        if not answer.cancelled() and answer.exception() is None and answer.result().code in UNFINISHED:
            # Rare: what comes next takes a look-up, and so a task.
            asyncio.ensure_future(self._conclude(answer.result())).add_done_callback(self.last)
        else:
            self.last(answer)

    def last(self, answer: asyncio.Future[AccessDecision]) -> None:
        try:
            decision = answer.result()
            body = render(decision)
        except CareCircleError as error:
            self.fail(error)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001  the caller must hear of it
            log.error("request failed", kind=type(error).__name__, where=where_of(error.__traceback__))  # noqa: TRY400  its text may hold anything
            self.fail(AccessUnavailable())
        else:
            self._tally.answered(decision.allowed, perf_counter() - self._began)
            self._done(200, _head(len(body), self._label), body)

    def fail(self, error: CareCircleError) -> None:
        status, body = problem(error)
        lines = heads(PROBLEM, len(body), self._label, headers_of(error))
        self._done(status, b"".join(b"%b: %b\r\n" % line for line in lines), body)
        if self._tally.unanswered(error):
            log.warning("evaluation failed", code=error.code)
            tell("POST", NO_ROUTE, status, self._began)


def _head(length: int, label: bytes | None) -> bytes:
    """`heads` of a decision, as it is sent."""
    head = b"content-type: application/json\r\ncontent-length: %d\r\ncache-control: no-store\r\n" % length
    return head if label is None else b"%bx-request-id: %b\r\n" % (head, label)


def heads(kind: bytes, length: int, label: bytes | None, more: Mapping[str, str] = MappingProxyType({})) -> Headers:
    """What stands above every answer of ours, in its order."""
    headers = [(b"content-type", kind), (b"content-length", b"%d" % length), (b"cache-control", b"no-store")]
    if more:
        headers += [(name.encode(), said.encode()) for name, said in more.items()]
    if label is not None:
        headers.append((b"x-request-id", label))
    return headers


def _without_waiting(work: Coroutine[Any, Any, T]) -> T | None:
    """What a coroutine comes to when it need not wait; one that would is abandoned, and None."""
    try:
        work.send(None)
    except StopIteration as finished:
        result: T = finished.value
        return result
    work.close()
    return None
