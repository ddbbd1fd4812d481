"""Proof that every committed entry is sealed exactly once, in order, whatever its writers do and whenever the sealer dies.

`workload` writes as 24 sessions do, some slow, some rolled back; `killed` runs `carecircle worker --only sealing` and kills
it at random; `judge` compares every leaf and root with what is recomputed from the entries. Positive control: a reader whose
cursor is the id alone, beside them, loses entries. `sealing(seconds)` is the whole on a PostgreSQL of its own.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg

from carecircle.audit.canonical import LINE, UTC_SESSION
from carecircle.audit.entry import content_of
from carecircle.audit.sealing_key import SealingKey
from carecircle.audit.verify import Checkpoint, Frontier, leaf_hash
from carecircle.database.crypto import Keyring
from carecircle.database.reach import Reach, dsn
from carecircle.identifiers import new_ids
from proofs.emergency_site import site

WRITERS, SLOW, FAILING = 24, 0.05, 0.05
SLOW_SECONDS = 0.3
QUIET_SECONDS = 20.0
WRITE = """
  insert into carecircle.audit_events (organization_id, id, kind, actor, code, detail, mark)
  select $1, id, kind, 'writer', 'written', null, mark from unnest($2::uuid[], $3::text[], $4::bytea[]) u (id, kind, mark)"""
LEAVES = f"""
  select l.leaf_index, l.entry_id, l.leaf_hash, l.epoch, l.recorded_at, e.xid::text::bigint as xid, {LINE} as line
  from carecircle.audit_leaves l
  left join carecircle.audit_events e using (organization_id, recorded_at)
  where l.organization_id = $1 and (e.id is null or e.id = l.entry_id) order by l.epoch, l.leaf_index"""


@dataclass
class Written:
    """What writers committed, by organization; and what a cursor by the id alone saw of it."""

    entries: dict[UUID, set[UUID]] = field(default_factory=dict)
    rolled_back: set[UUID] = field(default_factory=set)
    seen_by_id: set[UUID] = field(default_factory=set)

    @property
    def all(self) -> set[UUID]:
        return set().union(*self.entries.values())


async def make_organizations(at: Reach, count: int) -> list[UUID]:
    """Organizations without anything in them."""
    ids = new_ids(count)
    connection = await asyncpg.connect(dsn(at.admin))
    try:
        for one in ids:
            await connection.execute(
                "insert into carecircle.organizations (id, slug, name) values ($1, $2, 'Proof')", one, f"w{one.hex}"
            )
    finally:
        await connection.close()
    return ids


async def workload(
    at: Reach, keys: Keyring, organizations: Sequence[UUID], seconds: float, *, writers: int = WRITERS, chance: int = 1
) -> Written:
    """Write for a while, and read beside it with a cursor that is the id."""
    written = Written({one: set() for one in organizations})
    stop = asyncio.Event()
    reading = asyncio.create_task(_read_by_id(at, written, stop))
    tasks = [
        asyncio.create_task(_write(at, keys, written, random.Random(f"{chance}/{number}"), stop))
        for number in range(writers)
    ]
    await asyncio.sleep(seconds)
    stop.set()
    await asyncio.gather(*tasks, reading)
    return written


async def _write(at: Reach, keys: Keyring, written: Written, chance: random.Random, stop: asyncio.Event) -> None:
    connection = await asyncpg.connect(at.dsn("app"))
    try:
        await connection.execute(
            "set synchronous_commit = off"
        )  # how soon a commit is durable is not what is asked here
        while not stop.is_set():
            organization = chance.choice(list(written.entries))
            ids = new_ids(chance.randint(1, 3))
            transaction = connection.transaction()
            await transaction.start()
            await connection.execute("select set_config('carecircle.organization_id', $1, true)", str(organization))
            await write_entries(connection, keys, organization, ids, chance.choice(("decision", "change")))
            if chance.random() < SLOW:
                await asyncio.sleep(SLOW_SECONDS)
                ids += (late := new_ids(1))
                await write_entries(connection, keys, organization, late, "change")
            if chance.random() < FAILING:
                await transaction.rollback()
                written.rolled_back |= set(ids)
            else:
                await transaction.commit()
                written.entries[organization] |= set(ids)
            await asyncio.sleep(chance.random() * 0.02)
    finally:
        await connection.close()


async def write_entries(
    connection: asyncpg.Connection, keys: Keyring, organization: UUID, ids: Sequence[UUID], kind: str
) -> None:
    """Entries as their writers leave them, in the transaction that runs, under the marks of these keys."""
    if kind == "decision":
        marks = keys.marks([(organization, one) for one in ids])
    else:
        said = (kind, "writer", None, None, None, None, None, "written", None)
        marks = [keys.mark(content_of(organization, one, *said)) for one in ids]
    await connection.execute(WRITE, organization, list(ids), [kind] * len(ids), marks)


async def _read_by_id(at: Reach, written: Written, stop: asyncio.Event) -> None:
    connection = await asyncpg.connect(dsn(at.admin))
    last = dict.fromkeys(written.entries, UUID(int=0))
    try:
        while True:
            ending = stop.is_set()
            for organization, cursor in last.items():
                rows = await connection.fetch(
                    "select id from carecircle.audit_events where organization_id = $1 and id > $2 order by id",
                    organization, cursor,
                )  # fmt: skip
                written.seen_by_id |= {row["id"] for row in rows}
                last[organization] = rows[-1]["id"] if rows else cursor
            if ending:
                return
            await asyncio.sleep(0.1)
    finally:
        await connection.close()


class Sealing:
    """`carecircle worker --only sealing` as a process, killed and started again."""

    def __init__(self, home: Path, at: Reach, log: Path, more: Mapping[str, str] | None = None) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("CARECIRCLE_", "PG"))}
        own = {"CARECIRCLE_HOME": str(home), "CARECIRCLE_DATABASE_URL": dsn(at.admin)}
        self._environment = {**kept, **own, **(more or {})}
        self._log = log
        self.kills = 0
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-c", "from carecircle.cli.main import run; run()", "worker", "--only", "sealing"]
        with self._log.open("ab") as out:
            self.process = subprocess.Popen(command, env=self._environment, stdout=out, stderr=out)

    def end(self, how: signal.Signals = signal.SIGKILL) -> None:
        """End it, and wait until it is gone."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(30)
            self.process = None


