"""How Alembic runs here: as carecircle_owner, in the schema carecircle, with lock and statement timeouts."""

from __future__ import annotations

import asyncio
import logging.config
from contextlib import nullcontext

from alembic import context
from sqlalchemy import Connection, pool, text
from sqlalchemy.ext.asyncio import create_async_engine

from carecircle.database.migrate import LOCK_TIMEOUT, STATEMENT_TIMEOUT, objects
from carecircle.database.reach import Reach, reach
from carecircle.database.roles import make_roles
from carecircle.database.tls import bare, tls
from carecircle.settings import Settings

VERSION_TABLE = "schema_version"


def run(connection: Connection) -> None:
    connection.execute(text(f"set statement_timeout = '{STATEMENT_TIMEOUT}'"))
    # Two upgrades at once queue up here instead of meeting half-way; the second waits longer than for a table's lock.
    connection.execute(text("select pg_advisory_lock(hashtextextended('carecircle.migrate', 0))"))
    connection.execute(text(f"set lock_timeout = '{LOCK_TIMEOUT}'"))
    connection.execute(text("create schema if not exists carecircle"))
    connection.commit()
    context.configure(
        connection=connection,
        version_table=VERSION_TABLE,
        version_table_schema="carecircle",
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
    for statement in objects():
        connection.exec_driver_sql(statement)
    connection.commit()


async def migrate(at: Reach) -> None:
    await make_roles(at)
    address = at.as_role("owner")
    engine = create_async_engine(
        bare(address).set(drivername="postgresql+asyncpg"), poolclass=pool.NullPool, connect_args={"ssl": tls(address)}
    )
    try:
        async with engine.connect() as connection:
            await connection.run_sync(run)
    finally:
        await engine.dispose()


if context.config.config_file_name is not None:  # the alembic command, not `carecircle db`
    logging.config.fileConfig(context.config.config_file_name, disable_existing_loggers=False)
given: Reach | None = context.config.attributes.get("reach")
with nullcontext(given) if given is not None else reach(Settings.read()) as found:
    asyncio.run(migrate(found))
