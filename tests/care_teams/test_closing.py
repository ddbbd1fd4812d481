"""Closing and reopening a team: what ends, what is refused meanwhile, and that nobody slips in beside a closing."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from carecircle import acting_as
from carecircle.care_teams.reading_service import patients_of, team_of
from carecircle.care_teams.service import add_member, add_patient, change_member
from carecircle.care_teams.tables import CareTeamMember
from carecircle.care_teams.team_service import close_team, rename_team, reopen_team
from carecircle.database.facts import supersede
from carecircle.database.session import instant, transaction
from carecircle.errors import CareTeamClosed, CareTeamNotFound, InvalidPeriod
from carecircle.identifiers import new_id
from carecircle.period import FOREVER
from tests.care_teams.ward import DAY, Run, Ward
from tests.conftest import Hospital, open_hospital


def test_closing_ends_everything_and_reopening_brings_nothing_back(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital)
        now = await ward.now()
        nurse, late, patient = await hospital.provider(), await hospital.provider(), await hospital.patient()
        await ward.seat("nurse", nurse)
        await ward.seat("nurse", late, starts_at=now + DAY)
        await ward.look_after(patient)
        before = await ward.now()
        assert await ward.may(nurse, "read", patient)
        closing = await ward.do(close_team)
        assert (closing.members, closing.patients) == (2, 1)
        assert not await ward.may(nurse, "read", patient)
        assert not await ward.may(late, "read", patient, as_of=now + 2 * DAY)
        assert await ward.may(nurse, "read", patient, as_of=before)
        assert (await ward.do(team_of)).closed_since == closing.closed_since
        for refused in (
            ward.seat("nurse"),
            ward.seat("nurse", starts_at=now + DAY, ends_at=now + 2 * DAY),
            ward.look_after(patient),
            ward.do(close_team),
            ward.do(close_team, at=now + DAY),
        ):
            with pytest.raises(CareTeamClosed):
                await refused
        # What lies before the closing can still be put on record.
        await ward.seat("nurse", starts_at=now - DAY, ends_at=closing.closed_since)
        assert await ward.do(reopen_team) is True
        assert await ward.do(reopen_team) is False
        team = await ward.do(team_of)
        assert (team.closed_since, team.members, team.patients) == (None, (), 0)
        assert not await ward.may(nurse, "read", patient)
        await ward.seat("nurse", nurse)
        await ward.look_after(patient)
        assert await ward.may(nurse, "read", patient)
        with pytest.raises(CareTeamClosed):  # it was closed then, and stays so on record
            await ward.seat("nurse", starts_at=closing.closed_since)
        assert (await ward.do(close_team)).members == 1

    in_hospital(body)


def test_a_later_closing_cuts_what_reaches_beyond_it(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital)
        now = await ward.now()
        closes = now + 10 * DAY
        nurse, patient = await hospital.provider(), await hospital.patient()
        await ward.credential(nurse, "licence", "RN-1")
        seat = await ward.seat("nurse", nurse, scope=["read"], rests_on=["licence"])
        short = await ward.seat("nurse", ends_at=now + DAY)
        never = await ward.seat("nurse", starts_at=closes)
        await ward.look_after(patient)
        closing = await ward.do(close_team, at=closes)
        assert (closing.closed_since, closing.members, closing.patients) == (closes, 2, 1)
        assert (await ward.do(team_of)).closed_since is None
        assert (await ward.do(team_of, as_of=closes)).closed_since == closes
        believed = {
            row["provider_id"]: row
            for row in await ward.rows(
                "select * from carecircle.care_team_members where care_team_id = :team and superseded_at = 'infinity'"
            )
        }
        assert set(believed) == {nurse, short.provider_id}
        cut = believed[nurse]
        assert (cut["lineage_id"], cut["ends_at"]) == (seat.lineage_id, closes)
        assert (cut["member_role"], cut["scope"], cut["rests_on"]) == ("nurse", ["read"], ["licence"])
        assert believed[short.provider_id]["id"] == short.id
        assert never.provider_id not in believed
        with pytest.raises(CareTeamClosed):
            await ward.seat("nurse")
        with pytest.raises(CareTeamClosed):
            await ward.seat("nurse", starts_at=closes - timedelta(microseconds=1), ends_at=FOREVER)
        await ward.seat("nurse", ends_at=closes)
        changed = await ward.do(change_member, provider=nurse, member_role="specialist")
        assert changed.ends_at == closes
        assert await ward.do(reopen_team) is True  # takes the closing back before it came
        assert (await ward.do(team_of, as_of=closes)).closed_since is None
        await ward.seat("nurse", starts_at=closes)

    in_hospital(body)


def test_what_cannot_be_closed(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital)
        with pytest.raises(InvalidPeriod):
            await ward.do(close_team, at=await ward.now() - DAY)
        with pytest.raises(CareTeamNotFound):
            await ward.do(close_team, care_team_id=new_id())
        with pytest.raises(CareTeamNotFound):
            await ward.do(reopen_team, care_team_id=new_id())
        assert await ward.do(reopen_team) is False
        await ward.do(close_team)

    in_hospital(body)


def test_another_organizations_team_is_not_there(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital)
        seat = await ward.seat("nurse")
        async with open_hospital(hospital.circle) as elsewhere:
            stranger = Ward(elsewhere, ward.team)
            for change in (close_team, reopen_team, team_of, patients_of):
                with pytest.raises(CareTeamNotFound):
                    await stranger.do(change)
            with pytest.raises(CareTeamNotFound):
                await stranger.do(rename_team, name="Theirs")
            with pytest.raises(CareTeamNotFound):
                await stranger.seat("nurse")
        assert await ward.do(rename_team, name="Ward 4 East") is None
        team = await ward.do(team_of)
        assert (team.name, len(team.members)) == ("Ward 4 East", 1)
        assert team.members[0].provider_id == seat.provider_id
        entries = await ward.entries("care-team-renamed")
        assert len(entries) == 1
        assert "East" not in entries[0]["detail"]

    in_hospital(body)


def test_who_adds_beside_a_closing_waits_and_is_refused(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital)
        nurse, patient = await hospital.provider(), await hospital.patient()
        engine, tenant = hospital.circle.engine, hospital.organization

        async def join(what: str) -> None:
            async with transaction(engine, tenant) as db:
                if what == "nurse":
                    await add_member(db, care_team_id=ward.team, provider=nurse)
                else:
                    await add_patient(db, care_team_id=ward.team, patient=patient)

        with acting_as(organization=tenant, actor="test"):
            async with transaction(engine, tenant) as db:
                await close_team(db, care_team_id=ward.team)
                racers = [asyncio.create_task(join(what)) for what in ("nurse", "patient")]
                _, waiting = await asyncio.wait(racers, timeout=0.5)
                assert len(waiting) == 2  # not decided while the closing is not
            for racer in racers:
                with pytest.raises(CareTeamClosed):
                    await racer
            await ward.do(reopen_team)
            # The other way round: the closing waits, and ends what was added before it.
            async with transaction(engine, tenant) as db:
                await add_member(db, care_team_id=ward.team, provider=nurse)
                await add_patient(db, care_team_id=ward.team, patient=patient)
                closing = asyncio.create_task(ward.do(close_team))
                _, waiting = await asyncio.wait([closing], timeout=0.5)
                assert waiting
            ended = await closing
        assert (ended.members, ended.patients) == (1, 1)
        assert not await ward.may(nurse, "read", patient)

    in_hospital(body)


def test_a_seat_handed_over_beside_a_closing_ends_too(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital)
        seat, heir = await ward.seat("nurse"), await hospital.provider()
        async with hospital.change() as db:  # as a reassignment does it: it queues for no team
            now, row_id, entry = await instant(db), new_id(), new_id()
            await supersede(db, seat, entry, now)
            db.add(
                CareTeamMember(
                    organization_id=hospital.organization, id=row_id, lineage_id=row_id, care_team_id=ward.team,
                    provider_id=heir, member_role="nurse", scope=["read"], starts_at=now, recorded_at=now,
                    entry_id=entry,
                )
            )  # fmt: skip
            await db.flush()
            closing = asyncio.create_task(ward.do(close_team))
            _, waiting = await asyncio.wait([closing], timeout=0.5)
            assert waiting
        assert (await closing).members == 1
        assert await ward.rows(
            "select provider_id from carecircle.care_team_members where care_team_id = :team"
            " and superseded_at = 'infinity' and ends_at < 'infinity'"
        ) == [{"provider_id": heir}]
        assert (await ward.do(team_of)).members == ()

    in_hospital(body)
