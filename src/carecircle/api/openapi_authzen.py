"""What the description says of the AuthZEN routes, which FastAPI does not know."""

from __future__ import annotations

from typing import Any

from carecircle.interop.authzen.metadata import ENDPOINTS, WELL_KNOWN

USER = {"type": "user", "id": "01K0000000000000000000000A"}
PATIENT = {"type": "patient", "id": "urn:mrn|12345"}
READ = {"name": "read"}
DECISION_ID = "01K0000000000000000000000D"
ALLOWED = {
    "decision": True,
    "context": {
        "id": DECISION_ID, "code": "allowed",
        "bases": [{"kind": "primary", "id": "01K0000000000000000000000B", "until": None}],
    },
}  # fmt: skip
DENIED = {
    "decision": False,
    "context": {
        "id": DECISION_ID, "code": "no-relationship",
        "remedies": [{"kind": "assign", "sentence": "Ask whoever keeps the circle of care for an assignment."}],
    },
}  # fmt: skip
PAGE = {"next_token": "", "count": 1, "total": 1}
TAG = "AuthZEN"

_CONTEXT = {
    "type": "object",
    "description": "Members beside these are passed over, `time` among them: the database's clock decides.",
    "properties": {
        "purpose": {
            "type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_-]{0,31}$", "examples": ["TREAT"],
            "description": "A PurposeOfUse code; TREAT unless said.",
        },
        "as_of": {"type": "string", "format": "date-time", "description": "Another instant than now."},
        "believed_at": {"type": "string", "format": "date-time", "description": "As was known then."},
    },
}  # fmt: skip
_ACTION = {
    "type": "object",
    "required": ["name"],
    "properties": {"name": {"type": "string", "minLength": 1}, "properties": {"type": "object"}},
}
_TOLD: dict[str, Any] = {
    "decision": {"type": "boolean"},
    "context": {
        "type": "object",
        "description": "`id` is the entry in the audit trail, `code` says why; then `bases`, or `remedies`.",
    },
}
_DECISION = {"type": "object", "required": ["decision"], "properties": _TOLD}
_PAGE = {
    "type": "object",
    "properties": {
        "limit": {"type": "integer", "minimum": 0, "description": "At most 1,000, which it is unless said."},
        "token": {
            "type": "string",
            "description": "`next_token` of the page before, with the same request; for 15 minutes from the first page on.",
        },
        "properties": {"type": "object", "description": "Read by nobody."},
    },
}


def _entity(*, alone: bool = False) -> dict[str, Any]:
    """Somebody or something; `alone` where only its type is said, since it is what is looked for."""
    own_id: dict[str, Any] = {"description": "Passed over."}
    if not alone:
        own_id = {
            "type": "string",
            "minLength": 1,
            "description": "A ULID, a UUID, system|value, or a bare identifier; any other text is of nobody.",
        }
    return {
        "type": "object",
        "required": ["type"] if alone else ["type", "id"],
        "properties": {
            "type": {
                "type": "string", "minLength": 1,
                "description": "`user` and `provider`, or `patient`, and the words of the organization's policy.",
            },
            "id": own_id,
            "properties": {
                "type": "object", "description": "Read by nobody: what a caller says of a person is no proof.",
            },
        },
    }  # fmt: skip


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": required, "properties": properties}


def _operation(
    name: str, summary: str, description: str, body: dict[str, Any], answer: dict[str, Any],
    asked: dict[str, Any], told: dict[str, Any],
) -> dict[str, Any]:  # fmt: skip
    """One POST. `asked` is an example of a request; `told` has one of each kind of answer, by a word for it."""
    refused = {status: {"$ref": f"#/components/responses/Problem{status}"} for status in ("400", "401", "403", "503")}
    answered = {"schema": answer, "examples": {word: {"value": value} for word, value in told.items()}}
    return {
        "post": {
            "operationId": name,
            "tags": [TAG],
            "summary": summary,
            "description": description,
            "parameters": [{"$ref": "#/components/parameters/RequestId"}],
            "requestBody": {"required": True, "content": {"application/json": {"schema": body, "example": asked}}},
            "responses": {"200": {"description": "The answer.", "content": {"application/json": answered}}, **refused},
        }
    }


_QUESTION: dict[str, Any] = {"subject": _entity(), "action": _ACTION, "resource": _entity(), "context": _CONTEXT}
_ASKED = {"subject": USER, "action": READ, "resource": PATIENT}
_PAGE_TOLD = _object(
    ["next_token", "count", "total"],
    next_token={"type": "string", "description": "Empty where this is the last page."},
    count={"type": "integer", "minimum": 0, "description": "Results on this page."},
    total={"type": "integer", "minimum": 0, "description": "Results on all pages."},
)
_TOLD_OF = _object(
    ["as_of"],
    as_of={"type": "string", "format": "date-time", "description": "The instant for which it is answered."},
    id={"type": "string", "description": "The entry in the audit trail; actions have an entry each."},
)


