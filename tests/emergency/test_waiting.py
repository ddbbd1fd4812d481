"""When a request waits, when it opens all that was asked, and what is asked again only to wait."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from carecircle.directory.relation_service import relate
from carecircle.emergency.deciding_service import deny
from carecircle.emergency.opening_rules import Asked, reopened
from carecircle.errors.emergency import (
    EmergencyAccessOpen,
)
from carecircle.identifiers import new_id
from carecircle.period import FOREVER
from carecircle.restrictions.service import label
from tests.conftest import Hospital
from tests.emergency.clinic import HOUR, MINUTE, Clinic

SECOND = timedelta(seconds=1)

InHospital = Callable[[Callable[[Hospital], Any]], Any]


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
