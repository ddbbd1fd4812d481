"""The check on carecircle's own assignments, before the guards exist: overlaps only, one organization, and a fix that holds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from carecircle.cli.main import run
from carecircle.database import migrate
from carecircle.database.embedded import EmbeddedServer
from carecircle.database.reach import Reach, dsn
from carecircle.identifiers import to_text
from tests.adoption.conftest import ask
from tests.adoption.test_check import DOCUMENT_SAYS
from tests.cli.conftest import Ran
from tests.conftest import socket_reach

UNGUARDED = "20260114_rls_coverage"
CHECK = ("quality", "primary-providers")
Told = Callable[..., Ran]


@pytest.fixture(scope="module")
def unguarded(server: EmbeddedServer, home: Path) -> Iterator[Reach]:
    """A database at the revision before the guards."""
    name = f"unguarded_{uuid4().hex}"
    admin = dsn(socket_reach(server, home).admin)
    asyncio.run(ask(admin, f"create database {name} template template0"))
    at = socket_reach(server, home, name)
    migrate.upgrade(at, UNGUARDED)
    yield at
    asyncio.run(ask(admin, f"drop database {name} with (force)"))


@pytest.fixture
def told(unguarded: Reach, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Told:
    def ran(*arguments: str, at: Reach = unguarded) -> Ran:
        monkeypatch.setenv("CARECIRCLE_DATABASE_URL", dsn(at.admin))
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            run([*CHECK, *arguments])
        out, err = capfd.readouterr()
        return Ran(int(ended.value.code or 0), out, err)

    return ran


class Clinic:
    """An organization with one patient for each list of periods; each period is a provider's as primary."""

    def __init__(self, at: Reach, *patients: list[tuple[str, str]]) -> None:
        self.at, self.id = at, uuid4()
        self.slug = f"h{self.id.hex}"
        self.rows: list[list[UUID]] = []
        asyncio.run(self._fill(patients))

    async def _fill(self, patients: tuple[list[tuple[str, str]], ...]) -> None:
        connection = await asyncpg.connect(dsn(self.at.admin))
        try:
            await connection.execute(
                "insert into carecircle.organizations (id, slug, name) values ($1, $2, 'x')", self.id, self.slug
            )
            for periods in patients:
                patient = uuid4()
                await connection.execute("insert into carecircle.patients values ($1, $2)", self.id, patient)
                self.rows.append([await self._primary(connection, patient, *period) for period in periods])
        finally:
            await connection.close()

    async def _primary(self, connection: asyncpg.Connection, patient: UUID, starts: str, ends: str) -> UUID:
        row, provider = uuid4(), uuid4()
        await connection.execute(
            "insert into carecircle.providers (organization_id, id) values ($1, $2)", self.id, provider
        )
        await connection.execute(
            f"""insert into carecircle.patient_assignments (organization_id, id, lineage_id, patient_id, provider_id,
                  assignment_type, scope, starts_at, ends_at, entry_id)
                values ($1, $2, $2, $3, $4, 'primary', '{{read}}', '{starts}', '{ends}', $2)""",
            self.id, row, patient, provider,
        )  # fmt: skip
        return row

    def value(self, statement: str, *arguments: Any) -> Any:
        async def look() -> Any:
            connection = await asyncpg.connect(dsn(self.at.admin))
            try:
                return await connection.fetchval(statement, *arguments)
            finally:
                await connection.close()

        return asyncio.run(look())


def test_before_the_guards_a_clean_organization_is_told_in_the_documents_words(unguarded: Reach, told: Told) -> None:
    """A handover, where one ends as the next begins, is no violation; nor is what another organization has."""
    clean = Clinic(unguarded, [("2025-01-01", "2025-02-01"), ("2025-02-01", "infinity")], [("2025-01-01", "infinity")])
    Clinic(unguarded, [("2025-01-01", "infinity"), ("2025-01-02", "infinity")])
    ran = told("--organization", clean.slug)
    assert (ran.code, ran.out, ran.err) == (0, DOCUMENT_SAYS, "")


def test_overlaps_are_found_as_the_migration_would_resolve_them(unguarded: Reach, told: Told) -> None:
    """Three in a chain keep the first and the third; a row that overlaps none is not named."""
    chain = [("2025-01-01", "2025-03-01"), ("2025-02-01", "2025-05-01"), ("2025-04-01", "infinity")]
    clinic = Clinic(unguarded, [("2024-01-01", "2025-01-01"), *chain], [("2025-01-01", "infinity")])
    ran = told("--organization", clinic.slug, "-o", "json")
    assert (ran.code, ran.json["patients"], ran.json["rows_to_demote"]) == (11, 1, 1)
    rows = ran.json["violations"][0]["rows"]
    _, first, second, _ = clinic.rows[0]
    assert [(row["id"], row["keep"]) for row in rows] == [(to_text(first), True), (to_text(second), False)]


def test_the_fix_it_prints_runs_as_the_app_and_edits_no_fact(unguarded: Reach, told: Told) -> None:
    clinic = Clinic(unguarded, [("2025-01-01", "infinity"), ("2025-01-02", "infinity"), ("2025-01-03", "infinity")])
    ran = told("--organization", clinic.slug)
    assert ran.code == 11
    fix = "\n".join(line for line in ran.lines if line.startswith("    "))

    async def as_app() -> None:
        connection = await asyncpg.connect(unguarded.dsn("app"))
        try:
            await connection.execute(fix)
        finally:
            await connection.close()

    asyncio.run(as_app())
    assert told("--organization", clinic.slug).code == 0
    believed = "from carecircle.patient_assignments where organization_id = $1 and superseded_at = 'infinity'"
    assert clinic.value(f"select count(*) {believed} and assignment_type = 'primary'", clinic.id) == 1
    assert clinic.value(f"select count(*) {believed} and assignment_type = 'consulting'", clinic.id) == 2
    entries = "select count(*) from carecircle.audit_events where organization_id = $1 and code = 'primary-demoted'"
    assert clinic.value(entries, clinic.id) == 1
    closed = (
        "select count(*) from carecircle.patient_assignments p where organization_id = $1 and superseded_at < 'infinity'"
        " and exists (select from carecircle.audit_events e where e.organization_id = $1 and e.id = p.superseded_entry_id)"
    )
    assert clinic.value(closed, clinic.id) == 2


def test_at_the_newest_revision_it_is_clean(migrated: Reach, told: Told) -> None:
    clinic = Clinic(migrated, [("2025-01-01", "2025-02-01"), ("2025-02-01", "infinity")])
    ran = told("--organization", clinic.slug, at=migrated)
    assert (ran.code, ran.out) == (0, DOCUMENT_SAYS)


def test_an_unknown_organization_or_none_or_no_tables(server: EmbeddedServer, home: Path, told: Told) -> None:
    unknown, unsaid = told("--organization", "nowhere"), told()
    assert (unknown.code, unknown.out, unsaid.code, unsaid.out) == (5, "", 7, "")
    empty = told("--organization", "nowhere", at=socket_reach(server, home, "template1"))
    assert (empty.code, empty.out, "db upgrade" in empty.err) == (3, "", True)
