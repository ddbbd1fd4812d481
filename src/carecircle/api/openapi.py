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
                },
            }
        }
    },
}


def describe(pages: FastAPI) -> dict[str, Any]:
    """The whole service as OpenAPI 3.1."""
    known = pages.openapi()
    components = {
        "responses": {"Problem": PROBLEM},
        "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
    }
    return known | {
        "paths": {"/access/v1/evaluation": EVALUATION, **known.get("paths", {})},
        "components": known.get("components", {}) | components,
        "security": [{"token": []}],
    }
