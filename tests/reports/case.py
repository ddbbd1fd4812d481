"""One patient whose record was asked about for every kind of reason, and another one whose was too."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from carecircle import directory
from carecircle.access.decision import AccessDecision
from carecircle.actor import Actor
from carecircle.assignments.service import add_assignment
from carecircle.audit.entry import Entry, append
from carecircle.care_teams.service import add_member, add_patient
from carecircle.care_teams.team_service import create_team
from carecircle.database.session import instant, transaction
from carecircle.directory.tables import ProviderRole, Unit
from carecircle.identifiers import new_id, to_text
from carecircle.reports import disclosures_service, patient_access_service
from carecircle.reports.disclosures import Accounting
from carecircle.reports.patient_access import PatientAccess
from tests.conftest import Hospital

NAME = "Wilhelmina Secret <i>"
OTHER = "Balthasar Hidden"


@dataclass
class Case:
    """A hospital with a doctor, a nurse on a team, a stranger, and two patients."""

    hospital: Hospital
    doctor: UUID
    nurse: UUID
    stranger: UUID
    patient: UUID
    other: UUID

    @property
    def by(self) -> dict[str, Any]:
        return {"organization": self.hospital.organization, "actor": "service:ehr"}

    async def ask(
        self, provider: UUID, *, patient: UUID | None = None, action: str = "read", **said: Any
    ) -> AccessDecision:
        return await self.hospital.circle.access.check(provider, action, patient or self.patient, **self.by, **said)

    async def accounting(self, **said: Any) -> Accounting:
        async with self.hospital.change() as db:
            return await disclosures_service.account(
                db, **{"patient": self.patient, "auditor": self.hospital.circle.auditor, **self.by, **said}
            )

    async def access(self, **said: Any) -> PatientAccess:
        async with self.hospital.change() as db:
            return await patient_access_service.report(
                db, **{"patient": self.patient, "auditor": self.hospital.circle.auditor, **self.by, **said}
            )

    async def entry(self, code: str, *, kind: str = "change", **said: Any) -> None:
        """An entry as a room would append it."""
        async with self.hospital.change() as db:
            await append(db, Entry(self.hospital.organization, kind, Actor("operator:irma"), code, **said))

    async def recorded(self, code: str) -> list[Any]:
        async with transaction(self.hospital.circle.auditor, self.hospital.organization) as trail:
            query = text(
                "select actor, patient_id, provider_id, kind, detail from carecircle.audit_events where code = :code"
            )
            return list((await trail.execute(query, {"code": code})).all())


async def open_case(hospital: Hospital) -> Case:
    async def named(name: str) -> UUID:
        async with hospital.change() as db:
            return await directory.register_provider(db, name=name, organization_id=hospital.organization, actor="test")

    case = Case(
        hospital, await named("Dr. Ada Brenner"), await named("Nadja Rossi"), await named("Dr. Otto Lind"),
        await hospital.patient("mrn|778-12-9", name=NAME), await hospital.patient("mrn|4711", name=OTHER),
    )  # fmt: skip
    by = case.by
    async with hospital.change() as db:
        for patient in (case.patient, case.other):
            await add_assignment(
                db,
                patient=patient,
                provider=case.doctor,
                assignment_type="attending",
                scope=["read", "write", "share"],
                **by,
            )
        team = await create_team(db, name="Ward 3 nurses", **by)
        await add_member(db, care_team_id=team, provider=case.nurse, member_role="nurse", **by)
        await add_patient(db, care_team_id=team, patient=case.patient, **by)
    async with hospital.change() as db:
        ward = Unit(organization_id=hospital.organization, id=new_id(), name="Ward 3", system="", value="3")
        db.add(ward)
        await db.flush()
        entry = Entry(hospital.organization, "import", Actor("test"), "fhir-record-taken")
        await append(db, entry)
        row, now = new_id(), await instant(db)
        db.add(
            ProviderRole(
                organization_id=hospital.organization, id=row, lineage_id=row, provider_id=case.nurse, role_code="staff_nurse",
                unit_id=ward.id, starts_at=now - timedelta(hours=12), recorded_at=now, entry_id=entry.id,
            )
        )  # fmt: skip
    return case


async def emergency_entries(case: Case, provider: UUID, *codes: str, reason: str = "life-threat") -> str:
    own = to_text(new_id())
    for place, code in enumerate(codes):
        detail = {"emergency": own, **({"reason": reason} if place == 0 else {})}
        await case.entry(code, patient_id=case.patient, provider_id=provider, detail=detail)
    return own
