"""A database whose decider served everybody by a setting: it is converted once, with its rows, and decides as before."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import asyncpg
import pytest
from tests.storage.conftest import Fresh, dump, run_sql
from tests.storage.test_migrations import add_people, add_primary

from carecircle import AccessDecision, Question
from carecircle.access.decide import Decider, Form, for_every_organization
from carecircle.database import migrate
from carecircle.database.crypto import keyring
from carecircle.database.migrations.wall import EVERY_TENANT_UNLESS_NAMED
from carecircle.database.reach import Reach, dsn
from carecircle.database.roles import EVERYWHERE

OLD = "20260201_staffing"
BY_SETTING = "select polname::text, polrelid::regclass::text from pg_policy where polname ~ '^(decider|everywhere)_'"


def make_old(at: Reach) -> None:
    """As it was: the decider's policies ask the setting, and of the other role nobody has heard."""

    async def body() -> None:
        connection = await asyncpg.connect(dsn(at.admin))
        try:
            for name, table in await connection.fetch(BY_SETTING):
                if name.startswith("everywhere_"):
                    await connection.execute(f"drop policy {name} on {table}")
                else:
                    clause = "with check" if name == "decider_records" else "using"
                    await connection.execute(f"alter policy {name} on {table} {clause} ({EVERY_TENANT_UNLESS_NAMED})")
            await connection.execute(f"revoke all on all tables in schema carecircle from {EVERYWHERE}")
            # A column's privileges go only when they are named.
            for table, columns in await connection.fetch(
                """select attrelid::regclass::text, string_agg(distinct attname, ', ') from pg_attribute, aclexplode(attacl)
                   where grantee = $1::regrole group by 1""",
                EVERYWHERE,
            ):
                await connection.execute(f"revoke all ({columns}) on {table} from {EVERYWHERE}")
            await connection.execute(f"revoke all on all functions in schema carecircle from {EVERYWHERE}")
            await connection.execute(f"revoke all on schema carecircle from {EVERYWHERE}")
        finally:
            await connection.close()

    asyncio.run(body())


def decided(at: Reach, organization: UUID, provider: UUID, patient: UUID) -> AccessDecision:
    """A decision as those who serve make it."""

    async def body() -> AccessDecision:
        connection = await for_every_organization(await asyncpg.connect(at.dsn("decider")))
        try:
            question = Question(organization, provider, patient, "read", "test")
            return (await Decider(connection, keyring(), timeout=5.0).decide(Form(), [question]))[0]
        finally:
            await connection.close()

    return asyncio.run(body())


def entries(at: Reach, organization: UUID) -> int:
    return int(
        run_sql(at, "select count(*) from carecircle.audit_events where organization_id = $1", organization)[0][0]
    )


def sorted_dump(at: Reach) -> list[str]:
    return sorted(dump(at).splitlines())


def test_an_old_database_decides_after_the_upgrade_and_not_before(fresh: Fresh) -> None:
    at, straight = fresh(), fresh()
    migrate.upgrade(at, OLD)
    organization, patient, (one, two) = add_people(at, providers=2)
    add_primary(at, organization, patient, one, "2024-01-01", "infinity")
    honest = sorted_dump(at)
    make_old(at)
    assert EVERYWHERE not in dump(at)
    assert sorted_dump(at) != honest
    # The control: whoever serves now is refused there, and nothing is recorded.
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        decided(at, organization, one, patient)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        sees(at, organization, become=True)
    assert entries(at, organization) == 0
    assert sees(at, None, setting=True) == 1

    migrate.upgrade(at)

    migrate.upgrade(straight)
    assert sorted_dump(at) == sorted_dump(straight)
    assert decided(at, organization, one, patient).allowed
    assert decided(at, organization, two, patient).code == "no-relationship"
    assert decided(at, uuid4(), one, patient).code == "unknown-patient"
    assert entries(at, organization) == 2
    # The setting serves nobody any more, and a tenant is seen by who names it.
    assert sees(at, None, setting=True) == 0
    assert (sees(at, organization), sees(at, uuid4()), sees(at, None)) == (1, 0, 0)
    assert sees(at, None, become=True) == 1


def test_down_and_up_again_decides_as_before(fresh: Fresh) -> None:
    at = fresh()
    migrate.upgrade(at, OLD)
    organization, patient, (one,) = add_people(at, providers=1)
    add_primary(at, organization, patient, one, "2024-01-01", "infinity")
    make_old(at)
    migrate.upgrade(at)
    newest = sorted_dump(at)
    assert decided(at, organization, one, patient).allowed
    migrate.downgrade(at, OLD)
    assert "coverage_arrangements" not in dump(at)
    assert entries(at, organization) == 1
    migrate.upgrade(at)
    assert sorted_dump(at) == newest
    assert decided(at, organization, one, patient).allowed
    assert entries(at, organization) == 2


def sees(at: Reach, organization: UUID | None, *, setting: bool = False, become: bool = False) -> int:
    """How many assignments a session of the decider is shown."""

    async def body() -> int:
        named = {} if organization is None else {"carecircle.organization_id": str(organization)}
        said = {"carecircle.every_organization": "on"} if setting else {}
        connection = await asyncpg.connect(at.dsn("decider"), server_settings=named | said)
        try:
            if become:
                await for_every_organization(connection)
            return int(await connection.fetchval("select count(*) from carecircle.patient_assignments"))
        finally:
            await connection.close()

    return asyncio.run(body())
