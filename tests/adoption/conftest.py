"""A database that is an application's own, a schema in it for each test, and the command run against it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from carecircle.adoption.host_table import HostTable, quoted
from carecircle.cli.main import run
from carecircle.database.embedded import EmbeddedServer
from carecircle.database.reach import dsn
from tests.cli.conftest import Ran
from tests.conftest import socket_reach

COLUMNS = """
  id {id} primary key, organization_id integer, patient_id integer, provider_id integer not null,
  is_primary_provider boolean not null default false, assigned_at timestamptz, deleted_at timestamptz, note text"""
IDS = {"integer": "{}", "bigint": "{}", "text": "'row-' || {}", "uuid": "md5(({})::text)::uuid"}


async def ask(address: str, *statements: str) -> list[asyncpg.Record]:
    """Statements one by one, each in a transaction of its own; what the last one returned."""
    connection = await asyncpg.connect(address)
    try:
        rows: list[asyncpg.Record] = []
        for statement in statements:
            rows = await connection.fetch(statement)
        return rows
    finally:
        await connection.close()


@dataclass(frozen=True)
class Application:
    """An application's schema; `address` is its owner's."""

    address: str
    schema: str

    def sql(self, *statements: str) -> list[asyncpg.Record]:
        """Statements, in which @ stands for the schema."""
        return asyncio.run(ask(self.address, *(one.replace("@", quoted(self.schema)) for one in statements)))

    def value(self, statement: str) -> Any:
        return self.sql(statement)[0][0]

    def make(self, id_type: str = "integer", *, table: str = "care_team_assignments") -> HostTable:
        self.sql(f"create table @.{quoted(table)} ({COLUMNS.format(id=id_type)})")
        return HostTable(table=table, schema=self.schema)

    def fill(self, id_type: str = "integer", *, patients: int = 40) -> None:
        """Each patient has a primary and a consulting row; every tenth has three primaries, the second of them the earliest."""
        key = IDS[id_type]
        columns = "id, organization_id, patient_id, provider_id, is_primary_provider, assigned_at"
        insert = f"insert into @.care_team_assignments ({columns})"
        start = "'2025-06-01 08:00Z'::timestamptz + n * interval '1 hour'"
        self.sql(
            f"{insert} select {key.format('n')}, n % 2, n, 1, true, {start} from generate_series(1, {patients}) n",
            f"{insert} select {key.format('1000000 + n')}, n % 2, n, 2, false, {start} from generate_series(1, {patients}) n",
            f"{insert} select {key.format('2000000 + n')}, n % 2, n, 3, true, {start} - interval '1 day'"
            f" from generate_series(10, {patients}, 10) n",
            f"{insert} select {key.format('3000000 + n')}, n % 2, n, 4, true, {start} + interval '1 day'"
            f" from generate_series(10, {patients}, 10) n",
        )

    def checksum(self, table: str = "care_team_assignments") -> str:
        text: str = self.value(f"select md5(string_agg(t::text, '|' order by t::text)) from @.{quoted(table)} t")
        return text

    def primaries(self) -> list[int]:
        """The providers who are primary for patient 10, by id."""
        return [
            row[0]
            for row in self.sql(
                "select provider_id from @.care_team_assignments where patient_id = 10 and is_primary_provider order by 1"
            )
        ]

    def ledger(self) -> list[asyncpg.Record]:
        return self.sql(
            f"select * from carecircle_adoption.demotions where table_schema = '{self.schema}' order by entry"
        )


@pytest.fixture(scope="session")
def application_database(server: EmbeddedServer, home: Path) -> Iterator[str]:
    admin = socket_reach(server, home)
    name = f"application_{uuid4().hex}"
    asyncio.run(ask(dsn(admin.admin), f"create database {name} template template0"))
    yield dsn(admin.admin.set(database=name))
    asyncio.run(ask(dsn(admin.admin), f"drop database {name} with (force)"))


@pytest.fixture
def application(application_database: str) -> Iterator[Application]:
    there = Application(application_database, f"app {uuid4().hex[:8]}")
    there.sql("create schema @")
    yield there
    there.sql("drop schema @ cascade")


Command = Callable[..., Ran]


@pytest.fixture
def carecircle(application: Application, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """Run `carecircle ARGS…` against the application's database; `schema=None` leaves --schema out."""
    for name in [name for name in os.environ if name.startswith("CARECIRCLE_") and name != "CARECIRCLE_HOME"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("CARECIRCLE_DATABASE_URL", application.address)

    def ran(*arguments: str, schema: str | None = application.schema, **environment: str) -> Ran:
        with monkeypatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            capfd.readouterr()
            with pytest.raises(SystemExit) as ended:
                run([*arguments, *(["--schema", schema] if schema is not None else [])])
        out, err = capfd.readouterr()
        code = ended.value.code
        return Ran(code if isinstance(code, int) else 0, out, err)

    return ran
