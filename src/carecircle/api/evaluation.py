"""AuthZEN access evaluation: one question in, one recorded decision out, with as little in between as there can be."""

from __future__ import annotations

from uuid import UUID

import orjson

from carecircle.access.decision import AccessDecision, Question, action_code, request_label
from carecircle.access.service import Access
from carecircle.api.caller import Caller, why_not
from carecircle.interop.authzen import asked
from carecircle.interop.authzen.answers import decision_of
from carecircle.interop.authzen.asked import Asked, Context
from carecircle.interop.authzen.resolving import Resolving, patient_at_once, provider_at_once


async def evaluate(
    access: Access, caller: Caller, body: bytes, request_id: str | None, address: str | None = None
) -> bytes:
    """The response's JSON; `address` is where the request came from. Raises InvalidRequest for a body that is not a
    question, Unauthenticated or PermissionRequired for a caller who may not ask it, AccessUnavailable."""
    decision = await access.begin(await read_question(access, caller, body, request_id, address))
    return render(await conclude(access, caller, decision))


async def read_question(
    access: Access, caller: Caller, body: bytes, request_id: str | None, address: str | None = None
) -> Question:
    """The question a body asks; nothing is awaited for ids of ours under types that everybody knows."""
    return await meant(access, caller, asked.read_question(asked.read_object(body)), request_id, address)


async def meant(access: Access, caller: Caller, said: Asked, request_id: str | None, address: str | None) -> Question:
    """The question behind what was said, in the caller's organization. Types we do not know are unknown people."""
    subject, resource = said.subject, said.resource
    provider, patient = provider_at_once(subject), patient_at_once(resource)
    if provider is None or patient is None:
        resolving = Resolving(access, caller.organization_id)
        provider, patient = await resolving.provider(subject), await resolving.patient(resource)
    return question(caller, provider, patient, said.action, said.context, request_label(request_id), address)


async def conclude(access: Access, caller: Caller, decision: AccessDecision) -> AccessDecision:
    """The answer of which this is the first decision: about the record that survives, where it was merged into another.

    Raises Unauthenticated or PermissionRequired where the statement did not admit who asks.
    """
    decision = await access.followed(decision)
    if decision.code == "not-admitted":
        raise await why_not(access, caller)
    return decision


def render(decision: AccessDecision) -> bytes:
    """The AuthZEN response."""
    return orjson.dumps(decision_of(decision))


def question(
    caller: Caller,
    provider_id: UUID,
    patient_id: UUID,
    action: str,
    context: Context,
    label: str | None,
    address: str | None,
) -> Question:
    """The question in the caller's organization: who may only ask about themselves is no other provider."""
    return Question(
        caller.organization_id,
        provider_id,
        patient_id,
        action_code(action),
        caller.actor.name,
        context.purpose,
        label,
        context.as_of,
        context.believed_at,
        caller.actor.on_behalf_of,
        address,
        caller.bearer,
        permission(caller, provider_id),
    )


def permission(caller: Caller, provider_id: UUID) -> str:
    """What asking about this provider takes."""
    own = caller.provider_id
    return "ask" if own is not None and provider_id == own else "ask-for-others"
