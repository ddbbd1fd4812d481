"""Proof that one patient never has two primary providers, however many want to be and however they die.

`python -m proofs.race [--rounds N] [--contenders N]`: on a PostgreSQL of its own, contenders in four processes all want
to be one patient's primary provider, in four ways (CareTeamService; with the version that all of them read; as a plain
addition; by raw SQL). In every second round a process is killed with SIGKILL while one of its contenders is inside its
transaction. After every round there is exactly one primary, nothing is left of whoever was killed, and every survivor
got success or a typed conflict (raw SQL: PostgreSQL's own error). Positive control: the same race through the
assignment-system document's key, as the unique index it means, lets several in. Exit code 0 when all of that holds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import asyncpg
import uvloop
from sqlalchemy.engine import make_url

from carecircle import CareCircle, CareTeamService, Settings, assemble, directory
from carecircle.database import migrate
from carecircle.database.embedded import temporary_server
from carecircle.database.reach import Reach, dsn, over_socket, role_passwords
from carecircle.database.session import transaction
from proofs.race_contender import CONTROL_TABLE, Start, who_dies

PROCESSES = 4
# Nothing of it needs to survive a power cut. Raw inserts under an exclusion constraint deadlock; nobody waits a second for it.
QUICK = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "deadlock_timeout": "50ms"}
CONFLICTS = ("primary-already-assigned", "stale-version")
ALLOWED = {"success", *CONFLICTS, *(f"PostgreSQL's own: {code}" for code in CONFLICTS)}
PRIMARIES = """
  with believed as (
    select * from carecircle.patient_assignments where patient_id = $1 and superseded_at = 'infinity')
  select (select count(*) from believed where is_primary_provider
          and starts_at <= statement_timestamp() and ends_at > statement_timestamp()) as present,
         exists (select from believed x join believed y on x.id < y.id and x.period && y.period
                 where x.is_primary_provider and y.is_primary_provider) as overlap,
         (select count(*) from believed where provider_id = $2) as of_the_killed"""
AT_WORK = """
  select exists (select from pg_stat_activity where application_name = 'contender' and state <> 'idle')"""
# The assignment-system document writes UNIQUE (…) WHERE …, which PostgreSQL does not parse; as an index it is this.
CONTROL = f"""
  create table {CONTROL_TABLE} (
    assignment_id uuid primary key, patient_id uuid not null, provider_id uuid not null,
    assignment_type text not null, start_date timestamptz not null, is_active boolean not null default true);
  create unique index unique_primary_assignment on {CONTROL_TABLE} (patient_id, assignment_type, start_date)
    where assignment_type = 'primary' and is_active;
  grant all on {CONTROL_TABLE} to carecircle_app"""


@dataclass
class Tally:
    """What became of the survivors, how many processes were killed, and every claim that did not hold."""

    outcomes: Counter[str] = field(default_factory=Counter)
    kills: int = 0
    broken: list[str] = field(default_factory=list)


class Runner:
    """One process of contenders, ready to race once it said so."""

    def __init__(self, address: str) -> None:
        command = [sys.executable, "-m", "proofs.race_contender", address]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._ready = False

    def await_ready(self) -> None:
        if not self._ready:
            self._ready = self._answer() == "ready\n"

    def begin(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line)
        self._process.stdin.flush()

    def outcomes(self) -> dict[str, int] | None:
        """What became of its contenders; None when SIGKILL ended the process. Raises for any other end."""
        if said := self._answer():
            told: dict[str, int] = json.loads(said)
            return told
        if self._process.wait() != -signal.SIGKILL:
            raise RuntimeError(f"a process of contenders ended with {self._process.returncode}")
        return None

    def close(self) -> None:
        if not self._ready:
            self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            with suppress(BrokenPipeError):
                assert stream is not None
                stream.close()
        self._process.wait()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


def race(
    runners: list[Runner], start: Start, shares: list[list[UUID]], doomed: int | None
) -> list[dict[str, int] | None]:
    for runner in runners:
        runner.await_ready()
    for number, (runner, share) in enumerate(zip(runners, shares, strict=True)):
        runner.begin(start.line(share, doomed=number == doomed))
    return [runner.outcomes() for runner in runners]


async def all_rounds(at: Reach, settings: Settings, rounds: int, contenders: int) -> Tally:
    tally = Tally()
    runners = [Runner(at.dsn("app")) for _ in range(PROCESSES)]
    try:
        async with watching(at) as watcher, assemble(settings, at) as circle:
            organization, providers = await people(circle, contenders)
            shares = [providers[number::PROCESSES] for number in range(PROCESSES)]
            for number in range(rounds):
                doomed = number // 2 % PROCESSES if number % 2 else None
                start = await one_patient(circle, organization, providers[0])
                ends = await asyncio.to_thread(race, runners, start, shares, doomed)
                await nobody_at_work(watcher)
                dead = [n for n, told in enumerate(ends) if told is None]
                killed = shares[doomed][who_dies(len(shares[doomed]))] if doomed is not None else None
                found = await watcher.fetchrow(PRIMARIES, start.patient, killed)
                survivors: Counter[str] = sum((Counter(told) for told in ends if told is not None), Counter())
                wanted = sum(len(share) for n, share in enumerate(shares) if n != doomed)
                for claim, holds in (
                    (f"{found['present']} primaries", found["present"] == 1),
                    ("two primaries overlap", not found["overlap"]),
                    ("a killed contender left a row", found["of_the_killed"] == 0),
                    (f"killed were {dead}, not {doomed}", dead == ([] if doomed is None else [doomed])),
                    (f"of {wanted} survivors: {dict(survivors)}", survivors.total() == wanted),
                    (f"untyped: {dict(survivors)}", survivors.keys() <= ALLOWED),
                ):
                    if not holds:
                        tally.broken.append(f"round {number}: {claim}")
                tally.outcomes += survivors
                tally.kills += len(dead)
                for n in dead:
                    runners[n].close()
                    runners[n] = Runner(at.dsn("app"))
                if number % 10 == 9:
                    print(f"race: {number + 1} of {rounds} rounds", flush=True)
    finally:
        for runner in runners:
            runner.close()
    return tally


@asynccontextmanager
async def watching(at: Reach) -> AsyncIterator[asyncpg.Connection]:
    """The administrator's connection: it sees every row and every session."""
    connection = await asyncpg.connect(dsn(at.admin))
    try:
        yield connection
    finally:
        await connection.close()