@asynccontextmanager
async def killed(sealing: Sealing, chance: random.Random, between: tuple[float, float]) -> AsyncIterator[None]:
    """A sealer that is killed after so many seconds, again and again, as long as the block; afterwards it runs on."""

    async def kill() -> None:
        while True:
            await asyncio.sleep(chance.uniform(*between))
            sealing.end()
            sealing.kills += 1
            sealing.start()

    sealing.start()
    killing = asyncio.create_task(kill())
    try:
        yield
    finally:
        killing.cancel()
        with suppress(asyncio.CancelledError):
            await killing


async def sealed_up(at: Reach, written: Written, seconds: float = QUIET_SECONDS) -> bool:
    """Wait until as many entries have a leaf as were committed; whether they came to."""
    connection = await asyncpg.connect(dsn(at.admin))
    count = "select count(*) from carecircle.audit_leaves where organization_id = any ($1::uuid[])"
    try:
        for _ in range(int(seconds / 0.1)):
            if await connection.fetchval(count, list(written.entries)) >= len(written.all):
                return True
            await asyncio.sleep(0.1)
        return False
    finally:
        await connection.close()


async def judge(at: Reach, written: Written, key: SealingKey) -> list[str]:
    """What does not hold of the trees of these organizations."""
    broken: list[str] = []
    connection = await asyncpg.connect(dsn(at.admin))
    try:
        await connection.execute(UTC_SESSION)
        for organization, entries in written.entries.items():
            leaves = await connection.fetch(LEAVES, organization)
            checkpoints = await connection.fetch(
                "select * from carecircle.audit_checkpoints where organization_id = $1 order by epoch, tree_size",
                organization,
            )
            broken += [f"{organization}: {one}" for one in _judged(leaves, checkpoints, entries, key)]
    finally:
        await connection.close()
    return broken


def _judged(leaves: Sequence[Any], checkpoints: Sequence[Any], entries: set[UUID], key: SealingKey) -> list[str]:
    broken = []
    ids = [row["entry_id"] for row in leaves]
    if [row["leaf_index"] for row in leaves] != list(range(len(leaves))) or {row["epoch"] for row in leaves} - {1}:
        broken.append("the leaves are not 0, 1, 2, … of one epoch")
    if missed := entries - set(ids):
        broken.append(f"{len(missed)} committed entries have no leaf")
    if added := set(ids) - entries:
        broken.append(f"{len(added)} leaves are of nothing that was committed")
    if len(ids) != len(set(ids)):
        broken.append("an entry has two leaves")
    if (places := [(row["xid"], row["entry_id"]) for row in leaves]) != sorted(places):
        broken.append("the leaves are not in the order (xid, id)")
    if any(leaf_hash(row["line"].encode()) != row["leaf_hash"] for row in leaves):
        broken.append("a leaf is not the hash of its entry")
    return broken + _roots_judged([row["leaf_hash"] for row in leaves], checkpoints, key)


