"""Which actions each role on a care team grants unless the member's own scope says otherwise."""

from __future__ import annotations

MEMBER_ROLES = ("attending", "resident", "nurse", "specialist", "member")

DEFAULT_SCOPE: dict[str, tuple[str, ...]] = {
    "attending": ("read", "write", "order", "share"),
    "resident": ("read", "write", "order"),
    "specialist": ("read", "write", "order"),
    "nurse": ("read", "write"),
    "member": ("read",),
}


def default_scope(member_role: str) -> tuple[str, ...]:
    """A role nobody has described grants reading, no more."""
    return DEFAULT_SCOPE.get(member_role, DEFAULT_SCOPE["member"])
