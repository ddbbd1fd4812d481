"""The audit trail's table: nobody may say when an entry was made, and its months are UTC's whatever the server's zone."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from tests.conftest import socket_reach

from carecircle.database import migrate
from carecircle.database.embedded import EmbeddedServer
from carecircle.database.reach import Reach, Role, dsn
from carecircle.identifiers import new_id

ZONES = ("America/New_York", "Europe/Berlin", "Pacific/Auckland")


@pytest.mark.parametrize("role", ["app", "decider"])
@pytest.mark.parametrize("forged", ["recorded_at", "xid", "snapshot"])
def test_nobody_says_when_an_entry_was_made(migrated: Reach, role: Role, forged: str) -> None:
    values = {"recorded_at": "'2020-01-01'", "xid": "'1'", "snapshot": "'1:1:'"}

    async def body() -> None:
        connection = await asyncpg.connect(migrated.dsn(role))
        try:
            await connection.execute(f"set carecircle.organization_id = '{new_id()}'")
            honest = (
                "insert into carecircle.audit_events (organization_id, id, kind, actor, code{})"
                " values ({}, $1, 'x', 'x', 'x'{})"
            )
            tenant = "carecircle.current_organization()"
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(honest.format(f", {forged}", tenant, f", {values[forged]}"), new_id())
            await connection.execute(honest.format("", tenant, ""), new_id())  # the control
        finally:
            await connection.close()

    asyncio.run(body())


@pytest.fixture
def elsewhere(server: EmbeddedServer, home: Path, request: pytest.FixtureRequest) -> Iterator[Reach]:
    """An empty database whose sessions live in another time zone."""
    name = f"zone_{new_id().hex[-8:]}"
    admin = socket_reach(server, home)

    async def make(*statements: str) -> None:
        connection = await asyncpg.connect(dsn(admin.admin))
        for statement in statements:
            await connection.execute(statement)
        await connection.close()

    asyncio.run(make(f"create database {name}", f"alter database {name} set timezone = '{request.param}'"))
    yield socket_reach(server, home, name)
    asyncio.run(make(f"drop database {name} with (force)"))


@pytest.mark.parametrize("elsewhere", ZONES, indirect=True)
def test_months_begin_in_utc(elsewhere: Reach) -> None:
    migrate.upgrade(elsewhere)
    migrate.upgrade(elsewhere)  # again, as every later version does

    async def bounds() -> list[str]:
        connection = await asyncpg.connect(dsn(elsewhere.admin))
        await connection.execute("set timezone = 'UTC'")
        rows = await connection.fetch(
            "select pg_get_expr(relpartbound, oid) from pg_class where relname ~ '^audit_events_[0-9]' and relkind = 'r'"
        )
        await connection.close()
        return [row[0] for row in rows]

    found = asyncio.run(bounds())
    assert len(found) >= 24
    for bound in found:
        assert len(re.findall(r"'\d{4}-\d\d-01 00:00:00\+00'", bound)) == 2, bound
