"""Adopting the rule in an application's table: plan, apply, and revert, for every kind of table it may be."""

from __future__ import annotations

import asyncpg
import pytest

from carecircle.adoption.host_table import INDEX_NAME, quoted
from tests.adoption.conftest import IDS, Application, Command

ADOPT = ("adopt", "primary-provider")
TABLE = ("--table", "care_team_assignments")
SECOND = """insert into @.care_team_assignments (id, organization_id, patient_id, provider_id, is_primary_provider)
            values ({key}, 0, 10, 9, true)"""


def index_says(application: Application) -> str | None:
    rows = application.sql(
        f"select indexdef from pg_indexes where schemaname = '{application.schema}' and indexname = '{INDEX_NAME}'"
    )
    return rows[0][0] if rows else None


@pytest.mark.parametrize("id_type", IDS)
def test_the_whole_way_and_back(application: Application, carecircle: Command, id_type: str) -> None:
    application.make(id_type)
    application.fill(id_type)
    before = application.checksum()

    planned = carecircle(*ADOPT, "plan", *TABLE, "-o", "json")
    assert planned.code == 11
    assert (planned.json["primaries"], planned.json["patients"], planned.json["to_demote"]) == (48, 4, 8)
    assert len(planned.json["samples"]) == 4
    assert carecircle(*ADOPT, "plan", *TABLE).lines[-3].startswith("WHERE")
    assert application.checksum() == before

    refused = carecircle(*ADOPT, "apply", *TABLE)
    assert (refused.code, application.checksum()) == (7, before)

    done = carecircle(*ADOPT, "apply", *TABLE, "--yes", "--batch", "5", "-o", "json")
    assert (done.code, done.json["demoted"], done.json["attempts"]) == (0, 8, 1)
    assert application.primaries() == [3]
    assert (index_says(application) or "").endswith("(organization_id, patient_id) WHERE (is_primary_provider = true)")
    lines = application.ledger()
    assert [line["reason"] for line in lines] == ["assigned-later"] * 8
    assert all(line["former_value"] and line["reverted_at"] is None for line in lines)
    with pytest.raises(asyncpg.UniqueViolationError):
        application.sql(SECOND.format(key=IDS[id_type].format(7_777_777)))

    assert carecircle(*ADOPT, "status", *TABLE).code == 0
    assert carecircle(*ADOPT, "plan", *TABLE).code == 0
    after = application.checksum()
    again = carecircle(*ADOPT, "apply", *TABLE, "--yes")
    assert (again.code, application.checksum(), len(application.ledger())) == (0, after, 8)
    assert "Nothing to do" in again.err

    undone = carecircle(*ADOPT, "revert", *TABLE, "--yes", "--batch", "3", "-o", "json")
    assert (undone.code, undone.json["restored"], undone.json["left_alone"]) == (0, 8, [])
    assert (application.checksum(), index_says(application)) == (before, None)
    assert all(line["reverted_at"] for line in application.ledger())
    assert "Nothing to revert" in carecircle(*ADOPT, "revert", *TABLE, "--yes").err
    assert carecircle(*ADOPT, "status", *TABLE).code == 11


def test_names_of_any_kind(application: Application, carecircle: Command) -> None:
    given = {
        "--table": 'Care "Team" Assignments; --',
        "--id-column": "Row ID",
        "--organization-column": "select",
        "--patient-column": "Patient's",
        "--provider-column": "Provider %s",
        "--primary-column": 'Is "Primary"',
        "--assigned-at-column": "since {0}",
        "--deleted-at-column": "$1",
    }
    table, *columns = (quoted(name) for name in given.values())
    types = (
        "uuid primary key default gen_random_uuid()",
        "integer",
        "text",
        "integer",
        "boolean",
        "date",
        "timestamptz",
    )
    patient = "'a\\b'''"
    application.sql(
        f"create table @.{table} ({', '.join(map(' '.join, zip(columns, types, strict=True)))})",
        f"insert into @.{table} values (default, 1, {patient}, 1, true, '2025-01-01', null),"
        f" (default, 1, {patient}, 2, true, '2025-01-02', null), (default, 1, {patient}, 3, true, '2024-01-01', now())",
    )
    names = sum(given.items(), ())
    index = ("--index-name", 'one "primary"')
    before = application.checksum(given["--table"])
    assert carecircle("quality", "primary-providers", *names).code == 11
    assert carecircle(*ADOPT, "plan", *names, *index).code == 11
    assert carecircle(*ADOPT, "apply", *names, *index, "--yes").code == 0
    assert carecircle(*ADOPT, "apply", *names, *index, "--yes", "-o", "json").json["nothing_to_do"]
    assert application.value(f"select array_agg({columns[3]} order by 1) from @.{table} where {columns[4]}") == [1, 3]
    assert carecircle(*ADOPT, "revert", *names[:2], "--yes").code == 0
    assert application.checksum(given["--table"]) == before


