"""Proof that one patient never has two primary providers, however many want to be and however they die.

`python -m proofs.race [--rounds N] [--contenders N]`: on a PostgreSQL of its own, contenders in four processes all want
to be one patient's primary provider, by four ways in (CareTeamService now, with the version all of them read, as a plain
addition, and by raw SQL). In every second round a process is killed with SIGKILL while one of its contenders is inside
its transaction. After every round there is exactly one primary, and everyone who lived got success or a typed conflict.
Positive control: the same race through the assignment-system document's key, as the unique index it means, lets several
in. Exit code 0 when all of that holds.
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
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import asyncpg
import uvloop
from proofs.race_contender import CONTROL_TABLE, Start
from sqlalchemy.engine import make_url

from carecircle import CareTeamService, Settings, assemble, directory
from carecircle.bootstrap import CareCircle
from carecircle.database import migrate
from carecircle.database.embedded import temporary_server
from carecircle.database.reach import Reach, dsn, over_socket, role_passwords
from carecircle.database.session import transaction

PROCESSES = 4
# Nothing of it needs to survive a power cut; a killed client is not one.
QUICK = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
ALLOWED = {"success", "primary-already-assigned", "stale-version"}
PRIMARIES = """
  select count(*) filter (where starts_at <= statement_timestamp() and ends_at > statement_timestamp()) as present,
         count(*) as believed,
         exists (select from carecircle.patient_assignments x join carecircle.patient_assignments y
                 on x.organization_id = y.organization_id and x.patient_id = y.patient_id and x.id < y.id
                 and x.period && y.period
                 where x.patient_id = $1 and x.is_primary_provider and y.is_primary_provider
                   and x.superseded_at = 'infinity' and y.superseded_at = 'infinity') as overlap
  from carecircle.patient_assignments
  where patient_id = $1 and is_primary_provider and superseded_at = 'infinity'"""
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
    """What became of the contenders, how many were killed, and every round that ended otherwise than it may."""

    outcomes: Counter[str] = field(default_factory=Counter)
    killed: int = 0
    kills: int = 0
    inside: int = 0
    broken: list[str] = field(default_factory=list)


def contend(start: Start, shares: list[list[UUID]], doomed: int | None) -> tuple[Counter[str], int]:
    """Four processes race; the doomed one is killed by the signal it sends itself inside a transaction."""
    children = []
    for number, share in enumerate(shares):
        mine = start.share(share, doomed=number == doomed)
        children.append(
            subprocess.Popen(
                [sys.executable, "-m", "proofs.race_contender", mine], stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
        )
    for child in children:
        assert child.stdout is not None
        child.stdout.readline()
    for child in children:
        assert child.stdin is not None
        child.stdin.close()
    outcomes: Counter[str] = Counter()
    killed = 0
    for child in children:
        assert child.stdout is not None
        with child.stdout as said:
            text = said.read()
        if child.wait() == -signal.SIGKILL:
            killed += 1
        elif child.returncode == 0:
            outcomes.update(json.loads(text))
        else:
            outcomes[f"exit {child.returncode}"] += 1
    return outcomes, killed


async def main_race(at: Reach, home: str, rounds: int, contenders: int) -> Tally:
    tally = Tally()
    settings = Settings(home=home)
    watcher = await asyncpg.connect(dsn(at.admin))
    try:
        async with assemble(settings, at) as circle:
            organization, providers = await people(circle, contenders)
            shares = [providers[number::PROCESSES] for number in range(PROCESSES)]
            for number in range(rounds):
                async with transaction(circle.engine, organization) as db:
                    patient = await directory.register_patient(
                        db, patient_id=uuid4(), organization_id=organization, actor="proof"
                    )
                    first = await CareTeamService.assign_primary_provider(
                        db, organization, patient_id=patient, provider_id=providers[0], actor="proof"
                    )
                doomed = number // 2 % PROCESSES if number % 2 else None
                start = Start(dsn(at.as_role("app")), organization, patient, first.id)
                outcomes, killed = await asyncio.to_thread(contend, start, shares, doomed)
                tally.kills += killed
                tally.outcomes += outcomes
                tally.killed += len(shares[doomed]) if doomed is not None else 0
                await quiet(watcher)
                found = await watcher.fetchrow(PRIMARIES, patient)
                wanted = contenders - (len(shares[doomed]) if doomed is not None else 0)
                if found["present"] != 1 or found["overlap"]:
                    tally.broken.append(f"round {number}: {found['present']} primaries, overlap {found['overlap']}")
                if outcomes.total() != wanted or not outcomes.keys() <= ALLOWED or not outcomes["success"]:
                    tally.broken.append(f"round {number}: of {wanted} who lived came {dict(outcomes)}")
                if killed != (doomed is not None):
                    tally.broken.append(f"round {number}: {killed} processes were killed")
                if number % 10 == 9:
                    print(f"race: {number + 1} of {rounds} rounds, {dict(tally.outcomes)}", flush=True)
    finally:
        await watcher.close()
    return tally


async def quiet(watcher: asyncpg.Connection) -> None:
    """Wait until the server has noticed the dead: what they had not committed is undone then."""
    while await watcher.fetchval(
        "select exists (select from pg_stat_activity where usename = 'carecircle_app'"
        " and application_name = 'contender' and pid <> pg_backend_pid())"
    ):
        await asyncio.sleep(0.01)


async def people(circle: CareCircle, count: int) -> tuple[UUID, list[UUID]]:
    async with transaction(circle.engine) as db:
        organization = await directory.register_organization(db, slug="race", name="Race", actor="proof")
        providers: list[UUID] = [
            await directory.register_provider(db, provider_id=uuid4(), organization_id=organization, actor="proof")
            for _ in range(count)
        ]
    return organization, providers


async def control(at: Reach, contenders: int) -> int:
    """How many primaries the other document's key lets in at once."""
    watcher = await asyncpg.connect(dsn(at.admin))
    try:
        await watcher.execute(CONTROL)
        patient = uuid4()
        shares = [[uuid4() for _ in range(contenders // PROCESSES)] for _ in range(PROCESSES)]
        start = Start(dsn(at.as_role("app")), uuid4(), patient, None)
        await asyncio.to_thread(contend, start, shares, None)
        several: int = await watcher.fetchval(
            f"select count(*) from {CONTROL_TABLE} where assignment_type = 'primary' and is_active"
        )
        return several
    finally:
        await watcher.close()


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
        tally = uvloop.run(main_race(at, str(home), said.rounds, said.contenders))
        several = uvloop.run(control(at, said.contenders))
    for line in tally.broken:
        print(f"BROKEN {line}")
    if several < 2:
        print("BROKEN control: the other document's key let only one in; this race proves nothing")
    holds = not tally.broken and several > 1
    refused = tally.outcomes.total() - tally.outcomes["success"]
    print(
        f"race: {said.rounds} rounds of {said.contenders} contenders in {PROCESSES} processes, {tally.kills} processes"
        f" killed inside a transaction: one primary after every round {'held' if holds else 'DID NOT HOLD'};"
        f" {tally.outcomes['success']:,} succeeded, {refused:,} typed conflicts;"
        f" control let {several} in; {time.monotonic() - began:.0f} s"
    )
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
