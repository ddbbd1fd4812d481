"""Care teams: who has a seat, for how long, with which role, and what a team's status means."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.interop.conftest import OnWard
from tests.interop.ward import Ward, care_team, patient, practitioner, to

YEAR = {"start": "2020-01-01", "end": "2020-12-31"}
OPEN = {"start": "2020-01-01"}
PEOPLE = (practitioner("d"), practitioner("c"), patient("p"))


def seat(reference: str, code: str = "", **more: Any) -> dict[str, Any]:
    return {"member": to(reference), "role": [{"coding": [{"code": code}]}]} | more


def test_practitioners_have_seats_and_nobody_else(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        role = {"resourceType": "PractitionerRole", "id": "r", "practitioner": to("Practitioner/c")}
        members = [
            seat("Patient/p", "116154003"), seat("Organization/o", "224891009"), seat("RelatedPerson/x"),
            seat("Practitioner/d", "223366009"), seat("PractitionerRole/r", "224535009"),
        ]  # fmt: skip
        report = await ward.take(*PEOPLE, role, care_team("t", *members, period=OPEN))
        assert await ward.seats() == [("member", "2020-01-01T00:00", "open"), ("nurse", "2020-01-01T00:00", "open")]
        assert await ward.findings() == []
        assert report.facts_recorded == 4
        decision = await ward.may_read(await ward.provider("Practitioner/d"), await ward.patient("Patient/p"))
        assert decision.allowed

    on_ward(body)


def test_urn_members_that_are_the_patient_or_an_organization_have_no_seat(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        urns = {name: f"urn:uuid:6f1c1f0e-8a55-4c57-9d0e-2f4ee4f1d00{n}" for n, name in enumerate(("p", "o", "d"))}
        organization = {"resourceType": "Organization", "id": "o", "name": "North"}
        team = care_team("t", *map(to, urns.values()), subject=to(urns["p"]), period=OPEN)
        await ward.take(
            {"fullUrl": urns["p"], "resource": patient("p")}, {"fullUrl": urns["o"], "resource": organization},
            {"fullUrl": urns["d"], "resource": practitioner("d")}, team,
        )  # fmt: skip
        assert len(await ward.seats()) == 1
        assert await ward.findings() == []

    on_ward(body)


@pytest.mark.parametrize(
    ("status", "period", "seats", "codes"),
    [
        ("inactive", YEAR, [("member", "2020-01-01T00:00", "2021-01-01T00:00")], []),
        ("inactive", OPEN, [], ["period-missing", "period-missing"]),
        ("inactive", None, [], ["period-missing", "period-missing"]),
        ("proposed", OPEN, [], []),
        ("suspended", OPEN, [], []),
        ("entered-in-error", OPEN, [], []),
        ("active", {"end": "2013-01-01"}, [], ["period-missing", "period-missing"]),
    ],
)
def test_status(on_ward: OnWard, status: str, period: Any, seats: list[tuple[str, str, str]], codes: list[str]) -> None:
    async def body(ward: Ward) -> None:
        await ward.take(*PEOPLE, care_team("t", seat("Practitioner/d"), status=status, period=period))
        assert await ward.seats() == seats
        assert await ward.findings() == [("CareTeam/t", code) for code in codes]
        if seats:
            people = await ward.provider("Practitioner/d"), await ward.patient("Patient/p")
            assert not (await ward.may_read(*people)).allowed
            assert (await ward.may_read(*people, datetime(2020, 6, 1, tzinfo=UTC))).allowed

    on_ward(body)


def test_an_inactive_team_that_ends_later_has_ended_now(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        team = care_team("t", seat("Practitioner/d"), status="inactive", period={"start": "2020-01-01", "end": "2120"})
        await ward.take(*PEOPLE, team)
        people = await ward.provider("Practitioner/d"), await ward.patient("Patient/p")
        assert not (await ward.may_read(*people)).allowed
        seats = await ward.seats()
        await ward.take(team | {"language": "en"})
        assert await ward.seats() == seats

    on_ward(body)


def test_a_team_without_period_looks_after_its_patient_from_now_until_suspended(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        team = care_team("t", seat("Practitioner/d"))
        await ward.take(*PEOPLE, team)
        people = await ward.provider("Practitioner/d"), await ward.patient("Patient/p")
        assert (await ward.may_read(*people)).allowed
        report = await ward.take(team | {"status": "suspended"})
        assert report.facts_ended == 2
        assert not (await ward.may_read(*people)).allowed
        await ward.take(team)
        assert (await ward.may_read(*people)).allowed

    on_ward(body)


def test_a_role_may_change_and_a_member_may_leave(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        await ward.take(*PEOPLE, care_team("t", seat("Practitioner/d"), seat("Practitioner/c"), period=OPEN))
        report = await ward.take(care_team("t", seat("Practitioner/d", "405279007"), period=OPEN))
        assert (report.facts_superseded, report.facts_ended) == (1, 1)
        seats = await ward.seats()
        assert seats[0] == ("attending", "2020-01-01T00:00", "open")
        assert (seats[1][0], seats[1][2] != "open") == ("member", True)

    on_ward(body)


def test_two_roles_of_one_person_are_one_seat_and_crossing_seats_a_finding(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        twice = care_team("t", seat("Practitioner/d"), seat("Practitioner/d", "405279007"), period=OPEN)
        await ward.take(*PEOPLE, twice)
        assert await ward.seats() == [("attending", "2020-01-01T00:00", "open")]
        assert await ward.findings() == []
        assert (await ward.take(twice)).changed_nothing
        early = {"start": "2019-01-01", "end": "2020-06-30"}
        crossing = care_team(
            "u", seat("Practitioner/c", period=early), seat("Practitioner/c", "405279007"), period=OPEN
        )
        await ward.take(crossing)
        assert await ward.findings() == [("CareTeam/u", "overlapping-membership")]
        assert (await ward.take(crossing)).changed_nothing

    on_ward(body)


def test_a_reference_written_otherwise_is_the_same_seat(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        await ward.take(*PEOPLE, care_team("t", seat("Practitioner/d"), period=OPEN))
        report = await ward.take(
            care_team("t", seat("https://x.example/Practitioner?identifier=fhir|Practitioner/d"), period=OPEN)
        )
        assert (report.facts_superseded, report.facts_ended, report.findings_opened) == (1, 0, 0)
        assert await ward.seats() == [("member", "2020-01-01T00:00", "open")]

    on_ward(body)


def test_a_group_is_a_finding_and_the_seats_are_kept(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        await ward.take(*PEOPLE, care_team("t", seat("Practitioner/d"), period=OPEN, subject=to("Group/g")))
        assert await ward.findings() == [("CareTeam/t", "subject-is-a-group")]
        assert len(await ward.seats()) == 1

    on_ward(body)
