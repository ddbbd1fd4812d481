"""What is found of an export: a finding and its place, the verdict, and the report that is kept while reading."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .note import Checkpoint, VerifyKey


class Unreadable(ValueError):
    """What was given is no export of the audit trail, or of another version."""


SENTENCES = {
    "entry-altered": "The entry is not the one that was sealed here.",
    "entry-missing": "Sealed entries are missing: {}.",
    "entry-added": "What stands here was not sealed here: {}.",
    "leaf-altered": "The hash of the leaf was changed; the entry is the one that was sealed.",
    "altered-before-sealing": "The row was changed between its writing and its sealing.",
    "unmarked": "No process that holds the keys wrote this entry.",
    "turn-missing": "Turn {} of a writer is not here ({} missing): entries were taken away before they were sealed.",
    "turn-twice": "Turn {} of this writer was taken before.",
    "checkpoint-unsigned": "The checkpoint of {} is not signed for this log by a known key.",
    "checkpoint-wrong-root": "The leaves do not add up to the signed root of {}: some were replaced, moved or taken away.",
    "checkpoint-missing": "The signed checkpoint is missing {}.",
    "fork": "Two roots are signed for {}: {}.",
    "cut-off": "A witness has seen {} of epoch {}, {} more than are here.",
    "epoch-began": "A new epoch began {}.",
    "sealed-late": "The entry has been waiting for its seal for more than 60 seconds.",
    "export-incomplete": "The export is not whole: {}.",
}
"""What each code says. An online check adds fact-without-entry, closing-without-entry, fact-missing and fact-unbounded."""


def counted(number: int, one: str, many: str) -> str:
    """A number with its noun."""
    return f"{number:,} {one if number == 1 else many}"


def leaves(number: int) -> str:
    """A number of leaves in words."""
    return counted(number, "leaf", "leaves")


class Where(NamedTuple):
    """Indexes of leaves in an epoch, first to last; an entry (a ULID); a line of the export. None is not known."""

    epoch: int
    first: int | None = None
    last: int | None = None
    entry: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        place = f"index {self.first}" if self.first == self.last else f"between index {self.first} and {self.last}"
        if self.first is None:
            place = f"line {self.line}" if self.line else "no leaf"
        return (f"epoch {self.epoch}, " if self.epoch > 1 else "") + place + (f", {self.entry}" if self.entry else "")


class Finding(NamedTuple):
    """One thing that is not as it must be."""

    code: str
    sentence: str
    where: Where

    def __str__(self) -> str:
        return f"{self.code} ({self.where}): {self.sentence}"


@dataclass(slots=True)
class Verdict:
    """What an export was found to be. `findings` holds the first thousand, `total` counts all; `notes` are no findings.

    `entries` are leaves, `retired` those of them of which only the hash is here. `newest` is the last checkpoint believed.
    """

    organization: str
    exported_at: str
    entries: int = 0
    retired: int = 0
    unsealed: int = 0
    checkpoints: int = 0
    epochs: int = 0
    newest: Checkpoint | None = None
    total: int = 0
    first_bad: Finding | None = None
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.total

    def add(self, found: Finding) -> None:
        """Keep a finding; the first bad entry is the first that is known exactly, so a range counts by its end."""
        self.total += 1
        self.findings += [found] if self.total <= 1000 else []
        self.first_bad = min(self.first_bad or found, found, key=_in_the_log)

    def as_dict(self) -> dict[str, Any]:
        """The verdict for JSON."""
        told = {name: getattr(self, name) for name in self.__slots__} | {"ok": self.ok}
        told["newest"] = self.newest and self.newest.text()
        told["findings"] = [one._asdict() | {"where": one.where._asdict()} for one in self.findings]
        told["first_bad"] = self.first_bad and self.first_bad._asdict() | {"where": self.first_bad.where._asdict()}
        return told


class Report:
    """The verdict as far as it was read, and where the reading stands: the number of the epoch, and of the line."""

    def __init__(self, verdict: Verdict, epoch: int) -> None:
        self.verdict, self.epoch, self.line = verdict, epoch, 1
        self.strangers: set[str] = set()  # keys that were not given, of checkpoints that none signed that was
        self.explained = 0  # findings that these keys would explain

    def find(
        self, code: str, first: int | None, last: int | None = None, entry: bytes | None = None, *facts: object
    ) -> None:
        """Note what was found at a leaf or between two; `facts` fill the code's sentence."""
        self.find_at(code, self.where(first, last, entry), *facts)

    def find_at(self, code: str, where: Where, *facts: object) -> None:
        self.verdict.add(Finding(code, SENTENCES[code].format(*facts), where))

    def unsigned(self, one: Checkpoint, keys: Sequence[VerifyKey], said: str) -> bool:
        """Note that a checkpoint is not believed; whether that is only since the key that signed it was not given."""
        self.find("checkpoint-unsigned", None, None, None, said)
        unknown = bool(one.signatures) and not any(mine[:2] == key[:2] for mine in one.signatures for key in keys)
        if unknown:
            self.explained += 1
            self.strangers |= {f"{mine.name}+{mine.key_id.hex()}" for mine in one.signatures}
        return unknown

    def tell_strangers(self) -> None:
        """Say which keys were not given, where that may be all there is to the findings."""
        if self.strangers and self.explained == self.verdict.total:
            named = ", ".join(filter(str.isprintable, sorted(self.strangers)[:5]))
            said = f"Signed by a key you did not give ({named}); if a key was rotated, give the old one too."
            self.verdict.notes.append(said)

    def where(self, first: int | None, last: int | None = None, entry: bytes | None = None) -> Where:
        """A place in this epoch and line; `entry` is the text of its UUID."""
        last = first if last is None or first is None else max(first, last)
        return Where(self.epoch, first, last, _ulid(entry), self.line)


def _in_the_log(found: Finding) -> tuple[int, ...]:
    epoch, first, last, *_ = found.where
    return (1, epoch) if first is None or last is None else (0, epoch, last, last - first)


def _ulid(entry_id: bytes | None) -> str | None:
    """A UUID's text as people see it: 26 characters of Crockford's base 32."""
    digits = (entry_id or b"").replace(b"-", b"")
    if not re.fullmatch(b"[0-9a-f]{32}", digits):
        return None
    return "".join("0123456789ABCDEFGHJKMNPQRSTVWXYZ"[int(digits, 16) >> shift & 31] for shift in range(125, -1, -5))
