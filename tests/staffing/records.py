"""Two records of one patient for the tests of merging: what is said of each, and what the circle answers about them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self
from uuid import UUID

import asyncpg
from sqlalchemy import text

from carecircle.access.decision import AccessDecision
from carecircle.actor import acting_as
from carecircle.database.reach import dsn
from carecircle.database.session import instant
from carecircle.identifiers import PatientId
from carecircle.staffing.merge_service import Merged, Unmerged, merge_patients, unmerge_patients
from carecircle.staffing.patient_facts import PATIENT_FACTS
from tests.conftest import Hospital

HOUR = timedelta(hours=1)


@dataclass
class Records:
    """Patients a, b and c of one organization; `now` is when they were registered. Every method is one transaction."""

    hospital: Hospital
    a: PatientId
    b: PatientId
    c: PatientId
    now: datetime

    @classmethod
    async def open(cls, hospital: Hospital) -> Self:
        a, b, c = [await hospital.patient(f"mrn|{name}") for name in "abc"]
        async with hospital.change() as db:
            return cls(hospital, a, b, c, await instant(db))

    async def do(self, change: Any, /, **said: Any) -> Any:
        """One service function, by the actor `test`."""
        async with self.hospital.change() as db:
            return await change(db, **said, **self.by)

    async def merge(self, gone: UUID | str, into: UUID | str) -> Merged:
        merged: Merged = await self.do(merge_patients, patient=gone, into=into)
        return merged

    async def unmerge(self, patient: UUID | str) -> Unmerged:
        done: Unmerged = await self.do(unmerge_patients, patient=patient)
        return done

    async def may(
        self, provider: UUID, patient: UUID | str, action: str = "read", at: datetime | None = None,
        believed_at: datetime | None = None,
    ) -> AccessDecision:  # fmt: skip
        with acting_as(organization=self.hospital.organization, actor="test"):
            return await self.hospital.circle.access.check(provider, action, patient, as_of=at, believed_at=believed_at)

    async def listed(self, provider: UUID) -> set[UUID]:
        with acting_as(organization=self.hospital.organization, actor="test"):
            return {one.id for one in (await self.hospital.circle.access.list_patients(provider)).rows}

    async def circle_of(self, patient: UUID | str) -> set[UUID]:
        with acting_as(organization=self.hospital.organization, actor="test"):
            return {one.id for one in (await self.hospital.circle.access.list_providers(patient)).rows}

    async def said_of(self, patient: UUID) -> Counter[str]:
        """How many facts of each kind are believed of a patient."""
        found: Counter[str] = Counter()
        for fact in PATIENT_FACTS:
            rows = await self.rows(
                f"select 1 from carecircle.{fact.table.__tablename__} where patient_id = :patient"
                " and superseded_at = 'infinity'",
                patient=patient,
            )
            found[fact.kind] = len(rows)
        return +found

    async def direct(self, patient: UUID) -> list[tuple[UUID, str, int | None, int | None]]:
        """(provider, type, start, end) of every believed direct assignment, in hours from `now`; None is an open end."""
        rows = await self.rows(
            "select provider_id, assignment_type, starts_at, nullif(ends_at, 'infinity') as ends_at"
            " from carecircle.patient_assignments where patient_id = :patient and superseded_at = 'infinity'"
            " order by starts_at, assignment_type desc",
            patient=patient,
        )
        return [(row[0], row[1], self.hours(row[2]), self.hours(row[3])) for row in rows]

    def hours(self, at: datetime | None) -> int | None:
        return None if at is None else round((at - self.now) / HOUR)

    def at(self, hours: float) -> datetime:
        return self.now + hours * HOUR

    async def rows(self, sql: str, **given: Any) -> list[Any]:
        async with self.hospital.change() as db:
            return list((await db.execute(text(sql), given)).all())

    async def instant(self) -> datetime:
        async with self.hospital.change() as db:
            return await instant(db)

    async def audit(self, code: str) -> list[asyncpg.Record]:
        """The entries of this code, read as the administrator."""
        connection = await asyncpg.connect(dsn(self.hospital.circle.reach.admin))
        try:
            found = await connection.fetch(
                "select * from carecircle.audit_events where organization_id = $1 and code = $2 order by recorded_at",
                self.hospital.organization, code,
            )  # fmt: skip
            return list(found)
        finally:
            await connection.close()

    @property
    def by(self) -> Any:
        return {"organization": self.hospital.organization, "actor": "test"}
