"""A ward and a clinic with people who may break the glass and people who decide, and short ways to ask and look."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self
from uuid import UUID

import asyncpg
from sqlalchemy import text

from carecircle import AccessDecision, acting_as
from carecircle.database.reach import dsn
from carecircle.directory.duty_service import add_duty
from carecircle.directory.policy_service import set_policy
from carecircle.directory.tables import Duty, ProviderRole, Unit
from carecircle.emergency.opening_service import request
from carecircle.emergency.tables import EmergencyAccess
from carecircle.identifiers import PatientId, ProviderId, new_id
from tests.conftest import Hospital

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


@dataclass
class Clinic:
    """`doctor` may break the glass anywhere and has no relation to `patient`.

    `first` and `second` are supervisors of `ward` (first and second in the order of call), `everywhere` is a supervisor of
    all units and third; `manager` is duty manager, `office` the privacy office. `clinic` has no supervisor of its own.
    """

    hospital: Hospital
    ward: UUID
    clinic: UUID
    patient: PatientId
    doctor: ProviderId
    first: ProviderId
    second: ProviderId
    everywhere: ProviderId
    manager: ProviderId
    office: ProviderId
    duties: dict[UUID, Duty]

    @classmethod
    async def open(cls, hospital: Hospital) -> Self:
        ward, clinic = await add_unit(hospital, "Ward"), await add_unit(hospital, "Clinic")
        patient = await hospital.patient()
        people = [await hospital.provider() for _ in range(6)]
        doctor, first, second, everywhere, manager, office = people
        c = cls(hospital, ward, clinic, patient, doctor, first, second, everywhere, manager, office, {})
        await c.duty(doctor, "break_glass")
        await c.duty(first, "supervisor", unit=ward, contact="first@hospital.example")
        await c.duty(second, "supervisor", unit=ward, call_order=2, contact="second@hospital.example")
        await c.duty(everywhere, "supervisor", call_order=3, contact="everywhere@hospital.example")
        await c.duty(manager, "duty_manager", contact="manager@hospital.example")
        await c.duty(office, "privacy_office", contact="office@hospital.example")
        return c

    async def do(self, work: Any, /, by: str = "operator:test", **said: Any) -> Any:
        """A service function, in a transaction of its own."""
        async with self.hospital.change() as db:
            return await work(db, **said, organization=self.hospital.organization, actor=by)

    async def duty(self, provider: UUID, duty: str, **said: Any) -> Duty:
        row: Duty = await self.do(add_duty, provider=provider, duty=duty, **said)
        self.duties[provider] = row
        return row

    async def policy(self, **document: Any) -> None:
        await self.do(set_policy, document=document)

    async def breaker(self, *identifiers: str) -> ProviderId:
        """Another provider who may break the glass."""
        provider = await self.hospital.provider(*identifiers)
        await self.duty(provider, "break_glass")
        return provider

    async def works_in(self, provider: UUID, unit: UUID) -> None:
        """The provider has a role in a unit, from now on."""
        async with self.hospital.change() as db:
            now = (await db.execute(text("select statement_timestamp()"))).scalar_one()
            row_id = new_id()
            db.add(
                ProviderRole(
                    organization_id=self.hospital.organization, id=row_id, lineage_id=row_id, provider_id=provider,
                    role_code="physician", unit_id=unit, starts_at=now, recorded_at=now, entry_id=new_id(),
                )
            )  # fmt: skip

    async def request(self, by: str = "operator:test", **said: Any) -> EmergencyAccess:
        """The doctor asks for the patient, for the ward and properly, unless said otherwise."""
        given = {
            "provider": self.doctor, "patient": self.patient, "reason_code": "life-threat", "unit": self.ward,
            "attested": True, "authenticated_at": await self.instant(),
        } | said  # fmt: skip
        row: EmergencyAccess = await self.do(request, by, **given)
        return row

    async def ask(
        self,
        provider: UUID | None = None,
        action: str = "read",
        patient: UUID | None = None,
        at: datetime | None = None,
    ) -> AccessDecision:
        with acting_as(organization=self.hospital.organization, actor="test"):
            return await self.hospital.circle.access.check(
                provider or self.doctor, action, patient or self.patient, as_of=at
            )

    async def may(self, *asked: Any, **said: Any) -> bool:
        return (await self.ask(*asked, **said)).allowed

    async def instant(self) -> datetime:
        async with self.hospital.change() as db:
            now: datetime = (await db.execute(text("select clock_timestamp()"))).scalar_one()
            return now

    async def rows(self, sql: str, **given: Any) -> list[Any]:
        """Rows as the app's role sees them, in this organization."""
        async with self.hospital.change() as db:
            return list((await db.execute(text(sql), given)).all())

    async def due(self, emergency_id: UUID) -> list[tuple[str, UUID | None, str, datetime]]:
        """What is due about it: kind, recipient, address, when; by kind and address."""
        found = await self.rows(
            "select kind, recipient_id, address, due_at from carecircle.outbox where subject_id = :id order by kind, address",
            id=emergency_id,
        )
        return [(row[0], row[1], row[2], row[3]) for row in found]

    async def told(self, emergency_id: UUID, event: str = "emergency-opened") -> list[str]:
        """The addresses that are told of an event by e-mail, sorted."""
        return sorted(row[2] for row in await self.due(emergency_id) if row[0] == f"email:{event}")

    async def counts(self) -> dict[str, int]:
        """How many rows there are of everything that a request leaves."""
        tables = ("emergency_access", "emergency_approvers", "emergency_notes", "outbox")
        return {one: (await self.rows(f"select count(*) from carecircle.{one}"))[0][0] for one in tables} | {
            "audit": len(await self.audit("emergency-opened")) + len(await self.audit("emergency-requested"))
        }

    async def audit(self, code: str) -> list[asyncpg.Record]:
        """The entries of one code, oldest first, read as the administrator."""
        connection = await asyncpg.connect(dsn(self.hospital.circle.reach.admin))
        try:
            found: list[asyncpg.Record] = await connection.fetch(
                "select * from carecircle.audit_events where organization_id = $1 and code = $2 order by recorded_at, id",
                self.hospital.organization, code,
            )  # fmt: skip
            return found
        finally:
            await connection.close()

    async def earlier(self, row: EmergencyAccess, by: timedelta) -> None:
        """Let everything that was recorded about an emergency access have happened this much earlier, as its owner could.

        No clock of the database is turned: its rows are moved, by the administrator, as nobody else may.
        """
        connection = await asyncpg.connect(dsn(self.hospital.circle.reach.admin))
        try:
            async with connection.transaction():
                clocks = (
                    "starts_at",
                    "ends_at",
                    "asked_at",
                    "opened_at",
                    "decided_at",
                    "wanted_until",
                    "review_due_at",
                )
                moved = ", ".join(f"{one} = {one} - $3::interval" for one in clocks)
                await connection.execute(
                    f"update carecircle.emergency_access set {moved} where organization_id = $1 and lineage_id = $2",
                    self.hospital.organization, row.lineage_id, by,
                )  # fmt: skip
                await connection.execute(
                    "update carecircle.outbox set due_at = due_at - $3::interval where organization_id = $1 and subject_id = $2",
                    self.hospital.organization, row.lineage_id, by,
                )  # fmt: skip
        finally:
            await connection.close()


async def add_unit(hospital: Hospital, name: str) -> UUID:
    unit = new_id()
    async with hospital.change() as db:
        db.add(Unit(organization_id=hospital.organization, id=unit, name=name, system="unit", value=name))
    return unit
