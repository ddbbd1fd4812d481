"""The sealer's side of the database: one transaction per pass, in which it alone reads what is fresh and writes the tree."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from carecircle.audit import sealing_tables as sql
from carecircle.audit.merkle import Nodes
from carecircle.database.constraints import DRIVER_ERRORS, translate
from carecircle.database.reach import Reach
from carecircle.database.revision import require_head
from carecircle.database.roles import check_role, open_connection

SEALED_ONCE = "entry_sealed_once"


@dataclass(frozen=True, slots=True)
class Head:
    """The newest checkpoint of an organization, as the database has it."""

    organization: UUID
    epoch: int
    size: int
    root: bytes
    last_xid: int
    last_entry: UUID
    system: int
    note: str


@dataclass(frozen=True, slots=True)
class Entries:
    """What a pass seals of one organization, in the order of the leaves; the lists are of one length, but for `told`.

    `looks` says how each is looked at (sealing_tables), `told` what the writers of those told whose mark vouches for it.
    """

    ids: Sequence[UUID] = ()
    instants: Sequence[datetime] = ()
    marks: Sequence[bytes | None] = ()
    hashes: Sequence[bytes] = ()
    looks: Sequence[int] = ()
    told: Sequence[Sequence[str | None]] = ()
    last_xid: int = 0

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Entries:
        if not row["taken"]:
            return cls()
        return cls(
            row["ids"], row["instants"], row["marks"], row["hashes"], row["looks"], row["told"] or (), int(row["last_xid"])
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fresh:
    """One organization in one snapshot: its head, what is fresh, and since when something waits that cannot be sealed yet.

    `foreign`: the head was made in another cluster, whose transactions mean nothing here.
    """

    organization: UUID
    head: Head | None
    entries: Entries
    waits_since: datetime | None
    foreign: bool
    xmin: int
    xmax: int
    now: datetime


@dataclass(frozen=True, slots=True)
class Sealed:
    """A checkpoint that is to be written, with the leaves from `start` on and the subtrees (level, index, hash) they complete.

    `doubts`: entries sealed with what is wrong (ALTERED or TOLD) before their bytes, in the order of the leaves.
    """

    head: Head
    xmax: int
    signed_at: datetime
    start: int = 0
    entries: Entries = Entries()
    hashes: Sequence[bytes] = ()
    nodes: Sequence[tuple[int, int, bytes]] = ()
    doubts: Mapping[UUID, int] = field(default_factory=dict)


class SealingDatabase:
    """The sealer's own connection."""

    def __init__(self, connection: asyncpg.Connection, system: int) -> None:
        """Use `sealing`."""
        self.system = system
        self._connection = connection
        self._told = 0
        connection.add_log_listener(self._hear)

    def _hear(self, _: object, message: asyncpg.PostgresLogMessage) -> None:
        if message.severity_en != "NOTICE":
            self._told += 1

    @asynccontextmanager
    async def leading(self) -> AsyncIterator[Leading | None]:
        """One transaction as the only sealer; None while another is at it.

        Afterwards `Leading.flushed` says whether the commit was waited for as the database is set up to.
        """
        leading = None
        transaction = self._connection.transaction()
        await transaction.start()
        try:
            if await self._connection.fetchval(sql.LEAD):
                leading = Leading(self._connection, self.system)
            yield leading
        except BaseException:
            if not self._connection.is_closed():
                await transaction.rollback()
            raise
        before = self._told
        await transaction.commit()
        await asyncio.sleep(0)  # what was told with the commit is heard in the loop's next turn
        if leading is not None:
            # A cancelled wait for the standby is a warning: committed here, and perhaps nowhere else.
            leading.flushed = self._told == before

    async def flush(self) -> bool:
        """Whether all that is committed until now is flushed wherever a commit waits for that."""
        before = self._told
        await self._connection.execute(sql.TELL)
        await asyncio.sleep(0)
        return self._told == before

    async def behind(self) -> list[tuple[UUID, int, UUID]]:
        """Organizations with entries behind their cursor that have no leaf: how many, and the first."""
        return _counted(await self._connection.fetch(sql.BEHIND, self.system))

    async def impossible(self) -> list[tuple[UUID, int, UUID]]:
        """Organizations with entries that say a time at which nothing can have been recorded: how many, and the first."""
        return _counted(await self._connection.fetch(sql.IMPOSSIBLE))


