"""docs/PRIMARY_PROVIDER_CONSTRAINT.md does what it says: every snippet is run, in the page's order.

The words after a fence's language say where and how: `in=` the place (the page's own database unless said), `role=`
whose connection, `exit=` the exit code, `refused=` a word of the refusal (any of several). A ```text block shows lines
that the snippet before it prints, in that order; … stands for anything.
"""

from __future__ import annotations

import ast
import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from carecircle import directory
from carecircle.database import migrate
from carecircle.database.embedded import EmbeddedServer
from carecircle.database.reach import Reach, Role, dsn
from carecircle.database.session import open_engine, transaction
from tests.conftest import socket_reach

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "PRIMARY_PROVIDER_CONSTRAINT.md"
SLUG = "st-elsewhere"
FENCE = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
HOST = """
  create table care_team_assignments (
    id integer generated always as identity primary key, organization_id integer, patient_id integer,
    provider_id integer, is_primary_provider boolean, assigned_at timestamptz default now(), deleted_at timestamptz);
  insert into care_team_assignments (organization_id, patient_id, provider_id, is_primary_provider, deleted_at)
  values (1, 1, 1, true, null), (1, 1, 2, true, null), (1, 2, 1, true, null), (1, 2, 3, true, now())"""
HOST_CODE = {
    "src/intake.py": "db.add(CareTeamAssignment(patient_id=patient, is_primary_provider=True))\n",
    "src/fix.sql": "UPDATE care_team_assignments SET note = '';\n",
    "src/fine.py": "await CareTeamService.assign_primary_provider(db=db)\n",
}


@dataclass(frozen=True)
class Snippet:
    """A fence of the page: its language, what its first line says, its text and the line it stands on."""

    language: str
    said: dict[str, str]
    text: str
    line: int

    @property
    def name(self) -> str:
        return f"line {self.line} ({self.language})"


def snippets() -> list[Snippet]:
    page = PAGE.read_text()
    return [
        Snippet(
            found[1],
            dict(word.split("=", 1) for word in found[2].split()),
            found[3],
            page.count("\n", 0, found.start()) + 1,
        )
        for found in FENCE.finditer(page)
    ]


def missing_line(expected: str, printed: str) -> str | None:
    """The first expected line that is not printed below the ones before it."""
    lines = iter(printed.splitlines())
    for wanted in expected.splitlines():
        pattern = ".*".join(re.escape(part) for part in wanted.strip().split("…"))
        if not any(re.search(pattern, line) for line in lines):
            return wanted
    return None


