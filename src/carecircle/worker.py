"""The worker: sends what is due and takes the steps that are due, and seals the audit trail, for every organization."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Literal, Protocol

import structlog

from carecircle.actor import Actor, acting_as
from carecircle.audit.metrics import NOTICES
from carecircle.audit.sealing import run_sealer
from carecircle.database.reach import Reach
from carecircle.database.roles import check_role, open_connection
from carecircle.database.session import open_engine, transaction
from carecircle.emergency import escalation_service
from carecircle.errors import CareCircleError, DatabaseNotMigrated, DatabaseRoleUnsafe, DatabaseUnavailable
from carecircle.identifiers import OrganizationId, to_text
from carecircle.notices.sending_service import Lane, Senders, claim_in, put_off, send
from carecircle.notices.service import REARMED, postpone, settle
from carecircle.notices.watching_service import Outbox, watching
from carecircle.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

    from carecircle.notices.tables import Due

NOTIFIER = Actor.service("notifier")
LONGEST_SLEEP = 5.0
"""Seconds after which it looks, also when nothing was told: whoever put something down may have been cut off."""
FIRST_RETRY, LAST_RETRY = 0.2, 5.0
LONGEST_STEP = 30.0
"""Seconds a step may take: a lock that somebody holds must not stop the steps behind it."""
SIDE_BY_SIDE = 3
"""Rows of one lane worked on at once: over all organizations, and within one."""
GRACE = 10.0

STEPS: Mapping[str, Callable[[AsyncSession, OrganizationId, Due], Awaitable[str]]] = {
    "unacknowledged": escalation_service.unacknowledged,
    "undecided": escalation_service.undecided,
    "relationship": escalation_service.relationship,
    "review-due": escalation_service.review_due,
}
"""What is done when a step is due; each acts, puts down what follows, and gives the outcome's code."""

Part = Literal["notices", "sealing"]
"""What a worker may be told to do only: the key that signs checkpoints can then live on a machine of its own."""


class Run(Protocol):
    """How a part of the worker is run until `stop` is set."""

    def __call__(self, settings: Settings, at: Reach, *, stop: asyncio.Event) -> Coroutine[Any, Any, None]:
        """The part's work."""


Drain = tuple[OrganizationId, Lane, int]
"""Whose rows, of which lane, and which of those that work on it side by side."""

log = structlog.get_logger("carecircle.worker")


class Worker:
    """Does what is due, row by row, each in a transaction of its own; what fails is put off and stops nothing else."""

    def __init__(self, engine: AsyncEngine, senders: Senders) -> None:
        self.stirred = asyncio.Event()
        self._engine = engine
        self._senders = senders
        self._room = {lane: asyncio.Semaphore(SIDE_BY_SIDE) for lane in Lane}
        self._running: dict[Drain, asyncio.Task[None]] = {}
        self._again: set[Drain] = set()
        self._ending = False

    async def do_one(self, tenant: OrganizationId, lane: Lane, claimed: Callable[[], None] = lambda: None) -> bool:
        """Claim what is due next in a lane and do it; whether there was any. `claimed` is called once there is.

        Raises DatabaseUnavailable and its kin.
        """
        due_id = kind = None
        try:
            async with transaction(self._engine, tenant) as db:
                due = await claim_in(db, tenant, lane)
                if due is None:
                    return False
                due_id, kind = due.id, due.kind
                claimed()
                outcome = await self._act(db, tenant, lane, due)
        except Exception as error:
            if due_id is None:
                raise
            outcome = "failed"
            # What the error says may be about a patient; its name is not.
            log.warning("put off", kind=kind, outbox_id=to_text(due_id), error=_name(error))
            async with transaction(self._engine, tenant) as db:
                await put_off(db, tenant, due_id, outcome)
        if lane is not Lane.step:
            NOTICES.labels(lane.value, outcome).inc()
        log.info("done", kind=kind, outbox_id=to_text(due_id), outcome=outcome)
        return True

    async def _act(self, db: AsyncSession, tenant: OrganizationId, lane: Lane, due: Due) -> str:
        if lane is not Lane.step:
            return await send(db, due, self._senders)
        step = STEPS.get(due.kind)
        if step is None:  # put down by a version that knows more: left to a worker of that version
            await postpone(db, due, "unknown-kind")
            return "unknown-kind"
        with acting_as(organization=tenant, actor=NOTIFIER):
            async with asyncio.timeout(LONGEST_STEP):
                outcome = await step(db, tenant, due)
        if outcome != REARMED:
            await settle(db, due, outcome)
        return outcome

    async def do_all(self, tenant: OrganizationId) -> int:
        """Everything that is due for one organization now; how many rows."""
        done = 0
        for lane in Lane:
            while await self.do_one(tenant, lane):
                done += 1
        return done

    async def watch(self, outbox: Outbox, stop: asyncio.Event) -> None:
        """Begin what is due whenever something is told, becomes due, or a while has passed. Raises DatabaseUnavailable."""
        while not stop.is_set():
            self.stirred.clear()
            waiting = await outbox.waiting()
            for tenant in waiting.organizations:
                self._begin(tenant)
            seconds = LONGEST_SLEEP if waiting.next_in is None else min(waiting.next_in, LONGEST_SLEEP)
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self.stirred.wait()

    def _begin(self, tenant: OrganizationId, lanes: Iterable[Lane] = Lane) -> None:
        """Have somebody look at these lanes: one more, where there may be one more, and none once the end has begun."""
        if self._ending:
            return
        for lane in lanes:
            for number in range(SIDE_BY_SIDE):
                key = (tenant, lane, number)
                if key not in self._running:
                    self._running[key] = asyncio.create_task(self._drain(key))
                    break
                self._again.add(key)  # it may have looked just before this was put down

    async def _drain(self, key: Drain) -> None:
        """Do what is due in a lane until none is left. Organizations take turns, row by row."""
        tenant, lane, _ = key
        worked = False
        try:
            while True:
                self._again.discard(key)
                async with self._room[lane]:
                    # Where one thing is due there may be more: another looks while this one is done.
                    found = await self.do_one(tenant, lane, lambda: self._begin(tenant, [lane]))
                worked |= found
                if not found and key not in self._again:
                    return
        except Exception as error:  # noqa: BLE001  the last door of a task; it is begun again when the outbox is looked at
            log.warning("interrupted", lane=lane.value, error=_name(error))
        finally:
            del self._running[key]
            self._again.discard(key)
            if worked:  # what follows from it may be due before anybody says so
                self.stirred.set()

    async def finish(self) -> None:
        """Let what is being done come to its end, for a while; the rest is undone and stays due. Nothing more is begun."""
        self._ending = True
        if not self._running:
            return
        _, late = await asyncio.wait(list(self._running.values()), timeout=GRACE)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)


