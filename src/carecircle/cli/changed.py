"""How a change is told: what is so now, what deserves attention, and the command that takes it back."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from carecircle.cli.circle import Desk
from carecircle.cli.output import Output, command_name, emit_one, printable, say
from carecircle.errors import InvalidRequest
from carecircle.identifiers import to_text


def command(desk: Desk, *words: str | UUID | None) -> str:
    """A command line that can be pasted, for the organization of this desk."""
    told = [to_text(word) if isinstance(word, UUID) else word for word in words if word is not None]
    if os.environ.get("CARECIRCLE_ORGANIZATION") != desk.slug:
        told += ["--organization", desk.slug]
    return f"{command_name()} {shlex.join(told)}"


def tell_change(
    sentences: Sequence[str], record: Mapping[str, Any], *, output: Output, take_back: str | None = None
) -> None:
    """A change in words, with how to take it back beside them; for machines, the record with both in it."""
    if output is not Output.table:
        emit_one({**record, "take_back": take_back}, how=output)
        return
    for sentence in sentences:
        print(printable(sentence))
    if take_back is not None:
        say(f"Take it back with: {take_back}")


def actions(text: str | None) -> list[str] | None:
    """`read,write` as a list, or None. Raises InvalidRequest when it names none."""
    if text is None:
        return None
    named = [one.strip() for one in text.split(",") if one.strip()]
    if not named:
        raise InvalidRequest("Name the actions, separated by commas: --actions read,write.")
    return named


def counted(count: int, one: str, many: str | None = None) -> str:
    """`1 patient`, `2,310 patients`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
