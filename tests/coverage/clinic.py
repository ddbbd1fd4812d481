"""A patient of A, colleagues B, C and D, and short ways to arrange cover and ask who may see the patient."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self
from uuid import UUID

import asyncpg
from sqlalchemy import text

from carecircle import AccessDecision, acting_as
from carecircle.assignments.service import assign_primary
from carecircle.coverage.service import arrange_coverage
from carecircle.coverage.tables import CoverageArrangement
from carecircle.directory.policy_service import set_policy
from carecircle.identifiers import PatientId, ProviderId
from tests.conftest import Hospital

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Clinic:
    """A is the patient's primary provider; `now` is when everybody was registered."""

    hospital: Hospital
    patient: PatientId
    a: ProviderId
    b: ProviderId
    c: ProviderId
    d: ProviderId
    now: datetime

    @classmethod
    async def open(cls, hospital: Hospital) -> Self:
        patient = await hospital.patient()
        a, b, c, d = [await hospital.provider() for _ in range(4)]
        async with hospital.change() as db:
            await assign_primary(db, patient=patient, provider=a, organization=hospital.organization, actor="test")
            now = (await db.execute(text("select statement_timestamp()"))).scalar_one()
        return cls(hospital, patient, a, b, c, d, now)

    async def do(self, work: Any, **said: Any) -> Any:
        """A service function, in a transaction of its own."""
        with acting_as(organization=self.hospital.organization, actor="test"):
            async with self.hospital.change() as db:
                return await work(db, **said)

    async def cover(
        self, covered: UUID, covering: UUID, starts: timedelta = -HOUR, ends: timedelta = HOUR, **said: Any
    ) -> list[CoverageArrangement]:
        """Let one stand in for another, for an hour before and an hour after `now`."""
        rows: list[CoverageArrangement] = await self.do(
            arrange_coverage,
            covered=covered,
            covering=covering,
            starts_at=self.now + starts,
            ends_at=self.now + ends,
            **said,
        )
        return rows

    async def read(self, question: Any, **said: Any) -> Any:
        async with self.hospital.change() as db:
            return await question(db, organization=self.hospital.organization, **said)

    async def policy(self, **document: Any) -> None:
        await self.do(set_policy, document=document)

    async def ask(
        self, provider: UUID, action: str = "read", patient: UUID | None = None, at: timedelta | None = None
    ) -> AccessDecision:
        with acting_as(organization=self.hospital.organization, actor="test"):
            return await self.hospital.circle.access.check(
                provider, action, patient or self.patient, as_of=None if at is None else self.now + at
            )

    async def may(
        self, provider: UUID, action: str = "read", patient: UUID | None = None, at: timedelta | None = None
    ) -> bool:
        return (await self.ask(provider, action, patient, at)).allowed

    async def entries(self, kind: str, code: str) -> list[asyncpg.Record]:
        """The audit entries of one code, oldest first, as the auditor of the organization sees them."""
        connection = await asyncpg.connect(self.hospital.circle.reach.dsn("auditor"))
        try:
            await connection.execute(f"set carecircle.organization_id = '{self.hospital.organization}'")
            found: list[asyncpg.Record] = await connection.fetch(
                "select * from carecircle.audit_events where kind = $1 and code = $2 order by recorded_at, id",
                kind,
                code,
            )
            return found
        finally:
            await connection.close()
