"""What is looked for in the audit trail, as a value; the place after which a further page begins; an entry as people see it."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from carecircle.errors import InvalidRequest
from carecircle.identifiers import to_text
from carecircle.period import parse_instant
from carecircle.policy import ASSIGNMENT_TYPES

DEFAULT_LIMIT = 100
LARGEST_LIMIT = 10_000
KINDS = ("decision", "listing", "change", "refusal", "reading", "import", "sign-in")
"""What an entry can be."""
BASES = (*ASSIGNMENT_TYPES, "care_team", "coverage", "emergency_access", "objection", "suspension", "sensitivity")
"""What an answer can rest on: what lets somebody in, then what keeps them out."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Entries that fit everything that is said; what is None does not matter.

    `since` and `until` are aware instants, half-open. `patient_ids` are all the ids under which one patient is on record.
    `basis` is the kind of what let somebody in, such as primary or care_team; `emergency` the id of an emergency access.
    """

    since: datetime | None = None
    until: datetime | None = None
    provider_id: UUID | None = None
    patient_ids: tuple[UUID, ...] | None = None
    actor: str | None = None
    kind: str | None = None
    code: str | None = None
    allowed: bool | None = None
    basis: str | None = None
    emergency: UUID | None = None
    request_id: str | None = None
    address: str | None = None

    def names(self) -> tuple[str, ...]:
        """What was said, without saying what: for the entry about the search."""
        said = (one.name for one in fields(self) if getattr(self, one.name) is not None)
        return tuple(_PLAIN.get(name, name) for name in said)


_PLAIN = {"provider_id": "provider", "patient_ids": "patient"}


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last entry of a page; the next begins after it."""

    recorded_at: datetime
    id: UUID

    def text(self) -> str:
        """The cursor for an address or a command: letters, digits, - and _."""
        whole = f"{self.recorded_at.isoformat()} {self.id}"
        return base64.urlsafe_b64encode(whole.encode()).decode().rstrip("=")

    @classmethod
    def read(cls, text: str) -> Cursor:
        """Raises InvalidRequest for what is no cursor."""
        try:
            whole = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("ascii")
            at, _, own = whole.partition(" ")
            return cls(parse_instant(at), UUID(own))
        except (binascii.Error, ValueError, InvalidRequest):
            raise InvalidRequest("This is no place in the audit trail; take the one that came with a page.") from None


# An external system's own ids (the request's, the actor's) are no UUIDs of ours.
_IDS = ("organization_id", "id", "provider_id", "patient_id", "basis_ids", "basis_under", "basis_via", "writer_id")


def shown(entry: Mapping[str, Any]) -> dict[str, Any]:
    """An entry of canonical form (names and values as in its line) with its ids as people see them, in 26 characters."""
    return {**entry, **{name: _ulid(entry[name]) for name in _IDS}}


def _ulid(value: Any) -> Any:
    if isinstance(value, list):
        return [_ulid(one) for one in value]
    return None if value is None else to_text(UUID(value))
