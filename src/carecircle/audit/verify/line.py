"""The lines of an export as text: its first line, what lines of leaves look like, and the JSON of the others."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

from .finding import Unreadable

# Nothing else may stand around an entry: whatever a reader could take for a part of it is under the hash.
_LEAF = rb'\{"leaf":(0|[1-9][0-9]{0,17}),"hash":"([0-9a-f]{64})",'

retired = re.compile(_LEAF + rb'"retired":"([0-9]{4}-[0-9]{2})"\}\n').fullmatch
"""A whole line: index, hash and month of a leaf whose entry was dropped."""

tail = re.compile(
    rb',"writer_id":"([^"]{36})","writer_turn":([1-9][0-9]{0,17}),"mark":"\\\\x[^"]{16}"'
    rb',"xid":"([0-9]{1,20})","snapshot":"[^"]*"\}\}\n'
).fullmatch
"""The rest of a leaf's line from `,"writer_id":` on: the entry's writer, turn and transaction."""


is_month = re.compile("[0-9]{4}-(?:0[1-9]|1[0-2])").fullmatch
"""A month as it is written: YYYY-MM."""

MONTH = slice(117, 124)
"""Where the month of `recorded_at` (YYYY-MM) stands in canonical bytes, since all before it has a fixed length."""


def head_of(organization: str) -> Callable[[bytes], re.Match[bytes] | None]:
    """What matches a leaf's line up to its entry: index, hash, and the entry's id where it is one of the organization."""
    named = rb'\{"organization_id":"' + organization.encode() + rb'","id":"([0-9a-f-]{36})"'
    return re.compile(_LEAF + rb'"entry":(?:(?=' + named + rb")|)").match


_UUID = re.compile("[0-9a-f-]{36}").fullmatch
_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{5,8}(?:[.][0-9]{1,6})?(?:Z|[+-][0-9]{2}(?::[0-9]{2})?)"
).fullmatch


class Header(NamedTuple):
    """What the first line says; `said` is the time of the export as it is written there."""

    organization: str
    epoch: int
    opening_xid: int
    exported_at: datetime
    said: str

    @classmethod
    def parse(cls, line: bytes) -> Header:
        """Read the first line. Raises Unreadable where it is not that of an export, or of a version not known here."""
        if line.endswith(b"\r\n"):
            raise Unreadable(
                "The lines of the export end with carriage returns, so that a program changed it on its way: fetch it as it is."
            )
        try:
            told = object_of(line)
            version, organization, said = told["carecircle_audit"], told["organization"], told["exported_at"]
            epoch, opening = natural(told["epoch"]), natural(told["opening_xid"], of=str)
            named, exported = _UUID(organization), datetime.fromisoformat(said if _INSTANT(said) else "")
        except (ValueError, KeyError, TypeError) as error:
            raise Unreadable("The first line is not that of an audit export.") from error
        if (type(version), version) != (int, 1) or not 0 < epoch < 10**9 or not named:
            raise Unreadable("The export is of a version that is not known here; take the verifier of its writer.")
        return cls(organization, epoch, opening, exported, said)


def natural(told: object, of: type[int] | type[str] = int) -> int:
    """A whole number from 0 to 64 bits, told as a number or as the text of one. Raises ValueError where it is none."""
    if type(told) is not of or (of is str and not re.fullmatch("[0-9]{1,20}", str(told))):
        raise ValueError("This is no number.")
    number = int(str(told))
    if not 0 <= number < 1 << 64:
        raise ValueError("This number is too large.")
    return number


def uuid(told: object) -> bytes:
    """The text of a UUID. Raises ValueError where it is none."""
    if type(told) is not str or not _UUID(told):
        raise ValueError("This is no UUID.")
    return told.encode()


def object_of(text: bytes) -> dict[str, Any]:
    """One JSON object, no name in it said twice. Raises ValueError."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({name for name, _ in pairs}) != len(pairs):
            raise ValueError("A name is said twice.")
        return dict(pairs)

    try:
        told = json.loads(text.decode(), object_pairs_hook=once)
    except RecursionError:
        told = None
    if not isinstance(told, dict):
        raise ValueError("The line is no object.")  # noqa: TRY004 - whatever it is, it cannot be read
    return told
