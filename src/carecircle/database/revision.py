"""Which revision this version speaks, read from the migrations' own text: asking at every start need not load Alembic."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

import asyncpg

from carecircle.errors import DatabaseNotMigrated

_SAYS = re.compile(r'^(revision|down_revision) = "(\w+)"$', re.MULTILINE)


@cache
def head() -> str:
    """The revision no other follows."""
    folder = files("carecircle.database") / "migrations" / "versions"
    said = [dict(_SAYS.findall(item.read_text())) for item in folder.iterdir() if item.name.endswith(".py")]
    followed = {migration.get("down_revision") for migration in said}
    [newest] = [migration["revision"] for migration in said if migration and migration["revision"] not in followed]
    return str(newest)


async def require_head(connection: asyncpg.Connection) -> None:
    """Any role may call this. Raises DatabaseNotMigrated unless the schema is the one this version speaks."""
    try:
        revision = await connection.fetchval("select version_num from carecircle.schema_version")
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError, asyncpg.InsufficientPrivilegeError):
        revision = None
    if revision != head():
        at = f"is at {revision}" if revision else "has no carecircle schema"
        raise DatabaseNotMigrated(f"This database {at}; this version needs {head()}; run: carecircle db upgrade.")
