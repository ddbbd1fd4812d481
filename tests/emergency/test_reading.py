"""What is shown of emergency access: the state at an instant, who must decide, what waits for a review, what was said."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from carecircle.directory.policy_service import set_policy
from carecircle.emergency.reading_service import (
    deliveries_of,
    emergencies,
    inbox,
    notes_of,
    reference,
    show,
    to_review,
)
from carecircle.errors.emergency import EmergencyAccessNotFound
from carecircle.identifiers import new_id, to_text
from carecircle.notices.service import put
from tests.conftest import Hospital
from tests.emergency.kept import Kept

InHospital = Callable[[Callable[[Hospital], Any]], Any]


def test_one_is_shown_as_it_stands_and_as_it_stood(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        kept = await Kept.open(hospital)
        asker, patient, supervisor = await hospital.provider(), await hospital.patient(), await hospital.provider()
        emergency = await kept.access(
            asker, patient,
            ("provisional", -30, {}),
            ("approved", -27, {"decided_by_id": supervisor, "decided_at": kept.at(-27)}),
            ("ended", -5, {"ended_because": "clinician"}),
            words="cardiac arrest in bay 4",
        )  # fmt: skip
        async with hospital.change() as db:
            now = await show(db, emergency_id=emergency, **kept.of)
            assert (now.state, now.scope, now.ends_at, now.decide_by) == ("ended", (), None, None)
            assert now.words is None
            assert (await show(db, emergency_id=emergency, words=True, **kept.of)).words == "cardiac arrest in bay 4"
            then = await show(db, emergency_id=emergency, as_of=kept.at(-28), **kept.of)
            assert (then.state, then.scope, then.ends_at) == ("provisional", ("read",), kept.at(-27))
            assert then.decide_by == then.asked_at + timedelta(minutes=5)
            assert then.decided_by_id is None
            between = await show(db, emergency_id=emergency, as_of=kept.at(-10), **kept.of)
            assert (between.state, between.decided_by_id) == ("approved", supervisor)
            with pytest.raises(EmergencyAccessNotFound):
                await show(db, emergency_id=emergency, as_of=kept.at(-31), **kept.of)
            with pytest.raises(EmergencyAccessNotFound):
                await show(db, emergency_id=new_id(), **kept.of)

    in_hospital(body)


def test_past_its_end_it_has_expired(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        kept = await Kept.open(hospital)
        asker, patient = await hospital.provider(), await hospital.patient()
        emergency = await kept.access(asker, patient, ("provisional", -30, {"ends": -15}))
        async with hospital.change() as db:
            found = await show(db, emergency_id=emergency, **kept.of)
            assert (found.state, found.scope, found.ends_at, found.decide_by) == ("expired", (), kept.at(-15), None)
            assert (await show(db, emergency_id=emergency, as_of=kept.at(-15), **kept.of)).state == "expired"
            just_before = await show(
                db, emergency_id=emergency, as_of=kept.at(-15) - timedelta(microseconds=1), **kept.of
            )
            assert just_before.state == "provisional"
            assert await emergencies(db, pending=True, **kept.of) == []
            assert await emergencies(db, open_now=True, **kept.of) == []

    in_hospital(body)


def test_a_reference_says_nothing_about_anybody() -> None:
    emergency = new_id()
    assert reference(emergency) == "BG-" + to_text(emergency)[-6:]


def test_the_policy_says_until_when_to_decide(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        kept = await Kept.open(hospital)
        asker, patient = await hospital.provider(), await hospital.patient()
        emergency = await kept.access(asker, patient, ("provisional", -1, {"ends": 14}))
        async with hospital.change() as db:
            await set_policy(db, document={"emergency_decide_minutes": 9}, **kept.by)
        async with hospital.change() as db:
            found = await show(db, emergency_id=emergency, **kept.of)
            assert found.decide_by == found.asked_at + timedelta(minutes=9)

    in_hospital(body)


def test_lists_tell_what_waits_from_what_lets_in(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        kept = await Kept.open(hospital)
        asker, other, supervisor = [await hospital.provider() for _ in range(3)]
        patients = [await hospital.patient() for _ in range(5)]
        by = {"decided_by_id": supervisor, "decided_at": kept.at(-9)}
        provisional = await kept.access(asker, patients[0], ("provisional", -3, {"ends": 12}))
        waiting = await kept.access(asker, patients[1], ("requested", -2, {"ends": 58}), mode="gated", opened_at=None)
        approved = await kept.access(other, patients[2], ("provisional", -10, {}), ("approved", -9, {"ends": 60, **by}))
        immediate = await kept.access(other, patients[3], ("provisional", -8, {"ends": 60}), mode="immediate")
        denied = await kept.access(other, patients[4], ("provisional", -7, {}), ("denied", -6, by))
        longer = {"second_reason_code": "transfer", "wanted_until": kept.at(120)}
        extending = await kept.access(
            other, patients[0], ("approved", -20, by), ("approved", -4, {"ends": 60, **longer}), opened_at=kept.at(-20)
        )
        async with hospital.change() as db:
            every = [one.id for one in await emergencies(db, **kept.of)]
            assert every == [waiting, provisional, denied, immediate, approved, extending]
            assert {one.id for one in await emergencies(db, pending=True, **kept.of)} == {
                provisional,
                waiting,
                extending,
            }
            lets_in = {provisional, approved, immediate, extending}
            assert {one.id for one in await emergencies(db, open_now=True, **kept.of)} == lets_in
            both = await emergencies(db, pending=True, open_now=True, **kept.of)
            assert {one.id for one in both} == {provisional, extending}
            assert {one.id for one in await emergencies(db, provider=asker, **kept.of)} == {provisional, waiting}
            assert {one.id for one in await emergencies(db, patient=patients[0], **kept.of)} == {provisional, extending}
            assert [one.id for one in await emergencies(db, since=kept.at(-3), **kept.of)] == [waiting, provisional]
            shown = await show(db, emergency_id=extending, **kept.of)
            assert (shown.extension_pending, shown.decide_by) == (True, kept.at(1))

    in_hospital(body)


def test_an_inbox_has_what_its_owner_may_decide(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        kept = await Kept.open(hospital)
        asker, supervisor, stranger = [await hospital.provider() for _ in range(3)]
        duty = await kept.duty(supervisor, "supervisor")
        theirs = await kept.duty(stranger, "supervisor")
        later, sooner, decided = [
            await kept.access(asker, await hospital.patient(), *states)
            for states in (
                [("provisional", -2, {"ends": 13})],
                [("provisional", -4, {"ends": 11})],
                [("provisional", -9, {}), ("ended", -5, {"ended_because": "clinician"})],
            )
        ]
        for emergency in (later, sooner, decided):
            await kept.approver(emergency, supervisor, duty)
        async with hospital.change() as db:
            assert [one.id for one in await inbox(db, approver=supervisor, **kept.of)] == [sooner, later]
            assert await inbox(db, approver=stranger, **kept.of) == []
            assert await inbox(db, approver=asker, **kept.of) == []
        seconded = await kept.access(
            asker,
            await hospital.patient(),
            ("provisional", -1, {"ends": 13, "seconded_by_id": supervisor}),
            two_persons=True,
        )
        for who, by in ((supervisor, duty), (stranger, theirs)):
            await kept.approver(seconded, who, by)
        async with hospital.change() as db:
            assert [one.id for one in await inbox(db, approver=supervisor, **kept.of)] == [sooner, later]
            assert [one.id for one in await inbox(db, approver=stranger, **kept.of)] == [seconded]
        approved_by = await hospital.provider()
        more = {"decided_by_id": approved_by, "second_reason_code": "transfer", "wanted_until": kept.at(120)}
        extended = await kept.access(
            asker,
            await hospital.patient(),
            ("approved", -3, {"ends": 30, **more, "seconded_by_id": stranger}),
            two_persons=True,
        )
        for who, duty_of in ((supervisor, duty), (stranger, theirs)):
            await kept.approver(extended, who, duty_of)
        await kept.note(extended, "decided", supervisor)
        async with hospital.change() as db:
            assert [one.id for one in await inbox(db, approver=supervisor, **kept.of)] == [sooner, later]
            # Once before, about the request, is not about the extension.
            assert [one.id for one in await inbox(db, approver=stranger, **kept.of)] == [extended, seconded]
        await kept.revoke(theirs)
        async with hospital.change() as db:
            assert await inbox(db, approver=stranger, **kept.of) == []

    in_hospital(body)


@pytest.mark.parametrize("becomes", ["suspended", "subordinate"])
def test_an_inbox_empties_for_who_may_no_longer_decide(in_hospital: InHospital, becomes: str) -> None:
    async def body(hospital: Hospital) -> None:
        kept = await Kept.open(hospital)
        asker, supervisor, between = [await hospital.provider() for _ in range(3)]
        emergency = await kept.access(asker, await hospital.patient(), ("provisional", -2, {"ends": 13}))
        await kept.approver(emergency, supervisor, await kept.duty(supervisor, "supervisor"))
        async with hospital.change() as db:
            assert len(await inbox(db, approver=supervisor, **kept.of)) == 1
        if becomes == "suspended":
            await kept.suspend(supervisor)
        else:
            await kept.reports_to(supervisor, between)
            await kept.reports_to(between, asker)
        async with hospital.change() as db:
            assert await inbox(db, approver=supervisor, **kept.of) == []

    in_hospital(body)


def test_what_is_over_waits_for_a_review(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        kept = await Kept.open(hospital)
        asker, supervisor, reviewer = [await hospital.provider() for _ in range(3)]

        async def access(*states: tuple[str, float, dict[str, Any]], **said: Any) -> Any:
            return await kept.access(asker, await hospital.patient(), *states, **said)

        by = {"decided_by_id": supervisor, "decided_at": kept.at(-50)}
        expired = await access(("provisional", -60, {"ends": -45}))
        denied = await access(("provisional", -55, {}), ("denied", -50, by), review_due_at=kept.at(30))
        downtime = await access(
            ("provisional", -300, {}), ("ended", -200, {}), mode="downtime", review_due_at=kept.at(-5), opened_at=None
        )
        await access(("provisional", -3, {"ends": 12}))  # still open
        await access(("requested", -90, {"ends": -30}), mode="gated", opened_at=None)  # never let anybody in
        verdict = {"verdict": "justified", "reviewed_by_id": reviewer}
        await access(("provisional", -80, {}), ("ended", -70, {}), ("reviewed", -60, verdict))
        async with hospital.change() as db:
            assert [one.id for one in await to_review(db, **kept.of)] == [downtime, denied, expired]
            assert (await to_review(db, **kept.of))[0].downtime

    in_hospital(body)


def test_notes_and_deliveries(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        kept = await Kept.open(hospital)
        asker, supervisor = await hospital.provider(), await hospital.provider()
        emergency = await kept.access(asker, await hospital.patient(), ("provisional", -2, {"ends": 13}))
        await kept.note(emergency, "acknowledged", supervisor)
        await kept.note(emergency, "acknowledged", supervisor)
        await kept.note(emergency, "asked", supervisor, "Which ward?")
        async with hospital.change() as db:
            await put(
                db, hospital.organization, "email:emergency-opened", subject_id=emergency, due_at=kept.at(-2),
                entry_id=new_id(), recipient_id=supervisor, address="night@ward.example",
            )  # fmt: skip
        async with hospital.change() as db:
            notes = await notes_of(db, emergency_id=emergency, **kept.of)
            assert [(one.kind, one.words) for one in notes] == [
                ("acknowledged", None), ("acknowledged", None), ("asked", "Which ward?"),
            ]  # fmt: skip
            assert (await show(db, emergency_id=emergency, **kept.of)).acknowledged_by == (supervisor,)
            (delivery,) = await deliveries_of(db, emergency_id=emergency, **kept.of)
            assert (delivery.kind, delivery.recipient_id, delivery.settled_at) == (
                "email:emergency-opened",
                supervisor,
                None,
            )
            with pytest.raises(EmergencyAccessNotFound):
                await notes_of(db, emergency_id=new_id(), **kept.of)

    in_hospital(body)
