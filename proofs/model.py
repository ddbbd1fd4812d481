"""Proof that the real system and the reference model agree, and that the comparison would notice a bug.

`python -m proofs.model [--histories N] [--mutants-only]`: random histories run through the public services on a
PostgreSQL of its own, in two processes with a database each; then bugs are planted in the SQL, one at a time, and each
must lead to a disagreement. Exit code 0 when no history disagrees and every planted bug is caught.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

import asyncpg
import uvloop
from sqlalchemy.engine import URL, make_url
from tests.model.families import drawn
from tests.model.histories import History
from tests.model.mutants import MUTANTS, caught
from tests.model.questions import Disagreement, Played, interrogate
from tests.model.replay import play, smallest

from carecircle import CareCircle, Settings, assemble
from carecircle.access.batch import Connect
from carecircle.database import migrate
from carecircle.database.embedded import EmbeddedServer, temporary_server
from carecircle.database.reach import Reach, role_passwords
from carecircle.database.roles import open_connection
from carecircle.errors import AccessUnavailable

WORKERS = 2
# No more than the engine keeps connections: one more is opened and closed each time.
SIDE_BY_SIDE = 5
DRAWN_AT_ONCE = 400
FOR_MUTANTS = 2000
# How often what survives is planted again, and where the numbers of those histories lie beside the others.
TURNS = 4
BESIDE = 5_000_000
ENOUGH = 5
ATTEMPTS = 3
# Nothing of it needs to survive a power cut.
QUICK = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "max_wal_size": "4GB"}


@dataclass
class Found:
    """What a worker saw. `disagreements` are texts; `survivors` the names of planted bugs nobody noticed."""

    histories: int = 0
    commands: int = 0
    answers: int = 0
    disagreements: list[str] = field(default_factory=list)
    caught: int = 0
    survivors: list[str] = field(default_factory=list)

    def add(self, other: Found) -> None:
        self.histories += other.histories
        self.commands += other.commands
        self.answers += other.answers
        self.disagreements += other.disagreements
        self.caught += other.caught
        self.survivors += other.survivors


@dataclass(frozen=True)
class Task:
    """What a worker is to do: so many histories drawn from numbers of its own, and its share of the mutants."""

    worker: int
    home: Path
    admin: str
    histories: int
    number: int
    mutants: Sequence[int]


def say(line: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {line}\n")
    sys.stderr.flush()


def work(task: Task) -> Found:
    """One worker's whole task, in a process of its own."""
    os.environ["CARECIRCLE_HOME"] = str(task.home)
    at = Reach(make_url(task.admin), role_passwords(task.home))
    return uvloop.run(_worked(task, at))


async def _worked(task: Task, at: Reach) -> Found:
    async def connect() -> asyncpg.Connection:
        return await open_connection(at.dsn("decider"))

    found = Found()
    async with assemble(Settings(home=task.home, decision_timeout=60), at) as circle:
        # Bugs first: a statement that forgets what it should look for is slow once much is on record.
        await _plant(circle, connect, found, task)
        started = time.monotonic()
        for block in range(0, task.histories, DRAWN_AT_ONCE):
            count = min(DRAWN_AT_ONCE, task.histories - block)
            await _run(circle, found, drawn(count, task.number + block))
            pace = (time.monotonic() - started) / (block + count) * 1000
            say(
                f"worker {task.worker}: {block + count:,} of {task.histories:,} histories, {found.answers:,} answers,"
                f" {len(found.disagreements)} disagreements, {pace:.0f} ms each"
            )
            if len(found.disagreements) >= ENOUGH:
                break
    return found


async def _plant(circle: CareCircle, connect: Connect, found: Found, task: Task) -> None:
    """Plant the worker's bugs: each is caught when histories that agreed on the sound SQL no longer do.

    Some show only at one instant of one kind of history, so what survives is planted again among other histories.
    """
    waiting = [MUTANTS[number] for number in task.mutants]
    for turn in range(TURNS):
        if not waiting:
            return
        kept = await _run(circle, found, drawn(FOR_MUTANTS, task.number + BESIDE + turn))
        for mutant in list(waiting):
            noticed = await caught(circle, connect, mutant, kept)
            if noticed:
                waiting.remove(mutant)
                found.caught += 1
            say(f"worker {task.worker}: {'caught' if noticed else 'not caught yet'}: {mutant.name}")
    found.survivors += [mutant.name for mutant in waiting]


