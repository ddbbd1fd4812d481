"""Retired months: as many leaves may be called retired as a sealed entry of the log itself says."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from .finding import Report, Where
from .line import is_month, object_of

RECORD = b'"code":"month-retired"'
"""What the canonical bytes of every record of a retirement hold; within a string the quotes would be escaped."""
_YEARS = 6


@dataclass(slots=True)
class _Leaves:
    """The leaves that are called retired with a month: how many, and in the epoch of the first of them from where to where."""

    epoch: int
    first: int
    last: int
    line: int
    count: int = 0

    @property
    def place(self) -> Where:
        return Where(self.epoch, self.first, self.last, None, self.line)


class Months:
    """The months of which only hashes are here, those of the entries, and what is recorded about them."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.of_entries: set[bytes] = set()
        self.young: set[str] = set()
        self._retired: dict[str, _Leaves] = {}
        self._sealed: dict[str, set[int]] = {}
        self._waiting: dict[str, set[int]] = {}

    def retire(self, month: str, index: int) -> None:
        """Take in a leaf that is called retired."""
        report = self.report
        leaves = self._retired.setdefault(month, _Leaves(report.epoch, index, index, report.line))
        leaves.count += 1
        if leaves.epoch == report.epoch:
            leaves.last = index

    def record(self, entry: bytes) -> None:
        """Take in a sealed entry that holds RECORD."""
        _note(object_of(entry), self._sealed)

    def record_unsealed(self, told: dict[str, Any]) -> None:
        """Take in an entry that waits for its seal; it may be any."""
        if told.get("code") == "month-retired":
            _note(told, self._waiting)

    def close(self) -> None:
        """Compare what was called retired with what was recorded; the latest month first."""
        recorded: list[str] = []
        for month, leaves in sorted(self._retired.items(), reverse=True):
            if month in self.young:
                continue
            said, notes = self._contradiction(month, leaves), self.report.verdict.notes
            if said is None:
                recorded.append(month)
            elif month not in self._sealed and self._waiting.get(month) == {leaves.count}:
                notes.append(f"The entry that {month} was retired waits for its seal: verify again.")
            elif month not in self._sealed and (later := self._may_hold_the_record(month, recorded)):
                recorded.append(month)
                notes.append(
                    f"That {month} was retired is recorded in no entry here, maybe in one retired with {later}."
                )
            else:
                self.report.find_at("entry-missing", leaves.place, said)
            if month.encode() in self.of_entries:
                # A month is dropped as a whole: an entry that was put back would make room for another to be hidden.
                self.report.find_at(
                    "entry-missing", leaves.place, f"of {month} some are here and some are called retired"
                )

    def close_file_of(self, month: str) -> None:
        """Say so where what was read cannot be the file of this month: it holds no entry of it, or those of others."""
        others = sorted(self.of_entries - {month.encode(), b""})
        said = [] if month.encode() in self.of_entries else ["no entry in it is of that month"]
        if others:
            named = ", ".join(filter(is_month, (one.decode(errors="replace") for one in others)))[:43]
            said.append(f"it holds entries of other months{f' ({named})' if named else ''}")
        if self.report.verdict.unsealed:
            said.append("it holds entries that wait for their seal")
        if said:
            place = Where(self.report.epoch)
            self.report.find_at(
                "export-incomplete", place, f"this is not the file of {month}, for {' and '.join(said)}"
            )

    def _contradiction(self, month: str, leaves: _Leaves) -> str | None:
        """What is wrong with the number of leaves called retired; None where exactly that was sealed."""
        counts = self._sealed.get(month)
        if counts == {leaves.count}:
            return None
        said = f"{leaves.count} {'is' if leaves.count == 1 else 'are'} called retired with {month}"
        if counts is None:
            return f"{said}, and no sealed entry says that it was retired"
        return f"{said}, and the sealed entry of that says {' or '.join(map(str, sorted(counts)))}"

    def _may_hold_the_record(self, month: str, recorded: list[str]) -> str | None:
        """A month, itself retired as recorded, so much later that the record of this one may have been dropped with it."""
        leaves, since = self._retired[month], f"{int(month[:4]) + _YEARS:04}{month[4:]}"
        for later in recorded:
            at = self._retired[later]
            if later >= since and (leaves.epoch, leaves.last) < (at.epoch, at.last):
                return later
        return None


def _note(told: dict[str, Any], counts: dict[str, set[int]]) -> None:
    """Note the month and the number of entries that a record says; what is no record is passed over."""
    if told.get("kind") != "change":
        return
    try:
        detail = json.loads(told["detail"])
        month, count = detail["month"], detail["entries"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return
    if type(month) is str and type(count) is int:
        counts.setdefault(month, set()).add(count)
