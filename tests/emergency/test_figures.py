"""Figures of emergency access: counted from the facts of a period, with the times to a decision as a distribution."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from carecircle.emergency.figures_service import NO_UNIT, figures, spread
from carecircle.errors import InvalidPeriod
from tests.conftest import Hospital
from tests.emergency.kept import Kept

InHospital = Callable[[Callable[[Hospital], Any]], Any]


def test_percentiles_are_times_that_occurred() -> None:
    times = spread(range(1, 101))
    assert (times.count, times.median, times.p90, times.p99, times.longest) == (100, 50, 90, 99, 100)
    assert dict(times.buckets) == {
        15: 15, 30: 15, 60: 30, 120: 40, 180: 0, 300: 0, 600: 0, 900: 0, 1800: 0, 3600: 0, None: 0,
    }  # fmt: skip
    one = spread([7000.0])
    assert (one.median, one.p90, one.p99, one.longest) == (7000.0,) * 4
    assert one.buckets[-1] == (None, 1)
    nothing = spread([])
    assert (nothing.count, nothing.median, nothing.p99, nothing.longest) == (0, None, None, None)
    assert sum(count for _, count in nothing.buckets) == 0


def test_everything_is_counted_once(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        kept = await Kept.open(hospital)
        asker, supervisor, reviewer = [await hospital.provider() for _ in range(3)]

        def by(minutes: float) -> dict[str, Any]:
            return {"decided_by_id": supervisor, "decided_at": kept.at(minutes)}

        async def access(*states: tuple[str, float, dict[str, Any]], **said: Any) -> None:
            await kept.access(asker, await hospital.patient(), *states, **said)

        verdict = {"verdict": "justified", "reviewed_by_id": reviewer}
        # Approved after two minutes, lengthened later: the first decision counts. Then ended and reviewed.
        await access(
            ("provisional", -500, {}), ("approved", -498, by(-498)), ("approved", -480, by(-480)),
            ("ended", -400, {"ended_because": "clinician"}), ("reviewed", -300, verdict),
        )  # fmt: skip
        # Approved after eight minutes and taken back; its review is overdue.
        await access(
            ("provisional", -490, {}), ("approved", -482, by(-482)), ("denied", -470, by(-470)),
            review_due_at=kept.at(-10), reason_code="transfer",
        )  # fmt: skip
        await access(("provisional", -460, {"ends": -445}))  # expired without a decision
        await access(("requested", -450, {"ends": -390}), mode="gated", opened_at=None)  # so did this, opening nothing
        await access(
            ("provisional", -440, {}), ("ended", -438, {"ended_because": "relationship"})
        )  # before the deadline
        await access(("provisional", -430, {"ends": -370}), mode="immediate")  # needs no decision
        await access(("provisional", -420, {}), ("ended", -400, {}), mode="downtime", review_due_at=kept.at(-20))
        await access(("provisional", -1, {"ends": 14}))  # there is still time
        await access(("provisional", -9000, {"ends": -8985}))  # before the period
        async with hospital.change() as db:
            found = await figures(db, since=kept.at(-600), **kept.of)
        assert (found.asked, found.opened) == (8, 7)
        assert found.by_mode == {"provisional": 5, "downtime": 1, "gated": 1, "immediate": 1}
        assert found.by_reason == {"life-threat": 7, "transfer": 1}
        assert found.by_unit == {NO_UNIT: 8}
        assert (found.decided, found.approved, found.denied) == (2, 2, 1)
        assert (found.undecided_in_time, found.expired_undecided) == (3, 2)
        assert (found.converted, found.reviewed, found.review_overdue) == (1, 1, 2)
        assert found.by_verdict == {"justified": 1}
        times = found.time_to_decision
        assert (times.count, times.median, times.p90, times.longest) == (2, 120.0, 480.0, 480.0)
        assert {edge: count for edge, count in times.buckets if count} == {120: 1, 600: 1}
        shown = json.loads(json.dumps(found.as_json()))
        assert shown["time_to_decision"]["buckets"][3] == {"seconds": 120, "count": 1}
        assert shown["until"] is None
        async with hospital.change() as db:
            earlier = await figures(db, until=kept.at(-600), **kept.of)
            edge = await figures(db, since=kept.at(-490), until=kept.at(-460), **kept.of)
            with pytest.raises(InvalidPeriod):
                await figures(db, since=kept.at(0), until=kept.at(0), **kept.of)
        assert (earlier.asked, earlier.expired_undecided) == (1, 1)
        assert (edge.asked, edge.denied) == (1, 1)

    in_hospital(body)


def test_what_ended_because_somebody_left_did_not_expire(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        kept = await Kept.open(hospital)
        asker = await hospital.provider()
        for because in ("offboarded", "merged", "parted"):
            left = ("ended", -20, {"ended_because": because})
            await kept.access(asker, await hospital.patient(), ("provisional", -30, {}), left)
        await kept.access(asker, await hospital.patient(), ("provisional", -40, {"ends": -25}))
        async with hospital.change() as db:
            found = await figures(db, **kept.of)
        assert (found.asked, found.expired_undecided, found.converted) == (4, 1, 0)

    in_hospital(body)


def test_the_policy_of_that_time_says_what_was_late(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        kept = await Kept.open(hospital)
        asker = await hospital.provider()
        await kept.policy({"emergency_decide_minutes": 20}, begins=-50)
        await kept.access(asker, await hospital.patient(), ("provisional", -40, {"ends": -25}))
        await kept.access(asker, await hospital.patient(), ("provisional", -60, {"ends": -45}))
        async with hospital.change() as db:
            assert (await figures(db, **kept.of)).undecided_in_time == 1

    in_hospital(body)


def test_another_organization_is_not_counted(in_hospital: InHospital) -> None:
    async def first(hospital: Hospital) -> None:
        kept = await Kept.open(hospital)
        await kept.access(await hospital.provider(), await hospital.patient(), ("provisional", -30, {"ends": -15}))
        async with hospital.change() as db:
            assert (await figures(db, **kept.of)).asked == 1

    async def second(hospital: Hospital) -> None:
        async with hospital.change() as db:
            assert (await figures(db, organization=hospital.organization)).asked == 0

    in_hospital(first)
    in_hospital(second)
