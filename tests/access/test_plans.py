"""Which indexes the questions are answered from, in the generic plans that serve."""

from __future__ import annotations

import asyncio
import re

import asyncpg
import pytest

from carecircle.access import decide, listing
from carecircle.database.reach import Reach, dsn

# One patient's rows, and one provider's seat on one team. Where hardly any organization has a team, any index that starts
# with the organization is as good for the third, so it is not named.
CIRCLE = {"patient_assignments_circle", "care_team_members_circle"}


def misled(used: set[str]) -> set[str]:
    """Indexes a question about one patient must not be answered from: a whole panel, or a constraint's own."""
    return {name for name in used if name.endswith(("_panel", "_at_a_time"))}


async def indexes(at: Reach, statement: str) -> set[str]:
    """The indexes of a statement's generic plan, as the role that serves sees it."""
    connection = await decide.for_every_organization(await asyncpg.connect(at.dsn("decider")))
    try:
        await connection.execute(f"prepare asked as {statement}")
        count = len(set(re.findall(r"\$\d+", statement)))
        plan = await connection.fetch(f"explain execute asked({', '.join(['null'] * count)})")
    finally:
        await connection.close()
    return set(re.findall(r"Scan using (\w+)", "\n".join(row[0] for row in plan)))


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("clocks", ["now", "as-of"])
def test_a_check_reads_one_patients_rows(migrated: Reach, clocks: decide.Clocks, alone: bool) -> None:
    used = asyncio.run(indexes(migrated, decide.statement(decide.Form(clocks), alone=alone)))
    assert used >= CIRCLE
    assert misled(used) == set()


def test_a_providers_list_reads_no_constraints_index(migrated: Reach) -> None:
    # With as few rows as tests make, any index that starts with the organization is as good as the panel's.
    text = listing.statement("patients", as_of=False, believed=False)
    used = asyncio.run(indexes(migrated, text))
    assert used
    assert not {name for name in misled(used) if name.endswith("_at_a_time")}


def test_a_patients_list_reads_that_patients_rows(migrated: Reach) -> None:
    text = listing.statement("providers", as_of=False, believed=False)
    used = asyncio.run(indexes(migrated, text))
    assert used >= CIRCLE
    assert misled(used) == set()


def test_an_index_that_goes_missing_is_noticed(migrated: Reach) -> None:
    """The control: without its index a check is answered from another one, and the first test would fail."""

    async def without() -> set[str]:
        admin = await asyncpg.connect(dsn(migrated.admin))
        try:
            await admin.execute("begin")
            await admin.execute("drop index carecircle.patient_assignments_circle")
            await admin.execute("set local enable_seqscan = off")
            await admin.execute("set local plan_cache_mode = force_generic_plan")
            await admin.execute("set local role carecircle_decider")
            await admin.execute(f"prepare asked as {decide.statement(decide.Form())}")
            plan = await admin.fetch("explain execute asked(null, null, null, null, null, null, null, null)")
            await admin.execute("rollback")
        finally:
            await admin.close()
        return set(re.findall(r"Scan using (\w+)", "\n".join(row[0] for row in plan)))

    assert not asyncio.run(without()) >= CIRCLE
