"""The audit trail over HTTP, for tokens that may audit: searching it, one entry, proof of an entry."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import Query

from carecircle.api.v1.audit_seeking import Seeking
from carecircle.api.v1.door import Auditing, routes
from carecircle.api.v1.shapes import AN_ID, ANOTHER_ID, Answer, Id, Moment, OwnId, Text, example
from carecircle.audit import proof_service, reading_service
from carecircle.audit.search import DEFAULT_LIMIT, Cursor, shown

router = routes("audit")
LARGEST_PAGE = 1000

ENTRY: dict[str, Any] = {
    "organization_id": AN_ID, "id": ANOTHER_ID, "recorded_at": "2026-01-31T08:00:00.123456+00:00", "kind": "decision",
    "actor": "service:ehr", "on_behalf_of": None, "address": "10.0.0.7", "provider_id": AN_ID, "patient_id": ANOTHER_ID,
    "action": "read", "purpose": "TREAT", "allowed": True, "code": "allowed", "as_of": "2026-01-31T08:00:00.123456+00:00",
    "believed_at": None, "basis_kinds": ["primary"], "basis_ids": [AN_ID], "basis_under": [None], "basis_via": [None],
    "basis_ends": ["infinity"], "policy_version": 1, "request_id": "r-1", "detail": None, "writer_id": AN_ID,
    "writer_turn": 7, "mark": "\\x0123456789abcdef", "xid": "4711", "snapshot": "4711:4711:",
}  # fmt: skip
LEAF = {"epoch": 1, "index": 41, "hash": "9f" * 32}


class Entry(Answer):
    """An entry, field by field as docs/reference/audit-entry.md says; ids in 26 characters, `detail` JSON as text."""

    model_config = example(**ENTRY)
    organization_id: Id
    id: Id
    recorded_at: Moment
    kind: str
    actor: str
    on_behalf_of: str | None
    address: str | None
    provider_id: Id | None
    patient_id: Id | None
    action: str | None
    purpose: str | None
    allowed: bool | None
    code: str
    as_of: Moment | None
    believed_at: Moment | None
    basis_kinds: list[str] | None
    basis_ids: list[Id | None] | None
    basis_under: list[Id | None] | None
    basis_via: list[Id | None] | None
    basis_ends: list[str] | None
    policy_version: int | None
    request_id: str | None
    detail: str | None
    writer_id: Id | None
    writer_turn: int | None
    mark: str | None
    xid: str
    snapshot: str


class Entries(Answer):
    """A page, the newest first; `next` is where the following one begins (`after`), null where there is none."""

    model_config = example(entries=[ENTRY], next=None)
    entries: list[Entry]
    next: str | None


class Leaf(Answer):
    """Where an entry stands in the tree; the hash in hexadecimal digits."""

    model_config = example(**LEAF)
    epoch: int
    index: int
    hash: str


class OneEntry(Answer):
    """An entry, the bytes that are under its hash (`line`, in UTF-8), and its leaf; null before it is sealed."""

    model_config = example(entry=ENTRY, line="{…}", leaf=LEAF)
    entry: Entry
    line: str
    leaf: Leaf | None


class Proof(Answer):
    """That an entry is in the tree of a signed checkpoint: `proof` is a tlog-proof of C2SP, about the bytes of `line`."""

    model_config = example(line="{…}", proof="c2sp.org/tlog-proof@v1\nindex 41\n…")
    line: str
    proof: str


@router.get("/audit/entries")
async def search_audit(
    door: Auditing,
    sought: Seeking,
    limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE)] = DEFAULT_LIMIT,
    after: Text | None = None,
) -> Entries:
    """Entries that fit everything said, the newest first. That they were read is recorded."""
    place = None if after is None else Cursor.read(after)
    async with door.read() as db:
        wanted = await sought.meant(db, door.caller.organization_id)
        page = await reading_service.search(db, wanted, auditor=door.circle.auditor, limit=limit, after=place)
    return Entries(
        entries=[Entry(**shown(one)) for one in page.entries], next=page.following.text() if page.following else None
    )


@router.get("/audit/entries/{entry}")
async def get_audit_entry(door: Auditing, entry: OwnId) -> OneEntry:
    """One entry and its place in the tree. That it was read is recorded."""
    async with door.read() as db:
        line, place = await reading_service.one(db, entry, auditor=door.circle.auditor)
    leaf = None if place is None else Leaf(epoch=place.epoch, index=place.leaf_index, hash=place.leaf_hash.hex())
    return OneEntry(entry=Entry(**shown(json.loads(line))), line=line, leaf=leaf)


@router.get("/audit/entries/{entry}/proof")
async def prove_audit_entry(door: Auditing, entry: OwnId) -> Proof:
    """The proof that an entry is in the tree, under the newest checkpoint. That it was read is recorded."""
    async with door.read() as db:
        proof = await proof_service.prove(db, entry, auditor=door.circle.auditor)
    return Proof(line=proof.line, proof=proof.text)
