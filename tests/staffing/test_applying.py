"""Applying a plan: facts handed over and ended, in batches that resume, once, with what changed since left alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from carecircle.errors import InvalidRequest, ReassignmentNotFound
from carecircle.staffing.apply_service import apply_batch
from carecircle.staffing.plan_service import Wish
from tests.conftest import Hospital
from tests.staffing.clinic import Clinic

Run = Callable[[Callable[[Hospital], Any]], Any]
FACTS = "select count(*) from carecircle.patient_assignments"


def test_everything_goes_to_the_receivers(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital, panel=5)
        await clinic.consulting(clinic.panel[0], clinic.leaver)
        plan = await clinic.plan()
        before = await clinic.circle()
        assert len(await clinic.sees(clinic.leaver)) == 5
        assert await clinic.circle() == before, "planning changes nothing"
        planned = await clinic.letters(plan)
        progress = await clinic.apply(plan)
        assert progress.outcomes == {"handed-over": 6}
        assert await clinic.sees(clinic.leaver) == {}
        for patient, provider in planned.items():
            assert "primary" in (await clinic.sees(provider))[patient]
        assert sorted((await clinic.sees(planned[clinic.panel[0]]))[clinic.panel[0]]) == ["consulting", "primary"]
        sizes = [len(await clinic.sees(one)) for one in clinic.receivers]
        assert sorted(sizes) == [2, 3]
        certificate = await clinic.certificate(plan)
        assert (certificate.patients, certificate.without) == (5, [])
        assert (await clinic.status(plan)).state == "applied"

    in_hospital(body)


def test_batches_resume_and_nothing_is_done_twice(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital, panel=5)
        plan = await clinic.plan()
        async with hospital.change() as db:
            batch = await apply_batch(db, reassignment_id=plan.id, patients=2, **clinic.by)
        assert (batch.outcomes.total(), batch.left) == (2, 3)
        assert (await clinic.status(plan)).state == "applying"

        async def killed() -> None:
            async with hospital.change() as db:
                await apply_batch(db, reassignment_id=plan.id, patients=2, **clinic.by)
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            await killed()
        assert (await clinic.status(plan)).outcomes == {("apply", "handed-over"): 2}
        await asyncio.gather(clinic.apply(plan, patients=1), clinic.apply(plan, patients=2))
        assert (await clinic.status(plan)).outcomes == {("apply", "handed-over"): 5}
        # For each patient: the leaver's row, closed; what it was until then; the receiver's.
        assert await clinic.count(FACTS) == 15
        assert (await clinic.apply(plan)).done == 0
        assert await clinic.count(FACTS) == 15
        assert (
            await clinic.count(
                "select count(*) from carecircle.patient_assignments where superseded_at = 'infinity' and is_primary_provider"
                " and ends_at = 'infinity'"
            )
            == 5
        )

    in_hospital(body)


def test_a_patient_whose_primary_changed_is_skipped(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital, panel=3)
        other = await hospital.provider()
        changed = clinic.panel[1]
        await clinic.consulting(changed, clinic.leaver)
        plan = await clinic.plan()
        await clinic.primary(changed, other)
        assert (await clinic.preview(plan)).changed == 1
        progress = await clinic.apply(plan)
        assert progress.outcomes == {"handed-over": 2, "changed-since": 2}
        assert "primary" in (await clinic.sees(other))[changed]
        assert list(await clinic.sees(clinic.leaver)) == [changed], "the consulting row of a skipped patient stays"
        assert (await clinic.certificate(plan)).without == []

    in_hospital(body)


def test_a_dated_handover_is_ordinary_future_rows(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital, panel=4)
        leaves = await clinic.now() + timedelta(days=10)
        plan = await clinic.plan(effective_at=leaves)
        before = await clinic.circle()
        await clinic.apply(plan)
        assert await clinic.circle() == before
        assert await clinic.circle(as_of=leaves - timedelta(microseconds=1)) == before
        assert await clinic.sees(clinic.leaver, as_of=leaves) == {}
        assert sum([len(await clinic.sees(one, as_of=leaves)) for one in clinic.receivers]) == 4
        certificate = await clinic.certificate(plan)
        assert (certificate.effective_at, certificate.patients, certificate.without) == (leaves, 4, [])

    in_hospital(body)


def test_what_is_personal_or_held_already_is_only_ended(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital, panel=0, receivers=1)
        first, second = await hospital.patient(), await hospital.patient()
        (receiver,) = clinic.receivers
        await clinic.emergency(first, clinic.leaver)
        await clinic.consulting(second, clinic.leaver)
        await clinic.consulting(second, receiver)
        plan = await clinic.plan()
        assert (await clinic.preview(plan)).counts == {
            ("direct-assignment", "end", "personal"): 1,
            ("direct-assignment", "hand-over", "even-spread"): 1,
        }
        assert (await clinic.apply(plan)).outcomes == {"ended": 2}
        assert await clinic.sees(clinic.leaver) == {}
        assert await clinic.sees(receiver) == {second: ("consulting",)}

    in_hospital(body)


def test_seats_go_to_the_one_who_takes_the_patients(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital, panel=3)
        first, second = clinic.receivers
        shared = await clinic.team([clinic.leaver, second], clinic.panel)
        own = await clinic.team([clinic.leaver], clinic.panel[:2], role="resident")
        plan = await clinic.plan()
        assert set((await clinic.letters(plan)).values()) == {second}, "who shares a team comes first"
        assert await clinic.apply(plan)
        seats = await clinic.count(
            f"select count(*) from carecircle.care_team_members where care_team_id = '{own}' and provider_id = '{second}'"
            " and member_role = 'resident' and scope = array['read','write','order'] and superseded_at = 'infinity'"
        )
        assert seats == 1
        assert (await clinic.preview(plan)).counts[("care-team-seat", "end", "already-on-team")] == 1
        assert await clinic.sees(clinic.leaver) == {}
        assert await clinic.sees(first) == {}
        assert (
            await clinic.count(
                f"select count(*) from carecircle.care_team_members where care_team_id = '{shared}'"
                " and superseded_at = 'infinity' and ends_at = 'infinity'"
            )
            == 1
        )

    in_hospital(body)


def test_exceptions_stay_with_the_leaver_and_on_the_certificate(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital, panel=4, receivers=1)
        refused = clinic.panel[0]
        plan = await clinic.plan(2, wishes=[Wish(refused, clinic.receivers[0], never=True)])
        seen = await clinic.preview(plan)
        assert seen.counts == {
            ("direct-assignment", "hand-over", "even-spread"): 2,
            ("direct-assignment", "exception", "over-cap"): 1,
            ("direct-assignment", "exception", "restricted"): 1,
        }
        assert [(one.before, one.after) for one in seen.panels] == [(0, 2)]
        await clinic.apply(plan)
        assert [(one.before, one.after) for one in (await clinic.preview(plan)).panels] == [(0, 2)]
        certificate = await clinic.certificate(plan)
        assert certificate.patients == 4
        assert certificate.without == [(refused, "still-with-leaver"), (clinic.panel[3], "still-with-leaver")]
        await clinic.end(refused, clinic.leaver)
        assert (await clinic.certificate(plan)).without[0] == (refused, "no-primary")

    in_hospital(body)


def test_a_plan_needs_destinations_and_a_date_to_come(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital, panel=1, receivers=1)
        with pytest.raises(InvalidRequest, match="past"):
            await clinic.plan(effective_at=await clinic.now() - timedelta(days=1))
        receivers, clinic.receivers = clinic.receivers, []
        with pytest.raises(InvalidRequest, match="destination"):
            await clinic.plan()
        clinic.receivers = [clinic.leaver]
        with pytest.raises(InvalidRequest, match="destination"):
            await clinic.plan()
        clinic.receivers = receivers
        plan = await clinic.plan()
        with pytest.raises(ReassignmentNotFound):
            async with hospital.change() as db:
                await apply_batch(db, reassignment_id=UUID(int=7), **clinic.by)
        assert (await clinic.apply(plan)).done == 1

    in_hospital(body)


def test_every_fact_and_every_closing_names_its_entry(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital, panel=2)
        await clinic.team([clinic.leaver], clinic.panel)
        plan = await clinic.plan()
        await clinic.apply(plan)
        assert await clinic.entries("handed-over") == 3, "one a patient, one a seat"
        assert await clinic.unaudited() == 0
        await clinic.revert(plan)
        assert await clinic.entries("handover-reverted") == 3
        assert await clinic.unaudited() == 0

    in_hospital(body)
