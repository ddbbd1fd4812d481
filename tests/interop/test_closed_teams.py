"""Care teams that somebody closed by hand: an import seats nobody, and brings no patient, for the time in which they are."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from uuid import UUID

from carecircle.actor import acting_as
from carecircle.care_teams.service import add_patient
from carecircle.care_teams.team_service import close_team, reopen_team
from tests.interop.conftest import OnWard
from tests.interop.test_care_teams import OPEN, PEOPLE, seat
from tests.interop.ward import Ward, care_team, patient, practitioner

NURSE, DOCTOR = "224535009", "405279007"
ONE = care_team("t", seat("Practitioner/d"), period=OPEN)
TWO = care_team("t", seat("Practitioner/d"), seat("Practitioner/c", NURSE), period=OPEN)
CLOSED, BY_HAND = ("CareTeam/t", "care-team-closed"), ("CareTeam/t", "changed-by-hand")


async def the_team(ward: Ward) -> UUID:
    [row] = await ward.rows("select id from carecircle.care_teams")
    found: UUID = row.id
    return found


async def close(ward: Ward, at: datetime | None = None) -> None:
    team = await the_team(ward)
    with acting_as(organization=ward.hospital.organization, actor="test"):
        async with ward.hospital.change() as db:
            await close_team(db, care_team_id=team, at=at)


async def reopen(ward: Ward) -> None:
    team = await the_team(ward)
    with acting_as(organization=ward.hospital.organization, actor="test"):
        async with ward.hospital.change() as db:
            assert await reopen_team(db, care_team_id=team)


async def admit(ward: Ward, whom: UUID) -> None:
    """The team looks after somebody from now on."""
    team = await the_team(ward)
    with acting_as(organization=ward.hospital.organization, actor="test"):
        async with ward.hospital.change() as db:
            await add_patient(db, care_team_id=team, patient=whom)


async def nurse_ends(ward: Ward) -> list[str]:
    """Where each believed seat of the nurse ends: when the team closed, when it was opened again, or else."""
    rows = await ward.rows(
        "select case when m.ends_at = 'infinity' then 'open' when m.ends_at = k.starts_at then 'closing' else 'else' end,"
        "       m.starts_at = k.ends_at"
        " from carecircle.care_team_members m left join carecircle.care_team_closures k"
        "   on k.care_team_id = m.care_team_id and k.superseded_at = 'infinity'"
        " where m.superseded_at = 'infinity' and m.member_role = 'nurse' order by m.starts_at"
    )
    return [f"from reopening, {row[0]}" if row[1] else row[0] for row in rows]


def test_a_seat_on_a_closed_team_ends_with_the_closing_until_it_is_reopened_and_imported_again(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        await ward.take(*PEOPLE, patient("q"), ONE)
        joins, other = await ward.provider("Practitioner/c"), await ward.patient("Patient/q")
        await close(ward)
        report = await ward.take(TWO)
        assert (report.facts_recorded, report.findings_opened) == (1, 3)
        assert await nurse_ends(ward) == ["closing"]
        assert await ward.findings() == [CLOSED, BY_HAND, BY_HAND]
        assert (await ward.take(TWO)).changed_nothing
        await reopen(ward)
        await admit(ward, other)
        assert not (await ward.may_read(joins, other)).allowed
        # The import is what seats them, from the reopening on.
        report = await ward.take(TWO)
        assert (report.facts_recorded, report.facts_superseded, report.findings_closed) == (1, 0, 1)
        assert await nurse_ends(ward) == ["closing", "from reopening, open"]
        assert (await ward.may_read(joins, other)).allowed
        assert await ward.findings() == [BY_HAND, BY_HAND]
        assert (await ward.take(TWO)).changed_nothing
        assert (await ward.take(TWO | {"language": "en"})).facts_recorded == 0
        assert await nurse_ends(ward) == ["closing", "from reopening, open"]

    on_ward(body)


def test_a_team_that_is_open_takes_the_same_import_whole(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        await ward.take(*PEOPLE, ONE)
        joins, whom = await ward.provider("Practitioner/c"), await ward.patient("Patient/p")
        assert not (await ward.may_read(joins, whom)).allowed
        await ward.take(TWO)
        assert (await ward.may_read(joins, whom)).allowed
        assert await ward.findings() == []

    on_ward(body)


def test_a_patient_first_named_after_the_closing_is_looked_after_until_then_only(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        await ward.take(*PEOPLE, {key: value for key, value in ONE.items() if key != "subject"})
        await close(ward)
        await ward.take(TWO)
        whom = await ward.patient("Patient/p")
        for name in "dc":
            assert not (await ward.may_read(await ward.provider(f"Practitioner/{name}"), whom)).allowed
        [row] = await ward.rows(
            "select p.ends_at = k.starts_at as cut from carecircle.care_team_patients p, carecircle.care_team_closures k"
            " where p.superseded_at = 'infinity'"
        )
        assert row.cut
        assert await ward.findings() == [CLOSED, CLOSED, BY_HAND]
        rows = await ward.rows("select distinct remedy from carecircle.findings where code = 'care-team-closed'")
        [remedy] = [row.remedy for row in rows]
        assert "carecircle team reopen" in remedy
        assert (await ward.take(TWO)).changed_nothing

    on_ward(body)


def test_a_seat_that_would_begin_after_the_closing_is_left_out(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        await ward.take(*PEOPLE, ONE)
        await close(ward)
        later = care_team(
            "t", seat("Practitioner/d"), seat("Practitioner/c", NURSE, period={"start": "2120-01-01"}), period=OPEN
        )
        assert (await ward.take(later)).facts_recorded == 0
        assert await ward.findings() == [CLOSED, BY_HAND, BY_HAND]
        assert (await ward.take(later)).changed_nothing
        await reopen(ward)
        assert (await ward.take(later)).facts_recorded == 1
        assert await nurse_ends(ward) == ["open"]

    on_ward(body)


def test_a_closing_that_lies_ahead_cuts_the_end_only(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        await ward.take(*PEOPLE, patient("q"), ONE)
        [row] = await ward.rows("select statement_timestamp() + interval '1 hour' as soon")
        await close(ward, row.soon)
        await ward.take(TWO)
        assert await nurse_ends(ward) == ["closing"]
        people = await ward.provider("Practitioner/c"), await ward.patient("Patient/p")
        assert (await ward.may_read(*people)).allowed
        assert not (await ward.may_read(*people, row.soon)).allowed
        assert await ward.findings() == [CLOSED, BY_HAND, BY_HAND]
        assert (await ward.take(TWO)).changed_nothing

    on_ward(body)


def test_a_record_without_dates_seats_nobody_while_its_team_is_closed(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        await ward.take(*PEOPLE, care_team("t", seat("Practitioner/d")))
        await close(ward)
        both = care_team("t", seat("Practitioner/d"), seat("Practitioner/c", NURSE))
        await ward.take(both)
        assert await nurse_ends(ward) == []
        assert (await ward.take(both)).changed_nothing
        await reopen(ward)
        await ward.take(both)
        assert await nurse_ends(ward) == ["open"]
        assert (await ward.take(both)).changed_nothing

    on_ward(body)


def test_an_import_waits_for_a_closing_that_is_under_way(on_ward: OnWard) -> None:
    async def body(ward: Ward) -> None:
        await ward.take(*PEOPLE, practitioner("e"), ONE)
        team = await the_team(ward)
        with acting_as(organization=ward.hospital.organization, actor="test"):
            async with ward.hospital.change() as db:
                await close_team(db, care_team_id=team)
                taking = asyncio.create_task(ward.take(TWO))
                finished, _ = await asyncio.wait({taking}, timeout=timedelta(seconds=1).total_seconds())
                assert not finished
        await taking
        assert await nurse_ends(ward) == ["closing"]

    on_ward(body)
