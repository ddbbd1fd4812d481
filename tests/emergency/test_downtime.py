"""What was used while nobody could be asked: entered afterwards, marked, reviewed, and never a way in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from carecircle.database.crypto import keyring
from carecircle.directory.relation_service import relate
from carecircle.emergency.downtime_service import record_downtime
from carecircle.emergency.tables import EmergencyAccess
from carecircle.errors import AlreadyRegistered, InvalidInstant, InvalidPeriod, InvalidRequest, ProviderNotRegistered
from carecircle.errors.emergency import NotThemselves, ReasonRequired
from carecircle.identifiers import new_id, to_text
from carecircle.period import FOREVER
from carecircle.restrictions.service import label
from tests.conftest import Hospital
from tests.emergency.clinic import HOUR, MINUTE, Clinic

InHospital = Callable[[Callable[[Hospital], Any]], Any]


async def _record(c: Clinic, by: str = "operator:test", **said: Any) -> EmergencyAccess:
    """From two hours ago until one hour ago, unless said otherwise."""
    now = await c.instant()
    given: dict[str, Any] = {
        "provider": c.doctor, "patient": c.patient, "reason_code": "life-threat", "words": "From the paper form.",
        "starts_at": now - 2 * HOUR, "ends_at": now - HOUR,
    } | said  # fmt: skip
    row: EmergencyAccess = await c.do(record_downtime, by, **given)
    return row


def test_it_is_on_record_for_when_it_was_and_lets_nobody_in(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        await c.works_in(c.doctor, c.ward)
        row = await _record(c, words=" From the paper form. ")
        states = await c.rows(
            "select state, mode, scope, starts_at, nullif(ends_at, 'infinity'), opened_at, ended_because from"
            " carecircle.emergency_access where lineage_id = :id order by starts_at",
            id=row.lineage_id,
        )
        used, left = states
        assert tuple(used[:3]) == ("provisional", "downtime", [])
        assert used[4] - used[3] == HOUR
        assert tuple(left) == ("ended", "downtime", [], used[4], None, None, "downtime")
        assert (row.state, row.starts_at, row.ends_at, row.unit_id) == ("ended", used[4], FOREVER, c.ward)
        for at in (None, used[3], used[3] + HOUR / 2, left[3]):
            assert not await c.may(at=at)
        # An access that was opened lets in, by the same question.
        await c.request(patient=c.patient)
        assert await c.may()
        assert row.reason is not None
        ring, tenant = keyring(), hospital.organization
        assert ring.unseal(row.reason, tenant, "emergency_access", "reason", row.lineage_id) == b"From the paper form."

    in_hospital(body)


def test_it_leaves_an_entry_and_a_review_that_is_due_from_now(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        before = await c.instant()
        row = await _record(c, witness=c.first, starts_at=before - 200 * HOUR, ends_at=before - 199 * HOUR)
        (entry,) = await c.audit("emergency-downtime-recorded")
        assert entry["id"] == row.entry_id
        assert (entry["provider_id"], entry["patient_id"]) == (c.doctor, c.patient)
        assert to_text(c.first) in entry["detail"]
        assert "paper" not in entry["detail"]
        assert row.seconded_by_id == c.first
        assert row.review_due_at is not None
        assert before + 72 * HOUR < row.review_due_at < before + 72 * HOUR + MINUTE
        due = await c.due(row.lineage_id)
        assert [one[0] for one in due] == ["review-due", "webhook:emergency-downtime-recorded"]
        assert due[0][3] == row.review_due_at

    in_hospital(body)


def test_what_deserves_a_second_look_is_noticed(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        assert (await _record(c)).signals == ["no-unit"]
        await c.do(label, patient=c.patient, label="CEL")
        # Whoever had no such duty, and a relative too, is written down all the same: it has happened.
        await c.do(relate, provider=c.manager, patient=c.patient, relation="family")
        row = await _record(c, provider=c.manager)
        assert row.signals == ["vip", "family", "no-unit"]
        assert row.review_due_at == row.asked_at + 24 * HOUR

    in_hospital(body)


def test_it_is_over_and_entered_once(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        now = await c.instant()
        wrongs: list[tuple[type[Exception], dict[str, Any]]] = [
            (InvalidPeriod, {"ends_at": now + HOUR}),
            (InvalidPeriod, {"starts_at": now - HOUR, "ends_at": now - HOUR}),
            (InvalidInstant, {"starts_at": (now - 2 * HOUR).replace(tzinfo=None)}),
            (ReasonRequired, {"reason_code": "curiosity"}),
            (ReasonRequired, {"reason_code": "other", "words": ""}),
            (InvalidRequest, {"witness": c.doctor}),
            (ProviderNotRegistered, {"provider": new_id()}),
            (ProviderNotRegistered, {"witness": new_id()}),
        ]
        for error, said in wrongs:
            with pytest.raises(error):
                await _record(c, **said)
        assert (await c.counts())["emergency_access"] == 0
        row = await _record(c, starts_at=now - 2 * HOUR, ends_at=now - HOUR)
        for starts, ends in ((2, 1), (3, 1.5), (1.5, 0.5)):
            with pytest.raises(AlreadyRegistered) as refused:
                await _record(c, starts_at=now - starts * HOUR, ends_at=now - ends * HOUR)
            assert refused.value.facts["emergency_id"] == row.lineage_id
        await _record(c, starts_at=now - HOUR, ends_at=now - HOUR / 2)
        await _record(c, provider=c.first)
        assert (await c.counts())["emergency_access"] == 6

    in_hospital(body)


def test_it_stands_in_nobodys_way(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        await c.policy(emergency_open_at_once=1, emergency_opened_a_day=1, emergency_opened_by_unit_an_hour=1)
        await c.works_in(c.doctor, c.ward)
        await _record(c)
        row = await c.request()
        assert (row.mode, row.reopens_id, row.signals, row.two_persons) == ("provisional", None, [], False)

    in_hospital(body)


def test_a_provider_records_what_they_did_or_witnessed(in_hospital: InHospital) -> None:
    async def body(hospital: Hospital) -> None:
        c = await Clinic.open(hospital)
        now = await c.instant()
        for by, said in ((c.first, {}), (c.manager, {"witness": c.first})):
            with pytest.raises(NotThemselves):
                await _record(c, by=f"provider:{to_text(by)}", **said)
        assert (await c.counts())["emergency_access"] == 0
        own = await _record(c, by=f"provider:{to_text(c.doctor)}")
        earlier: dict[str, Any] = {"starts_at": now - 4 * HOUR, "ends_at": now - 3 * HOUR, "witness": c.first}
        seen = await _record(c, by=f"provider:{to_text(c.first)}", **earlier)
        told = await _record(c, by=f"provider:{to_text(c.doctor)}", **(earlier | {"patient": await hospital.patient()}))
        assert {one.provider_id for one in (own, seen, told)} == {c.doctor}
        assert (seen.seconded_by_id, own.seconded_by_id) == (c.first, None)

    in_hospital(body)
