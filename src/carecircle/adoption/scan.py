"""Finding patients with several primary providers: one ordered pass over the rows the rule is about, memory flat."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import asyncpg

from carecircle.adoption.host_table import HostTable, quoted

AT_A_TIME = 10_000


@dataclass(frozen=True, slots=True)
class PrimaryRow:
    """One assignment that says it is the primary one; all as text. `keep` is true for the one that would stay."""

    id: str
    provider: str
    assigned_at: str | None
    keep: bool


@dataclass(frozen=True, slots=True)
class SeveralPrimaries:
    """A patient with several, those that stay first, and the SQL that would demote the others by hand."""

    organization: str
    patient: str
    rows: tuple[PrimaryRow, ...]
    fix: str

    @property
    def demoted(self) -> list[str]:
        return [row.id for row in self.rows if not row.keep]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a stage has come: rows done of so many, which is None where nobody knows."""

    stage: str
    done: int
    total: int | None


Tell = Callable[[Progress], None]


def untold(_: Progress) -> None:
    """For callers who do not watch."""


async def several_primaries(
    connection: asyncpg.Connection, table: HostTable, tell: Tell = untold, stage: str = "checking"
) -> AsyncGenerator[SeveralPrimaries, None]:
    """Every patient with several, in one READ ONLY transaction and one snapshot, by organization and patient.

    The earliest `assigned_at` is kept, undated ones count as latest, the lower id decides between equals. The server
    compares, so two ids are the same when the table's own types say so.
    """
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        total = await connection.fetchval(f"select count(*) from {table.sql} t where {table.live('t')}")
        tell(Progress(stage, 0, total))
        cursor = await connection.cursor(ordered(table))
        done = 0
        waiting: list[asyncpg.Record] = []
        while rows := await cursor.fetch(AT_A_TIME):
            # Where a group goes on in the next portion, its first rows wait.
            groups, waiting = _groups(waiting + rows)
            for group in groups:
                yield _told(table, group)
            done += len(rows)
            tell(Progress(stage, done, total))
        if len(waiting) > 1:
            yield _told(table, waiting)


def ordered(table: HostTable) -> str:
    """Rows with their place within the patient's: place 1 stays."""
    organization, patient = (f"t.{quoted(name)}" for name in (table.organization, table.patient))
    by = f"{earliest_first('t', table)}"
    return (
        f"select row_number() over (partition by {organization}, {patient} order by {by}) as place,"
        f" {organization}::text as organization, {patient}::text as patient, t.{quoted(table.provider)}::text as provider,"
        f" t.{quoted(table.id)}::text as id, t.{quoted(table.assigned_at)}::text as assigned_at"
        f" from {table.sql} t where {table.live('t')} order by {organization}, {patient}, {by}"
    )


def earliest_first(row: str, table: HostTable) -> str:
    """The order in which primaries of one patient are kept."""
    return f"{row}.{quoted(table.assigned_at)} asc nulls last, {row}.{quoted(table.id)}"


def _groups(rows: Sequence[asyncpg.Record]) -> tuple[Iterator[list[asyncpg.Record]], list[asyncpg.Record]]:
    """Complete groups of more than one row, and the last group, which may go on."""
    starts = [at for at, row in enumerate(rows) if row[0] == 1]
    several = (list(rows[start:end]) for start, end in pairwise(starts) if end - start > 1)
    return several, list(rows[starts[-1] :])


def _told(table: HostTable, group: Sequence[asyncpg.Record]) -> SeveralPrimaries:
    organization: str = group[0]["organization"]
    rows = tuple(PrimaryRow(row["id"], row["provider"] or "", row["assigned_at"], row["place"] == 1) for row in group)
    demoted = [row.id for row in rows if not row.keep]
    return SeveralPrimaries(organization, group[0]["patient"], rows, table.fix(organization, demoted))


async def without_key(connection: asyncpg.Connection, table: HostTable) -> int:
    """Primary rows that no unique index can guard, because they name no organization or no patient."""
    count: int = await connection.fetchval(
        f"select count(*) from {table.sql} t where t.{quoted(table.primary)} = true"
        f" and (t.{quoted(table.organization)} is null or t.{quoted(table.patient)} is null)"
    )
    return count
