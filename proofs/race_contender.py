"""One process of the race: its contenders, the ways they go, and the signal that ends some of them mid-way."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections import Counter
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import uvloop
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from carecircle import CareTeamService
from carecircle.assignments.service import add_assignment
from carecircle.database.constraints import translate
from carecircle.database.session import enter_tenant
from carecircle.errors import CareCircleError

CONTROL_TABLE = "public.race_control"
CONNECTIONS = 8
RAW = text("""
  insert into carecircle.patient_assignments
    (organization_id, id, lineage_id, patient_id, provider_id, assignment_type, scope, starts_at, entry_id)
  values (:organization, :id, :id, :patient, :provider, 'primary', '{read}', statement_timestamp(), :id)""")
OTHER_KEY = text(f"""
  insert into {CONTROL_TABLE} (assignment_id, patient_id, provider_id, assignment_type, start_date)
  values (:id, :patient, :provider, 'primary', statement_timestamp())""")


@dataclass(frozen=True)
class Start:
    """What a round is about: whose primary, and the primary's row that all have read (None: the control)."""

    organization: UUID
    patient: UUID
    version: UUID | None

    def line(self, providers: list[UUID], *, doomed: bool) -> str:
        """What a process is told about the round and its share of the contenders."""
        told = {
            "organization": str(self.organization),
            "patient": str(self.patient),
            "version": str(self.version) if self.version else None,
            "providers": [str(provider) for provider in providers],
            "doomed": doomed,
        }
        return json.dumps(told) + "\n"


def way_of(number: int) -> str:
    """How a contender goes: most as usual, every sixteenth in each of the other ways, and few by raw SQL."""
    return "raw" if number in (3, 27) else {1: "version", 9: "addition"}.get(number % 16, "now")


def who_dies(contenders: int) -> int:
    """Which contender of a doomed process kills it: one in the middle, who goes the usual way."""
    return next(number for number in range(contenders // 2, contenders) if way_of(number) == "now")


async def attempt(db: AsyncSession, start: Start, provider: UUID, way: str) -> None:
    """One contender's try, in the transaction that is open."""
    said = {"patient": start.patient, "provider": provider, "id": uuid4()}
    if start.version is None:
        await db.execute(OTHER_KEY, said)
    elif way == "addition":
        await add_assignment(
            db, patient=start.patient, provider=provider, assignment_type="primary", organization=start.organization,
            actor="proof",
        )  # fmt: skip
    elif way == "raw":
        await enter_tenant(db, start.organization)
        await db.execute(RAW, said | {"organization": start.organization})
    else:
        await CareTeamService.assign_primary_provider(
            db, start.organization, patient_id=start.patient, provider_id=provider,
            version=start.version if way == "version" else None, actor="proof",
        )  # fmt: skip


async def contender(engine: AsyncEngine, start: Start, provider: UUID, way: str, *, dies: bool) -> str:
    """How it went: success, or the code of the refusal; from raw SQL, PostgreSQL's own error."""
    try:
        async with AsyncSession(engine) as db, db.begin():
            await attempt(db, start, provider, way)
            if dies:
                os.kill(os.getpid(), signal.SIGKILL)
    except CareCircleError as refused:
        return refused.code
    except DBAPIError as refused:
        return f"PostgreSQL's own: {translate(refused).code}"
    return "success"


async def contend(engine: AsyncEngine, said: dict[str, Any]) -> Counter[str]:
    """A round: everybody at once. A doomed process dies when about half of its contenders have had their turn."""
    version = UUID(said["version"]) if said["version"] else None
    start = Start(UUID(said["organization"]), UUID(said["patient"]), version)
    providers = [UUID(one) for one in said["providers"]]
    last = who_dies(len(providers)) if said["doomed"] else None
    outcomes = await asyncio.gather(
        *(contender(engine, start, one, way_of(n), dies=n == last) for n, one in enumerate(providers))
    )
    return Counter(outcomes)


async def take_part(address: str) -> None:
    """Round after round, as the lines on stdin say, until there are no more."""
    engine = create_async_engine(
        address.replace("postgresql://", "postgresql+asyncpg://"),
        pool_size=CONNECTIONS,
        max_overflow=0,
        pool_timeout=120,
        connect_args={"server_settings": {"application_name": "contender"}},
    )
    try:
        async with engine.connect():
            print("ready", flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            print(json.dumps(await contend(engine, json.loads(line))), flush=True)
    finally:
        await engine.dispose()


if __name__ == "__main__":
    uvloop.run(take_part(sys.argv[1]))
