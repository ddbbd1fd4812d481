"""A recorded answer, the same question answered again, and where the two differ: values only, no database, no clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import zip_longest
from typing import Literal, NamedTuple
from uuid import UUID

from carecircle.identifiers import to_text
from carecircle.period import FOREVER, show

Knowing = Literal["snapshot", "clocks"]
REPLAYED = ("decision", "listing")
"""The kinds of entry that are answers; there is nothing to replay in others."""


class Proof(NamedTuple):
    """One line of what a decision rested on: a basis, or (its kind and row only) a restriction. Shown like the entry's."""

    kind: str
    id: UUID
    under_id: UUID | None
    via_id: UUID | None
    ends_at: datetime | None


@dataclass(frozen=True, slots=True)
class Recorded:
    """An entry as it is on record. `listed`, `count` and `digest` are a list's; `marked` says that it was told its policy."""

    organization_id: UUID
    id: UUID
    recorded_at: datetime
    kind: str
    actor: str
    on_behalf_of: str | None
    address: str | None
    provider_id: UUID | None
    patient_id: UUID | None
    action: str | None
    purpose: str | None
    allowed: bool | None
    code: str
    as_of: datetime
    believed_at: datetime | None
    proofs: tuple[Proof, ...]
    policy_version: int | None
    request_id: str | None
    detail: str | None
    listed: Literal["patients", "providers"] | None
    count: int | None
    digest: str | None
    marked: bool
    xid: str
    snapshot: str


@dataclass(frozen=True, slots=True)
class Known:
    """What the replay may know: by the entry's snapshot or by both clocks, and whether the two people were registered.

    `why` is a code for why it is not the snapshot: `restored` (another cluster wrote the entry), or `rewritten` (the row is
    not the one that its transaction wrote, and no checkpoint says where that was).
    """

    by: Knowing
    provider: bool
    patient: bool
    why: str | None = None


class Difference(NamedTuple):
    """Something that the entry says and the replay does not say, or the other way round; both as text."""

    what: str
    recorded: str
    replayed: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered when asked again; the last two of a list only."""

    allowed: bool
    code: str
    proofs: tuple[Proof, ...]
    policy_version: int | None
    count: int | None = None
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class Replay:
    """A recorded answer beside the same question asked again. It has no truth value of its own: read `same`."""

    entry: Recorded
    known: Known
    answer: Answer
    differences: tuple[Difference, ...]

    @property
    def same(self) -> bool:
        return not self.differences


def proofs(
    kinds: Sequence[str] | None,
    ids: Sequence[UUID] | None,
    under: Sequence[UUID | None] | None,
    via: Sequence[UUID | None] | None,
    ends: Sequence[datetime] | None,
) -> tuple[Proof, ...]:
    """The five columns of an entry as rows; entries of earlier revisions have fewer columns, restrictions only two."""
    aware = [FOREVER if end.tzinfo is None else end for end in ends or ()]
    return tuple(Proof(*row) for row in zip_longest(kinds or (), ids or (), under or (), via or (), aware))


def compared(entry: Recorded, answer: Answer) -> list[Difference]:
    found = []

    def compare(what: str, recorded: object, replayed: object) -> None:
        if recorded != replayed:
            found.append(Difference(what, _text(recorded), _text(replayed)))

    compare("allowed", entry.allowed, answer.allowed)
    compare("code", entry.code, answer.code)
    for recorded, replayed in zip_longest(_apart(entry.proofs, answer.proofs), _apart(answer.proofs, entry.proofs)):
        compare("basis", recorded, replayed)
    if entry.kind == "listing":
        compare("count", entry.count, answer.count)
        compare("digest", entry.digest, answer.digest)
    if entry.marked:
        compare("policy version", entry.policy_version, answer.policy_version)
    return found


def _apart(those: Sequence[Proof], others: Sequence[Proof]) -> list[Proof]:
    """What `others` do not say too, in an order: nobody promised the one in which they were recorded."""
    left = list(others)
    apart = []
    for one in those:
        if one in left:
            left.remove(one)
        else:
            apart.append(one)
    return sorted(apart, key=lambda one: (one.kind, one.id.hex if one.id else ""))


def _text(value: object) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case Proof():
            told = [value.kind.replace("_", " "), f"row {to_text(value.id)}" if value.id else "no row"]
            told += [f"under it {to_text(value.under_id)}"] if value.under_id else []
            told += [f"by way of {to_text(value.via_id)}"] if value.via_id else []
            told += [f"ends {show(value.ends_at)}"] if value.ends_at else []
            return ", ".join(told)
    return str(value)
