"""Handing over the primary provider: now, on a date, not after all; and what everybody concerned may do meanwhile."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from carecircle import CareTeamService
from carecircle.assignments.service import add_assignment
from carecircle.directory.credential_service import add_credential
from carecircle.errors import (
    AssignmentNotFound,
    InvalidInstant,
    InvalidPeriod,
    PrimaryAlreadyAssigned,
    StaleVersion,
)
from carecircle.identifiers import to_text
from carecircle.period import FOREVER
from tests.assignments.ward import HOUR, Ward


def test_a_dated_handover_is_ordinary_rows_ahead(on_ward: Any) -> None:
    async def body(ward: Ward) -> None:
        first = await ward.assign(ward.a)
        at = ward.now + 24 * HOUR
        second = await ward.assign(ward.b, starts_at=at)
        assert await ward.believed() == {
            ("primary", ward.a, first.starts_at, at),
            ("consulting", ward.a, at, FOREVER),
            ("primary", ward.b, at, FOREVER),
        }
        assert await ward.primary() == await ward.primary(at - HOUR) == ward.a
        assert await ward.primary(at) == second.provider_id == ward.b
        assert not await ward.may(ward.b)
        assert await ward.may(ward.b, as_of=at)
        assert await ward.may(ward.a, as_of=at)

    on_ward(body)


def test_the_one_before_ends_when_the_caller_says_so(on_ward: Any) -> None:
    async def body(ward: Ward) -> None:
        await ward.assign(ward.a)
        second = await ward.assign(ward.b, previous="end")
        assert not await ward.may(ward.a)
        assert {(kind, who) for kind, who, _, ends in await ward.believed() if ends == FOREVER} == {("primary", ward.b)}
        await ward.assign(ward.c)
        assert await ward.may(ward.b)
        assert ("consulting", ward.b) in {(kind, who) for kind, who, _, _ in await ward.believed()}
        assert await ward.primary(second.starts_at) == ward.b

    on_ward(body)


def test_who_consults_already_is_not_listed_twice(on_ward: Any) -> None:
    async def body(ward: Ward) -> None:
        await ward.assign(ward.a)
        await ward.does("add_secondary_provider", provider_id=ward.a)
        await ward.assign(ward.b)
        assert sum(row[0] == "consulting" for row in await ward.believed()) == 1

    on_ward(body)


@pytest.mark.parametrize(
    ("held", "kept"),
    [
        ({}, False),
        ({"scope": ["read"]}, True),
        ({"scope": ["read", "write", "order", "share"]}, False),
        ({"rests_on": ["licence"]}, True),
        ({"ends_in": 9 * HOUR}, True),
    ],
    ids=["the same", "fewer actions", "more actions", "rests on more", "ends sooner"],
)
def test_a_narrower_consulting_row_does_not_stand_in_for_a_demotion(
    on_ward: Any, held: dict[str, Any], kept: bool
) -> None:
    async def body(ward: Ward) -> None:
        by: dict[str, Any] = {"organization": ward.hospital.organization, "actor": "test"}
        said = {key: value for key, value in held.items() if key != "ends_in"}
        if "ends_in" in held:
            said["ends_at"] = ward.now + held["ends_in"]
        async with ward.hospital.change() as db:
            await add_credential(db, provider=ward.a, kind="licence", code="L-1", ends_at=ward.now + HOUR, **by)
            await add_assignment(db, patient=ward.patient, provider=ward.a, **said, **by)
        await ward.assign(ward.a)
        await ward.assign(ward.b)
        consulting = [row for row in await ward.rows() if row.superseded_at == FOREVER and row.provider_id == ward.a]
        demoted = [row for row in consulting if row.assignment_type == "consulting" and row.lineage_id != row.id]
        assert [sorted(row.scope) for row in demoted] == ([["order", "read", "write"]] if kept else [])

    on_ward(body)


def test_repeating_an_assignment_changes_nothing(on_ward: Any) -> None:
    async def body(ward: Ward) -> None:
        first = await ward.assign(ward.a)
        at = ward.now + HOUR
        ahead = await ward.assign(ward.b, starts_at=at)
        before, entries = await ward.believed(), len(await ward.entries())
        assert (await ward.assign(ward.b, starts_at=at)).id == ahead.id
        assert (await ward.assign(ward.a)).provider_id == first.provider_id
        assert (await ward.believed(), len(await ward.entries())) == (before, entries)

    on_ward(body)


@pytest.mark.parametrize(
    ("starts_at", "error"),
    [(datetime(2020, 1, 1), InvalidInstant), (datetime.fromisoformat("2020-01-01T00:00:00+00:00"), InvalidPeriod)],  # noqa: DTZ001
    ids=["no time zone", "past"],
)
def test_a_start_must_be_ahead_and_say_its_time_zone(on_ward: Any, starts_at: datetime, error: type[Exception]) -> None:
    async def body(ward: Ward) -> None:
        with pytest.raises(error):
            await ward.assign(ward.a, starts_at=starts_at)
        assert await ward.believed() == set()
        if error is InvalidInstant:
            with pytest.raises(error):
                await ward.primary(starts_at)

    on_ward(body)


def test_a_stale_version_is_a_conflict_and_the_present_one_is_not(on_ward: Any) -> None:
    async def body(ward: Ward) -> None:
        seen = await ward.assign(ward.a)
        present = await ward.assign(ward.b)
        before = await ward.believed()
        with pytest.raises(StaleVersion):
            await ward.assign(ward.c, version=seen.id)
        assert await ward.believed() == before
        [refusal] = await ward.entries("refusal")
        assert (refusal["code"], refusal["provider_id"]) == ("stale-version", ward.c)
        assert (await ward.assign(ward.c, version=to_text(present.id))).provider_id == ward.c

    on_ward(body)


def test_another_primary_ahead_is_named_and_nothing_is_half_done(on_ward: Any) -> None:
    async def body(ward: Ward) -> None:
        await ward.assign(ward.a)
        await ward.assign(ward.b, starts_at=ward.now + 24 * HOUR)
        before, entries = await ward.believed(), len(await ward.entries())
        # A host may catch the refusal and commit what else it did.
        async with ward.hospital.change() as db:
            said: dict[str, Any] = {
                "db": db,
                "organization_id": ward.hospital.organization,
                "patient_id": ward.patient,
                "actor": "test",
            }
            with pytest.raises(PrimaryAlreadyAssigned) as caught:
                await CareTeamService.assign_primary_provider(**said, provider_id=ward.c)
            with pytest.raises(PrimaryAlreadyAssigned):
                await add_assignment(
                    db, patient=ward.patient, provider=ward.c, assignment_type="primary",
                    organization=ward.hospital.organization, actor="test",
                )  # fmt: skip
            await CareTeamService.add_secondary_provider(**said, provider_id=ward.c)
        assert to_text(ward.b) in caught.value.message
        assert {row[:2] for row in await ward.believed() - before} == {("consulting", ward.c)}
        assert before < await ward.believed()
        assert len(await ward.entries()) == entries + 1

    on_ward(body)


def test_cancelling_a_handover_restores_what_was(on_ward: Any) -> None:
    async def body(ward: Ward) -> None:
        await ward.assign(ward.a)
        before = await ward.believed()
        at = ward.now + 24 * HOUR
        for previous in ("demote", "end"):
            await ward.assign(ward.b, starts_at=at, previous=previous)
            assert await ward.believed() != before
            restored = await ward.does("cancel_handover")
            assert (restored.provider_id, await ward.believed()) == (ward.a, before)
        assert not await ward.may(ward.b, as_of=at)
        with pytest.raises(AssignmentNotFound):
            await ward.does("cancel_handover")

    on_ward(body)


def test_cancelling_when_nobody_was_to_be_replaced(on_ward: Any) -> None:
    async def body(ward: Ward) -> None:
        await ward.assign(ward.b, starts_at=ward.now + HOUR)
        assert await ward.does("cancel_handover") is None
        assert await ward.believed() == set()

    on_ward(body)


def test_cancelling_the_first_of_two_leaves_its_provider_nothing(on_ward: Any) -> None:
    async def body(ward: Ward) -> None:
        first = await ward.assign(ward.a)
        one, two = ward.now + 24 * HOUR, ward.now + 48 * HOUR
        await ward.assign(ward.b, starts_at=one)
        await ward.assign(ward.c, starts_at=two)
        assert await ward.may(ward.b, as_of=two)
        await ward.does("cancel_handover")
        assert not await ward.may(ward.b, as_of=two)
        assert {row for row in await ward.believed() if row[0] == "primary"} == {
            ("primary", ward.a, first.starts_at, two),
            ("primary", ward.c, two, FOREVER),
        }

    on_ward(body)


def test_cancelling_both_of_two_leaves_who_was_there(on_ward: Any) -> None:
    async def body(ward: Ward) -> None:
        first = await ward.assign(ward.a)
        for days, provider in ((1, ward.b), (2, ward.c)):
            await ward.assign(provider, starts_at=ward.now + days * 24 * HOUR)
        await ward.does("cancel_handover")
        restored = await ward.does("cancel_handover")
        assert await ward.believed() == {("primary", ward.a, first.starts_at, FOREVER)}
        assert restored.ends_at == FOREVER

    on_ward(body)


def test_cancelling_three_in_turn_keeps_to_the_end_there_was(on_ward: Any) -> None:
    async def body(ward: Ward) -> None:
        until = ward.now + 10 * 24 * HOUR
        async with ward.hospital.change() as db:
            first = await add_assignment(
                db, patient=ward.patient, provider=ward.a, assignment_type="primary", ends_at=until,
                organization=ward.hospital.organization, actor="test",
            )  # fmt: skip
        for days, provider in ((1, ward.b), (2, ward.c), (3, ward.b)):
            await ward.assign(provider, starts_at=ward.now + days * 24 * HOUR)
        for _ in range(3):
            await ward.does("cancel_handover")
        assert await ward.believed() == {("primary", ward.a, first.starts_at, until)}

    on_ward(body)


def test_one_whose_turn_never_came_does_not_consult(on_ward: Any) -> None:
    async def body(ward: Ward) -> None:
        first = await ward.assign(ward.a)
        at = ward.now + 24 * HOUR
        await ward.assign(ward.b, starts_at=at)
        await ward.assign(ward.c, starts_at=at)
        assert await ward.believed() == {
            ("primary", ward.a, first.starts_at, at),
            ("consulting", ward.a, at, FOREVER),
            ("primary", ward.c, at, FOREVER),
        }
        assert not await ward.may(ward.b, as_of=at)

    on_ward(body)
