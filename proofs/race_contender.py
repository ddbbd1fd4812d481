"""One process of the race: its contenders, the ways they go, and the signal that ends some of them mid-way."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections import Counter
from dataclasses import dataclass
from uuid import UUID, uuid4

import uvloop
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
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
    """What a contender needs to know: where, for whom, and the primary's row that all have read (None: the control)."""

    address: str
    organization: UUID
    patient: UUID
    version: UUID | None

    def share(self, providers: list[UUID], *, doomed: bool) -> str:
        return json.dumps(
            {
                "address": self.address,
                "organization": str(self.organization),
                "patient": str(self.patient),
                "version": str(self.version) if self.version else None,
                "providers": [str(provider) for provider in providers],
                "doomed": doomed,
            }
        )


async def attempt(db: AsyncSession, start: Start, provider: UUID, way: int) -> None:
    """One contender's try, in the transaction that is open; the first way is the usual one, so half of them take it."""
    said = {"patient": start.patient, "provider": provider, "id": uuid4()}
    if start.version is None:
        await db.execute(OTHER_KEY, said)
    elif way == 1:
        await CareTeamService.assign_primary_provider(
            db, start.organization, patient_id=start.patient, provider_id=provider, version=start.version, actor="proof"
        )
    elif way == 2:
        await add_assignment(
            db, patient=start.patient, provider=provider, assignment_type="primary", organization=start.organization,
            actor="proof",
        )  # fmt: skip
    elif way == 3:
        await enter_tenant(db, start.organization)
        await db.execute(RAW, said | {"organization": start.organization})
    else:
        await CareTeamService.assign_primary_provider(
            db, start.organization, patient_id=start.patient, provider_id=provider, actor="proof"
        )


async def contender(engine: AsyncEngine, start: Start, provider: UUID, way: int, *, dies: bool) -> str:
    """How it went: success, or the code of the refusal; a name of an exception is neither."""
    try:
        async with AsyncSession(engine) as db, db.begin():
            await attempt(db, start, provider, way)
            if dies:
                os.kill(os.getpid(), signal.SIGKILL)
    except CareCircleError as refused:
        return refused.code
    except IntegrityError as refused:
        return translate(refused).code
    return "success"


async def contend(said: dict[str, object]) -> Counter[str]:
    version = said["version"]
    start = Start(
        str(said["address"]),
        UUID(str(said["organization"])),
        UUID(str(said["patient"])),
        UUID(str(version)) if version else None,
    )
    engine = create_async_engine(
        start.address.replace("postgresql://", "postgresql+asyncpg://"),
        pool_size=CONNECTIONS,
        pool_timeout=120,
        connect_args={"server_settings": {"application_name": "contender"}},
    )
    providers = said["providers"]
    assert isinstance(providers, list)
    # A process of the doomed dies when half of its contenders have had their turn, inside the next one's transaction.
    last = (
        next(n for n in range(len(providers) // 2, len(providers)) if n % 8 not in (1, 2, 3))
        if said["doomed"]
        else None
    )
    try:
        async with engine.connect():
            print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.read)
        outcomes = await asyncio.gather(
            *(
                contender(engine, start, UUID(one), number % 8, dies=number == last)
                for number, one in enumerate(providers)
            )
        )
    finally:
        await engine.dispose()
    return Counter(outcomes)


if __name__ == "__main__":
    print(json.dumps(uvloop.run(contend(json.loads(sys.argv[1])))))
