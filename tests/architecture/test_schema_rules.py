"""The migrated schema keeps the rules of catalog.py, and a planted breach of each is found."""

from __future__ import annotations

import asyncio

import pytest

from carecircle.database.reach import Reach
from tests.architecture.catalog import RULES, Rule, breaches, rolled_back


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_the_schema_keeps_its_rules(migrated: Reach, rule: Rule) -> None:
    async def read() -> list[str]:
        async with rolled_back(migrated) as connection:
            return await breaches(connection, rule)

    assert asyncio.run(read()) == []


@pytest.mark.parametrize(
    ("rule", "statement"),
    [(rule, statement) for rule in RULES for statement in rule.planted],
    ids=lambda v: str(v)[:60],
)
def test_a_planted_breach_is_found(migrated: Reach, rule: Rule, statement: str) -> None:
    async def plant() -> list[str]:
        async with rolled_back(migrated) as connection:
            await connection.execute(statement)
            return await breaches(connection, rule)

    assert asyncio.run(plant()) != []


def test_the_rules_look_at_real_tables(migrated: Reach) -> None:
    async def count() -> tuple[int, int]:
        async with rolled_back(migrated) as connection:
            tables = await connection.fetchval(
                "select count(*) from pg_class where relnamespace = 'carecircle'::regnamespace and relkind in ('r', 'p')"
            )
            return tables, await connection.fetchval("select count(*) from pg_policy")

    tables, policies = asyncio.run(count())
    assert tables > 20
    assert policies > 30
