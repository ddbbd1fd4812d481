"""Facts are inserted and superseded, never edited: what the app role can and cannot do to one, beside the honest way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from proofs.tenancy_rows import People, fact_tables, honest_facts
from tests.architecture.catalog import rolled_back
from tests.conftest import Hospital
from tests.storage.registered import registered

from carecircle.assignments.service import add_assignment
from carecircle.database.facts import supersede
from carecircle.database.reach import Reach
from carecircle.errors import StaleVersion

Run = Callable[[Callable[[Hospital], Any]], Any]

CLOSING = {"superseded_at", "superseded_xid", "superseded_entry_id"}
CLOSE = "superseded_at = statement_timestamp(), superseded_xid = pg_current_xact_id(), superseded_entry_id = id"
# What decides which tables are treated here is the catalog; a test below holds this list to it.
NOBODY = UUID(int=0)
TABLES = sorted(
    honest_facts(People(NOBODY, (NOBODY,) * 3, (NOBODY,) * 3, NOBODY, "x", datetime(2026, 1, 1, tzinfo=UTC)))
)


@dataclass(frozen=True)
class Facts:
    """Raw SQL as the app role on one fact table, in one organization."""

    connection: asyncpg.Connection
    organization: UUID
    table: str
    columns: dict[str, object]

    async def insert(self, **clocks: str) -> UUID:
        """A new fact; `clocks` are SQL expressions put beside what an honest insert says."""
        row = uuid4()
        said = {"organization_id": self.organization, "id": row, "lineage_id": row, "entry_id": row, **self.columns}
        names = [*said, *clocks]
        values = [*(f"${n}" for n in range(1, len(said) + 1)), *clocks.values()]
        async with self.tenant():
            await self.connection.execute(
                f"insert into carecircle.{self.table} ({', '.join(names)}) values ({', '.join(values)})", *said.values()
            )
        return row

    async def update(self, row: UUID, change: str) -> int:
        """How many rows a change has changed."""
        async with self.tenant():
            done: str = await self.connection.execute(
                f"update carecircle.{self.table} set {change} where organization_id = $1 and id = $2",
                self.organization, row,
            )  # fmt: skip
        return int(done.split()[1])

    async def row(self, row: UUID) -> tuple[object, ...]:
        async with self.tenant():
            found = await self.connection.fetchrow(f"select * from carecircle.{self.table} where id = $1", row)
        assert found is not None
        return tuple(found)

    @asynccontextmanager
    async def tenant(self) -> AsyncIterator[None]:
        async with self.connection.transaction():
            await self.connection.execute(f"set local carecircle.organization_id = '{self.organization}'")
            yield


@asynccontextmanager
async def facts(hospital: Hospital, table: str) -> AsyncIterator[Facts]:
    people = await registered(hospital)
    connection = await asyncpg.connect(hospital.circle.reach.dsn("app"))
    try:
        yield Facts(connection, hospital.organization, table, honest_facts(people)[table])
    finally:
        await connection.close()


def catalog(at: Reach, *planted: str) -> list[str]:
    async def read() -> list[str]:
        async with rolled_back(at) as connection:
            for statement in planted:
                await connection.execute(statement)
            return await fact_tables(connection)

    return asyncio.run(read())


def test_every_fact_table_of_the_catalog_is_treated_here(migrated: Reach) -> None:
    assert catalog(migrated) == TABLES
    # The control: a fact table nobody listed is found.
    planted = "create table carecircle.planted (like carecircle.patient_labels)"
    assert catalog(migrated, planted) == sorted([*TABLES, "planted"])


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize(
    "change",
    [
        "superseded_at = statement_timestamp() - interval '1 hour', superseded_xid = pg_current_xact_id(),"
        " superseded_entry_id = id",
        "superseded_at = recorded_at, superseded_xid = pg_current_xact_id(), superseded_entry_id = id",
        "superseded_at = transaction_timestamp() - interval '1 microsecond', superseded_xid = pg_current_xact_id(),"
        " superseded_entry_id = id",
        "superseded_at = statement_timestamp() + interval '1 second', superseded_xid = pg_current_xact_id(),"
        " superseded_entry_id = id",
        "superseded_at = '-infinity', superseded_xid = pg_current_xact_id(), superseded_entry_id = id",
        "superseded_at = statement_timestamp(), superseded_xid = '7', superseded_entry_id = id",
        "superseded_at = statement_timestamp(), superseded_entry_id = id",
        "superseded_xid = pg_current_xact_id()",
        "superseded_entry_id = id",
        f"{CLOSE}, entry_id = id",
    ],
    ids=["back-dated", "since ever", "before the transaction", "post-dated", "beginning of time", "another's transaction",
         "no transaction", "half closed", "entry only", "entry rewritten"],
)  # fmt: skip
def test_a_dishonest_closing_is_refused(in_hospital: Run, table: str, change: str) -> None:
    async def body(hospital: Hospital) -> None:
        async with facts(hospital, table) as own:
            row = await own.insert()
            before = await own.row(row)
            with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.CheckViolationError)):
                await own.update(row, change)
            assert await own.row(row) == before
            assert await own.update(row, CLOSE) == 1

    in_hospital(body)


@pytest.mark.parametrize("table", TABLES)
def test_a_closed_fact_stays_closed(in_hospital: Run, table: str) -> None:
    async def body(hospital: Hospital) -> None:
        async with facts(hospital, table) as own:
            row = await own.insert()
            assert await own.update(row, CLOSE) == 1
            closed = await own.row(row)
            reopening = "superseded_at = 'infinity', superseded_xid = null, superseded_entry_id = null"
            for change in (reopening, CLOSE, "superseded_entry_id = lineage_id", "superseded_at = recorded_at"):
                assert await own.update(row, change) == 0
                assert await own.row(row) == closed

    in_hospital(body)


@pytest.mark.parametrize("table", TABLES)
def test_no_column_of_a_fact_is_rewritten_and_no_fact_is_removed(in_hospital: Run, table: str) -> None:
    async def body(hospital: Hospital) -> None:
        async with facts(hospital, table) as own:
            row = await own.insert()
            before = await own.row(row)
            columns = await own.connection.fetch(
                "select attname from pg_attribute"
                " where attrelid = $1::regclass and attnum > 0 and not attisdropped and attgenerated = ''",
                f"carecircle.{table}",
            )
            rewritten = [str(column[0]) for column in columns if column[0] not in CLOSING]
            assert len(rewritten) > 8
            on = f"carecircle.{table}"
            key = "on conflict (organization_id, id) do update set"
            statements = [
                *(f"update {on} set {column} = {column}" for column in rewritten),
                *(f"update {on} set {CLOSE}, {column} = {column}" for column in rewritten),
                f"delete from {on}",
                f"delete from only {on} where id = '{row}'",
                f"truncate {on}",
                "truncate carecircle.organizations cascade",
                f"insert into {on} (organization_id, id) values ('{row}', '{row}') {key} lineage_id = excluded.id",
                f"merge into {on} t using (select 1) s on true when matched then delete",
                f"with gone as (delete from {on} returning id) select count(*) from gone",
                f"alter table {on} disable row level security",
                f"drop table {on}",
                f"create trigger x after insert on {on} execute function suppress_redundant_updates_trigger()",
                f"create rule x as on update to {on} do instead nothing",
            ]
            for statement in statements:
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    async with own.tenant():
                        await own.connection.execute(statement)
            assert await own.row(row) == before
            assert await own.update(row, CLOSE) == 1

    in_hospital(body)


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize(
    "clocks",
    [
        {"recorded_at": "statement_timestamp() - interval '1 hour'"},
        {"recorded_at": "transaction_timestamp() - interval '1 microsecond'"},
        {"recorded_at": "statement_timestamp() + interval '1 hour'"},
        {"recorded_xid": "'7'"},
        {"superseded_at": "statement_timestamp()", "superseded_xid": "pg_current_xact_id()",
         "superseded_entry_id": "gen_random_uuid()"},
        {"recorded_at": "timestamptz '2020-01-01'", "superseded_at": "timestamptz '2021-01-01'",
         "superseded_xid": "pg_current_xact_id()", "superseded_entry_id": "gen_random_uuid()"},
    ],
    ids=["recorded earlier", "just before", "recorded later", "another's transaction", "born closed", "a past belief"],
)  # fmt: skip
def test_a_fact_with_forged_clocks_is_refused(in_hospital: Run, table: str, clocks: dict[str, str]) -> None:
    async def body(hospital: Hospital) -> None:
        async with facts(hospital, table) as own:
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
                await own.insert(**clocks)
            await own.insert(recorded_at="statement_timestamp()")

    in_hospital(body)


def test_of_two_who_supersede_one_row_the_second_is_told(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        patient, provider = await hospital.patient(), await hospital.provider()
        async with hospital.change() as db:
            row = await add_assignment(
                db, patient=patient, provider=provider, organization=hospital.organization, actor="test"
            )
        gone = asyncio.Event()

        async def first() -> None:
            async with hospital.change() as db:
                connection = await db.connection()
                now = (await connection.exec_driver_sql("select statement_timestamp()")).scalar_one()
                await supersede(db, row, uuid4(), now)
                gone.set()
                await asyncio.sleep(0.1)

        async def second() -> None:
            await gone.wait()
            async with hospital.change() as db:
                connection = await db.connection()
                now = (await connection.exec_driver_sql("select statement_timestamp()")).scalar_one()
                await supersede(db, row, uuid4(), now)

        told = await asyncio.gather(first(), second(), return_exceptions=True)
        assert told[0] is None
        assert isinstance(told[1], StaleVersion)

    in_hospital(body)
