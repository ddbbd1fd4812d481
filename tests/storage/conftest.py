"""Databases of a test's own, empty at first, and plain looks into them."""

from __future__ import annotations

import asyncio
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from tests.conftest import socket_reach

from carecircle.database.embedded import EmbeddedServer
from carecircle.database.reach import Reach, dsn

Fresh = Callable[[], Reach]


def run_sql(at: Reach, statement: str, *arguments: object) -> list[asyncpg.Record]:
    """One statement as the administrator, who stands above row-level security."""

    async def body() -> list[asyncpg.Record]:
        connection = await asyncpg.connect(dsn(at.admin))
        try:
            found: list[asyncpg.Record] = await connection.fetch(statement, *arguments)
            return found
        finally:
            await connection.close()

    return asyncio.run(body())


@pytest.fixture
def fresh(server: EmbeddedServer, home: Path) -> Iterator[Fresh]:
    """Makes empty databases, dropped after the test."""
    made: list[str] = []
    admin = socket_reach(server, home)

    def make() -> Reach:
        name = f"empty_{uuid4().hex}"
        # template0 has no session of another test's on it, which would stop the copy.
        run_sql(admin, f"create database {name} template template0")
        made.append(name)
        return socket_reach(server, home, name)

    yield make
    for name in made:
        run_sql(admin, f"drop database {name} with (force)")


def dump(at: Reach) -> str:
    """The schema as pg_dump writes it, without the lines that differ at every run."""
    assert at.bin_dir is not None
    done = subprocess.run(
        [str(at.bin_dir / "pg_dump"), "--schema-only", "--no-comments", dsn(at.admin)],
        capture_output=True,
        text=True,
        check=True,
    )
    return "\n".join(line for line in done.stdout.splitlines() if line and not re.match(r"--|\\(un)?restrict", line))