def _results(**one: Any) -> dict[str, Any]:
    results = {"type": "array", "items": _object(list(one), **one)}
    return _object(["page", "context", "results"], page=_PAGE_TOLD, context=_TOLD_OF, results=results)


_SOMEBODY = _results(type={"type": "string"}, id={"type": "string"})
_NAMED = _results(name={"type": "string"})


def _found(one: dict[str, Any]) -> dict[str, Any]:
    return {"found": {"page": PAGE, "context": {"as_of": "2026-01-31T08:00:00Z"}, "results": [one]}}


def _configuration(name: str, *parameters: dict[str, Any]) -> dict[str, Any]:
    path = "/north-hospital" if parameters else ""
    example = {"policy_decision_point": f"https://pdp.example{path}"} | {
        endpoint: f"https://pdp.example{at}" for endpoint, at in ENDPOINTS.items()
    }
    schema = _object(list(example), **{one: {"type": "string", "format": "uri"} for one in example})
    return {
        "get": {
            "operationId": name,
            "tags": [TAG],
            "summary": "Where this policy decision point is asked.",
            "description": "AuthZEN metadata: the same for everybody, so no token is asked for, and no organization looked for.",
            "security": [],
            "parameters": [*parameters, {"$ref": "#/components/parameters/RequestId"}],
            "responses": {
                "200": {
                    "description": "The metadata.",
                    "content": {"application/json": {"schema": schema, "example": example}},
                },
                "404": {"$ref": "#/components/responses/Problem404"},
            },
        }
    }


PATHS: dict[str, Any] = {
    "/access/v1/evaluation": _operation(
        "evaluate",
        "May this provider do this to this patient, now or at another instant?",
        "OpenID AuthZEN access evaluation. A denial is an answer (200, decision false); both are recorded before they are told.",
        _object(["subject", "action", "resource"], **_QUESTION), _DECISION, _ASKED, {"allowed": ALLOWED, "denied": DENIED},
    ),
    "/access/v1/evaluations": _operation(
        "evaluate-many",
        "Many questions in one request.",
        "What a question leaves out it takes from the request. All are answered, or, as `options.evaluations_semantic` says, only "
        "up to the first denial or the first permission; what comes after it is not asked. Each answer is recorded on its own. "
        "Without questions it is an evaluation. A body has at most 1 MiB.",
        _object(
            [], **_QUESTION,
            evaluations={
                "type": "array", "maxItems": 1000,
                "items": {"description": "subject, action, resource, context; one that cannot be read is answered no."},
            },
            options=_object([], evaluations_semantic={
                "type": "string", "enum": ["execute_all", "deny_on_first_deny", "permit_on_first_permit"],
            }),
        ),
        _object([], evaluations={"type": "array", "items": _DECISION}, **_TOLD),
        {"subject": USER, "action": READ, "evaluations": [{"resource": PATIENT}, {"resource": PATIENT | {"id": "urn:mrn|2"}}]},
        {"answered": {"evaluations": [ALLOWED, DENIED]}},
    ),
    "/access/v1/search/subject": _operation(
        "search-subjects",
        "Everybody who may do this to this patient.",
        "Exactly those of whom an evaluation says yes at the same instant.",
        _object(["subject", "action", "resource"], **_QUESTION | {"subject": _entity(alone=True), "page": _PAGE}), _SOMEBODY,
        {"subject": {"type": "user"}, "action": READ, "resource": PATIENT}, _found(USER),
    ),
    "/access/v1/search/resource": _operation(
        "search-resources",
        "Every patient to whom this provider may do this.",
        "Exactly those of whom an evaluation says yes at the same instant.",
        _object(["subject", "action", "resource"], **_QUESTION | {"resource": _entity(alone=True), "page": _PAGE}), _SOMEBODY,
        {"subject": USER, "action": READ, "resource": {"type": "patient"}}, _found(PATIENT),
    ),
    "/access/v1/search/action": _operation(
        "search-actions",
        "Everything this provider may do to this patient.",
        "Each action of the organization is asked and recorded.",
        _object(["subject", "resource"], **{name: said for name, said in _QUESTION.items() if name != "action"}, page=_PAGE),
        _NAMED, {"subject": USER, "resource": PATIENT}, _found(READ),
    ),
    WELL_KNOWN: _configuration("authzen-configuration"),
    WELL_KNOWN + "/{tenant}": _configuration("authzen-configuration-of-tenant", {
        "name": "tenant", "in": "path", "required": True, "example": "north-hospital",
        "description": "The path of the identifier; which organization is asked, a token says.", "schema": {"type": "string"},
    }),
}  # fmt: skip
