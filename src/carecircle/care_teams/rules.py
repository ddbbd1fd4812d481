"""Which actions each role on a care team grants, how it is coded elsewhere, and what a seat may not break."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from carecircle.directory.rules import HeldCredential, lacking
from carecircle.errors import Violation

MEMBER_ROLES = ("attending", "resident", "nurse", "specialist", "member")

DEFAULT_SCOPE: dict[str, tuple[str, ...]] = {
    "attending": ("read", "write", "order", "share"),
    "resident": ("read", "write", "order"),
    "specialist": ("read", "write", "order"),
    "nurse": ("read", "write"),
    "member": ("read",),
}

_SNOMED_CT = "http://snomed.info/sct"

# How FHIR and others write a role: attending physician, resident physician, specialized physician, professional nurse,
# healthcare professional. A role of an organization's own has no code here.
ROLE_CODES: Mapping[str, tuple[str, str]] = {
    "attending": (_SNOMED_CT, "405279007"),
    "resident": (_SNOMED_CT, "405277009"),
    "specialist": (_SNOMED_CT, "69280009"),
    "nurse": (_SNOMED_CT, "106292003"),
    "member": (_SNOMED_CT, "223366009"),
}

SUSPENDED = Violation("provider-suspended", "This provider is suspended when the seat begins; choose another one.")

_ROLE = re.compile(r"[a-z][a-z0-9-]{0,31}")


@dataclass(frozen=True, slots=True)
class Seat:
    """A provider's place on a care team from `starts_at`, included, until `ends_at`, excluded; both aware datetimes."""

    provider_id: UUID
    role: str
    starts_at: datetime
    ends_at: datetime

    def overlaps(self, starts_at: datetime, ends_at: datetime) -> bool:
        return max(self.starts_at, starts_at) < min(self.ends_at, ends_at)


def default_scope(member_role: str) -> tuple[str, ...]:
    """A role nobody has described grants reading, no more."""
    return DEFAULT_SCOPE.get(member_role, DEFAULT_SCOPE["member"])


def is_role(code: str) -> bool:
    """Whether this can be a role's code: the known ones, or an organization's own, 1 to 32 plain letters, digits, hyphens."""
    return _ROLE.fullmatch(code) is not None


def membership_violations(
    role: str,
    starts_at: datetime,
    ends_at: datetime,
    seats: Sequence[Seat],
    own_seats: Sequence[Seat],
    credentials: Sequence[HeldCredential],
    *,
    largest_team: int,
    held_once: Collection[str] = (),
    conflicting: Sequence[tuple[str, str]] = (),
    needs: Sequence[str] = (),
    suspended: bool = False,
) -> list[Violation]:
    """Every rule that a seat with this role, from `starts_at` until `ends_at`, would break; none, when it may be given.

    `seats` are those of the other members of that team, `own_seats` the provider's on whatever teams, `credentials` what
    the provider holds; periods that do not touch the new one do not matter. `needs` names what the seat would rest on;
    `suspended` says that a suspension of the provider holds when the seat begins.
    """
    others = [seat for seat in seats if seat.overlaps(starts_at, ends_at)]
    own = [seat for seat in own_seats if seat.overlaps(starts_at, ends_at)]
    return [
        *_too_many(others, starts_at, largest_team),
        *_held_already(role, others, held_once),
        *_conflicts(role, own, conflicting),
        *_credentials_missing(role, needs, credentials, starts_at),
        *([SUSPENDED] if suspended else []),
    ]


def most_at_once(seats: Sequence[Seat], starts_at: datetime) -> int:
    """How many of these seats hold together when it is most crowded, from `starts_at` on; they end after it."""
    turns = [(max(seat.starts_at, starts_at), 1) for seat in seats] + [(seat.ends_at, -1) for seat in seats]
    taken = most = 0
    for _, change in sorted(turns):  # who leaves at an instant has left before another comes
        taken += change
        most = max(most, taken)
    return most


def _too_many(others: Sequence[Seat], starts_at: datetime, largest_team: int) -> list[Violation]:
    most = most_at_once(others, starts_at)
    if most < largest_team:
        return []
    sentence = f"This care team has {most} other members at once in that period, and may have {largest_team} in all."
    return [Violation("team-full", sentence)]


def _held_already(role: str, others: Sequence[Seat], held_once: Collection[str]) -> list[Violation]:
    if role not in held_once or all(seat.role != role for seat in others):
        return []
    sentence = f"Another member of this care team is {role} in that period, and only one at a time may be."
    return [Violation("role-held-once", sentence)]


def _conflicts(role: str, own: Sequence[Seat], conflicting: Sequence[tuple[str, str]]) -> list[Violation]:
    excluded = {one for one, other in conflicting if other == role} | {
        one for other, one in conflicting if other == role
    }
    return [
        Violation("role-conflict", f"Who is {held} on a care team cannot be {role} on one in the same period.")
        for held in sorted({seat.role for seat in own} & excluded)
    ]


def _credentials_missing(
    role: str, needs: Sequence[str], credentials: Sequence[HeldCredential], at: datetime
) -> list[Violation]:
    return [
        Violation("credential-missing", f"A seat as {role} needs the credential {name} when it begins.")
        for name in lacking(needs, credentials, at)
    ]
