"""Attempts past the program: rows of emergency access written in SQL as the app's role, which the database itself refuses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from carecircle.identifiers import new_id
from proofs.emergency_ground import Case, Ground, Kind, Try

SEAT = "service:psql"
COLUMNS = (
    "organization_id, id, lineage_id, provider_id, patient_id, state, mode, scope, despite, reason_code, wanted_scope,"
    " wanted_until, asked_at, opened_at, decided_at, decided_by_id, two_persons, seconded_by_id, verdict, reviewed_by_id,"
    " starts_at, ends_at, entry_id"
)
# An approved row of the practice as it might be; each attempt says some of it otherwise.
SOUND = {
    "organization_id": "$1", "id": "gen_random_uuid()", "lineage_id": "$2", "provider_id": "$3", "patient_id": "$4",
    "state": "'approved'", "mode": "'provisional'", "scope": "'{read}'::text[]", "despite": "'{sensitivity,objection}'::text[]",
    "reason_code": "'life-threat'", "wanted_scope": "'{read}'::text[]", "wanted_until": "now() + interval '24 hours'",
    "asked_at": "now()", "opened_at": "now()", "decided_at": "now()", "decided_by_id": "$5", "two_persons": "false",
    "seconded_by_id": "null::uuid", "verdict": "null::text", "reviewed_by_id": "null::uuid", "starts_at": "now()",
    "ends_at": "now() + interval '24 hours'", "entry_id": "gen_random_uuid()",
}  # fmt: skip
INSERT = f"insert into carecircle.emergency_access ({COLUMNS}) values ({{values}})"


@dataclass(frozen=True)
class Written:
    """A row that differs from a sound one in `said`, in a fresh lineage or in a denied one's; what refuses it."""

    said: dict[str, str]
    refused_by: str
    denied: bool = False


ROWS: dict[str, Written] = {
    "decided_by_oneself": Written({"decided_by_id": "$3"}, "nobody_decides_for_themselves"),
    "denied_by_oneself_then_not": Written(
        {"state": "'provisional'", "decided_by_id": "$3"}, "nobody_decides_for_themselves"
    ),
    "seconded_by_oneself": Written({"two_persons": "true", "seconded_by_id": "$3"}, "nobody_decides_for_themselves"),
    "one_as_two_persons": Written({"two_persons": "true", "seconded_by_id": "$5"}, "second_person_is_another"),
    "one_person_for_two": Written({"two_persons": "true"}, "approved_by_two_where_needed"),
    "decided_by_nobody": Written({"decided_by_id": "null::uuid"}, "approved_by_somebody"),
    "without_an_end": Written({"ends_at": "'infinity'"}, "emergency_grant_has_an_end"),
    "longer_than_any_policy": Written({"ends_at": "now() + interval '73 hours'"}, "emergency_grant_has_an_end"),
    "provisional_without_an_end": Written(
        {"state": "'provisional'", "decided_by_id": "null::uuid", "ends_at": "'infinity'"}, "emergency_grant_has_an_end"
    ),
    "never_opened": Written({"opened_at": "null::timestamptz"}, "emergency_grant_was_opened"),
    "denied_and_lets_in": Written({"state": "'denied'"}, "only_an_open_state_grants"),
    "waits_and_lets_in": Written({"state": "'requested'"}, "only_an_open_state_grants"),
    "downtime_lets_in": Written({"mode": "'downtime'"}, "downtime_grants_nothing"),
    "reviewed_by_oneself": Written(
        {"state": "'reviewed'", "scope": "'{}'::text[]", "verdict": "'justified'", "reviewed_by_id": "$3"},
        "reviewer_is_another",
    ),
    "reviewed_by_the_approver": Written(
        {"state": "'reviewed'", "scope": "'{}'::text[]", "verdict": "'justified'", "reviewed_by_id": "$5"},
        "reviewer_is_another",
    ),
    "after_a_denial": Written({}, "one_state_of_emergency_access_at_a_time", denied=True),
}
# Rows that are there, edited or removed: the role may not, whatever they are. $1 the organization, $2 the lineage.
EDITS = {
    "denial_edited": "update carecircle.emergency_access set scope = '{read}' where organization_id = $1 and lineage_id = $2",
    "end_moved": "update carecircle.emergency_access set ends_at = ends_at + interval '1 day'"
    " where organization_id = $1 and lineage_id = $2",
    "denial_removed": "delete from carecircle.emergency_access where organization_id = $1 and lineage_id = $2",
    "approver_edited": "update carecircle.emergency_approvers set provider_id = provider_id"
    " where organization_id = $1 and emergency_id = $2",
    "note_removed": "delete from carecircle.emergency_notes where organization_id = $1 and emergency_id = $2",
}


