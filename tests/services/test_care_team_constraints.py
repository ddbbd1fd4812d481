"""The primary-provider document's list of tests under its own names, on real PostgreSQL, as the app's role.

What each rule means in every period and through every door stands in tests/storage and tests/assignments.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from uuid import UUID, uuid4

import asyncpg
import pytest

from carecircle import CareTeamService
from carecircle.errors import PatientNotRegistered, PrimaryAlreadyAssigned
from carecircle.period import FOREVER
from tests.access.test_check import Run
from tests.assignments.ward import HOUR, Ward
from tests.conftest import Hospital, open_hospital
from tests.storage.test_constraints import GUARDED, as_app, assign

OnWard = Callable[[Callable[[Ward], Awaitable[None]]], None]

CLOSE = """
  update carecircle.patient_assignments
     set superseded_at = statement_timestamp(), superseded_xid = pg_current_xact_id(), superseded_entry_id = $2
   where organization_id = $1 and id = $2"""


@pytest.fixture
def on_ward(in_hospital: Run) -> OnWard:
    def run(body: Callable[[Ward], Awaitable[None]]) -> None:
        async def whole(hospital: Hospital) -> None:
            await body(await Ward.open(hospital))

        in_hospital(whole)

    return run


# Database constraint tests.


def test_prevents_multiple_primary_providers(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        where = (ward.hospital.organization, ward.patient)
        async with as_app(ward.hospital) as connection:
            await assign(connection, *where, ward.a, "2024-01-01")
        with pytest.raises(GUARDED) as caught:
            async with as_app(ward.hospital) as connection:
                await assign(connection, *where, ward.b, "2024-01-01")
        assert caught.value.constraint_name in {
            "one_primary_provider_at_a_time",
            "idx_unique_primary_provider_per_patient",
        }
        assert await ward.primary() == ward.a

    on_ward(body)


def test_prevents_multiple_primary_providers_in_the_past_and_ahead(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        where = (ward.hospital.organization, ward.patient)
        for year in (2001, 2091):
            async with as_app(ward.hospital) as connection:
                await assign(connection, *where, ward.a, f"{year}-01-01", f"{year + 1}-01-01")
            with pytest.raises(GUARDED):
                async with as_app(ward.hospital) as connection:
                    await assign(connection, *where, ward.b, f"{year}-12-31", f"{year + 2}-01-01")
            async with as_app(ward.hospital) as connection:
                await assign(connection, *where, ward.b, f"{year + 1}-01-01", f"{year + 2}-01-01")

    on_ward(body)


def test_allows_unlimited_non_primary_providers(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        await ward.assign(ward.a)
        others = [await ward.hospital.provider() for _ in range(20)]
        async with as_app(ward.hospital) as connection:
            for other in others:
                await assign(
                    connection, ward.hospital.organization, ward.patient, other, "2024-01-01", kind="consulting"
                )
        assert sum(kind == "consulting" for kind, *_ in await ward.believed()) == 20
        assert await ward.primary() == ward.a

    on_ward(body)


def test_same_provider_can_be_primary_for_different_patients(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        patients = [await ward.hospital.patient() for _ in range(3)]
        async with as_app(ward.hospital) as connection:
            for patient in patients:
                await assign(connection, ward.hospital.organization, patient, ward.a, "2024-01-01")
        async with ward.hospital.change() as db:
            for patient in patients:
                assert ward.a == await CareTeamService.get_primary_provider(
                    db, ward.hospital.organization, patient_id=patient
                )

    on_ward(body)


def test_same_patient_can_have_different_primaries_at_different_orgs(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        patient = uuid4()
        async with open_hospital(hospital.circle) as elsewhere:
            primaries: dict[UUID, UUID] = {}
            for place in (hospital, elsewhere):
                await place.patient(patient_id=patient)
                primaries[place.organization] = await place.provider()
                async with as_app(place) as connection:
                    await assign(connection, place.organization, patient, primaries[place.organization], "2024-01-01")
            for place in (hospital, elsewhere):
                async with place.change() as db:
                    assert primaries[place.organization] == await CareTeamService.get_primary_provider(
                        db, place.organization, patient_id=patient
                    )
        assert len(set(primaries.values())) == 2

    in_hospital(body)


def test_safe_primary_provider_changes_via_update(on_ward: OnWard) -> None:
    """The only UPDATE a fact knows is the one that closes it; the next primary is a row of its own."""

    async def body(ward: Ward) -> None:
        where = (ward.hospital.organization, ward.patient)
        async with as_app(ward.hospital) as connection:
            first = await assign(connection, *where, ward.a, "2024-01-01")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with as_app(ward.hospital) as connection:
                await connection.execute(
                    "update carecircle.patient_assignments set assignment_type = 'consulting' where id = $1", first
                )
        async with as_app(ward.hospital) as connection:
            await connection.execute(CLOSE, ward.hospital.organization, first)
            await assign(connection, *where, ward.a, "2024-01-01", "2025-01-01")
            await assign(connection, *where, ward.b, "2025-01-01")
        assert await ward.primary() == ward.b
        # The other way round the second primary comes first, and is refused.
        with pytest.raises(GUARDED):
            # Its CLOSE would follow.
            async with as_app(ward.hospital) as connection:
                await assign(connection, *where, ward.c, "2026-01-01")

    on_ward(body)


# Service layer tests.


def test_assign_primary_provider_automatically_demotes_existing(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        await ward.assign(ward.a)
        row = await ward.assign(ward.b)
        now = {(kind, who) for kind, who, _, ends in await ward.believed() if ends == FOREVER}
        assert now == {("primary", ward.b), ("consulting", ward.a)}
        assert await ward.primary(row.starts_at) == ward.b

    on_ward(body)


def test_assign_primary_provider_twice_changes_nothing(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        first = await ward.assign(ward.a)
        before = await ward.believed()
        assert ((await ward.assign(ward.a)).id, await ward.believed()) == (first.id, before)

    on_ward(body)


def test_assign_primary_provider_names_the_one_it_cannot_replace(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        await ward.assign(ward.a, starts_at=ward.now + HOUR)
        with pytest.raises(PrimaryAlreadyAssigned) as caught:
            await ward.assign(ward.b)
        assert caught.value.facts["provider_id"] == ward.a
        assert [entry["code"] for entry in await ward.entries("refusal")] == ["primary-already-assigned"]

    on_ward(body)


def test_add_secondary_provider_does_not_affect_primary_status(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        first = await ward.assign(ward.a)
        await ward.does("add_secondary_provider", provider_id=ward.b)
        await ward.does("add_secondary_provider", provider_id=ward.a)
        assert await ward.primary() == ward.a
        assert ("primary", ward.a, first.starts_at, FOREVER) in await ward.believed()
        assert sum(kind == "consulting" for kind, *_ in await ward.believed()) == 2

    on_ward(body)


def test_remove_from_care_team_maintains_constraint(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        await ward.assign(ward.a)
        await ward.does("add_secondary_provider", provider_id=ward.b)
        assert await ward.does("remove_from_care_team", provider_id=ward.b)
        assert await ward.primary() == ward.a
        assert await ward.does("remove_from_care_team", provider_id=ward.a)
        assert await ward.primary() is None
        await ward.assign(ward.c)
        with pytest.raises(GUARDED):
            async with as_app(ward.hospital) as connection:
                await assign(connection, ward.hospital.organization, ward.patient, ward.a, "2020-01-01")

    on_ward(body)


def test_multi_tenancy_compatibility(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        await ward.assign(ward.a)
        async with open_hospital(ward.hospital.circle) as elsewhere:
            with pytest.raises(PatientNotRegistered):
                async with elsewhere.change() as db:
                    await CareTeamService.assign_primary_provider(
                        db, elsewhere.organization, patient_id=ward.patient, provider_id=ward.b, actor="test"
                    )
            # The key has the organization in it: another tenant's rows are neither seen nor in the way.
            async with as_app(elsewhere) as connection:
                assert await connection.fetchval("select count(*) from carecircle.patient_assignments") == 0
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await assign(connection, ward.hospital.organization, ward.patient, ward.b, "2024-01-01")
        async with as_app(ward.hospital) as connection:
            assert await connection.fetchval("select count(*) from carecircle.patient_assignments") == 1

    on_ward(body)
