"""Two organizations whose people have the same ids: what one says about them changes no answer of the other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from proofs.tenancy_rows import Row, as_tenant, insert

from carecircle import AccessDecision
from carecircle.database.session import instant
from tests.conftest import Hospital, open_hospital

Run = Callable[[Callable[[Hospital], Any]], Any]


class Twins:
    """`here` and `there` have registered the same ids: providers a, b, c, d and patients p, q, r, s."""

    def __init__(self, here: Hospital, there: Hospital, app: asyncpg.Connection, now: Any) -> None:
        self.here, self.there, self.app, self.now = here, there, app, now
        self.a, self.b, self.c, self.d, self.p, self.q, self.r, self.s = (uuid4() for _ in range(8))
        self.referral = uuid4()

    async def register(self) -> None:
        for hospital in (self.here, self.there):
            for provider in (self.a, self.b, self.c, self.d):
                await hospital.provider(provider_id=provider)
            for patient in (self.p, self.q, self.r, self.s):
                await hospital.patient(patient_id=patient)

    async def say(self, hospital: Hospital, table: str, **row: object) -> None:
        id_ = uuid4()
        clocks: Row = {"starts_at": self.now - timedelta(hours=1), "ends_at": self.now + timedelta(days=1)}
        fact: Row = {"id": id_, "lineage_id": id_, "entry_id": id_, **clocks, **row}
        async with as_tenant(self.app, hospital.organization):
            await insert(self.app, hospital.organization, table, fact)

    async def assign(self, hospital: Hospital, patient: UUID, provider: UUID, **row: object) -> None:
        said: Row = {"patient_id": patient, "provider_id": provider, "assignment_type": "consulting", "scope": ["read"]}
        await self.say(hospital, "patient_assignments", **said, **row)

    async def ask(self, hospital: Hospital, provider: UUID, patient: UUID, action: str = "read") -> AccessDecision:
        return await hospital.circle.access.check(
            provider, action, patient, organization=hospital.organization, actor="test"
        )

    async def break_glass(self, hospital: Hospital, patient: UUID, provider: UUID, **row: object) -> None:
        hour = timedelta(hours=1)
        said: Row = {
            "patient_id": patient, "provider_id": provider, "state": "provisional", "mode": "provisional",
            "reason_code": "other", "scope": ["read"], "wanted_scope": ["read"], "asked_at": self.now - hour,
            "wanted_until": self.now + hour, "opened_at": self.now - hour, "ends_at": self.now + hour, **row,
        }  # fmt: skip
        await self.say(hospital, "emergency_access", **said)

    async def offered(self, provider: UUID, patient: UUID) -> tuple[bool, bool]:
        """Whether the one who is refused is told that they may break the glass, here and there."""
        answers = [await self.ask(hospital, provider, patient, "share") for hospital in (self.here, self.there)]
        here, there = ("break-glass" in {one.kind for one in answer.remedies} for answer in answers)
        return here, there

    async def both(self, provider: UUID, patient: UUID, action: str = "read") -> tuple[str, str]:
        """The codes here and there, asked at once, so that one statement answers both."""
        answers = await asyncio.gather(
            *(self.ask(hospital, provider, patient, action) for hospital in (self.here, self.there))
        )
        return answers[0].code, answers[1].code

    async def listed(self, hospital: Hospital, wanted: str, given: UUID) -> set[UUID]:
        ask = hospital.circle.access.list_patients if wanted == "patients" else hospital.circle.access.list_providers
        return {one.id for one in (await ask(given, organization=hospital.organization, actor="test")).rows}


def test_what_is_said_there_changes_nothing_here(in_hospital: Run) -> None:
    async def body(here: Hospital) -> None:
        app = await asyncpg.connect(here.circle.reach.dsn("app"))
        try:
            async with open_hospital(here.circle) as there:
                async with here.change() as db:
                    now = await instant(db)
                await tell_and_ask(Twins(here, there, app, now))
        finally:
            await app.close()

    in_hospital(body)


async def tell_and_ask(twins: Twins) -> None:
    await twins.register()
    here, there, a, b, c = twins.here, twins.there, twins.a, twins.b, twins.c
    # A has all four here and there; C has P by what it rests on. Nothing more is said here.
    for hospital in (here, there):
        for patient in (twins.p, twins.q, twins.r, twins.s):
            await twins.assign(hospital, patient, a)
        await twins.assign(hospital, twins.p, c, rests_on=["licence"])
        await twins.assign(hospital, twins.q, c, referral_id=twins.referral)
        await twins.say(hospital, "access_restrictions", kind="objection", provider_id=c, patient_id=twins.s)
    assert await twins.both(b, twins.p) == ("no-relationship",) * 2
    assert await twins.both(c, twins.p) == ("no-relationship",) * 2
    assert await twins.both(c, twins.q) == ("no-relationship",) * 2

    # There, B stands in for A, C holds a licence and was referred to, and a policy knows another action.
    await twins.say(
        there, "coverage_arrangements", arrangement_id=uuid4(), covered_provider_id=a, covering_provider_id=b,
        coverage_type="full", scope=["read"], duty_ends_at=twins.now + timedelta(days=1),
    )  # fmt: skip
    await twins.say(there, "provider_credentials", provider_id=c, kind="licence", code="MD")
    await twins.say(
        there, "referrals", lineage_id=twins.referral, patient_id=twins.q, referring_provider_id=a, specialty_code="X"
    )
    await twins.say(there, "policies", version=1, document="{}", actions=["transport"])
    assert await twins.both(b, twins.p) == ("no-relationship", "allowed")
    assert await twins.both(c, twins.p) == ("no-relationship", "allowed")
    assert await twins.both(c, twins.q) == ("no-relationship", "allowed")
    assert await twins.both(a, twins.p, "transport") == ("unknown-action", "action-not-granted")
    assert await twins.listed(here, "patients", b) == set()
    assert await twins.listed(there, "patients", b) == {twins.p, twins.q, twins.r, twins.s}
    assert await twins.listed(here, "providers", twins.p) == {a}
    assert await twins.listed(there, "providers", twins.p) == {a, b, c}

    # There, D may break the glass, and has done so; here they may not, and what they had is over.
    await twins.break_glass(here, twins.p, twins.d, ends_at=twins.now - timedelta(minutes=30))
    assert await twins.both(twins.d, twins.p) == ("no-relationship",) * 2
    await twins.break_glass(there, twins.p, twins.d, despite=["objection"])
    await twins.say(there, "duties", provider_id=twins.d, duty="break_glass")
    assert await twins.both(twins.d, twins.p) == ("no-relationship", "allowed")
    assert await twins.offered(twins.d, twins.q) == (False, True)
    assert await twins.listed(here, "patients", twins.d) == set()
    assert await twins.listed(there, "patients", twins.d) == {twins.p}
    assert await twins.listed(here, "providers", twins.p) == {a}
    assert await twins.listed(there, "providers", twins.p) == {a, b, c, twins.d}
    await twins.say(there, "access_restrictions", kind="objection", provider_id=twins.d, patient_id=twins.p)
    assert await twins.both(twins.d, twins.p) == ("no-relationship", "allowed")

    # There, Q objects to A, R is labelled (B is let in by coverage alone), S is merged into P, and C is suspended.
    await twins.say(there, "access_restrictions", kind="objection", provider_id=a, patient_id=twins.q)
    await twins.say(there, "patient_labels", patient_id=twins.r, label="CEL")
    await twins.say(there, "patient_merges", patient_id=twins.s, into_patient_id=twins.p)
    await twins.say(there, "access_restrictions", kind="suspension", provider_id=c, patient_id=None)
    assert await twins.both(a, twins.q) == ("allowed", "restricted")
    assert await twins.both(b, twins.r) == ("no-relationship", "restricted")
    assert await twins.both(c, twins.p) == ("no-relationship", "restricted")
    # B is let in to nobody called S here; there they are followed to P, to whom B is let in.
    assert (await twins.ask(here, b, twins.s)).question.patient_id == twins.s
    assert await twins.listed(here, "patients", a) == {twins.p, twins.q, twins.r, twins.s}
    assert await twins.listed(there, "patients", b) == {twins.p, twins.s}
    assert await twins.listed(here, "providers", twins.q) == {a}
    assert await twins.listed(there, "providers", twins.r) == {a}

    # The same said here has the same effect: it was the organization, and nothing else, that kept them apart.
    await twins.say(here, "provider_credentials", provider_id=c, kind="licence", code="MD")
    await twins.say(here, "access_restrictions", kind="objection", provider_id=a, patient_id=twins.q)
    assert await twins.both(c, twins.p) == ("allowed", "restricted")
    await twins.break_glass(here, twins.p, twins.d)
    await twins.say(here, "duties", provider_id=twins.d, duty="break_glass")
    assert await twins.both(twins.d, twins.p) == ("allowed", "allowed")
    assert await twins.offered(twins.d, twins.q) == (True, True)
    assert await twins.both(a, twins.q) == ("restricted", "restricted")
