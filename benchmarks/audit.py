"""What the proof costs: decisions per second with and without sealing beside them, sealing, exporting, and verifying."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median

import asyncpg
import structlog

from benchmarks.workload import loaded, questions
from carecircle import Settings, assemble
from carecircle.access.decide import Decider, Form, for_every_organization
from carecircle.audit.export_service import export, into_file
from carecircle.audit.sealing import seal_once
from carecircle.audit.sealing_key import SealingKey
from carecircle.bootstrap import CareCircle
from carecircle.database.crypto import keyring
from carecircle.database.reach import Reach, dsn
from carecircle.database.roles import open_connection
from carecircle.database.session import open_engine

CALLERS = 64
ROUNDS = 3


async def entries(at: Reach) -> tuple[int, int]:
    """How many entries there are, and how many of them are sealed."""
    connection = await asyncpg.connect(dsn(at.admin))
    try:
        row = await connection.fetchrow(
            "select (select count(*) from carecircle.audit_events), (select count(*) from carecircle.audit_leaves)"
        )
        return int(row[0]), int(row[1])
    finally:
        await connection.close()


async def decide_until(at: Reach, wanted: int) -> None:
    """Ask until the trail has so many entries."""
    have, _ = await entries(at)
    if have >= wanted:
        return
    connection = await for_every_organization(await open_connection(at.dsn("decider")))
    decider, asked = Decider(connection, keyring(), timeout=60), questions(100_000)
    try:
        while have < wanted:
            for first in range(0, len(asked), 500):
                await decider.decide(Form(), asked[first : first + 500])
            have += len(asked)
    finally:
        await connection.close()


async def decided(circle: CareCircle, seconds: float) -> float:
    """Decisions per second that callers get who each wait for their answer before they ask again."""
    asked, answered = questions(50_000), 0
    until = time.perf_counter() + seconds

    async def caller(number: int) -> None:
        nonlocal answered
        at = number * 700
        while time.perf_counter() < until:
            await circle.access.ask(asked[at % len(asked)])
            at, answered = at + 1, answered + 1

    started = time.perf_counter()
    await asyncio.gather(*(caller(number) for number in range(CALLERS)))
    return answered / (time.perf_counter() - started)


@asynccontextmanager
async def sealing(at: Reach) -> AsyncIterator[None]:
    """A sealer at work in a process of its own, as in service, for as long as the block."""
    program = [sys.executable, "-m", "benchmarks.audit", "--seal", dsn(at.admin)]
    process = await asyncio.create_subprocess_exec(*program, stderr=subprocess.DEVNULL)
    try:
        await asyncio.sleep(2)
        yield
    finally:
        process.terminate()
        await process.wait()


async def beside(settings: Settings, at: Reach, seconds: float) -> dict[str, float]:
    """Decisions per second without and with a sealer, in turn, so that both meet the same machine."""
    alone, together, lags = [], [], []
    async with assemble(settings, at) as circle:
        await decided(circle, 2)
        for _ in range(ROUNDS):
            await seal_once(settings, at)
            alone.append(await decided(circle, seconds))
            await seal_once(settings, at)
            async with sealing(at):
                together.append(await decided(circle, seconds))
                lags.append(await _caught_up(at))
    return {
        "alone_per_s": median(alone), "with_sealing_per_s": median(together),
        "ratio": median(two / one for one, two in zip(alone, together, strict=True)), "caught_up_s": max(lags),
    }  # fmt: skip


async def _caught_up(at: Reach) -> float:
    """Seconds until every entry is sealed, once nobody asks any more."""
    started = time.perf_counter()
    while True:
        have, sealed = await entries(at)
        if have == sealed or time.perf_counter() - started > 60:
            return time.perf_counter() - started
        await asyncio.sleep(0.05)


async def exported(at: Reach, folder: Path) -> float:
    """Every organization's trail in a file of its own; seconds."""
    connection = await asyncpg.connect(dsn(at.admin))
    try:
        found = [
            row[0] for row in await connection.fetch("select distinct organization_id from carecircle.audit_leaves")
        ]
    finally:
        await connection.close()
    auditor = open_engine(at, role="auditor", connections=1)
    started = time.perf_counter()
    try:
        for organization in found:
            async with into_file(folder / f"{organization}.ndjson") as out:

                async def write(data: bytes, out=out) -> None:  # type: ignore[no-untyped-def]  # a file of bytes
                    out.write(data)

                await export(auditor, write, organization=organization)
    finally:
        await auditor.dispose()
    return time.perf_counter() - started


def verified(folder: Path, home: Path) -> tuple[int, float]:
    """Every file checked as an outsider does, in a process of its own each: entries, and seconds all together."""
    keys = [word for key in SealingKey.open(home).vkeys() for word in ("--key", key)]
    count, started = 0, time.perf_counter()
    for file in sorted(folder.glob("*.ndjson")):
        done = subprocess.run(
            [sys.executable, "-m", "carecircle.audit.verify", str(file), *keys, "--json"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise RuntimeError(f"{file.name}: {done.stdout[:500]}{done.stderr[:500]}")
        count += json.loads(done.stdout)["entries"]
    return count, time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(prog="./dev bench audit", description=__doc__)
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--seconds", type=float, default=6.0, help="how long each rate of decisions is measured")
    parser.add_argument("--entries", type=int, default=3_000_000, help="how many entries are exported and verified")
    parser.add_argument("--seal", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.seal:
        _seal(given.seal)
        return
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    figures: dict[str, float] = {}
    with loaded() as (settings, at):
        asyncio.run(decide_until(at, given.entries))
        _, before = asyncio.run(entries(at))
        started = time.perf_counter()
        asyncio.run(seal_once(settings, at))
        count = asyncio.run(entries(at))[1] - before
        if count > 100_000:
            figures["sealed_per_s"] = count / (time.perf_counter() - started)
            print(f"{'backlog sealed':42} {figures['sealed_per_s']:10,.0f}/s   of {count:,}")
        figures |= asyncio.run(beside(settings, at, given.seconds))
        print(f"{f'decisions, {CALLERS} callers':42} {figures['alone_per_s']:10,.0f}/s")
        print(
            f"{'    with a sealer beside them':42} {figures['with_sealing_per_s']:10,.0f}/s   {figures['ratio']:.2f} x"
        )
        print(f"{'    all of them sealed, after the last':42} {figures['caught_up_s']:10.2f} s")
        with tempfile.TemporaryDirectory(dir=settings.home) as folder:
            seconds = asyncio.run(exported(at, Path(folder)))
            count, spent = verified(Path(folder), settings.home)
        figures |= {"exported_per_s": count / seconds, "verified_per_s": count / spent, "entries": count}
        print(f"{'exported':42} {figures['exported_per_s']:10,.0f}/s   of {count:,}")
        print(f"{'verified offline, one process at a time':42} {figures['verified_per_s']:10,.0f}/s   of {count:,}")
    if given.json:
        given.json.write_text(json.dumps({key: round(value, 3) for key, value in figures.items()}, indent=2) + "\n")


def _seal(address: str) -> None:
    """What the process beside the decisions does, until it is ended."""
    from carecircle.audit.sealing import run_sealer
    from carecircle.database.reach import configured, role_passwords

    settings = Settings.read()
    at = Reach(configured(address), role_passwords(settings.home))
    asyncio.run(run_sealer(settings, at, stop=asyncio.Event()))


if __name__ == "__main__":
    os.environ.setdefault("CARECIRCLE_WITNESS_FILE", "off")
    main()
