"""The proof of a single entry, made of the stored tree: that it is among the leaves of a signed checkpoint."""

from __future__ import annotations

import json
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from carecircle.actor import Actor, actor_of, organization_of
from carecircle.audit import merkle
from carecircle.audit.canonical import LINE
from carecircle.audit.export_service import snapshot
from carecircle.audit.reading_service import record
from carecircle.audit.search import Filter
from carecircle.audit.tlog_proof import TlogProof
from carecircle.audit.verify import ALTERED, UNMARKED, Checkpoint, leaf_hash, root_of_inclusion
from carecircle.errors.audit import EntryNotFound, NotAsSealed, NotSealedYet
from carecircle.identifiers import to_text

_ENTRY = f"""
    select {LINE} from carecircle.audit_events e
    where e.organization_id = $1 and e.id = $2 order by e.recorded_at = $3 desc, e.xid limit 1"""
_LEAF = """
    select l.epoch, l.leaf_index, l.leaf_hash, l.recorded_at, c.note
    from carecircle.audit_leaves l
    left join lateral (
      select c.note from carecircle.audit_checkpoints c
      where c.organization_id = l.organization_id and c.epoch = l.epoch and c.tree_size > l.leaf_index
      order by c.tree_size desc limit 1) c on true
    where l.organization_id = $1 and l.entry_id = $2"""
_LEAVES = """
    select leaf_index as index, leaf_hash as hash from carecircle.audit_leaves
    where organization_id = $1 and epoch = $2 and $3 = 0 and leaf_index >= $4 and leaf_index < $5"""
_NODES = """
    select node_index as index, node_hash as hash from carecircle.audit_nodes
    where organization_id = $1 and epoch = $2 and level = $3 and node_index >= $4 and node_index < $5"""


@dataclass(frozen=True, slots=True)
class Proof:
    """An entry's line and the text of its proof (C2SP tlog-proof), which needs nothing else to be checked but a key."""

    line: str
    text: str


async def prove(
    db: AsyncSession,
    entry_id: UUID,
    *,
    auditor: AsyncEngine,
    bare: bool = False,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> Proof:
    """The proof of an entry under the newest checkpoint of its epoch; a `bare` one does not bring the entry's own bytes.

    `db` is a session of the app's role, and holds the entry that says who wanted it: commit it before anybody sees the proof.
    Raises EntryNotFound, NotSealedYet, NotAsSealed where it is not the entry that was sealed, and DatabaseUnavailable.
    """
    tenant, who = organization_of(organization), actor_of(actor)
    own = UUID(bytes=entry_id.bytes)
    async with snapshot(auditor, tenant) as connection:
        leaf = await connection.fetchrow(_LEAF, tenant, own)
        line: str | None = await connection.fetchval(_ENTRY, tenant, own, leaf and leaf["recorded_at"])
        if line is None:
            raise EntryNotFound
        if leaf is None or leaf["note"] is None:
            raise NotSealedYet
        checkpoint, index = Checkpoint.parse(leaf["note"]), leaf["leaf_index"]
        stored: dict[tuple[int, int], bytes] = {}
        for level, first, length in merkle.needed(index, checkpoint.size):
            query = _NODES if level else _LEAVES
            found = await connection.fetch(query, tenant, leaf["epoch"], level, first, first + length)
            stored |= {(level, row["index"]): row["hash"] for row in found}
    sealed = _sealed(line.encode(), leaf["leaf_hash"])
    try:
        path = tuple(merkle.path(index, checkpoint.size, stored))
    except KeyError:
        raise NotAsSealed("A part of the stored tree is missing; run: carecircle audit verify.") from None
    if root_of_inclusion(leaf["leaf_hash"], index, checkpoint.size, path) != checkpoint.root:
        raise NotAsSealed("The stored tree is not the one that was signed; run: carecircle audit verify.")
    about = json.loads(line)
    patient, provider = (None if about[name] is None else UUID(about[name]) for name in ("patient_id", "provider_id"))
    seen = Filter(provider_id=provider, patient_ids=(patient,) if patient else None)
    await record(db, "audit-entry-proved", seen, organization=tenant, actor=who, entry=to_text(own))
    return Proof(line, TlogProof(index, path, checkpoint, None if bare else sealed).text())


def _sealed(line: bytes, claimed: bytes) -> bytes:
    """The bytes that were sealed: the line's, or those after the word that was put before them. Raises NotAsSealed."""
    for word in (b"", UNMARKED, ALTERED):
        if leaf_hash(word + line) == claimed:
            return word + line
    raise NotAsSealed
