"""The OpenAPI description: what FastAPI knows of its pages, and the bare route described by hand."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI


def _entity(example: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["type", "id"],
        "properties": {
            "type": {"type": "string", "minLength": 1},
            "id": {
                "type": "string",
                "minLength": 1,
                "description": "A ULID, a UUID, system|value, or a bare identifier.",
            },
            "properties": {
                "type": "object",
                "description": "Read by nobody: what a caller says of a person is no proof.",
            },
        },
        "example": example,
    }


EVALUATION: dict[str, Any] = {
    "post": {
        "operationId": "evaluate",
        "summary": "May this provider do this to this patient, now or at another instant?",
        "description": "OpenID AuthZEN access evaluation. A denial is an answer (200, decision false); both are recorded.",
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "required": ["subject", "action", "resource"],
                        "properties": {
                            "subject": _entity({"type": "user", "id": "01K0000000000000000000000A"}),
                            "action": {
                                "type": "object",
                                "required": ["name"],
                                "properties": {"name": {"type": "string", "minLength": 1, "example": "read"}},
                            },
                            "resource": _entity({"type": "patient", "id": "urn:mrn|12345"}),
                            "context": {
                                "type": "object",
                                "properties": {
                                    "purpose": {"type": "string", "example": "TREAT"},
                                    "as_of": {"type": "string", "format": "date-time"},
                                    "believed_at": {"type": "string", "format": "date-time"},
                                },
                            },
                        },
                    }
                }
            },
        },
        "responses": {
            "200": {
                "description": "The recorded answer.",
                "content": {
                    "application/json": {
                        "schema": {
                            "type": "object",
                            "required": ["decision", "context"],
                            "properties": {"decision": {"type": "boolean"}, "context": {"type": "object"}},
                        }
                    }
                },
            },
            "400": {"$ref": "#/components/responses/Problem"},
            "401": {"$ref": "#/components/responses/Problem"},
            "503": {"$ref": "#/components/responses/Problem"},
        },
    }
}

PROBLEM: dict[str, Any] = {
    "description": "RFC 9457 problem details.",
    "content": {
        "application/problem+json": {
            "schema": {
                "type": "object",
                "required": ["type", "title", "status", "detail", "code"],
                "properties": {
                    "type": {"type": "string"},
                    "title": {"type": "string"},
                    "status": {"type": "integer"},
                    "detail": {"type": "string"},
                    "code": {"type": "string"},
                    "emergency_id": {
                        "type": "string",
                        "description": "With emergency-access-open: the one that is open, or waits, already.",
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
                },
            }
        }
    },
}


# What any /v1 route may answer beside what FastAPI knows of it: one body for all of them.
REFUSALS = ("400", "401", "403", "404", "409", "422", "503")


def describe(pages: FastAPI) -> dict[str, Any]:
    """The whole service as OpenAPI 3.1."""
    known = pages.openapi()
    for path, operations in known.get("paths", {}).items():
        if path.startswith("/v1/"):
            for operation in operations.values():
                operation["responses"] |= {status: {"$ref": "#/components/responses/Problem"} for status in REFUSALS}
    components = {
        "responses": {"Problem": PROBLEM},
        "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
    }
    return known | {
        "paths": {"/access/v1/evaluation": EVALUATION, **known.get("paths", {})},
        "components": {"schemas": _schemas(known)} | components,
        "security": [{"token": []}],
    }


def _schemas(known: dict[str, Any]) -> dict[str, Any]:
    """FastAPI's schemas without those of its own errors, which nobody gets."""
    schemas: dict[str, Any] = known.get("components", {}).get("schemas", {})
    return {name: schema for name, schema in schemas.items() if name not in ("HTTPValidationError", "ValidationError")}
