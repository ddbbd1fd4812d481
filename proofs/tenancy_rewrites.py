"""Attempts to reopen, back-date, rewrite or remove a fact or an entry of one's own: each changes nothing, whoever says it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from carecircle.database.reach import Reach, Role, dsn
from carecircle.database.resealing_service import FIELDS
from proofs.tenancy_rows import fact_tables

CLOSE = "superseded_at = {at}, superseded_xid = pg_current_xact_id(), superseded_entry_id = id"
CLOSED = "organization_id = '{own}' and id = '{closed}'"
OPEN = "organization_id = '{own}' and id = '{open}'"
# {t} is the table, {own} the tenant who tries, {open} and {closed} facts of theirs.
REWRITES = (
    f"update {{t}} set superseded_at = 'infinity', superseded_xid = null, superseded_entry_id = null where {CLOSED}",
    f"update {{t}} set superseded_at = now(), superseded_xid = pg_current_xact_id() where {CLOSED}",
    f"update {{t}} set superseded_entry_id = lineage_id where {CLOSED}",
    f"update {{t}} set {CLOSE.format(at='recorded_at')} where superseded_at = 'infinity'",
    *(
        f"update {{t}} set {CLOSE.format(at=at)} where {OPEN}"
        for at in ("now() - interval '1 day'", "now() + interval '1 day'", "'-infinity'")
    ),
    f"update {{t}} set superseded_at = now(), superseded_xid = '3', superseded_entry_id = id where {OPEN}",
    f"update {{t}} set superseded_at = now(), superseded_entry_id = id where {OPEN}",
    f"insert into {{t}} (organization_id, id, entry_id) select organization_id, id, id from {{t}} where {OPEN}"
    " on conflict (organization_id, id) do update set entry_id = excluded.entry_id",
    f"merge into {{t}} a using (select 1) s on {OPEN} when matched then delete",
    f"delete from {{t}} where {OPEN}",
)
# And every other column of a fact, by its type: something it is not yet.
OTHERWISE = {
    "uuid": "gen_random_uuid()", "text": "{column} || 'x'", "text[]": "{column} || '{{order,share}}'",
    "timestamp with time zone": "case when {column} = 'infinity' then now() else {column} - interval '1 hour' end",
    "integer": "{column} + 1", "boolean": "not {column}", "jsonb": "'{{}}'", "xid8": "'3'",
    "bytea": "coalesce({column}, '') || 'x'",
}  # fmt: skip
ENTRIES = (
    "update carecircle.audit_events set code = 'x'",
    "update carecircle.audit_events set recorded_at = recorded_at - interval '1 day'",
    "update carecircle.audit_events set detail = null, basis_via = null",
    "delete from carecircle.audit_events",
)
# What the keeper is there for: an envelope in an envelope's place, of its own tenant. Another one than it read does not open.
KEEPING = tuple(f"update carecircle.{one.table} set {one.column} = " for one in FIELDS)


@dataclass(frozen=True)
class Rewrite:
    """A statement, and the table whose rows it must leave as they are."""

    table: str
    sql: str


async def rewrites(at: Reach, own: UUID) -> list[Rewrite]:
    """Every rewrite of every fact table in the catalog, of an open and of a closed fact of this tenant."""
    admin = await asyncpg.connect(dsn(at.admin))
    try:
        found = [Rewrite("audit_events", sql) for sql in ENTRIES]
        for table in await fact_tables(admin):
            known = {"t": f"carecircle.{table}", "own": str(own)}
            for name, condition in (("open", "superseded_at = 'infinity'"), ("closed", "superseded_at < 'infinity'")):
                known[name] = str(
                    await admin.fetchval(
                        f"select id from carecircle.{table} where organization_id = $1 and {condition} order by id", own
                    )
                )
            found += [Rewrite(table, sql.format(**known)) for sql in REWRITES]
            for column, kind in await _others(admin, table):
                value = OTHERWISE[kind].format(column=column)
                found.append(Rewrite(table, f"update {known['t']} set {column} = {value} where {OPEN.format(**known)}"))
        return found
    finally:
        await admin.close()


async def _others(admin: asyncpg.Connection, table: str) -> list[tuple[str, str]]:
    rows = await admin.fetch(
        """select attname::text, format_type(atttypid, atttypmod) from pg_attribute
           where attrelid = $1::regclass and attnum > 0 and not attisdropped and attgenerated = ''
             and attname !~ '^superseded_' and attname <> 'organization_id' order by attnum""",
        f"carecircle.{table}",
    )
    return [(row[0], row[1]) for row in rows]


async def worked(at: Reach, seats: Iterable[tuple[Role, str]], own: UUID, tried: list[Rewrite]) -> list[str]:
    """Which rewrites changed anything, by a digest of the whole table. A seat is a role, and what it becomes then if any."""
    admin = await asyncpg.connect(dsn(at.admin))
    try:
        changed = []
        digests = {table: await _digest(admin, table) for table in {one.table for one in tried}}
        for role, becoming in seats:
            async with session(at, role, own, becoming) as connection:
                # An owner may truncate, as it may drop: it holds the tables and can take the wall down.
                truncating = [] if role == "owner" else [Rewrite(t, f"truncate carecircle.{t}") for t in digests]
                for one in tried + truncating:
                    if role == "keeper" and one.sql.startswith(KEEPING):
                        continue
                    try:
                        status = await connection.execute(one.sql)
                    except asyncpg.PostgresError:
                        continue
                    # A statement that says it met no row changed none; a digest of everything is for the others.
                    if status.split()[-1] != "0" and (after := await _digest(admin, one.table)) != digests[one.table]:
                        changed.append(f"{becoming or role}: {one.sql}")
                        digests[one.table] = after
        return changed
    finally:
        await admin.close()


async def _digest(admin: asyncpg.Connection, table: str) -> str:
    digest = await admin.fetchval(f"select md5(string_agg(t::text, '|' order by t::text)) from carecircle.{table} t")
    return str(digest)


@asynccontextmanager
async def session(
    at: Reach, role: Role, organization: UUID | None = None, becoming: str = ""
) -> AsyncIterator[asyncpg.Connection]:
    """A session of a role, of one tenant or of nobody's, as `carecircle db shell` would open it."""
    settings = {} if organization is None else {"carecircle.organization_id": str(organization)}
    connection = await asyncpg.connect(at.dsn(role), server_settings=settings)
    try:
        if becoming:
            await connection.execute(f"set role {becoming}")
        yield connection
    finally:
        await connection.close()
