"""JSON read strictly: an object at the top, no name twice. Two readers of the same bytes must not see two answers."""

from __future__ import annotations

import json
from typing import Any


class BadJSONError(ValueError):
    """These bytes are not one JSON object with each name once."""


def object_in(body: bytes) -> dict[str, Any]:
    """The object a body holds. Raises BadJSONError."""
    try:
        # Decoded here: json.loads would guess at UTF-16 and UTF-32, which JSON on a network never is.
        found = json.loads(body.decode("utf-8"), object_pairs_hook=_each_once, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise BadJSONError from None
    if not isinstance(found, dict):
        raise BadJSONError
    return found


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BadJSONError
    return found


def _no_number(_: str) -> None:
    raise BadJSONError
