"""A small FHIR world for import tests: resources in a line or two, files, runs, and what the database then believes."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import text

from carecircle.access.decision import AccessDecision
from carecircle.actor import Actor, acting_as
from carecircle.database.crypto import Keyring
from carecircle.identifiers import Identifier
from carecircle.interop.fhir.importer import ImportReport, Progress, import_fhir
from tests.conftest import Hospital

Resource = dict[str, Any]
REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "fhir"
NPI = "http://hl7.org/fhir/sid/us-npi"
PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
JANUARY = {"start": "2020-01-01T08:00:00+00:00", "end": "2020-01-01T09:00:00+00:00"}


def practitioner(name: str, npi: str | None = None, /, **more: Any) -> Resource:
    given: Resource = {"resourceType": "Practitioner", "id": name, "name": [{"family": name}]}
    if npi:
        given["identifier"] = [{"system": NPI, "value": npi}]
    return given | more


def patient(name: str, /, **more: Any) -> Resource:
    return {"resourceType": "Patient", "id": name, "name": [{"family": f"Secret{name}"}]} | more


def to(reference: str) -> Resource:
    return {"reference": reference}


def participant(code: str, individual: Resource, **more: Any) -> Resource:
    return {"type": [{"coding": [{"system": PARTICIPATION, "code": code}]}], "individual": individual} | more


def encounter(name: str, /, *participants: Resource, status: str = "finished", **more: Any) -> Resource:
    return {
        "resourceType": "Encounter",
        "id": name,
        "status": status,
        "subject": to("Patient/p"),
        "participant": list(participants),
        "period": JANUARY,
    } | more


def care_team(name: str, /, *members: Resource, status: str = "active", **more: Any) -> Resource:
    return {
        "resourceType": "CareTeam",
        "id": name,
        "status": status,
        "subject": to("Patient/p"),
        "participant": [member if "member" in member else {"member": member} for member in members],
    } | more


def bundle(*resources: Resource, **more: Any) -> Resource:
    entries = [item if "resource" in item else {"resource": item} for item in resources]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries} | more


@dataclass
class Ward:
    """Imports into one hospital and asks what came of it."""

    hospital: Hospital
    folder: Path
    numbers: Any = field(default_factory=itertools.count)
    patients: dict[str, str] = field(default_factory=dict)

    async def take(self, *resources: Resource, **options: Any) -> ImportReport:
        """Import these resources as one Bundle file."""
        for resource in (item.get("resource", item) for item in resources):
            record = f"{resource['resourceType']}/{resource.get('id')}"
            self.patients[self.key(record, options.get("source") or "fhir")] = record
        file = self.folder / f"{next(self.numbers)}.json"
        file.write_text(json.dumps(bundle(*resources)))
        return await self.take_path(file, **options)

    async def take_path(
        self, path: Path, *, confirmed: bool = False, source: str | None = None,
        progress: Callable[[Progress], None] | None = None,
    ) -> ImportReport:  # fmt: skip
        return await import_fhir(
            self.hospital.circle.engine,
            self.keyring,
            organization_id=self.hospital.organization,
            actor=Actor("service:test"),
            path=path,
            source=source,
            confirmed=confirmed,
            progress=progress,
        )

    @property
    def keyring(self) -> Keyring:
        return self.hospital.circle.keyring

    def key(self, record: str, source: str = "fhir") -> str:
        """The name under which a patient's record stands in facts and findings."""
        return f"Patient/{self.keyring.blind_index(Identifier(source, record), self.hospital.organization).hex()}"

    async def rows(self, sql: str, **given: Any) -> Sequence[Any]:
        async with self.hospital.change() as db:
            return (await db.execute(text(sql), given)).all()

    async def assignments(self) -> list[tuple[str, str, str, str]]:
        """(record, type, start, end) of every assignment believed now; an open end is `open`."""
        rows = await self.rows(
            "select source_record, assignment_type, starts_at, nullif(ends_at, 'infinity') as ends_at"
            " from carecircle.patient_assignments where superseded_at = 'infinity' order by 1, 2, 3, ends_at"
        )
        return sorted((self.patients.get(row[0], row[0]), row[1], _short(row[2]), _short(row[3])) for row in rows)

    async def findings(self) -> list[tuple[str, str]]:
        """(record, code) of every open finding."""
        rows = await self.rows(
            "select source_record, code from carecircle.findings where superseded_at = 'infinity' order by 1, 2"
        )
        return sorted((self.patients.get(row[0], row[0]), row[1]) for row in rows)

    async def seats(self) -> list[tuple[str, str, str]]:
        """(role, start, end) of every seat believed now."""
        rows = await self.rows(
            "select member_role, starts_at, nullif(ends_at, 'infinity') as ends_at from carecircle.care_team_members"
            " where superseded_at = 'infinity' order by 1, 2"
        )
        return [(row[0], _short(row[1]), _short(row[2])) for row in rows]

    async def provider(self, record: str, system: str = "fhir") -> UUID:
        rows = await self.rows(
            "select provider_id from carecircle.provider_identifiers where system = :system and value = :record",
            system=system,
            record=record,
        )
        found: UUID = rows[0].provider_id
        return found

    async def patient(self, record: str, system: str = "fhir") -> UUID:
        blind = self.keyring.blind_index(Identifier(system, record), self.hospital.organization)
        rows = await self.rows(
            "select patient_id from carecircle.patient_identifiers where blind_index = :blind", blind=blind
        )
        found: UUID = rows[0].patient_id
        return found

    async def may_read(self, provider: UUID, patient: UUID, as_of: datetime | None = None) -> AccessDecision:
        with acting_as(organization=self.hospital.organization, actor="service:test"):
            return await self.hospital.circle.access.check(provider, "read", patient, as_of=as_of)

    async def audit(self) -> list[asyncpg.Record]:
        """Every audit entry of the organization, read as its auditor."""
        connection = await asyncpg.connect(self.hospital.circle.reach.dsn("auditor"))
        try:
            await connection.execute(f"set carecircle.organization_id = '{self.hospital.organization}'")
            return list(await connection.fetch("select * from carecircle.audit_events order by recorded_at"))
        finally:
            await connection.close()


def _short(instant: datetime | None) -> str:
    return "open" if instant is None else instant.strftime("%Y-%m-%dT%H:%M")
