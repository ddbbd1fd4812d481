"""How the importer speaks to PostgreSQL: one transaction of one tenant, arrays in, rows out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import CursorResult
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from carecircle.actor import Actor
from carecircle.database.crypto import Keyring
from carecircle.database.session import instant, lock_patient, transaction, turn_key
from carecircle.directory.following_service import keep_apart
from carecircle.errors import Conflict, StaleVersion
from carecircle.identifiers import Identifier
from carecircle.interop.fhir.names import kind_of

Engine = AsyncEngine
# Sets the lock of an import apart from the locks of patients.
_IMPORTING = 0x46484952


@dataclass(frozen=True, slots=True)
class Import:
    """What stays the same during a run."""

    engine: AsyncEngine
    keyring: Keyring
    organization_id: UUID
    actor: Actor
    source: str

    def blind(self, identifier: Identifier) -> bytes:
        return self.keyring.blind_index(identifier, self.organization_id)

    def key_of(self, record: str) -> str:
        """The name under which a record stands in facts, findings and versions: a patient's own id may be their MRN."""
        if kind_of(record) != "Patient":
            return record
        return f"Patient/{self.blind(Identifier(self.source, record)).hex()}"

    def hide(self, reference: str) -> str:
        """A short keyed digest, equal for equal texts: what is told of a reference that may name a patient."""
        return self.blind(Identifier("urn:carecircle:reference", reference)).hex()[:12]


@dataclass(frozen=True, slots=True)
class Desk:
    """One transaction of a run."""

    run: Import
    session: AsyncSession

    async def rows(self, sql: str, **given: Any) -> Sequence[Any]:
        """Ask; `:organization` is always given."""
        result = await self.session.execute(text(sql), {"organization": self.run.organization_id, **given})
        return result.all()

    async def write(self, sql: str, **given: Any) -> int:
        """Write; the number of rows that were."""
        result = await self.session.execute(text(sql), {"organization": self.run.organization_id, **given})
        assert isinstance(result, CursorResult)
        return result.rowcount

    @staticmethod
    def stale() -> StaleVersion:
        return StaleVersion(
            "Somebody changed facts of this import in the meantime; nothing of this batch was written. Import again."
        )

    async def now(self) -> datetime:
        """The database's clock, to be used as the instant of what this transaction writes from here on."""
        return await instant(self.session)

    async def lock_patients(self, patient_ids: Sequence[UUID]) -> None:
        """Queue behind whoever changes these patients' circles; always in the same order, so nobody waits in a ring."""
        for patient_id in sorted(set(patient_ids)):
            await lock_patient(self.session, self.run.organization_id, patient_id)

    async def lock_teams(self, team_ids: Collection[UUID]) -> None:
        """Queue behind whoever closes, reopens or changes these care teams, as they do (session.take_turns), but at one go."""
        keys = [turn_key(self.run.organization_id, one) for one in sorted(team_ids)]
        await self.rows(
            "select count(pg_advisory_xact_lock(key)) from unnest(cast(:keys as bigint[])) as key", keys=keys
        )


@asynccontextmanager
async def alone(run: Import) -> AsyncIterator[None]:
    """Keep other imports of this organization out during the block. Raises Conflict when one is running."""
    async with transaction(run.engine, run.organization_id) as session:
        # The lock's transaction has nothing to do while the others work, however long that takes.
        await session.execute(text("set local idle_in_transaction_session_timeout = 0"))
        key = int.from_bytes(run.organization_id.bytes[:8], "big", signed=True) ^ _IMPORTING
        had = await session.execute(text("select pg_try_advisory_xact_lock(:key)"), {"key": key})
        if not had.scalar_one():
            raise Conflict(
                "Another import into this organization is running; nothing was imported. Wait until it is done."
            )
        yield


@asynccontextmanager
async def desk(run: Import) -> AsyncIterator[Desk]:
    """A transaction, committed at the end of the block, in which only the import merges patients; database errors come as ours."""
    async with transaction(run.engine, run.organization_id) as session:
        await keep_apart(session, run.organization_id)
        yield Desk(run, session)
