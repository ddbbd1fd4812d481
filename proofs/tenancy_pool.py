"""One pool that serves two tenants in turn: nothing of one transaction may be left for the next on that connection."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from carecircle.database.reach import Reach
from carecircle.database.session import open_engine, transaction
from carecircle.errors import CareCircleError
from proofs.tenancy_tenants import Tenants

LOOK = "select distinct organization_id from carecircle.patient_assignments"
ROUNDS = 10


@dataclass
class Looks:
    """How often somebody looked, and what they saw that was not theirs."""

    tried: int = 0
    leaked: list[str] = field(default_factory=list)
    # The control: what a bare SET, which carecircle never says, leaves for the next transaction.
    careless: bool = False

    def saw(self, how: str, seen: Sequence[UUID], own: UUID | None) -> None:
        self.tried += 1
        expected = [] if own is None else [own]
        if list(seen) != expected:
            self.leaked.append(f"{how}: saw {len(seen)} organizations where {len(expected)} was due")


async def leaks_of_one_pool(at: Reach, tenants: Tenants) -> Looks:
    """Both tenants through an asyncpg pool and through the engine, one connection and two, with every kind of end."""
    looks = Looks()
    one, two = tenants.own, UUID(tenants.real["other"])
    for size in (1, 2):
        async with asyncpg.create_pool(at.dsn("app"), min_size=size, max_size=size) as pool:
            await asyncio.gather(*(_drive(pool, looks, one, two, turn) for turn in range(ROUNDS * size)))
        engine = open_engine(at, connections=size)
        turns = asyncio.Semaphore(size)
        try:
            await asyncio.gather(*(_serve(engine, turns, looks, one, two, turn) for turn in range(ROUNDS * size)))
            if size == 1:
                looks.careless = await _carelessness_shows(engine, two)
        finally:
            await engine.dispose()
    return looks


async def _carelessness_shows(engine: AsyncEngine, tenant: UUID) -> bool:
    async with transaction(engine) as session:
        await session.execute(text(f"set carecircle.organization_id = '{tenant}'"))
    async with transaction(engine) as session:
        return list(await session.scalars(text(LOOK))) == [tenant]


async def _drive(pool: asyncpg.Pool, looks: Looks, one: UUID, two: UUID, turn: int) -> None:
    """A tenant's transaction on a connection that the other one had just before, ended in one of four ways."""
    tenant = (one, two)[turn % 2]
    async with pool.acquire() as connection:
        looks.saw("before", await _seen(connection), None)
        prepared = await connection.prepare(LOOK)
        transaction_ = connection.transaction()
        await transaction_.start()
        await connection.execute(f"set local carecircle.organization_id = '{tenant}'")
        looks.saw("inside", [row[0] for row in await prepared.fetch()], tenant)
        match turn % 4:
            case 0:
                await transaction_.commit()
            case 1:
                await transaction_.rollback()
            case 2:
                async with connection.transaction():
                    looks.saw("inside a savepoint", await _seen(connection), tenant)
                await transaction_.commit()
            case _:
                try:
                    await connection.execute("select 1 / 0")
                except asyncpg.DivisionByZeroError:
                    await transaction_.rollback()
        looks.saw("after", [row[0] for row in await prepared.fetch()], None)
        looks.saw("after, anew", await _seen(connection), None)


async def _seen(connection: asyncpg.Connection) -> list[UUID]:
    return [row[0] for row in await connection.fetch(LOOK)]


async def _serve(engine: AsyncEngine, turns: asyncio.Semaphore, looks: Looks, one: UUID, two: UUID, turn: int) -> None:
    """The same through carecircle's own transactions: committed, raised out of, timed out, and without a tenant."""
    tenant = (one, two)[turn % 2]
    async with turns:
        try:
            async with transaction(engine, tenant) as session:
                looks.saw("in a session", list(await session.scalars(text(LOOK))), tenant)
                if turn % 3 == 1:
                    await session.execute(text("select 1 / 0"))
                if turn % 3 == 2:
                    async with asyncio.timeout(0.005):
                        await session.execute(text("select pg_sleep(1)"))
        except (CareCircleError, TimeoutError):
            pass
        async with transaction(engine) as session:
            looks.saw("in a session of nobody's", list(await session.scalars(text(LOOK))), None)