def in_sql() -> dict[str, Kind]:
    """Every attempt, as the app's role in the practice's own session."""
    return {
        **{f"sql_{name}": _row(written) for name, written in ROWS.items()},
        **{f"sql_{name}": _edit(sql) for name, sql in EDITS.items()},
    }


def _row(written: Written) -> Kind:
    async def kind(g: Ground) -> Try:
        case = await _case(g, written)
        sound = Written({}, "")

        async def right() -> bool:
            fresh = Case(new_id(), g.clinician(), g.patient())
            return await _as_app(g, *_statement(g, sound, fresh)) == "done" and await g.may_do(*fresh.pair) == {"read"}

        return Try(
            SEAT, lambda: _as_app(g, *_statement(g, written, case)), frozenset({written.refused_by}), None, (case.pair,),
            right=right,
        )  # fmt: skip

    return kind


def _edit(sql: str) -> Kind:
    async def kind(g: Ground) -> Try:
        case = await g.case("denied")
        given = (g.practice.organization, case.id)
        return Try(SEAT, lambda: _as_app(g, sql, given), frozenset({"InsufficientPrivilegeError"}), None, (case.pair,))

    return kind


async def _case(g: Ground, written: Written) -> Case:
    return await g.case("denied") if written.denied else Case(new_id(), g.clinician(), g.patient())


def _statement(g: Ground, written: Written, case: Case) -> tuple[str, tuple[Any, ...]]:
    values = ", ".join((SOUND | written.said)[column.strip()] for column in COLUMNS.split(","))
    people: tuple[UUID, ...] = (g.practice.organization, case.id, case.clinician, case.patient, g.supervisor)
    # Every parameter is used once at least, so that PostgreSQL knows its type.
    sql = INSERT.format(values=values)
    return f"with known as (select $1::uuid, $2::uuid, $3::uuid, $4::uuid, $5::uuid) {sql}", people


async def _as_app(g: Ground, sql: str, given: tuple[Any, ...]) -> str:
    """`done`, or the constraint that refused it, or else PostgreSQL's error."""
    connection = await asyncpg.connect(g.practice.site.at.dsn("app"))
    try:
        async with connection.transaction():
            await connection.execute(
                "select set_config('carecircle.organization_id', $1, true)", str(g.practice.organization)
            )
            await connection.execute(sql, *given)
    except asyncpg.PostgresError as error:
        return getattr(error, "constraint_name", None) or type(error).__name__
    finally:
        await connection.close()
    return "done"


async def without_constraints(g: Ground) -> tuple[int, list[str]]:
    """How many of the rows are taken once what refuses them is dropped; and those that are refused all the same.

    Each in a transaction that is undone.
    """
    freed, broken = 0, []
    for name, written in ROWS.items():
        case = await _case(g, written)
        sql, given = _statement(g, written, case)
        undo = g.admin.transaction()
        await undo.start()
        try:
            await g.admin.execute(f"alter table carecircle.emergency_access drop constraint {written.refused_by}")
            await g.admin.execute(
                "select set_config('carecircle.organization_id', $1, true)", str(g.practice.organization)
            )
            await g.admin.execute("set local role carecircle_app")
            await g.admin.execute(sql, *given)
            freed += 1
        except asyncpg.PostgresError as error:
            broken.append(f"control: sql_{name} is refused without {written.refused_by} too: {type(error).__name__}")
        finally:
            await undo.rollback()
    return freed, broken
