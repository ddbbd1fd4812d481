"""Every constraint of the tables around the patient, provoked once by the app role beside a row that is taken."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from proofs.tenancy_rows import People, Row, as_tenant, honest_facts, insert
from tests.architecture.catalog import rolled_back
from tests.conftest import Hospital
from tests.storage.registered import registered

from carecircle.database.constraints import ENDINGS, SENTENCES, error_of_constraint, sentence_of_constraint, translate
from carecircle.database.reach import Reach
from carecircle.errors import (
    AlreadyMerged,
    AlreadyRestricted,
    CareCircleError,
    CareTeamClosed,
    InvalidPeriod,
    InvalidRequest,
    OverlappingAbsence,
    OverlappingCoverage,
    OverlappingCredential,
    StaleVersion,
)
from carecircle.period import EARLIEST, FOREVER

Run = Callable[[Callable[[Hospital], Any]], Any]
Changes = Callable[[People, Row], Row]

HOUR = timedelta(hours=1)
NOBODY = UUID(int=7)


@dataclass(frozen=True)
class Case:
    """A constraint, its table and error, and how an honest row is changed to break it.

    `after` one that is there already, where it takes two rows; `beside` is the change that makes the second one fit.
    """

    constraint: str
    table: str
    error: type[CareCircleError]
    change: Changes
    after: bool = False
    beside: Changes = field(default=lambda people, row: {})


def as_it_is(people: People, row: Row) -> Row:
    return {}


def later(people: People, row: Row) -> Row:
    """The same, when the first has ended: periods that touch do not overlap."""
    ends = people.now + timedelta(days=9)
    clocks: Row = {"starts_at": row["ends_at"], "ends_at": ends}
    return clocks | ({"duty_ends_at": ends} if "duty_ends_at" in row else {})


def one(constraint: str, table: str, change: Row, error: type[CareCircleError] = InvalidRequest) -> Case:
    return Case(constraint, table, error, lambda people, row: change)


def twice(
    constraint: str, table: str, error: type[CareCircleError], beside: Changes, change: Changes = as_it_is
) -> Case:
    return Case(constraint, table, error, change, after=True, beside=beside)


def other_provider(people: People, row: Row) -> Row:
    return {"provider_id": people.providers[2]}


def before_and_other_version(people: People, row: Row) -> Row:
    return {"version": 2, "starts_at": people.now - HOUR, "ends_at": people.now}


CASES = (
    one("credential_kind_is_known", "provider_credentials", {"kind": "hunch"}),
    one("credential_has_a_code", "provider_credentials", {"code": ""}),
    one("credential_has_a_code", "provider_credentials", {"code": "licence"}),
    twice("credential_held_once_at_a_time", "provider_credentials", OverlappingCredential,
          lambda people, row: {"code": "another"}, lambda people, row: {"system": "urn:elsewhere"}),
    twice("absent_once_at_a_time", "provider_absences", OverlappingAbsence, later),
    twice("one_policy_at_a_time", "policies", StaleVersion, before_and_other_version,
          lambda people, row: {"version": 2}),
    twice("policy_version_taken", "policies", StaleVersion, before_and_other_version,
          lambda people, row: {"starts_at": people.now - HOUR, "ends_at": people.now}),
    Case("nobody_is_merged_into_themselves", "patient_merges", InvalidRequest,
         lambda people, row: {"into_patient_id": row["patient_id"]}),
    twice("merged_once_at_a_time", "patient_merges", AlreadyMerged,
          lambda people, row: {"patient_id": people.patients[0]},
          lambda people, row: {"into_patient_id": people.patients[0]}),
    one("referred_assignment_has_an_end", "patient_assignments", {"ends_at": FOREVER}, InvalidPeriod),
    one("referral_names_a_specialty", "referrals", {"specialty_code": ""}),
    Case("nobody_refers_to_themselves", "referrals", InvalidRequest,
         lambda people, row: {"provider_id": row["referring_provider_id"]}),
    twice("one_version_of_a_referral_at_a_time", "referrals", StaleVersion, as_it_is,
          lambda people, row: {"lineage_id": None}),
    twice("care_team_closed_once_at_a_time", "care_team_closures", CareTeamClosed,
          lambda people, row: {"starts_at": people.now - HOUR, "ends_at": people.now}),
    one("coverage_type_is_known", "coverage_arrangements", {"coverage_type": "perhaps"}),
    Case("nobody_covers_themselves", "coverage_arrangements", InvalidRequest,
         lambda people, row: {"covering_provider_id": row["covered_provider_id"]}),
    Case("coverage_is_of_one_thing", "coverage_arrangements", InvalidRequest,
         lambda people, row: {"care_team_id": people.team, "patient_id": people.patients[0]}),
    one("coverage_grants_something", "coverage_arrangements", {"scope": []}),
    one("coverage_has_an_end", "coverage_arrangements", {"ends_at": FOREVER}, InvalidPeriod),
    Case("duty_ends_before_access", "coverage_arrangements", InvalidPeriod,
         lambda people, row: {"duty_ends_at": people.now + timedelta(days=2)}),
    twice("covered_once_by_the_same_at_a_time", "coverage_arrangements", OverlappingCoverage,
          lambda people, row: {"patient_id": people.patients[0]}),
    twice("covered_once_by_the_same_at_a_time", "coverage_arrangements", OverlappingCoverage, later,
          lambda people, row: {"coverage_type": "urgent", "scope": ["write"]}),
    one("restriction_kind_is_known", "access_restrictions", {"kind": "grudge", "patient_id": None}),
    one("objection_is_a_patients", "access_restrictions", {"patient_id": None}),
    one("objection_is_a_patients", "access_restrictions", {"kind": "suspension"}),
    twice("restricted_once_at_a_time", "access_restrictions", AlreadyRestricted, other_provider),
    one("label_is_known", "patient_labels", {"label": "XYZ"}),
    twice("labelled_once_at_a_time", "patient_labels", AlreadyRestricted, lambda people, row: {"label": "R"}),
)  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.constraint)
def test_a_constraint_refuses_and_says_which(in_hospital: Run, case: Case) -> None:
    async def body(hospital: Hospital) -> None:
        people = await registered(hospital)
        honest = honest_facts(people)[case.table]
        lineage = uuid4()
        connection = await asyncpg.connect(hospital.circle.reach.dsn("app"))
        try:
            if case.after:
                await _insert(connection, people, case.table, honest, {"lineage_id": lineage})
            changes = case.change(people, honest)
            if "lineage_id" in changes:
                changes = {"lineage_id": lineage}
            with pytest.raises(asyncpg.IntegrityConstraintViolationError) as caught:
                await _insert(connection, people, case.table, honest, changes)
            told = translate(caught.value)
            assert (type(told), told.facts["constraint"]) == (case.error, case.constraint)
            assert told.message == (sentence_of_constraint(case.constraint) or case.error().message)
            # Nothing else was wrong with it: the honest row, or one that fits beside the first, is taken.
            await _insert(connection, people, case.table, honest, case.beside(people, honest))
        finally:
            await connection.close()

    in_hospital(body)


@pytest.mark.parametrize(
    ("table", "column"),
    [(table, column) for table, row in honest_facts(People(NOBODY, (NOBODY,) * 3, (NOBODY,) * 3, NOBODY, "x", EARLIEST)).items()
     for column in row if column.endswith(("provider_id", "patient_id", "team_id"))],
)  # fmt: skip
def test_a_row_about_somebody_unknown_is_refused(in_hospital: Run, table: str, column: str) -> None:
    async def body(hospital: Hospital) -> None:
        people = await registered(hospital)
        honest = honest_facts(people)[table]
        connection = await asyncpg.connect(hospital.circle.reach.dsn("app"))
        try:
            with pytest.raises(asyncpg.ForeignKeyViolationError) as caught:
                await _insert(connection, people, table, honest, {column: NOBODY})
            whom = column.removesuffix("_id").rpartition("_")[2]
            wanted = {"provider": "provider-not-registered", "patient": "patient-not-registered"}
            assert translate(caught.value).code == wanted.get(whom, "care-team-not-found")
            await _insert(connection, people, table, honest, {})
        finally:
            await connection.close()

    in_hospital(body)


async def _insert(connection: asyncpg.Connection, people: People, table: str, honest: Row, changes: Row) -> None:
    id_ = uuid4()
    row = {"id": id_, "lineage_id": id_, "entry_id": id_, **honest}
    async with as_tenant(connection, people.organization):
        await insert(connection, people.organization, table, row | changes)


AROUND = """
  select conname::text from pg_constraint where connamespace = 'carecircle'::regnamespace and contype in ('c', 'x', 'u')
     and conrelid::regclass::text = any ($1)
  union select i.indexrelid::regclass::text from pg_index i
  where i.indisunique and not i.indisprimary and i.indrelid::regclass::text = any ($1)"""


def test_every_constraint_of_these_tables_is_provoked_here(migrated: Reach) -> None:
    tables = {f"carecircle.{case.table}" for case in CASES if case.table != "patient_assignments"}

    async def read(*planted: str) -> set[str]:
        async with rolled_back(migrated) as connection:
            for statement in planted:
                await connection.execute(statement)
            rows = await connection.fetch(AROUND, sorted(tables))
            return {row[0].removeprefix("carecircle.") for row in rows}

    of_every_table = tuple(ENDINGS)
    provoked = {case.constraint for case in CASES} - {"referred_assignment_has_an_end"}
    assert len(tables) == 9
    assert {name for name in asyncio.run(read()) if not name.endswith(of_every_table)} == provoked
    planted = "alter table carecircle.policies add constraint small check (version < 99999)"
    assert "small" in asyncio.run(read(planted))


def test_every_sentence_is_about_a_constraint() -> None:
    assert all(error_of_constraint(name) for name in SENTENCES if not name.startswith("_"))
    assert all(name in ENDINGS for name in SENTENCES if name.startswith("_"))
    # Where a period lacks an end, nobody is told that it must start before it.
    assert not [name for name in SENTENCES if name.endswith("has_an_end") and "before" in SENTENCES[name]]
    assert sentence_of_constraint("coverage_has_an_end_102008") == SENTENCES["coverage_has_an_end"]
    assert sentence_of_constraint("policy_version_taken") is None
