"""The registry knows every fact table whose rows belong to a provider; one that it does not know is found."""

from __future__ import annotations

import asyncio

from carecircle.database.reach import Reach
from carecircle.staffing.registry import BY_KIND, REASSIGNED, REGISTRY, THEIRS
from tests.architecture.catalog import rolled_back

# A fact has both clocks; it belongs to a provider when a foreign key says so or a column is called so.
HELD = """
  select c.relname::text, a.attname::text
  from pg_class c
  join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  where c.relnamespace = 'carecircle'::regnamespace and c.relkind in ('r', 'p')
    and (select count(*) from pg_attribute f
         where f.attrelid = c.oid and f.attname in ('starts_at', 'superseded_at')) = 2
    and (a.attname ~ 'provider_id$'
         or exists (select from pg_constraint k
                    where k.conrelid = c.oid and k.contype = 'f' and k.confrelid = 'carecircle.providers'::regclass
                      and a.attnum = any (k.conkey) and a.attname <> 'organization_id'))"""

SECOND_ENDS = """
  select c.relname::text, a.attname::text
  from pg_class c
  join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  where c.relnamespace = 'carecircle'::regnamespace and c.relkind in ('r', 'p')
    and a.attname ~ '_ends_at$' and a.atttypid = 'timestamptz'::regtype"""


def unknown(at: Reach, *planted: str) -> set[tuple[str, str]]:
    """Tables and columns that belong to a provider and are in no registry."""

    async def read() -> set[tuple[str, str]]:
        async with rolled_back(at) as connection:
            for statement in planted:
                await connection.execute(statement)
            return {(row[0], row[1]) for row in await connection.fetch(HELD)}

    known = {(holding.table.__tablename__, holding.provider) for holding in REGISTRY}
    found = asyncio.run(read())
    assert known <= found, "the registry names what is not there"
    return found - known


def test_everything_a_person_can_hold_is_in_the_registry(migrated: Reach) -> None:
    assert unknown(migrated) == set()
    assert len(BY_KIND) == len(REGISTRY)


def test_a_holding_that_nobody_registered_is_found(migrated: Reach) -> None:
    clocks = "starts_at timestamptz, superseded_at timestamptz"
    assert unknown(
        migrated,
        f"create table carecircle.planted (organization_id uuid, covering_provider_id uuid, {clocks})",
        f"create table carecircle.planted_by_key (organization_id uuid, who uuid, {clocks}, foreign key"
        " (organization_id, who) references carecircle.providers (organization_id, id))",
        "create table carecircle.not_a_fact (organization_id uuid, provider_id uuid)",
    ) == {("planted", "covering_provider_id"), ("planted_by_key", "who")}


def test_what_is_handed_over_can_be(migrated: Reach) -> None:
    for holding in REGISTRY:
        columns = set(holding.table.__table__.c.keys())
        said = {holding.named, holding.provider, holding.patient, holding.care_team, holding.covered}
        assert {*said, *holding.once, *holding.also_ends} - {None} <= columns, holding.kind
        moves = holding.passed_on or holding.serves_the_panel
        # What stays the same thing under its lineage is never needless: others refer to it.
        assert bool(holding.once) == (moves and not holding.keeps_lineage), holding.kind
        assert (holding in REASSIGNED) == moves
        assert not (moves and holding.about)


def test_what_is_only_about_somebody_is_not_theirs() -> None:
    assert {holding.kind for holding in REGISTRY} - {holding.kind for holding in THEIRS} == {
        "referral-made", "restriction", "personal-relation", "emergency-seconded", "emergency-decided",
        "emergency-reviewed",
    }  # fmt: skip


def test_every_second_end_is_said(migrated: Reach) -> None:
    """A column that a check keeps before `ends_at` must be cut with it."""

    async def read() -> set[tuple[str, str]]:
        async with rolled_back(migrated) as connection:
            return {(row[0], row[1]) for row in await connection.fetch(SECOND_ENDS)}

    found = asyncio.run(read())
    said = {(holding.table.__tablename__, name) for holding in REGISTRY for name in holding.also_ends}
    assert found == said == {("coverage_arrangements", "duty_ends_at")}
