"""The control of the tenancy proof: without the policies the same attempts show the other tenant and rewrite facts."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from proofs import tenancy
from proofs.tenancy_rewrites import rewrites, worked
from proofs.tenancy_roles import looks_of_roles

from carecircle import Settings
from carecircle.database import migrate
from carecircle.database.embedded import EmbeddedServer
from carecircle.database.reach import Reach
from tests.conftest import socket_reach


@pytest.fixture
def apart(server: EmbeddedServer, home: Path, migrated: Reach) -> Iterator[Reach]:
    """A migrated database with nothing else in it: without the wall an attempt joins whatever all other tests left."""
    name = f"apart_{uuid4().hex}"
    asyncio.run(tenancy.administer(migrated, [f"create database {name} template template0"]))
    at = socket_reach(server, home, name)
    migrate.upgrade(at)
    yield at
    asyncio.run(tenancy.administer(migrated, [f"drop database {name} with (force)"]))


def test_without_the_policies_the_same_attempts_succeed(apart: Reach, settings: Settings) -> None:
    tenants, names = asyncio.run(tenancy.prepare(settings, apart))
    tried = asyncio.run(rewrites(apart, tenants.own))
    with tenancy.without_the_wall(apart, names) as there:
        assert len(tenancy.try_all(there, "app", tenants, names).leaked) >= tenancy.CONTROL_AT_LEAST
        assert asyncio.run(looks_of_roles(there, tenants, names)).leaked != []
        changed = asyncio.run(worked(there, (("app", ""), ("owner", "")), tenants.own, tried))
    # Of every table somebody then rewrites something, so a refusal is the wall's doing and the statement no dud.
    assert {
        table for table in {one.table for one in tried} if not any(f"carecircle.{table} " in it for it in changed)
    } == set()
