"""What later imports do: nothing twice, corrections, endings, older exports, and the brake before many endings."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from carecircle import CareTeamService
from carecircle.errors import ConfirmationRequired, Conflict
from carecircle.identifiers import new_id
from carecircle.interop.fhir.report import Progress
from tests.interop.conftest import OnWard
from tests.interop.ward import Ward, encounter, participant, patient, practitioner, to

OPEN = {"start": "2020-01-01T08:00:00Z"}
ATND = participant("ATND", to("Practitioner/d"))
CON = participant("CON", to("Practitioner/c"))
PEOPLE = (practitioner("d"), practitioner("c"), patient("p"))


def visit(*seats: dict[str, Any], **more: Any) -> dict[str, Any]:
    return encounter("e", *seats, **{"status": "in-progress", "period": OPEN} | more)


def test_the_second_run_changes_nothing_and_says_so(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        first = await ward.take(*PEOPLE, visit(ATND, CON))
        assert (first.taken, first.facts_recorded, first.unchanged) == (4, 2, 0)
        entries = await ward.audit()
        second = await ward.take(*PEOPLE, visit(ATND, CON))
        assert second.changed_nothing
        assert (second.taken, second.unchanged, second.resources) == (0, 4, 4)
        assert await ward.audit() == entries
        assert [entry["code"] for entry in entries].count("fhir-record-taken") == 4
        assert [entry["code"] for entry in entries][-1] == "fhir-imported"
        assert {entry["kind"] for entry in entries[1:]} == {"import"}

    on_ward(body)


def test_a_removed_participant_is_ended_now_and_an_ended_one_is_left(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        past = participant("ADM", to("Practitioner/c"), period={"start": "2020-01-01", "end": "2020-01-01"})
        await ward.take(*PEOPLE, visit(ATND, CON, past))
        report = await ward.take(visit(ATND))
        assert (report.facts_ended, report.facts_superseded, report.facts_recorded) == (1, 0, 0)
        rows = await ward.rows(
            "select assignment_type, ends_at = recorded_at as now from carecircle.patient_assignments"
            " where superseded_at = 'infinity' order by 1"
        )
        assert [tuple(row) for row in rows] == [("admitting", False), ("attending", False), ("consulting", True)]
        lineages = await ward.rows(
            "select count(*), max(superseded_at) filter (where superseded_at < 'infinity') = max(recorded_at)"
            " from carecircle.patient_assignments where assignment_type = 'consulting' group by lineage_id"
        )
        assert [tuple(row) for row in lineages] == [(2, True)]
        assert (await ward.take(visit(ATND))).changed_nothing

    on_ward(body)


def test_a_changed_period_supersedes_under_the_same_lineage(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        await ward.take(*PEOPLE, visit(ATND))
        done = visit(ATND, status="finished", period=OPEN | {"end": "2020-01-05"})
        report = await ward.take(done)
        assert (report.facts_superseded, report.facts_ended) == (1, 0)
        assert await ward.assignments() == [("Encounter/e", "attending", "2020-01-01T08:00", "2020-01-06T00:00")]
        rows = await ward.rows("select count(distinct lineage_id), count(*) from carecircle.patient_assignments")
        assert tuple(rows[0]) == (1, 2)

    on_ward(body)


@pytest.mark.parametrize("status", ["entered-in-error", "cancelled"])
def test_what_should_never_have_been_said_is_withdrawn(on_ward: OnWard, status: str) -> None:
    async def body(ward: Ward) -> None:
        await ward.take(*PEOPLE, visit(ATND, CON))
        report = await ward.take(visit(ATND, CON, status=status))
        assert report.facts_superseded == 2
        assert await ward.assignments() == []

    on_ward(body)


def test_an_unusable_correction_leaves_what_was_said_before(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        await ward.take(*PEOPLE, visit(ATND))
        await ward.take(visit(ATND, period={"start": "soon"}))
        assert await ward.assignments() == [("Encounter/e", "attending", "2020-01-01T08:00", "open")]
        assert await ward.findings() == [("Encounter/e", "date-unusable")]
        report = await ward.take(visit(ATND, period={"start": "2020-01-02"}))
        assert (report.findings_closed, report.facts_superseded) == (1, 1)

    on_ward(body)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"lastUpdated": "2024-01-01T00:00:00Z"}, {"lastUpdated": "2024-01-02T00:00:00Z"}),
        (
            {"lastUpdated": "2024-01-01T00:00:00Z", "versionId": "9"},
            {"lastUpdated": "2024-01-02T00:00:00Z", "versionId": "2"},
        ),
        ({"versionId": "9"}, {"versionId": "10"}),
        (
            {"lastUpdated": "2024-01-01T00:00:00Z", "versionId": "9"},
            {"lastUpdated": "2024-01-01T00:00:00Z", "versionId": "10"},
        ),
        ({"versionId": "9"}, {"lastUpdated": "2024-01-01T00:00:00Z", "versionId": "10"}),
        ({"lastUpdated": "2024-01-01T00:00:00Z", "versionId": "9"}, {"versionId": "10"}),
    ],
)
def test_an_older_export_never_overrides_a_newer(on_ward: OnWard, old: dict[str, str], new: dict[str, str]) -> None:
    async def body(ward: Ward) -> None:
        await ward.take(*PEOPLE, visit(ATND, meta=new))
        older = await ward.take(visit(CON, meta=old))
        assert (older.skipped_older, older.changed_nothing) == (1, True)
        assert [row[1] for row in await ward.assignments()] == ["attending"]
        await ward.take(visit(meta=new | {"source": "#1"}))
        assert [row[3] for row in await ward.assignments()] != ["open"]

    on_ward(body)


def test_of_two_copies_in_one_import_the_newer_counts_and_else_the_last(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        newer = visit(ATND, meta={"lastUpdated": "2024-01-02T00:00:00Z"})
        report = await ward.take(*PEOPLE, newer, visit(CON, meta={"lastUpdated": "2024-01-01T00:00:00Z"}))
        assert [row[1] for row in await ward.assignments()] == ["attending"]
        assert (report.resources, report.taken) == (5, 5)
        await ward.take(encounter("f", ATND), encounter("f", CON))
        assert [row[1] for row in await ward.assignments()] == ["attending", "consulting"]

    on_ward(body)


def test_ending_many_facts_needs_a_yes_and_writes_nothing_before(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        visits = [encounter(f"e{n}", ATND, status="in-progress", period=OPEN) for n in range(40)]
        await ward.take(*PEOPLE, *visits)
        emptied = [one | {"participant": []} for one in visits]
        few = await ward.take(*emptied[:9])
        assert few.facts_ended == 9
        entries = await ward.audit()
        with pytest.raises(ConfirmationRequired) as refused:
            await ward.take(practitioner("new"), *emptied)
        assert (refused.value.facts["ending"], refused.value.facts["live"]) == (31, 31)
        assert await ward.audit() == entries
        assert len(await ward.rows("select 1 from carecircle.providers")) == 2
        assert (await ward.take(practitioner("new"), *emptied, confirmed=True)).facts_ended == 31

    on_ward(body)


def tomorrow(**more: Any) -> dict[str, Any]:
    return {"period": {"start": OPEN["start"], "end": (datetime.now(UTC) + timedelta(**more)).isoformat()}}


CHANGES: dict[str, tuple[dict[str, Any], bool]] = {
    "starts later": ({"period": {"start": "2999-01-01"}}, True),
    "ends within the hour": (tomorrow(hours=1), True),
    "ends next week": (tomorrow(days=7), False),
    "another patient": ({"subject": to("Patient/q")}, True),
    "another patient who is new": ({"subject": to("Patient/new")}, True),
    "a patient nobody knows": ({"subject": to("Patient/none")}, False),
    "another provider": ({"participant": [CON]}, True),
    "another kind of the same pair": ({"participant": [participant("CON", to("Practitioner/d"))]}, False),
    "another start in the past": ({"period": {"start": "2021-01-01"}}, False),
    "nothing that counts": ({"language": "en"}, False),
}


@pytest.mark.parametrize("change", CHANGES)
def test_access_that_ends_in_any_way_needs_a_yes(on_ward: OnWard, change: str) -> None:
    async def body(ward: Ward) -> None:
        visits = [visit(ATND, id=f"e{n}") for n in range(12)]
        await ward.take(*PEOPLE, patient("q"), *visits)
        more, asks = CHANGES[change]
        changed = [patient("new"), *(one | more for one in visits)]
        before = await ward.assignments()
        if asks:
            with pytest.raises(ConfirmationRequired) as refused:
                await ward.take(*changed)
            assert (refused.value.facts["ending"], refused.value.facts["live"]) == (12, 12)
            assert await ward.assignments() == before
        await ward.take(*changed, confirmed=asks)
        assert (await ward.take(*changed, confirmed=asks)).changed_nothing

    on_ward(body)


async def idle(engine: AsyncEngine) -> None:
    """The positive control: a transaction that is idle for too long loses its connection."""
    async with engine.begin() as connection:
        await connection.execute(text("select 1"))
        await asyncio.sleep(0.6)
        await connection.execute(text("select 1"))


def test_an_import_outlasts_the_time_a_transaction_may_be_idle(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        def wait(progress: Progress) -> None:
            # The event loop stands still, so the connection that holds the lock is idle for longer than it may be.
            if progress.to_take:
                time.sleep(0.6)

        engine = create_async_engine(
            ward.hospital.circle.engine.url,
            connect_args={"server_settings": {"idle_in_transaction_session_timeout": "200ms"}},
        )
        try:
            with pytest.raises(DBAPIError):
                await idle(engine)
            slow = Ward(replace(ward.hospital, circle=replace(ward.hospital.circle, engine=engine)), ward.folder)
            assert (await slow.take(*PEOPLE, visit(ATND), progress=wait)).facts_recorded == 1
        finally:
            await engine.dispose()

    on_ward(body)


def test_facts_made_by_hand_and_by_other_sources_are_never_touched(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        await ward.take(*PEOPLE, visit(ATND))
        await ward.take(*PEOPLE, visit(CON), source="other")
        people = {"patient": await ward.patient("Patient/p"), "provider": await ward.provider("Practitioner/d")}
        async with ward.hospital.change() as db:
            await db.execute(
                text(
                    "insert into carecircle.patient_assignments (organization_id, id, lineage_id, patient_id, provider_id,"
                    " assignment_type, scope, starts_at, entry_id) values (:organization, :id, :id, :patient, :provider,"
                    " 'consulting', '{read}', '2020-01-01', :id)"
                ),
                people | {"organization": ward.hospital.organization, "id": new_id()},
            )
        await ward.take(visit(status="entered-in-error"))
        rows = await ward.rows(
            "select source from carecircle.patient_assignments where superseded_at = 'infinity' order by 1"
        )
        assert [row.source for row in rows] == ["", "other"]

    on_ward(body)


def test_what_somebody_ended_by_hand_is_not_opened_again(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        await ward.take(*PEOPLE, visit(ATND, CON))
        patient_id, ended = await ward.patient("Patient/p"), await ward.provider("Practitioner/d")
        async with ward.hospital.change() as db:
            await CareTeamService.remove_from_care_team(
                db, ward.hospital.organization, patient_id=patient_id, provider_id=ended, actor="test"
            )
        assert not (await ward.may_read(ended, patient_id)).allowed
        await ward.take(visit(ATND, CON, language="en"))
        assert not (await ward.may_read(ended, patient_id)).allowed
        assert (await ward.may_read(await ward.provider("Practitioner/c"), patient_id)).allowed
        assert await ward.findings() == [("Encounter/e", "changed-by-hand")]
        assert (await ward.take(visit(ATND, CON, language="en"))).changed_nothing
        assert (await ward.take(visit(CON))).findings_closed == 1

    on_ward(body)


def test_only_one_import_at_a_time_runs_in_an_organization(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        visits = [encounter(f"e{n}", ATND) for n in range(500)]
        results = await asyncio.gather(*(ward.take(*PEOPLE, *visits) for _ in range(3)), return_exceptions=True)
        assert sum(not isinstance(result, BaseException) for result in results) >= 1
        assert all(isinstance(result, Conflict) for result in results if isinstance(result, BaseException))
        assert len(await ward.assignments()) == 500
        assert await ward.findings() == []
        assert (await ward.take(*PEOPLE, *visits)).changed_nothing

    on_ward(body)
