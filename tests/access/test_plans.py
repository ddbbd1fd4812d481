"""Which indexes the questions are answered from, in the generic plans that serve."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from carecircle.access import decide, listing
from carecircle.database import migrate
from carecircle.database.embedded import EmbeddedServer
from carecircle.database.reach import Reach, dsn
from tests.access.crowd import crowd
from tests.conftest import socket_reach

# One patient's rows, and one provider's seat on one team. Where hardly any organization has a team, any index that starts
# with the organization is as good for the third, so it is not named.
CIRCLE = {"patient_assignments_circle", "care_team_members_circle"}
# Where there are rows to choose from: what one provider covers and holds, what is on one provider or patient.
AROUND = {
    "coverage_arrangements_covering", "access_restrictions_on", "patient_labels_on", "provider_credentials_of",
    "patient_merges_of", "care_team_patients_circle",
}  # fmt: skip
SUPERSEDED = {
    "patient_assignments_superseded", "care_team_members_superseded", "care_team_patients_superseded",
    "coverage_arrangements_covering_superseded", "access_restrictions_on_superseded", "patient_labels_on_superseded",
    "provider_credentials_of_superseded", "patient_merges_of_superseded",
}  # fmt: skip
# Of one lineage, which is one referral's: as good as its own index, and it knows what was superseded too.
ONE_REFERRAL = {"referrals_same", "referrals_lineage"}
FORMS = [
    (decide.Form(clocks, policy), alone)
    for clocks, policy, alone in product(decide.CLOCKS, (False, True), (True, False))
]
LISTS = list(product((False, True), (False, True)))


@dataclass(frozen=True)
class Plan:
    """A generic plan, as text."""

    text: str

    @property
    def indexes(self) -> set[str]:
        return set(re.findall(r"(?:Scan using|Scan Backward using|Bitmap Index Scan on) (\w+)", self.text))

    @property
    def whole_tables(self) -> list[str]:
        return re.findall(r"Seq Scan on (\w+)", self.text)

    @property
    def misled(self) -> set[str]:
        """Indexes a question about one patient must not be answered from: a whole panel, or a constraint's own."""
        return {name for name in self.indexes if name.endswith(("_panel", "_at_a_time", "_arrangement", "_by"))}


async def planned(at: Reach, statement: str, *, without: str = "") -> Plan:
    """A statement's generic plan, as the role that serves sees it; `without` an index, as an administrator."""
    connection = await asyncpg.connect(dsn(at.admin) if without else at.dsn("decider"))
    try:
        await connection.execute("begin")
        if without:
            await connection.execute(f"drop index carecircle.{without}")
            await connection.execute("set local enable_seqscan = off; set local jit = off")
            await connection.execute("set local plan_cache_mode = force_generic_plan")
        await decide.for_every_organization(connection)
        await connection.execute(f"prepare asked as {statement}")
        count = len(set(re.findall(r"\$\d+", statement)))
        rows = await connection.fetch(f"explain execute asked({', '.join(['null'] * count)})")
        await connection.execute("rollback")
    finally:
        await connection.close()
    return Plan("\n".join(row[0] for row in rows))


def plan(at: Reach, statement: str, *, without: str = "") -> Plan:
    return asyncio.run(planned(at, statement, without=without))


@contextmanager
def database_apart(server: EmbeddedServer, home: Path) -> Iterator[Reach]:
    """A database of its own: what other tests leave in theirs, and what is learnt about it, changes plans."""
    name = f"apart_{uuid4().hex}"

    async def administer(statement: str) -> None:
        connection = await asyncpg.connect(dsn(socket_reach(server, home).admin))
        await connection.execute(statement)
        await connection.close()

    asyncio.run(administer(f"create database {name} template template0"))
    at = socket_reach(server, home, name)
    migrate.upgrade(at)
    yield at
    asyncio.run(administer(f"drop database {name} with (force)"))


@pytest.fixture(scope="module")
def empty(server: EmbeddedServer, home: Path) -> Iterator[Reach]:
    with database_apart(server, home) as at:
        yield at


@pytest.fixture(scope="module")
def crowded(server: EmbeddedServer, home: Path) -> Iterator[Reach]:
    """One with a crowd in it."""
    with database_apart(server, home) as at:
        asyncio.run(crowd(at))
        yield at


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("clocks", ["now", "as-of"])
def test_a_check_reads_one_patients_rows(empty: Reach, clocks: decide.Clocks, alone: bool) -> None:
    found = plan(empty, decide.statement(decide.Form(clocks), alone=alone))
    assert found.indexes >= CIRCLE
    assert found.misled == set()
    assert found.whole_tables == []


@pytest.mark.parametrize(("form", "alone"), FORMS, ids=str)
def test_a_check_reads_what_is_around_the_two_who_are_named(crowded: Reach, form: decide.Form, alone: bool) -> None:
    found = plan(crowded, decide.statement(form, alone=alone))
    believed = form.clocks == "believed"
    assert found.indexes >= CIRCLE | AROUND | (SUPERSEDED if believed else set())
    assert found.indexes & ONE_REFERRAL
    assert found.misled == set()
    assert found.whole_tables == []
    # Every entry names the version of the policy that held.
    assert any("polic" in name for name in found.indexes)


@pytest.mark.parametrize(("as_of", "believed"), LISTS)
def test_a_providers_list_reads_what_they_cover(crowded: Reach, as_of: bool, believed: bool) -> None:
    found = plan(crowded, listing.statement("patients", as_of=as_of, believed=believed))
    assert found.indexes >= {"patient_assignments_panel", "coverage_arrangements_covering", "patient_labels_on"}
    assert not {name for name in found.misled if name.endswith(("_at_a_time", "_arrangement"))}
    assert found.whole_tables == []


@pytest.mark.parametrize(("as_of", "believed"), LISTS)
def test_a_patients_list_reads_who_covers_those_around_them(crowded: Reach, as_of: bool, believed: bool) -> None:
    found = plan(crowded, listing.statement("providers", as_of=as_of, believed=believed))
    assert found.indexes >= {
        "patient_assignments_circle", "care_team_patients_circle", "coverage_arrangements_covered", "patient_labels_on",
    }  # fmt: skip
    assert found.misled == set()
    assert found.whole_tables == []


def test_a_providers_list_reads_no_constraints_index(empty: Reach) -> None:
    # With as few rows as tests make, any index that starts with the organization is as good as the panel's.
    found = plan(empty, listing.statement("patients", as_of=False, believed=False))
    assert found.indexes
    assert not {name for name in found.misled if name.endswith("_at_a_time")}


def test_a_patients_list_reads_that_patients_rows(empty: Reach) -> None:
    found = plan(empty, listing.statement("providers", as_of=False, believed=False))
    assert found.indexes >= CIRCLE
    assert found.misled == set()


@pytest.mark.parametrize("index", sorted(AROUND | {"patient_assignments_circle", "referrals_same"}))
def test_an_index_that_goes_missing_is_noticed(crowded: Reach, index: str) -> None:
    """The control: without its index a check is answered from another one, and the tests above would fail."""
    statement = decide.statement(decide.Form())
    assert index in plan(crowded, statement).indexes
    found = plan(crowded, statement, without=index)
    assert index not in found.indexes
    assert found.indexes


def test_a_whole_table_would_be_noticed() -> None:
    text = "->  Seq Scan on referrals f\n->  Index Scan Backward using referrals_same on referrals f_1"
    assert Plan(text).whole_tables == ["referrals"]
    assert Plan(text).indexes == {"referrals_same"}
