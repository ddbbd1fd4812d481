"""Errors as RFC 9457 problem details: the one table of HTTP statuses, by class of error."""

from __future__ import annotations

from typing import Any

import orjson

from carecircle.errors import (
    AccessUnavailable,
    CareCircleError,
    Conflict,
    InvalidRequest,
    KeyUnavailable,
    NotFound,
    Refused,
    RulesViolated,
    Unauthenticated,
    Undecidable,
)

STATUSES: dict[type[CareCircleError], int] = {
    InvalidRequest: 400,
    Unauthenticated: 401,
    Refused: 403,
    RulesViolated: 422,
    NotFound: 404,
    Conflict: 409,
    AccessUnavailable: 503,
    KeyUnavailable: 500,
    Undecidable: 500,
    CareCircleError: 500,
}

TITLES = {
    400: "The request cannot be read",
    401: "No believable token",
    403: "Refused",
    404: "Not found",
    409: "Conflict",
    422: "The organization's rules forbid it",
    500: "Something went wrong here",
    503: "No answer can be recorded now",
}


def status_of(error: CareCircleError) -> int:
    """The status of an error's nearest class."""
    return next(STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES)


def problem(error: CareCircleError) -> tuple[int, bytes]:
    """Status and body (application/problem+json).

    Broken rules are listed as `violations`, what is wrong with a body as `errors`; both are sentences of ours.
    """
    status = status_of(error)
    body: dict[str, Any] = {
        "type": f"urn:carecircle:problem:{error.code}",
        "title": TITLES[status],
        "status": status,
        "detail": error.message,
        "code": error.code,
    }
    if isinstance(error, RulesViolated):
        body["violations"] = [{"code": one.code, "sentence": one.sentence} for one in error.violations]
    if isinstance(error, InvalidRequest) and "errors" in error.facts:
        body["errors"] = error.facts["errors"]
    return status, orjson.dumps(body)
