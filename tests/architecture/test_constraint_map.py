"""Every constraint of the schema has an error of ours, and every line of that map a constraint."""

from __future__ import annotations

import asyncio

import asyncpg

from carecircle.database.constraints import CONSTRAINTS, ENDINGS, error_of_constraint
from carecircle.database.reach import Reach
from carecircle.errors import CareCircleError
from tests.architecture.catalog import rolled_back

# NOT NULL has no name worth mapping: PostgreSQL reports the column, under a SQLSTATE of its own.
NAMES = """
  select c.conname::text from pg_constraint c
  where c.connamespace = 'carecircle'::regnamespace and c.contype in ('p', 'u', 'x', 'c', 'f')
    and c.conrelid <> 'carecircle.schema_version'::regclass
  union
  select i.indexrelid::regclass::text from pg_index i join pg_class t on t.oid = i.indrelid
  where t.relnamespace = 'carecircle'::regnamespace and i.indisunique and t.relname <> 'schema_version'"""


async def names(connection: asyncpg.Connection) -> set[str]:
    return {str(row[0]).removeprefix("carecircle.") for row in await connection.fetch(NAMES)}


def unmapped(found: set[str]) -> set[str]:
    return {name for name in found if error_of_constraint(name) is None}


def unused(found: set[str], constraints: dict[str, type[CareCircleError]], endings: dict[str, type]) -> set[str]:
    lines = set(constraints) - found
    return lines | {ending for ending in endings if not any(name.endswith(ending) for name in found - set(constraints))}


def read(at: Reach, *planted: str) -> set[str]:
    async def body() -> set[str]:
        async with rolled_back(at) as connection:
            for statement in planted:
                await connection.execute(statement)
            return await names(connection)

    return asyncio.run(body())


def test_every_constraint_has_an_error(migrated: Reach) -> None:
    found = read(migrated)
    assert len(found) > 60
    assert unmapped(found) == set()


def test_a_constraint_without_an_error_is_found(migrated: Reach) -> None:
    check = "alter table carecircle.units add constraint name_is_short check (length(name) < 999)"
    index = "create unique index one_name_each on carecircle.units (organization_id, id, name)"
    assert unmapped(read(migrated, check, index)) == {"name_is_short", "one_name_each"}


def test_every_line_has_a_constraint(migrated: Reach) -> None:
    assert unused(read(migrated), CONSTRAINTS, ENDINGS) == set()


def test_a_line_without_a_constraint_is_found(migrated: Reach) -> None:
    found = read(migrated, "alter table carecircle.patient_assignments drop constraint assignment_grants_something")
    assert unused(found, CONSTRAINTS, {**ENDINGS, "_nowhere": CareCircleError}) == {
        "assignment_grants_something",
        "_nowhere",
    }


def test_a_shard_number_does_not_count() -> None:
    assert error_of_constraint("one_primary_provider_at_a_time_102008") is CONSTRAINTS["one_primary_provider_at_a_time"]
    assert error_of_constraint("no_such_constraint") is None
