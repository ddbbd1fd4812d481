"""Correcting a wrong past without rewriting what was believed, and the trail that every change leaves."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import text

from carecircle import CareTeamService
from carecircle.assignments.handover_service import correct_assignment
from carecircle.assignments.service import assign_primary
from carecircle.directory.credential_service import add_credential
from carecircle.directory.policy_service import set_policy
from carecircle.errors import AssignmentNotFound, InvalidPeriod, PrimaryAlreadyAssigned, ProviderNotRegistered
from carecircle.identifiers import new_id, to_text
from carecircle.period import FOREVER
from tests.access.test_check import Run
from tests.assignments.ward import HOUR, Ward
from tests.conftest import Hospital


async def database_now(hospital: Hospital) -> Any:
    async with hospital.change() as db:
        return (await db.execute(text("select statement_timestamp()"))).scalar_one()


def test_a_correction_keeps_what_was_believed(on_ward: Any) -> None:
    async def body(ward: Ward) -> None:
        wrong = await ward.assign(ward.a)
        believed_before = await database_now(ward.hospital)
        right = await ward.does("correct_assignment", assignment_id=to_text(wrong.id), provider_id=ward.b)
        since = await database_now(ward.hospital)
        assert (right.lineage_id, right.starts_at, right.assignment_type) == (wrong.id, wrong.starts_at, "primary")
        asked = believed_before
        assert await ward.may(ward.a, as_of=asked, believed_at=believed_before)
        assert not await ward.may(ward.b, as_of=asked, believed_at=believed_before)
        assert not await ward.may(ward.a, as_of=asked, believed_at=since)
        assert await ward.may(ward.b, as_of=asked, believed_at=since)
        assert [row.id for row in await ward.rows()] == [wrong.id, right.id]

    on_ward(body)


def test_a_past_that_was_not_recorded_is_corrected_into_it(on_ward: Any) -> None:
    async def body(ward: Ward) -> None:
        row = await ward.assign(ward.a)
        earlier = ward.now - 72 * HOUR
        assert await ward.primary(earlier) is None
        await ward.does("correct_assignment", assignment_id=row.id, starts_at=earlier)
        assert await ward.primary(earlier) == ward.a

    on_ward(body)


def test_a_correction_that_cannot_be_changes_nothing(on_ward: Any) -> None:
    async def body(ward: Ward) -> None:
        first = await ward.assign(ward.a)
        second = await ward.assign(ward.b)
        before, entries = await ward.believed(), len(await ward.entries())
        refused: list[tuple[type[Exception], dict[str, Any]]] = [
            (AssignmentNotFound, {"assignment_id": first.id, "provider_id": ward.c}),
            (AssignmentNotFound, {"assignment_id": new_id()}),
            (PrimaryAlreadyAssigned, {"assignment_id": second.id, "starts_at": ward.now - HOUR}),
            (InvalidPeriod, {"assignment_id": second.id, "ends_at": ward.now - HOUR}),
            (ProviderNotRegistered, {"assignment_id": second.id, "provider_id": "urn:staff|nobody"}),
            (ProviderNotRegistered, {"assignment_id": second.id, "provider_id": new_id()}),
        ]
        for error, said in refused:
            with pytest.raises(error):
                await ward.does("correct_assignment", **said)
        assert (await ward.believed(), len(await ward.entries())) == (before, entries)

    on_ward(body)


def test_a_correction_drops_nothing_that_the_policy_asks(on_ward: Any) -> None:
    async def body(ward: Ward) -> None:
        by: dict[str, Any] = {"organization": ward.hospital.organization, "actor": "test"}
        async with ward.hospital.change() as db:
            await set_policy(db, document={"assignment_credentials": {"primary": ["licence"]}}, **by)
            for kind, code in (("licence", "L-1"), ("certification", "BLS"), ("certification", "ALS")):
                await add_credential(db, provider=ward.a, kind=kind, code=code, **by)
            row = await assign_primary(db, patient=ward.patient, provider=ward.a, rests_on=["BLS"], **by)
        assert row.rests_on == ["licence", "BLS"]
        corrections: list[tuple[dict[str, Any], list[str]]] = [
            ({"scope": ["read"]}, ["licence", "BLS"]),
            ({"rests_on": ["ALS"]}, ["licence", "ALS"]),
            ({"rests_on": [], "starts_at": ward.now - 72 * HOUR}, ["licence"]),
            ({"assignment_type": "consulting", "rests_on": []}, []),
            ({"rests_on": ["BLS"]}, ["BLS"]),
            ({"assignment_type": "primary"}, ["licence", "BLS"]),
        ]
        for said, rests_on in corrections:
            async with ward.hospital.change() as db:
                row = await correct_assignment(db, patient=ward.patient, assignment_id=row.id, **said, **by)
            assert row.rests_on == rests_on, said

    on_ward(body)


def test_every_change_has_an_entry_that_its_rows_and_closings_name(on_ward: Any) -> None:
    async def body(ward: Ward) -> None:
        await ward.assign(ward.a)
        await ward.assign(ward.b)
        await ward.assign(ward.c, previous="end", starts_at=ward.now + HOUR)
        await ward.does("cancel_handover")
        row = await ward.does("add_secondary_provider", provider_id=ward.c)
        await ward.does("correct_assignment", assignment_id=row.id, scope=["read"])
        await ward.does("remove_from_care_team", provider_id=ward.b)
        entries = {entry["id"]: entry for entry in await ward.entries()}
        assert [entry["code"] for entry in entries.values() if entry["code"] != "patient-registered"] == [
            "primary-assigned", "primary-assigned", "primary-assigned", "handover-cancelled", "assignment-added",
            "assignment-corrected", "assignment-ended",
        ]  # fmt: skip
        named = set()
        for fact in await ward.rows():
            named.add(fact.entry_id)
            assert fact.recorded_at <= entries[fact.entry_id]["recorded_at"]
            assert (fact.superseded_at == FOREVER) == (fact.superseded_entry_id is None)
            if fact.superseded_entry_id is not None:
                named.add(fact.superseded_entry_id)
        assert named == {key for key, entry in entries.items() if entry["code"] != "patient-registered"}
        assert {entry["actor"] for entry in entries.values()} == {"test"}
        handed_over = [entry for entry in entries.values() if entry["code"] == "primary-assigned"][1]
        assert json.loads(handed_over["detail"])["previous"] == to_text(ward.a)

    on_ward(body)


def test_history_in_the_session_of_the_change_knows_what_was_closed(on_ward: Any) -> None:
    async def body(ward: Ward) -> None:
        said: dict[str, Any] = {"organization_id": ward.hospital.organization, "patient_id": ward.patient}
        async with ward.hospital.change() as db:
            first = await CareTeamService.assign_primary_provider(db, **said, provider_id=ward.a, actor="test")
            await CareTeamService.assign_primary_provider(db, **said, provider_id=ward.b, actor="test")
            rows = await CareTeamService.history(db, **said)
        assert [row.id for row in rows if row.superseded_at < FOREVER] == [first.id]

    on_ward(body)


def test_a_removal_of_nothing_is_false_and_leaves_no_trace(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital)
        entries = len(await ward.entries())
        assert await ward.does("remove_from_care_team", provider_id=ward.a) is False
        assert (len(await ward.entries()), await ward.entries("refusal")) == (entries, [])
        await ward.assign(ward.a)
        assert await ward.does("remove_from_care_team", provider_id=ward.a) is True

    in_hospital(body)
