"""Transactions: one tenant each, the database's instant, and refusals recorded in a transaction of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from carecircle.database.constraints import DRIVER_ERRORS, translate, translated
from carecircle.database.crypto import keyring
from carecircle.database.data_keys import know
from carecircle.database.reach import Reach, Role
from carecircle.database.tls import bare, tls
from carecircle.identifiers import OrganizationId


def open_engine(reach: Reach, *, role: Role = "app", connections: int = 5) -> AsyncEngine:
    """A role's engine; the app's, unless another is named. Connections open on first use; times are seconds."""
    address = reach.as_role(role)
    return create_async_engine(
        bare(address).set(drivername="postgresql+asyncpg"),
        pool_size=connections,
        max_overflow=5,
        pool_timeout=10,
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args={"timeout": 10, "ssl": tls(address)},
    )


@asynccontextmanager
async def transaction(engine: AsyncEngine, organization_id: UUID | None = None) -> AsyncIterator[AsyncSession]:
    """One transaction in one tenant: committed at the end of the block, rolled back when it raises.

    Raises what the block raises; database errors come as ours (database/constraints.py).
    """
    try:
        async with async_sessionmaker(engine, expire_on_commit=False)() as session, session.begin():
            if organization_id is not None:
                await enter_tenant(session, organization_id)
            yield session
    except (SQLAlchemyError, *DRIVER_ERRORS) as error:
        raise translate(error) from None


@asynccontextmanager
async def one_change(db: AsyncSession) -> AsyncIterator[None]:
    """All of a change, or nothing: a caller who catches a refusal and commits all the same keeps no half of it."""
    with translated():
        async with db.begin_nested():
            yield


async def enter_tenant(session: AsyncSession, organization_id: UUID) -> OrganizationId:
    """Set the tenant of the session's transaction, until it ends, and know its keys where the role may.

    As a parameter, so that pg_stat_activity shows nobody whose transaction this is. Raises KeyUnavailable, as `keyring` does.
    """
    tenant = UUID(bytes=organization_id.bytes)
    await session.execute(
        text("select set_config('carecircle.organization_id', :tenant, true)"), {"tenant": str(tenant)}
    )
    await know(session, keyring(), tenant)
    return OrganizationId(tenant)


def turn_key(organization_id: UUID, subject_id: UUID) -> int:
    """The advisory lock behind which those queue who work on `subject_id`."""
    own, tenant = (int.from_bytes(one.bytes[-8:], "big", signed=True) for one in (subject_id, organization_id))
    return own ^ tenant


async def take_turns(session: AsyncSession, organization_id: UUID, subject_id: UUID) -> datetime:
    """Queue behind whoever else works on `subject_id`, until the transaction ends; then say what time it is.

    The instant is the database's, taken after the lock was had: a row that starts at it cannot start before
    the row it follows ended.
    """
    now: datetime = (
        await session.execute(
            text("with turn as materialized (select pg_advisory_xact_lock(:key)) select clock_timestamp() from turn"),
            {"key": turn_key(organization_id, subject_id)},
        )
    ).scalar_one()
    return now


async def lock_patient(session: AsyncSession, organization_id: UUID, patient_id: UUID) -> datetime:
    """Queue behind whoever changes this patient's circle now, until the transaction ends; then say what time it is."""
    return await take_turns(session, organization_id, patient_id)


async def instant(session: AsyncSession) -> datetime:
    """The database's clock, in UTC, as of this statement."""
    now: datetime = (await session.execute(text("select statement_timestamp()"))).scalar_one()
    return now


async def require_ready(engine: AsyncEngine) -> None:
    """Raises DatabaseUnavailable or DatabaseNotMigrated unless the database answers and holds our schema."""
    async with transaction(engine) as session:
        await session.execute(text("select version_num from carecircle.schema_version"))
