"""Who follows what live in this process, and the one connection that hears of changes and wakes them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any
from uuid import UUID

import structlog

from carecircle.api.problems import TooManyStreams
from carecircle.database.constraints import DRIVER_ERRORS
from carecircle.database.roles import open_connection
from carecircle.errors import CareCircleError
from carecircle.notices.service import CHANNEL

STREAMS_EACH = 8
"""How many streams one person may have in one process."""
READERS = 2
"""How many streams read at once: those who follow leave the other connections to those who ask."""
_FIRST_WAIT, _LONGEST_WAIT = 0.1, 5.0

log = structlog.get_logger("carecircle.api")


class Live:
    """Followers by organization and person. What they are woken for they find out themselves, in a transaction of theirs."""

    def __init__(self, address: Callable[[], str]) -> None:
        self._address = address
        self._followers: dict[UUID, dict[UUID, set[asyncio.Event]]] = {}
        self._listening: asyncio.Task[None] | None = None
        self.reading = asyncio.Semaphore(READERS)

    @contextmanager
    def follow(self, organization_id: UUID, person: UUID) -> Iterator[asyncio.Event]:
        """An event that is set whenever something may have changed in the organization. Raises TooManyStreams."""
        persons = self._followers.setdefault(organization_id, {})
        own = persons.setdefault(person, set())
        if len(own) >= STREAMS_EACH:
            raise TooManyStreams
        if self._listening is None:
            self._listening = asyncio.create_task(self._listen())
        woken = asyncio.Event()
        own.add(woken)
        try:
            yield woken
        finally:
            own.discard(woken)
            if not own:
                persons.pop(person, None)
            if not persons:
                self._followers.pop(organization_id, None)

    def count(self) -> int:
        """How many streams are open in this process."""
        return sum(len(own) for persons in self._followers.values() for own in persons.values())

    async def close(self) -> None:
        """Listen no more."""
        if self._listening is not None:
            self._listening.cancel()
            with suppress(asyncio.CancelledError):
                await self._listening

    async def _listen(self) -> None:
        """Hear of changes until cancelled. A lost connection is made again, and then everybody looks what they missed."""
        wait = _FIRST_WAIT
        while True:
            lost = asyncio.Event()
            try:
                connection = await open_connection(self._address())
                try:
                    connection.add_termination_listener(lambda _, lost=lost: lost.set())
                    await connection.add_listener(CHANNEL, self._heard)
                    wait = _FIRST_WAIT
                    for organization_id in list(self._followers):
                        self._wake(organization_id)
                    await lost.wait()
                finally:
                    connection.terminate()
            except (CareCircleError, *DRIVER_ERRORS) as error:
                log.warning("live events are late: nothing can be listened to", kind=type(error).__name__)
            await asyncio.sleep(wait)
            wait = min(2 * wait, _LONGEST_WAIT)

    def _heard(self, _connection: Any, _pid: int, _channel: str, payload: str) -> None:
        with suppress(ValueError):
            self._wake(UUID(payload))

    def _wake(self, organization_id: UUID) -> None:
        for own in self._followers.get(organization_id, {}).values():
            for woken in own:
                woken.set()


@asynccontextmanager
async def open_live(address: Callable[[], str]) -> AsyncIterator[Live]:
    """`address` gives that of the role carecircle_notifier. The connection is made for the first follower, and kept."""
    live = Live(address)
    try:
        yield live
    finally:
        await live.close()
