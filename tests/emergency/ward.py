"""A ward where somebody breaks the glass and others decide: who is on duty, what was asked, and the steps that fall due."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select, text

from carecircle.access.decision import AccessDecision
from carecircle.actor import acting_as
from carecircle.database.session import enter_tenant
from carecircle.directory.policy_service import set_policy
from carecircle.emergency.escalation_service import relationship, review_due, unacknowledged, undecided
from carecircle.emergency.opening_service import request
from carecircle.emergency.rows import states_of
from carecircle.emergency.tables import EmergencyAccess, EmergencyNote
from carecircle.notices.service import REARMED, settle
from carecircle.notices.tables import Due
from tests.conftest import Hospital
from tests.emergency.kept import Kept

STEPS = {
    "unacknowledged": unacknowledged, "undecided": undecided, "relationship": relationship, "review-due": review_due,
}  # fmt: skip


class InterruptedStep(Exception):
    """The worker was killed in the middle of a step."""


@dataclass
class Ward:
    """Who asks, the patient, two supervisors (called first and second), a duty manager and the privacy office.

    `duties` has the rows of the four who decide, by who they are. Every method is one transaction.
    """

    hospital: Hospital
    kept: Kept
    asker: UUID
    patient: UUID
    first: UUID
    second: UUID
    manager: UUID
    privacy: UUID
    duties: dict[UUID, UUID]

    @classmethod
    async def open(cls, hospital: Hospital, *, office: bool = True, **policy: Any) -> Ward:
        """A ward with this policy; without `office`, nobody of the privacy office is on duty."""
        kept = await Kept.open(hospital)
        patient = await hospital.patient("mrn|1")
        asker, first, second, manager, privacy = [await hospital.provider(f"npi|{number}") for number in range(5)]
        await kept.duty(asker, "break_glass")
        duties: dict[UUID, UUID] = {}
        for number, (who, duty) in enumerate(
            ((first, "supervisor"), (second, "supervisor"), (manager, "duty_manager"), (privacy, "privacy_office"))
        ):
            if office or who != privacy:
                duties[who] = await kept.duty(who, duty, contact=f"{number}@example.org", call_order=number + 1)
        ward = cls(hospital, kept, asker, patient, first, second, manager, privacy, duties)
        if policy:
            await ward.do(set_policy, document=policy)
        return ward

    @property
    def by(self) -> dict[str, Any]:
        return self.kept.by

    async def do(self, change: Any, /, **said: Any) -> Any:
        async with self.hospital.change() as db:
            return await change(db, **(self.by | said))

    async def inside(self, change: Any, /, *said: Any) -> Any:
        """What another room does in a transaction of its own, with the organization next to the session."""
        async with self.hospital.change() as db:
            return await change(db, await enter_tenant(db, self.hospital.organization), *said)

    async def ask(self, **said: Any) -> UUID:
        """Ask for emergency access, for a day of reading unless said otherwise; its id."""
        given = {"provider": self.asker, "patient": self.patient, "reason_code": "life-threat"} | said
        row: EmergencyAccess = await self.do(request, **given)
        return row.lineage_id

    async def kept_one(self, *states: tuple[str, float, dict[str, Any]], **said: Any) -> UUID:
        """One as it would stand on record had it been asked for earlier, with everybody on duty as its approvers."""
        emergency = await self.kept.access(self.asker, self.patient, *states, **said)
        for who, duty in self.duties.items():
            await self.kept.approver(emergency, who, duty)
        return emergency

    async def states(self, emergency: UUID) -> list[EmergencyAccess]:
        async with self.hospital.change() as db:
            return await states_of(db, self.hospital.organization, emergency)

    async def state(self, emergency: UUID) -> str:
        return (await self.states(emergency))[-1].state

    async def may(self, action: str = "read", provider: UUID | None = None) -> AccessDecision:
        with acting_as(organization=self.hospital.organization, actor="test"):
            return await self.hospital.circle.access.check(provider or self.asker, action, self.patient)

    async def notes(self, emergency: UUID) -> list[EmergencyNote]:
        async with self.hospital.change() as db:
            query = select(EmergencyNote).where(EmergencyNote.emergency_id == emergency)
            return list(await db.scalars(query.order_by(EmergencyNote.recorded_at)))

    async def put(self, emergency: UUID, kind: str) -> None:
        """Let a step be due about one that stands on record without any."""
        async with self.hospital.change() as db:
            row = (await states_of(db, self.hospital.organization, emergency))[-1]
            due = Due(kind=kind, subject_id=emergency, due_at=self.kept.now, entry_id=row.entry_id)
            due.organization_id, due.id = self.hospital.organization, row.entry_id
            db.add(due)

    async def fall_due(self, emergency: UUID, kind: str, *, cut_off: bool = False) -> str:
        """Take the next step of this kind, as the worker does when its time has come; the outcome.

        Raises InterruptedStep, before anything is committed, when it is to be cut off.
        """
        tenant = self.hospital.organization
        async with self.hospital.change() as db:
            query = select(Due).where(Due.subject_id == emergency, Due.kind == kind, Due.settled_at.is_(None))
            due = (await db.scalars(query.order_by(Due.due_at).limit(1))).one()
            outcome = await STEPS[kind](db, tenant, due)
            if outcome != REARMED:
                await settle(db, due, outcome)
            if cut_off:
                raise InterruptedStep
            return outcome

    async def waiting(self, emergency: UUID, kind: str) -> int:
        """How many steps of this kind are still to be taken."""
        return len(await self.rows(
            "select 1 from carecircle.outbox where subject_id = :emergency and kind = :kind and settled_at is null",
            emergency=emergency, kind=kind,
        ))  # fmt: skip

    async def told(self, emergency: UUID, event: str) -> list[UUID | str | None]:
        """Who has an e-mail of this event, in the order of writing; the address where it is nobody's own."""
        rows = await self.rows(
            "select coalesce(recipient_id::text, address) from carecircle.outbox"
            " where subject_id = :emergency and kind = 'email:' || :event order by recorded_at, id",
            emergency=emergency, event=event,
        )  # fmt: skip
        return [UUID(one) if "@" not in one else one for (one,) in rows]

    async def hooks(self, emergency: UUID) -> list[str]:
        """The events that webhooks tell of, in their order."""
        rows = await self.rows(
            "select substr(kind, 9) from carecircle.outbox where subject_id = :emergency and kind like 'webhook:%'"
            " order by recorded_at, id",
            emergency=emergency,
        )
        return [event for (event,) in rows]

    async def rows(self, sql: str, **given: Any) -> list[Any]:
        async with self.hospital.change() as db:
            return list((await db.execute(text(sql), given)).all())
