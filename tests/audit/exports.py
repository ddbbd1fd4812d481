"""Exports made up for the verifier's tests: entries as PostgreSQL writes them, a key, checkpoints, and the lines of a file."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from carecircle.audit.canonical import COLUMNS
from carecircle.audit.verify import (
    Frontier,
    Signature,
    VerifyKey,
    format_body,
    format_vkey,
    key_id,
    leaf_hash,
)

ORGANIZATION = "019a0000-0000-7000-8000-0000000000aa"
BEGAN = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
OPENING = 1000


@dataclass
class Signer:
    """A key with a name, and the notes that it signs."""

    name: str = "carecircle"
    private: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    @property
    def vkey(self) -> str:
        return format_vkey(self.name, self.private.public_key().public_bytes_raw())

    @property
    def key(self) -> VerifyKey:
        return VerifyKey.parse(self.vkey)

    def note(self, body: str) -> str:
        public = self.private.public_key().public_bytes_raw()
        return f"{body}\n{Signature(self.name, key_id(self.name, public), self.private.sign(body.encode()))}"


@dataclass
class Log:
    """The trail of one organization: its epochs' leaves as (what was hashed, the line's rest), its checkpoints by size."""

    signer: Signer = field(default_factory=Signer)
    organization: str = ORGANIZATION
    epoch: int = 1
    leaves: list[tuple[bytes, bytes]] = field(default_factory=list)
    notes: dict[int, str] = field(default_factory=dict)
    edge: Frontier = field(default_factory=Frontier)
    after: tuple[int, bytes] | None = None
    chained: bool = False
    """Whether each checkpoint names the one before it."""

    def add(self, entry: bytes, prefix: bytes = b"") -> None:
        hashed = leaf_hash(prefix + entry)
        self.leaves.append((hashed, entry))
        self.edge.append(hashed)

    def checkpoint(self) -> str:
        size = self.edge.size
        at = BEGAN + timedelta(seconds=size)
        previous = max(self.notes, default=0) if self.chained else None
        note = self.signer.note(
            format_body(self.organization, self.epoch, size, self.edge.root(), at, self.after, previous),
        )
        self.notes[size] = note
        return note

    def next_epoch(self, after: tuple[int, bytes] | None) -> Log:
        return Log(self.signer, self.organization, self.epoch + 1, after=after)

    def leaf_lines(self) -> list[bytes]:
        lines = [checkpoint_line(self.notes[0])] if 0 in self.notes else []
        for index, (hashed, entry) in enumerate(self.leaves):
            lines.append(leaf_line(index, hashed, entry))
            if index + 1 in self.notes:
                lines.append(checkpoint_line(self.notes[index + 1]))
        return lines


def leaf_line(index: int, hashed: bytes, entry: bytes) -> bytes:
    return b'{"leaf":%d,"hash":"%s","entry":%s}\n' % (index, hashed.hex().encode(), entry)


def checkpoint_line(note: str) -> bytes:
    return b'{"checkpoint":%s}\n' % json.dumps(note, ensure_ascii=False).encode()


def export(*logs: Log, unsealed: Iterable[bytes] = (), exported_at: datetime | None = None) -> list[bytes]:
    """The lines of a whole file."""
    waiting = list(unsealed)
    at = exported_at or BEGAN + timedelta(hours=1)
    header = {
        "carecircle_audit": 1,
        "organization": logs[0].organization,
        "epoch": logs[0].epoch,
        "opening_xid": str(OPENING),
        "exported_at": at.isoformat(),
    }
    lines = [json.dumps(header, separators=(",", ":")).encode() + b"\n"]
    for log in logs:
        if log is not logs[0]:
            lines.append(b'{"epoch":%d}\n' % log.epoch)
        lines += log.leaf_lines()
    lines += [b'{"unsealed":%s}\n' % entry for entry in waiting]
    counts = {
        "leaves": sum(len(log.leaves) for log in logs),
        "checkpoints": sum(len(log.notes) for log in logs),
        "unsealed": len(waiting),
    }
    return [*lines, json.dumps({"end": counts}, separators=(",", ":")).encode() + b"\n"]


def entry(number: int, writer: int | None = 1, turn: int | None = None, xid: int | None = None, **said: Any) -> bytes:
    """The canonical bytes of entry `number`; `writer` None is an entry older than writers."""
    told: dict[str, Any] = dict.fromkeys(COLUMNS)
    told |= {
        "organization_id": ORGANIZATION,
        "id": str(entry_id(number)),
        "recorded_at": (BEGAN + timedelta(seconds=number)).isoformat(),
        "kind": "decision",
        "actor": 'staff|Grüß "Gott" \\ {},"entry":',
        "action": "read-chart",
        "purpose": "treatment",
        "allowed": True,
        "code": "assigned",
        "as_of": "infinity",
        "basis_kinds": ["assignment", "care-team"],
        "basis_ids": [str(entry_id(number + 1)), None],
        "detail": json.dumps({"reason": '…,"writer_id":"x"'}),
        "xid": str(OPENING + number if xid is None else xid),
        "snapshot": f"{OPENING}:{OPENING + number + 1}:{OPENING + number}",
    }
    if writer is not None:
        told |= {
            "writer_id": str(UUID(int=writer)),
            "writer_turn": number + 1 if turn is None else turn,
            "mark": "\\x" + random.Random(number).randbytes(8).hex(),
        }
    return json.dumps(told | said, ensure_ascii=False, separators=(",", ":")).encode()


def entry_id(number: int) -> UUID:
    return UUID(int=0x019A << 112 | 0x7 << 76 | 0x8 << 60 | number)


def retirement(number: int, entries: int, month: str = "2019-03", **said: Any) -> bytes:
    """The canonical bytes of the entry that records that a month was retired, by a writer of its own."""
    detail = json.dumps({"month": month, "entries": entries, "findings": 0, "sha256": "00" * 32})
    told = {"kind": "change", "code": "month-retired", "detail": detail, "allowed": None} | said
    return entry(number, told.pop("writer", 90 + number), told.pop("turn", 1), **told)


def log_of(count: int, every: int = 5, writers: int = 3, signer: Signer | None = None, *, chained: bool = False) -> Log:
    """A clean log: entries of several writers, a checkpoint after each `every` and after the last."""
    log = Log(signer or Signer(), chained=chained)
    turns = dict.fromkeys(range(1, writers + 1), 0)
    for number in range(count):
        writer = number % writers + 1
        turns[writer] += 1
        log.add(entry(number, writer, turns[writer]))
        if (number + 1) % every == 0 or number + 1 == count:
            log.checkpoint()
    return log
