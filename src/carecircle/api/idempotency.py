"""Idempotency-Key (draft-ietf-httpapi-idempotency-key-header): a change that is sent twice is made once.

The answer is kept in the transaction of the change. So the transaction that a route opens with `door.change()` is not committed
where the route leaves it, but once its answer has been rendered and stored in it: a process that dies before the commit has
changed nothing, and one that dies after it has stored the answer. What failed is rolled back, and not stored.

The key is looked for where the route first reads or changes something: by then the caller's permission has been checked, so
whoever lost it gets no stored answer either. A request that changes nothing is carried out again.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

from carecircle.api.caller import Caller
from carecircle.api.problems import headers_of, problem
from carecircle.database.answers_kept import Slot, Told
from carecircle.database.crypto import Keyring
from carecircle.errors import CareCircleError, InvalidRequest

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

HEADER = b"idempotency-key"
REPLAYED = "idempotency-replayed"
CHANGING_METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})
# What an answer says of itself; the rest of its head is made anew when it is told again.
_KEPT = frozenset({"content-type", "etag", "location"})
# The draft writes the key as a string in quotes; most callers send it bare.
_KEY = re.compile(r'"([\x21\x23-\x5b\x5d-\x7e]{1,255})"|([\x21\x23-\x5b\x5d-\x7e]{1,255})')


class AnsweredBeforeError(Exception):
    """This request was answered before: nothing is done again, and the answer is told again."""

    def __init__(self, told: Told) -> None:
        super().__init__("answered before")
        self.told = told


class _UndoneError(Exception):
    """The change is taken back, and nobody is to be told of an error."""


class Once:
    """A request that carries a key: the transaction of its change, held open until the answer is stored in it."""

    def __init__(self, slot: Slot) -> None:
        self._slot = slot
        self._stack: AsyncExitStack | None = None
        self.db: AsyncSession | None = None

    async def look(self, db: AsyncSession) -> None:
        """Raises AnsweredBeforeError where an answer is stored, and IdempotencyKeyReused where it is another request's."""
        told = await self._slot.look(db)
        if told is not None:
            raise AnsweredBeforeError(told)

    @asynccontextmanager
    async def holding(
        self, begin: Callable[[], AbstractAsyncContextManager[AsyncSession]]
    ) -> AsyncIterator[AsyncSession]:
        """The request's one transaction, from `begin`: still open when the block ends, rolled back when it raises.

        Raises IdempotencyKeyInUse while another request with this key is worked on, and what `look` raises.
        """
        try:
            if self.db is None:
                self._stack = AsyncExitStack()
                self.db = await self._stack.enter_async_context(begin())
                await self._slot.take_turn(self.db)
                # In a statement of its own, so that it sees what whoever had the turn before has committed.
                await self.look(self.db)
            yield self.db
        except BaseException as error:
            await self._end(error)
            raise

    async def keep(self, told: Told) -> None:
        """Store the answer and commit; or take the change back, where the answer is not of success.

        Without a change nothing is stored. Raises what a commit may: then nothing was changed.
        """
        if self.db is None:
            return
        if told.status >= 400:
            await self.undo()
            return
        try:
            await self._slot.keep(self.db, told)
        except BaseException as error:
            await self._end(error)
            raise
        await self._end(None)

    async def undo(self) -> None:
        """Roll back what is still open."""
        await self._end(_UndoneError())

    async def _end(self, error: BaseException | None) -> None:
        stack, self._stack, self.db = self._stack, None, None
        if stack is not None:
            await stack.__aexit__(
                None if error is None else type(error), error, None if error is None else error.__traceback__
            )


def withheld(send: Send, settle: Callable[[Told], Awaitable[None]]) -> Send:
    """Keeps an answer back until `settle` has committed the change it tells of; where that fails, tells of the failure."""
    kept: list[MutableMapping[str, Any]] = []

    async def sent(message: MutableMapping[str, Any]) -> None:
        kept.append(message)
        if message["type"] != "http.response.body" or message.get("more_body"):
            return
        try:
            await settle(_told(kept))
        except CareCircleError as error:
            status, body = problem(error)
            head = {"content-type": "application/problem+json", "content-length": str(len(body))} | headers_of(error)
            raw = [(name.encode(), said.encode()) for name, said in head.items()]
            kept[:] = [
                {"type": "http.response.start", "status": status, "headers": raw},
                {"type": "http.response.body", "body": body},
            ]
        for one in kept:
            await send(one)

    return sent


def _told(messages: Sequence[MutableMapping[str, Any]]) -> Told:
    start, *parts = messages
    headers = {name.decode("latin-1"): said.decode("latin-1") for name, said in start["headers"]}
    body = b"".join(part.get("body", b"") for part in parts)
    return Told(start["status"], {name: said for name, said in headers.items() if name in _KEPT}, body)


def once_of(
    ring: Keyring, caller: Caller, scope: Mapping[str, Any], headers: Mapping[bytes, bytes], body: bytes
) -> Once | None:
    """The request as one that is carried out once, where it carries a key and may change something.

    The same request is one of the same caller with the same method, path and query, If-Match and body. Raises InvalidRequest.
    """
    given = headers.get(HEADER)
    method: str = scope["method"]
    if given is None or method not in CHANGING_METHODS:
        return None
    found = _KEY.fullmatch(given.decode("latin-1").strip())
    if found is None:
        raise InvalidRequest(
            "An Idempotency-Key has 1 to 255 printable ASCII characters without spaces, such as a UUID."
        )
    address = str(scope["path"]).encode(), bytes(scope["query_string"])
    parts = (method.encode(), *address, headers.get(b"if-match", b""), body)
    request = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
    actor, of_a_key = caller.actor, caller.bearer is not None and caller.bearer.key_id is not None
    who = caller.token if of_a_key else actor.name  # two keys may have one name
    who = who if actor.on_behalf_of is None else f"{who} for {actor.on_behalf_of}"
    return Once(Slot(ring, caller.organization_id, who, found[1] or found[2], request))
