"""What the description says of problems: which of them a route may answer, each with an example made of a real error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from carecircle.api.problems import TITLES, TooManyStreams, headers_of, problem
from carecircle.errors import (
    CareCircleError,
    DatabaseUnavailable,
    InvalidRequest,
    PatientNotRegistered,
    PermissionRequired,
    PrimaryAlreadyAssigned,
    RulesViolated,
    Unauthenticated,
    Violation,
)
from carecircle.errors.emergency import StepUpRequired
from carecircle.errors.service import (
    HeadTooLarge,
    IdempotencyKeyInUse,
    IdempotencyKeyReused,
    PreconditionFailed,
    TooBusy,
)

KIND = "application/problem+json"
_TOLD_OF_A_FIELD = [{"where": "body.name", "what": "Field required."}]
_RULE = Violation("credential-missing", "This provider holds no licence then.")

# The errors that show a status, the most usual one first.
EXAMPLES: Mapping[str, tuple[CareCircleError, ...]] = {
    "400": (InvalidRequest("body.name: Field required.", errors=_TOLD_OF_A_FIELD),),
    "401": (Unauthenticated("Send a token: Authorization: Bearer …"), StepUpRequired(max_age=900)),
    "403": (PermissionRequired("This needs a sign-in or key that may read."),),
    "404": (PatientNotRegistered(),),
    "409": (PrimaryAlreadyAssigned(), IdempotencyKeyInUse()),
    "412": (PreconditionFailed(),),
    "422": (RulesViolated([_RULE]), IdempotencyKeyReused()),
    "429": (TooManyStreams(),),
    "431": (HeadTooLarge(),),
    "503": (DatabaseUnavailable(), TooBusy()),
}

_LISTED = {"type": "object", "required": ["kind", "sentence"]}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "RFC 9457 problem details. `code` never changes; sentences may.",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string", "format": "uri", "description": "urn:carecircle:problem: and the code."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "One sentence: what is wrong, and what to do."},
        "code": {"type": "string", "pattern": "^[a-z0-9-]+$"},
        "remedies": {
            "type": "array",
            "description": "What helps, where we know it: the same for everybody who gets this code.",
            "items": {
                **_LISTED,
                "properties": {
                    "kind": {"type": "string"},
                    "sentence": {"type": "string"},
                    "href": {"type": "string", "description": "A route of this service to go to."},
                },
            },
        },
        "violations": {
            "type": "array",
            "description": "Every rule of the organization's policy that it would break.",
            "items": {
                "type": "object",
                "required": ["code", "sentence"],
                "properties": {"code": {"type": "string"}, "sentence": {"type": "string"}},
            },
        },
        "errors": {
            "type": "array",
            "description": "What cannot be read, and where in the request it stands.",
            "items": {
                "type": "object",
                "required": ["where", "what"],
                "properties": {"where": {"type": "string"}, "what": {"type": "string"}},
            },
        },
        "emergency_id": {
            "type": "string",
            "description": "With emergency-access-open: the one that is open, or waits, already.",
        },
    },
}


def components() -> dict[str, Any]:
    """The response of each status, as components/responses have them."""
    return {f"Problem{status}": _response(status, errors) for status, errors in EXAMPLES.items()}


def refusals(method: str, path: str, operation: Mapping[str, Any]) -> dict[str, Any]:
    """What a route under /v1 may answer beside success, by status."""
    reads = method == "get"
    heads = {one.get("name", "").lower() for one in operation.get("parameters", ())}
    statuses = {"400", "401", "403", "404", "503"}
    # Reading may fail for what is not ready yet, such as a proof of what is not sealed.
    statuses |= {"409"} if reads else {"409", "422"}
    if "if-match" in heads:
        statuses.add("412")
    if path.endswith("/events"):
        statuses.add("429")
    return {status: {"$ref": f"#/components/responses/Problem{status}"} for status in sorted(statuses)}


def _response(status: str, errors: tuple[CareCircleError, ...]) -> dict[str, Any]:
    told = {error.code: {"value": orjson.loads(problem(error)[1])} for error in errors}
    response: dict[str, Any] = {
        "description": f"{TITLES[int(status)]}.",
        "content": {KIND: {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": told}},
    }
    names = {name: said for error in errors for name, said in headers_of(error).items()}
    if names:
        response["headers"] = {name: {"schema": {"type": "string"}, "example": said} for name, said in names.items()}
    return response
