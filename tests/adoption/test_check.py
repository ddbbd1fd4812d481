"""The check on an application's own table: what it finds, how it says so, and that it only reads."""

from __future__ import annotations

import asyncio
import csv
import io
import os
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from tests.adoption.conftest import Application, Command, ask

ROOT = Path(__file__).resolve().parents[2]
CHECK = ("quality", "primary-providers", "--table", "care_team_assignments")
# The primary-provider document, step 1, word for word.
DOCUMENT_SAYS = """\
======================================================================
PRIMARY PROVIDER CONSTRAINT VIOLATION CHECK
======================================================================

Checking for patients with multiple primary providers...

✅ SUCCESS: No violations found

All patients have at most ONE primary provider.
Safe to apply the unique constraint migration.
"""


def test_a_clean_table_is_told_in_the_documents_words(application: Application, carecircle: Command) -> None:
    application.make()
    application.fill(patients=9)
    ran = carecircle(*CHECK)
    assert (ran.code, ran.out, ran.err) == (0, DOCUMENT_SAYS, "")


def test_the_documents_script_says_the_same(application: Application) -> None:
    application.make()
    application.fill(patients=9)
    script = ROOT / "scripts" / "check_primary_provider_violations.py"
    done = subprocess.run(
        [sys.executable, script, *CHECK[2:], "--schema", application.schema],
        env={**os.environ, "CARECIRCLE_DATABASE_URL": application.address},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, DOCUMENT_SAYS, "")


def test_findings_name_who_stays_and_the_sql_that_fixes_it(application: Application, carecircle: Command) -> None:
    application.make()
    application.fill()
    ran = carecircle(*CHECK)
    assert ran.code == 11
    assert "4 patients have several primary providers; 8 rows would be demoted." in ran.out
    assert "  keep    2000010  provider 3, assigned 2025-05-31 18:00:00+00" in ran.out
    fixes = [line.strip() for line in ran.lines if line.startswith("    UPDATE ")]
    assert len(fixes) == 4
    before = application.checksum()
    carecircle(*CHECK)
    assert application.checksum() == before
    application.sql(*fixes)
    assert application.primaries() == [3]
    assert carecircle(*CHECK).code == 0


def test_json_and_csv_hold_the_same(application: Application, carecircle: Command) -> None:
    application.make()
    application.fill(patients=20)
    told = carecircle(*CHECK, "-o", "json").json
    assert (told["schema_version"], told["patients"], told["rows_to_demote"]) == (1, 2, 4)
    assert [row["keep"] for row in told["violations"][0]["rows"]] == [True, False, False]
    ran = carecircle(*CHECK, "-o", "csv")
    rows = list(csv.DictReader(io.StringIO(ran.out)))
    assert [row["id"] for row in rows if row["keep"] == "true"] == [one["rows"][0]["id"] for one in told["violations"]]
    assert len(rows) == 6
    empty = carecircle(*CHECK, "-o", "json", "--provider-column", "organization_id", "--patient-column", "id")
    assert (empty.code, empty.json["violations"]) == (0, [])


def test_ties_dates_and_rows_without_a_patient(application: Application, carecircle: Command) -> None:
    application.make()
    application.sql(
        """insert into @.care_team_assignments
             (id, organization_id, patient_id, provider_id, is_primary_provider, assigned_at) values
           (3, 1, 1, 1, true, '2025-01-01'), (2, 1, 1, 2, true, '2025-01-01'), (1, 1, 1, 3, true, null),
           (5, 1, null, 1, true, '2025-01-01'), (6, 1, null, 2, true, '2025-01-01'),
           (7, null, 1, 1, true, '2025-01-01'), (8, 1, 2, 1, true, null), (9, 2, 2, 1, true, null)"""
    )
    told = carecircle(*CHECK, "-o", "json").json
    assert [row["id"] for row in told["violations"][0]["rows"]] == ["2", "3", "1"]
    assert told["patients"] == 1
    plan = carecircle("adopt", "primary-provider", "plan", "-o", "json").json
    assert plan["without_key"] == 3


def test_a_patient_is_whole_where_one_portion_of_rows_ends(application: Application, carecircle: Command) -> None:
    application.make()
    application.sql(
        """insert into @.care_team_assignments (id, organization_id, patient_id, provider_id, is_primary_provider)
           select n, 1, least(n, 9999) + greatest(n - 10002, 0), 1, true from generate_series(1, 20000) n"""
    )
    told = carecircle(*CHECK, "-o", "json").json
    assert [len(one["rows"]) for one in told["violations"]] == [4]


def test_soft_deleted_rows_do_not_count_where_they_are_named(application: Application, carecircle: Command) -> None:
    application.make()
    application.fill()
    application.sql("update @.care_team_assignments set deleted_at = now() where provider_id in (3, 4)")
    assert carecircle(*CHECK).code == 11
    assert carecircle(*CHECK, "--deleted-at-column", "deleted_at").code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--table", "nothing_here"), 7, "no table 'nothing_here'"),
        ((*CHECK[2:], "--patient-column", "patient"), 7, "no column 'patient'"),
        ((*CHECK[2:], "--deleted-at-column", "gone"), 7, "no column 'gone'"),
        ((*CHECK[2:], "--primary-column", "note"), 7, "not boolean"),
        ((*CHECK[2:], "--id-column", ""), 7, "1 to 63 bytes"),
        ((*CHECK[2:], "--id-column", "x" * 64), 7, "1 to 63 bytes"),
        (("--patient-column", "patient"), 2, "--table"),
        ((*CHECK[2:], "--nonsense"), 2, ""),
        ((*CHECK[2:], "--database-url", "postgresql://me:sesame@127.0.0.1:1/x"), 3, "database-unavailable"),
        ((*CHECK[2:], "--database-url", "mysql://me:sesame@127.0.0.1:1/x"), 7, "invalid-setting"),
    ],
    ids=lambda value: " ".join(value)[-40:] if isinstance(value, tuple) else None,
)
def test_each_ending(
    application: Application, carecircle: Command, arguments: tuple[str, ...], code: int, said: str
) -> None:
    application.make()
    ran = carecircle("quality", "primary-providers", *arguments)
    assert (ran.code, ran.out) == (code, ""), ran.err
    assert said in ran.err
    assert "sesame" not in ran.err


