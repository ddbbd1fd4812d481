"""Bring the schema to a revision: Alembic as the owner, under a lock, with timeouts; then the replaceable objects."""

from __future__ import annotations

import asyncio
from importlib.resources import files
from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from carecircle.database.reach import Reach
from carecircle.database.roles import make_roles, open_connection
from carecircle.errors import DatabaseNotMigrated

LOCK_TIMEOUT = "4s"
STATEMENT_TIMEOUT = "15min"


def alembic_config(reach: Reach | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(str(files("carecircle.database"))) / "migrations"))
    config.set_main_option("path_separator", "os")
    if reach is not None:
        config.attributes["reach"] = reach
    return config


def head() -> str:
    return ScriptDirectory.from_config(alembic_config()).get_current_head() or ""


def upgrade(reach: Reach, revision: str = "head") -> None:
    """Make the roles, migrate up to `revision`, and renew the replaceable objects."""
    asyncio.run(make_roles(reach))
    command.upgrade(alembic_config(reach), revision)


def downgrade(reach: Reach, revision: str) -> None:
    command.downgrade(alembic_config(reach), revision)


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


async def require_head(connection: asyncpg.Connection) -> None:
    """Any role may call this. Raises DatabaseNotMigrated unless the schema is the one this version speaks."""
    try:
        revision = await connection.fetchval("select version_num from carecircle.schema_version")
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError, asyncpg.InsufficientPrivilegeError):
        revision = None
    if revision != head():
        at = f"is at {revision}" if revision else "has no carecircle schema"
        raise DatabaseNotMigrated(f"This database {at}; this version needs {head()}; run: carecircle db upgrade.")


def objects() -> list[str]:
    """The replaceable SQL, in the order of the file names."""
    folder = files("carecircle.database") / "objects"
    return [
        item.read_text() for item in sorted(folder.iterdir(), key=lambda item: item.name) if item.name.endswith(".sql")
    ]
