"""What witnesses hold, compared with what an export holds: other roots, checkpoints that are missing, an end cut off."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from .epoch import Epoch
from .finding import Report, Where
from .line import Header
from .note import Checkpoint, VerifyKey, believed, split_notes


class Witnesses:
    """The checkpoints of witnesses' files, by epoch and size; those of an epoch are taken out when it begins."""

    def __init__(
        self, report: Report, header: Header, keys: Sequence[VerifyKey], texts: Iterable[str], month: str | None
    ) -> None:
        self.report, self.keys, self.month = report, keys, month
        self.organization, self.exported_at = header.organization, header.exported_at
        self.seen: dict[int, dict[int, list[Checkpoint]]] = {}
        for note in (note for text in texts for note in split_notes(text.replace("\ufeff", ""))):
            self._hold(note)
        held = (one for seen in self.seen.values() for ones in seen.values() for one in ones)
        self.saw = any(believed(one, keys) for one in held)
        """Whether they have seen anything of this log that is believed."""

    def _hold(self, note: str) -> None:
        try:
            one = Checkpoint.parse(note)
        except ValueError:
            # Nothing was promised by what was not written to its end.
            said = "A witness holds text that is no checkpoint; it was passed over."
            told = self.report.verdict.notes
            told += [said] if said not in told else []
            return
        organization, epoch = one.log
        if organization == self.organization:
            same_size = self.seen.setdefault(epoch, {}).setdefault(one.size, [])
            same_size += [one] if all(one.root != known.root for known in same_size) else []

    def of(self, epoch: int) -> dict[int, list[Checkpoint]]:
        """Take out the checkpoints of an epoch, by size."""
        return self.seen.pop(epoch, {})

    def compare(self, epoch: Epoch) -> None:
        """Compare an epoch that was read to its end with what was seen of it; what lies `beyond` its end is kept there."""
        same = 0
        for one in (one for size in sorted(epoch.watched) for one in epoch.watched[size]):
            size = one.size
            if epoch.signed.get(size) == one.root:
                same = size
            elif not believed(one, self.keys):
                self.report.find("checkpoint-unsigned", None, None, None, f"a witness's {size}")
            elif size > epoch.size:
                epoch.beyond.append(one)
            elif size in epoch.signed or (epoch.roots.get(size) and one.root not in epoch.roots[size]):
                self.report.find("fork", same, size - 1, None, size, "a witness holds another")
            elif not self.month and size not in epoch.missed:
                said = f"of {size} leaves, which a witness holds"
                self.report.find("checkpoint-missing", max(size - 1, 0), None, None, said)

    def cut_off(self, epoch: int, held: int, beyond: list[Checkpoint]) -> None:
        """Say where a witness has seen more than the leaves held of an epoch."""
        newest = max(beyond, key=lambda one: one.size, default=None)
        if newest is not None and newest.size > held and not self.month:
            try:
                late = datetime.fromisoformat(newest.signed_at) > self.exported_at
            except (ValueError, TypeError):
                late = False
            said = "; it was signed after this export was written, so read a newer one" if late else ""
            place = Where(epoch, held, newest.size - 1)
            self.report.find_at("cut-off", place, newest.size, epoch, newest.size - held, said)

    def close(self) -> None:
        """Say which epochs were seen that are not here at all."""
        for number, seen in sorted(self.seen.items()):
            self.cut_off(number, 0, [one for ones in seen.values() for one in ones if believed(one, self.keys)])
