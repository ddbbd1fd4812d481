"""An organization's policy as a value: what it requires and allows beyond the rules that always hold. No grant by default."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

AssignmentType = Literal["primary", "consulting", "attending", "admitting", "emergency"]
ASSIGNMENT_TYPES: tuple[AssignmentType, ...] = get_args(AssignmentType)
ACTIONS = ("read", "write", "order", "share")
"""What every organization knows; a policy adds its own."""
ACTION_CODE = re.compile(r"[a-z][a-z0-9_.:-]{0,31}")
"""What an action looks like: a decision about anything else is recorded as about `unreadable-action`."""
RANGES = {"coverage_grace_minutes": (0, 240), "largest_team": (1, 10_000), "longest_specialist_days": (1, 3650)}


@dataclass(frozen=True, slots=True)
class Policy:
    """The limits of one organization, as of one version. `Policy()` is what holds where nobody has set one.

    A credential is named by its kind (`licence`, `certification`) or its code (`207RC0000X`). Days and minutes are whole.
    """

    version: int = 0
    actions: tuple[str, ...] = ()
    """Action codes beyond read, write, order and share."""
    assignment_credentials: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What a direct assignment rests on, by its type: every credential named must hold, now and as long as it lasts."""
    role_credentials: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What a seat on a care team rests on, by its role."""
    coverage_credentials: tuple[str, ...] = ()
    """What standing in for somebody rests on."""
    coverage_grace_minutes: int = 0
    """How long access outlasts the end of a coverage arrangement, 0 to 240."""
    largest_team: int = 100
    """How many members a care team has at most at one instant."""
    roles_held_once: tuple[str, ...] = ()
    """Roles that one care team gives to one member at a time."""
    conflicting_roles: tuple[tuple[str, str], ...] = (("attending", "resident"),)
    """Pairs of roles that one person does not hold at the same time, on whatever teams."""
    referral_from_primary: bool = True
    """A specialist's referral must come from the patient's primary provider of that time."""
    longest_specialist_days: int = 365
    """How long a specialist assignment lasts at most."""


def problems_of(policy: Policy) -> list[str]:
    """Everything that a policy of the right shape must not say, as one sentence each; nothing when it is a good one."""
    return [*_numbers(policy), *_actions(policy), *_credentials(policy), *_roles(policy)]


def _numbers(policy: Policy) -> Iterator[str]:
    for name, (least, most) in RANGES.items():
        if not least <= getattr(policy, name) <= most:
            yield f"{name} is a whole number from {least} to {most}."


def _actions(policy: Policy) -> Iterator[str]:
    for action in policy.actions:
        if not ACTION_CODE.fullmatch(action):
            yield (
                f"actions: {action!r} is not an action code; one has up to 32 small letters, digits and _ . : -, a letter first."
            )
        elif action == "unreadable-action":
            yield "actions: 'unreadable-action' is what a decision about no action is recorded as; choose another code."


def _credentials(policy: Policy) -> Iterator[str]:
    for assignment_type in policy.assignment_credentials:
        if assignment_type not in ASSIGNMENT_TYPES:
            yield (
                f"assignment_credentials: {assignment_type!r} is no assignment type; known are {', '.join(ASSIGNMENT_TYPES)}."
            )
    named = {
        "assignment_credentials": [*_in(policy.assignment_credentials)],
        "role_credentials": [*policy.role_credentials, *_in(policy.role_credentials)],
        "coverage_credentials": policy.coverage_credentials,
        "roles_held_once": policy.roles_held_once,
    }
    for key, names in named.items():
        if any(not name.strip() for name in names):
            yield f"{key}: a name is empty."


def _roles(policy: Policy) -> Iterator[str]:
    for one, other in policy.conflicting_roles:
        if one == other or not one.strip() or not other.strip():
            yield f"conflicting_roles: [{one!r}, {other!r}] does not name two different roles."


def _in(lists: Mapping[str, Iterable[str]]) -> Iterator[str]:
    for names in lists.values():
        yield from names
