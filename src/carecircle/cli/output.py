"""How answers leave: data on stdout as table, JSON or CSV; messages and progress on stderr."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from uuid import UUID

from carecircle.identifiers import to_text
from carecircle.period import show

if TYPE_CHECKING:
    from rich.console import Console

SCHEMA_VERSION = 1
# Columns of a terminal nobody looks at: no row is broken.
UNBROKEN = 10_000
# What a spreadsheet would run as a formula.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


class Output(StrEnum):
    """How a command writes its data."""

    table = "table"
    json = "json"
    csv = "csv"


def console(*, err: bool = False) -> Console:
    """A rich console of stdout or stderr."""
    from rich.console import Console

    stream = sys.stderr if err else sys.stdout
    return Console(
        file=stream,
        width=None if stream.isatty() else UNBROKEN,
        highlight=False,
        markup=False,
        soft_wrap=not stream.isatty(),
    )


def say(message: str = "") -> None:
    """A message for people, on stderr."""
    print(message, file=sys.stderr)


def note(message: str, how: Output) -> None:
    """A closing remark: below a table on stdout's neighbour, nothing beside machine-readable data."""
    if how is Output.table:
        say(message)


def emit_json(body: Mapping[str, Any]) -> None:
    """One JSON object with its `schema_version`."""
    print(json.dumps({"schema_version": SCHEMA_VERSION, **body}, default=_plain, indent=2, ensure_ascii=False))


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
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([formula_safe(_cell(row[column])) for column in columns] for row in rows)


def formula_safe(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell.startswith(FORMULA_STARTS) else cell


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
    text = show(value) if isinstance(value, datetime) else str(_plain(value))
    # A name may come from anywhere: it must not speak to the terminal.
    return "".join(letter if letter.isprintable() else "�" for letter in text)


def _plain(value: Any) -> str | None:
    """Ids as their 26 characters, instants in UTC, an open end as null."""
    if isinstance(value, UUID):
        return to_text(value)
    if isinstance(value, datetime):
        text = show(value)
        return None if text == "open" else text
    return str(value)
