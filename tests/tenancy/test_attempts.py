"""The attempts of the tenancy proof, made on the tests' own database: nobody sees the other tenant, and the wall is why."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from proofs import tenancy
from proofs.tenancy_attempts import attempts
from proofs.tenancy_pool import leaks_of_one_pool
from proofs.tenancy_rewrites import rewrites, worked
from proofs.tenancy_roles import looks_of_roles
from proofs.tenancy_tenants import Tenants

from carecircle import Settings
from carecircle.database.reach import ROLES, Reach, Role


@dataclass(frozen=True)
class Two:
    """Two filled organizations, and every table's name."""

    tenants: Tenants
    names: list[str]


@pytest.fixture(scope="module")
def two(settings: Settings, migrated: Reach) -> Iterator[Two]:
    tenants, names = asyncio.run(tenancy.prepare(settings, migrated))
    with tenancy.others_at_work(settings, migrated, tenants):
        yield Two(tenants, names)


@pytest.mark.parametrize("role", ROLES)
def test_no_attempt_shows_the_other_tenant(migrated: Reach, two: Two, role: Role) -> None:
    assert len(list(attempts(role, two.names))) >= 100
    assert tenancy.try_all(migrated, role, two.tenants, two.names).leaked == ()


def test_a_pool_leaves_nothing_of_one_tenant_for_the_next(migrated: Reach, two: Two) -> None:
    looks = asyncio.run(leaks_of_one_pool(migrated, two.tenants))
    assert looks.tried > 100
    assert looks.leaked == []
    assert looks.careless


def test_every_role_sees_the_tenant_it_names_and_no_other(migrated: Reach, two: Two) -> None:
    seen = asyncio.run(looks_of_roles(migrated, two.tenants, two.names))
    assert seen.tried > 1000
    assert (seen.leaked, seen.blind) == ([], [])


def test_every_fact_table_is_attacked(migrated: Reach, two: Two) -> None:
    tried = asyncio.run(rewrites(migrated, two.tenants.own))
    tables = {one.table for one in tried}
    assert tables >= {"patient_assignments", "coverage_arrangements", "access_restrictions", "panel_capacities"}
    assert all(sum(one.table == table for one in tried) > 20 for table in tables - {"audit_events"})


def test_no_role_rewrites_a_fact(migrated: Reach, two: Two) -> None:
    tried = asyncio.run(rewrites(migrated, two.tenants.own))
    assert asyncio.run(worked(migrated, tenancy.SEATS, two.tenants.own, tried)) == []
