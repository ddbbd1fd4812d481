"""What the client hands out: decisions, lists and answers. Values only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from carecircle.access.decision import MESSAGES, Remedy
from carecircle.errors import Undecidable
from carecircle.identifiers import EntryId, ProviderId


class Basis(NamedTuple):
    """What lets somebody in: its kind, its row, until when (None: open), and who is covered where somebody stands in."""

    kind: str
    id: UUID
    until: datetime | None = None
    via_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """The recorded answer to one question. `id` is its entry in the audit trail; an allowed one always has it.

    It has no truth value: `if decision:` raises, so that a careless test fails loudly. Read `allowed`. Kinds and codes that
    a newer service knows and this package does not are kept as they came.
    """

    allowed: bool
    code: str
    id: EntryId | None = None
    bases: tuple[Basis, ...] = ()
    remedies: tuple[Remedy, ...] = ()

    def __bool__(self) -> bool:
        raise Undecidable

    @property
    def message(self) -> str:
        """One sentence for people, without patient data."""
        return MESSAGES.get(self.code, "Allowed." if self.allowed else "Not allowed.")

    @property
    def expires_at(self) -> datetime | None:
        """When the last basis ends, an aware datetime; None when there is none or one is open."""
        ends = [basis.until for basis in self.bases if basis.until is not None]
        return max(ends) if ends and len(ends) == len(self.bases) else None


class Row(NamedTuple):
    """One patient or provider of a list."""

    id: UUID


@dataclass(frozen=True, slots=True)
class Listing:
    """The recorded answer to `list_patients` or `list_providers`, all pages together. `id` is its entry, where told."""

    rows: tuple[Row, ...]
    id: EntryId | None = None

    @property
    def ids(self) -> tuple[UUID, ...]:
        return tuple(row.id for row in self.rows)


@dataclass(frozen=True, slots=True)
class Reply:
    """A successful answer of /v1: status, JSON (None where there is no body), the row's version, whether it was a repeat."""

    status: int
    body: Any
    etag: str | None = None
    replayed: bool = False


class Primary(NamedTuple):
    """Who is primary now, and the version of that fact, where told."""

    provider_id: ProviderId
    version: str | None = None
