"""One kill after the other for the proof `emergency`: who dies at which step of the flow, and what is found afterwards.

A kill is aimed: before the request; inside its transaction, where it waits for its turn or has half of it written; with its
commit written, before the answer; while a notice is on its way; or it comes at a random moment.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle import CareTeamService
from carecircle.database.reach import dsn
from carecircle.database.session import turn_key
from carecircle.identifiers import parse_id
from proofs.emergency_breaches import OVERDUE, breaches, not_delivered
from proofs.emergency_clients import ROUTES, Case, Clients
from proofs.emergency_machine import GONE, VICTIMS, Machine, Victim, Watcher, soon
from proofs.emergency_practice import Practice
from proofs.emergency_receivers import Receiver

SEED = 20260301
HTTP = ("request", "acknowledgement", "approval", "denial", "extension", "end", "review")
STEPS = ("unacknowledged", "undecided", "relationship")
SENDINGS = ("mail", "webhook")
FLOW = (*HTTP[:1], *SENDINGS, *STEPS, *HTTP[1:])
"""What goes on when somebody is killed; `relationship` converts, since the provider has become the patient's primary."""
AIMS = ("waiting", "writing", "committed", "random", "before")
# What must have been done first.
BEFORE = {
    "acknowledgement": ["request"], "approval": ["request"], "denial": ["request"], "extension": ["request", "approval"],
    "end": ["request", "approval"], "review": ["request", "end"],
}  # fmt: skip
# What becomes of it when the server or PostgreSQL is killed there; the worker's death is nothing to who asks.
MUST_END = {"waiting": "not done", "writing": "not done", "committed": "done, unanswered"}
AIMED = 10.0
"""Seconds in which what is aimed at must come about."""
SETTLED = 150.0
"""Seconds in which everything must be settled at the end: what failed again and again waits a minute at most."""
IN_LINE = """
  select exists (select from pg_locks where locktype = 'advisory' and not granted
                 and (classid::bigint << 32) | objid::bigint = $1)"""
AT_THE_OUTBOX = """
  select exists (select from pg_stat_activity where usename = 'carecircle_app' and wait_event_type = 'Lock'
                 and query ilike 'insert into carecircle.outbox%')"""
# A commit that waits is on disk, and nobody has been told: whoever is killed now never knows that it was done.
NO_STANDBY = "nobody"
COMMITTING = "select exists (select from pg_stat_activity where usename = 'carecircle_app' and wait_event = 'SyncRep')"
NUDGE = """
  update carecircle.outbox set due_at = clock_timestamp() + $3 * interval '1 second'
  where kind = $2 and settled_at is null and ($1::uuid is null or subject_id = $1)"""
TELL = "select pg_notify('carecircle', $1)"


