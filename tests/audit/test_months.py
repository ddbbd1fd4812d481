"""Months of the trail: in what state each is shown, made ahead, indexed once they are over; and nobody changes an entry."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import asyncpg
import pytest

from carecircle import Settings
from carecircle.audit.months_service import Month, months, prepare_months
from carecircle.database import migrate
from carecircle.database.embedded import EmbeddedServer
from carecircle.database.reach import ROLES, Reach, Role, dsn
from tests.audit.trail import administer, database_apart, hospital_in, make_month, seal, six_years, write_entries

OLD = date(2015, 3, 1)
SEALED_TREE = ("audit_leaves", "audit_nodes", "audit_checkpoints")


@pytest.fixture(scope="module")
def apart(server: EmbeddedServer, home: Path, migrated: Reach) -> Iterator[Reach]:
    with database_apart(server, home, migrated) as at:
        yield at


async def fetch(at: Reach, query: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(dsn(at.admin))
    try:
        return list(await connection.fetch(query))
    finally:
        await connection.close()


async def indexes(at: Reach, partition: str) -> dict[str, bool]:
    rows = await fetch(
        at,
        "select x.relname::text as name, i.indisvalid as valid from pg_index i join pg_class x on x.oid = i.indexrelid"
        f" where i.indrelid = 'carecircle.{partition}'::regclass and x.relname ~ '_by_(patient|provider)$'",
    )
    return {row["name"].removeprefix(f"{partition}_"): row["valid"] for row in rows}


def test_a_month_is_shown_as_it_is(apart: Reach, settings: Settings, home: Path) -> None:
    async def body() -> tuple[Month, Month, Month]:
        await make_month(apart, OLD)
        async with hospital_in(apart, settings) as hospital:
            await write_entries(apart, hospital.organization, OLD, 3)

            async def shown() -> dict[date, Month]:
                return {one.month: one for one in await months(apart, hospital.circle.engine, six_years)}

            before = (await shown())[OLD]
            await seal(apart, home, hospital.organization)
            found = await shown()
            present = datetime.now(UTC).date().replace(day=1)
            assert sum(month > present for month in found) == 24
            return before, found[OLD], found[present]

    before, old, present = asyncio.run(body())
    assert (old.month, old.entries, old.closed, old.sealed, old.held) == (OLD, 3, True, True, False)
    assert (before.sealed, before.past_retention) == (False, True)
    assert old.retirable_since == datetime(2021, 4, 1, tzinfo=UTC)
    assert (present.closed, present.indexed, present.past_retention) == (False, False, False)


def test_only_months_that_are_over_are_indexed(apart: Reach) -> None:
    month = date(2014, 2, 1)

    async def body() -> None:
        await make_month(apart, month)
        assert await indexes(apart, "audit_events_2014_02") == {}
        told: list[str] = []
        made, indexed = await prepare_months(apart, told.append)
        assert (made, indexed > 0, told.count("audit_events_2014_02, by patient")) == (0, True, 0)
        assert await indexes(apart, "audit_events_2014_02") == {"by_patient": True, "by_provider": True}
        assert await prepare_months(apart) == (0, 0)
        assert await indexes(apart, f"audit_events_{datetime.now(UTC):%Y_%m}") == {}

    asyncio.run(body())


def test_a_large_month_is_indexed_by_preparing_and_an_interrupted_index_anew(
    apart: Reach, monkeypatch: pytest.MonkeyPatch
) -> None:
    month = date(2014, 3, 1)
    # No month of a test is large: what the upgrade does with small ones is left out.
    monkeypatch.setattr("carecircle.audit.months_service.objects", list)

    async def body() -> None:
        await make_month(apart, month)
        told: list[str] = []
        await prepare_months(apart, told.append)
        assert [one for one in told if "2014_03" in one] == [
            "audit_events_2014_03, by patient",
            "audit_events_2014_03, by provider",
        ]
        # As CREATE INDEX CONCURRENTLY leaves it when it is interrupted.
        await administer(
            apart,
            "update pg_index set indisvalid = false where indexrelid = 'carecircle.audit_events_2014_03_by_patient'::regclass",
        )
        assert await indexes(apart, "audit_events_2014_03") == {"by_patient": False, "by_provider": True}
        await prepare_months(apart)
        assert await indexes(apart, "audit_events_2014_03") == {"by_patient": True, "by_provider": True}

    asyncio.run(body())


def test_missing_months_are_made(apart: Reach) -> None:
    last = datetime.now(UTC).year + 2

    async def body() -> int:
        tables = await fetch(
            apart,
            "select relname::text from pg_class where relname ~ '^audit_events_\\d{4}_\\d\\d$' order by 1 desc limit 2",
        )
        assert tables[0]["relname"].startswith(f"audit_events_{last}")
        await administer(apart, *(f"drop table carecircle.{row['relname']}" for row in tables))
        made, _ = await prepare_months(apart)
        return made

    assert asyncio.run(body()) == 2
    migrate.upgrade(apart)  # an upgrade does the same, and finds nothing left to do
    assert asyncio.run(prepare_months(apart)) == (0, 0)


CHANGES = {
    "update": "update carecircle.{table} set organization_id = organization_id",
    "delete": "delete from carecircle.{table}",
    "truncate": "truncate carecircle.{table}",
}


async def tried(address: str, organization: object, statement: str) -> str:
    """What becomes of a statement on an organization's rows, in a transaction that is rolled back."""
    connection = await asyncpg.connect(address)
    try:
        await connection.execute("begin")
        await connection.execute("select set_config('carecircle.organization_id', $1, true)", str(organization))
        await connection.execute("set local carecircle.every_organization = 'on'")
        return str(await connection.execute(statement))
    except asyncpg.InsufficientPrivilegeError:
        return "refused"
    finally:
        await connection.close()


@pytest.fixture(scope="module")
def sealed(server: EmbeddedServer, home: Path, migrated: Reach, settings: Settings) -> Iterator[tuple[Reach, object]]:
    """A database with an entry, a leaf, a node and a checkpoint of one organization."""
    with database_apart(server, home, migrated) as at:

        async def fill() -> object:
            async with hospital_in(at, settings) as hospital:
                await seal(at, home, hospital.organization)
                await administer(
                    at,
                    "insert into carecircle.audit_nodes"
                    " select organization_id, epoch, 1, 0, root_hash from carecircle.audit_checkpoints",
                )
                return hospital.organization

        yield at, asyncio.run(fill())


@pytest.mark.parametrize("table", ["audit_events", "audit_events_other", *SEALED_TREE])
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("role", ROLES)
def test_no_role_changes_an_entry_or_its_tree(
    sealed: tuple[Reach, object], role: Role, change: str, table: str
) -> None:
    at, organization = sealed
    done = asyncio.run(tried(at.dsn(role), organization, CHANGES[change].format(table=table)))
    # The owner may try, and reaches no row: the tables' security is forced.
    assert done == (f"{change.upper()} 0" if role == "owner" and change != "truncate" else "refused")


@pytest.mark.parametrize("table", ["audit_events", *SEALED_TREE])
@pytest.mark.parametrize("change", CHANGES)
def test_an_administrator_could(sealed: tuple[Reach, object], change: str, table: str) -> None:
    at, organization = sealed
    done = asyncio.run(tried(dsn(at.admin), organization, CHANGES[change].format(table=table)))
    assert done == "TRUNCATE TABLE" or int(done.split()[-1]) >= 1
