"""Errors as RFC 9457 problem details: the one table of HTTP statuses, by class of error."""

from __future__ import annotations

from typing import Any

import orjson

from carecircle.api.remedies import remedies_of
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
from carecircle.errors.emergency import EmergencyAccessOpen, StepUpRequired
from carecircle.errors.service import HeadTooLarge, IdempotencyKeyReused, PreconditionFailed, TooBusy
from carecircle.identifiers import to_text


class TooManyStreams(Refused):
    """This person listens to as many live streams as one person may; close one first."""

    code = "too-many-streams"


STATUSES: dict[type[CareCircleError], int] = {
    InvalidRequest: 400,
    Unauthenticated: 401,
    Refused: 403,
    StepUpRequired: 401,
    TooManyStreams: 429,
    RulesViolated: 422,
    NotFound: 404,
    Conflict: 409,
    PreconditionFailed: 412,
    IdempotencyKeyReused: 422,
    HeadTooLarge: 431,
    AccessUnavailable: 503,
    KeyUnavailable: 500,
    Undecidable: 500,
    CareCircleError: 500,
}

TITLES = {
    400: "The request cannot be read",
    401: "Not signed in as this needs",
    403: "Refused",
    404: "Not found",
    409: "Conflict",
    412: "Changed in the meantime",
    422: "The organization's rules forbid it",
    429: "Too many at once",
    431: "The request's head is too large",
    500: "Something went wrong here",
    503: "No answer can be recorded now",
}

# Where a status has another title for one kind of error.
TITLES_BY_CODE = {IdempotencyKeyReused.code: "This key was sent with another request", TooBusy.code: "Too busy now"}


def status_of(error: CareCircleError) -> int:
    """The status of an error's nearest class."""
    return next(STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES)


def headers_of(error: CareCircleError) -> dict[str, str]:
    """What an answer's head says beside its status: what a 401 asks for (RFC 6750, and RFC 9470 for a newer sign-in)."""
    if isinstance(error, StepUpRequired):
        asked = 'Bearer error="insufficient_user_authentication", error_description="Sign in again, then repeat this"'
        seconds = error.facts.get("max_age")
        return {"www-authenticate": asked if seconds is None else f'{asked}, max_age="{seconds}"'}
    if isinstance(error, TooBusy):
        return {"retry-after": str(error.facts.get("retry_after", 1))}
    return {"www-authenticate": "Bearer"} if isinstance(error, Unauthenticated) else {}


def problem(error: CareCircleError) -> tuple[int, bytes]:
    """Status and body (application/problem+json).

    What helps is listed as `remedies`, broken rules as `violations`, what is wrong with a body as `errors`; all are sentences
    of ours. Which emergency access is open already stands in `emergency_id`.
    """
    status = status_of(error)
    remedies = remedies_of(error)
    body: dict[str, Any] = {
        "type": f"urn:carecircle:problem:{error.code}",
        "title": TITLES_BY_CODE.get(error.code, TITLES[status]),
        "status": status,
        "detail": error.message,
        "code": error.code,
    }
    if remedies:
        body["remedies"] = [
            one._asdict() if one.href else {"kind": one.kind, "sentence": one.sentence} for one in remedies
        ]
    if isinstance(error, RulesViolated):
        body["violations"] = [{"code": one.code, "sentence": one.sentence} for one in error.violations]
    if isinstance(error, InvalidRequest) and "errors" in error.facts:
        body["errors"] = error.facts["errors"]
    if isinstance(error, EmergencyAccessOpen) and "emergency_id" in error.facts:
        body["emergency_id"] = to_text(error.facts["emergency_id"])
    return status, orjson.dumps(body)
