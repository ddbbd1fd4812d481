"""Proof that no kill -9 leaves a grant without its entry and its notices, loses one, or lets a notice be forgotten.

Server, worker and PostgreSQL are killed in turn at every step of the flow (emergency_rounds), while others break the
glass all the time. After every kill nothing of what emergency_breaches looks for is there, and all that was acknowledged
is; at the end every notice has been delivered at least once and is settled. Positive control: the same looks find
breaches that are planted.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter

import asyncpg

from carecircle.database.reach import dsn
from carecircle.identifiers import new_id
from carecircle.restrictions.service import label
from proofs.emergency_breaches import BREACHES
from proofs.emergency_clients import Clients, stopped
from proofs.emergency_machine import Machine, Watcher
from proofs.emergency_practice import Practice, open_practice, site
from proofs.emergency_rounds import SEED, Rounds

VISITORS = 3
# A grant as it would be if it were written in several transactions and the others never came.
PLANT_A_GRANT = """
  insert into carecircle.emergency_access (organization_id, id, lineage_id, provider_id, patient_id, state, mode, scope,
    reason_code, wanted_scope, wanted_until, asked_at, opened_at, starts_at, ends_at, entry_id)
  select organization_id, $1, $2, provider_id, patient_id, 'provisional', 'provisional', '{read}', 'other', '{read}', now(),
    now() - interval '2 days', now() - interval '2 days', now() - interval '2 days', now() - interval '47 hours', $3
  from carecircle.emergency_access where state = 'approved' limit 1"""
FOUND_OF_A_GRANT = (
    "a state without its entry", "a state without its webhook in the outbox", "an access without what is due about it",
    "an access of which nobody is told by mail", "an access that nobody may decide about",
)  # fmt: skip
DENIED = """(
    select lineage_id from carecircle.emergency_access where state = 'denied' and superseded_at = 'infinity'
      and lineage_id not in (select lineage_id from carecircle.emergency_access where state = 'reviewed')
    order by lineage_id limit 1) and state = 'denied' and superseded_at = 'infinity'"""
MAKE_ROOM = f"""
  update carecircle.emergency_access set ends_at = starts_at + interval '1 hour' where lineage_id = {DENIED}"""
PLANT_A_STATE = f"""
  insert into carecircle.emergency_access (organization_id, id, lineage_id, provider_id, patient_id, state, mode, scope,
    decided_by_id, reason_code, wanted_scope, wanted_until, asked_at, opened_at, starts_at, ends_at, entry_id)
  select organization_id, $1, lineage_id, provider_id, patient_id, 'approved', mode, '{{}}', $2, reason_code, wanted_scope,
    wanted_until, asked_at, opened_at, ends_at, ends_at + interval '1 hour', entry_id
  from carecircle.emergency_access where lineage_id = {DENIED}"""
PLANT_A_NOTICE = """
  insert into carecircle.outbox (organization_id, id, kind, subject_id, due_at, entry_id)
  select organization_id, $1, 'webhook:emergency-opened', subject_id, now(), entry_id
  from carecircle.outbox where kind = 'webhook:emergency-opened' limit 1"""


def kills(rounds: int = 72) -> list[str]:
    """The claims that did not hold in so many kills; prints figures."""
    with site() as at:
        return asyncio.run(_kills(Machine(at), rounds))


async def _kills(machine: Machine, rounds: int) -> list[str]:
    async with open_practice(machine.site, patients=150) as practice:
        await _modes(practice)
        clients = Clients(practice, machine, SEED)
        watcher = Watcher(dsn(machine.site.at.admin))
        found = Rounds(practice, machine, clients, watcher)
        await machine.start()
        visits: list[asyncio.Task[None]] = []
        began = time.monotonic()
        try:
            visits = [asyncio.create_task(clients.visit(SEED + number)) for number in range(VISITORS)]
            for number in range(rounds):
                await found.one(number)
                if number % 15 == 14:
                    print(f"kills: {number + 1} of {rounds}", flush=True)
            killed = time.monotonic() - began
            await clients.hush()
            await stopped(visits)
            broken = [*found.broken, *clients.broken, *await found.settle()]
            _show(found, killed, time.monotonic() - began)
            machine.end("worker")
            broken += await control(found)
        finally:
            await stopped(visits)
            await clients.close()
            await watcher.close()
            await machine.stop()
    return broken


async def _modes(practice: Practice) -> None:
    """Of five patients one is opened only once that is approved, and one at once without anybody's approval."""
    await practice.policy(
        emergency_modes={"R": "gated", "CEL": "immediate"},
        emergency_acknowledge_minutes=60, emergency_decide_minutes=60,
    )  # fmt: skip
    for code, patients in (("R", practice.patients[::5]), ("CEL", practice.patients[1::5])):
        for patient in patients:
            await practice.do(label, patient=patient, label=code)


