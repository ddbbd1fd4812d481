"""A patient with a family doctor and two cardiologists, and short ways to refer and ask, for the tests of referrals."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self, TypeVar
from uuid import UUID

from carecircle import AccessDecision, acting_as
from carecircle.assignments.service import add_assignment
from carecircle.database.session import instant
from carecircle.directory.credential_service import add_credential
from carecircle.identifiers import PatientId, ProviderId
from carecircle.referrals.service import refer
from carecircle.referrals.tables import Referral
from tests.conftest import Hospital

CARDIOLOGY = "207RC0000X"
DAY = timedelta(days=1)
R = TypeVar("R")


@dataclass(frozen=True)
class Clinic:
    """`family` is the patient's primary provider; `heart` and `other` hold the specialty; `nobody` holds nothing."""

    hospital: Hospital
    patient: PatientId
    family: ProviderId
    heart: ProviderId
    other: ProviderId
    nobody: ProviderId
    now: datetime

    @classmethod
    async def open(cls, hospital: Hospital) -> Self:
        patient = await hospital.patient()
        family, heart, other, nobody = [await hospital.provider() for _ in range(4)]
        async with hospital.change() as db:
            now = await instant(db)
            by: dict[str, Any] = {"organization": hospital.organization, "actor": "test"}
            await add_assignment(
                db, patient=patient, provider=family, assignment_type="primary", starts_at=now - 100 * DAY, **by
            )
            for provider in (heart, other):
                await add_credential(
                    db, provider=provider, kind="specialty", code=CARDIOLOGY, starts_at=now - 100 * DAY, **by
                )
        return cls(hospital, patient, family, heart, other, nobody, now)

    async def do(self, change: Callable[..., Awaitable[R]], **said: Any) -> R:
        """One service call in a transaction of its own, by the actor `test`."""
        async with self.hospital.change() as db:
            return await change(db, organization=self.hospital.organization, actor="test", **said)

    async def read(self, question: Callable[..., Awaitable[R]], **said: Any) -> R:
        async with self.hospital.change() as db:
            return await question(db, organization=self.hospital.organization, **said)

    async def refer(self, provider: UUID | None = None, **said: Any) -> Referral:
        """The patient's own primary refers to cardiology unless said otherwise."""
        given = {"patient": self.patient, "referring": self.family, "specialty_code": CARDIOLOGY, "provider": provider}
        return await self.do(refer, **(given | said))

    async def asked(self, provider: UUID, as_of: datetime | None = None) -> AccessDecision:
        with acting_as(organization=self.hospital.organization, actor="test"):
            return await self.hospital.circle.access.check(provider, "read", self.patient, as_of=as_of)

    async def may(self, provider: UUID, as_of: datetime | None = None) -> bool:
        return (await self.asked(provider, as_of)).allowed

    async def clock(self) -> datetime:
        async with self.hospital.change() as db:
            return await instant(db)
