"""How answers leave: data on stdout as table, JSON or CSV; messages and progress on stderr."""

from __future__ import annotations

import errno
import json
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from uuid import UUID

from carecircle.audit.csv import formula_safe as formula_safe
from carecircle.audit.csv import row as row_of_csv
from carecircle.identifiers import to_text
from carecircle.period import show

if TYPE_CHECKING:
    from rich.console import Console

SCHEMA_VERSION = 1
# Columns of a terminal nobody looks at: no row is broken.
UNBROKEN = 10_000


class Output(StrEnum):
    """How a command writes its data."""

    table = "table"
    json = "json"
    csv = "csv"


def console(*, err: bool = False) -> Console:
    """A rich console of stdout or stderr."""
    from rich.console import Console

    class Ours(Console):
        def on_broken_pipe(self) -> None:
            """Rich would end the process here with 1; how it ends is said in one place (main.py)."""
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))

    stream = sys.stderr if err else sys.stdout
    return Ours(
        file=stream,
        width=None if stream.isatty() else UNBROKEN,
        highlight=False,
        markup=False,
        soft_wrap=not stream.isatty(),
    )


def printable(text: str) -> str:
    """Text from anywhere, so that it cannot speak to the terminal: what does not print is escaped, as in \\x1b."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def json_text(told: Any, *, indent: int | None = None) -> str:
    """JSON that reads the same and is safe on a terminal too: what does not print is escaped within its strings."""
    whole = json.dumps(told, default=_plain, indent=indent, ensure_ascii=False)
    if whole.isprintable():
        return whole
    return "".join(one if one.isprintable() or one == "\n" else json.dumps(one)[1:-1] for one in whole)


# The commands that sentences of other packages advise.
_ADVISED = (
    "account", "api-key", "assign", "audit", "break-glass", "coverage", "credential", "db", "demo", "doctor", "duty", "import",
    "keys", "offboard", "organization", "patient", "policy", "provider", "quality", "reassign", "referral", "related",
    "restrict", "role", "sign-in", "team", "token", "visit", "worker",
)  # fmt: skip


def command_name() -> str:
    """How this command is called here: the clone's script says so."""
    return os.environ.get("CARECIRCLE_COMMAND", "carecircle")


def as_called_here(text: str) -> str:
    """A sentence whose advice can be pasted: the commands it names are called as they are here."""
    return re.sub(rf"\bcarecircle (?=(?:{'|'.join(_ADVISED)})\b)", f"{command_name()} ", text)


def say(message: str = "") -> None:
    """A message for people, on stderr."""
    print("\n".join(map(printable, as_called_here(message).split("\n"))), file=sys.stderr)


def note(message: str, how: Output) -> None:
    """A closing remark: below a table on stdout's neighbour, nothing beside machine-readable data."""
    if how is Output.table:
        say(message)


def emit_json(body: Mapping[str, Any]) -> None:
    """One JSON object with its `schema_version`."""
    print(json_text({"schema_version": SCHEMA_VERSION, **body}, indent=2))


def emit(
    rows: Sequence[Mapping[str, Any]],
    *,
    columns: Sequence[str],
    name: str,
    how: Output,
    shown: Sequence[str] | None = None,
    beside: Mapping[str, Any] | None = None,
) -> None:
    """Rows under `columns`, in a table only those `shown`; in JSON they are the list `name`, with what is `beside` it."""
    if how is Output.json:
        emit_json({**(beside or {}), name: rows})
    elif how is Output.csv:
        _write_csv(rows, columns)
    else:
        _print_table(rows, shown or columns)


def emit_one(record: Mapping[str, Any], *, how: Output) -> None:
    """A single record: a JSON object, one CSV row, or its fields line by line."""
    if how is Output.json:
        emit_json(record)
    elif how is Output.csv:
        _write_csv([record], list(record))
    else:
        widest = max(map(len, record))
        for key, value in record.items():
            print(f"{key.replace('_', ' '):<{widest}}  {_cell(value)}")


def _write_csv(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> None:
    print(row_of_csv(columns))
    for row in rows:
        print(row_of_csv(_cell(row[column]) for column in columns))


def _print_table(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(_cell(row[column]) for column in columns))
    console().print(table)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return ", ".join(map(_cell, value))
    return printable(show(value) if isinstance(value, datetime) else str(_plain(value)))


def _plain(value: Any) -> str | None:
    """Ids as their 26 characters, instants in UTC, an open end as null."""
    if isinstance(value, UUID):
        return to_text(value)
    if isinstance(value, datetime):
        text = show(value)
        return None if text == "open" else text
    return str(value)
