"""What a role permits: the one table of roles and permissions. A role lets nobody see a patient; the circle does."""

from __future__ import annotations

from types import MappingProxyType
from typing import Literal, get_args

Permission = Literal["ask", "ask-for-others", "read", "change", "privacy", "audit", "administer", "all-organizations"]
PERMISSIONS: tuple[Permission, ...] = get_args(Permission)
"""ask: about oneself. ask-for-others: about anybody. read: lists and facts. change: the circle, teams, cover, duties.
privacy: holds, and reports about patients. audit: the audit trail. administer: accounts, keys, policy, units.
all-organizations: to visit another organization."""

Role = Literal[
    "super_admin",
    "org_admin",
    "care_coordinator",
    "supervisor",
    "privacy_officer",
    "clinician",
    "auditor",
    "service",
]
ROLES: MappingProxyType[Role, frozenset[Permission]] = MappingProxyType({
    "super_admin": frozenset({"all-organizations"}),
    "org_admin": frozenset({"ask", "ask-for-others", "read", "change", "administer"}),
    "care_coordinator": frozenset({"ask", "ask-for-others", "read", "change"}),
    "supervisor": frozenset({"ask", "ask-for-others", "read"}),
    "privacy_officer": frozenset({"read", "audit", "privacy"}),
    "clinician": frozenset({"ask"}),
    "auditor": frozenset({"audit"}),
    "service": frozenset({"ask", "ask-for-others"}),
})  # fmt: skip
ON_A_VISIT: frozenset[Permission] = frozenset({"read", "change", "administer", "audit", "privacy"})
"""What a super admin may in an organization they visit: everything but ask about patients."""


def permitted(roles: frozenset[str]) -> frozenset[str]:
    """What these roles permit together; a role nobody knows permits nothing."""
    return frozenset(may for role, allowed in ROLES.items() if role in roles for may in allowed)


def roles_that_may(permission: str) -> tuple[str, ...]:
    """The roles that permit this, in the table's order."""
    return tuple(role for role, allowed in ROLES.items() if permission in allowed)
