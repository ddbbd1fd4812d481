"""Batches made by concurrency: while one is in flight, new questions queue up and leave together as the next.

No timer and no wait when idle. Nobody's fault costs a neighbour: a question that cannot be recorded fails alone, an
organization takes no more than its share of a batch while others wait, a cancelled caller is passed over. Where it is
said how long anybody may wait (`bound`), who would wait longer is refused at once, and nothing of theirs is recorded.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from uuid import UUID

import asyncpg

from carecircle.access.decide import Decider, Form, form_of
from carecircle.access.decision import AccessDecision, Question
from carecircle.access.pace import Pace
from carecircle.database.crypto import Keyring
from carecircle.errors import AccessUnavailable, CareCircleError, DatabaseNotMigrated, DatabaseUnavailable
from carecircle.errors.service import TooBusy

Connect = Callable[[], Awaitable[asyncpg.Connection]]


class Waiting:
    """One question and the caller who waits for its answer."""

    __slots__ = ("answer", "form", "question")

    def __init__(self, question: Question, answer: asyncio.Future[AccessDecision]) -> None:
        self.question = question
        self.answer = answer
        self.form: Form = form_of(question)


class Queue:
    """Who waits, by organization and in order of arrival."""

    def __init__(self) -> None:
        self._waiting: dict[UUID, deque[Waiting]] = {}
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def put(self, waiting: Waiting) -> None:
        line = self._waiting.get(waiting.question.organization_id)
        if line is None:
            line = self._waiting[waiting.question.organization_id] = deque()
        line.append(waiting)
        self._length += 1

    def give_way(self, organization_id: UUID, room: int) -> Waiting | None:
        """Who leaves a queue of this `room` that is full, so that somebody of this organization may join it.

        None when the newcomer's organization has its share of the room already: then the newcomer is the one. Otherwise it
        is the last of the organization that has most.
        """
        own = self._waiting.get(organization_id, ())
        sharing = len(self._waiting) + (not own)
        if len(own) * sharing >= room:
            return None
        most, line = max(self._waiting.items(), key=lambda held: len(held[1]))
        leaves = line.pop()
        if not line:
            del self._waiting[most]
        self._length -= 1
        return leaves

    def take(self, most: int) -> list[Waiting]:
        """The next batch: everybody when there is room, otherwise organizations in turn, one question each round."""
        if self._length <= most:
            taken = [waiting for line in self._waiting.values() for waiting in line]
            self._waiting.clear()
        else:
            taken = []
            while len(taken) < most:
                organization_id, line = next(iter(self._waiting.items()))
                del self._waiting[organization_id]
                taken.append(line.popleft())
                if line:
                    # To the back of the round: who was served waits until everybody was.
                    self._waiting[organization_id] = line
        self._length -= len(taken)
        return [waiting for waiting in taken if not waiting.answer.done()]


class Batcher:
    """The queue and the lanes that empty it, each with a connection of its own."""

    def __init__(
        self, connect: Connect, keyring: Keyring, *, lanes: int = 2, most: int = 128, timeout: float = 5.0
    ) -> None:
        self._queue = Queue()
        self._pace = Pace(lanes, most)
        self._lanes = [_Lane(self._queue, self._pace, connect, keyring, most, timeout) for _ in range(lanes)]
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    def bound(self, *, most_waiting: int, longest_wait: float) -> None:
        """From now on refuse with TooBusy who would be one too many, or would wait for more than so many seconds.

        For a server whose callers know nothing of each other; who asks many questions at once waits for them all anyway.
        """
        self._pace.bound(most_waiting, longest_wait)

    def put(self, question: Question) -> asyncio.Future[AccessDecision]:
        """The recorded answer, later. Raises AccessUnavailable, at once or as the answer: then nobody got in."""
        if self._closed:
            raise AccessUnavailable("carecircle is shutting down; ask again elsewhere.")
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        if self._pace.bounded and len(self._queue) >= (room := self._pace.room()):
            leaves = self._queue.give_way(question.organization_id, room)
            if leaves is None:
                raise self._too_busy()
            if not leaves.answer.done():
                leaves.answer.set_exception(self._too_busy())
        answer: asyncio.Future[AccessDecision] = self._loop.create_future()
        self._queue.put(Waiting(question, answer))
        for lane in self._lanes:
            if lane.idle:
                lane.leave()
                break
        return answer

    async def ask(self, question: Question) -> AccessDecision:
        """The recorded answer. Raises AccessUnavailable when none could be recorded; then nobody got in."""
        return await self.put(question)

    def _too_busy(self) -> TooBusy:
        return TooBusy(retry_after=self._pace.retry_after(len(self._queue)))

    async def close(self) -> None:
        """Answer who waits already, then let the connections go."""
        self._closed = True
        for lane in self._lanes:
            await lane.close()


class _Lane:
    """One connection; idle, or on its way with a batch."""

    def __init__(self, queue: Queue, pace: Pace, connect: Connect, keyring: Keyring, most: int, timeout: float) -> None:
        self._queue = queue
        self._pace = pace
        self._connect = connect
        self._keyring = keyring
        self._most = most
        self._timeout = timeout
        self._decider: Decider | None = None
        self._journey: asyncio.Task[None] | None = None
        self.idle = True

    def leave(self) -> None:
        """Start emptying the queue, after the questions that arrive in this turn of the loop have joined it."""
        self.idle = False
        self._journey = asyncio.get_running_loop().create_task(self._travel())

    async def close(self) -> None:
        if self._journey is not None:
            await self._journey
        if self._decider is not None:
            await self._decider.connection.close()
            self._decider = None

    async def _travel(self) -> None:
        try:
            while batch := self._queue.take(self._most):
                with self._pace.on_the_way(len(batch)):
                    for form in {waiting.form for waiting in batch}:
                        await self._answer(form, [waiting for waiting in batch if waiting.form == form])
        finally:
            # Nothing is awaited between finding the queue empty and here, so no question arrives unseen.
            self.idle = True

    async def _answer(self, form: Form, batch: list[Waiting]) -> None:
        try:
            decider = await self._connected()
            decisions = await decider.decide(form, [waiting.question for waiting in batch])
        except asyncio.CancelledError:
            _refuse(batch, AccessUnavailable("carecircle is shutting down; ask again elsewhere."))
            raise
        except Exception as error:  # noqa: BLE001 - whatever it was, everybody in the batch must hear of it
            await self._recover(form, batch, error)
        else:
            for waiting, decision in zip(batch, decisions, strict=True):
                if not waiting.answer.done():
                    waiting.answer.set_result(decision)

    async def _recover(self, form: Form, batch: list[Waiting], error: Exception) -> None:
        """Nothing was recorded. What is wrong with the database is told to all; whoever else is not at fault asks alone."""
        if isinstance(error, _GONE):
            self._hang_up()
        reason = _common_reason(error)
        if reason is not None:
            _refuse(batch, reason)
        elif len(batch) == 1:
            where = getattr(error, "sqlstate", None) or type(error).__name__
            _refuse(batch, AccessUnavailable(f"This question could not be recorded ({where}), so it has no answer."))
        else:
            for waiting in batch:
                if not waiting.answer.done():
                    await self._answer(form, [waiting])

    async def _connected(self) -> Decider:
        if self._decider is None or self._decider.connection.is_closed():
            self._decider = Decider(await self._connect(), self._keyring, timeout=self._timeout)
        return self._decider

    def _hang_up(self) -> None:
        if self._decider is not None:
            self._decider.connection.terminate()
            self._decider = None


def _refuse(batch: list[Waiting], error: CareCircleError) -> None:
    for waiting in batch:
        if not waiting.answer.done():
            # An error of its own for each caller: a traceback is not shared.
            waiting.answer.set_exception(type(error)(error.message))


_GONE = (
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
)


def _common_reason(error: Exception) -> CareCircleError | None:
    """Why nobody can be answered now, or None when the fault may lie with one question."""
    match error:
        case CareCircleError():
            return error
        case asyncpg.QueryCanceledError():
            return AccessUnavailable("The database took too long; nothing was decided.")
        case asyncpg.UndefinedTableError() | asyncpg.InvalidSchemaNameError() | asyncpg.InsufficientPrivilegeError():
            return DatabaseNotMigrated()
        case asyncpg.DataError():
            return None
    if isinstance(error, _GONE):
        return DatabaseUnavailable("The database stopped answering; nothing was decided.")
    return None
