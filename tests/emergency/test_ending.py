"""The end of emergency access: the clinician's own word, a discharge, leaving the organization; and asking for more."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from carecircle.actor import Actor
from carecircle.database.crypto import keyring
from carecircle.directory.policy_service import set_policy
from carecircle.emergency.deciding_service import approve, deny
from carecircle.emergency.ending_service import (
    end,
    end_on_discharge,
    end_open_of_provider,
    end_these,
    extend,
)
from carecircle.errors import InvalidRequest
from carecircle.errors.emergency import (
    AlreadyDecided,
    EmergencyAccessNotFound,
    EmergencyAccessOpen,
    GrantEnded,
    NotThemselves,
    ReasonRequired,
    SelfApproval,
)
from carecircle.identifiers import new_id
from tests.conftest import Hospital
from tests.emergency.ward import Ward
from tests.staffing.records import Records

InHospital = Callable[[Callable[[Hospital], Any]], Any]
HOUR = timedelta(hours=1)
OFFICE = Actor.service("office")


def test_who_asked_ends_it_and_nobody_else_does(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital)
        emergency = await ward.ask()
        with pytest.raises(NotThemselves):
            await ward.do(end, emergency_id=emergency, provider=ward.first)
        with pytest.raises(NotThemselves):
            await ward.do(end, emergency_id=emergency, provider=ward.asker, actor=Actor.provider(ward.first))
        assert (await ward.may()).allowed
        row = await ward.do(end, emergency_id=emergency, provider=ward.asker, actor=Actor.provider(ward.asker))
        assert (row.state, row.ended_because, row.scope) == ("ended", "clinician", [])
        assert not (await ward.may()).allowed
        with pytest.raises(GrantEnded):
            await ward.do(end, emergency_id=emergency, provider=ward.asker)
        with pytest.raises(GrantEnded):
            await ward.do(deny, emergency_id=emergency, approver=ward.first, words="no")
        with pytest.raises(AlreadyDecided):
            await ward.do(approve, emergency_id=emergency, approver=ward.first)
        assert await ward.hooks(emergency) == ["emergency-opened", "emergency-ended"]
        # It came to nothing that anybody denied or missed: the next one opens at once.
        assert await ward.state(await ward.ask()) == "provisional"

    in_hospital(body)


def test_what_waits_is_taken_back(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital, emergency_mode="gated")
        emergency = await ward.ask()
        row = await ward.do(end, emergency_id=emergency, provider=ward.asker)
        assert (row.state, row.opened_at) == ("ended", None)

    in_hospital(body)


def test_a_discharge_ends_what_is_open_to_the_patient(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital)
        other = await hospital.provider()
        await ward.kept.duty(other, "break_glass")
        patient, elsewhere = ward.patient, await hospital.patient()
        approved, provisional = await ward.ask(), await ward.ask(provider=other)
        await ward.do(approve, emergency_id=approved, approver=ward.first)
        over = await ward.kept_one(("provisional", -90, {}), ("denied", -80, {"decided_by_id": ward.first}))
        stays = await ward.ask(patient=elsewhere)
        ended = await ward.do(end_on_discharge, patient="mrn|1", actor="service:admissions")
        assert {one.lineage_id for one in ended} == {approved, provisional}
        assert {(one.state, one.ended_because) for one in ended} == {("ended", "discharge")}
        assert not (await ward.may()).allowed
        assert not (await ward.may(provider=other)).allowed
        assert await ward.state(over) == "denied"
        ward.patient = elsewhere
        assert await ward.state(stays) == "provisional"
        assert (await ward.may()).allowed
        assert await ward.do(end_on_discharge, patient=patient) == []

    in_hospital(body)


def test_more_time_takes_a_second_reason_and_an_approval(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital)
        emergency = await ward.ask(hours=2)
        more = {"emergency_id": emergency, "provider": ward.asker, "reason_code": "transfer", "hours": 3}
        with pytest.raises(InvalidRequest):
            await ward.do(extend, **more)
        approved = await ward.do(approve, emergency_id=emergency, approver=ward.first)
        wrong: tuple[tuple[type[Exception], dict[str, Any]], ...] = (
            (ReasonRequired, {"reason_code": ""}), (ReasonRequired, {"reason_code": "because"}),
            (ReasonRequired, {"reason_code": "other"}), (InvalidRequest, {"hours": 0}),
            (NotThemselves, {"provider": ward.first}), (NotThemselves, {"actor": Actor.provider(ward.second)}),
        )  # fmt: skip
        for refused, said in wrong:
            with pytest.raises(refused):
                await ward.do(extend, **(more | said))
        late = await hospital.provider()
        await ward.kept.duty(late, "supervisor", contact="late@example.org")
        asked = await ward.do(extend, **more, words="no bed upstairs")
        assert (asked.state, asked.ends_at, asked.wanted_until) == (
            "approved", approved.ends_at, approved.ends_at + 3 * HOUR,
        )  # fmt: skip
        assert asked.second_reason is not None
        sealed = keyring().unseal(
            asked.second_reason, hospital.organization, "emergency_access", "second_reason", emergency
        )
        assert sealed == b"no bed upstairs"
        (entry,) = await (await Records.open(hospital)).audit("emergency-extension-asked")
        assert json.loads(entry["detail"])["reason"] == "transfer"
        assert "bed" not in str(dict(entry))
        # Who is on duty by now is told, and decides as well as those of the request.
        assert set(await ward.told(emergency, "emergency-extension-asked")) == {ward.first, late}
        with pytest.raises(EmergencyAccessOpen):
            await ward.do(extend, **more)
        with pytest.raises(SelfApproval):
            await ward.do(approve, emergency_id=emergency, approver=ward.asker)
        with pytest.raises(InvalidRequest):
            await ward.do(approve, emergency_id=emergency, approver=late, hours=1)
        row = await ward.do(approve, emergency_id=emergency, approver=late, hours=4)
        assert (row.state, row.ends_at, row.decided_by_id) == ("approved", row.opened_at + 4 * HOUR, late)
        assert row.decided_at == approved.decided_at
        with pytest.raises(AlreadyDecided):
            await ward.do(approve, emergency_id=emergency, approver=ward.second)
        assert await ward.hooks(emergency) == [
            "emergency-opened", "emergency-approved", "emergency-extension-asked", "emergency-extended",
        ]  # fmt: skip

    in_hospital(body)


def test_no_extension_goes_beyond_the_cap(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital, emergency_longest_hours=6)
        emergency = await ward.ask(hours=2)
        await ward.do(approve, emergency_id=emergency, approver=ward.first)
        more = {"emergency_id": emergency, "provider": ward.asker, "reason_code": "transfer", "hours": 60}
        await ward.do(extend, **more)
        row = await ward.do(approve, emergency_id=emergency, approver=ward.first, hours=70)
        assert row.ends_at == row.opened_at + 6 * HOUR
        with pytest.raises(InvalidRequest):
            await ward.do(extend, **more)
        assert (await ward.may()).allowed

    in_hospital(body)


def test_an_extension_of_what_two_approved_takes_two(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital, emergency_open_at_once=1)
        await ward.ask()
        ward.patient = await hospital.patient()
        emergency = await ward.ask(hours=2)
        for who in (ward.first, ward.second):
            await ward.do(approve, emergency_id=emergency, approver=who)
        asked = await ward.do(extend, emergency_id=emergency, provider=ward.asker, reason_code="transfer", hours=2)
        with pytest.raises(InvalidRequest):
            await ward.do(approve, emergency_id=emergency, approver=ward.second, hours=3)
        row = await ward.do(approve, emergency_id=emergency, approver=ward.second)
        assert row.ends_at == asked.ends_at
        with pytest.raises(SelfApproval):
            await ward.do(approve, emergency_id=emergency, approver=ward.second)
        row = await ward.do(approve, emergency_id=emergency, approver=ward.manager)
        assert (row.ends_at, row.seconded_by_id, row.decided_by_id) == (
            asked.wanted_until, ward.second, ward.manager,
        )  # fmt: skip
        # The next extension takes two again.
        await ward.do(extend, emergency_id=emergency, provider=ward.asker, reason_code="transfer", hours=2)
        again = await ward.do(approve, emergency_id=emergency, approver=ward.first)
        assert again.ends_at == row.ends_at
        again = await ward.do(approve, emergency_id=emergency, approver=ward.second)
        assert again.ends_at == row.ends_at + 2 * HOUR

    in_hospital(body)


def test_an_extension_may_be_denied_with_all_the_rest(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital)
        emergency = await ward.ask(hours=2)
        await ward.do(approve, emergency_id=emergency, approver=ward.first)
        await ward.do(extend, emergency_id=emergency, provider=ward.asker, reason_code="transfer", hours=2)
        await ward.do(deny, emergency_id=emergency, approver=ward.second, words="enough")
        assert not (await ward.may()).allowed
        with pytest.raises(GrantEnded):
            await ward.do(extend, emergency_id=emergency, provider=ward.asker, reason_code="transfer", hours=2)

    in_hospital(body)


def test_who_leaves_keeps_nothing_open(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital)
        other, patient, elsewhere = await hospital.provider(), ward.patient, await hospital.patient()
        await ward.kept.duty(other, "break_glass")
        before = await ward.ask()
        await ward.do(end, emergency_id=before, provider=ward.asker)
        over = await ward.kept_one(("provisional", -90, {"ends": -75}))
        approved, stays = await ward.ask(), await ward.ask(provider=other)
        await ward.do(approve, emergency_id=approved, approver=ward.first)
        await ward.do(set_policy, document={"emergency_mode": "gated"})
        waits = await ward.ask(patient=elsewhere)
        ended = await ward.inside(end_open_of_provider, ward.asker, OFFICE)
        assert {one.lineage_id for one in ended} == {approved, waits}
        assert {(one.state, one.ended_because, tuple(one.scope)) for one in ended} == {("ended", "offboarded", ())}
        assert not (await ward.may()).allowed
        for emergency in (approved, waits):
            assert (await ward.hooks(emergency))[-1] == "emergency-ended"
        last = (await (await Records.open(hospital)).audit("emergency-ended"))[-1]
        assert (last["actor"], json.loads(last["detail"])["because"]) == ("service:office", "offboarded")
        # What was over stays as it was, and so does what another has.
        assert [(await ward.states(one))[-1].ended_because for one in (before, over)] == ["clinician", None]
        assert await ward.state(stays) == "provisional"
        assert (await ward.may(provider=other)).allowed
        assert ward.patient == patient
        assert await ward.inside(end_open_of_provider, ward.asker, OFFICE) == []

    in_hospital(body)


def test_these_are_ended_and_what_is_over_is_left_alone(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital)
        other = await hospital.provider()
        await ward.kept.duty(other, "break_glass")
        denied, stays = await ward.ask(), await ward.ask(provider=other)
        await ward.do(deny, emergency_id=denied, approver=ward.first, words="no")
        ward.patient = await hospital.patient()
        opened = await ward.ask()
        over = await ward.kept_one(("provisional", -90, {"ends": -75}))
        ended = await ward.inside(end_these, [opened, denied, over, opened], OFFICE, "merged")
        assert [(one.lineage_id, one.state, one.ended_because) for one in ended] == [(opened, "ended", "merged")]
        assert [await ward.state(one) for one in (denied, over, stays)] == ["denied", "provisional", "provisional"]
        with pytest.raises(EmergencyAccessNotFound):
            await ward.inside(end_these, [new_id()], OFFICE, "merged")

    in_hospital(body)
