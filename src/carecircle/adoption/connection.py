"""Connections to a host's database: careful settings, and its errors as ours, without the server's text."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import asyncpg

from carecircle.database.constraints import translate
from carecircle.database.reach import configured, dsn
from carecircle.database.roles import open_connection
from carecircle.errors import CareCircleError, Conflict, InvalidRequest, Refused

# While it waits or works for a caller who is gone, the server notices, and lets go of its locks.
SETTINGS = {
    "row_security": "off",
    "timezone": "UTC",
    "client_connection_check_interval": "1s",
    # One connection reads while the other writes, and waits for it.
    "idle_in_transaction_session_timeout": "0",
}

_STATES: dict[str, tuple[type[CareCircleError], str]] = {
    "42P01": (InvalidRequest, "The table went away while it was read."),
    "42703": (InvalidRequest, "A column went away while it was read."),
    "25006": (InvalidRequest, "Reading this would write (a view or a rule with a function that does); the check only reads."),
    "42501": (
        Refused,
        "The database user may not do this there, or row-level security would hide rows from it; use a user who sees every"
        " row (for adopt: the table's owner, allowed to create a schema).",
    ),
    "55P03": (
        Conflict,
        "Somebody else held a lock for longer than --lock-timeout; what was done before is kept; run the same again.",
    ),
    "40P01": (Conflict, "This and the application kept waiting for each other; what was done before is kept; run it again."),
    "57014": (
        Conflict,
        "The database stopped this after --statement-timeout, or somebody cancelled it; what was done before is kept; run"
        " the same again, with more time.",
    ),
    "23505": (Conflict, "A unique index of the table's own refuses this change; the batch it was in was not made."),
    "P0001": (Conflict, "A trigger of the table refuses this change; the batch it was in was not made."),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds: for a row's lock, one statement, building or dropping the index, and for whoever adopts the same table now."""

    lock: float = 4.0
    statement: float = 900.0
    index: float = 6 * 3600.0
    other: float = 10.0


@asynccontextmanager
async def host(address: str, patience: Patience) -> AsyncIterator[asyncpg.Connection]:
    """A connection to an address somebody gave, its errors translated. Raises InvalidSetting, DatabaseUnavailable.

    Row-level security is not allowed to hide rows: what would be hidden is an error.
    """
    with host_errors():
        connection = await open_connection(dsn(configured(address)))
        try:
            settings = SETTINGS | {
                "application_name": "carecircle adopt",
                "lock_timeout": f"{round(patience.lock * 1000)}ms",
                "statement_timeout": f"{round(patience.statement * 1000)}ms",
            }
            for name, value in settings.items():
                await connection.execute("select set_config($1, $2, false)", name, value)
            yield connection
        finally:
            await connection.close(timeout=5)


@contextmanager
def host_errors() -> Iterator[None]:
    """Turn the driver's errors into ours around a piece of work; never repeats the server's text, which may quote a row."""
    try:
        yield
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
        state = getattr(error, "sqlstate", None)
        if state in _STATES:
            kind, sentence = _STATES[state]
            raise kind(sentence) from None
        raise translate(error) from None
