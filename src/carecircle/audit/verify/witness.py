"""What witnesses hold, compared with what an export holds: other roots, checkpoints that are missing, an end cut off."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from .epoch import Epoch
from .finding import Report, Where, leaves
from .line import Header
from .note import Checkpoint, VerifyKey, believed, split_notes

JUST_NOW = timedelta(minutes=10)
"""How old an export may be for a witness to have seen more since."""


class Witnesses:
    """The checkpoints of witnesses' files, by epoch and size; those of an epoch are taken out when it begins."""

    def __init__(
        self,
        report: Report,
        header: Header,
        keys: Sequence[VerifyKey],
        texts: Iterable[str],
        month: str | None,
        now: datetime,
    ) -> None:
        self.report, self.keys, self.month = report, keys, month
        self.organization, self.exported_at = header.organization, header.exported_at
        # Nothing signs when an export was written: who cut it could say anything. Minutes ago, the reader knows by himself.
        self.just_written = abs(now - header.exported_at) <= JUST_NOW
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
                self.report.unsigned(one, self.keys, f"a witness's {leaves(size)}")
            elif size > epoch.size:
                epoch.beyond.append(one)
            elif size in epoch.signed or (epoch.roots.get(size) and one.root not in epoch.roots[size]):
                self.report.find("fork", same, size - 1, None, leaves(size), "a witness holds another")
            elif not self.month and size not in epoch.missed:
                said = f"of {leaves(size)}, which a witness holds"
                self.report.find("checkpoint-missing", max(size - 1, 0), None, None, said)

    def cut_off(self, epoch: int, held: int, beyond: list[Checkpoint], *, ended: bool = False) -> None:
        """Say where a witness has seen more than the leaves held of an epoch, which has `ended` where another follows here.

        What was signed after an export that was written just now cannot be in it: where there is nothing else, that is a note.
        """
        beyond = [] if self.month else [one for one in beyond if one.size > held]
        due = [one for one in beyond if ended or not self._is_later(one)]
        newest = max(due or beyond, key=lambda one: one.size, default=None)
        if newest is None:
            return
        place = Where(epoch, held, newest.size - 1)
        twice, times = Counter(one.size for one in beyond).most_common(1)[0]
        if due:
            self.report.find_at("cut-off", place, leaves(newest.size), epoch, newest.size - held)
        elif times > 1:
            self.report.find_at("fork", place, leaves(twice), "witnesses hold both")
        else:
            verdict, first = self.report.verdict, min(beyond, key=lambda one: datetime.fromisoformat(one.signed_at))
            verdict.notes.append(
                f"A witness has seen {leaves(newest.size)} of epoch {epoch}, {newest.size - held:,} more than are here: the"
                f" first checkpoint of these was signed at {first.signed_at}, after the export, which says it was written at"
                f" {verdict.exported_at}. Nothing signs that time: compare it with when you got the file."
            )

    def _is_later(self, one: Checkpoint) -> bool:
        """Whether the export was written just now, and a checkpoint says that it was signed after that."""
        try:
            return self.just_written and datetime.fromisoformat(one.signed_at) > self.exported_at
        except (ValueError, TypeError):
            return False

    def close(self) -> None:
        """Say which epochs were seen that are not here at all."""
        for number, seen in sorted(self.seen.items()):
            self.cut_off(number, 0, [one for ones in seen.values() for one in ones if believed(one, self.keys)])
