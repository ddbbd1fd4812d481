"""What each kind of direct assignment grants unless it says otherwise, and what forbids giving one to a provider."""

from __future__ import annotations

from collections.abc import Sequence

from carecircle.errors import Violation
from carecircle.policy import ASSIGNMENT_TYPES, AssignmentType

__all__ = ["ASSIGNMENT_TYPES", "DEFAULT_SCOPE", "AssignmentType", "assignment_violations", "demoted_scope"]

DEFAULT_SCOPE: dict[AssignmentType, tuple[str, ...]] = {
    "primary": ("read", "write", "order", "share"),
    "attending": ("read", "write", "order", "share"),
    "admitting": ("read", "write", "order"),
    "consulting": ("read", "write", "order"),
    "emergency": ("read", "write", "order"),
}


def demoted_scope(scope: Sequence[str]) -> list[str]:
    """What a primary who becomes consulting keeps: what consulting grants, and never more than there was; maybe nothing."""
    return [action for action in scope if action in DEFAULT_SCOPE["consulting"]]


def assignment_violations(
    assignment_type: str,
    *,
    lacking: Sequence[str] = (),
    lapsed: bool = False,
    suspended: bool = False,
    objected: bool = False,
) -> list[Violation]:
    """Why a provider cannot be given an assignment of this type; nothing when they can.

    `lacking` names what it would rest on and the provider does not hold when it starts, by kind or code of credential;
    `lapsed` says that none of the licences on record for the provider holds then, `suspended` that a suspension of the
    provider does, `objected` that the patient's objection to the provider does.
    """
    violations = [
        Violation(
            "credential-missing",
            f"The {assignment_type} assignment rests on a credential, {name}, that this provider does not hold when it"
            " starts; record it with: carecircle credential add.",
        )
        for name in lacking
    ]
    if lapsed:
        violations.append(
            Violation(
                "credential-lapsed",
                "No licence of this provider holds when the assignment starts; renew one with: carecircle credential renew.",
            )
        )
    if suspended:
        violations.append(
            Violation(
                "provider-suspended", "This provider is suspended when the assignment starts; choose another one."
            )
        )
    if objected:
        violations.append(
            Violation(
                "patient-objects",
                "The patient objects to this provider when the assignment starts; choose another one.",
            )
        )
    return violations
