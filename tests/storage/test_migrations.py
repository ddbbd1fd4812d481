"""The way from an empty database to the newest schema and back: by command, in steps, at once, and over bad data."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import LargeBinary
from sqlalchemy.dialects import postgresql
from tests.storage.conftest import Fresh, dump, run_sql

from carecircle.assignments import tables as assignments_tables
from carecircle.care_teams import tables as care_teams_tables
from carecircle.database import migrate
from carecircle.database.facts import Table
from carecircle.database.reach import Reach, dsn
from carecircle.database.revision import head
from carecircle.directory import tables as directory_tables
from carecircle.errors import AccessUnavailable
from carecircle.findings import tables as findings_tables

ROOT = Path(__file__).resolve().parents[2]
BEFORE, GUARDED = "20260114_rls_coverage", "20260114_unique_primary"
ROOMS = (assignments_tables, care_teams_tables, directory_tables, findings_tables)


def revisions() -> list[str]:
    script = ScriptDirectory.from_config(migrate.alembic_config())
    return [step.revision for step in reversed(list(script.walk_revisions()))]


def revision_of(at: Reach) -> str | None:
    return asyncio.run(migrate.current_revision(at))


def guards(at: Reach) -> set[str]:
    rows = run_sql(
        at,
        """select conname::text as name from pg_constraint where conname = 'one_primary_provider_at_a_time'
           union select relname::text from pg_class where relname = 'idx_unique_primary_provider_per_patient'""",
    )
    return {row["name"] for row in rows}


BOTH_GUARDS = {"one_primary_provider_at_a_time", "idx_unique_primary_provider_per_patient"}


def test_the_documents_revisions_follow_each_other() -> None:
    assert (BEFORE, GUARDED) in list(pairwise(revisions()))


def test_at_once_and_step_by_step_give_the_same_schema(fresh: Fresh) -> None:
    at_once, in_steps = fresh(), fresh()
    migrate.upgrade(at_once)
    for revision in revisions():
        migrate.upgrade(in_steps, revision)
        assert revision_of(in_steps) == revision
    assert dump(at_once) == dump(in_steps)
    assert "one_primary_provider_at_a_time" in dump(at_once)


def test_down_and_up_again_gives_the_same_schema(fresh: Fresh) -> None:
    at = fresh()
    migrate.upgrade(at, GUARDED)
    guarded = dump(at)
    migrate.downgrade(at, "-1")
    assert (revision_of(at), guards(at)) == (BEFORE, set())
    assert dump(at) != guarded
    migrate.upgrade(at, GUARDED)
    assert dump(at) == guarded
    migrate.upgrade(at)
    newest = dump(at)
    migrate.downgrade(at, "base")
    left = run_sql(at, "select relname::text from pg_class where relnamespace = 'carecircle'::regnamespace")
    assert {row[0] for row in left} <= {"schema_version", "schema_version_pkc"}
    assert run_sql(at, "select from pg_proc where pronamespace = 'carecircle'::regnamespace") == []
    migrate.upgrade(at)
    assert dump(at) == newest


def test_a_second_upgrade_changes_nothing(fresh: Fresh) -> None:
    at = fresh()
    migrate.upgrade(at)
    before = dump(at)
    migrate.upgrade(at)
    assert dump(at) == before


def alembic(at: Reach, home: Path, *arguments: str) -> str:
    """The alembic command in the clone, as an operator types it; what it says."""
    environment = {
        **os.environ,
        "CARECIRCLE_DATABASE_URL": dsn(at.admin),
        "CARECIRCLE_HOME": str(home),
    }
    done = subprocess.run(
        [sys.executable, "-m", "alembic", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_the_alembic_command_does_as_the_document_says(fresh: Fresh, home: Path) -> None:
    at = fresh()
    said = alembic(at, home, "upgrade", GUARDED)
    assert f"INFO  [alembic.runtime.migration] Running upgrade {BEFORE} -> {GUARDED}" in said
    assert (revision_of(at), guards(at)) == (GUARDED, BOTH_GUARDS)
    said = alembic(at, home, "downgrade", "-1")
    assert f"Running downgrade {GUARDED} -> {BEFORE}" in said
    assert (revision_of(at), guards(at)) == (BEFORE, set())
    run_sql(at, "select from carecircle.patient_assignments")
    alembic(at, home, "upgrade", "head")
    assert revision_of(at) == head()


def test_two_upgrades_at_once_do_not_collide(fresh: Fresh, home: Path) -> None:
    at = fresh()
    # In processes of their own: Alembic's context is one per process.
    with ThreadPoolExecutor(2) as both:
        for upgrade in [both.submit(alembic, at, home, "upgrade", "head") for _ in range(2)]:
            upgrade.result()
    assert revision_of(at) == head()


def test_the_second_of_two_waits_longer_than_for_a_tables_lock(fresh: Fresh, monkeypatch: pytest.MonkeyPatch) -> None:
    at = fresh()
    monkeypatch.setattr(migrate, "LOCK_TIMEOUT", "50ms")

    async def another_first() -> None:
        first = await asyncpg.connect(dsn(at.admin))
        try:
            await first.execute("select pg_advisory_lock(hashtextextended('carecircle.migrate', 0))")
            second = asyncio.create_task(asyncio.to_thread(migrate.upgrade, at))
            while not await first.fetchval("select exists (select from pg_locks where not granted)"):
                assert not second.done()
                await asyncio.sleep(0.02)
            await asyncio.sleep(0.2)
            await first.execute("select pg_advisory_unlock_all()")
            await second
        finally:
            await first.close()

    asyncio.run(another_first())
    assert revision_of(at) == head()


def add_people(at: Reach, *, providers: int) -> tuple[UUID, UUID, list[UUID]]:
    """An organization, one patient and some providers, straight into the tables."""
    organization, patient, people = uuid4(), uuid4(), [uuid4() for _ in range(providers)]
    run_sql(
        at,
        "insert into carecircle.organizations (id, slug, name) values ($1, $2, 'x')",
        organization,
        f"h{organization.hex}",
    )
    run_sql(at, "insert into carecircle.patients (organization_id, id) values ($1, $2)", organization, patient)
    for person in people:
        run_sql(at, "insert into carecircle.providers (organization_id, id) values ($1, $2)", organization, person)
    return organization, patient, people


def add_primary(at: Reach, organization: UUID, patient: UUID, provider: UUID, starts: str, ends: str) -> UUID:
    row = uuid4()
    run_sql(
        at,
        f"""insert into carecircle.patient_assignments
              (organization_id, id, lineage_id, patient_id, provider_id, assignment_type, scope, starts_at, ends_at,
               entry_id, source, source_record)
            values ($1, $2, $2, $3, $4, 'primary', '{{read,write}}', '{starts}', '{ends}', $2, 'legacy', 'row 7')""",
        organization, row, patient, provider,
    )  # fmt: skip
    return row


def test_duplicates_are_resolved_as_the_migration_says(fresh: Fresh) -> None:
    at = fresh()
    migrate.upgrade(at, BEFORE)
    organization, patient, people = add_people(at, providers=4)
    first = add_primary(at, organization, patient, people[0], "2024-01-01", "2024-06-01")
    second = add_primary(at, organization, patient, people[1], "2024-03-01", "2025-01-01")
    third = add_primary(at, organization, patient, people[2], "2024-09-01", "infinity")
    fourth = add_primary(at, organization, patient, people[3], "2025-09-01", "infinity")
    elsewhere, other_patient, others = add_people(at, providers=2)
    add_primary(at, elsewhere, other_patient, others[0], "2024-01-01", "2024-06-01")
    add_primary(at, elsewhere, other_patient, others[1], "2024-06-01", "infinity")
    counted = "select count(*) from carecircle.patient_assignments where organization_id = $1"

    migrate.upgrade(at, GUARDED)

    believed = run_sql(
        at,
        """select * from carecircle.patient_assignments
           where organization_id = $1 and superseded_at = 'infinity' order by starts_at""",
        organization,
    )
    assert [(row["provider_id"], row["assignment_type"]) for row in believed] == [
        (people[0], "primary"), (people[1], "consulting"), (people[2], "primary"), (people[3], "consulting"),
    ]  # fmt: skip
    # Who stayed is the row that was there; who was demoted has a successor of the same lineage, period and source.
    assert [believed[0]["id"], believed[2]["id"]] == [first, third]
    assert [believed[1]["lineage_id"], believed[3]["lineage_id"]] == [second, fourth]
    assert {(row["source"], row["source_record"], tuple(row["scope"])) for row in believed} == {
        ("legacy", "row 7", ("read", "write"))
    }
    closed = run_sql(
        at,
        "select * from carecircle.patient_assignments where superseded_at < 'infinity' order by starts_at",
    )
    assert [row["id"] for row in closed] == [second, fourth]
    for gone, successor in zip(closed, [believed[1], believed[3]], strict=True):
        assert (gone["starts_at"], gone["ends_at"]) == (successor["starts_at"], successor["ends_at"])
        assert gone["superseded_entry_id"] == successor["entry_id"]
        assert gone["superseded_xid"] == successor["recorded_xid"]
        entry = run_sql(at, "select * from carecircle.audit_events where id = $1", successor["entry_id"])[0]
        assert (entry["code"], entry["patient_id"], entry["provider_id"]) == (
            "primary-demoted", patient, successor["provider_id"],
        )  # fmt: skip
        finding = run_sql(at, "select * from carecircle.findings where entry_id = $1", successor["entry_id"])[0]
        assert (finding["code"], finding["source_record"]) == ("primary-demoted", str(gone["id"]))
        assert "assign primary" in finding["remedy"]
    # A dated handover is no duplicate, and the wall is up again.
    assert run_sql(at, counted, elsewhere)[0][0] == 2
    assert run_sql(at, "select count(*) from carecircle.findings")[0][0] == 2
    lowered = """select relname from pg_class where relnamespace = 'carecircle'::regnamespace and relkind in ('r', 'p')
                   and relname <> 'schema_version' and not (relrowsecurity and relforcerowsecurity)"""
    assert run_sql(at, lowered) == []


def test_a_migration_gives_up_rather_than_queueing_everybody_behind_it(
    fresh: Fresh, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = fresh()
    migrate.upgrade(at, GUARDED)
    monkeypatch.setattr(migrate, "LOCK_TIMEOUT", "100ms")

    async def reading_meanwhile() -> None:
        reader = await asyncpg.connect(dsn(at.admin))
        try:
            await reader.execute("begin; select from carecircle.patient_assignments")
            with pytest.raises(AccessUnavailable, match="holds a lock"):
                await asyncio.to_thread(migrate.downgrade, at, "-1")
        finally:
            await reader.close()

    asyncio.run(reading_meanwhile())
    assert (revision_of(at), guards(at)) == (GUARDED, BOTH_GUARDS)
    migrate.downgrade(at, "-1")
    assert guards(at) == set()


def test_a_statement_that_never_ends_is_stopped(fresh: Fresh, monkeypatch: pytest.MonkeyPatch) -> None:
    at = fresh()
    with monkeypatch.context() as impatient:
        impatient.setattr(migrate, "STATEMENT_TIMEOUT", "1ms")
        with pytest.raises(AccessUnavailable, match="took longer"):
            migrate.upgrade(at)
    migrate.upgrade(at)
    assert revision_of(at) == head()


def test_mapped_classes_are_the_real_columns(migrated: Reach) -> None:
    rows = run_sql(
        migrated,
        """select c.relname::text as table, a.attname::text as column, format_type(a.atttypid, a.atttypmod) as type,
                  not a.attnotnull as nullable, a.atthasdef or a.attgenerated <> '' as given
           from pg_attribute a join pg_class c on c.oid = a.attrelid
           where c.relnamespace = 'carecircle'::regnamespace and a.attnum > 0 and not a.attisdropped""",
    )
    real = {(row["table"], row["column"]): row for row in rows}
    assert len(Table.metadata.tables) >= 12
    assert all(module.__name__ for module in ROOMS)
    for table in Table.metadata.tables.values():
        for column in table.columns:
            there = real.get((table.name, column.name))
            assert there is not None, f"{table.name}.{column.name} is mapped and not there"
            mapped: tuple[Any, Any] = (type_name(column.type), bool(column.nullable))
            assert mapped == (there["type"], there["nullable"]), f"{table.name}.{column.name}"
        unmapped = {name for (where, name) in real if where == table.name} - {column.name for column in table.columns}
        for name in unmapped:
            there = real[table.name, name]
            assert there["given"] or there["nullable"], f"{table.name}.{name} is not mapped and has no default"
        key = run_sql(
            migrated,
            """select a.attname::text as name from pg_index i, unnest(i.indkey) with ordinality k (attnum, position)
               join pg_attribute a on a.attnum = k.attnum
               where i.indisprimary and i.indrelid = a.attrelid and a.attrelid = $1::regclass order by position""",
            f"carecircle.{table.name}",
        )
        assert [column.name for column in table.primary_key] == [row["name"] for row in key]


def type_name(kind: Any) -> str:
    if isinstance(kind, LargeBinary):
        return "bytea"
    return str(kind.compile(dialect=postgresql.dialect())).lower()  # type: ignore[no-untyped-call]


def test_the_head_read_from_the_text_is_alembics_own() -> None:
    assert head() == ScriptDirectory.from_config(migrate.alembic_config()).get_current_head()
