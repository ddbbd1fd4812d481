"""Where the parts are put together: settings in, a working carecircle out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from carecircle.access.service import Access, OnUnavailable
from carecircle.database.crypto import Keyring, keyring_at
from carecircle.database.data_keys import reloading
from carecircle.database.reach import Reach
from carecircle.database.revision import require_head
from carecircle.database.roles import check_role, open_connection
from carecircle.database.session import open_engine
from carecircle.services.emergency import Glass, GlassBreaker
from carecircle.settings import Settings


@dataclass(frozen=True)
class CareCircle:
    """The parts of a running carecircle: the app role's engine for changes, access for questions, the keys.

    `auditor` reads the audit trail of one organization at a time, for reports about it: on the replica, where there is
    one. Everything else is asked of the primary.
    """

    engine: AsyncEngine
    auditor: AsyncEngine
    access: Access
    keyring: Keyring
    reach: Reach
    settings: Settings


@asynccontextmanager
async def assemble(
    settings: Settings, reach: Reach, *, on_unavailable: OnUnavailable | None = None
) -> AsyncIterator[CareCircle]:
    """Everything connected and checked; let go at the end of the block.

    `on_unavailable` hears of every question that could not be answered (see Access).

    Raises DatabaseUnavailable, DatabaseNotMigrated or DatabaseRoleUnsafe before anybody is served.
    """
    for role in ("app", "decider"):
        connection = await open_connection(reach.dsn(role))
        try:
            await require_head(connection)
            await check_role(connection)
        finally:
            await connection.close()
    keyring = keyring_at(settings.home)
    keyring.reload = reloading(keyring, lambda: open_connection(reach.dsn("app")))
    engine = open_engine(reach)
    auditor = open_engine(reach.to_read_old_news(), role="auditor", connections=1)
    access = open_access(
        settings, reach, keyring, on_unavailable=on_unavailable, glass=GlassBreaker(engine, reach.dsn("notifier"))
    )
    try:
        yield CareCircle(engine, auditor, access, keyring, reach, settings)
    finally:
        await access.close()
        await engine.dispose()
        await auditor.dispose()


def open_access(
    settings: Settings,
    reach: Reach,
    keyring: Keyring,
    *,
    on_unavailable: OnUnavailable | None = None,
    glass: Callable[..., AbstractAsyncContextManager[Glass]] | None = None,
) -> Access:
    """Access on connections of the deciding role; they open on first use."""
    address = reach.dsn("decider")

    async def connect() -> asyncpg.Connection:
        return await open_connection(address)

    return Access(
        connect, keyring, lanes=settings.lanes, batch=settings.batch, timeout=settings.decision_timeout,
        on_unavailable=on_unavailable, glass=glass,
    )  # fmt: skip
