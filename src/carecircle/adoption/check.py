"""The check for several primaries on an existing application's table: a connection, one READ ONLY transaction, nothing else."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from carecircle.adoption.connection import Patience, host
from carecircle.adoption.host_table import HostTable, look_up
from carecircle.adoption.scan import SeveralPrimaries, Tell, several_primaries, untold


async def host_several_primaries(
    address: str, table: HostTable, patience: Patience | None = None, tell: Tell = untold
) -> AsyncGenerator[SeveralPrimaries, None]:
    """Every patient with several primaries. The whole session is read only.

    Raises InvalidRequest for a table or column that is not there, Refused where rows would be hidden or reading is
    not allowed, DatabaseUnavailable.
    """
    async with host(address, patience or Patience()) as connection:
        await connection.execute("set default_transaction_read_only = on")
        await look_up(connection, table)
        async with aclosing(several_primaries(connection, table, tell)) as found:
            async for one in found:
                yield one
