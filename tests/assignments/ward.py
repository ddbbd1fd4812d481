"""A patient, three providers, and short ways to change and read who is primary, for the tests of direct assignments."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self
from uuid import UUID

import asyncpg
from sqlalchemy import text

from carecircle import CareTeamService, acting_as
from carecircle.assignments.tables import PatientAssignment
from carecircle.identifiers import PatientId, ProviderId
from carecircle.period import FOREVER
from tests.conftest import Hospital

HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Ward:
    """One patient and providers a, b and c; `now` is when they were registered."""

    hospital: Hospital
    patient: PatientId
    a: ProviderId
    b: ProviderId
    c: ProviderId
    now: datetime

    @classmethod
    async def open(cls, hospital: Hospital) -> Self:
        patient, a, b, c = (
            await hospital.patient(),
            await hospital.provider(),
            await hospital.provider(),
            await hospital.provider(),
        )
        async with hospital.change() as db:
            now = (await db.execute(text("select statement_timestamp()"))).scalar_one()
        return cls(hospital, patient, a, b, c, now)

    async def does(self, name: str, **said: Any) -> Any:
        """A method of CareTeamService for this patient, in a transaction of its own."""
        async with self.hospital.change() as db:
            return await getattr(CareTeamService, name)(
                db=db, organization_id=self.hospital.organization, patient_id=self.patient, actor="test", **said
            )

    async def assign(self, provider: UUID, **said: Any) -> PatientAssignment:
        row: PatientAssignment = await self.does("assign_primary_provider", provider_id=provider, **said)
        return row

    async def rows(self) -> list[PatientAssignment]:
        async with self.hospital.change() as db:
            return await CareTeamService.history(db, self.hospital.organization, patient_id=self.patient)

    async def believed(self) -> set[tuple[str, UUID, datetime, datetime]]:
        """What is believed now: type, provider and period of each row."""
        return {
            (row.assignment_type, row.provider_id, row.starts_at, row.ends_at)
            for row in await self.rows()
            if row.superseded_at == FOREVER
        }

    async def primary(self, as_of: datetime | None = None) -> UUID | None:
        async with self.hospital.change() as db:
            return await CareTeamService.get_primary_provider(
                db, self.hospital.organization, patient_id=self.patient, as_of=as_of
            )

    async def may(self, provider: UUID, as_of: datetime | None = None, believed_at: datetime | None = None) -> bool:
        with acting_as(organization=self.hospital.organization, actor="test"):
            decision = await self.hospital.circle.access.check(
                provider, "read", self.patient, as_of=as_of, believed_at=believed_at
            )
        return decision.allowed

    async def entries(self, kind: str = "change") -> list[asyncpg.Record]:
        """The audit entries about this patient, oldest first, as the auditor of the organization sees them."""
        connection = await asyncpg.connect(self.hospital.circle.reach.dsn("auditor"))
        try:
            await connection.execute(f"set carecircle.organization_id = '{self.hospital.organization}'")
            found: list[asyncpg.Record] = await connection.fetch(
                "select * from carecircle.audit_events where kind = $1 and patient_id = $2 order by recorded_at, id",
                kind, self.patient,
            )  # fmt: skip
            return found
        finally:
            await connection.close()
