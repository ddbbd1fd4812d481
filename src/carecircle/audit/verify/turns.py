"""The turns of writers: each numbers its entries 1, 2, 3, … so that one taken away before its seal leaves a gap."""

from __future__ import annotations

from .finding import Report


class Writer:
    """The turns of one writer: those before `next` were seen, those `ahead` of a gap at (leaf, leaves unknown by then).

    `since` and `earlier` are the leaves unknown at the end of its last transaction but one, and but two.
    """

    __slots__ = ("ahead", "earlier", "index", "next", "since", "unknown", "xid")

    def __init__(self) -> None:
        self.next, self.xid, self.index, self.unknown = 1, b"", 0, 0
        self.since = self.earlier = 0
        self.ahead: dict[int, tuple[int, int]] = {}


class Turns:
    """The turns of all writers as far as they were read."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.writers: dict[bytes, Writer] = {}
        # Leaves whose writer nobody can tell (retired, changed later, missing), and missing turns that may be theirs.
        self.unknown = self.excused = 0

    def take(self, name: bytes, turn: int, xid: bytes, index: int, entry_id: bytes) -> None:
        """Take in the turn of the leaf at `index`, written in transaction `xid`."""
        writer = self.writers.get(name) or self.writers.setdefault(name, Writer())
        if turn != writer.next or writer.ahead:
            self._out_of_turn(writer, turn, xid, index, entry_id)
        else:
            if xid != writer.xid:
                writer.earlier, writer.since = writer.since, writer.unknown
            writer.next, writer.xid, writer.index, writer.unknown = turn + 1, xid, index, self.unknown

    def take_unsealed(self, name: bytes, turn: int, index: int, entry_id: bytes) -> None:
        """Take in the turn of an entry that waits for its seal, after `index` leaves; these come in any order."""
        writer = self.writers.setdefault(name, Writer())
        self._out_of_turn(writer, turn, writer.xid, index, entry_id)

    def begin_epoch(self) -> None:
        """Count leaves from 0 again."""
        for writer in self.writers.values():
            writer.index = 0

    def close(self) -> None:
        """Say what is missing, for no more turns will come."""
        for writer in self.writers.values():
            self._settle(writer)

    def _out_of_turn(self, writer: Writer, turn: int, xid: bytes, index: int, entry_id: bytes) -> None:
        # Within one transaction entries are sealed in any order; once the writer's next has begun, all have been seen.
        if xid != writer.xid:
            self._settle(writer)
            writer.earlier, writer.since = writer.since, writer.unknown
        writer.xid = xid
        if turn < writer.next or turn in writer.ahead:
            self.report.find("turn-twice", index, None, entry_id, turn)
            return
        writer.ahead[turn] = (index, self.unknown)
        while writer.next in writer.ahead:
            writer.index, writer.unknown = writer.ahead.pop(writer.next)
            writer.next += 1

    def _settle(self, writer: Writer) -> None:
        """Say which turns are missing for good, unless as many leaves in between may have been theirs."""
        if not writer.ahead:
            return
        index, _ = max(writer.ahead.values())
        missing = max(writer.ahead) - writer.next + 1 - len(writer.ahead)
        # The leaf of a missing turn may stand before or after all others of its transaction.
        if missing <= self.unknown - max(writer.earlier, self.excused):
            self.excused += missing
        else:
            first, last = sorted((writer.index, index))
            self.report.find("turn-missing", first, last, None, writer.next, missing)
        writer.next = max(writer.ahead) + 1
        writer.index, writer.unknown = max(writer.ahead.values())
        writer.ahead.clear()
