"""The workload every benchmark runs on: loaded once into a PostgreSQL of its own and kept, with real durability."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from uuid import UUID

import asyncpg
from sqlalchemy.engine import make_url

from carecircle.access.decision import Question
from carecircle.database import migrate
from carecircle.database.embedded import EmbeddedServer
from carecircle.database.reach import Reach, dsn, over_socket, role_passwords
from carecircle.database.roles import open_connection
from carecircle.settings import Settings

ORGANIZATIONS, PROVIDERS, PATIENTS = 50, 2_000, 100_000
ALLOWED = 0.6

# A server of its own size; fsync and synchronous_commit stay on: every decision measured is durable.
SERVER = {
    "shared_buffers": "1GB",
    "max_wal_size": "4GB",
    "min_wal_size": "2GB",
    "checkpoint_timeout": "30min",
    "wal_compression": "off",
}

# What each script loads, and what is there when it has been.
SCRIPTS = {
    "workload.sql": "select from carecircle.organizations where slug = 'org-49'",
    "workload_around.sql": "select from carecircle.coverage_arrangements",
}


def identifier(what: str) -> UUID:
    return UUID(bytes=hashlib.md5(what.encode(), usedforsecurity=False).digest())


def questions(count: int, seed: int = 1) -> list[Question]:
    """Questions of which about 60 % are allowed, spread over all organizations."""
    chance = random.Random(seed)
    asked = []
    for _ in range(count):
        patient = chance.randrange(PATIENTS)
        ward = patient % ORGANIZATIONS
        if chance.random() < ALLOWED - 0.03:
            turn = chance.randrange(patient * 7919 % 4 + 1)
            provider = ward + 50 * ((patient // 50 + turn * 13) % 40)
        else:
            provider = ward + 50 * chance.randrange(40)
        asked.append(
            Question(
                identifier(f"o{ward}"),
                identifier(f"p{provider}"),
                identifier(f"t{patient}"),
                "read",
                "service:benchmark",
            )
        )
    return asked


def home() -> Path:
    return Path(os.environ.get("CARECIRCLE_BENCH_HOME", Path(__file__).parent.parent / ".carecircle" / "bench"))


@contextmanager
def loaded() -> Iterator[tuple[Settings, Reach]]:
    """A running server that holds the workload; loading it takes some minutes, once."""
    os.environ["CARECIRCLE_HOME"] = str(home())
    os.environ.pop("CARECIRCLE_DATABASE_URL", None)
    home().mkdir(parents=True, exist_ok=True)
    settings = Settings.read()
    with EmbeddedServer.start(home(), settings=SERVER) as server:
        at = Reach(over_socket(make_url(server.admin_url), server), role_passwords(home()), server.bin_dir)
        asyncio.run(_load(at))
        yield settings, at


async def _load(at: Reach) -> None:
    admin = await open_connection(dsn(at.admin))
    try:
        await asyncio.to_thread(migrate.upgrade, at)
        for script, there in SCRIPTS.items():
            if not await admin.fetchval(f"select exists ({there})"):
                await _run_script(admin, script)
        # What earlier runs recorded does not belong to this one.
        await admin.execute(
            "truncate carecircle.audit_events, carecircle.audit_leaves, carecircle.audit_nodes, carecircle.audit_checkpoints"
        )
        await admin.execute("checkpoint")
    finally:
        await admin.close()


async def _run_script(admin: asyncpg.Connection, script: str) -> None:
    started = time.perf_counter()
    print(f"loading {script} (once; some minutes) …", file=sys.stderr)
    async with admin.transaction():
        await admin.execute("set local session_replication_role = replica")
        await admin.execute("set local maintenance_work_mem = '512MB'")
        for statement in (files("benchmarks") / script).read_text().split(";\n"):
            if statement.strip():
                await admin.execute(statement)
    print(f"loaded in {time.perf_counter() - started:.0f} s", file=sys.stderr)
    await admin.execute("vacuum analyze")
