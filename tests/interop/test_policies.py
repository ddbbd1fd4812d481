"""What the organization's policy asks of imported facts: what they rest on, and findings for seats that break a rule."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from carecircle.actor import acting_as
from carecircle.directory.credential_service import add_credential
from carecircle.directory.policy_service import set_policy
from tests.interop.conftest import OnWard
from tests.interop.test_care_teams import OPEN, PEOPLE, YEAR, seat
from tests.interop.ward import Ward, care_team, encounter, participant, patient, practitioner, to

NURSE, RESIDENT, DOCTOR = "224535009", "405277009", "405279007"
TEAM = care_team("t", seat("Practitioner/d", DOCTOR), seat("Practitioner/c", NURSE), period=OPEN)


async def policy(ward: Ward, **document: Any) -> None:
    with acting_as(organization=ward.hospital.organization, actor="test"):
        async with ward.hospital.change() as db:
            await set_policy(db, document=document)


async def licensed(ward: Ward, provider: UUID, kind: str = "licence") -> None:
    with acting_as(organization=ward.hospital.organization, actor="test"):
        async with ward.hospital.change() as db:
            await add_credential(db, provider=provider, kind=kind, code=f"{kind}-1")


async def resting(ward: Ward, table: str = "care_team_members", named: str = "member_role") -> dict[str, list[str]]:
    rows = await ward.rows(f"select {named}, rests_on from carecircle.{table} where superseded_at = 'infinity'")
    return {row[0]: list(row[1]) for row in rows}


def test_a_seat_rests_on_what_the_policy_asks_of_its_role(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        await policy(ward, role_credentials={"nurse": ["licence"]})
        await ward.take(*PEOPLE, TEAM)
        doctor, nurse = [await ward.provider(f"Practitioner/{name}") for name in "dc"]
        whom = await ward.patient("Patient/p")
        assert [(await ward.may_read(one, whom)).allowed for one in (doctor, nurse)] == [True, False]
        assert await ward.findings() == []
        await licensed(ward, nurse)
        assert (await ward.may_read(nurse, whom)).allowed
        assert (await ward.take(TEAM)).changed_nothing

    on_ward(body)


def test_an_assignment_rests_on_what_the_policy_asks_of_its_type(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        odd = 'board, {"A\\B"}'
        asked = {"primary": ["licence", "certification"], "consulting": ["licence"], "admitting": [odd]}
        await policy(ward, assignment_credentials=asked)
        visit = encounter(
            "e", participant("ATND", to("Practitioner/d")), participant("CON", to("Practitioner/c")),
            participant("ADM", to("Practitioner/c")), status="in-progress", period=OPEN,
        )  # fmt: skip
        await ward.take(*PEOPLE, visit, patient("q", generalPractitioner=[to("Practitioner/d")]))
        found = await resting(ward, "patient_assignments", "assignment_type")
        assert found == asked | {"attending": []}
        whom = await ward.patient("Patient/p")
        providers = [await ward.provider(f"Practitioner/{name}") for name in "dc"]
        assert [(await ward.may_read(one, whom)).allowed for one in providers] == [True, False]
        primary = providers[0], await ward.patient("Patient/q")
        await licensed(ward, providers[0])
        assert not (await ward.may_read(*primary)).allowed
        await licensed(ward, providers[0], "certification")
        assert (await ward.may_read(*primary)).allowed

    on_ward(body)


def test_without_a_policy_nothing_is_asked(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        both = care_team("u", seat("Practitioner/d", RESIDENT), period=OPEN)
        await ward.take(*PEOPLE, TEAM, both)
        assert await resting(ward) == {"attending": [], "nurse": [], "resident": []}
        assert await ward.findings() == []

    on_ward(body)


def test_a_policy_that_is_set_later_changes_nothing_of_what_was_imported(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        await policy(ward, role_credentials={"nurse": ["licence"]})
        await ward.take(*PEOPLE, TEAM)
        await policy(ward, role_credentials={"nurse": ["certification"], "attending": ["licence"]})
        assert (await ward.take(TEAM)).changed_nothing
        # What the record goes on saying rests on what it did; what it says newly, on what is asked now.
        until = {"start": "2020-01-01", "end": "2120-01-01"}
        await ward.take(care_team("t", seat("Practitioner/d", NURSE), seat("Practitioner/c", NURSE), period=until))
        rows = await ward.rows(
            "select provider_id, rests_on from carecircle.care_team_members where superseded_at = 'infinity'"
        )
        found = {row.provider_id: row.rests_on for row in rows}
        assert found[await ward.provider("Practitioner/c")] == ["licence"]
        assert found[await ward.provider("Practitioner/d")] == ["certification"]
        # A seat that ends keeps what it rested on.
        await ward.take(care_team("t", seat("Practitioner/d", NURSE), period=until))
        rows = await ward.rows(
            "select rests_on from carecircle.care_team_members where superseded_at = 'infinity' and ends_at < now()"
        )
        assert [row.rests_on for row in rows] == [["licence"]]

    on_ward(body)


def test_what_ended_before_there_was_a_policy_is_asked_for_nothing(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        await policy(ward, role_credentials={"nurse": ["licence"]}, largest_team=1)
        await ward.take(*PEOPLE, care_team("t", *TEAM["participant"], status="inactive", period=YEAR))
        assert await resting(ward) == {"attending": [], "nurse": []}
        assert await ward.findings() == []

    on_ward(body)


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ({"largest_team": 2}, "team-full"),
        ({"roles_held_once": ["nurse"]}, "role-held-once"),
        ({"conflicting_roles": [["nurse", "resident"]]}, "role-conflict"),
    ],
)
def test_a_seat_that_breaks_a_rule_is_taken_and_told(on_ward: OnWard, document: dict[str, Any], code: str) -> None:
    async def body(ward: Ward) -> None:
        await policy(ward, **document)
        first = care_team("s", seat("Practitioner/e", RESIDENT), period=OPEN)
        await ward.take(*PEOPLE, practitioner("e"), TEAM, first)
        assert await ward.findings() == []
        third = care_team("t", *TEAM["participant"], seat("Practitioner/e", NURSE), period=OPEN)
        report = await ward.take(third)
        assert await ward.findings() == [("CareTeam/t", code)]
        assert (report.facts_recorded, report.findings_opened) == (1, 1)
        assert (await ward.may_read(await ward.provider("Practitioner/e"), await ward.patient("Patient/p"))).allowed
        assert (await ward.take(third)).changed_nothing
        assert (await ward.take(TEAM)).findings_closed == 1
        assert await ward.findings() == []

    on_ward(body)


def test_two_records_of_one_import_can_conflict(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        await policy(ward, largest_team=50)
        both = (TEAM, care_team("u", seat("Practitioner/d", RESIDENT), seat("Practitioner/c", NURSE), period=OPEN))
        await ward.take(*PEOPLE, *both)
        assert await ward.findings() == [("CareTeam/t", "role-conflict"), ("CareTeam/u", "role-conflict")]
        assert (await ward.take(*both)).changed_nothing

    on_ward(body)
