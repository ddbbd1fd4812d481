"""AuthZEN access evaluations: many questions in one request, all asked at once, or one by one where the first answer may do."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, NamedTuple

import orjson

from carecircle.access.decision import AccessDecision, Question, request_label
from carecircle.access.service import Access
from carecircle.api.caller import Caller, why_not
from carecircle.api.evaluation import conclude, meant, question
from carecircle.errors import Unauthenticated
from carecircle.interop.authzen.answers import decision_of, failure_of
from carecircle.interop.authzen.asked import Asked, Semantic, read_batch, read_object, read_question
from carecircle.interop.authzen.resolving import Resolving

AT_ONCE = 128
"""Questions of one request that join the queue together."""
# Which decision ends a request early, by its semantic.
_ENDS: dict[Semantic, bool] = {"deny_on_first_deny": False, "permit_on_first_permit": True}


class Answer(NamedTuple):
    """A response's JSON, and how many decisions of it let in and how many did not."""

    body: bytes
    allowed: int
    denied: int


async def evaluate_many(
    access: Access, caller: Caller, body: bytes, request_id: str | None, address: str | None = None
) -> Answer:
    """The answers in the order of the questions; a request without any is an ordinary evaluation.

    A question that cannot be read is answered no, with the reason; all others are decided and recorded, each on its own.
    Raises InvalidRequest for a body that is no such request, Unauthenticated, and AccessUnavailable where an answer cannot be
    recorded: then nobody gets any.
    """
    said = read_object(body)
    batch = read_batch(said)
    if batch is None:
        asked = await meant(access, caller, read_question(said), request_id, address)
        one = await conclude(access, caller, await access.begin(asked))
        return Answer(orjson.dumps(decision_of(one)), int(one.allowed), int(not one.allowed))
    asking = _Asking(access, caller, request_label(request_id), address)
    ends = _ENDS.get(batch.semantic)
    if ends is None:
        told = await asking.all(batch.items)
    else:
        told = await asking.until(batch.items, ends)
        if told[-1]["decision"] is ends:
            told[-1]["context"]["reason"] = batch.semantic
    allowed = sum(one["decision"] for one in told)
    return Answer(orjson.dumps({"evaluations": told}), allowed, len(told) - allowed)


class _Asking:
    """The questions of one request."""

    def __init__(self, access: Access, caller: Caller, label: str | None, address: str | None) -> None:
        self._access = access
        self._caller = caller
        self._label = label
        self._address = address
        self._resolving = Resolving(access, caller.organization_id)

    async def all(self, items: list[Asked | str]) -> list[dict[str, Any]]:
        """Everything, in as few statements as it fits in; while one is decided, the questions of the next are waiting."""
        await self._look_up(item for item in items if not isinstance(item, str))
        questions = [await self._question(item) for item in items if not isinstance(item, str)]
        begun: list[asyncio.Future[AccessDecision]] = []
        try:
            for first in range(0, len(questions), AT_ONCE):
                waiting = len(begun)
                begun += [self._access.begin(one) for one in questions[first : first + AT_ONCE]]
                # Those before leave the queue first: who asks a thousand things is no more in the way than others.
                await asyncio.gather(*begun[max(waiting - AT_ONCE, 0) : waiting])
                await asyncio.sleep(0)
            decisions = iter([await self._access.followed(await one) for one in begun])
        except BaseException:
            for one in begun:
                one.cancel()
            raise
        return [failure_of(item) if isinstance(item, str) else await self._told(next(decisions)) for item in items]

    async def until(self, items: list[Asked | str], ends: bool) -> list[dict[str, Any]]:
        """One after the other, up to the first whose decision is this one; what comes after it is never asked."""
        told: list[dict[str, Any]] = []
        for item in items:
            if isinstance(item, str):
                told.append(failure_of(item))
            else:
                told.append(await self._told(await self._access.ask(await self._question(item))))
            if told[-1]["decision"] is ends:
                break
        return told

    async def _look_up(self, items: Iterable[Asked]) -> None:
        """Everybody named, each once; the readers of the deciding role work on it side by side."""
        subjects, resources = set(), set()
        for item in items:
            subjects.add(item.subject)
            resources.add(item.resource)
        await asyncio.gather(*map(self._resolving.provider, subjects), *map(self._resolving.patient, resources))

    async def _question(self, item: Asked) -> Question:
        return question(
            self._caller,
            await self._resolving.provider(item.subject),
            await self._resolving.patient(item.resource),
            item.action,
            item.context,
            self._label,
            self._address,
        )

    async def _told(self, decision: AccessDecision) -> dict[str, Any]:
        """A decision in AuthZEN's words. Raises Unauthenticated where what the whole request rests on has ended."""
        if decision.code == "not-admitted":
            error = await why_not(self._access, self._caller)
            if isinstance(error, Unauthenticated):
                raise error
        return decision_of(decision)
