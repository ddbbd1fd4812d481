"""An existing application's table of assignments: its names, quoted once and for all, and what the catalog says of it."""

from __future__ import annotations

from dataclasses import dataclass

import asyncpg

from carecircle.errors import InvalidRequest

INDEX_NAME = "idx_unique_primary_provider_per_patient"
# PostgreSQL cuts longer names off without a word, and would then speak of another thing.
LONGEST_NAME = 63
READABLE = {"r", "p", "v", "m", "f"}


def quoted(name: str) -> str:
    """A name as an SQL identifier, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: str) -> str:
    """A text as an SQL literal that is safe to print: what cannot be printed is written as an escape."""
    if value.isprintable() and "\\" not in value:
        return "'" + value.replace("'", "''") + "'"
    letters = (
        letter.replace("\\", "\\\\").replace("'", "''") if letter.isprintable() else f"\\U{ord(letter):08x}"
        for letter in value
    )
    return "E'" + "".join(letters) + "'"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostTable:
    """The names of a table and of those of its columns that matter here; the defaults are the document's.

    `deleted_at` is None where rows are not soft-deleted. Raises InvalidRequest for a name no database can have.
    """

    table: str
    schema: str = "public"
    organization: str = "organization_id"
    patient: str = "patient_id"
    provider: str = "provider_id"
    primary: str = "is_primary_provider"
    assigned_at: str = "assigned_at"
    id: str = "id"
    deleted_at: str | None = None
    index: str = INDEX_NAME

    def __post_init__(self) -> None:
        for name in (self.schema, self.table, self.index, *self.columns):
            if not name or "\0" in name or len(name.encode()) > LONGEST_NAME:
                raise InvalidRequest(f"A name of a table, column or index has 1 to {LONGEST_NAME} bytes.")

    @property
    def columns(self) -> tuple[str, ...]:
        named = (self.organization, self.patient, self.provider, self.primary, self.assigned_at, self.id)
        return named if self.deleted_at is None else (*named, self.deleted_at)

    @property
    def sql(self) -> str:
        """The table, qualified."""
        return f"{quoted(self.schema)}.{quoted(self.table)}"

    @property
    def predicate(self) -> str:
        """The rows the rule is about, as the index says it."""
        alive = "" if self.deleted_at is None else f" AND {quoted(self.deleted_at)} IS NULL"
        return f"{quoted(self.primary)} = TRUE{alive}"

    def live(self, row: str) -> str:
        """The same for a row named `row`; one without organization or patient takes part in no unique index."""
        alive = "" if self.deleted_at is None else f" and {row}.{quoted(self.deleted_at)} is null"
        return (
            f"{row}.{quoted(self.primary)} = true{alive} and {row}.{quoted(self.organization)} is not null"
            f" and {row}.{quoted(self.patient)} is not null"
        )

    def fix(self, organization: str, demoted: list[str]) -> str:
        """The statement that would demote these rows by hand."""
        which = ", ".join(literal(one) for one in demoted)
        return (
            f"UPDATE {self.sql} SET {quoted(self.primary)} = FALSE"
            f" WHERE {quoted(self.organization)} = {literal(organization)} AND {quoted(self.id)} IN ({which});"
        )


@dataclass(frozen=True, slots=True)
class Shape:
    """What the catalog says: the types of the columns ids are read back into, and what stands against changing the table."""

    oid: int
    organization_type: str
    patient_type: str
    id_type: str
    # Why the rule cannot be adopted here, in a sentence; None where it can.
    obstacle: str | None


async def look_up(connection: asyncpg.Connection, table: HostTable) -> Shape:
    """Find the table and its columns. Raises InvalidRequest, naming what is not there or is of no use."""
    found = await connection.fetchrow(
        "select c.oid, c.relkind::text as kind, exists (select from pg_inherits i where i.inhparent = c.oid) as parent"
        " from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = $1 and c.relname = $2",
        table.schema,
        table.table,
    )
    if found is None or found["kind"] not in READABLE:
        raise InvalidRequest(await _not_there(connection, table))
    types = {
        row["name"]: row
        for row in await connection.fetch(
            "select attname::text as name, format_type(atttypid, atttypmod) as type, attgenerated::text as generated"
            " from pg_attribute where attrelid = $1 and attnum > 0 and not attisdropped",
            found["oid"],
        )
    }
    missing = [name for name in table.columns if name not in types]
    if missing:
        told = ", ".join(repr(name) for name in missing)
        raise InvalidRequest(
            f"Table {table.schema}.{table.table} has no column {told}; name its columns with --organization-column,"
            " --patient-column, --provider-column, --primary-column, --assigned-at-column, --id-column, --deleted-at-column."
        )
    if types[table.primary]["type"] != "boolean":
        raise InvalidRequest(
            f"Column {table.primary!r} is not boolean, but {types[table.primary]['type']}; name the one that marks"
            " the primary provider with --primary-column."
        )
    return Shape(
        found["oid"],
        types[table.organization]["type"],
        types[table.patient]["type"],
        types[table.id]["type"],
        await _obstacle(connection, table, found, generated=bool(types[table.primary]["generated"])),
    )


async def _not_there(connection: asyncpg.Connection, table: HostTable) -> str:
    elsewhere = await connection.fetchval(
        "select n.nspname::text from pg_class c join pg_namespace n on n.oid = c.relnamespace"
        " where c.relname = $1 and c.relkind in ('r', 'p', 'v') order by 1 limit 1",
        table.table,
    )
    hint = f"there is one in schema {elsewhere!r}, see --schema" if elsewhere else "look at --table and --database-url"
    return f"There is no table {table.table!r} in schema {table.schema!r}; {hint}."


async def _obstacle(
    connection: asyncpg.Connection, table: HostTable, found: asyncpg.Record, *, generated: bool
) -> str | None:
    where = f"{table.schema}.{table.table}"
    if found["kind"] != "r" or found["parent"]:
        return f"{where} is no plain table (a view, or in parts): PostgreSQL builds no such index on it concurrently."
    if generated:
        return f"Column {table.primary!r} of {where} is generated from others: it cannot be changed by itself."
    known = await connection.fetch(
        """select array(select a.attname::text from unnest(i.indkey::int2[]) k
                        join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k) as columns
           from pg_index i where i.indrelid = $1 and i.indisunique and i.indisvalid
             and i.indpred is null and i.indexprs is null""",
        found["oid"],
    )
    if not any({table.id} <= set(row["columns"]) <= {table.id, table.organization} for row in known):
        return (
            f"Column {table.id!r} does not identify a row of {where}: no unique index says so; name the one that does"
            " with --id-column."
        )
    return None
