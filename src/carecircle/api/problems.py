"""Errors as RFC 9457 problem details: the one table of HTTP statuses, by class of error."""

from __future__ import annotations

import orjson

from carecircle.errors import (
    AccessUnavailable,
    CareCircleError,
    Conflict,
    InvalidRequest,
    KeyUnavailable,
    NotFound,
    Refused,
    Unauthenticated,
    Undecidable,
)

STATUSES: dict[type[CareCircleError], int] = {
    InvalidRequest: 400,
    Unauthenticated: 401,
    Refused: 403,
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
    500: "Something went wrong here",
    503: "No answer can be recorded now",
}


def status_of(error: CareCircleError) -> int:
    """The status of an error's nearest class."""
    return next(STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES)


def problem(error: CareCircleError) -> tuple[int, bytes]:
    """Status and body (application/problem+json)."""
    status = status_of(error)
    body = {
        "type": f"urn:carecircle:problem:{error.code}",
        "title": TITLES[status],
        "status": status,
        "detail": error.message,
        "code": error.code,
    }
    return status, orjson.dumps(body)
