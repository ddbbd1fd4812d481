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
# Ids are read and written at every question: pairs of letters are looked up, and int() reads base 32 by itself.
_PAIRS = tuple(first + second for first in _ALPHABET for second in _ALPHABET)
_SHIFTS = tuple(range(120, -1, -10))
_TO_BASE_32 = str.maketrans(
    _ALPHABET + _ALPHABET.lower() + "OoIiLl", "0123456789abcdefghijklmnopqrstuv" * 2 + "001111"
) | {ord(letter): "?" for letter in "Uu_+-"}
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
    return new_ids(1)[0]


def new_ids(count: int) -> list[UUID]:
    """Fresh ULIDs of one instant."""
    milliseconds = (time.time_ns() // 1_000_000).to_bytes(6, "big")
    random = os.urandom(10 * count)
    return [UUID(bytes=milliseconds + random[at : at + 10]) for at in range(0, 10 * count, 10)]


def to_text(value: UUID) -> str:
    """The 26 characters (Crockford base 32) under which an id is shown outside."""
    number = value.int
    return "".join([_PAIRS[(number >> shift) & 1023] for shift in _SHIFTS])


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
    system, bar, value = given.partition("|")
    if not bar:
        return Identifier("", given)
    if not value:
        raise InvalidIdentifier("An identifier is written system|value; the value is missing.")
    return Identifier(system, value)


def parse_id(text: str | UUID) -> UUID:
    """Read a ULID or a UUID. Raises InvalidIdentifier for anything else."""
    known = parse_reference(text)
    if isinstance(known, Identifier):
        raise InvalidIdentifier("An id must be a ULID (26 characters) or a UUID.")
    return known


def _parse_id(text: str) -> UUID | None:
    if len(text) == 26 and text.isascii():
        try:
            number = int(text.translate(_TO_BASE_32), 32)
        except ValueError:
            return None
        return UUID(int=number) if number < 1 << 128 else None
    if len(text) == 36 and text.count("-") == 4:
        try:
            return UUID(text)
        except ValueError:
            return None
    return None
