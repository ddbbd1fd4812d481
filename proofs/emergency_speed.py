"""Proof that emergency access does not wait, while everybody else goes on asking: how soon it opens, and is told, and ends.

Four processes serve; sixteen connections ask for decisions, 300 a second. Each request is timed from being sent to the
first evaluation that lets in, and to the event on every supervisor's stream. Then denials: from the answer to the first
refusal in each of four separate servers. Then decisions after known delays: what the figures report about the time to a
decision must be what was measured here.
"""

from __future__ import annotations

import asyncio
import math
import os
import random
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import orjson
import psutil

from carecircle.database.reach import dsn
from carecircle.database.session import instant
from carecircle.identifiers import parse_id, to_text
from proofs.emergency_load import Seen, others_ask
from proofs.emergency_practice import Practice
from proofs.emergency_site import serving
from proofs.emergency_streams import followed_everywhere

SEED, WORKERS, CONNECTIONS = 20260301, 4, 16
EVALUATION = "/access/v1/evaluation"
WITHIN = 1.0
"""Seconds that everything here may take at the 99th percentile."""
RATE = 300
"""Decisions asked for in a second by everybody else: what keeps two cores half busy, not what they can do at most."""
EVERY = 0.1
"""Seconds between two requests, on average."""
GIVEN_UP = 20.0


def at(share: float, times: Sequence[float]) -> float:
    """A percentile as a time that occurred (nearest rank)."""
    return sorted(times)[max(math.ceil(share * len(times)) - 1, 0)]


@dataclass
class Times:
    """Seconds measured for one claim."""

    name: str
    seconds: list[float] = field(default_factory=list)
    missing: int = 0

    def broken(self) -> list[str]:
        """The claim that the 99th percentile is within a second, after printing the figures."""
        if not self.seconds:
            return [f"speed: {self.name}: nothing was measured"]
        p50, p99, longest = (1000 * at(share, self.seconds) for share in (0.5, 0.99, 1.0))
        print(
            f"speed: {self.name}: {len(self.seconds):,} times, p50 {p50:.0f} ms, p99 {p99:.0f} ms, longest {longest:.0f} ms"
        )
        found = [f"speed: {self.name}: p99 {p99:.0f} ms"] if p99 >= 1000 * WITHIN else []
        return found + ([f"speed: {self.name}: {self.missing} never"] if self.missing else [])


class People:
    """Everybody's requests over HTTP."""

    def __init__(self, practice: Practice, http: httpx.AsyncClient) -> None:
        self.practice, self._http = practice, http
        self._asking = practice.bearer("service:ward")

    async def ask_for(self, address: str, provider: UUID, patient: UUID) -> UUID:
        answer = await self._http.post(
            f"{address}/v1/break-glass", json=self.practice.wish(patient), headers=self.practice.bearer(provider)
        )
        answer.raise_for_status()
        return parse_id(answer.json()["id"])

    async def decide(self, address: str, emergency: UUID, *, approve: bool) -> None:
        verb, body = ("approval", {}) if approve else ("denial", {"words": "Not this time."})
        answer = await self._http.post(
            f"{address}/v1/break-glass/{to_text(emergency)}/{verb}", json=body,
            headers=self.practice.bearer(self.practice.supervisors[0]),
        )  # fmt: skip
        answer.raise_for_status()

    async def may(self, address: str, provider: UUID, patient: UUID) -> bool:
        answer = await self._http.post(
            address + EVALUATION, content=question(provider, patient),
            headers={**self._asking, "content-type": "application/json"},
        )  # fmt: skip
        answer.raise_for_status()
        return bool(answer.json()["decision"])

    async def until(self, wanted: bool, address: str, provider: UUID, patient: UUID) -> float:
        """When (time.perf_counter) an evaluation first said so. Raises TimeoutError."""
        async with asyncio.timeout(GIVEN_UP):
            while await self.may(address, provider, patient) is not wanted:
                pass
        return time.perf_counter()

    async def figures(self, address: str, since: datetime) -> dict[str, Any]:
        answer = await self._http.get(
            f"{address}/v1/break-glass/figures", params={"since": since.isoformat()},
            headers=self.practice.bearer(self.practice.office),
        )  # fmt: skip
        answer.raise_for_status()
        told: dict[str, Any] = answer.json()
        return told