class Leading:
    """A transaction of the one sealer that leads."""

    def __init__(self, connection: asyncpg.Connection, system: int) -> None:
        self.flushed = False
        self._connection = connection
        self._system = system

    async def fresh(self, most: int, *, careful: bool, everything: bool, done: Mapping[UUID, int]) -> list[Fresh]:
        """What is fresh in every organization, at most `most` entries of each, all in one snapshot."""
        organizations, xids = list(done), [str(xid) for xid in done.values()]
        rows = await self._connection.fetch(
            sql.fresh(careful=careful), self._system, most, everything, organizations, xids
        )
        return [
            Fresh(
                row["organization_id"], _head(row), Entries.of(row), row["waits_since"], row["foreign_head"],
                row["xmin"], row["xmax"], row["now"],
            )
            for row in rows
        ]  # fmt: skip

    async def left_behind(self, organization: UUID, most: int) -> Fresh:
        """Entries without a leaf, wherever they came from, by the time they were recorded; `head` is not told."""
        row = await self._connection.fetchrow(sql.LEFT_BEHIND, organization, most)
        entries = Entries.of(row)
        return Fresh(organization, None, entries, None, True, row["xmin"], row["xmax"], row["now"])

    async def from_elsewhere(self, organization: UUID) -> bool:
        """Whether it has entries of transactions that this cluster has not come to."""
        return bool(await self._connection.fetchval(sql.FROM_ELSEWHERE, organization))

    async def organizations(self) -> list[UUID]:
        """All there are."""
        return [row["id"] for row in await self._connection.fetch(sql.ORGANIZATIONS)]

    async def sealed_as_they_are(self, organization: UUID, most: int) -> Entries:
        """The newest entries with a mark that were sealed as they are: what marks and mark's content tell of them."""
        return _marked(await self._connection.fetch(sql.PROVED, organization, most))

    async def marked(self, organization: UUID, at_once: int) -> AsyncIterator[Entries]:
        """All entries with a mark, sealed or not, so many at once, the newest first."""
        some: list[Mapping[str, Any]] = []
        async for row in self._connection.cursor(sql.MARKED, organization, prefetch=at_once):
            some.append(row)
            if len(some) >= at_once:
                yield _marked(some)
                some = []
        if some:
            yield _marked(some)

    async def prefixed(
        self, organization: UUID, wrong: Iterable[tuple[UUID, datetime, int]]
    ) -> dict[UUID, bytes]:  # fmt: skip
        """The leaf hashes of entries with what was wrong with them (ALTERED or TOLD) before their bytes."""
        ids, instants, looks = (list(one) for one in zip(*wrong, strict=True))
        rows = await self._connection.fetch(sql.PREFIXED, organization, ids, instants, looks)
        return {row["id"]: row["hash"] for row in rows}

    async def tree(self, organization: UUID, epoch: int, size: int) -> Nodes | None:
        """The stored tree, None where a part is missing. Its root tells whether it is the one that was signed."""
        tiles = {}
        for level, first, length in Nodes.needed(size):
            span = (first, first + length)
            if level:
                found = await self._connection.fetch(sql.NODES, organization, epoch, level, *span)
            else:
                found = await self._connection.fetch(sql.LEAVES, organization, epoch, *span)
            tiles[level] = [row[0] for row in found]
            if len(found) != length:
                return None
        return Nodes(size, tiles)

    async def root_at(self, organization: UUID, epoch: int, size: int) -> bytes | None:
        """The root of a checkpoint, or None where there is none of that size."""
        root: bytes | None = await self._connection.fetchval(sql.ROOT_AT, organization, epoch, size)
        return root

    async def write(self, sealed: Sequence[Sealed]) -> None:
        """Write leaves, complete subtrees and checkpoints. Raises asyncpg.UniqueViolationError for a leaf that is there."""
        leaves = [one for one in sealed if one.entries.ids]
        if leaves:
            await self._connection.execute(
                sql.SEAL,
                [one.head.organization for one in leaves for _ in one.hashes],
                [one.head.epoch for one in leaves for _ in one.hashes],
                [one.start + number for one in leaves for number in range(len(one.hashes))],
                [entry for one in leaves for entry in one.entries.ids],
                [instant for one in leaves for instant in one.entries.instants],
                [leaf for one in leaves for leaf in one.hashes],
            )
        nodes = [(one.head, node) for one in sealed for node in one.nodes]
        if nodes:
            rows = [(head.organization, head.epoch, *node) for head, node in nodes]
            await self._connection.execute(sql.KEEP_NODES, *(list(column) for column in zip(*rows, strict=True)))
        if sealed:
            heads = [
                (
                    one.head.organization, one.head.epoch, one.head.size, one.head.root, str(one.head.last_xid),
                    one.head.last_entry, str(one.xmax), one.head.system, one.signed_at, one.head.note,
                )
                for one in sealed
            ]  # fmt: skip
            await self._connection.execute(sql.KEEP_CHECKPOINTS, *(list(column) for column in zip(*heads, strict=True)))

    async def write_apart(self, sealed: Sequence[Sealed]) -> set[UUID]:
        """Write each organization's for itself; those in whose trees something stood already, of which nothing is written."""
        spoilt = set()
        for organization in dict.fromkeys(one.head.organization for one in sealed):
            try:
                async with self._connection.transaction():
                    await self.write([one for one in sealed if one.head.organization == organization])
            except asyncpg.UniqueViolationError:
                spoilt.add(organization)
        return spoilt


@asynccontextmanager
async def sealing(at: Reach) -> AsyncIterator[SealingDatabase]:
    """A connection of the sealer. Raises DatabaseUnavailable and its kinds, also for what fails within the block."""
    connection = await open_connection(at.dsn("sealer"))
    try:
        await require_head(connection)
        await check_role(connection)
        await connection.execute(sql.SESSION)
        yield SealingDatabase(connection, await connection.fetchval(sql.SYSTEM))
    except DRIVER_ERRORS as error:
        raise translate(error) from None
    finally:
        # The goodbye of a connection that is gone takes as long as the network does.
        connection.terminate()


def _counted(rows: Iterable[Mapping[str, Any]]) -> list[tuple[UUID, int, UUID]]:
    return [(row["organization_id"], row["entries"], UUID(row["first"])) for row in rows]


def _marked(rows: Sequence[Mapping[str, Any]]) -> Entries:
    return Entries(
        ids=[row["id"] for row in rows],
        marks=[row["mark"] for row in rows],
        looks=[row["look"] for row in rows],
        told=[row["told"] for row in rows if row["told"] is not None],
    )


def _head(row: Mapping[str, Any]) -> Head | None:
    if row["epoch"] is None:
        return None
    return Head(
        row["organization_id"], row["epoch"], row["tree_size"], row["root_hash"], row["head_xid"], row["last_entry_id"],
        row["system_id"], row["note"],
    )  # fmt: skip
