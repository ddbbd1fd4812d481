"""The trail that is tampered with, and the trials: `tampers(…)`, a part of `./dev prove audit`.

One organization is made through the application and sealed in many passes, with a witness. Every tamper goes to a fresh copy
of the database, which is verified as `carecircle audit verify` does: keys and witness pinned from before.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TextIO
from uuid import UUID, uuid4

import asyncpg

from carecircle import Settings, assemble
from carecircle.audit import proof_service
from carecircle.audit.canonical import UTC_SESSION
from carecircle.audit.facts_service import FACTS
from carecircle.audit.online_service import Found, verify_online
from carecircle.audit.sealing import seal_once
from carecircle.audit.sealing_key import FILE as KEY_FILE
from carecircle.audit.sealing_key import SealingKey
from carecircle.audit.verify import VerifyKey, Where
from carecircle.audit.witness import FILE as WITNESS
from carecircle.audit.witness import PUBLISHED
from carecircle.cli import exits
from carecircle.database.reach import Reach, dsn
from carecircle.database.session import open_engine, transaction
from carecircle.errors.audit import NotAsSealed
from carecircle.identifiers import to_text
from proofs.audit_logs import Scene, happen, opened
from proofs.audit_tampers import COLUMN_FLIPS, SEALED, WAITING, Tamper
from proofs.audit_trial import Place, Touched, Trial

ROUNDS, STEPS_OF_A_ROUND = 16, 16
QUIET_ROUNDS = 6
PROCESSES = (
    "entry deleted",
    "tail cut to a genuine checkpoint",
    "fork, signed with the true key",
    "fact in another's transaction",
)
PLACES = """
  select row_number() over (order by e.xid, e.id) - 1 as index, e.id, e.recorded_at, e.kind, e.writer_id, e.writer_turn,
    e.writer_turn = max(e.writer_turn) over (partition by e.writer_id) as last
  from carecircle.audit_events e where e.organization_id = $1 order by e.xid, e.id"""
CLOSED = " union all ".join(
    f"select superseded_entry_id from carecircle.{table} where organization_id = $1" for table in FACTS
)


@dataclass
class Trail:
    """What copies are made of: the database with everything sealed, and the same after more has happened."""

    settings: Settings
    at: Reach
    organization: UUID
    sealed_name: str
    waiting_name: str
    vkeys: list[str]
    sealed: list[Place]
    waiting: list[Place]
    sizes: list[int]
    closed_until: int

    @property
    def witness(self) -> Path:
        return self.settings.home / WITNESS

    @property
    def keys(self) -> list[VerifyKey]:
        return [VerifyKey.parse(one) for one in self.vkeys]


@dataclass
class Tally:
    """What came of the trials, by kind."""

    tried: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    exactly: Counter[str] = field(default_factory=Counter)
    within: Counter[str] = field(default_factory=Counter)
    codes: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    quiet: Counter[str] = field(default_factory=Counter)
    missed_unwitnessed: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)


async def make_trail(
    settings: Settings, at: Reach, *, seed: int, rounds: int = ROUNDS, steps: int = STEPS_OF_A_ROUND
) -> Trail:
    """Fill the database (which nobody else uses) and seal it in so many passes; then a copy of it in which more waits."""
    async with assemble(settings, at) as circle:
        scene = await opened(circle, random.Random(seed))
        for number in range(rounds):
            scene.closing = number < rounds - QUIET_ROUNDS
            await happen(scene, steps)
            await seal_once(settings, at)
    own = SealingKey.open(settings.home)
    base = str(at.admin.database)
    waiting = f"{base}_waiting"
    await _administer(at, f"create database {waiting} template {base}")
    before, _, sizes, closed = await _told(at, scene.organization)
    there = _in(at, waiting)
    async with assemble(settings, there) as circle:
        more = Scene(circle, scene.organization, scene.chance, scene.providers, scene.patients, closing=True)
        await happen(more, 4 * steps)
    everything, _, _, _ = await _told(there, scene.organization)
    return Trail(
        settings, at, scene.organization, base, waiting, own.vkeys(), before, everything[len(before) :], sizes, closed
    )


async def _told(at: Reach, organization: UUID) -> tuple[list[Place], int, list[int], int]:
    connection = await asyncpg.connect(dsn(at.admin))
    try:
        places = [Place(*row) for row in await connection.fetch(PLACES, organization)]
        sizes = await connection.fetch(
            "select tree_size from carecircle.audit_checkpoints where organization_id = $1 order by 1", organization
        )
        closers = {row[0] for row in await connection.fetch(CLOSED, organization)}
    finally:
        await connection.close()
    closed = max((one.index + 1 for one in places if one.id in closers), default=0)
    return places, len(places), [row[0] for row in sizes], closed


async def tampers(
    settings: Settings, at: Reach, *, count: int, seed: int, progress: TextIO | None = None, trail: Trail | None = None,
    kinds: Sequence[str] = (*COLUMN_FLIPS, *SEALED, *WAITING), processes: Collection[str] = PROCESSES,
) -> list[str]:  # fmt: skip
    """Claims that do not hold: every tamper is found, and its entry named; clean copies have no findings."""
    trail = trail or await make_trail(settings, at, seed=seed)
    print(
        f"tampers: {len(trail.sealed)} entries of {len({one.writer for one in trail.sealed})} writers under"
        f" {len(trail.sizes)} checkpoints, {len(trail.waiting)} more wait; drawn from --seed {seed}", flush=True,
    )  # fmt: skip
    tally = Tally()
    order = kinds if count >= len(kinds) else random.Random(seed).sample(kinds, count)
    queue = iter([("", 0), ("waiting", 0), *((order[number % len(order)], number) for number in range(count))])

    async def work() -> None:
        for kind, number in queue:
            process = kind in processes and not tally.tried[kind]
            await _tried(trail, kind, random.Random(f"{seed}/{number}"), tally, process=process)
            if progress is not None:
                progress.write(f"\rtampers: {tally.tried.total()} of {count} ")

    await asyncio.gather(work(), work())
    tally.broken += await _proofs_refused(trail)
    _show(tally)
    return tally.broken


async def _tried(trail: Trail, kind: str, chance: random.Random, tally: Tally, *, process: bool) -> None:
    """One tamper on a copy, which a `process` verifies as well; of a kind that is none, a clean copy."""
    waits = kind in WAITING or kind == "waiting"
    tamper: Tamper | None = {**COLUMN_FLIPS, **SEALED, **WAITING}.get(kind)
    async with _copy(trail, waits=waits) as (there, settings):
        touched = Touched() if tamper is None else await _done(trail, there, tamper, chance)
        if waits:
            await _all_before_ended(there)
            await seal_once(settings, there)
        found = await _verified(trail, there, settings.home / WITNESS)
        if tamper is None:
            tally.broken += [f"clean copy: {one}" for one in (*found.verdict.findings, *found.facts.strays)]
            return
        tally.tried[kind] += 1
        judge(kind, touched, found, tally)
        if touched.quiet:
            tally.quiet[kind] += 1
            tally.missed_unwitnessed[kind] += (await _verified(trail, there, None)).ok
        if process:
            tally.broken += await asyncio.to_thread(_as_a_process, trail, there, settings, kind)


async def _done(trail: Trail, there: Reach, tamper: Tamper, chance: random.Random) -> Touched:
    root, app = await asyncpg.connect(dsn(there.admin)), await asyncpg.connect(there.dsn("app"))
    try:
        # No trigger and no foreign key is in a superuser's way.
        await root.execute(UTC_SESSION + "; set session_replication_role = replica")
        await app.execute(f"set carecircle.organization_id = '{trail.organization}'")
        key = SealingKey.open(trail.settings.home)
        return await tamper(
            Trial(
                root, app, trail.organization, chance, key, trail.sealed, trail.waiting, trail.sizes, trail.closed_until
            )
        )
    finally:
        await root.close()
        await app.close()


async def _all_before_ended(there: Reach) -> None:
    """Until no transaction runs that began before now, in another copy either: the sealer waits for those."""
    root = await asyncpg.connect(dsn(there.admin))
    try:
        now = await root.fetchval("select pg_current_xact_id()::text::bigint")
        for _ in range(3000):
            if await root.fetchval("select pg_snapshot_xmin(pg_current_snapshot())::text::bigint") > now:
                break
            await asyncio.sleep(0.01)
    finally:
        await root.close()


async def _verified(trail: Trail, there: Reach, witness: Path | None) -> Found:
    auditor = open_engine(there, role="auditor", connections=1)
    try:
        witnessed = [await asyncio.to_thread(witness.read_text, "utf-8")] if witness is not None else []
        return await verify_online(auditor, trail.keys, witnessed, organization=trail.organization)
    finally:
        await auditor.dispose()


def judge(kind: str, touched: Touched, found: Found, tally: Tally) -> None:
    bad = found.verdict.first_bad
    tally.codes[kind].update(
        {one.code for one in found.verdict.findings} | {stray.code for stray in found.facts.strays}
    )
    tally.found[kind] += not found.ok
    if found.ok:
        tally.broken.append(f"not found: {kind}: {touched}")
        return
    if touched.row is not None:
        exactly = within = touched.row in {(one.table, one.id) for one in found.facts.strays}
    elif touched.entry is None and touched.first is None:
        return
    else:
        where = bad.where if bad is not None else None
        named = where is not None and touched.entry is not None and where.entry == to_text(touched.entry)
        twin = where is not None and touched.twin is not None and where.entry == to_text(touched.twin)
        exactly = named or (where is not None and where.first == where.last == touched.first)
        within = exactly or twin or _around(where, touched)
    tally.exactly[kind] += exactly
    tally.within[kind] += within and not exactly
    if not (exactly if touched.exact else within):
        tally.broken.append(f"not named: {kind}: {touched}, but: {bad}")


def _around(where: Where | None, touched: Touched) -> bool:
    if where is None or where.first is None or where.last is None or touched.first is None:
        return False
    latest = touched.first if touched.until is None else touched.until
    return where.first <= latest and touched.first <= where.last + touched.gone


def _as_a_process(trail: Trail, there: Reach, settings: Settings, kind: str) -> list[str]:
    """What `carecircle audit verify` exits with, which must be 11."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CARECIRCLE_", "PG"))}
    own = {"CARECIRCLE_HOME": str(trail.settings.home), "CARECIRCLE_DATABASE_URL": dsn(there.admin)}
    command = [sys.executable, "-c", "from carecircle.cli.main import run; run()", "audit", "verify"]
    command += ["--witness", str(settings.home / WITNESS), "--every-organization"]
    for one in trail.vkeys:
        command += ["--key", one]
    done = subprocess.run(command, env={**kept, **own}, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode != exits.FINDINGS:
        return [f"carecircle audit verify exits with {done.returncode}: {kind}: {done.stderr[-500:]}"]
    return []


async def _proofs_refused(trail: Trail) -> list[str]:
    """Subtrees are not the trail: one that was changed is no finding, but no proof is given out that rests on it."""
    after = [one for one in trail.sealed if one.index >= 256]
    if not after:
        return []
    async with _copy(trail, waits=False) as (there, settings):
        before = await _proved(trail, there, after[0].id)
        await _administer(there, "update carecircle.audit_nodes set node_hash = sha256(node_hash)")
        found = await _verified(trail, there, settings.home / WITNESS)
        refused = not await _proved(trail, there, after[0].id)
    print(f"tampers: subtrees changed: {found.total} findings, proof refused: {'yes' if refused else 'no'}", flush=True)
    broken = [] if before else ["no proof was given of an entry that nobody touched"]
    broken += [] if found.ok else ["a changed subtree, which is not part of the trail, was found"]
    return broken + ([] if refused else ["a proof was given out that rests on a changed subtree"])


async def _proved(trail: Trail, there: Reach, own: UUID) -> bool:
    auditor, app = open_engine(there, role="auditor", connections=1), open_engine(there, connections=1)
    try:
        async with transaction(app, trail.organization) as db:
            await proof_service.prove(db, own, auditor=auditor, organization=trail.organization, actor="service:proof")
    except NotAsSealed:
        return False
    finally:
        await auditor.dispose()
        await app.dispose()
    return True


@asynccontextmanager
async def _copy(trail: Trail, *, waits: bool) -> AsyncIterator[tuple[Reach, Settings]]:
    """A copy of the database, and a home of its own for the sealer: its key and what witnesses have."""
    name = f"copy_{uuid4().hex}"
    await _administer(trail.at, f"create database {name} template {trail.waiting_name if waits else trail.sealed_name}")
    with tempfile.TemporaryDirectory(prefix="carecircle-") as folder:
        for file in (KEY_FILE, WITNESS, PUBLISHED):
            shutil.copy(trail.settings.home / file, Path(folder) / file)
        try:
            yield _in(trail.at, name), trail.settings.model_copy(update={"home": Path(folder)})
        finally:
            await _administer(trail.at, f"drop database {name} with (force)")


async def _administer(at: Reach, statement: str) -> None:
    connection = await asyncpg.connect(
        dsn(at.admin.set(database="postgres")) if "database" in statement else dsn(at.admin)
    )
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _in(at: Reach, database: str) -> Reach:
    return replace(at, admin=at.admin.set(database=database))


def _show(tally: Tally) -> None:
    """A table by kind; flips of all columns in one line."""
    lines: dict[str, list[str]] = defaultdict(list)
    for kind in tally.tried:
        lines["bit flip in a column" if kind in COLUMN_FLIPS else kind].append(kind)
    print(f"{'kind':38} {'tried':>5} {'found':>5} {'named':>5} {'range':>5}  findings")
    for line, kinds in lines.items():
        row = [sum(counter[kind] for kind in kinds) for counter in _columns(tally)]
        codes = sorted(set().union(*(tally.codes[kind] for kind in kinds)))
        print(f"{line:38} {row[0]:5} {row[1]:5} {row[2]:5} {row[3]:5}  {' '.join(codes)}")
    columns = len([kind for kind in tally.tried if kind in COLUMN_FLIPS])
    quiet, missed = tally.quiet.total(), tally.missed_unwitnessed.total()
    print(
        f"tampers: {tally.tried.total()} of {len(lines)} kinds ({columns} columns), {tally.found.total()} found,"
        f" {tally.exactly.total()} named exactly, {tally.within.total()} within a range", flush=True,
    )  # fmt: skip
    for kind, tried in tally.quiet.items():
        print(
            f"control: without the witness, {tally.missed_unwitnessed[kind]} of {tried} are missed: {kind}", flush=True
        )
    if missed < quiet:
        tally.broken.append("control: a tail cut or a fork was found without the witness, so it proves nothing")


def _columns(tally: Tally) -> Sequence[Counter[str]]:
    return tally.tried, tally.found, tally.exactly, tally.within
