"""Whatever a constraint of the database refuses is on record, whichever door it came through; also what looks like a mistake."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from carecircle import AssignmentValidator, CareTeamService, CrossCoverageManager, EmergencyAccessManager, to_text
from carecircle.errors import InvalidRequest, ProviderNotRegistered
from carecircle.errors.emergency import SelfApproval
from carecircle.identifiers import new_id
from tests.api.clinic import EARLIER, SOON, Clinic, entries, open_clinic
from tests.conftest import Hospital
from tests.emergency.clinic import Clinic as Ward

Run = Callable[[Callable[[Hospital], Any]], Any]


async def refused(hospital: Hospital) -> list[tuple[str, str]]:
    return [(one["code"], one["actor"]) for one in await entries(hospital, "refusal")]


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/v1/restrictions", {"kind": "objection", "patient": "ines", "provider": "dana"}, 409, "already-restricted"),
        ("/v1/reporting-lines", {"provider": "dana", "reports_to": "dana"}, 400, "invalid-request"),
        (
            "/v1/coverage-arrangements",
            {"covered": "dana", "covering": "dana", "starts_at": EARLIER, "ends_at": SOON},
            400,
            "invalid-request",
        ),
    ],
)
def test_over_http(in_hospital: Run, path: str, body: dict[str, str], status: int, code: str) -> None:
    async def work(hospital: Hospital) -> None:
        async with open_clinic(hospital) as clinic:
            said = {key: clinic.ids.get(value, value) for key, value in body.items()}
            answer = None
            for _ in range(2 if status == 409 else 1):
                answer = await clinic.client.post(path, json=said)
            assert answer is not None
            assert answer.status_code == status, answer.text
            assert await refused(hospital) == [(code, "service:test")]

    in_hospital(work)


def test_in_a_hosts_own_session(in_hospital: Run) -> None:
    async def work(hospital: Hospital) -> None:
        patient, nobody = await hospital.patient(), new_id()
        with pytest.raises(ProviderNotRegistered):
            async with hospital.change() as db:
                await CareTeamService.assign_primary_provider(
                    db, hospital.organization, patient_id=patient, provider_id=nobody, actor="host:door"
                )
        assert await refused(hospital) == [("provider-not-registered", "host:door")]

    in_hospital(work)


def test_by_the_emergency_manager(in_hospital: Run) -> None:
    async def work(hospital: Hospital) -> None:
        ward = await Ward.open(hospital)
        manager = EmergencyAccessManager(hospital.circle, organization=hospital.organization, actor="host:door")
        own = await manager.request_emergency_access(ward.doctor, ward.patient, "found unresponsive in bay 4")
        with pytest.raises(SelfApproval):
            await manager.approve_emergency_access(own, ward.doctor)
        assert await refused(hospital) == [("self-approval", "host:door")]

    in_hospital(work)


def test_by_the_coverage_manager(in_hospital: Run) -> None:
    async def work(hospital: Hospital) -> None:
        doctor, now = await hospital.provider(), datetime.now(UTC)
        manager = CrossCoverageManager(hospital.circle, organization=hospital.organization, actor="host:door")
        with pytest.raises(InvalidRequest):
            await manager.create_coverage_arrangement(doctor, doctor, now, now + timedelta(days=1))
        assert await refused(hospital) == [("invalid-request", "host:door")]

    in_hospital(work)


def test_what_the_validator_warns_of_is_refused_and_on_record_when_it_is_done_all_the_same(in_hospital: Run) -> None:
    async def work(hospital: Hospital) -> None:
        async with open_clinic(hospital) as clinic:
            await _closed_team(clinic)
            team, brown = clinic.ids["team"], clinic.ids["brown"]
            async with hospital.change() as db:
                validator = await AssignmentValidator.load(
                    db, providers=[brown], teams=[team], organization=hospital.organization
                )
            assert not validator.validate_care_team_membership(team, brown, "nurse")
            assert await refused(hospital) == [], "asking whether it would be valid tries nothing"
            said = {"provider": brown, "member_role": "nurse"}
            assert (await clinic.client.post(f"/v1/care-teams/{team}/members", json=said)).status_code >= 400
            assert [code for code, _ in await refused(hospital)] == ["care-team-closed"]

    in_hospital(work)


async def _closed_team(clinic: Clinic) -> None:
    clinic.ids["team"] = (await clinic.json("POST", "/v1/care-teams", {"name": "Ward"}, 201))["id"]
    await clinic.json("POST", f"/v1/care-teams/{clinic.ids['team']}/close")


def test_a_body_that_cannot_be_read_is_no_refusal(in_hospital: Run) -> None:
    async def work(hospital: Hospital) -> None:
        async with open_clinic(hospital) as clinic:
            answer = await clinic.client.post(
                "/v1/restrictions", json={"kind": "objection", "patient": to_text(new_id())}
            )
            assert answer.status_code == 400
            assert await refused(hospital) == []

    in_hospital(work)
