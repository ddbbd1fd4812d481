"""The hospital of which the proof `emergency` is about: who may break the glass, who decides, patients, and a neighbour.

`open_practice(site)` fills a site's database, once; the site and its processes come along from `proofs.emergency_site`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from carecircle import Actor, CareCircle, acting_as, assemble, directory
from carecircle.api.tokens import Permission, mint
from carecircle.database.session import transaction
from carecircle.directory.duty_service import add_duty
from carecircle.directory.policy_service import set_policy
from carecircle.directory.relation_service import relate
from carecircle.directory.reporting_service import add_reporting_line
from carecircle.directory.tables import Unit
from carecircle.identifiers import OrganizationId, PatientId, ProviderId, new_id, to_text
from carecircle.restrictions.service import label, object_to
from proofs.emergency_site import SLUG, Running, Site, clock_can_be_turned, free_port, serving, site, working

__all__ = [
    "ACTOR", "Practice", "Running", "Site", "clock_can_be_turned", "free_port", "open_practice", "serving", "site", "working",
]  # fmt: skip

NEIGHBOUR, ACTOR = "neighbour", "service:proof"
# One doctor opens hundreds of records here, which is not what the limits are tried with.
UNLIMITED = {
    "emergency_open_at_once": 1000, "emergency_opened_a_day": 1000, "emergency_opened_by_unit_an_hour": 10_000,
}  # fmt: skip


@dataclass(frozen=True)
class Practice:
    """One organization's people and patients. `clinicians` may break the glass; `outsider` may not.

    `supervisors` are of `unit`, in their order of call, the last of all units. `subordinate` is a supervisor of all units who
    reports to `clinicians[0]`; `relative` is another, of the family of `patients[0]`. `labelled` patients have the label R,
    `objecting` ones object to every one of the clinicians. `neighbour` is another organization, with a clinician, a supervisor
    and a patient of its own.
    """

    site: Site
    circle: CareCircle
    organization: OrganizationId
    unit: UUID
    clinicians: tuple[ProviderId, ...]
    outsider: ProviderId
    supervisors: tuple[ProviderId, ...]
    subordinate: ProviderId
    relative: ProviderId
    manager: ProviderId
    office: ProviderId
    second_office: ProviderId
    patients: tuple[PatientId, ...]
    labelled: tuple[PatientId, ...]
    objecting: tuple[PatientId, ...]
    neighbour: OrganizationId
    neighbours: Mapping[str, UUID] = field(default_factory=dict)
    """Of the other organization: `clinician`, `supervisor`, `patient`."""

    def change(self, organization: UUID | None = None) -> Any:
        """A transaction as the app's role."""
        return transaction(self.circle.engine, organization or self.organization)

    async def do(self, work: Any, /, organization: UUID | None = None, by: str = ACTOR, **said: Any) -> Any:
        """A service function in a transaction of its own, in somebody's name."""
        async with self.change(organization) as db:
            return await work(db, **said, organization=organization or self.organization, actor=by)

    def token(
        self,
        who: UUID | str,
        *,
        organization: UUID | None = None,
        signed_in: timedelta | None = timedelta(),
        hours: float = 12,
        may: Iterable[Permission] = ("ask",),
    ) -> str:
        """A person's token, or (text) an actor's of that name, who signed in that long ago, or never said when."""
        return mint(
            self.circle.keyring,
            organization_id=organization or self.organization,
            actor=Actor(who) if isinstance(who, str) else Actor.provider(who),
            hours=hours,
            may=may,
            signed_in_at=None if signed_in is None else datetime.now(UTC) - signed_in,
        )

    def bearer(self, who: UUID | str, **said: Any) -> dict[str, str]:
        """The same as a header."""
        return {"Authorization": f"Bearer {self.token(who, **said)}"}

    def wish(self, patient: UUID, **said: Any) -> dict[str, Any]:
        """What a clinician sends to POST /v1/break-glass."""
        return {
            "patient": to_text(patient),
            "reason": "life-threat",
            "unit": to_text(self.unit),
            "attested": True,
        } | said

    async def policy(self, **document: Any) -> None:
        """The policy from now on; limits stay away unless named."""
        await self.do(set_policy, document=UNLIMITED | document)

    async def more_patients(self, count: int) -> tuple[PatientId, ...]:
        return await _patients(self.circle, self.organization, count)

    async def more_clinicians(self, count: int) -> tuple[ProviderId, ...]:
        people = await _providers(self.circle, self.organization, count)
        await _duties(self.circle, self.organization, [(one, {"duty": "break_glass"}) for one in people])
        return people

    async def another(self, duty: str, **said: Any) -> ProviderId:
        """One more person with a duty."""
        [person] = await _providers(self.circle, self.organization, 1)
        await _duties(self.circle, self.organization, [(person, {"duty": duty, **said})])
        return person


