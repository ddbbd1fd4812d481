"""Proof that the rule can be adopted in a table of a million rows: `./dev prove adopt`, or `python -m proofs.adopt`.

20,000 of the rows (2 %) say primary beside an earlier one. The check finds them with flat memory; apply is killed with
SIGKILL half-way through them, and again while it builds the index, and is simply run again each time; a further run
does nothing; revert leaves the table as it was, by checksum. What must come out is computed by other SQL than the tool's.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO, Any

import asyncpg

from carecircle.database.embedded import temporary_server

ROWS, TO_DEMOTE, PATIENTS = 1_000_000, 20_000, 16_000
ADOPT = ("adopt", "primary-provider")
# 242,500 patients with a primary and three others; 16,000 patients with a second primary, 4,000 of them with a third;
# 10,000 further ones whose rows were soft-deleted. Instants come from a hash, so that ids do not follow them, and some are equal.
TABLE = """
create table care_team_assignments (
  id uuid primary key, organization_id uuid not null, patient_id uuid not null, provider_id uuid not null,
  is_primary_provider boolean not null, assigned_at timestamptz not null, deleted_at timestamptz);
insert into care_team_assignments
select md5('row' || n)::uuid, md5('organization' || patient % 50)::uuid, md5('patient' || patient)::uuid,
       md5('provider' || n % 2000)::uuid, is_primary,
       '2020-01-01'::timestamptz + (abs(hashint4(n)) % 2000) * interval '1 day', deleted_at
from (
  select n, n % 242500 as patient, n <= 242500 as is_primary, null::timestamptz as deleted_at
  from generate_series(1, 970000) n
  union all select 2000000 + n, n, true, null from generate_series(1, 16000) n
  union all select 3000000 + n, n, true, null from generate_series(1, 4000) n
  union all select 4000000 + n, n, true, '2025-01-01' from generate_series(1, 10000) n) rows;
