"""A bit of a column's value turned over, so that the value is still one of its type."""

from __future__ import annotations

import random
from typing import Any
from uuid import UUID, uuid4

GIVEN: dict[str, Any] = {
    "uuid": "00000000-0000-4000-8000-000000000001", "text": "x", "boolean": "true", "integer": "1", "bigint": "1",
    "timestamp with time zone": "2026-01-01 00:00:00+00", "bytea": "\\x00", "xid8": "1", "pg_snapshot": "1:1:",
}  # fmt: skip
"""What is put where nothing was."""


def flipped(kind: str, native: Any, text: str | None, chance: random.Random) -> tuple[str, Any]:
    """An SQL expression over $3 for a value of this type that differs in a bit, and the parameter.

    `native` is the value as the driver gives it, `text` as PostgreSQL writes it; both None for null.
    """
    if kind.endswith("[]"):
        return f"$3::text[]::{kind}", _one_flipped(kind[:-2], native, chance)
    if text is None:
        return f"$3::text::{kind}", GIVEN[kind]
    return f"$3::text::{kind}", _flip(kind, text, chance)


def _one_flipped(kind: str, native: list[Any] | None, chance: random.Random) -> list[str | None]:
    """One element of an array (elements as text), or its only one where there was none."""
    if not native:
        return [GIVEN[kind]]
    told = [None if one is None else str(one) for one in native]
    at = chance.randrange(len(told))
    old = told[at]
    told[at] = GIVEN[kind] if old is None or kind.startswith("timestamp") else _flip(kind, old, chance)
    return told


def _flip(kind: str, text: str, chance: random.Random) -> str:
    bit = 1 << chance.randrange(20)
    match kind:
        case "uuid":
            return str(UUID(int=UUID(text).int ^ 1 << chance.randrange(128)))
        case "boolean":
            return "false" if text == "true" else "true"
        case "integer" | "bigint" | "xid8":
            return str(int(text) ^ bit)
        case "bytea":
            digits = bytearray.fromhex(text[2:])
            digits[chance.randrange(len(digits))] ^= 1 << chance.randrange(8)
            return f"\\x{digits.hex()}"
        case "pg_snapshot":
            least, most, running = text.split(":")
            return f"{least}:{int(most) + bit}:{running}"
        case "text":
            return _other_letter(text, chance)
        case _:  # an instant: its last digits, or one where there was no end
            return GIVEN[kind] if "infinity" in text else _other_instant(text, chance)


def _other_letter(text: str, chance: random.Random) -> str:
    at = chance.randrange(len(text)) if text else 0
    others = [chr(ord(text[at]) ^ 1 << bit) for bit in range(7)] if text else []
    possible = [one for one in others if one.isprintable()]
    return text[:at] + chance.choice(possible or [str(uuid4())]) + text[at + 1 :]


def _other_instant(text: str, chance: random.Random) -> str:
    """Later by microseconds to minutes: PostgreSQL adds them."""
    seconds, _, zone = text.partition("+")
    day, clock = seconds.split(" ")
    hours, minutes, rest = clock.split(":")
    whole, _, fraction = rest.partition(".")
    micros = int(fraction.ljust(6, "0") or "0") ^ 1 << chance.randrange(19)
    if micros > 999999:
        micros = int(fraction.ljust(6, "0") or "0") ^ 1
    return f"{day} {hours}:{minutes}:{whole}.{micros:06}+{zone}"