class Rounds:
    """One kill after the other, and what was found after each."""

    def __init__(self, practice: Practice, machine: Machine, clients: Clients, watcher: Watcher) -> None:
        self.practice, self.machine, self.clients, self.watcher = practice, machine, clients, watcher
        self.draw = random.Random(SEED)
        self.broken: list[str] = []
        self.aims: Counter[str] = Counter()
        self.ends: Counter[str] = Counter()
        self._aimed: Counter[tuple[str, ...]] = Counter()

    async def one(self, number: int) -> None:
        victim = VICTIMS[number % len(VICTIMS)]
        verb = FLOW[number // len(VICTIMS) % len(FLOW)]
        case = await self._prepared(verb)
        done_by: asyncio.Task[object] | None = None
        without_mail = verb not in SENDINGS and number % 4 == 0
        if without_mail:
            self.machine.mail.kill()
            self.machine.dead.add("mail")
        if verb in SENDINGS:
            aim = "on its way"
            receiver = self.machine.mail if verb == "mail" else self.machine.hook
            await self._kill_while_sending(receiver, victim, case)
        else:
            aims = AIMS[:4] if verb in STEPS else AIMS
            aim = aims[self._aimed[aims] % len(aims)]
            self._aimed[aims] += 1
            done_by = await self._kill_at(aim, victim, verb, case)
        self.aims[aim] += 1
        answer = None if done_by is None else await done_by
        await self.machine.mend(victim)
        if aim == "committed" and victim == "postgres":
            await self._let_commits_wait("")
        if without_mail:
            await self.machine.mail.start()
            self.machine.dead.discard("mail")
        self.clients.resume()
        if verb in HTTP:
            await self._compare(verb, aim, victim, case, answered=answer is not None)
        found = await self.look()
        self.broken += [f"round {number}, {victim} killed, {verb}, {aim}: {one}" for one in found]

    async def _prepared(self, verb: str) -> Case:
        case = self.clients.case()
        while verb in STEPS and case.patient in self._opened_immediately():
            case = self.clients.case()
        if verb in HTTP or verb in STEPS:
            for first in BEFORE.get(verb, ["request"] if verb in STEPS else []):
                answer = await self.clients.do(first, case)
                if answer is None or answer[0] not in (200, 201, 202):
                    raise RuntimeError(f"{first} before {verb} was not possible: {answer}")
        if verb == "relationship":
            await self.practice.do(_become_primary, case=case)
        return case

    def _opened_immediately(self) -> set[UUID]:
        return set(self.practice.patients[1::5])

    async def _kill_while_sending(self, receiver: Receiver, victim: Victim, case: Case) -> None:
        async with receiver.holding() as came:
            asked = asyncio.create_task(self.clients.request(case))
            async with asyncio.timeout(AIMED):
                await came.wait()
            await asyncio.sleep(self.draw.uniform(0, 0.03))
            self.machine.kill(victim)
            if victim != "worker":  # else it is taken, and nobody is left who knows
                receiver.kill()
        if await asked is None:
            self.ends["notice, request unanswered"] += 1
        if victim != "worker":
            await receiver.start()

    async def _kill_at(self, aim: str, victim: Victim, verb: str, case: Case) -> asyncio.Task[object]:
        """Start what is done, kill at that point of it; the task that will know what the client was told."""
        if aim == "before":
            self.machine.kill(victim)
            return asyncio.create_task(self._act(verb, case))
        if aim in ("writing", "committed"):
            await self.clients.hush()
        if aim == "committed":  # nobody else may be the one who commits
            await self._nudge("relationship", None, later=3600)
            await self._idle()
        if aim == "random":
            task = asyncio.create_task(self._act(verb, case))
            await asyncio.sleep(self.draw.uniform(0, 0.08))
            self.machine.kill(victim)
            return task
        if aim == "committed":
            await self._let_commits_wait(NO_STANDBY)
            task = asyncio.create_task(self._act(verb, case))
            async with self._asking(COMMITTING) as reached:  # the watcher may be waiting itself, to notify
                await soon(reached, f"{verb} commits", AIMED, 0.005)
            self.machine.kill(victim)
            if victim != "postgres":
                await self._let_commits_wait("")
            return task
        locked_first = aim == "writing" and verb in STEPS
        if locked_first:
            await self._nudge(
                "relationship", None, later=3600
            )  # others' would stop there too, and leave no room for this
            await self._nudge(verb, case.id, later=0.5)  # by then the outbox is locked
        async with self._lock(aim, case.patient if verb == "request" else case.id) as reached:
            task = asyncio.create_task(_nothing() if locked_first else self._act(verb, case))
            await soon(reached, f"{verb} stops, {aim}", AIMED, 0.005)
            await asyncio.sleep(self.draw.uniform(0, 0.02))
            self.machine.kill(victim)
        return task

    async def _let_commits_wait(self, standby: str) -> None:
        """Whoever commits from now on waits, with the commit written already, for a standby of that name; "" for none."""
        connection = await self.watcher.connection()
        await connection.execute(f"alter system set synchronous_standby_names = '{standby}'")
        await connection.execute("select pg_reload_conf()")
        await asyncio.sleep(0.2)  # every process of PostgreSQL reads it for itself

    @asynccontextmanager
    async def _asking(self, query: str, *given: object) -> AsyncIterator[Callable[[], Awaitable[bool]]]:
        """Whether so, on a connection of its own."""
        connection = await asyncpg.connect(dsn(self.practice.site.at.admin))

        async def so() -> bool:
            return bool(await connection.fetchval(query, *given))

        try:
            yield so
        finally:
            connection.terminate()

    async def _act(self, verb: str, case: Case) -> object:
        if verb in STEPS:
            with suppress(*GONE):  # PostgreSQL may be the one that dies
                await self._nudge(verb, case.id)
            return None
        return await self.clients.do(verb, case)

    async def _nudge(self, kind: str, emergency: UUID | None, *, later: float = 0.0) -> None:
        """Let what is due in minutes be due now."""
        connection = await self.watcher.connection()
        await connection.execute(NUDGE, emergency, kind, later)
        await connection.execute(TELL, str(self.practice.organization))

    @asynccontextmanager
    async def _lock(self, aim: str, subject: UUID | None) -> AsyncIterator[Callable[[], Awaitable[bool]]]:
        """Hold what the transaction needs next, so that it stops there; the block asks whether it has."""
        holder = await asyncpg.connect(dsn(self.practice.site.at.admin))
        try:
            await holder.execute("begin")
            if aim == "writing":
                await holder.execute("lock table carecircle.outbox in share mode")
                stopped = self._asking(AT_THE_OUTBOX)
            else:
                assert subject is not None
                key = turn_key(self.practice.organization, subject)
                await holder.execute("select pg_advisory_xact_lock($1)", key)
                stopped = self._asking(IN_LINE, key)
            async with stopped as reached:
                yield reached
        finally:
            holder.terminate()

    async def _idle(self) -> None:
        """Until the worker has nothing to do. Raises RuntimeError when it always has."""

        async def idle() -> bool:
            return not await (await self.watcher.connection()).fetch(OVERDUE)

        await soon(idle, "the worker has done all that is due", SETTLED)

    async def _compare(self, verb: str, aim: str, victim: Victim, case: Case, *, answered: bool) -> None:
        """What the client was told against what the database kept; then, unanswered, the same request once more."""
        done = await self._done(verb, case)
        if answered and not done:
            self.broken.append(f"{victim} killed, {verb}, {aim}: acknowledged, and not there")
        end = "answered" if answered else "done, unanswered" if done else "not done"
        self.ends[f"{aim}: {end}"] += 1
        if end != (expected := "answered" if victim == "worker" else MUST_END.get(aim, end)):
            self.broken.append(f"{victim} killed, {verb}, {aim}: {end}, not {expected}")
        if not answered:
            await self.clients.again(verb, case, done=done)

    async def _done(self, verb: str, case: Case) -> bool:
        connection = await self.watcher.connection()
        given: list[object]
        if verb == "request":
            query, given = "select from carecircle.emergency_access where provider_id = $1 and patient_id = $2", [
                case.provider, case.patient,
            ]  # fmt: skip
        elif verb == "acknowledgement":
            query, given = "select from carecircle.emergency_notes where emergency_id = $1", [case.id]
        elif verb == "extension":
            query = "select from carecircle.emergency_access where lineage_id = $1 and second_reason_code is not null"
            given = [case.id]
        else:
            query = "select from carecircle.emergency_access where lineage_id = $1 and state = $2"
            given = [case.id, ROUTES[verb][1]]
        return bool(await connection.fetchval(f"select exists ({query})", *given))

    async def look(self) -> list[str]:
        return await breaches(await self.watcher.connection(), self.clients.acknowledged)

    async def settle(self) -> list[str]:
        """Let every step be due, wait until nothing is any more, and compare what was delivered."""
        await self.clients.hush()
        for kind in STEPS:
            await self._nudge(kind, None)
        try:
            await self._idle()
        except RuntimeError:
            left = await (await self.watcher.connection()).fetch(OVERDUE)
            return [f"{len(left)} still due at the end, such as {left[0][0]}" if left else "nothing was idle in time"]
        return await self.look() + await self.undelivered()

    async def undelivered(self) -> list[str]:
        taken = {
            channel: {parse_id(key): count for key, count in receiver.taken.items()}
            for channel, receiver in (("email", self.machine.mail), ("webhook", self.machine.hook))
        }
        return await not_delivered(await self.watcher.connection(), taken)


async def _nothing() -> None:
    return None


async def _become_primary(db: AsyncSession, *, case: Case, organization: UUID, actor: str) -> None:
    await CareTeamService.assign_primary_provider(
        db, organization, patient_id=case.patient, provider_id=case.provider, actor=actor
    )
