"""Cover for several patients and in several turns: whom it is for, by which policy, and what a refusal leaves behind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from threading import get_ident
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from carecircle import acting_as
from carecircle.audit.refusal import refusals_recorded
from carecircle.coverage.reading_service import covering_provider
from carecircle.coverage.rota import preview_rota
from carecircle.coverage.rota_service import arrange_rota, turns_of
from carecircle.coverage.service import arrange_coverage
from carecircle.directory.following_service import keep_apart
from carecircle.directory.policy_service import set_policy
from carecircle.errors import InvalidRequest, OverlappingCoverage, RulesViolated
from carecircle.identifiers import new_id, to_text
from carecircle.restrictions.service import lift_suspension, suspend
from carecircle.services.coverage import CrossCoverageManager
from tests.conftest import Hospital
from tests.coverage.clinic import HOUR, Clinic

Run = Callable[[Callable[[Hospital], Any]], Any]
DAY = timedelta(days=1)


def test_nobody_is_not_everybody(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital)
        manager = CrossCoverageManager(hospital.circle, organization=hospital.organization, actor="test")
        nothing: tuple[Sequence[UUID], ...] = ((), [])
        for nobody in nothing:
            with pytest.raises(InvalidRequest, match=r"^Name at least one patient, "):
                await clinic.cover(clinic.a, clinic.b, patients=nobody)
            with pytest.raises(InvalidRequest):
                await manager.create_coverage_arrangement(
                    clinic.a, clinic.b, clinic.now, clinic.now + HOUR, patients=nobody
                )  # fmt: skip
        assert not await clinic.may(clinic.b)
        [row] = await clinic.cover(clinic.a, clinic.b, patients=[clinic.patient])
        assert row.patient_id == clinic.patient
        [row] = await clinic.cover(clinic.a, clinic.c, patients=None)
        assert row.patient_id is None
        assert await clinic.may(clinic.b)
        assert await clinic.may(clinic.c)

    in_hospital(body)


def test_each_turn_goes_by_the_policy_that_holds_when_it_begins(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital)
        said: dict[str, Any] = {
            "covered": clinic.a, "covering": [clinic.b], "rule": "FREQ=DAILY;COUNT=4", "time_zone": "UTC",
            "first": (clinic.now + HOUR).replace(tzinfo=None), "lasts": 2 * HOUR,
        }  # fmt: skip
        later = {"coverage_grace_minutes": 30, "actions": ["discharge"]}
        await clinic.do(set_policy, document=later, starts_at=clinic.now + 2 * DAY)
        with pytest.raises(InvalidRequest):
            await clinic.do(arrange_rota, **said, scope=["read", "discharge"])
        rows = await clinic.do(arrange_rota, **said)
        graces = [row.ends_at - row.duty_ends_at for row in rows]
        assert graces == [timedelta(0)] * 2 + [timedelta(minutes=30)] * 2
        await clinic.do(set_policy, document={"coverage_credentials": ["licence"]}, starts_at=clinic.now + 2 * DAY)
        with pytest.raises(RulesViolated) as refused:
            await clinic.do(arrange_rota, **said | {"covering": [clinic.c]})
        assert [one.code for one in refused.value.violations] == ["credential-missing"] * 2
        # Those before the policy rest on nothing.
        rows = await clinic.do(arrange_rota, **said | {"covering": [clinic.c], "rule": "FREQ=DAILY;COUNT=2"})
        assert [row.rests_on for row in rows] == [[], []]

    in_hospital(body)


def test_a_refusal_names_the_one_patient_and_none_of_several(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital)
        other = await hospital.patient()
        both: list[UUID] = [clinic.patient, other]
        await clinic.cover(clinic.a, clinic.b, patients=both)
        await clinic.do(suspend, provider=clinic.c)
        for patients in (both, [other]):
            for covering, error in ((clinic.b, OverlappingCoverage), (clinic.c, RulesViolated)):
                said = {"starts_at": clinic.now, "ends_at": clinic.now + HOUR, "patients": patients}
                with acting_as(organization=hospital.organization, actor="test"), pytest.raises(error):
                    async with hospital.change() as db, refusals_recorded(db):
                        await arrange_coverage(db, covered=clinic.a, covering=covering, **said)  # type: ignore[arg-type]  # one dict of mixed arguments
        for code, covering in (("overlapping-coverage", clinic.b), ("rules-violated", clinic.c)):
            left = await clinic.entries("refusal", code)
            assert [(one["patient_id"], one["provider_id"]) for one in left] == [(None, covering), (other, covering)]

    in_hospital(body)


def test_who_is_suspended_then_covers_nobody(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital)
        await clinic.cover(clinic.a, clinic.b, ends=3 * HOUR, coverage_type="full")
        await clinic.cover(clinic.a, clinic.c, ends=3 * HOUR, coverage_type="on_call")

        async def covers(hours: float) -> UUID | None:
            found: UUID | None = await clinic.read(covering_provider, covered=clinic.a, at=clinic.now + hours * HOUR)
            return found

        assert await covers(1) == clinic.b
        await clinic.do(suspend, provider=clinic.b, ends_at=clinic.now + 2 * HOUR)
        assert (await covers(1), await covers(2)) == (clinic.c, clinic.b)
        await clinic.do(suspend, provider=clinic.c)
        assert (await covers(1), await covers(2)) == (None, clinic.b)
        await clinic.do(lift_suspension, provider=clinic.b)
        assert await covers(1) == clinic.b

    in_hospital(body)


class Watched(list[str]):
    """A list that remembers which threads looked through it."""

    def __init__(self, *names: str) -> None:
        super().__init__(names)
        self.threads: set[int] = set()

    def __iter__(self) -> Iterator[str]:
        self.threads.add(get_ident())
        return super().__iter__()


def test_a_rule_is_followed_where_it_keeps_nobody_waiting() -> None:
    people = Watched(to_text(new_id()))
    said: dict[str, Any] = {
        "covering": people, "rule": "FREQ=DAILY;COUNT=2", "first": datetime(2030, 1, 31, 18),  # noqa: DTZ001
        "lasts": HOUR, "time_zone": "UTC",
    }  # fmt: skip
    shown = preview_rota(**said)
    assert people.threads == {get_ident()}
    people.threads.clear()
    assert asyncio.run(turns_of(**said)) == shown
    assert people.threads
    assert get_ident() not in people.threads


def test_patients_are_locked_in_one_order_whatever_the_callers(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        clinic = await Clinic.open(hospital)
        low, high = clinic.patient, clinic.patient
        while low.bytes[-1] % 64 == high.bytes[-1] % 64:
            high = await hospital.patient()
        low, high = sorted((low, high), key=lambda one: one.bytes[-1] % 64)
        async with hospital.change() as db:
            # As a merge of the two does it: one lock after the other, and somebody comes between.
            await keep_apart(db, hospital.organization, [low], merging=True)
            arranging = asyncio.create_task(clinic.cover(clinic.a, clinic.b, patients=[high, low]))
            waiting = text("select count(*) from pg_locks where locktype = 'advisory' and not granted")
            for _ in range(500):
                if await db.scalar(waiting):
                    break
                await asyncio.sleep(0.02)
            await keep_apart(db, hospital.organization, [high], merging=True)
            assert not arranging.done()
        assert {row.patient_id for row in await arranging} == {low, high}

    in_hospital(body)
