"""The file of one month of one organization's entries: written in the verifiable format, read again, and compared with the tree.

It holds the month's entries, of every other leaf up to the checkpoint that covers the month the hash alone, and that
checkpoint: so it is verified like every other export (docs/reference/audit-verification.md). The same month gives the same
bytes whenever it is written.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg

from carecircle.audit.canonical import LINE
from carecircle.audit.retention_limits_service import BEGINS, ENDS
from carecircle.audit.verify import ALTERED, UNMARKED, Checkpoint, Frontier, Verdict, VerifyKey, leaf_hash, verify
from carecircle.errors.proof import MonthNotSealed, MonthNotVerified
from carecircle.identifiers import to_text

_EPOCHS = f"""
  select l.epoch, max(l.leaf_index) as last,
    (select c.note from carecircle.audit_checkpoints c
     where c.organization_id = $2 and c.epoch = l.epoch and c.tree_size > max(l.leaf_index)
     order by c.tree_size limit 1) as note
  from carecircle.audit_leaves l
  where l.organization_id = $2 and l.recorded_at >= {BEGINS} and l.recorded_at < {ENDS}
  group by l.epoch order by l.epoch"""

_LEAVES = f"""
  select l.leaf_index, l.entry_id, encode(l.leaf_hash, 'hex') as hash, case when e.id is not null then {LINE} end as line,
    case when l.recorded_at < {BEGINS} or l.recorded_at >= {ENDS}
         then to_char(l.recorded_at at time zone 'UTC', 'YYYY-MM') end as elsewhere
  from carecircle.audit_leaves l
  left join {{source}} e on e.organization_id = $2 and e.id = l.entry_id and e.recorded_at = l.recorded_at
    and e.recorded_at >= {BEGINS} and e.recorded_at < {ENDS}
  where l.organization_id = $2 and l.epoch = $3 and l.leaf_index < $4
  order by l.leaf_index"""

_COUNT = f"""
  select count(*) from {{source}} e
  where e.organization_id = $2 and e.recorded_at >= {BEGINS} and e.recorded_at < {ENDS}"""

_HASHES = """
  select leaf_index, leaf_hash from carecircle.audit_leaves
  where organization_id = $1 and epoch = $2 and leaf_index < $3 order by leaf_index"""


@dataclass(frozen=True, slots=True)
class MonthFile:
    """What a month's file holds. `findings` is how many things the verifier has to say about it, `first` the first of them."""

    organization_id: UUID
    entries: int
    sha256: bytes
    findings: int
    first: str


async def count_entries(connection: asyncpg.Connection, tenant: UUID, month: date, source: str) -> int:
    """How many entries of the month there are in `source`, as the tenant sees it."""
    counted: int = await connection.fetchval(_COUNT.format(source=source), month, tenant)
    return counted


async def month_lines(connection: asyncpg.Connection, tenant: UUID, month: date, source: str) -> AsyncIterator[bytes]:
    """The lines of the file, from a transaction as carecircle_auditor of the organization whose time zone is UTC.

    Raises MonthNotSealed where no checkpoint covers the month yet, MonthNotVerified where an entry is missing.
    """
    epochs = await connection.fetch(_EPOCHS, month, tenant)
    if not epochs or any(row["note"] is None for row in epochs):
        raise MonthNotSealed
    opening = await connection.fetchval("select xid::text from carecircle.audit_opening")
    known = {"organization": str(tenant), "epoch": epochs[0]["epoch"], "opening_xid": opening}
    # Not when it was written: the same month gives the same bytes.
    yield _line({"carecircle_audit": 1, **known, "exported_at": Checkpoint.parse(epochs[-1]["note"]).signed_at})
    leaves = 0
    for row in epochs:
        if row is not epochs[0]:
            yield _line({"epoch": row["epoch"]})
        checkpoint = Checkpoint.parse(row["note"])
        query = _LEAVES.format(source=source)
        async for leaf in connection.cursor(query, month, tenant, row["epoch"], checkpoint.size, prefetch=5000):
            leaves += 1
            told = f'{{"leaf":{leaf["leaf_index"]},"hash":"{leaf["hash"]}",'
            if leaf["line"] is not None:
                yield f'{told}"entry":{leaf["line"]}}}\n'.encode()
            elif leaf["elsewhere"] is not None:
                yield f'{told}"retired":"{leaf["elsewhere"]}"}}\n'.encode()
            else:
                raise MonthNotVerified(
                    f"Entry {to_text(leaf['entry_id'])} of leaf {leaf['leaf_index']} is missing; nothing was retired."
                )
        yield _line({"checkpoint": row["note"]})
    yield _line({"end": {"leaves": leaves, "checkpoints": len(epochs), "unsealed": 0}})


