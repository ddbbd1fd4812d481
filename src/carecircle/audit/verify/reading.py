"""The reading of a whole export, line by line, to its verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from .checkpoints import Checkpoints
from .finding import Report, Verdict, counted
from .leaves import Leaves
from .line import Header, is_month, natural, object_of, uuid
from .note import VerifyKey
from .turns import Turns
from .witness import Witnesses

MAY_WAIT = timedelta(seconds=60)
"""How long an entry may be without its seal."""


def verify(
    lines: Iterable[bytes],
    keys: Iterable[VerifyKey],
    witnessed: Iterable[str] = (),
    progress: Callable[[int], None] = lambda lines: None,
    month: str | None = None,
    now: datetime | None = None,
) -> Verdict:
    """Read the lines of an export and say everything that is wrong with it.

    `witnessed` are texts of checkpoint notes, kept where the log's keeper cannot reach. `progress` is told the number of
    lines read, now and then. `month` (YYYY-MM) says that this is the file of one month, which holds other months' hashes
    alone and ends with the checkpoint that covers it. `now` is the reader's own clock, with a time zone: what a witness has
    seen since an export that is minutes old is no finding.

    Raises Unreadable where the first line is not that of an export, ValueError for a month that is written otherwise.
    """
    if month is not None and not is_month(month):
        raise ValueError("A month is written YYYY-MM, as 2020-03.")
    source = iter(lines)
    reading = Reading(Header.parse(next(source, b"")), tuple(keys), list(witnessed), month, now or datetime.now(UTC))
    for line in source:
        reading.read(line)
        if not reading.report.line & 0xFFFF:
            progress(reading.report.line)
    return reading.close()


class Reading:
    """An export as far as it was read."""

    def __init__(
        self, header: Header, keys: tuple[VerifyKey, ...], witnessed: list[str], month: str | None, now: datetime
    ) -> None:
        self.header, self.ended = header, False
        self.report = report = Report(Verdict(header.organization, header.said), header.epoch)
        self.turns = Turns(report)
        witnesses = Witnesses(report, header, keys, witnessed, month, now)
        self.checkpoints = Checkpoints(report, header, keys, witnesses, month)
        self.leaves = Leaves(report, header, self.checkpoints, self.turns, month)
        self.takes: dict[str, Callable[[Any], None]] = {
            "checkpoint": self.checkpoints.take,
            "epoch": self._next_epoch,
            "unsealed": self._unsealed,
            "end": self._end,
        }
        if header.epoch != 1 and not month:
            report.find("export-incomplete", 0, None, None, f"it begins with epoch {header.epoch}")
        if not witnesses.saw:
            report.verdict.notes.append("Without a witness, leaves that were cut off at the end cannot be noticed.")

    def read(self, line: bytes) -> None:
        """Take in the next line."""
        self.report.line += 1
        if self.ended or not self.leaves.take(line):
            self._other(line)

    def _other(self, line: bytes) -> None:
        """Take in a line that is no leaf's."""
        try:
            told = {} if self.ended else object_of(line)
            (kind,) = told
            self.takes[kind](told[kind])
        except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError):
            self.turns.unknown += 1
            self._incomplete("this line cannot be read, or stands after the end")

    def _incomplete(self, said: str) -> None:
        self.report.find("export-incomplete", self.checkpoints.epoch.size, None, None, said)

    def _next_epoch(self, number: object) -> None:
        self.checkpoints.next_epoch(natural(number))
        self.turns.begin_epoch()

    def _unsealed(self, told: dict[str, Any]) -> None:
        report, size = self.report, self.checkpoints.epoch.size
        report.verdict.unsealed += 1
        entry_id = uuid(told["id"])
        if told["organization_id"] != self.header.organization:
            report.find("entry-added", size, None, entry_id, "it is another organization's")
        waits = self.header.exported_at - datetime.fromisoformat(told["recorded_at"])
        if waits > MAY_WAIT:
            report.find("sealed-late", size, None, entry_id)
        elif waits < -MAY_WAIT:
            report.find("entry-added", size, None, entry_id, "it is said to be recorded later than it was exported")
        xid = natural(told["xid"], of=str)
        if told["writer_id"] is not None and told["writer_turn"] is not None and told["mark"]:
            self.leaves.months.record_unsealed(told)
            self.turns.take_unsealed(uuid(told["writer_id"]), natural(told["writer_turn"]), size, entry_id)
        elif xid >= self.header.opening_xid:
            report.find("unmarked", size, None, entry_id)

    def _end(self, told: dict[str, object]) -> None:
        self.ended = True
        verdict = self.report.verdict
        counted = (verdict.entries + self.checkpoints.epoch.edge.size, verdict.checkpoints, verdict.unsealed)
        if tuple(natural(told[name]) for name in ("leaves", "checkpoints", "unsealed")) != counted:
            self._incomplete("it holds other numbers of lines than its end says")

    def close(self) -> Verdict:
        """The verdict, once every line was read."""
        verdict = self.report.verdict
        if not self.ended:
            self._incomplete("it was cut off, for its last line is not here")
        self.checkpoints.finish()
        self.turns.close()
        month = self.leaves.month
        if month:
            self.leaves.months.close_file_of(month)
            said = f"This was read as the file of {month}: whether anything was cut off after it was not looked at."
            verdict.notes.append(said)
        else:
            self.leaves.months.close()
        self.checkpoints.close()
        if verdict.retired:
            said = "what it said was not seen" if verdict.retired == 1 else "what they said was not seen"
            verdict.notes.append(f"Of {counted(verdict.retired, 'entry', 'entries')} only the hash is here: {said}.")
        self.report.tell_strangers()
        return verdict
