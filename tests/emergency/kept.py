"""Emergency accesses as they stand on record, put there state by state: for tests of what is read from them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from carecircle.actor import Actor
from carecircle.audit.entry import Entry, append
from carecircle.database.crypto import keyring
from carecircle.database.session import instant
from carecircle.directory.tables import Duty, PolicyVersion, ReportingLine
from carecircle.emergency.tables import EmergencyAccess, EmergencyApprover, EmergencyNote
from carecircle.identifiers import new_id
from carecircle.period import FOREVER
from carecircle.restrictions.tables import AccessRestriction, PatientLabel
from tests.conftest import Hospital

GRANTING = ("provisional", "approved")
OVER = ("denied", "ended", "reviewed")


@dataclass
class Kept:
    """One hospital's records; instants are given in minutes from now, as it was when this was opened."""

    hospital: Hospital
    now: datetime

    @classmethod
    async def open(cls, hospital: Hospital) -> Kept:
        async with hospital.change() as db:
            return cls(hospital, await instant(db))

    @property
    def by(self) -> dict[str, Any]:
        return {"organization": self.hospital.organization, "actor": "test"}

    @property
    def of(self) -> dict[str, Any]:
        return {"organization": self.hospital.organization}

    def at(self, minutes: float) -> datetime:
        return self.now + timedelta(minutes=minutes)

    async def access(
        self, provider: UUID, patient: UUID, *states: tuple[str, float, dict[str, Any]], words: str = "", **said: Any
    ) -> UUID:
        """One access by its states: what each is called, when it begins (minutes), and what changes with it.

        An open state ends where the next begins, or where `ends` of its changes says; each keeps what the one before it said.
        """
        emergency = new_id()
        ring, tenant = keyring(), self.hospital.organization
        kept: dict[str, Any] = {
            "mode": "provisional", "reason_code": "life-threat", "wanted_scope": ["read"], "asked_at": self.at(states[0][1]),
            "wanted_until": self.at(states[0][1] + 24 * 60), "opened_at": self.at(states[0][1]), "signals": [], "despite": [],
            "review_due_at": self.at(states[0][1] + 72 * 60), "attested": True,
        } | said  # fmt: skip
        if words:
            kept["reason"] = ring.seal(words.encode(), tenant, "emergency_access", "reason", emergency)
        async with self.hospital.change() as db:
            entry = Entry(tenant, "change", Actor("test"), "emergency-opened", provider_id=provider, patient_id=patient)
            await append(db, entry)
            now = await instant(db)
            for number, (state, begins, changes) in enumerate(states):
                following = states[number + 1][1] if number + 1 < len(states) else None
                ends = changes.pop("ends", following)
                kept |= changes
                lets_in = state in GRANTING and kept["mode"] != "downtime"
                db.add(
                    EmergencyAccess(
                        **kept, organization_id=tenant, id=new_id(), lineage_id=emergency, provider_id=provider,
                        patient_id=patient, state=state, scope=["read"] if lets_in else [],
                        starts_at=self.at(begins), ends_at=FOREVER if ends is None else self.at(ends), recorded_at=now,
                        entry_id=entry.id,
                    )
                )  # fmt: skip
        return emergency

    async def duty(
        self, provider: UUID, duty: str, begins: float = -600, ends: float | None = None, **said: Any
    ) -> UUID:
        return await self._fact(Duty, begins, ends, provider_id=provider, duty=duty, **said)

    async def reports_to(self, provider: UUID, superior: UUID) -> None:
        await self._fact(ReportingLine, -600, None, provider_id=provider, reports_to_id=superior)

    async def label(self, patient: UUID, label: str, begins: float = -6000, ends: float | None = None) -> None:
        await self._fact(PatientLabel, begins, ends, patient_id=patient, label=label)

    async def suspend(self, provider: UUID) -> None:
        await self._fact(AccessRestriction, -600, None, kind="suspension", provider_id=provider)

    async def policy(self, document: dict[str, Any], begins: float) -> None:
        await self._fact(PolicyVersion, begins, None, version=1, document=document, actions=[])

    async def approver(self, emergency: UUID, provider: UUID, duty: UUID, kind: str = "supervisor") -> None:
        async with self.hospital.change() as db:
            db.add(
                EmergencyApprover(
                    organization_id=self.hospital.organization, id=new_id(), emergency_id=emergency, provider_id=provider,
                    duty=kind, duty_id=duty, call_order=1, entry_id=new_id(),
                )
            )  # fmt: skip

    async def note(self, emergency: UUID, kind: str, provider: UUID | None = None, words: str = "") -> None:
        note, tenant = new_id(), self.hospital.organization
        body = keyring().seal(words.encode(), tenant, "emergency_notes", "body", note) if words else None
        async with self.hospital.change() as db:
            db.add(
                EmergencyNote(
                    organization_id=tenant, id=note, emergency_id=emergency, kind=kind, provider_id=provider, body=body,
                    entry_id=new_id(),
                )
            )  # fmt: skip

    async def revoke(self, duty: UUID) -> None:
        """Take a duty back, as if it had never been."""
        async with self.hospital.change() as db:
            await db.execute(
                text(
                    "update carecircle.duties set superseded_at = statement_timestamp(),"
                    " superseded_xid = pg_current_xact_id(), superseded_entry_id = :entry where id = :id"
                ),
                {"entry": new_id(), "id": duty},
            )

    async def _fact(self, table: Any, begins: float, ends: float | None, **said: Any) -> UUID:
        row = new_id()
        async with self.hospital.change() as db:
            db.add(
                table(
                    **said, organization_id=self.hospital.organization, id=row, lineage_id=row, starts_at=self.at(begins),
                    ends_at=FOREVER if ends is None else self.at(ends), recorded_at=await instant(db), entry_id=new_id(),
                )
            )  # fmt: skip
        return row
