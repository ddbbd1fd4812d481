"""What an AuthZEN request asks, read from its JSON: entities, action, context, batches and pages. Values only.

Members we do not know are passed over, as the specification demands. What a caller says of people, patients and actions under
`properties` must have the right shape and is read by nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple, cast, get_args

import orjson

from carecircle.access.decision import purpose_code
from carecircle.errors import InvalidIdentifier, InvalidRequest
from carecircle.identifiers import Identifier, Reference, parse_reference
from carecircle.period import parse_instant

Semantic = Literal["execute_all", "deny_on_first_deny", "permit_on_first_permit"]
SEMANTICS: tuple[Semantic, ...] = get_args(Semantic)
MOST_ITEMS = 1000


class Entity(NamedTuple):
    """A subject or a resource: its type, and an id of that type."""

    type: str
    id: str


class Context(NamedTuple):
    """What we read of a request's context; instants are aware, None stands for now. `time` is the caller's own affair."""

    purpose: str = "TREAT"
    as_of: datetime | None = None
    believed_at: datetime | None = None


class Asked(NamedTuple):
    """One question as a caller put it."""

    subject: Entity
    action: str
    resource: Entity
    context: Context = Context()


class Batch(NamedTuple):
    """Several questions, in the caller's order; where one cannot be read, a sentence that says why."""

    semantic: Semantic
    items: list[Asked | str]


NOTHING_SAID = Context()


def read_object(body: bytes) -> dict[str, Any]:
    """The JSON object of a body. Raises InvalidRequest."""
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise InvalidRequest("The body must be a JSON object.") from None
    if not isinstance(said, dict):
        raise InvalidRequest("The body must be a JSON object.")
    return said


def read_question(said: Mapping[str, Any]) -> Asked:
    """The one question of an evaluation. Raises InvalidRequest."""
    return Asked(entity(said, "subject"), action(said), entity(said, "resource"), context(said))


def read_batch(said: Mapping[str, Any]) -> Batch | None:
    """The questions of an evaluations request; None when it is an ordinary evaluation. Raises InvalidRequest.

    What stands at the top holds, as a whole, for each question that does not say that member itself. A null at the top, and
    a context that is null, say nothing.
    """
    items = said.get("evaluations")
    if items is None or items == []:
        return None
    if not isinstance(items, list):
        raise InvalidRequest("evaluations must be an array of objects.")
    if len(items) > MOST_ITEMS:
        raise InvalidRequest(f"evaluations has at most {MOST_ITEMS} items; send the rest in another request.")
    options = _object(said, "options") or {}
    semantic = options.get("evaluations_semantic")
    semantic = "execute_all" if semantic is None else semantic
    if semantic not in SEMANTICS:
        raise InvalidRequest(f"options.evaluations_semantic must be one of {', '.join(SEMANTICS)}.")
    above = _Defaults(
        entity(said, "subject") if said.get("subject") is not None else None,
        action(said) if said.get("action") is not None else None,
        entity(said, "resource") if said.get("resource") is not None else None,
        context(said),
    )
    return Batch(cast("Semantic", semantic), [_item(one, above) for one in items])


class _Defaults(NamedTuple):
    subject: Entity | None
    action: str | None
    resource: Entity | None
    context: Context


def _item(said: Any, above: _Defaults) -> Asked | str:
    if not isinstance(said, dict):
        return "An item of evaluations must be an object."
    try:
        return Asked(
            above.subject if above.subject is not None and "subject" not in said else entity(said, "subject"),
            above.action if above.action is not None and "action" not in said else action(said),
            above.resource if above.resource is not None and "resource" not in said else entity(said, "resource"),
            above.context if said.get("context") is None else context(said),
        )
    except InvalidRequest as error:
        return error.message


def entity(said: Mapping[str, Any], name: str) -> Entity:
    """A subject or resource with type and id. Raises InvalidRequest."""
    given = said.get(name)
    if isinstance(given, dict):
        kind, own_id = given.get("type"), given.get("id")
        if isinstance(kind, str) and kind and isinstance(own_id, str) and own_id:
            if given.get("properties") is not None:
                _object(given, "properties", of=f"{name}.")
            return Entity(kind, own_id)
    raise InvalidRequest(f"{name} must be an object with a type and an id, both non-empty text.")


def wanted_type(said: Mapping[str, Any], name: str) -> str:
    """The type of what a search looks for; an id beside it is passed over. Raises InvalidRequest."""
    given = said.get(name)
    if isinstance(given, dict) and isinstance(given.get("type"), str) and given["type"]:
        _object(given, "properties", of=f"{name}.")
        kind: str = given["type"]
        return kind
    raise InvalidRequest(f"{name} must be an object with a type, which is non-empty text.")


def action(said: Mapping[str, Any]) -> str:
    """The name of the action. Raises InvalidRequest."""
    given = said.get("action")
    if isinstance(given, dict):
        name = given.get("name")
        if isinstance(name, str) and name:
            if given.get("properties") is not None:
                _object(given, "properties", of="action.")
            return name
    raise InvalidRequest("action must be an object with a name, such as read.")


def context(said: Mapping[str, Any]) -> Context:
    """What we read of the context: purpose, as_of, believed_at. Raises InvalidRequest."""
    given = said.get("context")
    if given is None:
        return NOTHING_SAID
    if not isinstance(given, dict):
        raise InvalidRequest("context must be an object.")
    purpose = given.get("purpose")
    if purpose is not None and not isinstance(purpose, str):
        raise InvalidRequest("context.purpose must be a PurposeOfUse code, such as TREAT.")
    return Context(
        "TREAT" if purpose is None else purpose_code(purpose), _instant(given, "as_of"), _instant(given, "believed_at")
    )


def reference_of(own_id: str, system: str = "") -> Reference | None:
    """An entity's id as ours: a ULID, a UUID, `system|value`, or a bare value of that system. None for what is none of them:
    an AuthZEN id may be any text, and nobody is known by such a one.
    """
    try:
        reference = parse_reference(own_id)
    except InvalidIdentifier:
        return None
    if system and isinstance(reference, Identifier) and "|" not in own_id:
        return Identifier(system, reference.value)
    return reference


def _object(said: Mapping[str, Any], name: str, of: str = "") -> dict[str, Any] | None:
    given = said.get(name)
    if given is not None and not isinstance(given, dict):
        raise InvalidRequest(f"{of}{name} must be an object.")
    return given


def _instant(given: Mapping[str, Any], name: str) -> datetime | None:
    said = given.get(name)
    if said is None:
        return None
    if not isinstance(said, str):
        raise InvalidRequest(f"context.{name} must be ISO 8601 text with a time zone.")
    return parse_instant(said)
