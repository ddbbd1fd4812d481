"""The control of the tenancy proof: without the policies the same attempts show the other tenant and rewrite facts."""

from __future__ import annotations

import asyncio

from proofs import tenancy
from proofs.tenancy_rewrites import rewrites, worked
from proofs.tenancy_roles import looks_of_roles

from carecircle import Settings
from carecircle.database.reach import Reach


def test_without_the_policies_the_same_attempts_succeed(migrated: Reach, settings: Settings) -> None:
    tenants, names = asyncio.run(tenancy.prepare(settings, migrated))
    tried = asyncio.run(rewrites(migrated, tenants.own))
    with tenancy.without_the_wall(migrated, names) as there:
        assert len(tenancy.try_all(there, "app", tenants, names).leaked) >= tenancy.CONTROL_AT_LEAST
        assert asyncio.run(looks_of_roles(there, tenants, names)).leaked != []
        changed = asyncio.run(worked(there, (("app", ""), ("owner", "")), tenants.own, tried))
    # Of every table somebody then rewrites something, so a refusal is the wall's doing and the statement no dud.
    assert {
        table for table in {one.table for one in tried} if not any(f"carecircle.{table} " in it for it in changed)
    } == set()
