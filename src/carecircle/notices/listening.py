"""Hearing, at once, that something changed in an organization; and every few seconds looking anyway."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any
from uuid import UUID

import asyncpg

from carecircle.database.constraints import DRIVER_ERRORS
from carecircle.database.roles import open_connection
from carecircle.errors import DatabaseUnavailable
from carecircle.notices.service import CHANNEL

LOOK_ANYWAY = 5.0
"""Seconds after which a change is noticed whose notification was lost."""


async def changes(address: str, organization_id: UUID, *, every: float = LOOK_ANYWAY) -> AsyncGenerator[None]:
    """Yield at once, whenever something changed in this organization, and after `every` seconds of silence.

    `address` is the role carecircle_notifier's. A lost connection is made again; until then it only yields after silences.
    """
    changed = asyncio.Event()
    wanted = str(organization_id)

    def heard(_connection: Any, _pid: int, _channel: str, payload: str) -> None:
        if payload == wanted:
            changed.set()

    connection: asyncpg.Connection | None = None
    try:
        while True:
            if connection is None or connection.is_closed():
                connection = None
                with suppress(DatabaseUnavailable, *DRIVER_ERRORS):
                    connection = await open_connection(address)
                    await connection.add_listener(CHANNEL, heard)
            yield
            with suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), every)
            changed.clear()
    finally:
        if connection is not None:
            connection.terminate()
            await asyncio.sleep(0)  # the transport closes at the loop's next turn, which may be its last
