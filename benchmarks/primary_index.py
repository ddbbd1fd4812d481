"""What the two guards of the primary provider cost: index sizes, plans and times at 10,000 patients × 5 providers.

`python -m benchmarks.primary_index`: on a PostgreSQL of its own, the primary-provider document's table and index beside
carecircle's. Rows are made and measured in one run; sizes are bytes, times microseconds (median), buffers 8 kB pages.
"""

from __future__ import annotations

import asyncio
import json
import re
import statistics
import sys
import time
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from sqlalchemy.engine import make_url

from carecircle.database import migrate
from carecircle.database.embedded import temporary_server
from carecircle.database.reach import Reach, dsn, over_socket, role_passwords

PATIENTS, PROVIDERS = 10_000, 5
MANY = 1_000_000
ASKED = 2_000
GUARDS = ("idx_unique_primary_provider_per_patient", "one_primary_provider_at_a_time")
TABLE = """
  create table care_team_assignments (
    id uuid primary key, organization_id uuid not null, patient_id uuid not null, provider_id uuid not null,
    is_primary_provider boolean not null, assigned_at timestamptz not null default now())"""
FILL = """
  insert into care_team_assignments (id, organization_id, patient_id, provider_id, is_primary_provider)
  select gen_random_uuid(), $1, md5('patient' || p)::uuid, md5('provider' || p % 500 || ' ' || n)::uuid, n = 1
  from generate_series(1, $2::int) p, generate_series(1, $3::int) n"""
CHECK = """
  select count(*) from care_team_assignments
  where organization_id = $1 and patient_id = $2 and is_primary_provider = true"""
PRESENT = """
  select provider_id from carecircle.patient_assignments
  where organization_id = $1 and patient_id = $2 and is_primary_provider and superseded_at = 'infinity'
    and starts_at <= statement_timestamp() and ends_at > statement_timestamp()"""
THEIR_INDEX = """
  create unique index idx_unique_primary_provider_per_patient on care_team_assignments (organization_id, patient_id)
  where is_primary_provider = true"""
UNGUARDED = """
  drop index carecircle.idx_unique_primary_provider_per_patient;
  alter table carecircle.patient_assignments drop constraint one_primary_provider_at_a_time"""
OURS = """
  insert into carecircle.patient_assignments
    (organization_id, id, lineage_id, patient_id, provider_id, assignment_type, scope, starts_at, entry_id)
  select $1, i.id, i.id, md5('patient' || p)::uuid, md5('provider' || n)::uuid,
         case n when 1 then 'primary' else 'consulting' end, '{read,write,order}', '2025-01-01', i.id
  from generate_series(1, $2::int) p, generate_series(1, $3::int) n, lateral (select md5(p || ' ' || n)::uuid as id) i"""


def say(what: str, value: object) -> None:
    print(f"{what:<76} {value}", flush=True)


async def plan(connection: asyncpg.Connection, query: str, *said: object) -> str:
    """The access path of a query in a few words, and the pages it touched."""
    told: Any = json.loads(
        await connection.fetchval(f"explain (analyze, buffers, costs off, timing off, format json) {query}", *said)
    )
    root = told[0]["Plan"]
    node = root
    while "Plans" in node:
        node = node["Plans"][0]
    named = f" {node['Index Name']}" if "Index Name" in node else ""
    return f"{node['Node Type']}{named}, {root['Shared Hit Blocks'] + root['Shared Read Blocks']} pages"


async def median_us(connection: asyncpg.Connection, query: str, organization: UUID, patients: int, asked: int) -> str:
    known = await connection.fetch("select md5('patient' || (1 + n * 7919 % $1::int))::uuid from generate_series(1, $2::int) n",
                                   patients, asked)  # fmt: skip
    prepared = await connection.prepare(query)
    seconds = []
    for row in known:
        began = time.perf_counter()
        await prepared.fetch(organization, row[0])
        seconds.append(time.perf_counter() - began)
    return f"{statistics.median(seconds) * 1e6:.0f} µs"


async def one(connection: asyncpg.Connection, query: str, organization: UUID, patients: int, asked: int = ASKED) -> str:
    """Plan and time of a question about one patient, through a whole round trip."""
    patient = await connection.fetchval("select md5('patient7')::uuid")
    touched = await plan(connection, query, organization, patient)
    return f"{touched}, {await median_us(connection, query, organization, patients, asked)}"