async def nobody_at_work(watcher: asyncpg.Connection) -> None:
    """Until the server has noticed the dead and undone what they had not committed."""
    while await watcher.fetchval(AT_WORK):  # noqa: ASYNC110 - the server has no event for it
        await asyncio.sleep(0.01)


async def people(circle: CareCircle, count: int) -> tuple[UUID, list[UUID]]:
    async with transaction(circle.engine) as db:
        organization = await directory.register_organization(db, slug="race", name="Race", actor="proof")
        providers: list[UUID] = [
            await directory.register_provider(db, provider_id=uuid4(), organization_id=organization, actor="proof")
            for _ in range(count)
        ]
    return organization, providers


async def one_patient(circle: CareCircle, organization: UUID, primary: UUID) -> Start:
    """A patient with a primary provider, whose row everybody has read."""
    async with transaction(circle.engine, organization) as db:
        patient = await directory.register_patient(db, patient_id=uuid4(), organization_id=organization, actor="proof")
        row = await CareTeamService.assign_primary_provider(
            db, organization, patient_id=patient, provider_id=primary, actor="proof"
        )
    return Start(organization, patient, row.id)


async def control(at: Reach, contenders: int) -> int:
    """How many primaries of one patient the other document's key lets in."""
    async with watching(at) as watcher:
        await watcher.execute(CONTROL)
        shares = [[uuid4() for _ in range(contenders // PROCESSES)] for _ in range(PROCESSES)]
        runners = [Runner(at.dsn("app")) for _ in range(PROCESSES)]
        try:
            await asyncio.to_thread(race, runners, Start(uuid4(), uuid4(), None), shares, None)
        finally:
            for runner in runners:
                runner.close()
        several: int = await watcher.fetchval(
            f"select count(*) from {CONTROL_TABLE} where assignment_type = 'primary' and is_active"
        )
        return several


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--contenders", type=int, default=200)
    said = parser.parse_args()
    began = time.monotonic()
    with temporary_server(settings=QUICK) as (home, server):
        os.environ["CARECIRCLE_HOME"] = str(home)
        at = Reach(over_socket(make_url(server.admin_url), server), role_passwords(home), server.bin_dir)
        migrate.upgrade(at)
        tally = uvloop.run(all_rounds(at, Settings(home=home), said.rounds, said.contenders))
        several = uvloop.run(control(at, said.contenders))
    if several < 2:
        tally.broken.append("control: the other document's key let only one in, so this race shows nothing")
    for line in tally.broken:
        print(f"BROKEN {line}")
    refused = tally.outcomes.total() - tally.outcomes["success"]
    print(
        f"race: {said.rounds} rounds of {said.contenders} contenders in {PROCESSES} processes, {tally.kills} processes"
        f" killed inside a transaction, {tally.outcomes['success']:,} successes, {refused:,} conflicts, control let"
        f" {several} in; {len(tally.broken)} claims broken; {time.monotonic() - began:.0f} s"
    )
    return 1 if tally.broken else 0


if __name__ == "__main__":
    sys.exit(main())