def _show(found: Rounds, killed: float, whole: float) -> None:
    machine, clients = found.machine, found.clients
    counts = ", ".join(f"{name} {count}" for name, count in sorted(machine.kills.items()))
    print(f"kills: {sum(machine.kills.values())} kill -9 ({counts}) in {killed:.0f} s, all settled after {whole:.0f} s")
    print(f"kills: aims: {_counts(found.aims)}")
    print(f"kills: what became of what was aimed at: {_counts(found.ends)}")
    print(f"kills: acknowledged: {_counts(clients.counts)}; unanswered: {_counts(clients.unanswered)}")
    mended = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in sorted(machine.longest_mending.items()))
    print(f"kills: whole again at the latest after: {mended}; mail server killed {machine.mail.deaths} times,"
          f" webhook receiver {machine.hook.deaths} times")  # fmt: skip
    for name, receiver in (("mail", machine.mail), ("webhook", machine.hook)):
        repeats = receiver.taken.total() - len(receiver.taken)
        print(f"kills: {name}: {len(receiver.taken):,} notices taken, {repeats} of them again (known by their key)")
    for name, seconds in clients.seconds.items():
        if seconds:
            times = sorted(seconds)
            print(f"kills: a request, {name}: {len(times)}, median {times[len(times) // 2] * 1000:.0f} ms,"
                  f" longest {times[-1] * 1000:.0f} ms")  # fmt: skip


def _counts(counted: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counted.items())) or "none"


async def control(found: Rounds) -> list[str]:
    """Plants what must not be, with the worker gone and triggers off, and says which of it was not found."""
    connection = await found.watcher.connection()
    missed = []
    before = await found.look()
    if before:
        return []  # it is broken already, and says so
    for name, plant, wanted in (
        ("a grant alone", _plant_a_grant, FOUND_OF_A_GRANT),
        ("an approval after a denial", _plant_a_state, ("a state that cannot follow the one before",)),
    ):
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("set local session_replication_role = replica")
        await plant(connection)
        caught = [one for one in BREACHES if await connection.fetch(BREACHES[one])]
        await transaction.rollback()
        missed += [f"control: {name} was planted, and nobody found {one}" for one in wanted if one not in caught]
    found.clients.acknowledged[new_id()] = {"approved"}
    if not any("lost" in one for one in await found.look()):
        missed.append("control: an approval was said to be acknowledged that never was, and nobody missed it")
    await connection.execute(PLANT_A_NOTICE, new_id())
    if len([one for one in await found.undelivered() if "not settled" in one or "never delivered" in one]) != 2:
        missed.append("control: a notice was planted that nobody sends, and nobody found it")
    if not missed:
        print(
            "kills: control: a grant alone, an approval after a denial, a lost answer and an unsent notice were all found"
        )
    return missed


async def _plant_a_grant(connection: asyncpg.Connection) -> None:
    await connection.execute(PLANT_A_GRANT, new_id(), new_id(), new_id())


async def _plant_a_state(connection: asyncpg.Connection) -> None:
    await connection.execute(MAKE_ROOM)
    await connection.execute(PLANT_A_STATE, new_id(), new_id())
