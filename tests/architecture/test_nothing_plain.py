"""Nothing a decision reads is ever edited: the columns are read from the catalog, through a view made of the statement."""

from __future__ import annotations

import asyncio
import re
from itertools import product

import asyncpg
import pytest

from carecircle.access import decide, listing
from carecircle.database.reach import Reach
from tests.architecture.catalog import rolled_back

CLOSING = ("superseded_at", "superseded_xid", "superseded_entry_id")
# The types of the listing statement's parameters, in their order; the deciding statement names its own.
LISTING_TYPES = ("uuid", "uuid", "uuid", "text", "text", "text", "text", "bytea", "timestamptz", "timestamptz")

AROUND = {
    "carecircle.care_team_patients", "carecircle.coverage_arrangements", "carecircle.provider_credentials",
    "carecircle.referrals", "carecircle.access_restrictions", "carecircle.patient_labels",
}  # fmt: skip

STATEMENTS = {
    **{
        f"decide {clocks} alone={alone} policy={policy}": decide.statement(decide.Form(clocks, policy), alone=alone)
        for clocks, alone, policy in product(decide.CLOCKS, (False, True), (False, True))
    },
    **{
        f"list {wanted} as_of={as_of} believed={believed}": listing.statement(wanted, as_of=as_of, believed=believed)
        for wanted, as_of, believed in product(("patients", "providers"), (False, True), (False, True))
    },
}

READ = """
  select distinct d.refobjid::regclass::text as table, a.attname::text as column
  from pg_depend d join pg_rewrite r on r.oid = d.objid and d.classid = 'pg_rewrite'::regclass
  join pg_class c on c.oid = d.refobjid and d.refclassid = 'pg_class'::regclass
  join pg_attribute a on a.attrelid = d.refobjid
   and (a.attnum = d.refobjsubid or (d.refobjsubid = 0 and a.attnum > 0))
  where r.ev_class = 'pg_temp.what_is_read'::regclass and d.refobjid <> r.ev_class
    and c.relnamespace = 'carecircle'::regnamespace"""

EDITABLE = """
  select has_column_privilege('carecircle_app', $1::regclass, $2, 'UPDATE')
     and not ($2 = any ($3) and exists (
       select from pg_attribute where attrelid = $1::regclass and attname = 'superseded_at'))"""


def reading_part(statement: str) -> str:
    """The statement without its insert, its parameters typed nulls: what can be a view."""
    reading, cuts = re.subn(r",\s*recorded as \(\s*insert .*?\n\)", "", statement, flags=re.DOTALL)
    assert cuts == 1
    assert "insert into" not in reading

    def null(match: re.Match[str]) -> str:
        return f"null::{LISTING_TYPES[int(match[1]) - 1]}" if match[2] is None else f"null{match[2]}"

    return re.sub(r"\$(\d+)(::\w+(?:\[\])?)?", null, reading)


async def read_by(connection: asyncpg.Connection, statement: str) -> set[tuple[str, str]]:
    await connection.execute("drop view if exists pg_temp.what_is_read")
    await connection.execute(f"create temporary view what_is_read as {reading_part(statement)}")
    return {(row["table"], row["column"]) for row in await connection.fetch(READ)}


async def plain(connection: asyncpg.Connection, statement: str) -> set[tuple[str, str]]:
    """The columns a statement reads that the app role may edit."""
    return {
        (table, column)
        for table, column in await read_by(connection, statement)
        if await connection.fetchval(EDITABLE, table, column, list(CLOSING))
    }


@pytest.mark.parametrize("name", STATEMENTS)
def test_nothing_a_decision_reads_is_plain(migrated: Reach, name: str) -> None:
    async def body() -> None:
        async with rolled_back(migrated) as connection:
            read = await read_by(connection, STATEMENTS[name])
            assert ("carecircle.patient_assignments", "scope") in read
            assert ("carecircle.care_team_members", "superseded_at") in read
            assert {table for table, _ in read} >= AROUND
            assert await plain(connection, STATEMENTS[name]) == set()

    asyncio.run(body())


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("patient_assignments", "scope"), ("care_team_members", "ends_at"), ("care_team_patients", "care_team_id"),
        ("patient_assignments", "rests_on"), ("patient_assignments", "referral_id"), ("care_team_members", "rests_on"),
        ("coverage_arrangements", "scope"), ("access_restrictions", "provider_id"), ("patient_labels", "patient_id"),
        ("provider_credentials", "code"), ("referrals", "ends_at"),
    ],
)  # fmt: skip
def test_a_plain_column_is_found(migrated: Reach, table: str, column: str) -> None:
    async def body() -> None:
        async with rolled_back(migrated) as connection:
            await connection.execute(f"grant update ({column}) on carecircle.{table} to carecircle_app")
            for statement in STATEMENTS.values():
                assert await plain(connection, statement) == {(f"carecircle.{table}", column)}

    asyncio.run(body())