vacuum analyze care_team_assignments"""
# An earlier primary exists: the other way round from the tool's numbering.
MUST_GO = """
create table must_go as
select a.id from care_team_assignments a
where a.is_primary_provider and a.deleted_at is null and exists (
  select from care_team_assignments b
  where b.organization_id = a.organization_id and b.patient_id = a.patient_id and b.is_primary_provider
    and b.deleted_at is null and (b.assigned_at, b.id) < (a.assigned_at, a.id))"""
CHECKSUM = "select count(*) || ':' || sum(hashtextextended(t::text, 0)::numeric) from care_team_assignments t"
LEDGER = "carecircle_adoption.demotions"


@dataclass
class Proof:
    """The database it happens in, what took how long (seconds), and what did not hold."""

    address: str
    seconds: dict[str, float] = field(default_factory=dict)
    megabytes: dict[str, float] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)

    def holds(self, what: str, *, it: bool) -> None:
        print(f"{'holds' if it else 'DOES NOT HOLD'}: {what}", flush=True)
        if not it:
            self.broken.append(what)

    def value(self, statement: str) -> Any:
        async def look() -> Any:
            connection = await asyncpg.connect(self.address)
            try:
                return await connection.fetchval(statement)
            finally:
                await connection.close()

        return asyncio.run(look())

    def execute(self, statements: str) -> None:
        async def work() -> None:
            connection = await asyncpg.connect(self.address)
            try:
                for statement in statements.split(";"):
                    await connection.execute(statement)
            finally:
                await connection.close()

        asyncio.run(work())

    def start(self, out: IO[str] | int, *arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", "from carecircle.cli.main import run; run()", *arguments]
        return subprocess.Popen(
            [*command, "-o", "json", "--table", "care_team_assignments"],
            env={**os.environ, "CARECIRCLE_DATABASE_URL": self.address},
            stdout=out,
        )

    def run(self, name: str, *arguments: str) -> tuple[int, dict[str, Any]]:
        """A command to its end: exit code and JSON, its time and its memory under a name."""
        before = time.perf_counter()
        with tempfile.TemporaryFile("w+") as out:
            process = self.start(out, *arguments)
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            self.seconds[name] = time.perf_counter() - before
            self.megabytes[name] = used.ru_maxrss / 1024
            out.seek(0)
            text = out.read()
        print(
            f"{name}: {self.seconds[name]:.1f} s, {self.megabytes[name]:.0f} MB, exit {process.returncode}", flush=True
        )
        return process.returncode, json.loads(text) if text else {}

    def kill_when(self, ready: Callable[[], bool], *arguments: str) -> bool:
        """Start a command and kill it as soon as that is so; false when it ended before."""
        process = self.start(subprocess.DEVNULL, *arguments)
        try:
            while not ready():
                if process.poll() is not None:
                    return False
                time.sleep(0.002)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
        return True


def prove(proof: Proof) -> None:
    """Everything in order; what does not hold is kept in the proof."""
    proof.execute(TABLE)
    proof.execute(MUST_GO)
    before = proof.value(CHECKSUM)
    soft = ("--deleted-at-column", "deleted_at")
    proof.holds(
        f"{ROWS:,} rows, {TO_DEMOTE:,} to demote",
        it=(proof.value("select count(*) from care_team_assignments"), proof.value("select count(*) from must_go"))
        == (ROWS, TO_DEMOTE),
    )
    code, found = proof.run("check", "quality", "primary-providers", *soft)
    counted = (found.get("patients"), found.get("rows_to_demote"))
    proof.holds("the check counts them and exits 11", it=(code, *counted) == (11, PATIENTS, TO_DEMOTE))
    code, planned = proof.run("plan", *ADOPT, "plan", *soft)
    proof.holds("so does the plan", it=(code, planned.get("to_demote")) == (11, TO_DEMOTE))
    proof.holds("neither changes the table", it=proof.value(CHECKSUM) == before)

    apply = (*ADOPT, "apply", "--yes", *soft)
    killed = proof.kill_when(lambda: _demoted(proof) >= TO_DEMOTE // 2, *apply)
    half = _demoted(proof)
    proof.holds(f"killed with SIGKILL after {half:,} rows", it=killed and 0 < half < TO_DEMOTE)
    code, done = proof.run("apply, the other half", *apply)
    proof.holds(
        "run again, it goes on and does the rest",
        it=(code, done.get("resumed"), done.get("demoted")) == (0, True, TO_DEMOTE - half),
    )
    proof.holds("exactly the later primaries are demoted, each in the ledger once", it=_is_right(proof))
    after = proof.value(CHECKSUM)
    code, again = proof.run("apply again", *apply)
    proof.holds(
        "a further run does nothing",
        it=(code, again.get("nothing_to_do"), proof.value(CHECKSUM), _demoted(proof)) == (0, True, after, TO_DEMOTE),
    )
    code, undone = proof.run("revert", *ADOPT, "revert", "--yes")
    proof.holds("revert restores every row", it=(code, undone.get("restored")) == (0, TO_DEMOTE))
    proof.holds("and the table is what it was, by checksum", it=proof.value(CHECKSUM) == before)

    building = "select exists (select from pg_stat_progress_create_index)"
    killed = proof.kill_when(lambda: bool(proof.value(building)), *apply)
    proof.holds("killed with SIGKILL while the index is built", it=killed)
    code, done = proof.run("apply, the index", *apply)
    proof.holds("run again, it finishes", it=(code, done.get("resumed")) == (0, True) and _is_right(proof))
    proof.run("revert again", *ADOPT, "revert", "--yes")
    code, done = proof.run("apply, uninterrupted", *apply)
    proof.holds("uninterrupted, the same comes out", it=code == 0 and _is_right(proof))
    proof.holds("the check then is clean", it=proof.run("check, clean", "quality", "primary-providers", *soft)[0] == 0)
    proof.holds("the check takes no memory for it", it=proof.megabytes["check"] < 2 * proof.megabytes["apply again"])


def _demoted(proof: Proof) -> int:
    """Lines of the ledger that are not undone."""
    if not proof.value(f"select to_regclass('{LEDGER}') is not null"):
        return 0
    count: int = proof.value(f"select count(*) from {LEDGER} where reverted_at is null")
    return count


def _is_right(proof: Proof) -> bool:
    """What had to go went, each with one line; nothing else changed; the index is there and valid."""
    right: bool = proof.value(
        f"""with gone as (select row_id::uuid as id from {LEDGER} where reverted_at is null)
            select (select count(*) from gone) = (select count(*) from must_go)
               and not exists (select id from must_go except select id from gone)
               and not exists (select from must_go join care_team_assignments using (id) where is_primary_provider)
               and (select count(*) from care_team_assignments where is_primary_provider) = 252500
               and (select indisvalid from pg_index
                    where indexrelid = 'idx_unique_primary_provider_per_patient'::regclass)"""
    )
    return right


def main() -> int:
    with temporary_server() as (home, server):
        os.environ["CARECIRCLE_HOME"] = str(home)
        proof = Proof(server.admin_url)
        prove(proof)
    took = proof.seconds
    print(
        f"adopt: {ROWS:,} rows, {TO_DEMOTE:,} demoted and restored by checksum, 2 kills resumed,"
        f" {len(proof.broken)} claims broken; check {took['check']:.1f} s in {proof.megabytes['check']:.0f} MB, apply"
        f" {took['apply, uninterrupted']:.1f} s, no-op {took['apply again']:.1f} s, revert {took['revert']:.1f} s"
    )
    return 1 if proof.broken else 0


if __name__ == "__main__":
    sys.exit(main())
