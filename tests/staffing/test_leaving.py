"""Offboarding in one act, gaps now and ahead, capacities on the clock, findings resolved by choosing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from carecircle.actor import Actor
from carecircle.assignments.service import assign_primary, primary_of
from carecircle.audit.entry import Entry, append
from carecircle.database.session import instant
from carecircle.directory.tables import ProviderAbsence, ProviderRole
from carecircle.errors import FindingNotFound, InvalidRequest, ProviderNotRegistered, RulesViolated
from carecircle.findings.service import NewFinding, list_open, record
from carecircle.staffing.gaps_service import gaps
from carecircle.staffing.offboard_service import offboard
from carecircle.staffing.panel_service import panels, set_capacity
from carecircle.staffing.resolve_service import Keep, resolve_finding
from tests.conftest import Hospital
from tests.staffing.clinic import Clinic

Run = Callable[[Callable[[Hospital], Any]], Any]
HEART = "207RC0000X"


def test_offboarding_ends_everything_in_the_registry(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital, panel=3)
        (other, *_) = clinic.receivers
        await clinic.consulting(clinic.panel[0], clinic.leaver)
        shared = await hospital.patient()
        await clinic.primary(shared, other)
        await clinic.consulting(shared, clinic.leaver)
        await clinic.team([clinic.leaver, other], clinic.panel)
        async with hospital.change() as db:
            await set_capacity(db, provider=clinic.leaver, capacity=5, **clinic.by)
        await clinic.fact(ProviderRole(provider_id=clinic.leaver, role_code="doctor"))
        expected = {"direct-assignment": 5, "care-team-seat": 1, "provider-role": 1, "panel-capacity": 1}
        before = await clinic.sees(clinic.leaver)
        async with hospital.change() as db:
            seen = await offboard(db, person=clinic.leaver, dry_run=True, **clinic.by)
        assert (seen.ended, seen.without_primary) == (expected, clinic.panel)
        assert await clinic.sees(clinic.leaver) == before
        at = await clinic.now()
        async with hospital.change() as db:
            done = await offboard(db, person=clinic.leaver, **clinic.by)
        assert (done.ended, done.without_primary) == (expected, clinic.panel)
        assert await clinic.sees(clinic.leaver) == {}
        assert await clinic.sees(clinic.leaver, as_of=at) == before
        assert list(await clinic.sees(other)) == sorted([*clinic.panel, shared])
        async with hospital.change() as db:
            again = await offboard(db, person=clinic.leaver, **clinic.by)
        assert (again.ended, again.without_primary) == ({}, [])
        assert await clinic.entries("offboarded") == 5
        assert await clinic.unaudited() == 0

    in_hospital(body)


def test_offboarding_ends_what_surrounds_a_provider(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital, panel=1)
        leaver, (other, deputy) = clinic.leaver, clinic.receivers
        theirs, referred, sent = [await hospital.patient() for _ in range(3)]
        await clinic.primary(theirs, other)
        await clinic.credential(leaver, HEART)
        await clinic.credential(other, HEART)
        await clinic.fact(ProviderAbsence(provider_id=leaver, ends_at=await clinic.now() + timedelta(days=3)))
        await clinic.covers(leaver, other, grace=timedelta(hours=1))
        await clinic.covers(deputy, leaver)
        later = await clinic.now() + timedelta(days=90)
        await clinic.covers(leaver, deputy, starts_at=later, duty_ends_at=later + timedelta(days=1))
        to_them = await clinic.referred(referred, other, leaver, HEART)
        from_them = await clinic.referred(sent, leaver, other, HEART)
        objecting = await hospital.patient()
        await clinic.restrict(leaver, objecting)
        expected = {
            "direct-assignment": 2, "referral": 1, "coverage-given": 2, "coverage-received": 1, "provider-credential": 1,
            "provider-absence": 1,
        }  # fmt: skip
        pairs = [
            (leaver, theirs), (leaver, referred), (leaver, clinic.panel[0]), (deputy, clinic.panel[0]),
            (other, theirs), (other, sent),
        ]  # fmt: skip
        assert [await clinic.check(*pair) for pair in pairs] == ["allowed"] * 6
        async with hospital.change() as db:
            seen = await offboard(db, person=leaver, dry_run=True, **clinic.by)
        assert (seen.ended, seen.without_primary) == (expected, clinic.panel)
        at = await clinic.now()
        async with hospital.change() as db:
            done = await offboard(db, person=leaver, **clinic.by)
        assert (done.ended, done.without_primary) == (expected, clinic.panel)
        assert [await clinic.check(*pair) for pair in pairs] == ["no-relationship"] * 4 + ["allowed"] * 2
        assert [await clinic.check(*pair, as_of=at) for pair in pairs] == ["allowed"] * 6
        assert await clinic.believed("coverage_arrangements", "id", "true") == []
        assert await clinic.believed("referrals", "lineage_id", "true") == [(from_them.lineage_id,)]
        assert (await clinic.count(f"select count(*) from carecircle.referrals where id = '{to_them.id}'")) == 1
        assert await clinic.believed("access_restrictions", "kind", "true") == [("objection",)]
        assert await clinic.believed("provider_credentials", "provider_id", "true") == [(other,)]
        # Of an arrangement that had begun, duty and access end together; one that was to come is gone.
        assert (
            await clinic.count(
                "select count(*) from carecircle.coverage_arrangements where superseded_at = 'infinity'"
                " and duty_ends_at = ends_at and starts_at < ends_at"
            )
            == 2
        )
        with pytest.raises(RulesViolated, match="objects"):  # an objection outlives who it is about
            await clinic.consulting(objecting, leaver)
        assert await clinic.unaudited() == 0

    in_hospital(body)


def test_offboarding_after_a_handover_leaves_nobody_alone(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital, panel=3)
        await clinic.apply(await clinic.plan())
        async with hospital.change() as db:
            done = await offboard(db, person=clinic.leaver, **clinic.by)
        assert (done.ended, done.without_primary) == ({}, [])
        with pytest.raises(ProviderNotRegistered):
            async with hospital.change() as db:
                await offboard(db, person=UUID(int=5), **clinic.by)

    in_hospital(body)


def test_offboarding_ends_what_a_change_in_flight_leaves_behind(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital, panel=1)

        async def away() -> list[UUID]:
            async with hospital.change() as db:
                return (await offboard(db, person=clinic.leaver, **clinic.by)).without_primary

        async with hospital.change() as db:
            # Demotes the leaver to consulting, and is not committed while offboarding begins.
            await assign_primary(db, patient=clinic.panel[0], provider=clinic.receivers[0], **clinic.by)
            leaving = asyncio.create_task(away())
            await asyncio.sleep(0.3)
            assert not leaving.done()
        assert await leaving == []
        assert await clinic.sees(clinic.leaver) == {}
        assert list(await clinic.sees(clinic.receivers[0])) == clinic.panel

    in_hospital(body)


def test_gaps_now_and_ahead(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital, panel=2, receivers=1)
        alone = await hospital.patient()

        async def found(days: int) -> tuple[int, int, list[UUID]]:
            async with hospital.change() as db:
                seen = await gaps(db, days=days, organization=hospital.organization)
            return seen.now, seen.ahead, [one.patient_id for one in seen.gaps]

        assert await found(30) == (1, 0, [alone])
        leaves = await clinic.now() + timedelta(days=10)
        await clinic.until(
            clinic.panel[0], clinic.leaver, leaves, then=(clinic.receivers[0], leaves + timedelta(days=5))
        )
        assert await found(9) == (1, 0, [alone])
        assert await found(10) == (1, 1, [alone, clinic.panel[0]])
        async with hospital.change() as db:
            seen = await gaps(db, days=10, organization=hospital.organization)
        assert (seen.gaps[1].starts_at, seen.gaps[1].ends_at) == (leaves, leaves + timedelta(days=5))
        await clinic.apply(await clinic.plan(effective_at=leaves))
        assert await found(365) == (1, 1, [alone, clinic.panel[0]]), "a dated handover leaves no gap"

    in_hospital(body)


def test_capacities_are_dated_and_plans_keep_to_them(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital, panel=5)
        first, second = clinic.receivers
        closes = await clinic.now() + timedelta(days=10)
        async with hospital.change() as db:
            await set_capacity(db, provider=first, capacity=1, **clinic.by)
            same = await set_capacity(db, provider=second, capacity=4, **clinic.by)
            assert (await set_capacity(db, provider=second, capacity=4, **clinic.by)).id == same.id
            await set_capacity(db, provider=second, capacity=4, accepts_new=False, starts_at=closes, **clinic.by)
            later = await panels(db, providers=[second], as_of=closes, organization=hospital.organization)
            today = await panels(db, providers=[second], organization=hospital.organization)
        assert (today[second].accepts_new, later[second].accepts_new) == (True, False)
        now = await clinic.preview(await clinic.plan())
        assert [(one.before, one.after) for one in now.panels] == [(0, 1), (0, 4)]
        then = await clinic.preview(await clinic.plan(effective_at=closes))
        assert [(one.before, one.after) for one in then.panels] == [(0, 1), (0, 0)]
        assert {one.reason for one in then.exceptions} == {"no-match"}
        with pytest.raises(InvalidRequest):
            async with hospital.change() as db:
                await set_capacity(db, provider=first, capacity=-1, **clinic.by)

    in_hospital(body)


@pytest.mark.parametrize("keep", ["present", "proposed", "none"])
def test_a_finding_is_resolved_by_choosing(in_hospital: Run, keep: Keep) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital, panel=1, receivers=1)
        (patient,), (proposed,) = clinic.panel, clinic.receivers
        finding = await _finding(hospital, "primary-already-assigned", patient, proposed)
        async with hospital.change() as db:
            chosen = await resolve_finding(db, finding_id=finding, keep=keep, **clinic.by)
            now = await primary_of(db, patient=patient, organization=hospital.organization)
            assert await list_open(db, hospital.organization) == []
        assert chosen == {"present": clinic.leaver, "proposed": proposed, "none": None}[keep]
        assert (now.provider_id if now else None) == chosen
        with pytest.raises(FindingNotFound):
            async with hospital.change() as db:
                await resolve_finding(db, finding_id=finding, keep=keep, **clinic.by)

    in_hospital(body)


def test_a_finding_about_something_else_is_not_resolved_by_choosing(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital, panel=1, receivers=1)
        other = await _finding(hospital, "reference-dangling", clinic.panel[0], None)
        nobody = await _finding(hospital, "primary-already-assigned", clinic.panel[0], None)
        for finding in (other, nobody):
            with pytest.raises(InvalidRequest):
                async with hospital.change() as db:
                    await resolve_finding(db, finding_id=finding, keep="proposed", **clinic.by)
        async with hospital.change() as db:
            chosen = await resolve_finding(
                db, finding_id=nobody, keep="proposed", proposed=clinic.receivers[0], **clinic.by
            )
        assert chosen == clinic.receivers[0]

    in_hospital(body)


async def _finding(hospital: Hospital, code: str, patient: UUID, provider: UUID | None) -> UUID:
    async with hospital.change() as db:
        entry = Entry(hospital.organization, "change", Actor("test"), "finding-recorded")
        await append(db, entry)
        told = NewFinding("test", f"Patient/{code}", "0", code, "A sentence.", "A remedy.", patient, provider)
        await record(db, hospital.organization, told, entry.id, await instant(db))
        found = await list_open(db, hospital.organization, codes=[code])
        return found[0].id
