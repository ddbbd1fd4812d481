"""Ids (ULIDs kept as UUIDs), external identifiers (system and value), and how both are read from text."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import NewType
from uuid import UUID

from carecircle.errors import InvalidIdentifier

OrganizationId = NewType("OrganizationId", UUID)
UnitId = NewType("UnitId", UUID)
ProviderId = NewType("ProviderId", UUID)
PatientId = NewType("PatientId", UUID)
AssignmentId = NewType("AssignmentId", UUID)
CareTeamId = NewType("CareTeamId", UUID)
EntryId = NewType("EntryId", UUID)

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_VALUE = {letter: position for position, letter in enumerate(_ALPHABET)} | {"O": 0, "I": 1, "L": 1}
_LONGEST_IDENTIFIER = 512


@dataclass(frozen=True, slots=True)
class Identifier:
    """An identifier given by somebody else: an MRN, an NPI, a staff number. `system` may be empty."""

    system: str
    value: str

    def __str__(self) -> str:
        return f"{self.system}|{self.value}"

    def __repr__(self) -> str:
        # An MRN identifies a person: it must not reach a log by way of a traceback.
        return f"Identifier({self.system!r}, …)"


Reference = UUID | Identifier


def new_id() -> UUID:
    """A fresh ULID: 48 bits of milliseconds, 80 random bits. Sorts by time, says nothing else."""
    milliseconds = time.time_ns() // 1_000_000
    return UUID(bytes=milliseconds.to_bytes(6, "big") + os.urandom(10))


def to_text(value: UUID) -> str:
    """The 26 characters (Crockford base 32) under which an id is shown outside."""
    number = value.int
    return "".join(_ALPHABET[(number >> shift) & 31] for shift in range(125, -1, -5))


def parse_reference(text: str | UUID | Identifier) -> Reference:
    """Read a ULID, a UUID, `system|value`, or a bare value (an identifier whose system is empty).

    Raises InvalidIdentifier for an empty, overlong or unprintable text.
    """
    if isinstance(text, UUID | Identifier):
        return text
    if not isinstance(text, str):
        raise InvalidIdentifier(f"An id must be text, not {type(text).__name__}.")
    given = text.strip()
    if not given or len(given) > _LONGEST_IDENTIFIER or not given.isprintable():
        raise InvalidIdentifier(
            f"An id must be a ULID, a UUID or system|value of at most {_LONGEST_IDENTIFIER} printable characters."
        )
    known = _parse_id(given)
    if known is not None:
        return known
    system, bar, value = given.rpartition("|")
    if bar and not value:
        raise InvalidIdentifier("An identifier is written system|value; the value is missing.")
    return Identifier(system, value)


def parse_id(text: str | UUID) -> UUID:
    """Read a ULID or a UUID. Raises InvalidIdentifier for anything else."""
    known = parse_reference(text)
    if isinstance(known, Identifier):
        raise InvalidIdentifier("An id must be a ULID (26 characters) or a UUID.")
    return known


def _parse_id(text: str) -> UUID | None:
    if len(text) == 26:
        number = 0
        for letter in text.upper():
            position = _VALUE.get(letter)
            if position is None:
                return None
            number = number << 5 | position
        return UUID(int=number) if number < 1 << 128 else None
    if len(text) == 36 and text.count("-") == 4:
        try:
            return UUID(text)
        except ValueError:
            return None
    return None
