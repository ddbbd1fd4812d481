"""Short ways to ask a recorded answer again, to have an entry explained, and to go past every wall."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg

from carecircle import acting_as
from carecircle.access.recorded import Knowing, Replay
from carecircle.access.replay_service import Explained, explain_entry, replayed
from carecircle.database.reach import dsn
from tests.conftest import Hospital

InHospital = Callable[[Callable[[Hospital], Any]], Any]


async def again(hospital: Hospital, entry_id: UUID, knowing: Knowing | None = None) -> Replay:
    circle = hospital.circle
    return await replayed(
        circle.access, app=circle.engine, auditor=circle.auditor, organization=hospital.organization,
        entry_id=entry_id, knowing=knowing,
    )  # fmt: skip


async def explained(hospital: Hospital, entry_id: UUID) -> Explained:
    circle = hospital.circle
    with acting_as(organization=hospital.organization, actor="test"):
        return await explain_entry(circle.access, app=circle.engine, auditor=circle.auditor, entry_id=entry_id)


async def all_same(hospital: Hospital, *entries: UUID) -> None:
    for entry_id in entries:
        found = await again(hospital, entry_id)
        assert found.known.by == "snapshot"
        assert found.same, found.differences


async def check(hospital: Hospital, provider: UUID, patient: UUID, action: str = "read", **said: Any) -> Any:
    with acting_as(organization=hospital.organization, actor="test"):
        return await hospital.circle.access.check(provider, action, patient, **said)


@asynccontextmanager
async def as_administrator(hospital: Hospital) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(dsn(hospital.circle.reach.admin))
    try:
        yield connection
    finally:
        await connection.close()
