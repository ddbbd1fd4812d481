"""A small clinic for the tests of staffing: a leaver with a panel, receivers, and what the circle says of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import text

from carecircle.actor import Actor, acting_as
from carecircle.assignments.service import add_assignment, assign_primary, end_assignments
from carecircle.assignments.tables import PatientAssignment
from carecircle.audit.entry import Entry, append
from carecircle.care_teams.service import add_member, add_patient, create_team
from carecircle.coverage.tables import CoverageArrangement
from carecircle.database.facts import AnyFact
from carecircle.database.reach import dsn
from carecircle.database.session import instant
from carecircle.directory.tables import ProviderCredential
from carecircle.identifiers import new_id
from carecircle.referrals.tables import Referral
from carecircle.restrictions.tables import AccessRestriction
from carecircle.staffing import plan_service, preview_service, running
from carecircle.staffing.plan_service import Destination, Wish
from carecircle.staffing.registry import THEIRS
from carecircle.staffing.running import Progress
from carecircle.staffing.tables import Reassignment
from tests.conftest import Hospital


@dataclass
class Clinic:
    """One organization; every method is one transaction in it, by the actor `test`."""

    hospital: Hospital
    leaver: UUID
    receivers: list[UUID] = field(default_factory=list)
    panel: list[UUID] = field(default_factory=list)

    @classmethod
    async def open(cls, hospital: Hospital, *, panel: int = 6, receivers: int = 2) -> Clinic:
        """A leaver who is primary for `panel` patients, and receivers with empty panels; ids in ascending order."""
        clinic = cls(hospital, await hospital.provider())
        clinic.receivers = sorted([await hospital.provider() for _ in range(receivers)])
        clinic.panel = sorted([await hospital.patient() for _ in range(panel)])
        for patient in clinic.panel:
            await clinic.primary(patient, clinic.leaver)
        return clinic

    async def primary(self, patient: UUID, provider: UUID) -> None:
        async with self.hospital.change() as db:
            await assign_primary(db, patient=patient, provider=provider, previous="end", **self.by)

    async def consulting(self, patient: UUID, provider: UUID) -> None:
        async with self.hospital.change() as db:
            await add_assignment(db, patient=patient, provider=provider, **self.by)

    async def emergency(self, patient: UUID, provider: UUID) -> None:
        ends_at = await self.now() + timedelta(hours=4)
        async with self.hospital.change() as db:
            await add_assignment(
                db, patient=patient, provider=provider, assignment_type="emergency", ends_at=ends_at, **self.by
            )

    async def end(self, patient: UUID, provider: UUID) -> None:
        async with self.hospital.change() as db:
            await end_assignments(db, patient=patient, provider=provider, **self.by)

    async def until(self, patient: UUID, provider: UUID, ends_at: datetime, then: tuple[UUID, datetime]) -> None:
        """A primary until an instant, and another one from a later instant on."""
        await self.end(patient, provider)
        for who, starts, ends in ((provider, None, ends_at), (then[0], then[1], None)):
            async with self.hospital.change() as db:
                await add_assignment(
                    db,
                    patient=patient,
                    provider=who,
                    assignment_type="primary",
                    starts_at=starts,
                    ends_at=ends,
                    **self.by,
                )

    async def seat(self, team: UUID, provider: UUID) -> None:
        async with self.hospital.change() as db:
            await add_member(db, care_team_id=team, provider=provider, **self.by)

    async def team(self, members: Sequence[UUID], patients: Sequence[UUID], role: str = "nurse") -> UUID:
        async with self.hospital.change() as db:
            team = await create_team(db, name="Team", **self.by)
            for member in members:
                await add_member(db, care_team_id=team, provider=member, member_role=role, **self.by)
            for patient in patients:
                await add_patient(db, care_team_id=team, patient=patient, **self.by)
        return team

    async def fact(self, row: AnyFact) -> AnyFact:
        """Record a fact, from now on unless it says since when."""
        async with self.hospital.change() as db:
            entry = Entry(self.hospital.organization, "change", Actor("test"), "recorded-for-a-test")
            await append(db, entry)
            now = await instant(db)
            row.organization_id, row.entry_id, row.recorded_at = self.hospital.organization, entry.id, now
            row.id = new_id()
            row.lineage_id, row.starts_at = row.lineage_id or row.id, row.starts_at or now
            db.add(row)
        return row

    async def credential(self, provider: UUID, code: str, kind: str = "specialty", **when: datetime) -> None:
        await self.fact(ProviderCredential(provider_id=provider, kind=kind, code=code, **when))

    async def covers(
        self, covering: UUID, covered: UUID, grace: timedelta = timedelta(0), **said: Any
    ) -> CoverageArrangement:
        """Thirty days from now of reading and writing, unless said otherwise, then the grace."""
        ends = said.pop("duty_ends_at", None) or await self.now() + timedelta(days=30)
        said = {"scope": ["read", "write"], "coverage_type": "full"} | said
        return await self.fact(
            CoverageArrangement(
                arrangement_id=new_id(), covering_provider_id=covering, covered_provider_id=covered,
                duty_ends_at=ends, ends_at=ends + grace, **said,
            )
        )  # fmt: skip

    async def referred(self, patient: UUID, referrer: UUID, provider: UUID | None, specialty: str) -> Referral:
        """A referral for a year, and the consulting assignment that rests on it and on the specialty."""
        ends = await self.now() + timedelta(days=365)
        made = await self.fact(
            Referral(
                patient_id=patient, referring_provider_id=referrer, provider_id=provider, specialty_code=specialty,
                ends_at=ends,
            )
        )  # fmt: skip
        if provider is not None:
            await self.fact(
                PatientAssignment(
                    patient_id=patient, provider_id=provider, assignment_type="consulting", scope=["read", "write"],
                    rests_on=[specialty], referral_id=made.lineage_id, ends_at=ends,
                )
            )  # fmt: skip
        return made

    async def restrict(self, provider: UUID, patient: UUID | None = None, **when: datetime) -> None:
        """The patient's objection, or a suspension."""
        kind = "suspension" if patient is None else "objection"
        await self.fact(AccessRestriction(kind=kind, provider_id=provider, patient_id=patient, **when))

    async def check(self, provider: UUID, patient: UUID, as_of: datetime | None = None) -> str:
        """What a decision about reading says."""
        with acting_as(organization=self.hospital.organization, actor="test"):
            return (await self.hospital.circle.access.check(provider, "read", patient, as_of=as_of)).code

    async def believed(self, table: str, columns: str, where: str) -> list[tuple[Any, ...]]:
        """Believed rows of this organization that have not ended."""
        async with self.hospital.change() as db:
            rows = await db.execute(
                text(
                    f"select {columns} from carecircle.{table} where superseded_at = 'infinity'"
                    f" and ends_at > statement_timestamp() and {where} order by starts_at, id"
                )
            )
            return [tuple(row) for row in rows]

    async def plan(
        self,
        *caps: int | None,
        effective_at: datetime | None = None,
        wishes: Sequence[Wish] = (),
    ) -> Reassignment:
        """Everything of the leaver to all receivers, with these caps for the first of them."""
        limits = [*caps, *[None] * (len(self.receivers) - len(caps))]
        destinations = [Destination(one, cap) for one, cap in zip(self.receivers, limits, strict=True)]
        async with self.hospital.change() as db:
            return await plan_service.plan(
                db, leaver=self.leaver, destinations=destinations, effective_at=effective_at, wishes=wishes, **self.by
            )

    async def preview(self, plan: Reassignment) -> preview_service.Preview:
        async with self.hospital.change() as db:
            return await preview_service.preview(db, reassignment_id=plan.id, organization=self.hospital.organization)

    async def letters(self, plan: Reassignment) -> dict[UUID, UUID]:
        async with self.hospital.change() as db:
            found = await preview_service.letters(db, reassignment_id=plan.id, organization=self.hospital.organization)
        return {one.patient_id: one.provider_id for one in found}

    async def status(self, plan: Reassignment) -> preview_service.Status:
        async with self.hospital.change() as db:
            return (
                await preview_service.statuses(db, reassignment_id=plan.id, organization=self.hospital.organization)
            )[0]

    async def certificate(self, plan: Reassignment) -> preview_service.Certificate:
        async with self.hospital.change() as db:
            return await preview_service.certificate(
                db, reassignment_id=plan.id, organization=self.hospital.organization
            )

    async def apply(self, plan: Reassignment, patients: int = 100) -> Progress:
        return [one async for one in running.run_apply(self.hospital.change, plan.id, patients=patients, **self.by)][-1]

    async def revert(self, plan: Reassignment, patients: int = 100) -> Progress:
        return [one async for one in running.run_revert(self.hospital.change, plan.id, patients=patients, **self.by)][
            -1
        ]

    async def now(self) -> datetime:
        async with self.hospital.change() as db:
            return await instant(db)

    async def sees(
        self, provider: UUID, as_of: datetime | None = None, believed_at: datetime | None = None
    ) -> dict[UUID, tuple[str, ...]]:
        """Whom this provider may read, and by which bases."""
        with acting_as(organization=self.hospital.organization, actor="test"):
            listed = await self.hospital.circle.access.list_patients(provider, as_of=as_of, believed_at=believed_at)
        return {one.id: one.bases for one in listed.rows}

    async def circle(self, as_of: datetime | None = None, believed_at: datetime | None = None) -> list[object]:
        """What everybody involved sees."""
        return [await self.sees(one, as_of, believed_at) for one in (self.leaver, *self.receivers)]

    async def count(self, sql: str) -> int:
        """A count over this organization's rows, as the app role."""
        async with self.hospital.change() as db:
            found: int = (await db.execute(text(sql))).scalar_one()
            return found

    async def entries(self, code: str) -> int:
        """How many entries of this code the audit trail has."""
        return await self._as_administrator(
            "select count(*) from carecircle.audit_events where organization_id = $1 and code = $2", code
        )

    async def unaudited(self) -> int:
        """Facts and closings of what was handed over that name no entry of the audit trail."""
        return sum(
            [
                await self._as_administrator(
                    f"select count(*) from carecircle.{table} f where organization_id = $1 and not exists ("
                    " select from carecircle.audit_events e where e.organization_id = $1 and e.id = any ("
                    " array[f.entry_id, coalesce(f.superseded_entry_id, f.entry_id)])"
                    " having count(*) = cardinality(array(select distinct unnest("
                    " array[f.entry_id, coalesce(f.superseded_entry_id, f.entry_id)]))))"
                )
                for table in {holding.table.__tablename__ for holding in THEIRS}
            ]
        )

    async def _as_administrator(self, sql: str, *arguments: object) -> int:
        connection = await asyncpg.connect(dsn(self.hospital.circle.reach.admin))
        try:
            found: int = await connection.fetchval(sql, self.hospital.organization, *arguments)
            return found
        finally:
            await connection.close()

    @property
    def by(self) -> Any:
        return {"organization": self.hospital.organization, "actor": "test"}