async def check_file(
    connection: asyncpg.Connection, tenant: UUID, month: date, file: Path, keys: Sequence[VerifyKey]
) -> MonthFile:
    """Read a month's file from the disk, compare every line with its leaf, and let the verifier of exports verify it.

    One of `keys` must have signed it. Raises MonthNotVerified, naming the first leaf that differs, and OSError.
    """
    entries, digest = await _compared(connection, tenant, month, file, keys)
    verdict = await asyncio.to_thread(_verified, file, keys, f"{month:%Y-%m}")
    return MonthFile(tenant, entries, digest, verdict.total, str(verdict.first_bad or ""))


async def _compared(
    connection: asyncpg.Connection, tenant: UUID, month: date, file: Path, keys: Sequence[VerifyKey]
) -> tuple[int, bytes]:
    """How many entries the file holds, and its SHA-256. Raises as check_file does."""
    epochs = await connection.fetch(_EPOCHS, month, tenant)
    digest, entries = sha256(), 0
    with file.open("rb") as held:
        lines = _Lines(held, digest)
        lines.next()
        for row in epochs:
            if row is not epochs[0]:
                lines.next()
            checkpoint, edge = Checkpoint.parse(row["note"]), Frontier()
            async for leaf in connection.cursor(_HASHES, tenant, row["epoch"], checkpoint.size, prefetch=5000):
                sealed = leaf["leaf_hash"]
                begins = f'{{"leaf":{edge.size},"hash":"{sealed.hex()}",'.encode()
                line = lines.next()
                if leaf["leaf_index"] != edge.size or not line.startswith(begins):
                    raise MonthNotVerified(f"Leaf {edge.size} is missing or not as it was read; nothing was retired.")
                if line.startswith(b'"entry":', len(begins)):
                    entries += 1
                    _require_sealed(line[len(begins) + 8 : -2], sealed, edge.size)
                edge.append(sealed)
            told = f"the checkpoint of size {checkpoint.size}"
            if lines.next() != _line({"checkpoint": row["note"]}) or edge.root() != checkpoint.root:
                raise MonthNotVerified(f"The leaves do not lead to {told}; nothing was retired.")
            if not any(key.verifies(checkpoint) for key in keys):
                raise MonthNotVerified(f"No known key signed {told}; nothing was retired.")
        lines.next()
        if held.read(1):
            raise MonthNotVerified("The file of the month goes on after its end; nothing was retired.")
    return entries, digest.digest()


def _require_sealed(data: bytes, sealed: bytes, leaf: int) -> None:
    """Raises MonthNotVerified where the bytes are not what was sealed, be it as unmarked or as altered."""
    if sealed not in (leaf_hash(data), leaf_hash(UNMARKED + data), leaf_hash(ALTERED + data)):
        raise MonthNotVerified(f"The entry of leaf {leaf} is not what was sealed; nothing was retired.")


def _verified(file: Path, keys: Sequence[VerifyKey], month: str) -> Verdict:
    with file.open("rb") as lines:
        return verify(lines, keys, month=month)


class _Lines:
    """A file's lines, each of which goes into the digest when it is taken; the end reads as an empty line."""

    def __init__(self, lines: Iterator[bytes], digest: Any) -> None:
        self._lines, self._digest = lines, digest

    def next(self) -> bytes:
        line = next(self._lines, b"")
        self._digest.update(line)
        return line


def _line(said: dict[str, Any]) -> bytes:
    return json.dumps(said, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