async def the_documents(connection: asyncpg.Connection) -> None:
    organization = uuid4()
    await connection.execute(TABLE)
    await connection.execute(FILL, organization, PATIENTS, PROVIDERS)
    await connection.execute("vacuum analyze care_team_assignments")
    rows, primaries = await connection.fetchrow(
        "select count(*), count(*) filter (where is_primary_provider) from care_team_assignments"
    )
    say("the document's table: rows, of them primary", f"{rows:,}, {primaries:,} ({primaries / rows:.0%})")
    say("its check without any index", await one(connection, CHECK, organization, PATIENTS, 50))
    await connection.execute("create index plain on care_team_assignments (organization_id, patient_id)")
    await connection.execute("vacuum analyze care_team_assignments")
    say(
        "its check with a plain index on (organization_id, patient_id)",
        await one(connection, CHECK, organization, PATIENTS),
    )
    await connection.execute(THEIR_INDEX)
    for index in ("plain", GUARDS[0]):
        size = await connection.fetchval("select pg_relation_size($1::text::regclass)", index)
        say(f"bytes of the index {index}", f"{size:,}")
    table = await connection.fetchval("select pg_relation_size('care_team_assignments')")
    say("bytes of the table", f"{table:,}")
    await connection.execute("drop index plain")
    await connection.execute("vacuum analyze care_team_assignments")
    say("its check with the document's partial unique index", await one(connection, CHECK, organization, PATIENTS))
    await connection.execute("truncate care_team_assignments")
    await connection.execute(FILL, organization, MANY, 1)
    await connection.execute("vacuum analyze care_team_assignments")
    say(f"the same with {MANY:,} primaries", await one(connection, CHECK, organization, MANY))


async def ours(connection: asyncpg.Connection) -> None:
    organization = uuid4()
    await people(connection, organization)
    await connection.execute(f"begin; {UNGUARDED}")
    bare = await filled(connection, organization)
    await connection.execute("rollback")
    await connection.execute("truncate carecircle.patient_assignments")
    guarded = await filled(connection, organization)
    rows = PATIENTS * PROVIDERS
    say(f"carecircle: {rows:,} rows inserted without the guards", f"{bare:.2f} s")
    say(
        f"carecircle: {rows:,} rows inserted with both",
        f"{guarded:.2f} s, {(guarded - bare) / PATIENTS * 1e6:.0f} µs a primary",
    )
    await connection.execute("vacuum analyze carecircle.patient_assignments")
    for guard in GUARDS:
        size = await connection.fetchval("select pg_relation_size($1::text::regclass)", f"carecircle.{guard}")
        say(f"bytes of {guard}", f"{size:,}")
    table, indexes = await connection.fetchrow(
        "select pg_relation_size(t), pg_indexes_size(t) from (select 'carecircle.patient_assignments'::regclass as t) x"
    )
    say("bytes of the table, of all its indexes", f"{table:,}, {indexes:,}")
    say("who is primary now", await one(connection, PRESENT, organization, PATIENTS))


async def people(connection: asyncpg.Connection, organization: UUID) -> None:
    """An organization with the patients and providers of the rows, straight into the tables."""
    await connection.execute(
        "insert into carecircle.organizations (id, slug, name) values ($1, 'size', 'Size')", organization
    )
    for table, name, count in (("patients", "patient", PATIENTS), ("providers", "provider", PROVIDERS)):
        await connection.execute(
            f"insert into carecircle.{table} (organization_id, id) select $1, md5('{name}' || n)::uuid"
            " from generate_series(1, $2::int) n", organization, count,
        )  # fmt: skip


async def filled(connection: asyncpg.Connection, organization: UUID) -> float:
    began = time.perf_counter()
    await connection.execute(OURS, organization, PATIENTS, PROVIDERS)
    return time.perf_counter() - began


async def measure(at: Reach) -> None:
    connection = await asyncpg.connect(dsn(at.admin))
    try:
        version = await connection.fetchval("show server_version")
        say("PostgreSQL", re.match(r"[\d.]+", version)[0])  # type: ignore[index]
        await the_documents(connection)
        await ours(connection)
    finally:
        await connection.close()


def main() -> int:
    with temporary_server() as (home, server):
        at = Reach(over_socket(make_url(server.admin_url), server), role_passwords(home), server.bin_dir)
        migrate.upgrade(at)
        asyncio.run(measure(at))
    return 0


if __name__ == "__main__":
    sys.exit(main())
