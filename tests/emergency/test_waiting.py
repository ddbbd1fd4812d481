"""When a request waits, when it opens all that was asked, and what is asked again only to wait."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from carecircle.directory.relation_service import relate
from carecircle.emergency.deciding_service import approve, deny
from carecircle.emergency.ending_service import end, end_on_discharge
from carecircle.emergency.opening_rules import Asked, reopened
from carecircle.emergency.rows import states_of
from carecircle.emergency.tables import EmergencyAccess
from carecircle.emergency.value import opened_as_asked
from carecircle.errors.emergency import (
    EmergencyAccessOpen,
)
from carecircle.identifiers import new_id, parse_id
from carecircle.period import FOREVER
from carecircle.restrictions.service import label
from tests.api.glass import Glass
from tests.api.test_break_glass import on_glass
from tests.api.test_live import listening
from tests.conftest import Hospital
from tests.emergency.clinic import HOUR, MINUTE, Clinic

SECOND = timedelta(seconds=1)

InHospital = Callable[[Callable[[Hospital], Any]], Any]


async def last_state(c: Clinic, emergency_id: UUID) -> EmergencyAccess:
    async with c.hospital.change() as db:
        return (await states_of(db, c.hospital.organization, emergency_id))[-1]


def test_a_gated_request_waits_and_opens_nothing(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        await c.policy(emergency_mode="gated", emergency_waiting_minutes=30)
        row = await c.request()
        assert (row.state, row.mode, row.scope, row.opened_at) == ("requested", "gated", [], None)
        assert row.ends_at == row.asked_at + 30 * MINUTE
        assert not await c.may()
        assert [one["id"] for one in await c.audit("emergency-requested")] == [row.entry_id]
        assert await c.audit("emergency-opened") == []
        assert await c.told(row.lineage_id, "emergency-requested") == ["first@hospital.example"]
        with pytest.raises(EmergencyAccessOpen) as refused:
            await c.request()
        assert refused.value.facts["emergency_id"] == row.lineage_id
        await c.policy(emergency_mode="gated", emergency_life_threat_opens=True)
        other = await c.breaker()
        assert (await c.request(provider=other, reason_code="consult")).mode == "gated"
        assert (await c.request(provider=other, patient=await hospital.patient())).mode == "provisional"

    in_hospital(body)


def test_immediate_access_is_as_asked_and_awaits_nobody(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        await c.policy(emergency_mode="immediate", emergency_scope=["read", "order"], emergency_longest_hours=8)
        row = await c.request(scope=("read", "order", "write"), hours=72)
        assert (row.state, row.mode, row.scope) == ("provisional", "immediate", ["read", "order"])
        assert row.ends_at == row.asked_at + 8 * HOUR
        assert await c.may(action="order")
        assert not await c.may(action="write")
        kinds = [one[0] for one in await c.due(row.lineage_id)]
        assert kinds == ["email:emergency-opened", "relationship", "review-due", "webhook:emergency-opened"]
        # Nobody was asked to decide: having run out, it is no undecided request.
        await c.earlier(row, 9 * HOUR)
        assert not await c.may()
        row = await c.request()
        assert (row.mode, row.reopens_id) == ("immediate", None)

    in_hospital(body)


def test_the_strictest_mode_of_a_sensitive_patient_counts(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        await c.policy(
            emergency_mode="immediate", emergency_modes={"PSY": "provisional", "HIV": "immediate", "family": "gated"}
        )
        assert (await c.request(provider=await c.breaker())).mode == "immediate"
        for code, mode in (("HIV", "immediate"), ("PSY", "provisional"), ("SUD", "provisional")):
            await c.do(label, patient=c.patient, label=code)
            assert (await c.request(provider=await c.breaker())).mode == mode
        aunt = await c.breaker()
        await c.do(relate, provider=aunt, patient=c.patient, relation="family")
        row = await c.request(provider=aunt)
        assert (row.mode, row.signals) == ("gated", ["family"])
        assert row.review_due_at == row.asked_at + 24 * HOUR
        await c.policy()
        lodger = await c.breaker()
        await c.do(relate, provider=lodger, patient=c.patient, relation="household")
        row = await c.request(provider=lodger)
        assert (row.mode, row.signals) == ("provisional", ["family"])

    in_hospital(body)


def test_what_nobody_decided_about_is_asked_again_only_to_wait(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        await c.policy(emergency_life_threat_opens=True)
        first = await c.request()
        await c.earlier(first, 20 * MINUTE)
        assert not await c.may()
        second = await c.request()
        assert (second.mode, second.state, second.reopens_id) == ("gated", "requested", first.lineage_id)
        assert second.signals == ["reopened"]
        assert not await c.may()
        # Others, and other patients, are asked for as ever.
        assert (await c.request(provider=await c.breaker())).mode == "provisional"
        assert (await c.request(patient=await hospital.patient())).mode == "provisional"
        await c.earlier(second, 70 * MINUTE)
        third = await c.request()
        assert (third.mode, third.reopens_id) == ("gated", second.lineage_id)
        for row in (first, second, third):
            await c.earlier(row, 26 * HOUR)
        row = await c.request()
        assert (row.mode, row.reopens_id) == ("provisional", None)

    in_hospital(body)


def test_what_was_denied_is_asked_again_only_to_wait(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        first = await c.request()
        await c.do(deny, emergency_id=first.lineage_id, approver=c.first, words="Not yours.")
        assert not await c.may()
        second = await c.request()
        assert (second.mode, second.reopens_id) == ("gated", first.lineage_id)
        assert not await c.may()

    in_hospital(body)


@pytest.mark.parametrize("how", ["clinician", "discharge"])
def test_no_end_of_what_waits_undoes_a_denial(in_hospital: InHospital, how: str) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        # Both what was denied, and what nobody decided about.
        denied, forgotten = await c.request(), await c.request(patient=await hospital.patient())
        await c.do(deny, emergency_id=denied.lineage_id, approver=c.first, words="Not yours.")
        await c.earlier(forgotten, 20 * MINUTE)
        for last in (denied, forgotten):
            for _ in range(3):
                row = await c.request(patient=last.patient_id)
                assert (row.state, row.reopens_id) == ("requested", last.lineage_id)
                if how == "clinician":
                    await c.do(end, emergency_id=row.lineage_id, provider=c.doctor)
                else:
                    await c.do(end_on_discharge, patient=last.patient_id)
                last = row
            assert not await c.may(patient=last.patient_id)
        # What settles it is a decision: who was let in at last, and ended that, asks as ever.
        row = await c.request()
        await c.do(approve, emergency_id=row.lineage_id, approver=c.first)
        await c.do(end, emergency_id=row.lineage_id, provider=c.doctor)
        assert (await c.request()).mode == "provisional"

    in_hospital(body)


def test_what_waited_and_is_over_came_to_nothing_when_it_ended() -> None:
    asked_at = datetime(2026, 1, 31, 8, tzinfo=UTC)
    patient, quarter, ended_at = new_id(), 15 * MINUTE, asked_at + MINUTE
    waited = Asked(
        new_id(), patient, "ended", "gated", asked_at, None, ended_at, FOREVER, False, None, "clinician"
    )  # fmt: skip
    again = replace(waited, mode="provisional", opened_at=asked_at, reopens_id=new_id())
    for because in ("clinician", "discharge", "relationship", "offboarded"):
        for one in (waited, again):
            ended = replace(one, ended_because=because)
            assert reopened([ended], patient, ended_at, quarter) == one.emergency_id
            assert reopened([ended], patient, ended_at + 24 * HOUR, quarter) is None
            assert reopened([replace(ended, decided=True)], patient, ended_at, quarter) is None
    fresh = replace(again, reopens_id=None)
    assert reopened([fresh], patient, ended_at, quarter) is None


def test_what_opened_as_asked_comes_up_to_whoever_may_deny_it(in_hospital: InHospital) -> None:
    async def work(glass: Glass) -> None:
        c = glass.clinic
        await c.policy(emergency_mode="immediate")
        stranger = await c.breaker()
        async with listening(glass, c.first) as first, listening(glass, stranger) as other:
            one = await glass.opened()
            told = await first.next()
            assert (told["id"], told["state"], told["decide_by"]) == (one, "provisional", None)
            async with listening(glass, c.second) as later:
                assert await later.next() == told
            row = await last_state(c, parse_id(one))
            assert opened_as_asked(row, row.starts_at)
            assert not opened_as_asked(row, row.ends_at)
            await c.do(deny, emergency_id=row.lineage_id, approver=c.first, words="Not yours.")
            assert (await first.next())["state"] == "denied"
            row = await last_state(c, row.lineage_id)
            assert not opened_as_asked(row, row.starts_at)
            await c.policy()
            waiting = await c.request(patient=await c.hospital.patient())
            assert not opened_as_asked(waiting, waiting.starts_at)
            assert other.events.empty()

    on_glass(in_hospital, work)


def test_ending_it_oneself_stops_no_clock() -> None:
    """Opened, ended undecided before its end, and asked again: in time it opens, later it waits, like what was left alone."""
    asked_at = datetime(2026, 1, 31, 8, tzinfo=UTC)
    patient, quarter = new_id(), 15 * MINUTE
    one = Asked(
        new_id(),
        patient,
        "ended",
        "provisional",
        asked_at,
        asked_at,
        asked_at + 14 * MINUTE,
        FOREVER,
        False,
        None,
        "clinician",
    )
    assert reopened([one], patient, asked_at + quarter - SECOND, quarter) is None
    assert reopened([one], patient, asked_at + quarter, quarter) == one.emergency_id
    assert reopened([one], patient, asked_at + quarter + 24 * HOUR, quarter) is None, "after a day it is a new case"
    for because, decided in (("discharge", False), ("relationship", False), ("clinician", True)):
        other = replace(one, ended_because=because, decided=decided)
        assert reopened([other], patient, asked_at + quarter, quarter) is None
