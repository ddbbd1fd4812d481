"""A copy of a database to tamper with: what its trail is, what a tamper touched, and what all tampers do to rows."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from carecircle.audit.canonical import LINE
from carecircle.audit.facts_service import EDITED, FACTS, MADE_ONCE
from carecircle.audit.merkle import Nodes
from carecircle.audit.sealing_key import NAME, SealingKey
from carecircle.audit.verify import format_body, leaf_hash

E, L, C, N = (f"carecircle.audit_{name}" for name in ("events", "leaves", "checkpoints", "nodes"))


@dataclass(frozen=True)
class Place:
    """An entry and where its leaf is, or will be once it is sealed."""

    index: int
    id: UUID
    recorded_at: datetime
    kind: str
    writer: UUID
    turn: int
    last_of_writer: bool


@dataclass(frozen=True)
class Touched:
    """What a tamper touched. `entry` at `first`, or leaves from `first` to `last`; `row` of a table of facts; or no entry.

    `exact`: the first bad entry that is named must be this one, not a range around it.
    """

    first: int | None = None
    entry: UUID | None = None
    row: tuple[str, UUID] | None = None
    exact: bool = True
    gone: bool = False
    """Whether the entry is not there any more: it was taken away between the leaf before `first` and that one."""
    quiet: bool = False
    """Whether nothing but a witness can tell."""
    until: int | None = None
    """Where the first bad entry may stand at the latest, when nobody can say of any from `first` on that it is good."""
    twin: UUID | None = None
    """An entry that now says the same as the one touched, so that nobody can tell which of the two was."""


@dataclass
class Trial:
    """A copy to tamper with: a superuser's connection, and what the trail is."""

    root: asyncpg.Connection
    app: asyncpg.Connection
    organization: UUID
    chance: random.Random
    key: SealingKey
    sealed: Sequence[Place]
    waiting: Sequence[Place]
    sizes: Sequence[int]
    closed_until: int
    """The leaves up to here tell of facts that ended; a fact that is opened again shows that they were cut off."""

    def place(self) -> Place:
        return self.chance.choice(self.sealed)

    def waits(self, *kinds: str, followed: bool = False) -> Place:
        """An entry that waits for its seal; `followed` by another of its writer."""
        return self.chance.choice(
            [one for one in self.waiting if (not kinds or one.kind in kinds) and not (followed and one.last_of_writer)]
        )

    def stranger(self) -> SealingKey:
        """A key that nobody trusts."""
        return SealingKey(NAME, Ed25519PrivateKey.from_private_bytes(self.chance.randbytes(32)))

    async def run(self, sql: str, *values: Any) -> None:
        """A statement in which $1 is the organization. It must touch something."""
        done = await self.root.execute(sql, self.organization, *values)
        assert not done.endswith(" 0"), sql

    async def put(self, like: Place, **said: Any) -> UUID:
        """A row like another, in a transaction of its own, which says so unless told otherwise; its id."""
        async with self.root.transaction():
            own = await self.root.fetchrow(
                "select pg_current_xact_id()::text as xid, pg_current_snapshot()::text as snapshot,"
                " statement_timestamp()::text as recorded_at"
            )
            assert own is not None
            said = {**own, "id": uuid4(), "writer_id": uuid4(), "writer_turn": 1, **said}
            await self.run(
                f"insert into {E} select (jsonb_populate_record(e, $3::jsonb)).* from {E} e"
                " where organization_id = $1 and id = $2",
                like.id, json.dumps(said, default=str),
            )  # fmt: skip
        return UUID(str(said["id"]))

    async def rebuilt(self) -> dict[int, bytes]:
        """Complete subtrees written anew as the leaves are; the root of every size."""
        rows = await self.root.fetch(
            f"select leaf_hash from {L} where organization_id = $1 order by leaf_index", self.organization
        )
        tree, nodes, roots = Nodes(), list[tuple[int, int, bytes]](), dict[int, bytes]()
        for (one,) in rows:
            nodes += tree.append(one)
            roots[tree.size] = tree.root()
        await self.root.execute(f"delete from {N} where organization_id = $1", self.organization)
        await self.root.executemany(
            f"insert into {N} values ($1, 1, $2, $3, $4)", [(self.organization, *node) for node in nodes]
        )
        return roots

    async def sign(self, key: SealingKey, size: int, root: bytes, *, stored: int | None = None) -> None:
        """Write a checkpoint anew, or turn the one that is `stored` into one of another size."""
        old = stored or size
        at = await self.root.fetchval(
            f"select signed_at from {C} where organization_id = $1 and tree_size = $2", self.organization, old
        )
        await self.run(
            f"update {C} set tree_size = $3, root_hash = $4, note = $5 where organization_id = $1 and tree_size = $2",
            old, size, root, key.sign(format_body(self.organization, 1, size, root, at)),
        )  # fmt: skip

    async def xid(self, one: Place) -> str:
        found: str = await self.root.fetchval(
            f"select xid::text from {E} where organization_id = $1 and id = $2", self.organization, one.id
        )
        return found

    async def leaf(self, index: int, own: UUID) -> None:
        line = await self.line(own)
        await self.run(
            f"insert into {L} select $1, 1, $3, $2, recorded_at, $4 from {E} where organization_id = $1 and id = $2",
            own, index, leaf_hash(line.encode()),
        )  # fmt: skip

    async def rewrite(self, one: Place) -> None:
        await self.run(
            f"update {E} set patient_id = gen_random_uuid(), allowed = not allowed where organization_id = $1 and id = $2",
            one.id,
        )
        line = await self.line(one.id)
        await self.run(f"update {L} set leaf_hash = $3 where organization_id = $1 and entry_id = $2",
                    one.id, leaf_hash(line.encode()))  # fmt: skip

    async def line(self, own: UUID) -> str:
        line: str = await self.root.fetchval(
            f"select {LINE} from {E} e where organization_id = $1 and id = $2", self.organization, own
        )
        return line

    async def cut(self, size: int) -> None:
        """Entries, leaves and subtrees from there on, and every fact that those entries made."""
        gone = [one.id for one in self.sealed[size:]]
        for table in (*FACTS, *MADE_ONCE, *EDITED):
            await self.root.execute(
                f"delete from carecircle.{table} where organization_id = $1 and entry_id = any ($2)",
                self.organization,
                gone,
            )
        await self.run(f"delete from {E} where organization_id = $1 and id = any ($2)", gone)
        await self.run(f"delete from {L} where organization_id = $1 and leaf_index >= $2", size)
        await self.root.execute(
            f"delete from {N} where organization_id = $1 and (node_index + 1) * 256 ^ level > $2",
            self.organization,
            size,
        )
