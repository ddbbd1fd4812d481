"""The role that serves every tenant sees all rows, so each look-up of its statements must name the question's organization."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from itertools import product
from typing import Any

import asyncpg
import pytest

from carecircle.access import decide, explain, listing, service
from carecircle.database.reach import Reach

STATEMENTS = {
    **{
        f"decide {clocks} policy={policy} alone={alone}": decide.statement(decide.Form(clocks, policy), alone=alone)
        for clocks, policy, alone in product(decide.CLOCKS, (False, True), (False, True))
    },
    **{
        f"list {wanted} as_of={as_of} believed={believed}": listing.statement(wanted, as_of=as_of, believed=believed)
        for wanted, as_of, believed in product(("patients", "providers"), (False, True), (False, True))
    },
    **{f"nearest believed={believed}": explain._statement(believed) for believed in (False, True)},
    "survivor": service._SURVIVOR_OF,
}
NAMED = re.compile(r"\b\w\.organization_id (=) [\w.$]+\s+and ")
CONDITIONS = ("Index Cond", "Recheck Cond", "Filter", "Hash Cond", "Merge Cond")


async def plan(connection: asyncpg.Connection, statement: str) -> dict[str, Any]:
    """A statement's generic plan, as EXPLAIN tells it."""
    count = len(set(re.findall(r"\$\d+", statement)))
    await connection.execute(f"prepare asked as {statement}")
    said = await connection.fetchval(f"explain (verbose, format json) execute asked({', '.join(['null'] * count)})")
    await connection.execute("deallocate asked")
    found: dict[str, Any] = json.loads(said)[0]["Plan"]
    return found


def unnamed(found: dict[str, Any]) -> list[str]:
    """The tables that a plan looks into without an equality on organization_id."""
    scans = [node for node in _nodes(found) if node.get("Schema") == "carecircle"]
    looked = [node for node in scans if node["Node Type"] != "ModifyTable"]
    assert looked
    return [
        node["Relation Name"]
        for node in looked
        if not any("organization_id = " in str(node.get(kind, "")) for kind in CONDITIONS)
    ]


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from _nodes(below)


async def serving(at: Reach) -> asyncpg.Connection:
    return await decide.for_every_organization(await asyncpg.connect(at.dsn("decider")))


@pytest.mark.parametrize("name", STATEMENTS)
def test_every_look_up_names_its_organization(migrated: Reach, name: str) -> None:
    async def body() -> list[str]:
        connection = await serving(migrated)
        try:
            return unnamed(await plan(connection, STATEMENTS[name]))
        finally:
            await connection.close()

    assert asyncio.run(body()) == []


@pytest.mark.parametrize("name", ["decide now policy=True alone=False", "decide believed policy=True alone=True",
                                  "list patients as_of=False believed=False", "list providers as_of=True believed=True",
                                  "nearest believed=False", "survivor"])  # fmt: skip
def test_a_look_up_that_forgot_it_is_found(migrated: Reach, name: str) -> None:
    """The control: without any one of the organizations that a statement names, the test above would fail."""
    statement = STATEMENTS[name]

    async def body() -> list[dict[str, Any]]:
        connection = await serving(migrated)
        try:
            forgotten = [
                statement[: one.start(1)] + ">=" + statement[one.end(1) :] for one in NAMED.finditer(statement)
            ]
            assert len(forgotten) >= (1 if name == "survivor" else 5)
            plans = [await plan(connection, one) for one in forgotten]
            # A plan that stays the same never looks there: the planner drops what no answer needs.
            as_it_is = await plan(connection, statement)
            changed = [one for one in plans if one != as_it_is]
            assert len(changed) > len(plans) / 2
            return [one for one in changed if not unnamed(one)]
        finally:
            await connection.close()

    assert asyncio.run(body()) == []
