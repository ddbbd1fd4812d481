"""The audit trail's table: nobody may say when an entry was made, its months are UTC's whatever the server's zone, and a
refusal names who was meant and which rules.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from tests.conftest import Hospital, socket_reach

from carecircle.actor import Actor
from carecircle.audit.refusal import record_refusal, refusals_recorded
from carecircle.database import migrate
from carecircle.database.embedded import EmbeddedServer
from carecircle.database.reach import Reach, Role, dsn
from carecircle.directory.duty_service import add_duty
from carecircle.emergency.opening_service import request
from carecircle.errors import AssignmentNotFound, CareCircleError, PrimaryAlreadyAssigned, RulesViolated, Violation
from carecircle.identifiers import new_id, to_text

Run = Callable[[Callable[[Hospital], Any]], Any]

ZONES = ("America/New_York", "Europe/Berlin", "Pacific/Auckland")


@pytest.mark.parametrize("role", ["app", "decider"])
@pytest.mark.parametrize("forged", ["recorded_at", "xid", "snapshot"])
def test_nobody_says_when_an_entry_was_made(migrated: Reach, role: Role, forged: str) -> None:
    values = {"recorded_at": "'2020-01-01'", "xid": "'1'", "snapshot": "'1:1:'"}

    async def body() -> None:
        connection = await asyncpg.connect(migrated.dsn(role))
        try:
            await connection.execute(f"set carecircle.organization_id = '{new_id()}'")
            honest = (
                "insert into carecircle.audit_events (organization_id, id, kind, actor, code{})"
                " values ({}, $1, 'x', 'x', 'x'{})"
            )
            tenant = "carecircle.current_organization()"
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(honest.format(f", {forged}", tenant, f", {values[forged]}"), new_id())
            await connection.execute(honest.format("", tenant, ""), new_id())  # the control
        finally:
            await connection.close()

    asyncio.run(body())


@pytest.fixture
def elsewhere(server: EmbeddedServer, home: Path, request: pytest.FixtureRequest) -> Iterator[Reach]:
    """An empty database whose sessions live in another time zone."""
    name = f"zone_{new_id().hex[-8:]}"
    admin = socket_reach(server, home)

    async def make(*statements: str) -> None:
        connection = await asyncpg.connect(dsn(admin.admin))
        for statement in statements:
            await connection.execute(statement)
        await connection.close()

    asyncio.run(make(f"create database {name}", f"alter database {name} set timezone = '{request.param}'"))
    yield socket_reach(server, home, name)
    asyncio.run(make(f"drop database {name} with (force)"))


@pytest.mark.parametrize("elsewhere", ZONES, indirect=True)
def test_months_begin_in_utc(elsewhere: Reach) -> None:
    migrate.upgrade(elsewhere)
    migrate.upgrade(elsewhere)  # again, as every later version does

    async def bounds() -> list[str]:
        connection = await asyncpg.connect(dsn(elsewhere.admin))
        await connection.execute("set timezone = 'UTC'")
        rows = await connection.fetch(
            "select pg_get_expr(relpartbound, oid) from pg_class where relname ~ '^audit_events_[0-9]' and relkind = 'r'"
        )
        await connection.close()
        return [row[0] for row in rows]

    found = asyncio.run(bounds())
    assert len(found) >= 24
    for bound in found:
        assert len(re.findall(r"'\d{4}-\d\d-01 00:00:00\+00'", bound)) == 2, bound


BROKEN = (Violation("licence-lapsed", "The licence lapsed."), Violation("suspended", "Suspended."))
SOMEBODY, ANOTHER = UUID(int=11), UUID(int=12)
BOTH = {"violations": "licence-lapsed suspended"}


@pytest.mark.parametrize(
    ("error", "provider", "patient", "detail"),
    [
        (RulesViolated(BROKEN, provider_id=SOMEBODY), SOMEBODY, None, BOTH),
        (RulesViolated([*BROKEN, BROKEN[0]]), None, None, BOTH),
        (RulesViolated(BROKEN, provider_id=None, patient_id=ANOTHER), None, ANOTHER, BOTH),
        (RulesViolated(BROKEN[:1], wanted_provider_id=SOMEBODY, patient_id=ANOTHER), SOMEBODY, ANOTHER,
         {"violations": "licence-lapsed"}),
        (RulesViolated(), None, None, None),
        (PrimaryAlreadyAssigned(provider_id=ANOTHER, wanted_provider_id=SOMEBODY, patient_id=ANOTHER), SOMEBODY, ANOTHER,
         {"present": to_text(ANOTHER)}),
        (PrimaryAlreadyAssigned(wanted_provider_id=SOMEBODY), SOMEBODY, None, None),
        (AssignmentNotFound(provider_id=SOMEBODY), SOMEBODY, None, None),
    ],
)  # fmt: skip
def test_a_refusal_says_who_was_meant_and_which_rules(
    in_hospital: Run, error: CareCircleError, provider: UUID | None, patient: UUID | None, detail: dict[str, str] | None
) -> None:
    async def body(hospital: Hospital) -> None:
        with pytest.raises(type(error)):
            async with hospital.change() as db, refusals_recorded(db, hospital.organization, "test"):
                raise error
        entry = await refusal_in(hospital)
        assert (entry["code"], entry["provider_id"], entry["patient_id"]) == (error.code, provider, patient)
        # Codes only: the sentences are for whoever is refused.
        assert (json.loads(entry["detail"]) if entry["detail"] else None) == detail

    in_hospital(body)


def test_what_a_door_says_comes_before_what_the_error_knows(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        error = AssignmentNotFound(provider_id=SOMEBODY, patient_id=SOMEBODY)
        said = {"provider_id": ANOTHER, "patient_id": ANOTHER}
        await record_refusal(hospital.circle.engine, hospital.organization, Actor("test"), error, **said)
        entry = await refusal_in(hospital)
        assert (entry["provider_id"], entry["patient_id"]) == (ANOTHER, ANOTHER)

    in_hospital(body)


async def analyzed(hospital: Hospital) -> None:
    """The planner knows of the rows; before that it takes any index, as all of them look empty."""
    administrator = await asyncpg.connect(dsn(hospital.circle.reach.admin))
    try:
        await administrator.execute("analyze carecircle.audit_events")
    finally:
        await administrator.close()


def test_a_decision_by_broken_glass_says_so_and_is_found_again(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        doctor, stranger, patient = await hospital.provider(), await hospital.provider(), await hospital.patient()
        of: dict[str, Any] = {"organization": hospital.organization, "actor": "test"}
        async with hospital.change() as db:
            await add_duty(db, provider=doctor, duty="break_glass", **of)
            row = await request(
                db, provider=doctor, patient=patient, reason_code="other", words="Found on the stairs", **of
            )
        ask = hospital.circle.access.check
        yes = await ask(doctor, "read", patient, **of)
        # Among so many others that no other index would do.
        for provider, action in ((doctor, "write"), (stranger, "read")) * 100:
            assert not (await ask(provider, action, patient, **of)).allowed
        named = {"carecircle.organization_id": str(hospital.organization), "enable_seqscan": "off"}
        auditor = await asyncpg.connect(hospital.circle.reach.dsn("auditor"), server_settings=named)
        try:
            # The question of the report about one access, by the index that has only such decisions in it.
            question = (
                "select id, basis_kinds, basis_ids, basis_under, basis_ends from carecircle.audit_events"
                " where organization_id = $1 and provider_id = $2 and patient_id = $3"
                " and recorded_at >= $4 and basis_kinds @> array['emergency_access']"
            )
            asked = (hospital.organization, doctor, patient, row.recorded_at)
            found = [tuple(entry) for entry in await auditor.fetch(question, *asked)]
            await analyzed(hospital)
            plan = await auditor.fetch("explain " + question.replace("$4", "now()"), *asked[:3])
            month = await auditor.fetchval("select tableoid::regclass::text from carecircle.audit_events limit 1")
            everything = str(await auditor.fetch("select e::text from carecircle.audit_events e"))
        finally:
            await auditor.close()
        assert found == [(yes.id, ["emergency_access"], [row.id], [row.lineage_id], [row.ends_at])]
        # In the month that has them, nothing is left to filter by: the index has no other decisions.
        [way] = [one for one in "\n".join(line[0] for line in plan).split("->") if f"{month.split('.')[-1]} " in one]
        assert "Index" in way
        assert "basis_kinds" not in way
        assert to_text(row.lineage_id) in everything
        assert "stairs" not in everything

    in_hospital(body)


async def refusal_in(hospital: Hospital) -> asyncpg.Record:
    """The one refusal on record, as an auditor reads it."""
    named = {"carecircle.organization_id": str(hospital.organization)}
    auditor = await asyncpg.connect(hospital.circle.reach.dsn("auditor"), server_settings=named)
    try:
        entries = await auditor.fetch("select * from carecircle.audit_events where kind = 'refusal'")
    finally:
        await auditor.close()
    assert len(entries) == 1
    return entries[0]
