"""Long looks at the audit trail: each on a connection of its own, and few at a time in one process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from carecircle.api.live import Live
from carecircle.api.v1.door import Door
from carecircle.database.session import open_engine
from carecircle.errors.service import TooBusy

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

AT_ONCE = 2
"""How many there may be in one process: each keeps a connection, a snapshot of the database and part of a core busy."""
# By what lives as long as the service does.
_running: WeakKeyDictionary[Live, int] = WeakKeyDictionary()


@asynccontextmanager
async def auditor_aside(door: Door) -> AsyncIterator[AsyncEngine]:
    """An engine of carecircle_auditor for one long look, so that short ones do not wait for it. Raises TooBusy."""
    if _running.get(door.live, 0) >= AT_ONCE:
        raise TooBusy(f"{AT_ONCE} exports or verifications run in this process already; repeat this in a minute.")
    _running[door.live] = _running.get(door.live, 0) + 1
    engine = open_engine(door.circle.reach.to_read_old_news(), role="auditor", connections=1)
    try:
        yield engine
    finally:
        _running[door.live] -= 1
        await engine.dispose()