@dataclass
class Places:
    """The databases and folders the page speaks of, and the names its Python knows."""

    databases: dict[str, Reach]
    folders: dict[str, Path]
    home: Path
    names: dict[str, Any]
    printed: str = ""

    def run(self, snippet: Snippet) -> None:
        place = snippet.said.get("in", "page")
        refused = snippet.said.get("refused", "").split(",")
        if snippet.language == "python":
            asyncio.run(self._python(snippet, refused if refused != [""] else []))
            return
        done = self._shell(snippet, place) if snippet.language == "sh" else self._psql(snippet, place)
        self.printed = done.stdout
        if refused != [""]:
            assert done.returncode != 0, f"{snippet.name} was not refused"
            assert any(word in done.stdout for word in refused), done.stdout
        else:
            assert done.returncode == int(snippet.said.get("exit", 0)), f"{snippet.name}: {done.stdout}"

    def _shell(self, snippet: Snippet, place: str) -> subprocess.CompletedProcess[str]:
        at = self.databases.get(place, self.databases["page"])
        bin_dirs = [str(Path(sys.executable).parent), str(at.bin_dir)]
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("CARECIRCLE_", "PYTEST_"))}
        known = {
            "CARECIRCLE_HOME": str(self.home),
            "CARECIRCLE_DATABASE_URL": dsn(at.admin),
            "DATABASE_URL": dsn(at.admin),
            "CARECIRCLE_ORGANIZATION": SLUG,
            "PATH": os.pathsep.join([*bin_dirs, os.environ["PATH"]]),
        }
        return subprocess.run(
            ["bash", "-euc", snippet.text],
            cwd=self.folders.get(place, ROOT),
            env=kept | known,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=200,
            check=False,
        )

    def _psql(self, snippet: Snippet, place: str) -> subprocess.CompletedProcess[str]:
        at = self.databases[place]
        roles: dict[str, Role] = {"app": "app", "owner": "owner", "auditor": "auditor"}
        role = snippet.said.get("role", "admin")
        address = at.dsn(roles[role]) if role in roles else dsn(at.admin)
        variables = [f"--set={name}={value}" for name, value in self.names.items() if isinstance(value, UUID)]
        patient = f"--set=patient={self.names['patient_id']}"
        return subprocess.run(
            [
                str(at.bin_dir and at.bin_dir / "psql"),
                "-X",
                "-A",
                "--set=ON_ERROR_STOP=1",
                *variables,
                patient,
                address,
            ],
            input=snippet.text,
            env={**os.environ, "PGOPTIONS": f"-c carecircle.organization_id={self.names['clinic_id']}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )

    async def _python(self, snippet: Snippet, refused: list[str]) -> None:
        code = compile(snippet.text, f"{PAGE.name}, {snippet.name}", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        engine = open_engine(self.databases["page"])
        try:
            async with AsyncSession(engine) as session:
                self.names["session"] = session
                if refused:
                    with pytest.raises(IntegrityError) as caught:
                        await self._exec(code)
                    assert any(word in str(caught.value) for word in refused)
                    self.names["refusal"] = caught.value
                    await session.rollback()
                else:
                    await self._exec(code)
                    await session.commit()
        finally:
            await engine.dispose()

    async def _exec(self, code: Any) -> None:
        waiting = eval(code, self.names)  # noqa: S307 - our own page
        if waiting is not None:
            await waiting


async def people(engine: AsyncEngine) -> dict[str, Any]:
    """The organization, patient and providers of the page's examples."""
    async with transaction(engine) as db:
        clinic = await directory.register_organization(db, slug=SLUG, name="St. Elsewhere", actor="test")
        said: dict[str, Any] = {"organization_id": clinic, "actor": "test"}
        patient = await directory.register_patient(db, identifiers=["urn:mrn|12345"], **said)
        staff = [
            await directory.register_provider(db, identifiers=[f"urn:staff|{number}"], **said)
            for number in (77, 78, 79)
        ]
    return {
        "clinic_id": clinic,
        "patient_id": patient,
        "new_provider_id": staff[0],
        "specialist_id": staff[1],
    }


async def plain(at: Reach, *statements: tuple[Any, ...]) -> None:
    """Statements as the administrator."""
    connection = await asyncpg.connect(dsn(at.admin))
    try:
        for statement, *arguments in statements:
            await connection.execute(statement, *arguments)
    finally:
        await connection.close()


ROW = """insert into carecircle.patient_assignments
           (organization_id, id, lineage_id, patient_id, provider_id, assignment_type, scope, starts_at, entry_id)
         values ($1, $2, $2, $3, $4, $5, '{read}', $6::text::timestamptz, $2)"""


async def before_the_guards(at: Reach) -> None:
    """An organization whose one patient has two primaries, at the revision before the guards."""
    clinic, patient, one, two = (uuid4() for _ in range(4))
    await plain(
        at,
        ("insert into carecircle.organizations (id, slug, name) values ($1, $2, 'St. Elsewhere')", clinic, SLUG),
        ("insert into carecircle.patients (organization_id, id) values ($1, $2)", clinic, patient),
        ("insert into carecircle.providers (organization_id, id) values ($1, $2), ($1, $3)", clinic, one, two),
        (ROW, clinic, uuid4(), patient, one, "primary", "2024-01-01"),
        (ROW, clinic, uuid4(), patient, two, "primary", "2025-01-01"),
    )


@pytest.fixture(scope="module")
def places(server: EmbeddedServer, home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Places]:
    admin = socket_reach(server, home)
    made = {name: f"{name}_{uuid4().hex}" for name in ("page", "migration", "host")}
    for database in made.values():
        asyncio.run(plain(admin, (f"create database {database} template template0",)))
    databases = {name: socket_reach(server, home, database) for name, database in made.items()}
    migrate.upgrade(databases["page"])
    migrate.upgrade(databases["migration"], "20260114_rls_coverage")
    asyncio.run(before_the_guards(databases["migration"]))
    asyncio.run(plain(databases["host"], (HOST,)))
    code = tmp_path_factory.mktemp("code")
    for path, text in HOST_CODE.items():
        (code / path).parent.mkdir(exist_ok=True)
        (code / path).write_text(text)

    async def named() -> dict[str, Any]:
        engine = open_engine(databases["page"])
        try:
            return await people(engine)
        finally:
            await engine.dispose()

    names = asyncio.run(named())
    # What nobody's service made, for the page's query that finds it.
    raw = (ROW, names["clinic_id"], uuid4(), names["patient_id"], names["specialist_id"], "consulting", "2020-01-01")
    asyncio.run(plain(databases["page"], raw))
    yield Places(databases, {"code": code}, home, {"__name__": "page", **names})
    for database in made.values():
        asyncio.run(plain(admin, (f"drop database {database} with (force)",)))


@pytest.fixture
def application(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    """The host's own modules that the page's endpoint imports."""
    dependencies = ModuleType("app.dependencies")

    async def get_db() -> Any:
        engine = open_engine(places.databases["page"])
        try:
            async with AsyncSession(engine) as session:
                yield session
        finally:
            await engine.dispose()

    dependencies.get_db = get_db  # type: ignore[attr-defined]
    dependencies.get_current_org = lambda: places.names["clinic_id"]  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "app", ModuleType("app"))
    monkeypatch.setitem(sys.modules, "app.dependencies", dependencies)


@pytest.mark.usefixtures("application")
def test_every_snippet_runs_as_it_stands(places: Places) -> None:
    found = snippets()
    assert {one.language for one in found} == {"python", "sql", "sh", "text"}
    assert len(found) > 30
    for one in found:
        if one.language == "text":
            assert missing_line(one.text, places.printed) is None, f"{one.name}\n{places.printed}"
        else:
            places.run(one)
    hook = places.names["before_send"]({}, {"exc_info": (None, places.names["refusal"], None)})
    assert hook["tags"]["code"] == "primary-already-assigned"
    assert hook["fingerprint"][1] in ("one_primary_provider_at_a_time", "idx_unique_primary_provider_per_patient")
    assert str(places.names["patient_id"]) not in str(hook)
    asyncio.run(the_endpoint(places.names))


async def the_endpoint(names: dict[str, Any]) -> None:
    """The page's endpoint in an application of its own."""
    host = FastAPI()
    host.include_router(names["router"])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(host), base_url="http://host") as client:
        path = f"/patients/{names['patient_id']}/primary-provider"
        done = await client.post(path, params={"provider_id": str(names["specialist_id"])})
        assert (done.status_code, done.json()["primary_provider_id"]) == (200, str(names["specialist_id"]))
        unknown = await client.post(path, params={"provider_id": str(uuid4())})
        assert (unknown.status_code, unknown.json()["detail"]) == (404, "provider-not-registered")


def test_every_link_inside_the_page_and_to_files_leads_somewhere() -> None:
    page = PAGE.read_text()
    titles = {
        re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^#+ (.*)$", page, re.MULTILINE)
    }
    for target in re.findall(r"\]\(([^)]+)\)", page):
        if target.startswith("#"):
            assert target[1:] in titles, target
        else:
            assert (PAGE.parent / target).exists(), target


def test_what_is_not_printed_is_missed() -> None:
    assert missing_line("one …\nthree", "one two\nthree") is None
    assert missing_line("three\none", "one two\nthree") == "one"
    assert missing_line("four", "one two\nthree") == "four"
