"""AuthZEN access evaluation: one question in, one recorded decision out, with as little in between as there can be."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import orjson

from carecircle.access.decision import AccessDecision, Question, action_code, purpose_code, request_label
from carecircle.access.service import Access
from carecircle.api.tokens import Caller
from carecircle.errors import InvalidRequest
from carecircle.identifiers import Identifier, to_text
from carecircle.period import FOREVER, parse_instant, show

SUBJECT_TYPES = ("user", "provider")
RESOURCE_TYPES = ("patient",)


async def evaluate(
    access: Access, caller: Caller, body: bytes, request_id: str | None, address: str | None = None
) -> bytes:
    """The response's JSON; `address` is where the request came from. Raises InvalidRequest for a body that is not a
    question, AccessUnavailable."""
    question = await read_question(access, caller, body, request_id, address)
    return render(await access.ask(question))


async def read_question(
    access: Access, caller: Caller, body: bytes, request_id: str | None, address: str | None = None
) -> Question:
    """The question a body asks, in the caller's organization. Types we do not know are unknown people and patients."""
    try:
        asked = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise InvalidRequest("The body must be a JSON object with subject, action and resource.") from None
    if not isinstance(asked, dict):
        raise InvalidRequest("The body must be a JSON object with subject, action and resource.")
    subject_type, subject = _entity(asked, "subject")
    resource_type, resource = _entity(asked, "resource")
    action = asked.get("action")
    if not isinstance(action, dict) or not isinstance(action.get("name"), str) or not action["name"]:
        raise InvalidRequest("action must be an object with a name, such as read.")
    context = asked.get("context")
    if context is not None and not isinstance(context, dict):
        raise InvalidRequest("context must be an object.")
    organization = caller.organization_id
    known_subject, known_resource = subject_type in SUBJECT_TYPES, resource_type in RESOURCE_TYPES
    provider_id = (
        await access.resolve_provider(organization, subject)
        if known_subject
        else access.unreadable(organization, Identifier(f"type:{subject_type}", subject))
    )
    patient_id = (
        await access.resolve_patient(organization, resource)
        if known_resource
        else access.unreadable(organization, Identifier(f"type:{resource_type}", resource))
    )
    as_of = believed_at = None
    purpose = "TREAT"
    if context:
        as_of, believed_at = _instant(context, "as_of"), _instant(context, "believed_at")
        purpose = context.get("purpose", purpose)
        if not isinstance(purpose, str):
            raise InvalidRequest("context.purpose must be a PurposeOfUse code, such as TREAT.")
        purpose = purpose_code(purpose)
    return Question(
        organization,
        provider_id,
        patient_id,
        action_code(action["name"]),
        caller.actor.name,
        purpose,
        request_label(request_id),
        as_of,
        believed_at,
        caller.actor.on_behalf_of,
        address,
    )


def render(decision: AccessDecision) -> bytes:
    """The AuthZEN response. Why not is told by code and remedy only: the full path is in the audit trail."""
    context: dict[str, Any] = {"id": to_text(decision.id), "code": decision.code}
    if decision.allowed:
        context["bases"] = [
            {
                "kind": basis.kind,
                "id": to_text(basis.id),
                "until": _until(basis.ends_at),
                **({"via": to_text(basis.via_id)} if basis.via_id else {}),
            }
            for basis in decision.bases
        ]
    else:
        context["remedies"] = [
            {"kind": one.kind, "sentence": one.sentence, **({"href": one.href} if one.href else {})}
            for one in decision.remedies
        ]
    return orjson.dumps({"decision": decision.allowed, "context": context})


def _entity(asked: dict[str, Any], name: str) -> tuple[str, str]:
    entity = asked.get(name)
    if isinstance(entity, dict):
        kind, given = entity.get("type"), entity.get("id")
        if isinstance(kind, str) and kind and isinstance(given, str) and given:
            return kind, given
    raise InvalidRequest(f"{name} must be an object with a type and an id, both non-empty text.")


def _instant(context: dict[str, Any], name: str) -> datetime | None:
    given = context.get(name)
    if given is None:
        return None
    if not isinstance(given, str):
        raise InvalidRequest(f"context.{name} must be ISO 8601 text with a time zone.")
    return parse_instant(given)


def _until(ends_at: datetime) -> str | None:
    return None if ends_at == FOREVER else show(ends_at)
