"""Which actions each kind of direct assignment grants unless the assignment says otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

AssignmentType = Literal["primary", "consulting", "attending", "admitting", "emergency"]
ASSIGNMENT_TYPES: tuple[AssignmentType, ...] = get_args(AssignmentType)

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
