"""Every constraint of emergency access, of the duties behind it and of the outbox, provoked once by the app role beside a
row that is taken.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from proofs.tenancy_rows import People, Row, as_tenant, honest_entities, honest_facts, insert
from tests.architecture.catalog import rolled_back
from tests.conftest import Hospital
from tests.storage.registered import registered

from carecircle.database.constraints import ENDINGS, sentence_of_constraint, translate
from carecircle.database.reach import Reach
from carecircle.errors import CareCircleError, InvalidPeriod, InvalidRequest, RowRefused
from carecircle.errors.emergency import (
    AlreadyDecided,
    EmergencyAccessOpen,
    OverlappingDuty,
    OverlappingRelation,
    OverlappingReportingLine,
    OwnReview,
    ReasonRequired,
    SelfApproval,
)
from carecircle.period import FOREVER

Run = Callable[[Callable[[Hospital], Any]], Any]
# Of the people registered, and the honest row: what is said otherwise.
Changes = Callable[[People, Row], Row]

HOUR = timedelta(hours=1)
NOBODY = UUID(int=7)
FACTS = ("emergency_access", "duties", "reporting_lines", "personal_relations")
ENTITIES = ("emergency_approvers", "emergency_notes", "outbox")


def as_it_is(people: People, row: Row) -> Row:
    return {}


@dataclass(frozen=True)
class Case:
    """A constraint, its table and error, and how an honest row is changed to break it.

    `first` is how one is changed that is there already, where it takes two; `sound` is a change like the one that breaks it,
    which is taken.
    """

    constraint: str
    table: str
    error: type[CareCircleError]
    change: Changes
    sound: Changes = as_it_is
    first: Changes | None = None
    about: str = field(default="")


def one(constraint: str, table: str, error: type[CareCircleError], change: Row, sound: Row | None = None) -> Case:
    return Case(constraint, table, error, lambda people, row: change, lambda people, row: sound or {})


def state(constraint: str, change: Changes, sound: Changes, error: type[CareCircleError] = RowRefused) -> Case:
    return Case(constraint, "emergency_access", error, change, sound)


def approved(people: People, row: Row) -> Row:
    return {"state": "approved", "decided_by_id": people.providers[0], "decided_at": people.now}


def reviewed(people: People, row: Row) -> Row:
    return {
        **approved(people, row), "state": "reviewed", "scope": [], "ends_at": FOREVER, "verdict": "justified",
        "reviewed_by_id": people.providers[1],
    }  # fmt: skip


def lineage(people: People, row: Row) -> Row:
    """Of one and the same emergency access."""
    return {"lineage_id": NOBODY}


def reopening(people: People, row: Row) -> Row:
    return {"reopens_id": NOBODY}


CASES = (
    one("duty_is_known", "duties", InvalidRequest, {"duty": "porter"}, {"duty": "break_glass"}),
    one("call_order_is_positive", "duties", InvalidRequest, {"call_order": 0}, {"call_order": 1}),
    Case("duty_held_once_at_a_time", "duties", OverlappingDuty, lambda p, r: {"call_order": 2},
         lambda p, r: {"duty": "duty_manager"}, first=as_it_is),
    Case("duty_held_once_at_a_time", "duties", OverlappingDuty, as_it_is,
         lambda p, r: {"ends_at": r["starts_at"], "starts_at": p.now - HOUR}, first=as_it_is, about="in turn"),
    Case("nobody_reports_to_themselves", "reporting_lines", InvalidRequest,
         lambda p, r: {"reports_to_id": r["provider_id"]}),
    Case("reports_once_at_a_time", "reporting_lines", OverlappingReportingLine, as_it_is,
         lambda p, r: {"reports_to_id": p.providers[2]}, first=as_it_is),
    one("relation_is_known", "personal_relations", InvalidRequest, {"relation": "friend"}, {"relation": "household"}),
    Case("related_once_at_a_time", "personal_relations", OverlappingRelation, lambda p, r: {"relation": "self"},
         lambda p, r: {"provider_id": p.providers[0]}, first=as_it_is),
    one("emergency_state_is_known", "emergency_access", RowRefused, {"state": "expired", "scope": []},
        {"state": "requested", "scope": [], "opened_at": None}),
    one("emergency_mode_is_known", "emergency_access", RowRefused, {"mode": "quick"}, {"mode": "immediate"}),
    one("emergency_reason_is_given", "emergency_access", ReasonRequired, {"reason_code": ""}),
    *(one("only_an_open_state_grants", "emergency_access", RowRefused, {"state": closed}, {"state": closed, "scope": []})
      for closed in ("requested", "denied", "ended")),
    state("only_an_open_state_grants", lambda p, r: reviewed(p, r) | {"scope": ["read"], "ends_at": p.now + HOUR}, reviewed),
    state("emergency_grant_was_opened", lambda p, r: {"opened_at": None, "ends_at": p.now + HOUR},
          lambda p, r: {"opened_at": None, "scope": []}),
    state("emergency_grant_has_an_end", lambda p, r: {"ends_at": FOREVER}, lambda p, r: {"ends_at": FOREVER, "scope": []},
          InvalidPeriod),
    state("emergency_grant_has_an_end", lambda p, r: {"ends_at": p.now + 72 * HOUR + timedelta(microseconds=1)},
          lambda p, r: {"ends_at": p.now + 72 * HOUR}, InvalidPeriod),
    # Counted from its opening, not from when this state began.
    state("emergency_grant_has_an_end",
          lambda p, r: {**approved(p, r), "opened_at": p.now - 60 * HOUR, "ends_at": p.now + 13 * HOUR},
          lambda p, r: {**approved(p, r), "opened_at": p.now - 60 * HOUR, "ends_at": p.now + 12 * HOUR}, InvalidPeriod),
    state("nothing_overrides_a_suspension", lambda p, r: {"despite": ["sensitivity", "suspension"]},
          lambda p, r: {"despite": ["sensitivity", "objection"]}),
    state("downtime_grants_nothing", lambda p, r: {"mode": "downtime"}, lambda p, r: {"mode": "downtime", "scope": []}),
    state("approved_by_somebody", lambda p, r: {"state": "approved"}, approved),
    state("approved_by_two_where_needed", lambda p, r: approved(p, r) | {"two_persons": True},
          lambda p, r: approved(p, r) | {"two_persons": True, "seconded_by_id": p.providers[1]}),
    state("nobody_decides_for_themselves", lambda p, r: approved(p, r) | {"decided_by_id": r["provider_id"]}, approved,
          SelfApproval),
    state("nobody_decides_for_themselves", lambda p, r: {"two_persons": True, "seconded_by_id": r["provider_id"]},
          lambda p, r: {"two_persons": True, "seconded_by_id": p.providers[0]}, SelfApproval),
    state("second_person_is_another", lambda p, r: approved(p, r) | {"two_persons": True, "seconded_by_id": p.providers[0]},
          lambda p, r: approved(p, r) | {"two_persons": True, "seconded_by_id": p.providers[1]}, SelfApproval),
    state("reviewed_with_a_verdict", lambda p, r: reviewed(p, r) | {"verdict": None}, reviewed),
    state("reviewed_with_a_verdict", lambda p, r: reviewed(p, r) | {"reviewed_by_id": None}, reviewed),
    state("reviewed_with_a_verdict", lambda p, r: reviewed(p, r) | {"state": "ended"}, reviewed),
    state("verdict_is_known", lambda p, r: reviewed(p, r) | {"verdict": "fine"}, reviewed, InvalidRequest),
    state("reviewer_is_another", lambda p, r: reviewed(p, r) | {"reviewed_by_id": r["provider_id"]}, reviewed, OwnReview),
    state("reviewer_is_another", lambda p, r: reviewed(p, r) | {"reviewed_by_id": p.providers[0]}, reviewed, OwnReview),
    state("reviewer_is_another",
          lambda p, r: reviewed(p, r) | {"two_persons": True, "seconded_by_id": p.providers[1]},
          lambda p, r: reviewed(p, r) | {"decided_by_id": None}, OwnReview),
    Case("one_state_of_emergency_access_at_a_time", "emergency_access", AlreadyDecided,
         lambda p, r: lineage(p, r) | approved(p, r),
         lambda p, r: lineage(p, r) | {"state": "ended", "scope": [], "starts_at": r["ends_at"], "ends_at": FOREVER},
         first=lineage),
    Case("emergency_access_reopened_once", "emergency_access", EmergencyAccessOpen, reopening,
         lambda p, r: {"reopens_id": UUID(int=8)}, first=reopening),
    # Its later states say what it reopens as well.
    Case("emergency_access_reopened_once", "emergency_access", EmergencyAccessOpen, reopening,
         lambda p, r: lineage(p, r) | reopening(p, r) | {"starts_at": r["ends_at"], "ends_at": p.now + 25 * HOUR},
         first=lambda p, r: lineage(p, r) | reopening(p, r), about="by itself"),
    one("emergency_note_kind_is_known", "emergency_notes", RowRefused, {"kind": "gossip"}, {"kind": "converted"}),
    one("outbox_kind_is_given", "outbox", RowRefused, {"kind": ""}),
)  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.constraint} {case.about}".strip())
def test_a_constraint_refuses_and_says_which(in_hospital: Run, case: Case) -> None:
    async def body(hospital: Hospital) -> None:
        people = await registered(hospital)
        honest = _honest(people)[case.table]
        connection = await asyncpg.connect(hospital.circle.reach.dsn("app"))
        try:
            if case.first:
                await _insert(connection, people, case.table, honest, case.first(people, honest))
            with pytest.raises(asyncpg.IntegrityConstraintViolationError) as caught:
                await _insert(connection, people, case.table, honest, case.change(people, honest))
            told = translate(caught.value)
            assert (type(told), told.facts["constraint"]) == (case.error, case.constraint)
            assert told.message == (sentence_of_constraint(case.constraint) or case.error().message)
            # Nothing else was wrong with it.
            await _insert(connection, people, case.table, honest, case.sound(people, honest))
        finally:
            await connection.close()

    in_hospital(body)


@pytest.mark.parametrize("second", [{}, {"unit": True}], ids=["of all units", "of a unit"])
def test_a_duty_is_held_once_for_each_unit_and_once_for_all(in_hospital: Run, second: Row) -> None:
    async def body(hospital: Hospital) -> None:
        people = await registered(hospital)
        honest = honest_facts(people)["duties"]
        ward, clinic = uuid4(), uuid4()
        connection = await asyncpg.connect(hospital.circle.reach.dsn("app"))
        try:
            for unit in (ward, clinic):
                async with as_tenant(connection, people.organization):
                    await insert(connection, people.organization, "units", {"id": unit, "name": "", "value": str(unit)})
            of_each: list[Row] = [{}, {"unit_id": ward}, {"unit_id": clinic}]
            for said in of_each:
                await _insert(connection, people, "duties", honest, said)
            with pytest.raises(asyncpg.ExclusionViolationError):
                await _insert(connection, people, "duties", honest, {"unit_id": ward if second else None})
        finally:
            await connection.close()

    in_hospital(body)


REFERENCES = (
    ("reporting_lines", "reports_to_id", "provider-not-registered"),
    *(
        ("emergency_access", column, "provider-not-registered")
        for column in ("seconded_by_id", "decided_by_id", "reviewed_by_id")
    ),
    ("emergency_access", "unit_id", "unit-not-registered"),
    ("duties", "unit_id", "unit-not-registered"),
    ("emergency_approvers", "provider_id", "provider-not-registered"),
    ("emergency_notes", "provider_id", "provider-not-registered"),
    ("outbox", "recipient_id", "provider-not-registered"),
)


@pytest.mark.parametrize(("table", "column", "code"), REFERENCES)
def test_a_row_about_somebody_unknown_is_refused(in_hospital: Run, table: str, column: str, code: str) -> None:
    async def body(hospital: Hospital) -> None:
        people = await registered(hospital)
        honest = _honest(people)[table]
        changes: Row = reviewed(people, honest) if column == "reviewed_by_id" else {}
        connection = await asyncpg.connect(hospital.circle.reach.dsn("app"))
        try:
            with pytest.raises(asyncpg.ForeignKeyViolationError) as caught:
                await _insert(connection, people, table, honest, changes | {column: NOBODY})
            assert translate(caught.value).code == code
            await _insert(connection, people, table, honest, changes)
        finally:
            await connection.close()

    in_hospital(body)


def _honest(people: People) -> dict[str, Row]:
    return {**honest_facts(people), **honest_entities(people)}


async def _insert(connection: asyncpg.Connection, people: People, table: str, honest: Row, changes: Row) -> None:
    id_ = uuid4()
    row: Row = {"lineage_id": id_, "entry_id": id_} if table in FACTS else {}
    async with as_tenant(connection, people.organization):
        await insert(connection, people.organization, table, row | honest | {"id": id_} | changes)


PROVOKED = """
  select conname::text from pg_constraint where connamespace = 'carecircle'::regnamespace and contype in ('c', 'x', 'u')
     and conrelid::regclass::text = any ($1)
  union select i.indexrelid::regclass::text from pg_index i
  where i.indisunique and not i.indisprimary and i.indrelid::regclass::text = any ($1)
  union select conname::text from pg_constraint where connamespace = 'carecircle'::regnamespace and contype = 'f'
     and conrelid::regclass::text = any ($1) and not conname ~ '_(organization_id_fkey|provider|patient|unit)$'"""


def test_every_constraint_of_these_tables_is_provoked_here(migrated: Reach) -> None:
    async def read(*planted: str) -> set[str]:
        async with rolled_back(migrated) as connection:
            for statement in planted:
                await connection.execute(statement)
            rows = await connection.fetch(PROVOKED, [f"carecircle.{table}" for table in (*FACTS, *ENTITIES)])
            return {row[0].removeprefix("carecircle.") for row in rows}

    provoked = {case.constraint for case in CASES}
    assert {name for name in asyncio.run(read()) if not name.endswith(tuple(ENDINGS))} == provoked
    planted = "alter table carecircle.outbox add constraint small check (attempts < 99999)"
    assert "small" in asyncio.run(read(planted))
