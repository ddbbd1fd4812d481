"""The clients of the proof `emergency`: people who break the glass and decide over HTTP, and note what they were told.

What was not answered, because something died, they try once more when it is back, as people do: either it had been done
and the answer says so, or it is done now; never both, never neither.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import product
from typing import Any
from uuid import UUID

import httpx

from carecircle.identifiers import parse_id, to_text
from proofs.emergency_machine import Machine
from proofs.emergency_practice import Practice

# What is done, where, and what comes of it: a state, or a note. The conflict says that it had been done already.
ROUTES: dict[str, tuple[str, str, str | None]] = {
    "acknowledgement": ("acknowledgement", "note acknowledged", None),
    "approval": ("approval", "approved", "already-decided"),
    "denial": ("denial", "denied", "grant-ended"),
    "extension": ("extension", "approved", "emergency-access-open"),
    "end": ("end", "ended", "grant-ended"),
    "review": ("review", "reviewed", "already-reviewed"),
}
PATIENCE = 60.0
"""Seconds after which somebody who tries again and again gives up."""
BODIES: dict[str, dict[str, Any]] = {
    "approval": {"hours": 2}, "denial": {"words": "Not this time."}, "extension": {"reason": "transfer", "hours": 3},
    "review": {"verdict": "justified"},
}  # fmt: skip


@dataclass
class Case:
    """One provider and one patient, and their emergency access once there is one."""

    provider: UUID
    patient: UUID
    id: UUID | None = None


class Clients:
    """Everybody's requests. `acknowledged` holds what an answer in the two hundreds said, by the access."""

    def __init__(self, practice: Practice, machine: Machine, seed: int) -> None:
        self.practice, self.machine = practice, machine
        self.acknowledged: dict[UUID, set[str]] = {}
        self.counts: Counter[str] = Counter()
        self.unanswered: Counter[str] = Counter()
        self.broken: list[str] = []
        self.seconds: dict[str, list[float]] = {"whole": [], "worker dead": [], "mail dead": []}
        self._pairs = self._shuffled(product(practice.clinicians, practice.patients), seed)
        self._http = httpx.AsyncClient(timeout=15, limits=httpx.Limits(max_keepalive_connections=0))
        self._go, self._quiet, self._busy = asyncio.Event(), asyncio.Event(), 0
        self._go.set()
        self._quiet.set()

    @staticmethod
    def _shuffled(pairs: Any, seed: int) -> Iterator[tuple[UUID, UUID]]:
        drawn = list(pairs)
        random.Random(seed).shuffle(drawn)
        return iter(drawn)

    def case(self) -> Case:
        """A pair of which nobody has heard."""
        return Case(*next(self._pairs))

    async def close(self) -> None:
        await self._http.aclose()

    async def post(self, who: UUID, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]] | None:
        """Status and body; None where nothing can be known: no answer, or one that says that something is broken."""
        try:
            answer = await self._http.post(
                f"{self.machine.address}/v1/{path}", json=body, headers=self.practice.bearer(who)
            )
        except httpx.TransportError as error:
            self.unanswered[type(error).__name__] += 1
            return None
        if answer.status_code >= 500:
            self.unanswered[str(answer.status_code)] += 1
            return None
        return answer.status_code, answer.json()

    async def request(self, case: Case) -> tuple[int, dict[str, Any]] | None:
        began, dead = time.monotonic(), set(self.machine.dead)
        answer = await self.post(case.provider, "break-glass", self.practice.wish(case.patient))
        if answer is None:
            return None
        if answer[0] in (201, 202):
            if not (dead | self.machine.dead) & {"server", "postgres"}:
                for name in [f"{one} dead" for one in dead] or ["whole"]:
                    self.seconds[name].append(time.monotonic() - began)
            case.id = parse_id(answer[1]["id"])
            self._note(case, answer[1]["state"], "request")
        elif answer[1].get("code") == "emergency-access-open":
            case.id = parse_id(answer[1]["emergency_id"])
        return answer

    async def do(self, verb: str, case: Case) -> tuple[int, dict[str, Any]] | None:
        """One of ROUTES, or the request, by whoever does that."""
        if verb == "request":
            return await self.request(case)
        route, becomes, _ = ROUTES[verb]
        people = {"extension": case.provider, "end": case.provider, "review": self.practice.office}
        who = people.get(verb, self.practice.supervisors[0])
        assert case.id is not None
        answer = await self.post(who, f"break-glass/{to_text(case.id)}/{route}", BODIES.get(verb, {}))
        if answer is not None and answer[0] == 200:
            self._note(case, becomes, verb)
        return answer

    async def again(self, verb: str, case: Case, *, done: bool | None) -> None:
        """What was not answered, once more. Where it is known whether it had been `done`, the answer must say the same."""
        limit = time.monotonic() + PATIENCE
        while True:
            await self.machine.answering.wait()
            if (answer := await self.do(verb, case)) is not None:
                break
            if time.monotonic() > limit:
                self.broken.append(f"{verb}: no answer for {PATIENCE:.0f} s, {case.id}")
                return
            done = None  # that may have been the one that did it
            await asyncio.sleep(0.2)
        conflict = "emergency-access-open" if verb == "request" else ROUTES[verb][2]
        status, body = answer
        if status in (200, 201, 202):
            if done and conflict is not None:
                self.broken.append(f"{verb}: done a second time, {case.id}")
        elif body.get("code") != conflict or done is False:
            self.broken.append(f"{verb}: refused with {body.get('code')}, {case.id}")

    def _note(self, case: Case, becomes: str, verb: str) -> None:
        assert case.id is not None
        self.acknowledged.setdefault(case.id, set()).add(becomes)
        self.counts[verb] += 1

    async def visit(self, seed: int) -> None:
        """One after another, for ever: break the glass, have it decided, end it, have it reviewed; or some of that."""
        draw = random.Random(seed)
        while True:
            case = self.case()
            verbs = ["request"]
            verbs += draw.choice([[], ["acknowledgement"], ["approval"], ["denial"], ["approval", "end", "review"],
                                  ["denial", "review"], ["end", "review"]])  # fmt: skip
            for verb in verbs:
                if verb == "review" and self._waits(case):
                    continue
                await self._step(verb, case)
                if case.id is None:  # refused, which is on the list of what is broken
                    break
                await asyncio.sleep(draw.uniform(0.05, 0.3))

    async def _step(self, verb: str, case: Case) -> None:
        tried = False
        while True:
            await self._go.wait()
            self._busy += 1
            self._quiet.clear()
            try:
                if tried:
                    await self.again(verb, case, done=None)
                    return
                if (answer := await self.do(verb, case)) is not None:
                    if answer[0] not in (200, 201, 202):
                        self.broken.append(f"{verb}: refused with {answer[1].get('code')}, {case.id}")
                    return
            finally:
                self._busy -= 1
                if not self._busy:
                    self._quiet.set()
            tried = True
            await self.machine.answering.wait()

    def _waits(self, case: Case) -> bool:
        return case.id is not None and "requested" in self.acknowledged.get(case.id, ())

    async def hush(self) -> None:
        """Nobody visits until `resume`; whoever is inside comes to an end first."""
        self._go.clear()
        await self._quiet.wait()

    def resume(self) -> None:
        self._go.set()


async def stopped(tasks: list[asyncio.Task[None]]) -> None:
    """Cancel them and let go; raises what ended one of them before."""
    for task in tasks:
        task.cancel()
    for task in tasks:
        with suppress(asyncio.CancelledError):
            await task
