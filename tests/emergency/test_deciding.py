"""Deciding about emergency access: as asked, less, never for oneself, by two where needed, once, and not after its end."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from carecircle.actor import Actor
from carecircle.audit import metrics
from carecircle.database.crypto import keyring
from carecircle.directory.duty_service import end_duty
from carecircle.emergency.deciding_service import acknowledge, answer, approve, ask, deny
from carecircle.errors import InvalidPeriod, InvalidRequest
from carecircle.errors.emergency import (
    AlreadyDecided,
    EmergencyAccessNotFound,
    GrantEnded,
    NotAnApprover,
    NotThemselves,
    ReasonRequired,
    SelfApproval,
)
from carecircle.period import FOREVER
from carecircle.staffing.offboard_service import offboard
from tests.conftest import Hospital, open_hospital
from tests.emergency.ward import Ward
from tests.staffing.records import Records

InHospital = Callable[[Callable[[Hospital], Any]], Any]
HOUR = timedelta(hours=1)
WIDE: dict[str, Any] = {"emergency_scope": ["read", "write", "order"]}


def test_what_was_asked_is_given_from_the_approval_on(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital, **WIDE)
        counted = metrics.REGISTRY.get_sample_value("carecircle_emergency_decision_seconds_count") or 0
        emergency = await ward.ask(scope=("read", "write"), hours=8)
        assert (await ward.may("read")).allowed
        assert not (await ward.may("write")).allowed
        row = await ward.do(approve, emergency_id=emergency, approver=ward.first)
        assert (await ward.may("write")).allowed
        assert not (await ward.may("order")).allowed
        before, after = await ward.states(emergency)
        assert (row.state, row.decided_by_id, row.decided_at) == ("approved", ward.first, row.starts_at)
        assert after.ends_at == before.starts_at + 8 * HOUR
        assert before.ends_at == after.starts_at
        assert await ward.hooks(emergency) == ["emergency-opened", "emergency-approved"]
        assert await ward.told(emergency, "emergency-approved") == []
        assert metrics.REGISTRY.get_sample_value("carecircle_emergency_decision_seconds_count") == counted + 1
        with pytest.raises(AlreadyDecided):
            await ward.do(approve, emergency_id=emergency, approver=ward.second)

    in_hospital(body)


def test_less_may_be_given_and_never_more(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital, **WIDE)
        emergency = await ward.ask(scope=("read", "write"), hours=8)
        by = {"emergency_id": emergency, "approver": ward.first}
        for hours in (0, -1, math.nan, math.inf):
            with pytest.raises(InvalidRequest):
                await ward.do(approve, **by, hours=hours)
        with pytest.raises(InvalidPeriod):
            await ward.do(approve, **by, hours=1e-9)
        for scope in (("read", "order"), ("share",), ("anything",), ()):
            with pytest.raises(InvalidRequest):
                await ward.do(approve, **by, scope=scope)
        assert await ward.state(emergency) == "provisional"
        row = await ward.do(approve, **by, hours=2, scope=("read",))
        assert (row.scope, row.ends_at) == (["read"], row.opened_at + 2 * HOUR)
        assert not (await ward.may("write")).allowed
        assert (await ward.may("read")).allowed

    in_hospital(body)


def test_policy_caps_what_was_asked_when_it_is_approved(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital, emergency_longest_hours=4)
        emergency = await ward.ask(scope=("read", "write"), hours=70)
        row = await ward.do(approve, emergency_id=emergency, approver=ward.first, hours=60)
        assert (row.scope, row.ends_at) == (["read"], row.opened_at + 4 * HOUR)
        assert not (await ward.may("write")).allowed

    in_hospital(body)


def test_nobody_decides_for_themselves(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital)
        duty = await ward.kept.duty(ward.asker, "supervisor")
        emergency = await ward.ask()
        # Not even on record as an approver, and by a duty that holds.
        await ward.kept.approver(emergency, ward.asker, duty)
        for decide, said in ((approve, {}), (deny, {"words": "no"}), (acknowledge, {}), (ask, {"words": "why?"})):
            with pytest.raises(SelfApproval):
                await ward.do(decide, emergency_id=emergency, approver=ward.asker, **said)
        await ward.do(approve, emergency_id=emergency, approver=ward.first)
        assert await ward.state(emergency) == "approved"

    in_hospital(body)


def test_two_persons_approve_where_two_are_needed(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital, **WIDE, emergency_open_at_once=1)
        await ward.ask()
        ward.patient = await hospital.patient()
        emergency = await ward.ask(scope=("read", "write"))
        row = await ward.do(approve, emergency_id=emergency, approver=ward.first, hours=6)
        assert (row.state, row.seconded_by_id, row.decided_by_id) == ("provisional", ward.first, None)
        assert row.ends_at < row.opened_at + HOUR
        assert not (await ward.may("write")).allowed
        with pytest.raises(SelfApproval):
            await ward.do(approve, emergency_id=emergency, approver=ward.first)
        row = await ward.do(approve, emergency_id=emergency, approver=ward.second)
        assert (row.state, row.seconded_by_id, row.decided_by_id) == ("approved", ward.first, ward.second)
        # The shorter of the two holds.
        assert row.ends_at == row.opened_at + 6 * HOUR
        assert (await ward.may("write")).allowed
        with pytest.raises(AlreadyDecided):
            await ward.do(approve, emergency_id=emergency, approver=ward.manager)
        assert await ward.hooks(emergency) == ["emergency-opened", "emergency-seconded", "emergency-approved"]

    in_hospital(body)


def test_the_first_of_two_may_deny_after_all(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital, emergency_open_at_once=1)
        await ward.ask()
        ward.patient = await hospital.patient()
        emergency = await ward.ask()
        await ward.do(approve, emergency_id=emergency, approver=ward.first)
        await ward.do(approve, emergency_id=emergency, approver=ward.second)
        assert (await ward.may()).allowed
        row = await ward.do(deny, emergency_id=emergency, approver=ward.first, words="a mistake")
        assert (row.state, row.decided_by_id, row.seconded_by_id) == ("denied", ward.first, ward.second)
        assert not (await ward.may()).allowed

    in_hospital(body)


def test_only_its_approvers_decide(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital)
        nurse, chief = await hospital.provider(), await hospital.provider()
        await ward.kept.duty(chief, "supervisor")
        emergency = await ward.ask()
        late = await hospital.provider()
        await ward.kept.duty(late, "supervisor")
        await ward.do(end_duty, duty_id=ward.duties[ward.first])
        await ward.kept.reports_to(ward.second, nurse)
        await ward.kept.reports_to(nurse, ward.asker)
        await ward.kept.suspend(ward.manager)
        # No duty, a later one, one that was taken back, somebody below the requester, somebody suspended.
        for who in (nurse, late, ward.first, ward.second, ward.manager):
            for decide, said in ((approve, {}), (deny, {"words": "no"}), (acknowledge, {}), (ask, {"words": "why?"})):
                with pytest.raises(NotAnApprover):
                    await ward.do(decide, emergency_id=emergency, approver=who, **said)
        await ward.kept.reports_to(ward.asker, chief)
        # A shift that is to end sooner than was said first is a shift all the same.
        own = await ward.rows("select id from carecircle.duties where provider_id = :chief", chief=chief)
        await ward.do(end_duty, duty_id=own[0].id, at=ward.kept.at(60))
        await ward.do(approve, emergency_id=emergency, approver=chief)
        assert await ward.state(emergency) == "approved"

    in_hospital(body)


def test_who_was_on_duty_decides_after_their_shift(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital)
        gone = await hospital.provider()
        duty = await ward.kept.duty(gone, "supervisor", begins=-300, ends=-1)
        emergency = await ward.kept_one(("provisional", -5, {"ends": 10}))
        with pytest.raises(NotAnApprover):
            await ward.do(approve, emergency_id=emergency, approver=gone)
        await ward.kept.approver(emergency, gone, duty)
        row = await ward.do(approve, emergency_id=emergency, approver=gone)
        assert row.decided_by_id == gone

    in_hospital(body)


def test_a_person_acts_as_themselves(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital)
        emergency = await ward.ask()
        others = (Actor.provider(ward.second), "provider:somebody", "provider:", "Provider:" + str(ward.second))
        for actor in others:
            for decide, said in ((approve, {}), (deny, {"words": "no"}), (acknowledge, {}), (ask, {"words": "why?"})):
                with pytest.raises(NotThemselves):
                    await ward.do(decide, emergency_id=emergency, approver=ward.first, actor=actor, **said)
        with pytest.raises(NotThemselves):
            await ward.do(answer, emergency_id=emergency, provider=ward.asker, words="yes", actor=others[0])
        await ward.do(acknowledge, emergency_id=emergency, approver=ward.first, actor="operator:desk")
        row = await ward.do(approve, emergency_id=emergency, approver="npi|1", actor=Actor.provider(ward.first))
        assert row.decided_by_id == ward.first

    in_hospital(body)


def test_denied_is_over_at_once(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital)
        emergency = await ward.ask()
        assert (await ward.may()).allowed
        for words in ("", "  \n"):
            with pytest.raises(ReasonRequired):
                await ward.do(deny, emergency_id=emergency, approver=ward.first, words=words)
        row = await ward.do(deny, emergency_id=emergency, approver=ward.first, words="she is not your patient")
        assert not (await ward.may()).allowed
        assert (row.state, row.scope, row.ends_at, row.decided_by_id) == ("denied", [], FOREVER, ward.first)
        with pytest.raises(AlreadyDecided):
            await ward.do(approve, emergency_id=emergency, approver=ward.second)
        over: tuple[tuple[Any, dict[str, Any]], ...] = (
            (deny, {"approver": ward.second, "words": "no"}), (acknowledge, {"approver": ward.second}),
            (ask, {"approver": ward.second, "words": "why?"}), (answer, {"provider": ward.asker, "words": "because"}),
        )  # fmt: skip
        for decide, said in over:
            with pytest.raises(GrantEnded):
                await ward.do(decide, emergency_id=emergency, **said)
        assert not (await ward.may()).allowed
        assert await ward.hooks(emergency) == ["emergency-opened", "emergency-denied"]
        (said_so,) = await ward.notes(emergency)
        assert (said_so.kind, said_so.provider_id) == ("decided", ward.first)
        assert said_so.body is not None
        assert b"patient" not in said_so.body
        opened = keyring().unseal(said_so.body, hospital.organization, "emergency_notes", "body", said_so.id)
        assert opened == b"she is not your patient"
        records = await Records.open(hospital)
        (entry,) = await records.audit("emergency-denied")
        assert (entry["provider_id"], entry["patient_id"], entry["kind"]) == (ward.asker, ward.patient, "change")
        assert "not your" not in str(dict(entry))

    in_hospital(body)


def test_what_was_approved_is_taken_back(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital)
        emergency = await ward.ask()
        approved = await ward.do(approve, emergency_id=emergency, approver=ward.first)
        row = await ward.do(deny, emergency_id=emergency, approver=ward.second, words="it was too much")
        assert (row.state, row.decided_by_id, row.decided_at) == ("denied", ward.second, approved.decided_at)
        assert not (await ward.may()).allowed
        assert [one.state for one in await ward.states(emergency)] == ["provisional", "approved", "denied"]

    in_hospital(body)


@pytest.mark.parametrize("state", ["provisional", "approved"])
def test_nothing_is_decided_after_the_end(in_hospital: InHospital, state: str) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital)
        said = {"decided_by_id": ward.first} if state == "approved" else {}
        emergency = await ward.kept_one((state, -20, {"ends": -0.001, **said}))
        over: tuple[tuple[Any, dict[str, Any]], ...] = (
            (approve, {}), (deny, {"words": "no"}), (acknowledge, {}), (ask, {"words": "why?"}),
        )  # fmt: skip
        for decide, given in over:
            with pytest.raises(GrantEnded):
                await ward.do(decide, emergency_id=emergency, approver=ward.second, **given)
        assert [one.state for one in await ward.states(emergency)] == [state]
        live = await ward.kept_one((state, -20, {"ends": 1, **said}))
        await ward.do(deny, emergency_id=live, approver=ward.second, words="no")
        assert await ward.state(live) == "denied"

    in_hospital(body)


def test_of_two_who_decide_at_once_the_second_is_told_so(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital, emergency_opened_a_day=1000)

        async def attempt(emergency: UUID, who: UUID, change: Any = approve, **said: Any) -> str:
            try:
                row = await ward.do(change, emergency_id=emergency, approver=who, **said)
            except AlreadyDecided as refused:
                return refused.code
            return str(row.state)

        for _ in range(3):
            ward.patient = await hospital.patient()
            emergency = await ward.ask()
            outcomes = await asyncio.gather(
                *(attempt(emergency, who) for who in (ward.first, ward.second, ward.manager))
            )
            assert sorted(outcomes) == ["already-decided", "already-decided", "approved"]
            assert [one.state for one in await ward.states(emergency)] == ["provisional", "approved"]
            await ward.do(deny, emergency_id=emergency, approver=ward.first, words="over")
            ward.patient = await hospital.patient()
            emergency = await ward.ask()
            # Whoever comes first, it ends denied.
            approved, denied = await asyncio.gather(
                attempt(emergency, ward.first), attempt(emergency, ward.second, deny, words="no")
            )
            assert approved in ("approved", "already-decided")
            assert denied == "denied"
            assert await ward.state(emergency) == "denied"
            assert not (await ward.may()).allowed

    in_hospital(body)


def test_what_waits_opens_when_it_is_approved(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital, emergency_mode="gated")
        emergency = await ward.ask(hours=2)
        assert not (await ward.may()).allowed
        row = await ward.do(approve, emergency_id=emergency, approver=ward.first)
        assert row.opened_at == row.starts_at
        assert row.ends_at == row.asked_at + 2 * HOUR
        assert (await ward.may()).allowed

    in_hospital(body)


def test_another_organization_finds_nothing(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital)
        emergency = await ward.ask()
        async with open_hospital(hospital.circle) as elsewhere:
            other = await Ward.open(elsewhere)
            with pytest.raises(EmergencyAccessNotFound):
                await other.do(approve, emergency_id=emergency, approver=other.first)
            with pytest.raises(EmergencyAccessNotFound):
                await other.do(deny, emergency_id=emergency, approver=ward.first, words="no")
        await ward.do(approve, emergency_id=emergency, approver=ward.first)

    in_hospital(body)


def test_what_is_asked_and_answered_is_kept(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital)
        emergency = await ward.ask()
        await ward.do(acknowledge, emergency_id=emergency, approver=ward.first)
        with pytest.raises(ReasonRequired):
            await ward.do(ask, emergency_id=emergency, approver=ward.first, words=" ")
        await ward.do(ask, emergency_id=emergency, approver=ward.first, words="which bay?")
        with pytest.raises(NotThemselves):
            await ward.do(answer, emergency_id=emergency, provider=ward.second, words="bay 4")
        await ward.do(answer, emergency_id=emergency, provider=ward.asker, words="bay 4")
        notes = await ward.notes(emergency)
        assert [(one.kind, one.provider_id, one.body is None) for one in notes] == [
            ("acknowledged", ward.first, True), ("asked", ward.first, False), ("answered", ward.asker, False),
        ]  # fmt: skip
        assert len(await ward.states(emergency)) == 1
        records = await Records.open(hospital)
        for code in ("emergency-acknowledged", "emergency-asked", "emergency-answered"):
            (entry,) = await records.audit(code)
            assert "bay" not in str(dict(entry))

    in_hospital(body)


def test_offboarding_ends_what_is_open_and_leaves_what_is_over(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital)
        over = await ward.kept_one(
            ("provisional", -90, {}), ("approved", -85, {"decided_by_id": ward.first}),
            ("ended", -60, {"ended_because": "clinician"}),
            ("reviewed", -30, {"verdict": "justified", "reviewed_by_id": ward.privacy}),
        )  # fmt: skip
        before = [(one.id, one.state, one.ends_at) for one in await ward.states(over)]
        emergency = await ward.ask()
        await ward.do(approve, emergency_id=emergency, approver=ward.first)
        assert (await ward.may()).allowed
        left = await ward.do(offboard, person=ward.asker)
        assert left.ended["emergency-access"] == 1
        assert not (await ward.may()).allowed
        assert [(one.id, one.state, one.ends_at) for one in await ward.states(over)] == before
        with pytest.raises(GrantEnded):
            await ward.do(deny, emergency_id=emergency, approver=ward.first, words="no")
        # Whoever decided about it and leaves takes nothing along.
        again = await ward.do(offboard, person=ward.first)
        assert set(again.ended) == {"duty"}

    in_hospital(body)
