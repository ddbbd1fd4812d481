"""Care around a change: what it would do, tried and not kept; a question before it; and the command that takes it back."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

import typer

from carecircle.cli.circle import Desk
from carecircle.cli.output import Output, command_name, emit_one, note, printable
from carecircle.errors import ConfirmationRequired
from carecircle.identifiers import to_text
from carecircle.period import show

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

T = TypeVar("T")


async def rehearsed(desk: Desk, work: Callable[[AsyncSession], Awaitable[T]]) -> T:
    """What a change would return, found out by making it and keeping none of it. Raises what the work raises."""
    done: list[T] = []

    async def made(session: AsyncSession) -> None:
        done.append(await work(session))
        raise _NotKept

    with suppress(_NotKept):
        await desk.read(made)
    return done[0]


class _NotKept(Exception):
    """Ends a transaction whose work is not to be kept."""


def require_terminal(what: str) -> None:
    """Raises ConfirmationRequired where nobody sits who could be asked; `what` is a sentence about what would happen."""
    if not sys.stdin.isatty():
        raise ConfirmationRequired(f"{what} Look with --dry-run, then add --yes.")


def agreed() -> bool:
    """Whether whoever sits here wants to go on; no, unless they say so."""
    return typer.confirm("Go on?", err=True)


def command(organization: str | None, *words: str | UUID | datetime) -> str:
    """A command of ours that can be pasted: ids in their 26 characters, `--organization` where the environment lacks it."""
    texts = [
        to_text(one) if isinstance(one, UUID) else show(one) if isinstance(one, datetime) else one for one in words
    ]
    if organization is not None and os.environ.get("CARECIRCLE_ORGANIZATION") != organization:
        texts += ["--organization", organization]
    return f"{command_name()} {shlex.join(texts)}"


def changed(told: str, record: Mapping[str, Any], undo: Sequence[str], how: Output) -> None:
    """Print what is so now, in words or as a record, and the commands that take it back, one after the other."""
    if how is not Output.table:
        emit_one({**record, "undo": list(undo)}, how=how)
        return
    print(printable(told))
    undoing(undo, how)


def undoing(undo: Sequence[str], how: Output) -> None:
    """Below what was changed, the commands that take it back, one after the other."""
    for position, line in enumerate(undo):
        note(f"{' then' if position else 'Undo:'} {line}", how)


def unchanged(record: Mapping[str, Any], how: Output) -> None:
    """Print what was on record already; there is nothing to take back."""
    changed("This was on record already; nothing was changed.", record, [], how)


def until(ends_at: datetime, otherwise: str = "with no end") -> str:
    """`until 2030-01-31T00:00:00Z`, or that there is none."""
    text = show(ends_at)
    return otherwise if text == "open" else f"until {text}"


def counted(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
