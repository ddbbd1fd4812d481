"""The control of the tenancy proof: without the policies the same attempts show the other tenant and rewrite facts."""

from __future__ import annotations

import asyncio

from proofs import tenancy

from carecircle import Settings
from carecircle.database.reach import Reach


def test_without_the_policies_the_same_attempts_succeed(migrated: Reach, settings: Settings) -> None:
    tenants, names = asyncio.run(tenancy.prepare(settings, migrated))
    known = asyncio.run(tenancy.facts_to_rewrite(migrated, tenants.own))
    with tenancy.without_the_wall(migrated, names) as there:
        assert len(tenancy.try_all(there, "app", tenants, names).leaked) >= tenancy.CONTROL_AT_LEAST
        assert tenancy.rewrites_that_worked(there, tenants, ("app",), known) != []
