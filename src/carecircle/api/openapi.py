"""The OpenAPI 3.1 description: what FastAPI knows of its pages, and what is the same for all of them."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI

from carecircle.api import openapi_authzen, openapi_problems

ABOUT = """\
Keeps each patient's circle of care, answers whether a provider may see a patient now, and why, and records every answer in the
statement that decides it.

- **Signing in.** `Authorization: Bearer` with a token of your identity provider, one of this installation, or an API key. A token
  is for one organization; what belongs to another one does not exist for it (404).
- **Lists** take `limit` and `after`, and answer with `next`: the cursor of the page after, or null.
- **Versions.** Single resources have an `ETag`; `If-None-Match` saves reading them again, `If-Match` changes them only as they
  were read (412 otherwise).
- **Retries.** With an `Idempotency-Key` a change is made once, however often it is sent within a day.
- **Problems** are RFC 9457 documents with a `code` that never changes and, where we know any, `remedies`.
- A request's line and headers have at most 32 KiB (431), a body 64 KiB unless said otherwise (400).
"""

TAGS = {
    "AuthZEN": "OpenID AuthZEN Authorization API 1.0: evaluations and searches.",
    "questions": "The same questions in this product's words, with reasons.",
    "care teams": "Teams, who is on them, and whom they look after.",
    "assignments": "Direct assignments of providers to patients.",
    "coverage": "Standing in for somebody: arrangements, rotas, absences, who is responsible.",
    "credentials": "Licences, specialties and privileges.",
    "referrals": "Referrals on which specialists' access rests.",
    "validations": "Every rule an assignment would break, without making it.",
    "restrictions": "Objections, suspensions and sensitivity labels.",
    "policy": "The organization's rules, by version.",
    "patients": "Patients, their circle, and records of one person.",
    "providers": "Providers and what they work as.",
    "organization": "The organization, its units, and the codes of specialties.",
    "break-glass": "Emergency access: asking, deciding, following, reviewing.",
    "duties": "Who decides about emergencies, and for whom not.",
    "audit": "The audit trail: searching, explaining, proving, exporting, keeping and retiring it.",
    "legal-holds": "What must not be retired.",
    "data-keys": "The keys that protect fields, and their rotation.",
    "reports": "What patients, officers and regulators are told.",
    "quality": "Findings in the data, and their resolving.",
    "reassignments": "Moving many patients when a provider leaves.",
    "accounts": "Who signs in, and their roles.",
    "api-keys": "Keys for machines: scoped, expiring, rotated.",
    "sign-ins": "Sign-ins on record, and ending them.",
    "visits": "A super admin's time-boxed stay in another organization.",
    "operation": "Health and metrics.",
}

PARAMETERS: dict[str, Any] = {
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "Names this request, so that it is carried out once and answered alike however often it is sent within a "
        "day; 409 while the first is worked on, 422 for another request under the same key. In quotes or bare.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[!-~]+$"},
        "example": "5e1f0c58-6f0b-4a0e-9d0b-6f2d8a1c3b77",
    },
    "RequestId": {
        "name": "X-Request-ID",
        "in": "header",
        "description": "The caller's name for this request: recorded with what it decides, and sent back.",
        "schema": {"type": "string", "maxLength": 128},
        "example": "ehr-4711",
    },
    "IfNoneMatch": {
        "name": "If-None-Match",
        "in": "header",
        "description": "The ETag of what is known already; 304 where it is still that.",
        "schema": {"type": "string"},
    },
}

CHANGING = frozenset({"post", "put", "patch", "delete"})
SUCCESS = ("200", "201", "202")
SECURITY = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT or API key",
        "description": "A JWT (of an identity provider that is trusted here, or of `carecircle token`), or an API key (cck_…).",
    }
}
# What is open to everybody, or is no part of the API proper: what it says is told here.
OPERATION: dict[str, tuple[str, str, Any]] = {
    "/healthz": ("Whether the process runs", "Open to everybody; asks nothing of the database.", {"status": "ok"}),
    "/readyz": (
        "Whether it can answer", "Open to everybody; 503 while the database cannot be used, or the process is about to stop.",
        {"status": "ready"},
    ),
    "/metrics": (
        "Figures for Prometheus", "Counters and times of this process, without ids of anybody.",
        'carecircle_decisions_total{answer="allowed"} 42.0\n',
    ),
}  # fmt: skip
NOT_OPEN = "/metrics"
STREAM = "text/event-stream"
EVENT = 'event: emergency\ndata: {"id":"01K0000000000000000000000A","reference":"BG-…","state":"provisional"}\n\n'


def describe(pages: FastAPI) -> dict[str, Any]:
    """The whole service as OpenAPI 3.1."""
    known = deepcopy(pages.openapi())
    schemas = _schemas(known)
    paths = known.get("paths", {})
    for path, method, operation in _operations(paths):
        if path in OPERATION:
            _tell_of_operation(operation, path)
        elif path.startswith("/v1/"):
            _tell_of_route(operation, path, method, schemas)
    return known | {
        "openapi": "3.1.0",
        "info": {
            "title": "carecircle",
            "version": version("carecircle"),
            "summary": "Who may see this patient now, and why?",
            "description": ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "The server that this description came from."}],
        "tags": [{"name": name, "description": said} for name, said in TAGS.items()],
        "paths": openapi_authzen.PATHS | paths,
        "components": {
            "schemas": schemas | {"Problem": openapi_problems.SCHEMA},
            "responses": openapi_problems.components(),
            "parameters": PARAMETERS,
            "securitySchemes": SECURITY,
        },
        "security": [{"bearer": []}],
    }


def _operations(paths: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in paths.items():
        for method, operation in methods.items():
            yield path, method, operation


def _tell_of_operation(operation: dict[str, Any], path: str) -> None:
    summary, description, example = OPERATION[path]
    operation |= {"tags": ["operation"], "operationId": path[1:], "summary": summary, "description": description}
    if path != NOT_OPEN:
        operation["security"] = []
    kind = "application/json" if isinstance(example, dict) else "text/plain"
    schema = {"type": "object" if isinstance(example, dict) else "string"}
    operation["responses"]["200"]["content"] = {kind: {"schema": schema, "example": example}}
    statuses = {"/readyz": ("503",), "/metrics": ("401", "503")}.get(path, ())
    operation["responses"] |= {one: {"$ref": f"#/components/responses/Problem{one}"} for one in statuses}


def _tell_of_route(operation: dict[str, Any], path: str, method: str, schemas: dict[str, Any]) -> None:
    operation["summary"] = operation["operationId"].replace("-", " ").capitalize()
    operation.setdefault("description", f"{operation['summary']}.")
    operation["responses"].pop("422", None)  # what FastAPI refuses to read is answered with 400
    operation["responses"] |= openapi_problems.refusals(method, path, operation)
    shared = ["RequestId", *(["IdempotencyKey"] if method in CHANGING else ["IfNoneMatch"])]
    operation.setdefault("parameters", []).extend({"$ref": f"#/components/parameters/{name}"} for name in shared)
    if method == "get":
        operation["responses"]["304"] = {"description": "It is still what If-None-Match names."}
    if (stream := operation["responses"].get("200", {}).get("content", {}).get(STREAM)) is not None:
        stream["example"] = EVENT
    for content in _json_contents(operation):
        examples = _examples(content["schema"], schemas)
        if len(examples) == 1:
            content.update(example=next(iter(examples.values())))
        elif examples:
            content.update(examples={name: {"value": said} for name, said in examples.items()})
    for status in SUCCESS:
        if method in CHANGING and status in operation["responses"]:
            operation["responses"][status].setdefault("headers", {})["Idempotency-Replayed"] = {
                "description": "`true` where this is the stored answer to the same request.",
                "schema": {"type": "string", "enum": ["true"]},
            }


def _json_contents(operation: dict[str, Any]) -> Iterator[dict[str, Any]]:
    told = [operation.get("requestBody", {}), *(operation["responses"].get(status, {}) for status in SUCCESS)]
    for one in told:
        content = one.get("content", {}).get("application/json")
        if content and "schema" in content:
            yield content


def _examples(schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    """The examples of the models that a body or an answer may be, by the models' names."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        model = schemas.get(name, {})
        if "example" in model:
            return {name: model["example"]}
        return _examples(model, schemas) if "oneOf" in model or "anyOf" in model else {}
    found: dict[str, Any] = {}
    for part in schema.get("oneOf") or schema.get("anyOf") or ():
        found |= _examples(part, schemas)
    return found


def _schemas(known: dict[str, Any]) -> dict[str, Any]:
    """FastAPI's schemas without those of its own errors, which nobody gets."""
    schemas: dict[str, Any] = known.get("components", {}).get("schemas", {})
    return {name: schema for name, schema in schemas.items() if name not in ("HTTPValidationError", "ValidationError")}
