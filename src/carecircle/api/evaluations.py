"""AuthZEN access evaluations: many questions in one request, all asked at once, or one by one where the first answer may do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from carecircle.access.decision import AccessDecision, Question, request_label
from carecircle.access.service import Access
from carecircle.api.caller import Caller, why_not
from carecircle.api.evaluation import conclude, meant, question
from carecircle.errors import Unauthenticated
from carecircle.interop.authzen.answers import decision_of, failure_of
from carecircle.interop.authzen.asked import Asked, Entity, Semantic, read_batch, read_object, read_question
from carecircle.interop.authzen.resolving import Resolving, patient_at_once, provider_at_once

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
        self._looked = False

    async def all(self, items: list[Asked | str]) -> list[dict[str, Any]]:
        """Everything, in as few statements as it fits in; while one is decided, the questions of the next are waiting."""
        questions = await self._questions([item for item in items if not isinstance(item, str)])
        begun: list[asyncio.Future[AccessDecision]] = []
        try:
            for first in range(0, len(questions), AT_ONCE):
                waiting = len(begun)
                for one in questions[first : first + AT_ONCE]:
                    begun.append(self._access.begin(one))  # noqa: PERF401  where one is refused, those before are cancelled
                # Those before leave the queue first: who asks a thousand things is no more in the way than others.
                for answer in begun[max(waiting - AT_ONCE, 0) : waiting]:
                    await answer
                await asyncio.sleep(0)
            decisions = iter([await answer for answer in begun])
        except BaseException:
            for answer in begun:
                if not answer.cancel() and not answer.cancelled():
                    answer.exception()  # the first one's is told
            raise
        return [failure_of(item) if isinstance(item, str) else await self._told(next(decisions)) for item in items]

    async def until(self, items: list[Asked | str], ends: bool) -> list[dict[str, Any]]:
        """One after the other, up to the first whose decision is this one; what comes after it is never asked."""
        told: list[dict[str, Any]] = []
        for item in items:
            if isinstance(item, str):
                told.append(failure_of(item))
            else:
                [asked] = await self._questions([item])
                told.append(await self._told(await self._access.begin(asked)))
            if told[-1]["decision"] is ends:
                break
        return told

    async def _questions(self, items: list[Asked]) -> list[Question]:
        """What they ask. Whoever is not named by an id is looked up, each once, side by side by the readers."""
        subjects = await _ids({item.subject for item in items}, provider_at_once, self._resolving.provider)
        resources = await _ids({item.resource for item in items}, patient_at_once, self._resolving.patient)
        return [self._question(item, subjects[item.subject], resources[item.resource]) for item in items]

    def _question(self, item: Asked, provider: UUID, patient: UUID) -> Question:
        return question(self._caller, provider, patient, item.action, item.context, self._label, self._address)

    async def _told(self, decision: AccessDecision) -> dict[str, Any]:
        """What a first decision comes to, in AuthZEN's words. Raises Unauthenticated where what the request rests on has ended."""
        decision = await self._access.followed(decision)
        if decision.code == "not-admitted" and not self._looked:
            self._looked = True  # once: every question of a request rests on the same
            error = await why_not(self._access, self._caller)
            if isinstance(error, Unauthenticated):
                raise error
        return decision_of(decision)


async def _ids(
    entities: set[Entity], at_once: Callable[[Entity], UUID | None], resolve: Callable[[Entity], Awaitable[UUID]]
) -> dict[Entity, UUID]:
    known = {one: own_id for one in entities if (own_id := at_once(one)) is not None}
    others = [one for one in entities if one not in known]
    return known | dict(zip(others, await asyncio.gather(*map(resolve, others)), strict=True))
