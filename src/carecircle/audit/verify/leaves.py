"""The leaves of an export: each the next of its tree, each entry the one that was hashed, each turn its writer's next."""

from __future__ import annotations

from binascii import unhexlify
from datetime import UTC, datetime
from hashlib import sha256

from .checkpoints import Checkpoints
from .finding import Report
from .line import MONTH, Header, head_of, natural, object_of, retired, tail, uuid
from .months import RECORD, Months
from .tree import ALTERED, UNMARKED, leaf_hash
from .turns import Turns


class Leaves:
    """Takes in the lines of leaves."""

    def __init__(
        self, report: Report, header: Header, checkpoints: Checkpoints, turns: Turns, month: str | None
    ) -> None:
        self.report, self.checkpoints, self.turns, self.month = report, checkpoints, turns, month
        self.opening_xid, self.head = header.opening_xid, head_of(header.organization)
        self.months = Months(report)

    def take(self, line: bytes) -> bool:
        """Take in the next line; whether it is that of a leaf."""
        found = self.head(line)
        if found is None:
            return self._retire(line)
        place, stated, entry_id = found.groups()
        index, claimed, epoch = int(place), unhexlify(stated), self.checkpoints.epoch
        if index != epoch.size and not self._out_of_place(index, entry_id):
            return True
        entry, told = line[found.end() : -2], tail(line, line.rfind(b',"writer_id":'))
        if told is None or entry_id is None or sha256(b"\0" + entry).digest() != claimed:
            self._unusual(entry if line.endswith(b"}\n") else line, claimed, entry_id)
        else:
            name, turn, xid = told.groups()
            self.turns.take(name, int(turn), xid, index, entry_id)
            if RECORD in entry:
                self.months.record(entry)
        self.months.of_entries.add(entry[MONTH])
        epoch.grow(claimed)
        return True

    def _out_of_place(self, index: int, entry_id: bytes | None) -> bool:
        """Say so of a leaf that is not the next; whether it counts nevertheless."""
        size = self.checkpoints.epoch.size
        if index < size:
            # Where two call themselves the same, nobody can tell yet which was put in.
            said = f"a second leaf calls itself {index}"
            self.report.find("entry-added", size - (index == size - 1), size, entry_id, said)
            return False
        self.report.find("entry-missing", size, index - 1, None, "their leaves are not here")
        self.turns.unknown += index - size
        self.checkpoints.epoch.skip_to(index)
        return True

    def _unusual(self, entry: bytes, claimed: bytes, entry_id: bytes | None) -> None:
        """An entry that differs from its leaf, or does not say its writer and turn."""
        report, epoch = self.report, self.checkpoints.epoch
        index = epoch.size
        if leaf_hash(entry) == claimed:
            if entry_id is None:
                report.find("entry-added", index, None, None, "it is another organization's, or no canonical entry")
            elif not self._is_old(entry):
                report.find("unmarked", index, None, entry_id)
                self._take_turn(entry, index, entry_id)
        elif leaf_hash(UNMARKED + entry) == claimed:
            report.find("unmarked", index, None, entry_id)
            self._take_turn(entry, index, entry_id)
        elif leaf_hash(ALTERED + entry) == claimed:
            report.find("altered-before-sealing", index, None, entry_id)
            self._take_turn(entry, index, entry_id)
        elif entry == b"null":
            self.turns.unknown += 1
            report.find("entry-missing", index, None, None, "the leaf is here, its entry was deleted")
        else:
            self.turns.unknown += 1
            epoch.doubt(leaf_hash(entry), report.where(index, None, entry_id), report)

    def _take_turn(self, entry: bytes, index: int, entry_id: bytes | None) -> None:
        """Take in the turn of an entry that is as it was sealed, though not as it was written: it excuses nobody's gap."""
        try:
            told = object_of(entry)
            name, turn, xid = uuid(told["writer_id"]), natural(told["writer_turn"]), natural(told["xid"], of=str)
        except (ValueError, KeyError):
            return
        if turn > 0:
            self.turns.take(name, turn, b"%d" % xid, index, entry_id or b"")

    def _is_old(self, entry: bytes) -> bool:
        """Whether an entry is older than writers and marks, and has none."""
        try:
            told = object_of(entry)
            unmarked = all(told[name] is None for name in ("writer_id", "writer_turn", "mark"))
            return natural(told["xid"], of=str) < self.opening_xid and unmarked
        except (ValueError, KeyError):
            return False

    def _retire(self, line: bytes) -> bool:
        found = retired(line)
        if found is None:
            return False
        index, month, epoch = int(found[1]), found[3].decode(), self.checkpoints.epoch
        if index != epoch.size and not self._out_of_place(index, None):
            return True
        # Nobody may drop what is younger than six years; but what is to be hidden could be called dropped.
        today = datetime.now(UTC)
        withheld = month == self.month if self.month else month >= f"{today.year - 6}-{today.month:02}"
        if withheld and month not in self.months.young:
            self.months.young.add(month)
            self.report.find("entry-missing", index, None, None, f"of {month} only hashes are here, too early")
        self.months.retire(month, index)
        self.report.verdict.retired += 1
        self.turns.unknown += 1
        epoch.grow(unhexlify(found[2]))
        return True