async def _run(circle: CareCircle, found: Found, histories: Sequence[History]) -> list[Played]:
    """Run and question histories, some side by side; those that agreed."""
    agreed: list[Played] = []
    for start in range(0, len(histories), SIDE_BY_SIDE):
        together = histories[start : start + SIDE_BY_SIDE]
        for history, one in zip(together, await asyncio.gather(*(_one(circle, h) for h in together)), strict=True):
            found.histories += 1
            found.commands += len(history.commands)
            if isinstance(one, Disagreement):
                if len(found.disagreements) < ENOUGH:
                    found.disagreements.append(await _told(circle, history, one))
                continue
            played, answers = one
            found.answers += answers
            agreed.append(played)
        if len(found.disagreements) >= ENOUGH:
            break
    return agreed


async def _one(circle: CareCircle, history: History) -> tuple[Played, int] | Disagreement:
    """One history, run anew in another organization when the machine stalled and the database did not answer."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            played = await play(circle, history)
            return played, await interrogate(circle.access, played)
        except Disagreement as disagreement:
            return disagreement
        except AccessUnavailable as unavailable:
            if attempt == ATTEMPTS:
                raise
            say(f"no answer, so this history is run again: {unavailable}")
            await asyncio.sleep(attempt)
    raise AssertionError("unreachable")


async def _told(circle: CareCircle, history: History, seen: Disagreement) -> str:
    least = await smallest(circle, circle.access, history)
    if least is None:
        return f"{history}\n{seen}\n(not seen again)"
    return f"{least[0]}\n{least[1]}"


def prepare(home: Path, server: EmbeddedServer) -> list[URL]:
    """A migrated database for each worker; their administrator's addresses."""
    admin = make_url(server.admin_url)
    asyncio.run(_make_databases(server.admin_url))
    urls = [admin.set(database=f"model_{worker}") for worker in range(WORKERS)]
    for url in urls:
        migrate.upgrade(Reach(url, role_passwords(home), server.bin_dir))
    return urls


async def _make_databases(address: str) -> None:
    connection = await asyncpg.connect(address)
    try:
        for worker in range(WORKERS):
            await connection.execute(f"create database model_{worker}")
    finally:
        await connection.close()


def prove(histories: int, number: int) -> Found:
    """Everything, on a server that is gone afterwards."""
    total = Found()
    with temporary_server(settings=QUICK) as (home, server):
        os.environ["CARECIRCLE_HOME"] = str(home)
        say("preparing two databases")
        tasks = [
            Task(
                worker, home, url.render_as_string(hide_password=False),
                histories // WORKERS + (histories % WORKERS if worker == 0 else 0),
                (number * WORKERS + worker) * 10_000_000 + 1,
                range(worker, len(MUTANTS), WORKERS),
            )
            for worker, url in enumerate(prepare(home, server))
        ]  # fmt: skip
        with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as pool:
            for found in pool.map(work, tasks):
                total.add(found)
    return total


def main(arguments: Sequence[str] | None = None, out: Callable[[str], object] = sys.stdout.write) -> int:
    """Run the proof; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m proofs.model", description="The real system against the model.")
    parser.add_argument("--histories", type=int, default=100_000, help="how many random histories (100,000)")
    parser.add_argument("--number", type=int, default=1, help="another number draws other histories")
    parser.add_argument("--mutants-only", action="store_true", help="only plant bugs and see whether they are caught")
    chosen = parser.parse_args(arguments)
    total = prove(0 if chosen.mutants_only else chosen.histories, chosen.number)
    for disagreement in total.disagreements:
        out(f"disagreement:\n{disagreement}\n\n")
    for name in total.survivors:
        out(f"not caught: {name}\n")
    out(
        f"model: {total.histories:,} histories, {total.answers:,} answers, {len(total.disagreements)} disagreements;"
        f" {total.caught} of {len(MUTANTS)} planted bugs caught\n"
    )
    return 0 if not total.disagreements and total.caught == len(MUTANTS) else 1


if __name__ == "__main__":
    sys.exit(main())
