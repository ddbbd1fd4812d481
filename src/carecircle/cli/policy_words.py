"""What each value of a policy means, in words; and a document to begin with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from carecircle.cli.output import printable

MEANINGS = {
    "actions": "Actions that may be asked about here beyond read, write, order and share.",
    "assignment_credentials": "What a direct assignment rests on, by its type: it holds only while all of these do.",
    "role_credentials": "What a seat on a care team rests on, by its role.",
    "coverage_credentials": "What standing in for somebody rests on.",
    "coverage_grace_minutes": "How many minutes access outlasts the end of a coverage arrangement, 0 to 240.",
    "largest_team": "How many members a care team has at most at one time.",
    "roles_held_once": "Roles that a care team gives to one member at a time.",
    "conflicting_roles": "Pairs of roles that one person does not hold at the same time, on whatever teams.",
    "referral_from_primary": "Whether a specialist's referral must come from the patient's primary provider.",
    "longest_specialist_days": "How many days a specialist's assignment lasts at most.",
}

EXAMPLE: dict[str, Any] = {
    "actions": ["prescribe"],
    "assignment_credentials": {"primary": ["licence"], "consulting": ["licence"]},
    "role_credentials": {"attending": ["licence"], "nurse": ["licence"]},
    "coverage_credentials": ["licence"],
    "coverage_grace_minutes": 30,
    "largest_team": 40,
    "roles_held_once": ["attending"],
    "conflicting_roles": [["attending", "resident"]],
    "referral_from_primary": True,
    "longest_specialist_days": 180,
}


def in_words(value: Any) -> str:
    """A value of a policy's document on one line."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return "; ".join(f"{printable(key)}: {in_words(names)}" for key, names in value.items()) or "none"
    if isinstance(value, list | tuple):
        pairs = [" with ".join(map(str, one)) if isinstance(one, list | tuple) else str(one) for one in value]
        return printable(", ".join(pairs)) or "none"
    return printable(f"{value:,}" if isinstance(value, int) else str(value))
