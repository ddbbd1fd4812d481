"""Only one provider is primary at any instant, whichever door is used; and the other shapes a row must have."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from sqlalchemy import text
from tests.conftest import Hospital, open_hospital

from carecircle import CareTeamService
from carecircle.assignments.service import add_assignment, history_of
from carecircle.assignments.tables import PatientAssignment
from carecircle.database.constraints import error_of_constraint
from carecircle.database.reach import dsn
from carecircle.errors import CareCircleError, InvalidPeriod, InvalidRequest, PrimaryAlreadyAssigned
from carecircle.identifiers import to_text
from carecircle.period import FOREVER

Run = Callable[[Callable[[Hospital], Any]], Any]

INSERT = """
  insert into carecircle.patient_assignments
    (organization_id, id, lineage_id, patient_id, provider_id, assignment_type, scope, starts_at, ends_at, entry_id)
  values ($1, $2, $2, $3, $4, $5, $6, $7::text::timestamptz, $8::text::timestamptz, $2)"""
# The refusals of the two guards: an exclusion, and a unique index.
GUARDED = (asyncpg.ExclusionViolationError, asyncpg.UniqueViolationError)


def utc(year: int, month: int = 1) -> datetime:
    return datetime(year, month, 1, tzinfo=UTC)


@asynccontextmanager
async def as_app(hospital: Hospital) -> AsyncIterator[asyncpg.Connection]:
    """A raw transaction of the app role in the hospital's organization."""
    connection = await asyncpg.connect(hospital.circle.reach.dsn("app"))
    try:
        async with connection.transaction():
            await connection.execute(f"set local carecircle.organization_id = '{hospital.organization}'")
            yield connection
    finally:
        await connection.close()


async def assign(
    connection: asyncpg.Connection, organization: UUID, patient: UUID, provider: UUID,
    starts: str, ends: str = "infinity", kind: str = "primary", scope: tuple[str, ...] = ("read",),
) -> UUID:  # fmt: skip
    row = uuid4()
    await connection.execute(INSERT, organization, row, patient, provider, kind, scope, starts, ends)
    return row


@pytest.mark.parametrize(
    ("first", "second", "refused"),
    [
        (("2024-01-01", "infinity"), ("2024-01-01", "infinity"), True),
        (("2024-01-01", "infinity"), ("2030-01-01", "infinity"), True),
        (("2024-01-01", "2025-01-01"), ("2024-12-31", "infinity"), True),
        (("2030-01-01", "2031-01-01"), ("2024-01-01", "infinity"), True),
        (("2010-01-01", "2011-01-01"), ("2010-06-01", "2010-07-01"), True),
        (("2024-01-01", "2025-01-01"), ("2025-01-01", "infinity"), False),
        (("2030-01-01", "infinity"), ("2024-01-01", "2030-01-01"), False),
    ],
    ids=["open", "open ahead", "ends late", "planned already", "in the past", "handover", "planned handover"],
)
def test_two_primaries_never_overlap_by_sql(
    in_hospital: Run, first: tuple[str, str], second: tuple[str, str], refused: bool
) -> None:
    async def body(hospital: Hospital) -> None:
        patient, one, two = await hospital.patient(), await hospital.provider(), await hospital.provider()
        async with as_app(hospital) as connection:
            await assign(connection, hospital.organization, patient, one, *first)
        if not refused:
            async with as_app(hospital) as connection:
                await assign(connection, hospital.organization, patient, two, *second)
            return
        with pytest.raises(GUARDED) as caught:
            async with as_app(hospital) as connection:
                await assign(connection, hospital.organization, patient, two, *second)
        assert error_of_constraint(caught.value.constraint_name) is PrimaryAlreadyAssigned
        # The same period is nobody's business when it is not primary.
        async with as_app(hospital) as connection:
            await assign(connection, hospital.organization, patient, two, *second, kind="consulting")

    in_hospital(body)