def _roots_judged(hashes: Sequence[bytes], checkpoints: Sequence[Any], key: SealingKey) -> list[str]:
    broken = []
    edge, roots = Frontier(), {}
    for one in hashes:
        edge.append(one)
        roots[edge.size] = edge.root()
    for row in checkpoints:
        note, size = Checkpoint.parse(row["note"]), row["tree_size"]
        if not key.signed(note) or (note.size, note.root) != (size, row["root_hash"]):
            broken.append(f"the checkpoint of {size} is not signed for what it says")
        if roots.get(size) != row["root_hash"]:
            broken.append(f"the root of {size} is not that of the leaves")
    newest = [(row["tree_size"], row["root_hash"]) for row in checkpoints[-3:]]
    broken += [f"the root of {size} is not RFC 6962's" for size, root in newest if naive_root(hashes[:size]) != root]
    if hashes and (not newest or newest[-1][0] != len(hashes)):
        broken.append("the newest checkpoint is not of all leaves")
    return broken


def naive_root(hashes: Sequence[bytes]) -> bytes:
    """The root as RFC 6962 defines it, word for word."""
    if len(hashes) < 2:
        return hashes[0] if hashes else sha256(b"").digest()
    left = 1 << (len(hashes) - 1).bit_length() - 1
    return sha256(b"\1" + naive_root(hashes[:left]) + naive_root(hashes[left:])).digest()


async def lags(at: Reach, organizations: Sequence[UUID], since: datetime | None = None) -> list[float]:
    """Seconds from each entry's recording to the checkpoint that first covers it, in rising order."""
    connection = await asyncpg.connect(dsn(at.admin))
    try:
        rows = await connection.fetch(
            """select extract(epoch from c.signed_at - l.recorded_at)::float8 as lag
               from carecircle.audit_leaves l cross join lateral (
                 select signed_at from carecircle.audit_checkpoints c
                 where (c.organization_id, c.epoch) = (l.organization_id, l.epoch) and c.tree_size > l.leaf_index
                 order by c.tree_size limit 1) c
               where l.organization_id = any ($1::uuid[]) and ($2::timestamptz is null or l.recorded_at > $2) order by 1""",
            list(organizations), since,
        )  # fmt: skip
    finally:
        await connection.close()
    return [row["lag"] for row in rows]


def sealing(seconds: float = 60.0, organizations: int = 5) -> list[str]:
    """The claims that did not hold: first with kills, then without, where the lag is measured. Prints figures."""
    with site() as own, tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_sealing(own.home, own.at, Path(folder) / "log", seconds, organizations))


async def _sealing(home: Path, at: Reach, log: Path, seconds: float, count: int) -> list[str]:
    keys, process = Keyring.open(home), Sealing(home, at, log)
    broken: list[str] = []
    try:
        organizations = await make_organizations(at, count)
        async with killed(process, random.Random(6), (1.0, 3.0)):
            written = await workload(at, keys, organizations, seconds / 2)
        broken += await _told(home, at, written, f"sealer killed {process.kills} times")
        organizations = await make_organizations(at, count)
        written = await workload(at, keys, organizations, seconds / 2, chance=2)
        broken += await _told(home, at, written, "sealer left alone")
        found = await lags(at, organizations)
        p99 = found[int(len(found) * 0.99)]
        print(
            f"sealing: lag p50 {found[len(found) // 2]:.2f} s, p99 {p99:.2f} s, longest {found[-1]:.2f} s", flush=True
        )
        if p99 >= 2.0:
            broken.append(f"sealing: the 99th of the lags is {p99:.2f} s")
    finally:
        process.end()
    return broken


async def _told(home: Path, at: Reach, written: Written, how: str) -> list[str]:
    done = await sealed_up(at, written)
    lost = len(written.all - written.seen_by_id)
    print(
        f"sealing: {len(written.all)} committed, {len(written.rolled_back)} rolled back, {how};"
        f" a cursor by the id alone lost {lost}", flush=True,
    )  # fmt: skip
    broken = await judge(at, written, SealingKey.open(home))
    if not done:
        broken.append(f"sealing: not all was sealed {QUIET_SECONDS:.0f} seconds after the last entry")
    if not lost:
        broken.append("sealing: the control found nothing: a cursor by the id alone lost no entry")
    return broken
