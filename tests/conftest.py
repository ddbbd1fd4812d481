"""One migrated PostgreSQL for the whole run, an organization of its own for every test, always as the app's roles."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import pytest
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle import CareCircle, Settings, assemble, directory
from carecircle.database import migrate
from carecircle.database.binaries import Binaries, all_binaries
from carecircle.database.embedded import EmbeddedServer, temporary_server
from carecircle.database.reach import Reach, role_passwords
from carecircle.database.session import transaction
from carecircle.identifiers import OrganizationId, PatientId, ProviderId, new_id, to_text

T = TypeVar("T")

# The tests make and throw away their data: nothing of it needs to survive a power cut.
QUICK = {"fsync": "off", "full_page_writes": "off", "max_connections": "200"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--postgres", choices=("wheel", "system"), default="wheel", help="which PostgreSQL the tests run on"
    )


LONGEST_FIRST = (
    "docs/test_primary_provider_doc.py", "model/test_model.py", "logs/test_phi.py", "api/test_routes.py", "cli/test_demo.py",
    "storage/test_keys_under_load.py", "api/test_break_glass.py", "cli/test_howto_around_the_patient.py",
    "notices/test_worker.py", "notices/test_killed_workers.py", "services/test_validator_agreement.py",
    "api/test_idempotency.py", "cli/test_break_glass.py", "storage/test_migrations.py", "cli/test_audit_commands.py",
    "api/test_drain.py", "cli/test_answers.py", "cli/test_keys.py", "interop/authzen/test_transport.py",
    "tenancy/test_control.py", "audit/test_prove_audit.py",
)  # fmt: skip


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where files are shared out among processes, a long one that comes last is waited for alone."""
    places = {name: place for place, name in enumerate(LONGEST_FIRST)}

    def place_of(item: pytest.Item) -> int:
        return places.get("/".join(item.path.parts[-2:]), places.get("/".join(item.path.parts[-3:]), len(places)))

    items.sort(key=place_of)


def server_binaries(source: str) -> Binaries:
    """The wanted PostgreSQL, or a skip that says what is missing."""
    for binaries in all_binaries():
        if binaries.source == source:
            return binaries
    pytest.skip(f"no {source} PostgreSQL 15 or later on this machine")


def socket_reach(server: EmbeddedServer, home: Path, database: str = "carecircle") -> Reach:
    url = make_url(server.admin_url).set(database=database)
    return Reach(url, role_passwords(home), server.bin_dir)


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest) -> Iterator[EmbeddedServer]:
    binaries = server_binaries(request.config.getoption("--postgres"))
    with temporary_server(binaries=binaries, settings=QUICK) as (_, started):
        yield started


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """CARECIRCLE_HOME of the whole run: keys and role passwords."""
    place = tmp_path_factory.mktemp("carecircle")
    before = os.environ.get("CARECIRCLE_HOME")
    os.environ["CARECIRCLE_HOME"] = str(place)
    yield place
    if before is None:
        del os.environ["CARECIRCLE_HOME"]
    else:
        os.environ["CARECIRCLE_HOME"] = before


@pytest.fixture(scope="session")
def migrated(server: EmbeddedServer, home: Path) -> Reach:
    """A database at the newest revision."""
    at = socket_reach(server, home)
    migrate.upgrade(at)
    return at


@pytest.fixture(scope="session")
def settings(home: Path) -> Settings:
    return Settings(home=home)


@dataclass(frozen=True)
class Hospital:
    """An organization of one test's own, and short ways to fill it."""

    circle: CareCircle
    organization: OrganizationId
    slug: str

    @asynccontextmanager
    async def change(self) -> AsyncIterator[AsyncSession]:
        async with transaction(self.circle.engine, self.organization) as session:
            yield session

    async def provider(self, *identifiers: str, provider_id: UUID | None = None) -> ProviderId:
        async with self.change() as db:
            return await directory.register_provider(
                db, provider_id=provider_id, identifiers=identifiers, organization_id=self.organization, actor="test"
            )

    async def patient(self, *identifiers: str, patient_id: UUID | None = None, **known: Any) -> PatientId:
        async with self.change() as db:
            return await directory.register_patient(
                db,
                patient_id=patient_id,
                identifiers=identifiers,
                organization_id=self.organization,
                actor="test",
                **known,
            )


@asynccontextmanager
async def open_hospital(circle: CareCircle) -> AsyncIterator[Hospital]:
    slug = "h" + to_text(new_id()).lower()
    async with transaction(circle.engine) as session:
        organization = await directory.register_organization(session, slug=slug, name="Test", actor="test")
    yield Hospital(circle, organization, slug)


@pytest.fixture
def in_hospital(migrated: Reach, settings: Settings) -> Callable[[Callable[[Hospital], Any]], Any]:
    """Run an async test body in an organization of its own: `in_hospital(body)` returns what the body returns."""

    def run(body: Callable[[Hospital], Any]) -> Any:
        async def whole() -> Any:
            async with assemble(settings, migrated) as circle, open_hospital(circle) as hospital:
                return await body(hospital)

        return asyncio.run(whole())

    return run