def test_without_an_address_it_says_how_to_give_one(application: Application, carecircle: Command) -> None:
    ran = carecircle(*CHECK, CARECIRCLE_DATABASE_URL="")
    assert ran.code == 2
    assert "--database-url" in ran.err


def test_a_table_elsewhere_is_pointed_to(application: Application, carecircle: Command) -> None:
    application.make(table=f"only {application.schema}")
    ran = carecircle("quality", "primary-providers", "--table", f"only {application.schema}", schema=None)
    assert ran.code == 7
    assert repr(application.schema) in ran.err


def test_the_check_cannot_write(application: Application, carecircle: Command) -> None:
    application.make()
    application.fill(patients=10)
    application.sql(
        "create table @.traces (n integer)",
        f"""create function @.trace() returns integer language plpgsql as
            $$ begin insert into "{application.schema}".traces values (1); return 1; end $$""",
        "create view @.treacherous as select *, @.trace() as traced from @.care_team_assignments where @.trace() = 1",
    )
    ran = carecircle("quality", "primary-providers", "--table", "treacherous")
    assert (ran.code, ran.out) == (7, "")
    assert "only reads" in ran.err
    assert application.value("select count(*) from @.traces") == 0
    # The same view read in an ordinary transaction does write.
    application.sql("select * from @.treacherous")
    assert application.value("select count(*) from @.traces") > 0


def test_rows_a_policy_would_hide_are_an_error_not_a_clean_bill(application: Application, carecircle: Command) -> None:
    application.make()
    application.fill(patients=10)
    reader = f"reader_{application.schema[-8:]}"
    application.sql(
        f"create role {reader} login password 'reader'",
        f"grant usage on schema @ to {reader}",
        f"grant select on @.care_team_assignments to {reader}",
        "alter table @.care_team_assignments enable row level security",
        f"create policy own on @.care_team_assignments to {reader} using (organization_id = 999)",
    )
    try:
        host = application.address.split("@", 1)[1]
        address = f"postgresql://{reader}:reader@{host}"
        assert asyncio.run(ask(address, f'select * from "{application.schema}".care_team_assignments')) == []
        ran = carecircle(*CHECK, "--database-url", address)
        assert (ran.code, ran.out) == (4, "")
        assert "row-level security" in ran.err
        assert carecircle(*CHECK).code == 11
    finally:
        application.sql(f"drop owned by {reader}", f"drop role {reader}")


ATTACKS = (
    "x; drop table victims; --",
    'x"; drop table victims; --',
    'patient_id" from pg_shadow; --',
    "'; drop table victims; --",
    "patient_id, pg_sleep(10)",
    '"',
)
OPTIONS = (
    "--table", "--schema", "--organization-column", "--patient-column", "--provider-column", "--primary-column",
    "--assigned-at-column", "--id-column", "--deleted-at-column",
)  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_is_written_into_an_option_is_a_name_and_nothing_else(
    application: Application, carecircle: Command, attack: str
) -> None:
    application.make()
    application.sql("create table if not exists public.victims ()")
    for option in OPTIONS:
        given = {"--table": "care_team_assignments", "--schema": application.schema, option: attack}
        ran = carecircle("quality", "primary-providers", *sum(given.items(), ()), schema=None)
        assert (ran.code, ran.out) == (7, ""), option
    assert application.value("select to_regclass('public.victims') is not null")
    # The control: such a name is found where it is one.
    application.sql(
        f"""alter table @.care_team_assignments rename column patient_id to "{attack.replace('"', '""')}" """
    )
    assert carecircle(*CHECK, "--patient-column", attack).code == 0


def test_ids_may_be_any_text_and_do_not_reach_the_terminal_or_the_sql(
    application: Application, carecircle: Command
) -> None:
    application.make("text")
    nasty = "\x1b[31m'); drop table victims; --\\"

    async def plant() -> None:
        connection = await asyncpg.connect(application.address)
        try:
            for key in ("a", nasty):
                await connection.execute(
                    f'insert into "{application.schema}".care_team_assignments'
                    " (id, organization_id, patient_id, provider_id, is_primary_provider, assigned_at)"
                    " values ($1, 1, 1, 1, true, case when $1 = 'a' then now() end)",
                    key,
                )
        finally:
            await connection.close()

    asyncio.run(plant())
    ran = carecircle(*CHECK)
    assert ran.code == 11
    assert "\x1b" not in ran.out
    (fix,) = [line.strip() for line in ran.lines if line.startswith("    UPDATE ")]
    application.sql(fix)
    assert application.value("select id from @.care_team_assignments where is_primary_provider") == "a"
