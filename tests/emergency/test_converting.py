"""A relationship that has come ends emergency access, and only where nothing is lost of what is granted or still asked for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from carecircle.assignments.service import add_assignment
from carecircle.care_teams.service import add_member, add_patient, create_team
from carecircle.directory.policy_service import set_policy
from carecircle.emergency.deciding_service import approve
from carecircle.emergency.ending_service import end, end_if_related, extend
from carecircle.errors.emergency import GrantEnded
from carecircle.restrictions.service import label, lift, lift_suspension, object_to, suspend
from tests.conftest import Hospital
from tests.emergency.ward import Ward

InHospital = Callable[[Callable[[Hospital], Any]], Any]
HOUR = timedelta(hours=1)


async def _converted(ward: Ward, emergency: UUID) -> bool:
    row = await ward.do(end_if_related, emergency_id=emergency)
    assert row is None or (row.state, row.ended_because) == ("ended", "relationship")
    return row is not None


def test_a_relationship_that_does_it_all_ends_it(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital)
        emergency = await ward.ask()
        assert not await _converted(ward, emergency)
        await ward.do(add_assignment, patient=ward.patient, provider=ward.asker)
        assert await _converted(ward, emergency)
        decision = await ward.may()
        assert decision.allowed
        assert [one.kind for one in decision.bases] == ["consulting"]
        assert [one.kind for one in await ward.notes(emergency)] == ["converted"]
        assert await ward.hooks(emergency) == ["emergency-opened", "emergency-converted"]
        assert not await _converted(ward, emergency)
        with pytest.raises(GrantEnded):
            await ward.do(end, emergency_id=emergency, provider=ward.asker)

    in_hospital(body)


def test_a_relationship_that_ends_sooner_leaves_it_open(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital)
        emergency = await ward.ask(hours=4)
        row = await ward.do(approve, emergency_id=emergency, approver=ward.first)
        assignment = {"patient": ward.patient, "provider": ward.asker}
        await ward.do(add_assignment, **assignment, ends_at=row.ends_at - timedelta(seconds=1))
        assert not await _converted(ward, emergency)
        await ward.do(add_assignment, **assignment, assignment_type="attending", ends_at=row.ends_at)
        assert await _converted(ward, emergency)

    in_hospital(body)


def test_a_relationship_that_allows_less_leaves_it_open(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital, emergency_scope=["read", "write", "order"])
        emergency = await ward.ask(scope=("read", "order"))
        await ward.do(approve, emergency_id=emergency, approver=ward.first)
        team = await ward.do(create_team, name="Team")
        await ward.do(add_member, care_team_id=team, provider=ward.asker, member_role="nurse", scope=["read"])
        await ward.do(add_patient, care_team_id=team, patient=ward.patient)
        assert not await _converted(ward, emergency)
        # Two that together do it all are as good as one.
        await ward.do(add_assignment, patient=ward.patient, provider=ward.asker, scope=["order"])
        assert await _converted(ward, emergency)

    in_hospital(body)


def test_a_relationship_that_is_restricted_leaves_it_open(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital, emergency_overrides=["sensitivity", "objection"])
        team = await ward.do(create_team, name="Team")
        await ward.do(add_member, care_team_id=team, provider=ward.asker, member_role="nurse")
        await ward.do(add_patient, care_team_id=team, patient=ward.patient)
        await ward.do(label, patient=ward.patient, label="PSY")
        emergency = await ward.ask()
        assert (await ward.may()).allowed
        assert not await _converted(ward, emergency)
        await ward.do(add_assignment, patient=ward.patient, provider=ward.asker)
        objection = await ward.do(object_to, patient=ward.patient, provider=ward.asker)
        assert not await _converted(ward, emergency)
        assert (await ward.may()).allowed
        await ward.do(lift, restriction_id=objection.id)
        await ward.do(suspend, provider=ward.asker)
        assert not await _converted(ward, emergency)
        await ward.do(lift_suspension, provider=ward.asker)
        assert await _converted(ward, emergency)

    in_hospital(body)


def test_a_request_that_waits_ends_when_it_is_needless(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital, emergency_mode="gated", emergency_scope=["read", "write", "order"])
        emergency = await ward.ask(scope=("read", "order"), hours=3)
        row = (await ward.states(emergency))[-1]
        assignment = {"patient": ward.patient, "provider": ward.asker}
        assert not await _converted(ward, emergency)
        await ward.do(add_assignment, **assignment, scope=["read"])
        assert not await _converted(ward, emergency)
        await ward.do(
            add_assignment, **assignment, assignment_type="attending", scope=["read", "order"], ends_at=row.wanted_until
        )
        assert await _converted(ward, emergency)

    in_hospital(body)


def test_less_than_what_may_still_be_approved_leaves_it_open(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital, emergency_scope=["read", "write"])
        assignment = {"patient": ward.patient, "provider": ward.asker}
        await ward.do(add_assignment, **assignment, scope=["read"])
        # The policy lets nobody order by it, so that is not waited for.
        emergency = await ward.ask(scope=("read", "write", "order"), hours=3)
        assert not await _converted(ward, emergency)
        assert await ward.state(emergency) == "provisional"
        row = await ward.do(approve, emergency_id=emergency, approver=ward.first)
        assert row.scope == ["read", "write"]
        assert not await _converted(ward, emergency)
        await ward.do(end, emergency_id=emergency, provider=ward.asker)
        again = await ward.ask(scope=("read", "write", "order"), hours=3)
        until = (await ward.states(again))[-1].wanted_until
        wider = {"assignment_type": "attending", "scope": ["read", "write"]}
        await ward.do(add_assignment, **assignment, **wider, ends_at=until - timedelta(seconds=1))
        assert not await _converted(ward, again)
        await ward.do(add_assignment, **assignment, **(wider | {"assignment_type": "admitting"}), ends_at=until)
        assert await _converted(ward, again)

    in_hospital(body)


def test_what_was_approved_for_less_is_compared_with_that(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital, emergency_scope=["read", "write"])
        emergency = await ward.ask(scope=("read", "write"), hours=4)
        row = await ward.do(approve, emergency_id=emergency, approver=ward.first, scope=["read"], hours=2)
        assert not await _converted(ward, emergency)
        await ward.do(add_assignment, patient=ward.patient, provider=ward.asker, scope=["read"], ends_at=row.ends_at)
        assert await _converted(ward, emergency)

    in_hospital(body)


def test_what_nobody_has_to_approve_is_compared_with_what_it_grants(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital, emergency_mode="immediate")
        emergency = await ward.ask(scope=("read", "write"), hours=2)
        row = (await ward.states(emergency))[-1]
        assert row.scope == ["read"]
        # What the policy has come to allow since is not given without another request.
        await ward.do(set_policy, document={"emergency_scope": ["read", "write"]})
        assert not await _converted(ward, emergency)
        await ward.do(add_assignment, patient=ward.patient, provider=ward.asker, scope=["read"], ends_at=row.ends_at)
        assert await _converted(ward, emergency)

    in_hospital(body)


def test_an_extension_that_waits_keeps_it_open_until_its_own_end(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital)
        emergency = await ward.ask(hours=2)
        row = await ward.do(approve, emergency_id=emergency, approver=ward.first)
        asked = await ward.do(extend, emergency_id=emergency, provider=ward.asker, reason_code="transfer", hours=10)
        assignment = {"patient": ward.patient, "provider": ward.asker}
        await ward.do(add_assignment, **assignment, ends_at=row.ends_at + HOUR)
        assert not await _converted(ward, emergency)
        await ward.do(add_assignment, **assignment, assignment_type="attending", ends_at=asked.wanted_until)
        assert await _converted(ward, emergency)

    in_hospital(body)