def question(provider: UUID, patient: UUID) -> bytes:
    return orjson.dumps({
        "subject": {"type": "user", "id": to_text(provider)}, "action": {"name": "read"},
        "resource": {"type": "patient", "id": to_text(patient)},
    })  # fmt: skip


def under_load(practice: Practice, address: str) -> AbstractContextManager[Seen]:
    """Everybody else asks, from another process, until the block ends; then what was given says how that went."""
    asked = [
        (practice.token("service:load"), question(doctor, patient))
        for doctor in practice.clinicians for patient in practice.patients
    ]  # fmt: skip
    return others_ask(int(address.rpartition(":")[2]), asked, connections=CONNECTIONS, rate=RATE)


async def speed(practice: Practice, requests: int = 1000, denials: int = 100, decisions: int = 200) -> list[str]:
    """The claims that did not hold; prints figures."""
    doctors = await practice.more_clinicians(max(requests // 10, 1))
    patients = await practice.more_patients(requests + decisions)
    await _analyze(practice)
    pairs = [(doctors[number % len(doctors)], patient) for number, patient in enumerate(patients)]
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=100)
    async with httpx.AsyncClient(timeout=GIVEN_UP, limits=limits) as http:
        people = People(practice, http)
        broken = await _opening(people, http, pairs[:requests])
        broken += await _denying(people, pairs[:denials])
        return broken + await _deciding(people, pairs[requests:])


async def _analyze(practice: Practice) -> None:
    """What PostgreSQL does by itself within a minute or so: these people have not come a moment ago in any hospital."""
    connection = await asyncpg.connect(dsn(practice.site.at.admin))
    try:
        await connection.execute("analyze")
    finally:
        await connection.close()


async def _opening(people: People, http: httpx.AsyncClient, pairs: Sequence[tuple[UUID, UUID]]) -> list[str]:
    practice, draw = people.practice, random.Random(SEED)
    let_in, told = Times("request → let in"), Times("request → on the slowest stream")
    began: dict[UUID, float] = {}

    async def one(address: str, provider: UUID, patient: UUID) -> None:
        sent = time.perf_counter()
        began[await people.ask_for(address, provider, patient)] = sent
        let_in.seconds.append(await people.until(True, address, provider, patient) - sent)

    with serving(practice.site, workers=WORKERS) as running:
        processes = [one for one in psutil.Process(running.process.pid).children() if _serves(one)]
        followers = [practice.bearer(who) for who in (*practice.supervisors, practice.manager, practice.office)]
        streams, reached = await followed_everywhere(http, running.address, followers, processes)
        started = time.perf_counter()
        with under_load(practice, running.address) as others:
            async with asyncio.TaskGroup() as all_of_them:
                for provider, patient in pairs:
                    all_of_them.create_task(one(running.address, provider, patient))
                    await asyncio.sleep(draw.expovariate(1 / EVERY))
            await _heard_by_all(began, [stream.heard for stream in streams])
        took = time.perf_counter() - started
        for stream in streams:
            await stream.close()
    for emergency, sent in began.items():
        heard = [stream.heard.get(emergency) for stream in streams]
        if None in heard:
            told.missing += 1
        else:
            told.seconds.append(max(one for one in heard if one is not None) - sent)
    print(
        f"speed: {len(pairs):,} requests in {took:.0f} s to {WORKERS} processes; {len(streams)} streams, served by {reached}"
        f" of them; meanwhile {CONNECTIONS} connections had {others.per_s:,.0f} decisions a second, p50 {others.p50_ms:.0f} ms,"
        f" p99 {others.p99_ms:.0f} ms, {others.errors} errors; load average {os.getloadavg()[0]:.1f}"
    )
    broken = let_in.broken() + told.broken()
    if reached < WORKERS:
        broken.append(f"speed: no stream was served by {WORKERS - reached} of {WORKERS} processes")
    return broken


async def _heard_by_all(began: dict[UUID, float], heard: list[dict[UUID, float]]) -> None:
    """Until everybody has heard of everything, or long enough."""
    limit = time.perf_counter() + GIVEN_UP
    while any(not began.keys() <= one.keys() for one in heard) and time.perf_counter() < limit:  # noqa: ASYNC110 - streams have no event for all of it
        await asyncio.sleep(0.1)


def _serves(process: psutil.Process) -> bool:
    return any("spawn_main" in part for part in process.cmdline())


async def _denying(people: People, pairs: Sequence[tuple[UUID, UUID]]) -> list[str]:
    """The pairs have access already. Every server refuses them after the denial, whichever of them took it."""
    practice = people.practice
    refused = Times("denial answered → refused in each of four processes")
    still_open = 0
    with ExitStack() as servers:
        addresses = [servers.enter_context(serving(practice.site)).address for _ in range(WORKERS)]
        with under_load(practice, addresses[0]):
            open_ones = {
                (one["provider_id"], one["patient_id"]): one["id"] for one in await _open_ones(people, addresses[0])
            }
            for number, (provider, patient) in enumerate(pairs):
                emergency = parse_id(open_ones[to_text(provider), to_text(patient)])
                if not all(await asyncio.gather(*(people.may(one, provider, patient) for one in addresses))):
                    return [f"speed: {to_text(emergency)} was not open everywhere before it was denied"]
                await people.decide(addresses[number % WORKERS], emergency, approve=False)
                denied = time.perf_counter()
                first = await asyncio.gather(*(people.may(one, provider, patient) for one in addresses))
                still_open += sum(first)
                ends = await asyncio.gather(*(people.until(False, one, provider, patient) for one in addresses))
                refused.seconds += [one - denied for one in ends]
    print(f"speed: of {len(refused.seconds)} first checks after a denial was answered, {still_open} still let in")
    return refused.broken()


async def _open_ones(people: People, address: str) -> list[dict[str, Any]]:
    async with httpx.AsyncClient(timeout=GIVEN_UP) as http:
        answer = await http.get(
            f"{address}/v1/break-glass", params={"pending": "true"},
            headers=people.practice.bearer(people.practice.supervisors[0]),
        )  # fmt: skip
        answer.raise_for_status()
        found: list[dict[str, Any]] = answer.json()["emergencies"]
        return found


async def _deciding(people: People, pairs: Sequence[tuple[UUID, UUID]]) -> list[str]:
    """Each decision after a delay of its own. Between its answer and its sending, the database's own times must lie."""
    draw = random.Random(SEED)
    shortest: list[float] = []
    longest: list[float] = []

    async def one(address: str, provider: UUID, patient: UUID, delay: float, *, approve: bool) -> None:
        sent = time.perf_counter()
        emergency = await people.ask_for(address, provider, patient)
        asked = time.perf_counter()
        await asyncio.sleep(delay)
        deciding = time.perf_counter()
        await people.decide(address, emergency, approve=approve)
        shortest.append(deciding - asked)
        longest.append(time.perf_counter() - sent)

    with serving(people.practice.site) as running:
        async with people.practice.change() as db:
            since = await instant(db)
        async with asyncio.TaskGroup() as all_of_them:
            for number, pair in enumerate(pairs):
                delay = draw.uniform(*draw.choices([(0.1, 8), (8, 20), (20, 35)], [16, 3, 1])[0])
                all_of_them.create_task(one(running.address, *pair, delay, approve=number % 3 > 0))
                await asyncio.sleep(EVERY)
        told = (await people.figures(running.address, since))["time_to_decision"]
    return _same(told, shortest, longest)


def _same(told: dict[str, Any], shortest: list[float], longest: list[float]) -> list[str]:
    """Whether the reported distribution is the measured one: each figure between those of the two bounds."""
    broken = [] if told["count"] == len(shortest) else [f"speed: {told['count']} decisions reported of {len(shortest)}"]
    for name, share in (("median", 0.5), ("p90", 0.9), ("p99", 0.99), ("longest", 1.0)):
        low, high = at(share, shortest), at(share, longest)
        print(f"speed: time to a decision, {name}: reported {told[name]:.3f} s, measured {low:.3f} to {high:.3f} s")
        if not low <= told[name] <= high:
            broken.append(f"speed: {name} of the time to a decision is reported as {told[name]:.3f} s")
    counted = 0
    for bucket in told["buckets"]:
        edge = math.inf if bucket["seconds"] is None else bucket["seconds"]
        counted += bucket["count"]
        if not sum(one <= edge for one in longest) <= counted <= sum(one <= edge for one in shortest):
            broken.append(f"speed: {counted} decisions are reported as taking {edge} s or less")
    spread = ", ".join(f"≤ {one['seconds']} s {one['count']}" for one in told["buckets"] if one["count"])
    print(f"speed: {told['count']} decisions in the figures: {spread}")
    return broken