@pytest.mark.parametrize("kept", ["one_primary_provider_at_a_time", "idx_unique_primary_provider_per_patient", None])
def test_either_guard_alone_refuses_and_only_the_guards_do(in_hospital: Run, kept: str | None) -> None:
    drops = {
        "idx_unique_primary_provider_per_patient": "drop index carecircle.idx_unique_primary_provider_per_patient",
        "one_primary_provider_at_a_time": "alter table carecircle.patient_assignments"
        " drop constraint one_primary_provider_at_a_time",
    }

    async def body(hospital: Hospital) -> None:
        patient, one, two = await hospital.patient(), await hospital.provider(), await hospital.provider()
        connection = await asyncpg.connect(dsn(hospital.circle.reach.admin))
        try:
            await connection.execute("begin; set local lock_timeout = '20s'")
            for name, drop in drops.items():
                if name != kept:
                    await connection.execute(drop)
            await assign(connection, hospital.organization, patient, one, "2024-01-01")
            if kept is None:
                await assign(connection, hospital.organization, patient, two, "2025-01-01")
                return
            with pytest.raises(GUARDED) as caught:
                await assign(connection, hospital.organization, patient, two, "2025-01-01")
            assert caught.value.constraint_name == kept
        finally:
            # Closing rolls back: the guards stay.
            await connection.close()

    in_hospital(body)


