"""The signed checkpoints of an export, epoch after epoch: against the leaves before them, and against one another."""

from __future__ import annotations

from collections.abc import Sequence

from .epoch import Epoch
from .finding import Report, Where, counted, leaves
from .line import Header
from .note import Checkpoint, VerifyKey, believed
from .tree import EMPTY_ROOT
from .witness import Witnesses


class Checkpoints:
    """The epoch that is being read, and the one before until the first checkpoint has said what it follows."""

    def __init__(
        self, report: Report, header: Header, keys: Sequence[VerifyKey], witnesses: Witnesses, month: str | None
    ) -> None:
        self.report, self.organization, self.keys = report, header.organization, keys
        self.witnesses, self.month = witnesses, month
        self.before: Epoch | None = None
        self.epoch = self._begin(header.epoch)

    def _begin(self, number: int) -> Epoch:
        self.report.epoch = number
        self.report.verdict.epochs += 1
        return Epoch(number, self.witnesses.of(number))

    def next_epoch(self, number: int) -> None:
        """End this epoch and begin the next. Raises ValueError where the number is not the next."""
        if number != self.epoch.number + 1:
            raise ValueError("An epoch is missing.")
        self.finish()
        self.before, self.epoch = self.epoch, self._begin(number)

    def take(self, text: str) -> None:
        """Take in the next checkpoint's note."""
        self.report.verdict.checkpoints += 1
        epoch = self.epoch
        try:
            one = Checkpoint.parse(text)
        except ValueError:
            one = Checkpoint("", epoch.size, b"")
        if one.log != (self.organization, epoch.number):
            self.report.find("checkpoint-unsigned", None, None, None, leaves(one.size))
            epoch.unbelieved.add(one.size)
            return
        if not believed(one, self.keys):
            if self.report.unsigned(one, self.keys, leaves(one.size)):
                epoch.strange = max(epoch.strange, one.size)
            epoch.unbelieved.add(one.size)
            return
        self.report.verdict.newest = one
        self._cite(one)
        if one.previous and one.previous not in epoch.signed:
            epoch.named.setdefault(one.previous, self.report.where(one.previous - 1))
        if epoch.signed.setdefault(one.size, one.root) != one.root:
            self.report.find("fork", epoch.agreed, one.size - 1, None, leaves(one.size), "both are in this log")
        elif epoch.size != one.size:
            self._count(one)
        elif not epoch.broken:
            epoch.compare(one, self.report)

    def _count(self, one: Checkpoint) -> None:
        """Say where there are more leaves, or fewer, than the checkpoint has, unless that was said before."""
        epoch = self.epoch
        shift, epoch.shift = epoch.shift, epoch.size - one.size
        if epoch.shift > shift:
            said = f"{epoch.size} before the checkpoint of {one.size}"
            self.report.find("entry-added", epoch.agreed, epoch.size - 1, None, said)
        elif epoch.shift < shift:
            said = f"{epoch.size} {'is' if epoch.size == 1 else 'are'} here of {one.size}"
            self.report.find("entry-missing", epoch.agreed, one.size - 1, None, said)

    def finish(self) -> None:
        """Close the epoch: every leaf is signed for, and its witnesses saw the same."""
        epoch = self.epoch
        epoch.settle_doubts("entry-altered", self.report)
        self.report.verdict.entries += epoch.edge.size
        signed = max(epoch.signed, default=0)
        if epoch.size - max(epoch.shift, 0) > signed:
            self.report.find("checkpoint-missing", signed, epoch.size - 1, None, "that covers these leaves")
            self.report.explained += epoch.strange >= epoch.size
        for size, where in epoch.named.items():
            # One that stands later is out of its place, as where the leaf that it follows is not here.
            if size not in epoch.signed and size not in epoch.unbelieved and not self.month:
                epoch.missed.add(size)
                self.report.find_at("checkpoint-missing", where, f"of {leaves(size)}, which the next one names")
        self.witnesses.compare(epoch)

    def _cite(self, one: Checkpoint) -> None:
        """Compare what the first checkpoint of an epoch says of the epoch before with what is here."""
        report, old, self.before = self.report, self.before, None
        if old is None:
            if one.after != self.epoch.cited and not self.month:
                report.find("fork", 0, None, None, leaves(one.size), "it cites another end of the epoch before")
            return
        self.epoch.cited = one.after
        size, root = one.after or (0, EMPTY_ROOT)
        known = {seen.root for seen in old.beyond if seen.size == size} | {old.signed.get(size, root)}
        place = Where(old.number, min(old.size, size), max(old.size, size, 1) - 1, None, report.line)
        if one.after is None:
            report.find_at("epoch-began", place, "without saying where the one before ended")
        elif known != {root}:
            report.find_at("fork", place, leaves(size), "the next epoch cites another")
        elif size > old.size:
            lost = counted(size - old.size, "sealed entry", "sealed entries")
            said = f"after a loss: {lost} that a witness had seen {'is' if size - old.size == 1 else 'are'} gone"
            report.find_at("epoch-began", place, said)
        else:
            said = f"Epoch {self.epoch.number} began; nothing that was witnessed before it is lost."
            report.verdict.notes.append(said)
        self.witnesses.cut_off(old.number, max(old.size, size), old.beyond, ended=True)

    def close(self) -> None:
        """Compare what is left: an epoch without a checkpoint, and ends that only witnesses saw."""
        if self.before is not None:
            self._cite(Checkpoint("", 0, b""))
        self.witnesses.cut_off(self.epoch.number, self.epoch.size, self.epoch.beyond)
        self.witnesses.close()
