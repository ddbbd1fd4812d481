"""Real exports and the standard's own examples, read from a folder `shared/data/fhir` beside the project where there is one."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from carecircle.errors import InvalidInput
from tests.interop.conftest import OnWard
from tests.interop.ward import REAL, Ward

pytestmark = pytest.mark.skipif(not REAL.is_dir(), reason="no folder shared/data/fhir beside the project")


def test_google_hiv_twice(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        first = await ward.take_path(REAL / "google-hiv")
        assert first.by_type["Encounter"] >= 4006
        assert (first.facts_recorded, first.findings_open) == (4006 + 1191, 0)
        entries = len(await ward.audit())
        second = await ward.take_path(REAL / "google-hiv")
        assert second.changed_nothing
        assert (second.unchanged, second.skipped) == (first.taken, first.skipped)
        assert len(await ward.audit()) == entries

    on_ward(body)


def test_every_encounter_allows_in_its_middle_and_not_one_second_after_its_end(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        await ward.take_path(REAL / "google-hiv")
        rows = await ward.rows(
            "select a.*, exists (select from carecircle.patient_assignments b where b.patient_id = a.patient_id"
            "   and b.provider_id = a.provider_id and b.starts_at <= a.ends_at + interval '1 second'"
            "   and b.ends_at > a.ends_at + interval '1 second') as another"
            " from carecircle.patient_assignments a where source_record <> ''"
        )
        stated = {}
        for line in (REAL / "google-hiv" / "Encounter.ndjson").read_text().splitlines():
            resource = json.loads(line)["resource"]
            stated[f"Encounter/{resource['id']}"] = resource["period"]
        assert {row.source_record for row in rows} == set(stated)
        for row in rows[::20]:
            start, end = (datetime.fromisoformat(stated[row.source_record][key]) for key in ("start", "end"))
            middle = await ward.may_read(row.provider_id, row.patient_id, start + (end - start) / 2)
            after = await ward.may_read(row.provider_id, row.patient_id, end + timedelta(seconds=1))
            assert (middle.allowed, after.allowed) == (True, row.another)

    on_ward(body)


def test_nimbus_covid_teams_have_ended_seats_for_practitioners_only(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        report = await ward.take_path(REAL / "nimbus-covid")
        assert report.findings_open == 0
        seats = await ward.rows("select ends_at < now() as ended from carecircle.care_team_members")
        assert [row.ended for row in seats] == [True] * 19
        assert len(await ward.rows("select 1 from carecircle.care_team_patients")) == 19
        assert len(await ward.assignments()) == 152
        assert (await ward.take_path(REAL / "nimbus-covid")).changed_nothing

    on_ward(body)


def example_files() -> list[Path]:
    folders = [REAL / "r4-examples", REAL / "us-core"]
    return [file for folder in folders for file in sorted(folder.rglob("*.json"))] if REAL.is_dir() else []


def test_every_example_file_is_taken_or_refused_in_one_sentence(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        taken = refused = 0
        for file in example_files():
            try:
                report = await ward.take_path(file)
            except InvalidInput:
                refused += 1
            else:
                taken += report.taken
        assert taken > 50
        assert refused <= 5
        for folder in ("r4-examples", "us-core"):
            await ward.take_path(REAL / folder)
            assert (await ward.take_path(REAL / folder)).changed_nothing

    on_ward(body)
