"""The sealer's loop: pass after pass, publication beside it, and what is looked for once at the start."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from uuid import UUID

import structlog

from carecircle.audit.metrics import CHECKPOINTS_UNPUBLISHED, SEAL_LAG, SEALING_FINDINGS
from carecircle.audit.sealer import Passed, Sealer
from carecircle.audit.sealing_key import CurrentKey
from carecircle.audit.sealing_service import Head, SealingDatabase, sealing
from carecircle.audit.witness import Witnesses
from carecircle.database.constraints import DRIVER_ERRORS
from carecircle.database.crypto import keyring
from carecircle.database.reach import Reach
from carecircle.errors import CareCircleError, DatabaseNotMigrated, DatabaseRoleUnsafe, DatabaseUnavailable
from carecircle.identifiers import to_text
from carecircle.settings import Settings

FIRST_RETRY, LAST_RETRY = 0.2, 5.0
STAND_BY = 1.0
"""Seconds until a sealer looks again that found another one at work."""
EVERYWHERE_EVERY = 600.0
"""Seconds after which all months are looked at, not only those around the newest entry."""
FAREWELL = 5.0

log = structlog.get_logger("carecircle.sealer")


class Publisher:
    """Gives the witnesses what is flushed, at most so often; of an organization the newest checkpoint only."""

    def __init__(self, witnesses: Witnesses, every: float) -> None:
        self._witnesses = witnesses
        self._every = every
        self._unsure: dict[UUID, Head] = {}
        self._flushed: dict[UUID, Head] = {}
        self._stirred = asyncio.Event()

    async def take(self, passed: Passed, database: SealingDatabase) -> None:
        """Have the checkpoints of a pass published, if the commit was waited for; otherwise once a later one was."""
        self._unsure.update({head.organization: head for head in passed.heads})
        if self._unsure and (passed.flushed or await database.flush()):
            self._flushed |= self._unsure
            self._unsure.clear()
            self._stirred.set()
        CHECKPOINTS_UNPUBLISHED.set(len(self._unsure) + self._witnesses.unpublished(self._flushed.values()))

    async def publish(self) -> None:
        """Give the witnesses everything that is flushed, now."""
        self._stirred.clear()
        heads = list(self._flushed.values())
        await self._witnesses.publish(heads)
        if self._witnesses.unpublished(heads):
            self._stirred.set()
        else:
            for head in heads:
                if self._flushed.get(head.organization) is head:
                    del self._flushed[head.organization]
        CHECKPOINTS_UNPUBLISHED.set(len(self._unsure) + self._witnesses.unpublished(self._flushed.values()))

    async def run(self) -> None:
        """Publish whenever there is something, until cancelled. What fails is tried again."""
        while True:
            await self._stirred.wait()
            try:
                await self.publish()
            except Exception as error:  # noqa: BLE001  the last door of a task: publishing is tried again
                log.warning("checkpoints were not published", error=type(error).__qualname__)
                self._stirred.set()
                await asyncio.sleep(LAST_RETRY)
            await asyncio.sleep(self._every)


async def seal_once(settings: Settings, at: Reach) -> int:
    """Seal and publish what there is now; how many entries. Raises as run_sealer at its start, and DatabaseUnavailable."""
    sealer, publisher = _ready(settings)
    count = 0
    async with sealing(at) as database:
        await _count_impossible(database)
        while True:
            passed = await sealer.once(database)
            await publisher.take(passed, database)
            count += passed.sealed
            if not passed.more:
                break
    await publisher.publish()
    return count


async def run_sealer(settings: Settings, at: Reach, *, stop: asyncio.Event) -> None:
    """Seal until `stop` is set. Several may run side by side, on one key; they take turns.

    While the database is away it waits for it, also at the start. Raises InvalidSetting and KeyUnavailable, and at the start
    DatabaseNotMigrated or DatabaseRoleUnsafe.
    """
    sealer, publisher = _ready(settings)
    stopping = asyncio.create_task(stop.wait())
    publishing = asyncio.create_task(publisher.run())
    looking: asyncio.Task[None] | None = None
    retry, started, good = FIRST_RETRY, False, time.monotonic()
    try:
        while not stop.is_set():
            try:
                sealer.forget()
                async with sealing(at) as database:
                    started = True
                    looking = looking or asyncio.create_task(_look_behind(at))
                    await _count_impossible(database)
                    everywhere = time.monotonic()
                    while not stop.is_set():
                        if time.monotonic() - everywhere > EVERYWHERE_EVERY:
                            sealer.look_everywhere()
                            everywhere = time.monotonic()
                            await _count_impossible(database)
                        async with _cut_short(stopping):
                            passed = await sealer.once(database)
                            await publisher.take(passed, database)
                        retry, good = FIRST_RETRY, time.monotonic()
                        if not passed.more:
                            await asyncio.wait([stopping], timeout=STAND_BY if passed.others else settings.seal_every)
            except (DatabaseNotMigrated, DatabaseRoleUnsafe, DatabaseUnavailable) as error:
                if not started and type(error) is not DatabaseUnavailable:
                    raise
                log.warning("nothing can be sealed", code=error.code, retry_in=retry)
            except Exception as error:  # noqa: BLE001  whatever somebody wrote into the tables: no row may end the sealing
                # An organization's months may be worked on, or something is where nothing should be: tried again, and seen.
                # What the error says may be about a patient; its name is not.
                code = error.code if isinstance(error, CareCircleError) else type(error).__qualname__
                log.warning("a pass failed", code=code, retry_in=retry)
            if not stop.is_set():
                SEAL_LAG.set(time.monotonic() - good)
                await asyncio.wait([stopping], timeout=retry)
                retry = min(2 * retry, LAST_RETRY)
    finally:
        beside = [task for task in (stopping, publishing, looking) if task is not None]
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
        with suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL):
                await publisher.publish()


def _ready(settings: Settings) -> tuple[Sealer, Publisher]:
    witnesses = Witnesses.of(settings)
    keyring()  # said now if the keys are not here: marks are checked with them
    return Sealer(CurrentKey(settings.home), witnesses), Publisher(witnesses, settings.witness_every)


@asynccontextmanager
async def _cut_short(stopping: asyncio.Task[bool]) -> AsyncIterator[None]:
    """Let the block finish, but not for ever once it is to stop: a commit may wait for a standby that is away.

    Raises TimeoutError.
    """
    async with asyncio.timeout(None) as limit:

        def end(_: object) -> None:
            limit.reschedule(asyncio.get_running_loop().time() + FAREWELL)

        stopping.add_done_callback(end)
        try:
            yield
        finally:
            stopping.remove_done_callback(end)


async def _count_impossible(database: SealingDatabase) -> None:
    """Count the entries that get no leaf because of the time they say; the verifier lists them one by one."""
    for organization, entries, first in await database.impossible():
        SEALING_FINDINGS.labels("impossible-time").inc(entries)
        log.error("entries say an impossible time and are not sealed", entries=entries, first=to_text(first),
                  organization_id=to_text(organization))  # fmt: skip


async def _look_behind(at: Reach) -> None:
    """Look once, beside the sealing, for entries that were put behind the cursors; the verifier lists them one by one."""
    with suppress(CareCircleError, *DRIVER_ERRORS):
        async with sealing(at) as database:
            for organization, entries, first in await database.behind():
                SEALING_FINDINGS.labels("behind").inc(entries)
                log.error("entries appeared behind what is sealed", entries=entries, first=to_text(first),
                          organization_id=to_text(organization))  # fmt: skip
