"""Watching every organization's outbox, as the one role that may: for whom something is due, and when the next is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg

from carecircle.database.constraints import DRIVER_ERRORS, translate
from carecircle.database.reach import Reach
from carecircle.database.revision import require_head
from carecircle.database.roles import check_role, open_connection
from carecircle.identifiers import OrganizationId
from carecircle.notices.service import CHANNEL

ANSWER = 10.0
"""Seconds the database may take to answer before it counts as gone."""
# One reading of the clock for both columns: nothing that becomes due falls between them.
WAITING = """
with clock as materialized (select clock_timestamp() as now)
select coalesce(array_agg(distinct o.organization_id) filter (where o.due_at <= clock.now), '{}') as organizations,
       extract(epoch from min(o.due_at) filter (where o.due_at > clock.now) - (select now from clock))::float8 as next_in
from carecircle.outbox o, clock
where o.settled_at is null"""


@dataclass(frozen=True, slots=True)
class Waiting:
    """The organizations for which something is due now, and in how many seconds the next will be, if any waits."""

    organizations: list[OrganizationId]
    next_in: float | None


class Outbox:
    """The outbox of all organizations through one connection that sees no more than when something is due."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def waiting(self) -> Waiting:
        """What is due, by the database's clock. Raises DatabaseUnavailable when it does not answer."""
        try:
            row = await self._connection.fetchrow(WAITING, timeout=ANSWER)
        except DRIVER_ERRORS as error:
            raise translate(error) from None
        return Waiting([OrganizationId(one) for one in row["organizations"]], row["next_in"])


@asynccontextmanager
async def watching(at: Reach, stir: Callable[[], None]) -> AsyncIterator[Outbox]:
    """The outbox, with `stir` called at every change that is told and when the connection is lost.

    Raises DatabaseUnavailable, DatabaseNotMigrated or DatabaseRoleUnsafe.
    """
    connection = await open_connection(at.dsn("notifier"))

    def told(*_: Any) -> None:
        stir()

    try:
        try:
            await require_head(connection)
            await check_role(connection)
            connection.add_termination_listener(told)
            await connection.add_listener(CHANNEL, told)
        except DRIVER_ERRORS as error:
            raise translate(error) from None
        yield Outbox(connection)
    finally:
        # The goodbye of a connection that is gone takes as long as the network does.
        connection.terminate()