async def work_once(settings: Settings, at: Reach) -> int:
    """Do what is due now, for every organization, and how many rows that was.

    Raises InvalidSetting, DatabaseUnavailable, DatabaseNotMigrated or DatabaseRoleUnsafe.
    """
    async with _worker(settings, at) as worker, watching(at, worker.stirred.set) as outbox:
        waiting = await outbox.waiting()
        return sum([await worker.do_all(tenant) for tenant in waiting.organizations])


async def run_worker(settings: Settings, at: Reach, *, stop: asyncio.Event, only: Part | None = None) -> None:
    """Send notices and take steps, and seal, until `stop` is set; or `only` one of both. Several may run side by side.

    Raises what `run_notifier` says of how it is set up, and `run_sealer` where it runs alone. Whatever else ends one of them is
    logged, and it is begun again beside the other: no seal that cannot be made may keep anybody from hearing of an emergency.
    """
    if only in (None, "notices"):
        Senders.of(settings)  # a mistake in these is said before anything is begun
    parts = [(part, run) for part, run in PARTS.items() if only in (None, part)]
    running = [
        asyncio.create_task(_keep_up(part, run, settings, at, stop, last=part == "notices" or only is not None))
        for part, run in parts
    ]
    try:
        await asyncio.wait(running, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        stop.set()
        done = await asyncio.gather(*running, return_exceptions=True)
    for failed in done:
        if isinstance(failed, BaseException):
            raise failed


async def _keep_up(part: Part, run: Run, settings: Settings, at: Reach, stop: asyncio.Event, *, last: bool) -> None:
    """Run a part until `stop` is set, again and again. Where it has the `last` word, raises carecircle's errors that it raises."""
    retry = FIRST_RETRY
    while not stop.is_set():
        try:
            await run(settings, at, stop=stop)
        except Exception as error:
            if last and isinstance(error, CareCircleError):
                raise
            log.warning("a part of the worker failed", part=part, error=_name(error), retry_in=retry)
            with suppress(TimeoutError):
                async with asyncio.timeout(retry):
                    await stop.wait()
            retry = min(2 * retry, LAST_RETRY)


async def run_notifier(settings: Settings, at: Reach, *, stop: asyncio.Event) -> None:
    """Do what is due, as soon as it is, until `stop` is set. Several may run side by side; each row is done by one of them.

    While the database is away it waits for it, also at the start. A row is done again when the process ends before its
    transaction does. Raises InvalidSetting, and at the start DatabaseNotMigrated or DatabaseRoleUnsafe.
    """
    async with _worker(settings, at) as worker:
        stopping = asyncio.create_task(stop.wait())
        stopping.add_done_callback(lambda _: worker.stirred.set())
        retry, started = FIRST_RETRY, False
        try:
            while not stop.is_set():
                try:
                    async with watching(at, worker.stirred.set) as outbox:
                        if not started:
                            await _require_safe(at)
                        log.info("watching")
                        retry, started = FIRST_RETRY, True
                        await worker.watch(outbox, stop)
                except (DatabaseNotMigrated, DatabaseRoleUnsafe, DatabaseUnavailable) as error:
                    if not started and type(error) is not DatabaseUnavailable:
                        raise
                    log.warning("the outbox cannot be looked at", code=error.code, retry_in=retry)
                    await asyncio.wait([stopping], timeout=retry)
                    retry = min(2 * retry, LAST_RETRY)
        finally:
            stopping.cancel()
            await worker.finish()


@asynccontextmanager
async def _worker(settings: Settings, at: Reach) -> AsyncIterator[Worker]:
    senders = Senders.of(settings)
    for channel, configured in (("email", senders.mail), ("webhook", senders.hook)):
        if configured is None:
            log.warning("not configured: its notices wait", channel=channel)
    engine = open_engine(at, connections=len(Lane) * SIDE_BY_SIDE)
    try:
        yield Worker(engine, senders)
    finally:
        await engine.dispose()


PARTS: Mapping[Part, Run] = {"notices": run_notifier, "sealing": run_sealer}


async def _require_safe(at: Reach) -> None:
    connection = await open_connection(at.dsn("app"))
    try:
        await check_role(connection)
    finally:
        await connection.close()


def _name(error: BaseException) -> str:
    return error.code if isinstance(error, CareCircleError) else type(error).__qualname__
