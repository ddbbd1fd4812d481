"""Entries as lines of CSV that no spreadsheet takes for formulas."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from unicodedata import category

from carecircle.audit.canonical import COLUMNS

FORMULA_STARTS = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a spreadsheet would run as a formula, in full width too."""
BREAKS = ("\t", "\r", "\n")
"""What begins another cell or line in a program that does not read the quotes around a cell."""
_UNSEEN = ("Cc", "Cf", "Zs", "Zl", "Zp")
_QUOTED = re.compile('[",;\\t\\r\\n]')


def header() -> bytes:
    return lines([dict(zip(COLUMNS, COLUMNS, strict=True))])


def lines(entries: Iterable[Mapping[str, Any]]) -> bytes:
    """A line for each entry (the canonical fields by name), in the order of COLUMNS, in UTF-8.

    A list is written with spaces between its items, what is not said as nothing. Every cell is quoted; one that begins like
    a formula gets a leading apostrophe.
    """
    return "".join(row((_cell(entry[name]) for name in COLUMNS), quote_all=True) + "\r\n" for entry in entries).encode()


def row(cells: Iterable[str], *, quote_all: bool = False) -> str:
    """One line of safe cells, without its end; quoted are all, or those with what separates cells or lines anywhere."""
    return ",".join(
        '"' + cell.replace('"', '""') + '"' if quote_all or _QUOTED.search(cell) else cell
        for cell in map(formula_safe, cells)
    )


def formula_safe(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula, whatever stands unseen before it."""
    if cell.startswith(BREAKS) or cell.lstrip(_unseen(cell)).startswith(FORMULA_STARTS):
        return f"'{cell}"
    return cell


def _unseen(cell: str) -> str:
    """Its characters that show nothing: white space, control and format characters."""
    if cell.isascii() and cell.isprintable():
        return " "
    return "".join({one for one in cell if one.isspace() or category(one) in _UNSEEN}) + " "


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return " ".join(map(_cell, value))
    return str(value)
