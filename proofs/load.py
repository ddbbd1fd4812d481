"""Proof of many open connections: `./dev prove load`, or `python -m proofs.load --connections 1000 --seconds 10 --rate 500`.

10,000 connections stay open for five minutes while questions come at 1,000 a second over all of them in turn, each recorded
durably before it is answered. No error, p99 under 100 ms, as many entries as answers; and what a connection costs the
server's memory. A latency counts from when the question was due, so a server that stalls cannot hide it. Positive control:
a server that takes half as many connections, at which errors must be counted.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import psutil
import uvloop
from sqlalchemy.engine import make_url

from carecircle import Actor, CareTeamService, Settings, assemble, directory
from carecircle.api.tokens import mint
from carecircle.database import migrate
from carecircle.database.embedded import temporary_server
from carecircle.database.reach import Reach, dsn, over_socket, role_passwords
from carecircle.database.session import transaction
from carecircle.identifiers import to_text
from proofs.load_askers import Told, ask, free_port, request, room_for

LONGEST_P99 = 0.1
PATIENTS = 100
PROGRAM = (
    "from carecircle.api.serve import serve; from carecircle.settings import Settings\n"
    "if __name__ == '__main__': serve(Settings.read(), port={port}, workers={workers})"
)


@contextmanager
def serving(at: Reach, home: Path, workers: int, most_connections: int) -> Iterator[tuple[int, psutil.Process]]:
    """`carecircle serve` in processes of its own: its port and the first of them."""
    port = free_port()
    settings = {
        "CARECIRCLE_HOME": str(home),
        "CARECIRCLE_DATABASE_URL": dsn(at.admin),
        "CARECIRCLE_LOG_LEVEL": "error",
        "CARECIRCLE_MOST_CONNECTIONS": str(most_connections),
    }
    program = PROGRAM.format(port=port, workers=workers)
    process = subprocess.Popen([sys.executable, "-c", program], env=os.environ | settings)
    try:
        yield port, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(60)


async def prepared(at: Reach, settings: Settings) -> list[bytes]:
    """Questions about an organization that was made for them, half of them allowed."""
    async with assemble(settings, at) as circle:
        async with transaction(circle.engine) as db:
            organization = await directory.register_organization(db, slug="load", name="Load", actor="proof")
        token = mint(circle.keyring, organization_id=organization, actor=Actor.service("proof"), hours=2)
        asked = []
        async with transaction(circle.engine, organization) as db:
            primary, other = [
                await directory.register_provider(db, organization_id=organization, actor="proof") for _ in range(2)
            ]
            for number in range(PATIENTS):
                patient = await directory.register_patient(db, organization_id=organization, actor="proof")
                await CareTeamService.assign_primary_provider(
                    db, organization, patient_id=patient, provider_id=primary, actor="proof"
                )
                asked.append(request(token, to_text(other if number % 2 else primary), to_text(patient)))
    return asked


async def count_entries(at: Reach) -> int:
    connection = await asyncpg.connect(dsn(at.admin))
    try:
        return int(await connection.fetchval("select count(*) from carecircle.audit_events where kind = 'decision'"))
    finally:
        await connection.close()


def memory(server: psutil.Process) -> int:
    """Bytes that only the server and its workers have."""
    return int(sum(one.memory_full_info().uss for one in [server, *server.children(recursive=True)]))


async def trial(
    port: int, server: psutil.Process, asked: list[bytes], connections: int, seconds: float, rate: float
) -> Told:
    return await ask(port, asked, connections=connections, seconds=seconds, rate=rate, memory=lambda: memory(server))


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev prove load", description=__doc__)
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--rate", type=float, default=1_000, help="questions a second, over all connections")
    parser.add_argument("--workers", type=int, default=1)
    said = parser.parse_args()
    began = time.monotonic()
    room_for(said.connections)
    with temporary_server() as (home, database):
        os.environ["CARECIRCLE_HOME"] = str(home)
        at = Reach(over_socket(make_url(database.admin_url), database), role_passwords(home), database.bin_dir)
        migrate.upgrade(at)
        asked = asyncio.run(prepared(at, Settings(home=home)))
        with serving(at, home, said.workers, said.connections + 100) as (port, server):
            told = uvloop.run(trial(port, server, asked, said.connections, said.seconds, said.rate))
        entries = asyncio.run(count_entries(at))
        few = min(said.connections, 200)
        with serving(at, home, 1, few // 2) as (port, server):
            control = uvloop.run(trial(port, server, asked, few, 2, 200))
    broken = [f"{count} x {what}" for what, count in told.errors.items()]
    if told.p99 >= LONGEST_P99:
        broken.append(f"p99 is {told.p99 * 1000:.0f} ms; it must be under {LONGEST_P99 * 1000:.0f}")
    if told.rate < 0.99 * said.rate:
        broken.append(f"only {told.rate:,.0f} a second were answered")
    if entries != told.answers:
        broken.append(f"{told.answers:,} answers, and {entries:,} entries")
    if control.errors.total() < few // 4:
        broken.append("control: a server that took half the connections showed no errors, so this proof sees none")
    for line in broken:
        print(f"BROKEN {line}")
    print(
        f"load: {told.connections:,} connections open for {said.seconds:.0f} s, {told.answers:,} answers at"
        f" {told.rate:,.0f}/s, p50 {told.p50 * 1000:.1f} ms, p99 {told.p99 * 1000:.1f} ms, longest"
        f" {told.longest * 1000:.0f} ms, {told.errors.total()} errors; {told.each / 1024:.1f} KiB of the server's memory for"
        f" each connection, {told.in_all / 2**20:.0f} MiB in all; {entries:,} entries; control counted"
        f" {control.errors.total()} errors; {len(broken)} claims broken; {time.monotonic() - began:.0f} s"
    )
    return 1 if broken else 0


if __name__ == "__main__":
    raise SystemExit(main())
