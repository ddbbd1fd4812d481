"""Bring the schema to a revision: Alembic as the owner, under a lock, with timeouts; then the replaceable objects."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError

from carecircle.database.constraints import translated
from carecircle.database.reach import Reach
from carecircle.database.roles import make_roles, open_connection
from carecircle.errors import InvalidRequest

LOCK_TIMEOUT = "4s"
STATEMENT_TIMEOUT = "15min"


def alembic_config(reach: Reach | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(str(files("carecircle.database"))) / "migrations"))
    config.set_main_option("path_separator", "os")
    if reach is not None:
        config.attributes["reach"] = reach
    return config


def upgrade(reach: Reach, revision: str = "head") -> None:
    """Make the roles, migrate up to `revision`, and renew the replaceable objects. Raises InvalidRequest, and ours."""
    asyncio.run(make_roles(reach))
    with _in_our_words():
        command.upgrade(alembic_config(reach), revision)


def downgrade(reach: Reach, revision: str) -> None:
    """Take the schema back to `revision`. Raises InvalidRequest, and the database's errors as ours."""
    with _in_our_words():
        command.downgrade(alembic_config(reach), revision)


@contextmanager
def _in_our_words() -> Iterator[None]:
    try:
        with translated():
            yield
    except CommandError:
        raise InvalidRequest(
            "There is no such revision, or it cannot be reached from here; see: carecircle db status."
        ) from None


async def current_revision(reach: Reach) -> str | None:
    """The revision the database is at, or None when it holds no carecircle schema."""
    connection = await open_connection(reach.dsn("owner"))
    try:
        known = await connection.fetchval("select to_regclass('carecircle.schema_version') is not null")
        if not known:
            return None
        revision: str | None = await connection.fetchval("select version_num from carecircle.schema_version")
        return revision
    finally:
        await connection.close()


def objects() -> list[str]:
    """The replaceable SQL, in the order of the file names."""
    folder = files("carecircle.database") / "objects"
    return [
        item.read_text() for item in sorted(folder.iterdir(), key=lambda item: item.name) if item.name.endswith(".sql")
    ]
