"""One shape for every list under /v1: `?limit=50&after=CURSOR` → {"<plural>": […], "next": CURSOR or null}.

A list that the database reads, in two lines (the service asks `database.keyset.beyond` for what lies after the cursor):

    found = await service.absences(db, after=page.after, limit=page.limit + 1)
    shown, onwards = page.cut(found, lambda one: (one.starts_at, one.id))

A list that was read whole already, in one:

    shown, onwards = page.pick(found, lambda one: (one.name, one.id))

A cursor is the sort key of the last row shown. It stands in an address, so nothing of a patient may be a sort key but an id.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, TypeVar
from uuid import UUID

import orjson
from fastapi import Depends, Query
from pydantic import Field

from carecircle.database.keyset import Key
from carecircle.errors.service import InvalidCursor

T = TypeVar("T")
K = TypeVar("K", UUID, str, int, datetime)

LIMIT = 50
MOST = 500
_LONGEST = 2048
_WIDEST = 2**63


@dataclass(frozen=True, slots=True)
class Page:
    """How much of a list was asked for: at most `limit` rows, from beyond the key `after` on, or from its beginning."""

    limit: int = LIMIT
    after: tuple[Key, ...] | None = None

    def only(self, kind: type[K]) -> K | None:
        """The one key of a list that is in the order of ids alone. Raises InvalidCursor when `after` is another."""
        if self.after is None:
            return None
        if len(self.after) != 1 or not isinstance(self.after[0], kind):
            raise InvalidCursor
        return self.after[0]

    def cut(self, found: Sequence[T], key: Callable[[T], tuple[Key, ...]]) -> tuple[list[T], str | None]:
        """What is shown of rows that begin beyond `after` and are one more than `limit` where there are as many, and the
        cursor of the page after it."""
        shown = list(found[: self.limit])
        return shown, cursor_of(key(shown[-1])) if len(found) > self.limit else None

    def pick(
        self, whole: Iterable[T], key: Callable[[T], tuple[Key, ...]], *, descending: bool = False
    ) -> tuple[list[T], str | None]:
        """The same of a whole list, in the order of `key`. Raises InvalidCursor when `after` is no key of such a list."""
        rows = sorted(whole, key=key, reverse=descending)
        after = self.after
        if after is not None and rows:
            present = key(rows[0])
            if len(present) != len(after) or not all(map(isinstance, present, map(type, after))):
                raise InvalidCursor
            rows = [one for one in rows if (key(one) < after if descending else key(one) > after)]
        return self.cut(rows, key)


def cursor_of(key: tuple[Key, ...]) -> str:
    """The cursor that stands for a key: opaque to callers, fit for an address."""
    return base64.urlsafe_b64encode(orjson.dumps([_said(one) for one in key])).rstrip(b"=").decode()


def key_of(cursor: str) -> tuple[Key, ...]:
    """The key that a cursor stands for. Raises InvalidCursor."""
    try:
        parts = orjson.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
        key = tuple(_read(one) for one in parts) if isinstance(parts, list) else ()
    except (ValueError, OverflowError, binascii.Error):
        raise InvalidCursor from None
    if not key:
        raise InvalidCursor
    return key


def _said(one: Key) -> str | int:
    if isinstance(one, UUID):
        return f"u{one.hex}"
    if isinstance(one, datetime):
        return f"t{one.isoformat()}"
    return one if isinstance(one, int) else f"s{one}"


def _read(part: object) -> Key:
    if isinstance(part, int) and not isinstance(part, bool) and -_WIDEST <= part < _WIDEST:
        return part
    if not isinstance(part, str) or not part.isprintable():
        raise ValueError
    kind, said = part[:1], part[1:]
    if kind == "t":
        instant = datetime.fromisoformat(said)
        if instant.tzinfo is None:
            raise ValueError
        return instant
    if kind == "u":
        return UUID(hex=said)
    if kind == "s":
        return said
    raise ValueError


async def _page(
    limit: Annotated[int, Query(ge=1, le=MOST, description="How many at most.")] = LIMIT,
    after: Annotated[
        str | None, Query(max_length=_LONGEST, description="`next` of the page before; without it, the first page.")
    ] = None,
) -> Page:
    return Page(limit, None if after is None else key_of(after))


Paging = Annotated[Page, Depends(_page)]
"""What a list's route takes: `page: Paging`."""

Next = Annotated[
    str | None, Field(description="The cursor of the page after this one, or null where this is the last.")
]
"""The type of an answer's field `next`."""