@asynccontextmanager
async def open_practice(
    at: Site, *, clinicians: int = 10, supervisors: int = 3, patients: int = 50
) -> AsyncIterator[Practice]:
    """The practice in a site where there is none yet; connections are let go at the end of the block."""
    async with assemble(at.settings, at.at) as circle:
        yield await _make(at, circle, clinicians, supervisors, patients)


async def _make(at: Site, circle: CareCircle, clinicians: int, supervisors: int, patients: int) -> Practice:
    async with transaction(circle.engine) as db:
        own = await directory.register_organization(db, slug=SLUG, name="Proof", actor=ACTOR)
    async with transaction(circle.engine) as db:
        other = await directory.register_organization(db, slug=NEIGHBOUR, name="Neighbour", actor=ACTOR)
    unit = new_id()
    async with transaction(circle.engine, own) as db:
        db.add(Unit(organization_id=own, id=unit, name="Ward", system="unit", value="Ward"))
    doctors = await _providers(circle, own, clinicians)
    deciders = await _providers(circle, own, supervisors)
    outsider, subordinate, relative, manager, office, second_office = await _providers(circle, own, 6)
    sick = await _patients(circle, own, patients)
    labelled, objecting = await _patients(circle, own, 5), await _patients(circle, own, 5)
    *ranked, everywhere = deciders
    await _duties(circle, own, [
        *((one, {"duty": "break_glass"}) for one in doctors),
        *(
            (one, {"duty": "supervisor", "unit": unit, "call_order": order, "contact": f"supervisor{order}@proof.example"})
            for order, one in enumerate(ranked, 1)
        ),
        (everywhere, {"duty": "supervisor", "call_order": 50, "contact": "everywhere@proof.example"}),
        (subordinate, {"duty": "supervisor", "call_order": 60}),
        (relative, {"duty": "supervisor", "call_order": 61}),
        (manager, {"duty": "duty_manager", "contact": "manager@proof.example"}),
        (office, {"duty": "privacy_office", "contact": "office@proof.example"}),
        (second_office, {"duty": "privacy_office", "call_order": 2}),
    ])  # fmt: skip
    with acting_as(organization=own, actor=ACTOR):
        async with transaction(circle.engine, own) as db:
            await set_policy(db, document=UNLIMITED)
            await add_reporting_line(db, provider=subordinate, reports_to=doctors[0])
            await relate(db, provider=relative, patient=sick[0], relation="family")
            for patient in labelled:
                await label(db, patient=patient, label="R")
            for patient in objecting:
                for doctor in doctors:
                    await object_to(db, patient=patient, provider=doctor)
    their_doctor, their_supervisor = await _providers(circle, other, 2)
    [theirs] = await _patients(circle, other, 1)
    await _duties(circle, other, [(their_doctor, {"duty": "break_glass"}), (their_supervisor, {"duty": "supervisor"})])
    return Practice(
        at, circle, own, unit, doctors, outsider, deciders, subordinate, relative, manager, office, second_office, sick,
        labelled, objecting, other, {"clinician": their_doctor, "supervisor": their_supervisor, "patient": theirs},
    )  # fmt: skip


async def _providers(circle: CareCircle, organization: UUID, count: int) -> tuple[ProviderId, ...]:
    async with transaction(circle.engine, organization) as db:
        return tuple(
            [
                await directory.register_provider(db, provider_id=new_id(), organization_id=organization, actor=ACTOR)
                for _ in range(count)
            ]
        )


async def _patients(circle: CareCircle, organization: UUID, count: int) -> tuple[PatientId, ...]:
    async with transaction(circle.engine, organization) as db:
        return tuple(
            [
                await directory.register_patient(db, patient_id=new_id(), organization_id=organization, actor=ACTOR)
                for _ in range(count)
            ]
        )


async def _duties(circle: CareCircle, organization: UUID, given: Iterable[tuple[UUID, dict[str, Any]]]) -> None:
    async with transaction(circle.engine, organization) as db:
        for provider, said in given:
            await add_duty(db, provider=provider, **said, organization=organization, actor=ACTOR)
