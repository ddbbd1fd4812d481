"""Taking a handover back: now the circle is what it was, at every instant; what was believed meanwhile stays on record."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from carecircle.assignments.service import history_of
from carecircle.errors import ReassignmentReverted, RevertWindowClosed
from carecircle.staffing.revert_service import revert_batch
from tests.conftest import Hospital
from tests.staffing.clinic import Clinic

Run = Callable[[Callable[[Hospital], Any]], Any]
HEART = "207RC0000X"


def test_the_circle_is_what_it_was_at_every_instant(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital, panel=4)
        await clinic.consulting(clinic.panel[0], clinic.leaver)
        await clinic.team([clinic.leaver], clinic.panel)
        await clinic.team([clinic.leaver, clinic.receivers[0]], clinic.panel[:1])
        begun = await clinic.now()
        before = await clinic.circle(as_of=begun)
        plan = await clinic.plan()
        await clinic.apply(plan, patients=2)
        between = await clinic.now()
        handed_over = await clinic.circle(as_of=between)
        assert handed_over != before
        progress = await clinic.revert(plan, patients=3)
        assert progress.outcomes == {"restored": 7}
        ended = await clinic.now()
        for step in range(9):
            at = begun + (ended - begun) * step / 8
            assert await clinic.circle(as_of=at) == before
        assert await clinic.circle() == before
        assert await clinic.circle(as_of=ended + timedelta(days=365)) == before
        assert await clinic.circle(as_of=between, believed_at=between) == handed_over
        assert await clinic.circle(as_of=begun, believed_at=begun) == before
        assert (await clinic.status(plan)).state == "reverted"
        assert (await clinic.revert(plan)).done == 0
        with pytest.raises(ReassignmentReverted):
            await clinic.apply(plan)

    in_hospital(body)


def test_what_surrounds_the_panel_is_restored_too(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital, panel=2)
        first, second = clinic.receivers
        deputy, theirs, referred = await hospital.provider(), await hospital.patient(), await hospital.patient()
        await clinic.primary(theirs, first)
        await clinic.covers(clinic.leaver, first, grace=timedelta(hours=1))
        await clinic.covers(deputy, clinic.leaver, patient_id=clinic.panel[0])
        await clinic.credential(clinic.leaver, HEART)
        await clinic.credential(second, HEART)
        await clinic.referred(referred, first, clinic.leaver, HEART)

        async def everybody(as_of: datetime | None = None) -> list[object]:
            return [*await clinic.circle(as_of), await clinic.sees(deputy, as_of)]

        rows = [
            ("referrals", "lineage_id, provider_id, referring_provider_id, starts_at, ends_at"),
            ("coverage_arrangements", "lineage_id, covering_provider_id, covered_provider_id, duty_ends_at, ends_at"),
        ]  # fmt: skip
        before = await everybody()
        facts = [await clinic.believed(table, columns, "true") for table, columns in rows]
        plan = await clinic.plan()
        progress = await clinic.apply(plan)
        assert progress.outcomes == {"handed-over": 5, "ended": 1}
        between, after = await clinic.now(), await everybody()
        assert after != before
        assert await clinic.check(second, referred) == await clinic.check(second, theirs) == "allowed"
        assert (await clinic.revert(plan)).outcomes == {"restored": 6}
        assert await everybody() == before
        assert await everybody(between) == before
        assert [await clinic.believed(table, columns, "true") for table, columns in rows] == facts
        assert await clinic.sees(second, as_of=between, believed_at=between) == after[2]
        assert await clinic.unaudited() == 0

    in_hospital(body)


def test_who_stands_in_again_meanwhile_is_not_made_to_twice(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital, panel=1)
        covered = await hospital.provider()
        await clinic.covers(clinic.leaver, covered)
        plan = await clinic.plan()
        await clinic.apply(plan)
        await clinic.covers(clinic.leaver, covered)
        assert (await clinic.revert(plan)).outcomes == {"restored": 1, "changed-since": 1}
        assert len(await clinic.believed("coverage_arrangements", "id", "true")) == 2

    in_hospital(body)


def test_a_dated_handover_is_taken_back_too(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital, panel=2)
        leaves = await clinic.now() + timedelta(days=10)
        before = await clinic.circle()
        plan = await clinic.plan(effective_at=leaves)
        await clinic.apply(plan)
        await clinic.revert(plan)
        assert await clinic.circle() == before
        assert await clinic.circle(as_of=leaves + timedelta(days=1)) == before

    in_hospital(body)


def test_what_somebody_changed_since_stays_changed(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital, panel=3, receivers=1)
        other, changed = await hospital.provider(), clinic.panel[2]
        team = await clinic.team([clinic.leaver], [])
        plan = await clinic.plan()
        await clinic.apply(plan)
        await clinic.primary(changed, other)
        await clinic.seat(team, clinic.leaver)
        progress = await clinic.revert(plan)
        assert progress.outcomes == {"restored": 2, "changed-since": 2}
        assert list(await clinic.sees(clinic.leaver)) == clinic.panel[:2]
        assert list(await clinic.sees(other)) == [changed]
        assert (await clinic.status(plan)).state == "reverted"

    in_hospital(body)


def test_a_restored_row_says_what_the_first_one_said(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital, panel=1)
        plan = await clinic.plan()
        await clinic.apply(plan)
        await clinic.revert(plan)
        async with hospital.change() as db:
            rows = await history_of(db, patient=clinic.panel[0], organization=hospital.organization)
        first, last = rows[0], next(row for row in rows if row.superseded_entry_id is None)
        assert len(rows) == 4
        for name in ("lineage_id", "provider_id", "assignment_type", "scope", "starts_at", "ends_at"):
            assert getattr(first, name) == getattr(last, name)

    in_hospital(body)


def test_after_the_window_it_is_too_late(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital, panel=2)
        plan = await clinic.plan()
        await clinic.apply(plan)
        with pytest.raises(RevertWindowClosed):
            async with hospital.change() as db:
                await revert_batch(db, reassignment_id=plan.id, within=timedelta(0), **clinic.by)
        async with hospital.change() as db:
            await revert_batch(db, reassignment_id=plan.id, patients=1, **clinic.by)
        assert (await clinic.status(plan)).state == "reverting"
        async with hospital.change() as db:
            batch = await revert_batch(db, reassignment_id=plan.id, within=timedelta(0), **clinic.by)
        assert (batch.outcomes, batch.left) == ({"restored": 1}, 0), "a revert that has begun may end"

    in_hospital(body)
