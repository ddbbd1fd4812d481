"""Exit codes: one table by error class, and the few that no error stands for."""

from __future__ import annotations

from carecircle.errors import (
    AccessUnavailable,
    CareCircleError,
    Conflict,
    InvalidRequest,
    KeyUnavailable,
    NotFound,
    Refused,
    Unauthenticated,
)

OK = 0
UNEXPECTED = 1
USAGE = 2
DENIED = 10
FINDINGS = 11
INTERRUPTED = 130
# Whoever read the answer left before its end; what a shell says of a program that SIGPIPE ended.
UNREAD = 141

# An error takes the code of its nearest ancestor here.
BY_ERROR: dict[type[CareCircleError], int] = {
    CareCircleError: UNEXPECTED,
    AccessUnavailable: 3,
    KeyUnavailable: 3,
    Unauthenticated: 4,
    Refused: 4,
    NotFound: 5,
    Conflict: 6,
    InvalidRequest: 7,
}


def exit_code(error: type[BaseException]) -> int:
    """The exit code of an error's class; 1 for a class that is none of ours."""
    return next((BY_ERROR[kind] for kind in error.__mro__ if kind in BY_ERROR), UNEXPECTED)


# A list about somebody or something unknown is recorded and empty; this says why it is empty.
BY_LISTING = {"unknown-patient": 5, "unknown-provider": 5, "unknown-action": 7}
