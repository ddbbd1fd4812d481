"""Telling a story to the Python services, and asking Access."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from carecircle import AccessDecision, acting_as
from carecircle.assignments.handover_service import cancel_handover
from carecircle.assignments.service import add_assignment, assign_primary, end_assignments
from carecircle.care_teams.service import add_member, add_patient, end_membership, end_patient
from carecircle.care_teams.team_service import close_team, create_team, reopen_team
from carecircle.coverage.service import arrange_coverage, end_coverage
from carecircle.database.session import transaction
from carecircle.directory.credential_service import add_credential, end_credential
from carecircle.directory.duty_service import add_duty, end_duty
from carecircle.directory.policy_service import set_policy
from carecircle.emergency.deciding_service import approve, deny
from carecircle.emergency.ending_service import end
from carecircle.emergency.opening_service import request
from carecircle.errors import CareCircleError
from carecircle.referrals.service import end_referral, redirect_referral, refer
from carecircle.restrictions.service import label, lift, object_to, suspend
from carecircle.staffing.merge_service import merge_patients, unmerge_patients
from tests.conftest import Hospital
from tests.scenarios.story import Story
from tests.scenarios.telling import Refused, Told, policy_document


class InPython:
    """`ids` are those of people and teams, and of what the story gave a name."""

    def __init__(self, hospital: Hospital) -> None:
        self.hospital = hospital
        self.ids: dict[str, UUID] = {}

    async def begin(self, story: Story) -> None:
        for name in story.patients:
            self.ids[name] = await self.hospital.patient(f"story|{name}")
        for name in story.providers:
            self.ids[name] = await self.hospital.provider(f"story|{name}")
        for name in story.teams:
            async with self._change() as db:
                self.ids[name] = await create_team(db, name=name)

    async def assign(
        self, *, patient: str, provider: str, kind: Any = "consulting", start: datetime | None = None,
        end: datetime | None = None, scope: Sequence[str] | None = None, rests_on: Sequence[str] | None = None,
        referral: str | None = None,
    ) -> None:  # fmt: skip
        async with self._change() as db:
            await add_assignment(
                db, patient=self.ids[patient], provider=self.ids[provider], assignment_type=kind, starts_at=start,
                ends_at=end, scope=scope, rests_on=rests_on, referral_id=self.ids[referral] if referral else None,
            )  # fmt: skip

    async def assign_primary(
        self, *, patient: str, provider: str, start: datetime | None = None, previous: Any = "demote"
    ) -> None:
        async with self._change() as db:
            await assign_primary(
                db, patient=self.ids[patient], provider=self.ids[provider], starts_at=start, previous=previous
            )

    async def cancel_handover(self, *, patient: str) -> None:
        async with self._change() as db:
            await cancel_handover(db, patient=self.ids[patient])

    async def end_assignments(self, *, patient: str, provider: str) -> None:
        async with self._change() as db:
            await end_assignments(db, patient=self.ids[patient], provider=self.ids[provider])

    async def add_member(
        self, *, team: str, provider: str, role: str = "member", start: datetime | None = None,
        end: datetime | None = None, scope: Sequence[str] | None = None, rests_on: Sequence[str] | None = None,
    ) -> None:  # fmt: skip
        async with self._change() as db:
            await add_member(
                db, care_team_id=self.ids[team], provider=self.ids[provider], member_role=role, starts_at=start,
                ends_at=end, scope=scope, rests_on=rests_on,
            )  # fmt: skip

    async def end_membership(self, *, team: str, provider: str) -> None:
        async with self._change() as db:
            await end_membership(db, care_team_id=self.ids[team], provider=self.ids[provider])

    async def add_patient(
        self, *, team: str, patient: str, start: datetime | None = None, end: datetime | None = None
    ) -> None:
        async with self._change() as db:
            await add_patient(db, care_team_id=self.ids[team], patient=self.ids[patient], starts_at=start, ends_at=end)

    async def end_patient(self, *, team: str, patient: str) -> None:
        async with self._change() as db:
            await end_patient(db, care_team_id=self.ids[team], patient=self.ids[patient])

    async def close_team(self, *, team: str) -> None:
        async with self._change() as db:
            await close_team(db, care_team_id=self.ids[team])

    async def reopen_team(self, *, team: str) -> None:
        async with self._change() as db:
            await reopen_team(db, care_team_id=self.ids[team])

    async def add_credential(
        self, *, provider: str, kind: str, code: str, start: datetime | None = None, end: datetime | None = None
    ) -> None:
        async with self._change() as db:
            await add_credential(db, provider=self.ids[provider], kind=kind, code=code, starts_at=start, ends_at=end)

    async def end_credential(self, *, provider: str, kind: str, code: str) -> None:
        async with self._change() as db:
            await end_credential(db, provider=self.ids[provider], kind=kind, code=code)

    async def refer(
        self, *, patient: str, by: str, specialty: str, to: str | None = None, start: datetime | None = None,
        end: datetime, name: str = "",
    ) -> None:  # fmt: skip
        async with self._change() as db:
            made = await refer(
                db, patient=self.ids[patient], referring=self.ids[by], specialty_code=specialty,
                provider=self.ids[to] if to else None, starts_at=start, ends_at=end,
            )  # fmt: skip
        self.ids[name] = made.lineage_id

    async def redirect_referral(self, *, referral: str, to: str | None) -> None:
        async with self._change() as db:
            await redirect_referral(db, referral_id=self.ids[referral], provider=self.ids[to] if to else None)

    async def end_referral(self, *, referral: str) -> None:
        async with self._change() as db:
            await end_referral(db, referral_id=self.ids[referral])

    async def cover(
        self, *, covered: str, by: str, start: datetime, end: datetime, kind: Any = "full", team: str | None = None,
        patients: Sequence[str] = (), scope: Sequence[str] | None = None, name: str = "",
    ) -> None:  # fmt: skip
        async with self._change() as db:
            made = await arrange_coverage(
                db, covered=self.ids[covered], covering=self.ids[by], starts_at=start, ends_at=end, coverage_type=kind,
                care_team_id=self.ids[team] if team else None,
                patients=[self.ids[one] for one in patients] or None, scope=scope,
            )  # fmt: skip
        self.ids[name] = made[0].arrangement_id

    async def end_cover(self, *, arrangement: str) -> None:
        async with self._change() as db:
            await end_coverage(db, arrangement_id=self.ids[arrangement])

    async def object_to(
        self, *, patient: str, provider: str, start: datetime | None = None, end: datetime | None = None, name: str = ""
    ) -> None:
        async with self._change() as db:
            made = await object_to(
                db, patient=self.ids[patient], provider=self.ids[provider], starts_at=start, ends_at=end
            )
        self.ids[name] = made.id

    async def suspend(
        self, *, provider: str, start: datetime | None = None, end: datetime | None = None, name: str = ""
    ) -> None:
        async with self._change() as db:
            self.ids[name] = (await suspend(db, provider=self.ids[provider], starts_at=start, ends_at=end)).id

    async def label(
        self, *, patient: str, label: str, start: datetime | None = None, end: datetime | None = None, name: str = ""
    ) -> None:
        async with self._change() as db:
            self.ids[name] = (await _label(db, self.ids[patient], label, start, end)).id

    async def lift(self, *, restriction: str) -> None:
        async with self._change() as db:
            await lift(db, restriction_id=self.ids[restriction])

    async def set_policy(
        self, *, actions: Sequence[str] = (), grace_minutes: int = 0, coverage_rests_on: Sequence[str] = (),
        overrides: Sequence[str] = ("sensitivity",), start: datetime | None = None,
    ) -> None:  # fmt: skip
        document = policy_document(actions, grace_minutes, coverage_rests_on, overrides)
        async with self._change() as db:
            await set_policy(db, document=document, starts_at=start)

    async def add_duty(
        self, *, provider: str, duty: str, start: datetime | None = None, end: datetime | None = None, name: str = ""
    ) -> None:
        async with self._change() as db:
            made = await add_duty(db, provider=self.ids[provider], duty=duty, starts_at=start, ends_at=end)
        self.ids[name] = made.id

    async def end_duty(self, *, duty: str) -> None:
        async with self._change() as db:
            await end_duty(db, duty_id=self.ids[duty])

    async def break_glass(
        self, *, provider: str, patient: str, scope: Sequence[str] = ("read",), hours: float = 24, name: str = ""
    ) -> None:
        async with self._change() as db:
            made = await request(
                db, provider=self.ids[provider], patient=self.ids[patient], reason_code="transfer", scope=scope,
                hours=hours, attested=True,
            )  # fmt: skip
        self.ids[name] = made.lineage_id

    async def approve(self, *, request: str, by: str, hours: float | None = None) -> None:
        async with self._change() as db:
            await approve(db, emergency_id=self.ids[request], approver=self.ids[by], hours=hours)

    async def deny(self, *, request: str, by: str) -> None:
        async with self._change() as db:
            await deny(db, emergency_id=self.ids[request], approver=self.ids[by], words="No.")

    async def end_access(self, *, request: str, by: str) -> None:
        async with self._change() as db:
            await end(db, emergency_id=self.ids[request], provider=self.ids[by])

    async def merge(self, *, patient: str, into: str) -> None:
        async with self._change() as db:
            await merge_patients(db, patient=self.ids[patient], into=self.ids[into])

    async def unmerge(self, *, patient: str) -> None:
        async with self._change() as db:
            await unmerge_patients(db, patient=self.ids[patient])

    async def ask(
        self, provider: str, action: str, patient: str, at: datetime | None, knowing: datetime | None
    ) -> Told:
        with self._acting():
            decision: AccessDecision = await self.hospital.circle.access.check(
                self.ids[provider], action, self.ids[patient], as_of=at, believed_at=knowing
            )
        names = {one: name for name, one in self.ids.items()}
        basis = [
            basis.kind if basis.via_id is None else f"{basis.kind} via {names[basis.via_id]}"
            for basis in decision.bases
        ]
        restricted_by = sorted(one.kind for one in decision.restrictions)
        glass = "break-glass" in {one.kind for one in decision.remedies}
        return Told(decision.code, decision.as_of, sorted(basis), decision.expires_at, restricted_by, glass)

    async def patients_of(
        self, provider: str, action: str, at: datetime | None, knowing: datetime | None
    ) -> list[str] | None:
        with self._acting():
            listing = await self.hospital.circle.access.list_patients(
                self.ids[provider], action, as_of=at, believed_at=knowing
            )
        return self._named(row.id for row in listing.rows)

    async def providers_of(
        self, patient: str, action: str, at: datetime | None, knowing: datetime | None
    ) -> list[str] | None:
        with self._acting():
            listing = await self.hospital.circle.access.list_providers(
                self.ids[patient], action, as_of=at, believed_at=knowing
            )
        return self._named(row.id for row in listing.rows)

    def _named(self, ids: Any) -> list[str]:
        names = {one: name for name, one in self.ids.items()}
        return sorted(names[one] for one in ids)

    def _acting(self) -> Any:
        return acting_as(organization=self.hospital.organization, actor="service:story")

    @asynccontextmanager
    async def _change(self) -> AsyncIterator[AsyncSession]:
        """One change in a transaction of its own. Raises Refused."""
        try:
            with self._acting():
                async with transaction(self.hospital.circle.engine) as db:
                    yield db
        except CareCircleError as refused:
            raise Refused(refused.code) from refused


async def _label(db: AsyncSession, patient: UUID, code: str, start: datetime | None, end: datetime | None) -> Any:
    return await label(db, patient=patient, label=code, starts_at=start, ends_at=end)
