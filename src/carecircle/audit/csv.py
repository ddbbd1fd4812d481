"""Entries as lines of CSV that no spreadsheet takes for formulas."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any

from carecircle.audit.canonical import COLUMNS

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet would run as a formula."""


def header() -> bytes:
    return lines([dict(zip(COLUMNS, COLUMNS, strict=True))])


def lines(entries: Iterable[Mapping[str, Any]]) -> bytes:
    """A line for each entry (the canonical fields by name), in the order of COLUMNS, in UTF-8.

    A list is written with spaces between its items, what is not said as nothing. A cell that begins like a formula gets a
    leading apostrophe.
    """
    whole = io.StringIO()
    writer = csv.writer(whole, lineterminator="\r\n")
    writer.writerows([formula_safe(_cell(entry[name])) for name in COLUMNS] for entry in entries)
    return whole.getvalue().encode()


def formula_safe(cell: str) -> str:
    return f"'{cell}" if cell.startswith(FORMULA_STARTS) else cell


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return " ".join(map(_cell, value))
    return str(value)
