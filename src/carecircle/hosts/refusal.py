"""What a host answers when the answer is no, or there is none: an exception, and RFC 9457 problem details."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol
from uuid import UUID

from carecircle.access.decision import MESSAGES, Remedy, remedies
from carecircle.errors import AccessUnavailable, CareCircleError, InvalidIdentifier, Refused, Unauthenticated
from carecircle.identifiers import to_text

PROBLEM = "application/problem+json"


class Decided(Protocol):
    """What a guard needs of a decision: AccessDecision and the client's Decision are such."""

    @property
    def id(self) -> UUID | None: ...
    @property
    def allowed(self) -> bool: ...
    @property
    def code(self) -> str: ...
    @property
    def message(self) -> str: ...
    @property
    def remedies(self) -> Sequence[Remedy]: ...


class AccessDenied(Refused):
    """This provider may not do this to this patient; `decision` says why not, and what would help."""

    code = "access-denied"

    def __init__(self, decision: Decided) -> None:
        super().__init__(decision.message)
        self.decision = decision


REFUSALS = (AccessDenied, AccessUnavailable, InvalidIdentifier, Unauthenticated)
"""What a guard answers itself. Everything else is a mistake in the application, and stays an error."""


def problem_of(error: CareCircleError) -> tuple[int, dict[str, Any]]:
    """Status and body of what a guard raises.

    To whoever is refused, a patient that nobody knows looks like one they have nothing to do with: the entry in the audit
    trail, whose id is told, has the true code.
    """
    if isinstance(error, AccessDenied):
        decided = error.decision
        absent = decided.code == "unknown-patient"
        code = "no-relationship" if absent else decided.code
        helps = remedies(code) if absent else decided.remedies
        said = _problem(403, "Refused", code, MESSAGES[code] if absent else decided.message)
        said["remedies"] = [
            {"kind": one.kind, "sentence": one.sentence, **({"href": one.href} if one.href else {})} for one in helps
        ]
        return 403, said | ({"entry": to_text(decided.id)} if decided.id is not None else {})
    if isinstance(error, AccessUnavailable):
        # What exactly failed is the operator's to know; the code of the family is enough for who asks.
        return 503, _problem(503, "No answer can be recorded now", AccessUnavailable.code, "Nobody gets an answer now.")
    if isinstance(error, Unauthenticated):
        return 401, _problem(401, "Not signed in as this needs", error.code, error.message)
    if isinstance(error, InvalidIdentifier):
        return 400, _problem(400, "The request cannot be read", error.code, error.message)
    return 500, _problem(500, "Something went wrong here", error.code, "Something went wrong here.")


def _problem(status: int, title: str, code: str, detail: str) -> dict[str, Any]:
    kind = f"urn:carecircle:problem:{code}"
    return {"type": kind, "title": title, "status": status, "detail": detail, "code": code}
