"""Problem details (RFC 9457) as exceptions: one class per family of codes, each also the package's own class of that kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from carecircle.access.decision import Remedy
from carecircle.client.strict import BadJSONError, object_in
from carecircle.client.wire import Answer
from carecircle.errors import (
    AccessUnavailable,
    CareCircleError,
    Conflict,
    InvalidRequest,
    NotFound,
    Refused,
    RulesViolated,
    Unauthenticated,
    Violation,
)


class Problem(CareCircleError):
    """The service answered with a problem."""

    def __init__(
        self,
        message: str | None = None,
        *,
        code: str | None = None,
        status: int = 0,
        remedies: tuple[Remedy, ...] = (),
        **facts: Any,
    ) -> None:
        CareCircleError.__init__(self, message, **facts)
        if code is not None:
            vars(self)["code"] = code
        self.status = status
        self.remedies = remedies


class Malformed(Problem, InvalidRequest):
    """The service could not read the request (400, 413, 415, 422, 428)."""


class NotSignedIn(Problem, Unauthenticated):
    """The credential is missing, has ended or is not believed (401)."""


class Forbidden(Problem, Refused):
    """This credential may not do that (403)."""


class TooMany(Forbidden):
    """Too much at once from this caller (429)."""


class Missing(Problem, NotFound):
    """There is no such thing in this organization (404, 405, 410)."""


class Conflicting(Problem, Conflict):
    """The present state forbids it, or somebody changed it in the meantime (409, 412)."""


class RulesBroken(Problem, RulesViolated):
    """The organization's rules forbid it; `violations` names each (422)."""

    violations: tuple[Violation, ...] = ()


class Unavailable(Problem, AccessUnavailable):
    """The service cannot answer now (5xx): let nobody in."""


class UnexpectedAnswer(Problem, AccessUnavailable):
    """Something answered, but not as carecircle does: let nobody in, and look at the address and what stands before it."""

    code = "unexpected-answer"


FAMILIES: dict[int, type[Problem]] = {
    400: Malformed, 401: NotSignedIn, 403: Forbidden, 404: Missing, 405: Missing, 409: Conflicting, 410: Missing,
    412: Conflicting, 413: Malformed, 415: Malformed, 422: Malformed, 428: Malformed, 429: TooMany,
}  # fmt: skip


def problem_in(answer: Answer) -> Problem:
    """The exception for an answer that is no success. What is not a problem document is told by its status alone."""
    if 300 <= answer.status < 400:
        return UnexpectedAnswer("The service answered with a redirect, which is never followed.", status=answer.status)
    said = _document(answer)
    kind = FAMILIES.get(answer.status) or (Unavailable if answer.status >= 500 else UnexpectedAnswer)
    if answer.status == 422 and isinstance(said.get("violations"), list):
        kind = RulesBroken
    code, detail = said.get("code"), said.get("detail")
    error = kind(
        detail if isinstance(detail, str) else None,
        code=code if isinstance(code, str) and code else None,
        status=answer.status,
        remedies=remedies_in(said.get("remedies")),
        **{name: said[name] for name in ("errors", "emergency_id") if name in said},
    )
    if isinstance(error, RulesBroken):
        error.violations = tuple(
            Violation(str(one.get("code")), str(one.get("sentence")))
            for one in said["violations"]
            if isinstance(one, dict)
        )
    return error


def code_in(answer: Answer) -> str | None:
    """The code of a problem document; None where there is none."""
    code = _document(answer).get("code")
    return code if isinstance(code, str) else None


def remedies_in(given: object) -> tuple[Remedy, ...]:
    """The remedies of a problem or a denial. They are advice: what is not one is left out."""
    if not isinstance(given, list):
        return ()
    return tuple(
        Remedy(one["kind"], one["sentence"], one["href"] if isinstance(one.get("href"), str) else None)
        for one in given
        if isinstance(one, dict) and isinstance(one.get("kind"), str) and isinstance(one.get("sentence"), str)
    )


def _document(answer: Answer) -> Mapping[str, Any]:
    if answer.media_type != "application/problem+json":
        return {}
    try:
        return object_in(answer.body)
    except BadJSONError:
        return {}
