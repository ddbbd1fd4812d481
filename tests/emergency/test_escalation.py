"""What falls due about emergency access: nobody has seen it, nobody decided, a relationship has come, a review is due."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from carecircle.assignments.service import add_assignment
from carecircle.audit import metrics
from carecircle.directory.relation_service import relate
from carecircle.emergency.approvers_service import Approver, record_approvers
from carecircle.emergency.deciding_service import acknowledge, approve, ask, deny
from carecircle.emergency.ending_service import end, extend
from carecircle.errors.emergency import GrantEnded, NotAnApprover
from carecircle.identifiers import new_id
from tests.conftest import Hospital
from tests.emergency.ward import InterruptedStep, Ward
from tests.staffing.records import Records

InHospital = Callable[[Callable[[Hospital], Any]], Any]


def _counted() -> float:
    return metrics.REGISTRY.get_sample_value("carecircle_emergency_undecided_total") or 0


def _decided() -> float:
    return metrics.REGISTRY.get_sample_value("carecircle_emergency_decision_seconds_count") or 0


def test_who_comes_next_is_told_as_long_as_nobody_has_seen_it(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital)
        emergency = await ward.ask()
        assert await ward.told(emergency, "emergency-opened") == [ward.first]
        assert await ward.fall_due(emergency, "unacknowledged") == "told"
        assert await ward.told(emergency, "emergency-escalated") == [ward.second]
        assert await ward.fall_due(emergency, "unacknowledged") == "told"
        assert await ward.told(emergency, "emergency-escalated") == [ward.second, ward.manager]
        assert await ward.waiting(emergency, "unacknowledged") == 0
        records = await Records.open(hospital)
        entries = await records.audit("emergency-escalated")
        assert {(one["kind"], one["actor"]) for one in entries} == {("change", "service:notifier")}
        assert len(entries) == 2
        assert await ward.state(emergency) == "provisional"

    in_hospital(body)


def test_the_next_look_comes_after_as_long_again(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital, emergency_acknowledge_minutes=3)
        emergency = await ward.ask()
        await ward.fall_due(emergency, "unacknowledged")
        ((wait,),) = await ward.rows(
            "select due_at - recorded_at from carecircle.outbox where subject_id = :emergency and kind = 'unacknowledged'"
            " and settled_at is null",
            emergency=emergency,
        )
        assert timedelta(minutes=2, seconds=50) < wait <= timedelta(minutes=3)

    in_hospital(body)


def test_where_nobody_comes_next_nobody_is_told_twice(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital)
        for who in (ward.first, ward.second):
            await ward.kept.revoke(ward.duties[who])
        emergency = await ward.ask()
        assert set(await ward.told(emergency, "emergency-opened")) == {ward.manager, ward.privacy}
        assert await ward.fall_due(emergency, "unacknowledged") == "nobody-next"
        assert await ward.told(emergency, "emergency-escalated") == []

    in_hospital(body)


@pytest.mark.parametrize("gone", ["suspended", "taken back", "below", "related"])
def test_who_may_not_decide_any_more_is_not_told(in_hospital: InHospital, gone: str) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital)
        leaves: dict[str, Callable[[UUID], Any]] = {
            "suspended": ward.kept.suspend,
            "taken back": lambda who: ward.kept.revoke(ward.duties[who]),
            "below": lambda who: ward.kept.reports_to(who, ward.asker),
            "related": lambda who: ward.do(relate, provider=who, patient=ward.patient, relation="family"),
        }
        emergency = await ward.ask()
        await leaves[gone](ward.second)
        with pytest.raises(NotAnApprover):
            await ward.do(acknowledge, emergency_id=emergency, approver=ward.second)
        # Who comes after them is looked at at once.
        assert await ward.fall_due(emergency, "unacknowledged") == "gone"
        assert await ward.hooks(emergency) == ["emergency-opened"]
        assert await ward.rows(
            "select 1 from carecircle.outbox where subject_id = :emergency and kind = 'unacknowledged'"
            " and settled_at is null and due_at <= clock_timestamp()",
            emergency=emergency,
        )
        assert await ward.fall_due(emergency, "unacknowledged") == "told"
        assert await ward.told(emergency, "emergency-escalated") == [ward.manager]
        assert await ward.waiting(emergency, "unacknowledged") == 0
        # Where those who come last are gone, nobody comes next.
        ward.patient = await hospital.patient()
        again = await ward.ask(provider=await _other(ward))
        await ward.kept.suspend(ward.manager)
        outcomes = []
        while await ward.waiting(again, "unacknowledged"):
            outcomes.append(await ward.fall_due(again, "unacknowledged"))
        assert outcomes[-1] == "nobody-next"
        assert ward.manager not in await ward.told(again, "emergency-escalated")

    in_hospital(body)


async def _other(ward: Ward) -> UUID:
    other: UUID = await ward.hospital.provider()
    await ward.kept.duty(other, "break_glass")
    return other


def test_who_was_told_first_and_left_makes_nobody_be_passed_over(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital)
        emergency = await ward.ask()
        await ward.kept.suspend(ward.first)
        assert await ward.fall_due(emergency, "unacknowledged") == "told"
        assert await ward.told(emergency, "emergency-escalated") == [ward.second]

    in_hospital(body)


def test_a_shift_that_is_over_is_told_all_the_same(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital)
        leaving, emergency = await hospital.provider(), await ward.ask()
        said: dict[str, Any] = {"call_order": 2, "contact": "leaving@example.org"}
        duty = await ward.kept.duty(leaving, "supervisor", -600, -1, **said)
        one = Approver(provider_id=leaving, duty="supervisor", duty_id=duty, **said)
        await ward.inside(record_approvers, emergency, [one], new_id())
        assert await ward.fall_due(emergency, "unacknowledged") == "told"
        assert set(await ward.told(emergency, "emergency-escalated")) == {ward.second, leaving}

    in_hospital(body)


def test_the_new_shift_is_told_when_no_decision_came(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital)
        emergency = await ward.ask()
        new, below = await hospital.provider(), await hospital.provider()
        await ward.kept.duty(new, "supervisor", contact="new@example.org", call_order=1)
        await ward.kept.duty(below, "supervisor", contact="below@example.org", call_order=1)
        await ward.kept.reports_to(below, ward.asker)
        assert await ward.fall_due(emergency, "undecided") == "told"
        assert set(await ward.told(emergency, "emergency-undecided")) == {ward.manager, ward.privacy, new}
        await ward.do(approve, emergency_id=emergency, approver=new)

    in_hospital(body)


@pytest.mark.parametrize("change", ["acknowledge", "ask", "approve", "deny", "end"])
def test_nobody_else_is_told_once_somebody_has_seen_it(in_hospital: InHospital, change: str) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital)
        emergency = await ward.ask()
        said: dict[str, tuple[Any, dict[str, Any]]] = {
            "acknowledge": (acknowledge, {"approver": ward.first}),
            "ask": (ask, {"approver": ward.first, "words": "which bay?"}),
            "approve": (approve, {"approver": ward.first}),
            "deny": (deny, {"approver": ward.first, "words": "no"}),
            "end": (end, {"provider": ward.asker}),
        }
        await ward.do(said[change][0], emergency_id=emergency, **said[change][1])
        assert await ward.fall_due(emergency, "unacknowledged") == "moot"
        assert await ward.told(emergency, "emergency-escalated") == []
        # Seen is not decided.
        decided = change in ("approve", "deny", "end")
        assert await ward.fall_due(emergency, "undecided") == ("moot" if decided else "told")

    in_hospital(body)


def test_what_nobody_decided_in_time_is_counted_and_told(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital)
        emergency, counted = await ward.ask(), _counted()
        late = await hospital.provider()
        await ward.kept.duty(late, "duty_manager", contact="late@example.org")
        with pytest.raises(NotAnApprover):
            await ward.do(acknowledge, emergency_id=emergency, approver=late)
        assert await ward.fall_due(emergency, "undecided") == "told"
        assert set(await ward.told(emergency, "emergency-undecided")) == {ward.manager, ward.privacy, late}
        assert _counted() == counted + 1
        assert [(one.kind, one.provider_id) for one in await ward.notes(emergency)] == [("escalated", None)]
        (entry,) = await (await Records.open(hospital)).audit("emergency-undecided")
        assert (entry["kind"], entry["actor"], entry["provider_id"]) == ("change", "service:notifier", ward.asker)
        # Nothing is approved by it, nothing ends, and who came on duty since decides too.
        assert await ward.state(emergency) == "provisional"
        assert (await ward.may()).allowed
        await ward.do(approve, emergency_id=emergency, approver=late)
        assert await ward.state(emergency) == "approved"

    in_hospital(body)


def test_it_is_counted_when_it_is_committed_and_not_before(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital)
        emergency, counted = await ward.ask(), _counted()
        with pytest.raises(InterruptedStep):
            await ward.fall_due(emergency, "undecided", cut_off=True)
        assert _counted() == counted
        assert await ward.told(emergency, "emergency-undecided") == []
        assert await ward.fall_due(emergency, "undecided") == "told"
        assert _counted() == counted + 1

    in_hospital(body)


@pytest.mark.parametrize("undone", ["inner", "outer", "none"])
def test_a_decision_that_the_host_takes_back_is_not_counted(in_hospital: InHospital, undone: str) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital)
        emergency, counted = await ward.ask(), _decided()
        async with hospital.change() as db:
            outer = await db.begin_nested()
            inner = await db.begin_nested()
            await deny(db, **ward.by, emergency_id=emergency, approver=ward.first, words="no")
            await (inner.rollback() if undone == "inner" else inner.commit())
            await (outer.rollback() if undone == "outer" else outer.commit())
            assert _decided() == counted
        assert await ward.state(emergency) == ("denied" if undone == "none" else "provisional")
        assert _decided() == counted + (undone == "none")

    in_hospital(body)


def test_what_stands_beside_what_was_taken_back_is_counted(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital)
        emergency, counted = await ward.ask(), _decided()
        said = ward.by | {"emergency_id": emergency, "approver": ward.first, "words": "no"}
        async with hospital.change() as db:
            undone = await db.begin_nested()
            await deny(db, **said)
            await undone.rollback()
            await deny(db, **said)
            with pytest.raises(GrantEnded):
                await deny(db, **said)
            assert _decided() == counted
        assert _decided() == counted + 1

    in_hospital(body)


def test_the_privacy_offices_mailbox_is_told_when_nobody_is_there(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital, office=False, privacy_office_email="privacy@example.org")
        emergency = await ward.ask()
        await ward.fall_due(emergency, "undecided")
        assert await ward.told(emergency, "emergency-undecided") == [ward.manager, "privacy@example.org"]
        over = await ward.kept_one(("provisional", -90, {"ends": -75}))
        await ward.put(over, "review-due")
        assert await ward.fall_due(over, "review-due") == "told"
        assert await ward.told(over, "emergency-review-due") == ["privacy@example.org"]

    in_hospital(body)


@pytest.mark.parametrize("contact", ["", "office@example.org"])
def test_the_mailbox_is_told_when_nobody_there_can_be_written_to(in_hospital: InHospital, contact: str) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital, office=False, privacy_office_email="privacy@example.org")
        ward.duties[ward.privacy] = await ward.kept.duty(ward.privacy, "privacy_office", contact=contact)
        office = ward.privacy if contact else "privacy@example.org"
        emergency = await ward.ask(hours=2)
        await ward.fall_due(emergency, "undecided")
        assert set(await ward.told(emergency, "emergency-undecided")) == {ward.manager, office}
        over = await ward.kept_one(("provisional", -90, {"ends": -75}))
        await ward.put(over, "review-due")
        await ward.fall_due(over, "review-due")
        assert await ward.told(over, "emergency-review-due") == [office]
        # An extension that no supervisor is there for goes where such a request does.
        await ward.do(approve, emergency_id=emergency, approver=ward.first)
        for who in (ward.first, ward.second):
            await ward.kept.revoke(ward.duties[who])
        await ward.do(extend, emergency_id=emergency, provider=ward.asker, reason_code="transfer", hours=2)
        assert set(await ward.told(emergency, "emergency-extension-asked")) == {ward.manager, office}

    in_hospital(body)


def test_what_expired_undecided_is_told_late_rather_than_never(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital)
        emergency, counted = await ward.kept_one(("provisional", -20, {"ends": -5})), _counted()
        await ward.put(emergency, "undecided")
        assert await ward.fall_due(emergency, "undecided") == "told"
        assert _counted() == counted + 1
        assert (await ward.states(emergency))[-1].ends_at == ward.kept.at(-5)
        immediate = await ward.kept_one(("provisional", -20, {"ends": 60}), mode="immediate")
        await ward.put(immediate, "undecided")
        assert await ward.fall_due(immediate, "undecided") == "moot"

    in_hospital(body)


def test_one_approval_of_two_is_no_decision(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital, emergency_open_at_once=1)
        await ward.ask()
        ward.patient = await hospital.patient()
        emergency = await ward.ask()
        await ward.do(approve, emergency_id=emergency, approver=ward.first)
        assert await ward.fall_due(emergency, "undecided") == "told"

    in_hospital(body)


def test_an_extension_is_escalated_by_its_own_clock(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital)
        emergency = await ward.ask(hours=2)
        await ward.do(acknowledge, emergency_id=emergency, approver=ward.first)
        await ward.do(approve, emergency_id=emergency, approver=ward.first)
        await ward.do(extend, emergency_id=emergency, provider=ward.asker, reason_code="transfer", hours=2)
        # What the request itself made due comes first, and is about nothing any more.
        assert await ward.fall_due(emergency, "unacknowledged") == "moot"
        assert await ward.fall_due(emergency, "undecided") == "moot"
        assert await ward.fall_due(emergency, "unacknowledged") == "told"
        assert await ward.told(emergency, "emergency-escalated") == [ward.second]
        assert await ward.fall_due(emergency, "undecided") == "told"
        await ward.do(approve, emergency_id=emergency, approver=ward.second)
        assert await ward.fall_due(emergency, "unacknowledged") == "moot"

    in_hospital(body)


def test_the_circle_is_looked_at_as_long_as_it_is_open(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital)
        emergency = await ward.ask()
        for _ in range(2):
            assert await ward.fall_due(emergency, "relationship") == "armed-again"
        assert await ward.waiting(emergency, "relationship") == 1
        await ward.do(add_assignment, patient=ward.patient, provider=ward.asker)
        assert await ward.fall_due(emergency, "relationship") == "converted"
        assert await ward.waiting(emergency, "relationship") == 0
        assert await ward.state(emergency) == "ended"
        (entry,) = await (await Records.open(hospital)).audit("emergency-converted")
        assert entry["actor"] == "service:notifier"
        ward.patient = await hospital.patient()
        denied = await ward.ask()
        await ward.do(deny, emergency_id=denied, approver=ward.first, words="no")
        assert await ward.fall_due(denied, "relationship") == "moot"

    in_hospital(body)


def test_a_review_that_is_due_is_told_to_the_privacy_office(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital)
        emergency = await ward.ask()
        assert await ward.fall_due(emergency, "review-due") == "armed-again"
        ((due_at,),) = await ward.rows(
            "select due_at from carecircle.outbox where subject_id = :emergency and kind = 'review-due'"
            " and settled_at is null",
            emergency=emergency,
        )
        assert due_at == (await ward.states(emergency))[-1].ends_at
        await ward.do(end, emergency_id=emergency, provider=ward.asker)
        assert await ward.fall_due(emergency, "review-due") == "told"
        assert await ward.told(emergency, "emergency-review-due") == [ward.privacy]
        done = ("reviewed", -30.0, {"verdict": "justified", "reviewed_by_id": ward.privacy})
        reviewed = await ward.kept_one(("provisional", -90, {}), ("ended", -60, {}), done)
        await ward.put(reviewed, "review-due")
        assert await ward.fall_due(reviewed, "review-due") == "moot"
        never = await ward.kept_one(("requested", -90, {"ends": -30}), opened_at=None)
        await ward.put(never, "review-due")
        assert await ward.fall_due(never, "review-due") == "moot"

    in_hospital(body)
