"""Where the parts are put together: settings in, a working carecircle out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from carecircle.access.service import Access
from carecircle.database.crypto import Keyring
from carecircle.database.reach import Reach
from carecircle.database.revision import require_head
from carecircle.database.roles import check_role, open_connection
from carecircle.database.session import open_engine
from carecircle.settings import Settings


@dataclass(frozen=True)
class CareCircle:
    """The parts of a running carecircle: the app role's engine for changes, access for questions, the keys."""

    engine: AsyncEngine
    access: Access
    keyring: Keyring
    reach: Reach
    settings: Settings


@asynccontextmanager
async def assemble(settings: Settings, reach: Reach) -> AsyncIterator[CareCircle]:
    """Everything connected and checked; let go at the end of the block.

    Raises DatabaseUnavailable, DatabaseNotMigrated or DatabaseRoleUnsafe before anybody is served.
    """
    for role in ("app", "decider"):
        connection = await open_connection(reach.dsn(role))
        try:
            await require_head(connection)
            await check_role(connection)
        finally:
            await connection.close()
    keyring = Keyring.open(settings.home)
    engine = open_engine(reach)
    access = open_access(settings, reach, keyring)
    try:
        yield CareCircle(engine, access, keyring, reach, settings)
    finally:
        await access.close()
        await engine.dispose()


def open_access(settings: Settings, reach: Reach, keyring: Keyring) -> Access:
    """Access on connections of the deciding role; they open on first use."""
    address = reach.dsn("decider")

    async def connect() -> asyncpg.Connection:
        return await open_connection(address)

    return Access(connect, keyring, lanes=settings.lanes, batch=settings.batch, timeout=settings.decision_timeout)