def test_the_orm_is_refused_with_a_typed_error(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        patient, one, two = await hospital.patient(), await hospital.provider(), await hospital.provider()

        async def add(provider: UUID) -> None:
            async with hospital.change() as db:
                now = (await db.execute(text("select statement_timestamp()"))).scalar_one()
                row = uuid4()
                db.add(
                    PatientAssignment(
                        organization_id=hospital.organization,
                        id=row,
                        lineage_id=row,
                        entry_id=row,
                        patient_id=patient,
                        provider_id=provider,
                        assignment_type="primary",
                        scope=["read"],
                        starts_at=now,
                        recorded_at=now,
                    )
                )

        await add(one)
        with pytest.raises(PrimaryAlreadyAssigned) as caught:
            await add(two)
        assert caught.value.code == "primary-already-assigned"
        assert "Key" not in caught.value.message

    in_hospital(body)


def test_the_service_names_the_present_primary(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        patient, one, two = await hospital.patient(), await hospital.provider(), await hospital.provider()
        async with hospital.change() as db:
            await CareTeamService.assign_primary_provider(
                db, hospital.organization, patient_id=patient, provider_id=one, actor="test"
            )
        with pytest.raises(PrimaryAlreadyAssigned) as caught:
            async with hospital.change() as db:
                await add_assignment(
                    db, patient=patient, provider=two, assignment_type="primary", starts_at=utc(2090),
                    organization=hospital.organization, actor="test",
                )  # fmt: skip
        assert to_text(one) in caught.value.message
        assert caught.value.facts["provider_id"] == one
        # A handover with a date is two periods that touch.
        async with hospital.change() as db:
            for provider, starts, ends in ((two, utc(2000), utc(2001)), (one, utc(2001), utc(2002))):
                await add_assignment(
                    db, patient=patient, provider=provider, assignment_type="primary", starts_at=starts, ends_at=ends,
                    organization=hospital.organization, actor="test",
                )  # fmt: skip
            for as_of, expected in ((utc(2000, 6), two), (utc(2001), one), (utc(2001, 6), one), (utc(1999), None)):
                assert expected == await CareTeamService.get_primary_provider(
                    db, hospital.organization, patient_id=patient, as_of=as_of
                )

    in_hospital(body)


def test_patients_and_organizations_do_not_share_a_primary(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        shared_patient, shared_provider = uuid4(), uuid4()
        async with open_hospital(hospital.circle) as elsewhere:
            for place in (hospital, elsewhere):
                await place.patient(patient_id=shared_patient)
                await place.provider(provider_id=shared_provider)
                other = await place.patient()
                async with place.change() as db:
                    for patient in (shared_patient, other):
                        await CareTeamService.assign_primary_provider(
                            db, place.organization, patient_id=patient, provider_id=shared_provider, actor="test"
                        )
                async with place.change() as db:
                    for patient in (shared_patient, other):
                        assert shared_provider == await CareTeamService.get_primary_provider(
                            db, place.organization, patient_id=patient
                        )

    in_hospital(body)


@pytest.mark.parametrize(
    ("changed", "constraint", "error"),
    [
        ({"ends": "2024-01-01"}, "patient_assignments_period_not_empty", InvalidPeriod),
        ({"starts": "-infinity"}, "patient_assignments_start_is_set", InvalidPeriod),
        ({"starts": "infinity"}, "patient_assignments_period_not_empty", InvalidPeriod),
        ({"kind": "emergency"}, "emergency_assignment_has_an_end", InvalidPeriod),
        ({"kind": "godparent"}, "assignment_type_is_known", InvalidRequest),
        ({"scope": ()}, "assignment_grants_something", InvalidRequest),
        ({"patient": UUID(int=7)}, "patient_assignments_patient", CareCircleError),
        ({"provider": UUID(int=7)}, "patient_assignments_provider", CareCircleError),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_row_of_the_wrong_shape_is_refused(
    in_hospital: Run, changed: dict[str, Any], constraint: str, error: type[CareCircleError]
) -> None:
    async def body(hospital: Hospital) -> None:
        honest: dict[str, Any] = {
            "patient": await hospital.patient(),
            "provider": await hospital.provider(),
            "starts": "2024-01-01",
            "kind": "consulting",
        }
        async with as_app(hospital) as connection:
            await assign(connection, hospital.organization, **honest)
        with pytest.raises(asyncpg.IntegrityConstraintViolationError) as caught:
            async with as_app(hospital) as connection:
                await assign(connection, hospital.organization, **honest | changed)
        assert caught.value.constraint_name == constraint
        mapped = error_of_constraint(constraint)
        assert mapped is not None
        assert issubclass(mapped, error)

    in_hospital(body)


def test_a_period_that_ends_before_it_starts_is_refused_by_every_door(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        patient, provider = await hospital.patient(), await hospital.provider()
        with pytest.raises(asyncpg.DataError):
            async with as_app(hospital) as connection:
                await assign(connection, hospital.organization, patient, provider, "2024-01-02", "2024-01-01")
        with pytest.raises(InvalidPeriod):
            async with hospital.change() as db:
                await add_assignment(
                    db, patient=patient, provider=provider, starts_at=utc(2025), ends_at=utc(2024),
                    organization=hospital.organization, actor="test",
                )  # fmt: skip

    in_hospital(body)


def test_a_hundred_racers_all_succeed_and_one_is_primary(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        patient = await hospital.patient()
        racers = [await hospital.provider() for _ in range(100)]

        async def race(provider: UUID) -> int:
            async with hospital.change() as db:
                await CareTeamService.assign_primary_provider(
                    db, hospital.organization, patient_id=patient, provider_id=provider, actor="test"
                )
            async with hospital.change() as db:
                present = await db.scalar(
                    text(
                        "select count(*) from carecircle.patient_assignments where patient_id = :patient"
                        " and is_primary_provider and superseded_at = 'infinity'"
                        " and starts_at <= statement_timestamp() and ends_at > statement_timestamp()"
                    ),
                    {"patient": patient},
                )
            return int(present or 0)

        assert await asyncio.gather(*(race(provider) for provider in racers)) == [1] * 100
        async with hospital.change() as db:
            rows = await history_of(db, patient=patient, organization=hospital.organization)
            winner = await CareTeamService.get_primary_provider(db, hospital.organization, patient_id=patient)
        believed = [row for row in rows if row.superseded_at == FOREVER]
        turns = sorted((row for row in believed if row.assignment_type == "primary"), key=lambda row: row.starts_at)
        assert {row.provider_id for row in turns} == set(racers)
        assert turns[-1].provider_id == winner
        # Each turn ends the instant the next begins, and whoever was primary consults from then on.
        assert [row.ends_at for row in turns] == [row.starts_at for row in turns[1:]] + [FOREVER]
        assert sum(row.assignment_type == "consulting" for row in believed) == 99

    in_hospital(body)