def test_a_key_of_organization_and_id(application: Application, carecircle: Command) -> None:
    """Two organizations number their rows from 1, as on Citus."""
    application.make()
    application.sql(
        "alter table @.care_team_assignments drop constraint care_team_assignments_pkey",
        "alter table @.care_team_assignments add primary key (organization_id, id)",
        """insert into @.care_team_assignments (id, organization_id, patient_id, provider_id, is_primary_provider, assigned_at)
           select n, o, 1, n, true, '2025-01-01'::timestamptz + n * o * interval '1 day'
           from generate_series(1, 3) n, (values (1), (-1)) as known (o)""",
    )
    before = application.checksum()
    assert carecircle(*ADOPT, "apply", *TABLE, "--yes").code == 0
    kept = application.sql(
        "select organization_id, id from @.care_team_assignments where is_primary_provider order by 1"
    )
    assert [tuple(row) for row in kept] == [(-1, 3), (1, 1)]
    assert carecircle(*ADOPT, "revert", *TABLE, "--yes").code == 0
    assert application.checksum() == before


def test_soft_deleted_rows_stay_primary_and_stay_out(application: Application, carecircle: Command) -> None:
    application.make()
    application.fill()
    application.sql("update @.care_team_assignments set deleted_at = now() where provider_id = 3")
    soft = (*TABLE, "--deleted-at-column", "deleted_at")
    assert carecircle(*ADOPT, "apply", *soft, "--yes").code == 0
    assert application.primaries() == [1, 3]
    assert "AND (deleted_at IS NULL)" in (index_says(application) or "")
    assert carecircle(*ADOPT, "apply", *soft, "--yes", "-o", "json").json["nothing_to_do"]
    other = carecircle(*ADOPT, "plan", *TABLE)
    assert (other.code, "says something else" in other.err) == (6, True)


def test_an_index_that_is_there_already_is_taken_as_it_is(application: Application, carecircle: Command) -> None:
    application.make()
    application.fill(patients=9)
    application.sql(
        f"create unique index {INDEX_NAME} on @.care_team_assignments (organization_id, patient_id) where is_primary_provider"
    )
    assert carecircle(*ADOPT, "plan", *TABLE).code == 0
    assert "Nothing to do" in carecircle(*ADOPT, "apply", *TABLE, "--yes").err
    assert "Nothing to revert" in carecircle(*ADOPT, "revert", *TABLE, "--yes").err
    assert index_says(application)


def test_an_invalid_index_is_dropped_and_built_again(application: Application, carecircle: Command) -> None:
    application.make()
    application.fill()
    with pytest.raises(asyncpg.UniqueViolationError):
        application.sql(
            f"create unique index concurrently {INDEX_NAME} on @.care_team_assignments (organization_id, patient_id)"
            " where is_primary_provider = true"
        )
    assert carecircle(*ADOPT, "status", *TABLE, "-o", "json").json["index"] == "invalid"
    assert "DROP INDEX CONCURRENTLY" in carecircle(*ADOPT, "plan", *TABLE).out
    done = carecircle(*ADOPT, "apply", *TABLE, "--yes", "-o", "json")
    assert (done.code, done.json["dropped_invalid"], done.json["demoted"]) == (0, True, 8)
    assert carecircle(*ADOPT, "status", *TABLE, "-o", "json").json["index"] == "valid"


