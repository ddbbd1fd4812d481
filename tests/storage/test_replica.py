"""A real replica serves what may be a little old, and says how old it is; a decision never comes from it."""

from __future__ import annotations

import asyncio
import shutil
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url
from tests.conftest import Hospital, open_hospital

from carecircle import Actor, Settings, acting_as, assemble
from carecircle.api.app import Service
from carecircle.api.tokens import mint
from carecircle.assignments.service import assign_primary
from carecircle.audit import reading_service
from carecircle.audit.search import Filter
from carecircle.database.embedded import EmbeddedServer
from carecircle.database.placement import server_account
from carecircle.database.reach import Reach
from carecircle.database.replica import read_as_of, was_read
from carecircle.database.session import transaction
from carecircle.errors import AccessUnavailable


@pytest.fixture(scope="module")
def with_replica(server: EmbeddedServer, migrated: Reach) -> Iterator[Reach]:
    """The run's database and a physical replica of it, which replays half a second late."""
    account, place = server_account(), Path(tempfile.mkdtemp(prefix="carecircle-replica-"))
    place.chmod(0o711)
    data = place / "data"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    pg_ctl = str(server.bin_dir / "pg_ctl")
    try:
        account.make_directory(data)
        base = [str(server.bin_dir / "pg_basebackup"), "-d", server.admin_url, "-D", str(data), "-R", "-c", "fast"]
        done = account.run(*base)
        assert done.returncode == 0, done.stderr
        options = (
            f"-p {port} -k {data} -c recovery_min_apply_delay=500 -c hot_standby_feedback=on -c max_connections=200"
        )
        begun = account.run(pg_ctl, "-D", str(data), "-l", str(data / "log"), "-w", "-o", options, "start")
        assert begun.returncode == 0, begun.stderr
        yield replace(migrated, replica=make_url(server.admin_url).set(port=port))
    finally:
        account.run(pg_ctl, "-D", str(data), "-m", "immediate", "stop")
        shutil.rmtree(place, ignore_errors=True)


def test_the_trail_is_read_on_the_replica_and_decisions_are_made_on_the_primary(
    with_replica: Reach, settings: Settings
) -> None:
    async def body() -> None:
        async with assemble(settings, with_replica) as circle, open_hospital(circle) as hospital:
            assert not was_read(circle.auditor)
            provider, patient = await hospital.provider("npi|1"), await hospital.patient("mrn|1")
            with acting_as(organization=hospital.organization, actor="test"):
                async with hospital.change() as db:
                    await assign_primary(db, patient=patient, provider=provider)
                # Half a second passes before the replica knows: a decision does not wait for it.
                decision = await circle.access.check(provider, "read", patient)
                assert decision.allowed
                wanted = Filter(kind="decision")
                for _ in range(100):
                    async with hospital.change() as db:
                        page = await reading_service.search(db, wanted, auditor=circle.auditor)
                    if page.entries:
                        break
                    await asyncio.sleep(0.1)
                else:
                    pytest.fail("the replica never had the decision")
            async with serving(hospital, with_replica, settings) as client:
                answer = await client.get("/v1/audit/entries")
                assert answer.status_code == 200, answer.text
                told = datetime.fromisoformat(answer.headers["carecircle-as-of"])
                assert decision.as_of <= told <= datetime.now(UTC) + timedelta(seconds=1)
                assert "carecircle-as-of" not in (await client.get("/v1/care-teams")).headers
            as_of = await read_as_of(circle.auditor)
            assert as_of is not None
            assert decision.as_of <= as_of <= datetime.now(UTC) + timedelta(seconds=1)
            assert was_read(circle.auditor)
            assert await read_as_of(circle.engine) is None  # the control: the primary is as of now
            async with transaction(circle.auditor) as db:
                assert (await db.execute(text("select pg_is_in_recovery()"))).scalar_one()

    asyncio.run(body())


@asynccontextmanager
async def serving(hospital: Hospital, at: Reach, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    service = Service(settings, at)
    token = mint(
        hospital.circle.keyring, organization_id=hospital.organization, actor=Actor("test"), may=["audit", "read"]
    )
    headers = {"authorization": f"Bearer {token}"}
    async with (
        service.pages.router.lifespan_context(service.pages),
        httpx.AsyncClient(transport=httpx.ASGITransport(service), base_url="http://t", headers=headers) as client,
    ):
        yield client


def test_a_replica_that_is_gone_takes_only_the_reading_with_it(migrated: Reach, settings: Settings) -> None:
    async def body() -> None:
        nowhere = replace(migrated, replica=migrated.admin.set(host="127.0.0.1", port=1, query={}))
        async with assemble(settings, nowhere) as circle, open_hospital(circle) as hospital:
            provider, patient = await hospital.provider("npi|1"), await hospital.patient("mrn|1")
            with acting_as(organization=hospital.organization, actor="test"):
                assert (await circle.access.check(provider, "read", patient)).code == "no-relationship"
                began = time.monotonic()
                with pytest.raises(AccessUnavailable):
                    async with hospital.change() as db:
                        await reading_service.search(db, Filter(), auditor=circle.auditor)
                assert time.monotonic() - began < 30

    asyncio.run(body())
