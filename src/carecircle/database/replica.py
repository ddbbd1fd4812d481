"""How old is what a replica says: answers read there name an instant, and are as of that one or later."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import QueuePool

from carecircle.database.session import transaction
from carecircle.errors import DatabaseUnavailable

# The commit of the last transaction that was replayed. Where nothing was committed since, it understates.
_AS_OF = text(
    "select pg_is_in_recovery() as here, pg_last_xact_replay_timestamp() as as_of, statement_timestamp() as started"
)


def was_read(engine: AsyncEngine) -> bool:
    """Whether anything was asked of this engine's database so far."""
    return isinstance(engine.pool, QueuePool) and engine.pool.checkedin() + engine.pool.checkedout() > 0


async def read_as_of(engine: AsyncEngine) -> datetime | None:
    """The instant, in UTC, whose state a replica has at least; None where the engine reads the primary itself.

    Raises DatabaseUnavailable where the replica does not answer or cannot say.
    """
    async with transaction(engine) as session:
        row = (await session.execute(_AS_OF)).one()
    if not row.here:
        return None
    if row.as_of is None:
        raise DatabaseUnavailable("The replica has replayed nothing since it started, so it cannot say how old it is.")
    as_of: datetime = row.as_of
    return as_of