def test_revert_leaves_alone_what_changed_since(application: Application, carecircle: Command) -> None:
    """Patient 10 as it was; 20's row edited; 30's row deleted; 40's primary handed on by the application."""
    application.make()
    application.fill()
    assert carecircle(*ADOPT, "apply", *TABLE, "--yes").code == 0
    application.sql(
        "update @.care_team_assignments set note = 'seen' where patient_id = 20 and provider_id = 1",
        "delete from @.care_team_assignments where patient_id = 30 and provider_id = 1",
        "update @.care_team_assignments set is_primary_provider = false where patient_id = 40 and provider_id = 3",
        "update @.care_team_assignments set is_primary_provider = true where patient_id = 40 and provider_id = 2",
    )
    undone = carecircle(*ADOPT, "revert", *TABLE, "--yes", "-o", "json").json
    why = {(one["patient"], one["because"]) for one in undone["left_alone"]}
    assert why == {("20", "changed-since"), ("30", "gone"), ("40", "kept-row-changed")}
    assert (undone["restored"], undone["left_alone_count"]) == (4, 4)
    assert application.primaries() == [1, 3, 4]
    found = application.sql(
        "select provider_id from @.care_team_assignments where patient_id = 40 and is_primary_provider"
    )
    assert [row[0] for row in found] == [2]
    totals = carecircle(*ADOPT, "status", *TABLE, "-o", "json").json
    assert (totals["demoted"], totals["reverted"], totals["left_alone"]) == (8, 4, 4)


def test_triggers_fire_and_one_that_refuses_is_told(application: Application, carecircle: Command) -> None:
    application.make()
    application.fill()
    application.sql(
        "create table @.heard (id integer)",
        f"""create function @.hear() returns trigger language plpgsql as
            $$ begin insert into "{application.schema}".heard values (new.id); new.note = 'touched'; return new; end $$""",
        """create function @.refuse() returns trigger language plpgsql as
            $$ begin if new.patient_id = 40 then return null; end if; return new; end $$""",
        "create trigger refusing before update on @.care_team_assignments for each row execute function @.refuse()",
        "create trigger hearing before update on @.care_team_assignments for each row execute function @.hear()",
    )
    refused = carecircle(*ADOPT, "apply", *TABLE, "--yes", "--batch", "1")
    assert (refused.code, "trigger" in refused.err, "(note" in refused.err) == (6, True, False)
    done_before = len(application.ledger())
    assert 0 < done_before < 8
    application.sql("drop trigger refusing on @.care_team_assignments")
    done = carecircle(*ADOPT, "apply", *TABLE, "--yes", "-o", "json").json
    assert (done["resumed"], done["demoted"]) == (True, 8 - done_before)
    assert application.value("select count(*) from @.heard where id is not null") >= 8
    # The trigger's own edit is part of the demotion, not a later change.
    assert carecircle(*ADOPT, "revert", *TABLE, "--yes", "-o", "json").json["restored"] == 8


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("alter table @.care_team_assignments drop constraint care_team_assignments_pkey", "does not identify a row"),
        (
            "alter table @.care_team_assignments drop column is_primary_provider,"
            " add is_primary_provider boolean generated always as (provider_id = 1) stored",
            "is generated",
        ),
        ("alter table @.care_team_assignments rename to t; create view @.care_team_assignments as select * from @.t", "no plain"),
        ("create table @.child () inherits (@.care_team_assignments)", "no plain"),
    ],
    ids=["no key", "generated", "view", "parts"],
)  # fmt: skip
def test_what_cannot_adopt_it_is_told_before_anything_is_made(
    application: Application, carecircle: Command, change: str, said: str
) -> None:
    application.make()
    application.sql(*change.split("; "))
    for step in (("plan",), ("apply", "--yes")):
        ran = carecircle(*ADOPT, *step, *TABLE)
        assert (ran.code, said in ran.err) == (7, True), ran.err
    assert carecircle("quality", "primary-providers", *TABLE).code == 0


def test_without_the_right_to_it_nothing_is_changed(application: Application, carecircle: Command) -> None:
    application.make()
    application.fill()
    guest = f"guest_{application.schema[-8:]}"
    application.sql(
        f"create role {guest} login password 'guest'",
        f"grant usage on schema @ to {guest}",
        f"grant select on @.care_team_assignments to {guest}",
    )
    try:
        address = f"postgresql://{guest}:guest@{application.address.split('@', 1)[1]}"
        before = application.checksum()
        ran = carecircle(*ADOPT, "apply", *TABLE, "--yes", "--database-url", address)
        assert (ran.code, application.checksum()) == (4, before)
        assert "guest" not in ran.err
    finally:
        application.sql(f"drop owned by {guest}", f"drop role {guest}")
