"""What an import tells while it runs and when it is done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an import is. Every byte is read once, and every record that must be taken is then taken once.

    `bytes_read` of `bytes_total` are of the input as it lies on disk; `resources` were read, and of `to_take`
    records that are new, changed or waiting `taken` are done (both 0 while files are still being read).
    """

    resources: int
    bytes_read: int
    bytes_total: int
    taken: int = 0
    to_take: int = 0


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did. Every resource read is taken, unchanged, skipped_older or skipped (not of a kind we take)."""

    resources: int = 0
    taken: int = 0
    unchanged: int = 0
    skipped_older: int = 0
    skipped: int = 0
    facts_recorded: int = 0
    facts_superseded: int = 0
    facts_ended: int = 0
    findings_opened: int = 0
    findings_closed: int = 0
    findings_open: int = 0
    by_type: Mapping[str, int] = field(default_factory=dict)
    files: int = 0
    seconds: float = 0.0

    @property
    def changed_nothing(self) -> bool:
        return not (
            self.taken
            or self.facts_recorded
            or self.facts_superseded
            or self.facts_ended
            or self.findings_opened
            or self.findings_closed
        )


@dataclass(slots=True)
class Tally:
    """The counts of a run while it goes on."""

    files: int = 0
    resources: int = 0
    skipped: int = 0
    taken: int = 0
    unchanged: int = 0
    skipped_older: int = 0
    facts_recorded: int = 0
    facts_superseded: int = 0
    facts_ended: int = 0
    findings_opened: int = 0
    findings_closed: int = 0
    by_type: Counter[str] = field(default_factory=Counter)

    def report(self, findings_open: int, seconds: float) -> ImportReport:
        return ImportReport(
            resources=self.resources,
            taken=self.taken,
            unchanged=self.unchanged,
            skipped_older=self.skipped_older,
            skipped=self.skipped,
            facts_recorded=self.facts_recorded,
            facts_superseded=self.facts_superseded,
            facts_ended=self.facts_ended,
            findings_opened=self.findings_opened,
            findings_closed=self.findings_closed,
            findings_open=findings_open,
            by_type=dict(sorted(self.by_type.items())),
            files=self.files,
            seconds=seconds,
        )
