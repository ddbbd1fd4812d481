"""Care teams over HTTP: making, renaming, closing them, and the patients they look after."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import Query

from carecircle.api.v1.door import Asking, Changing, routes
from carecircle.api.v1.members import Member, member_of
from carecircle.api.v1.shapes import (
    AN_ID,
    ANOTHER_ID,
    Answer,
    Body,
    Ended,
    Id,
    Instant,
    Moment,
    OwnId,
    Reference,
    Text,
    end_of,
    example,
)
from carecircle.care_teams import reading_service, service, team_service
from carecircle.care_teams.tables import CareTeamPatient
from carecircle.errors import NotFound
from carecircle.identifiers import to_text
from carecircle.period import show
from carecircle.restrictions.reading_service import record_reading

router = routes("care teams")

TEAM = {
    "id": AN_ID, "name": "Ward 4", "team_type": "primary", "closed_since": None, "patients": 1,
    "members": [
        {"provider_id": ANOTHER_ID, "member_role": "nurse", "scope": ["read", "write"], "rests_on": ["licence"],
         "starts_at": "2026-01-31T08:00:00Z", "ends_at": None}
    ],
}  # fmt: skip
PATIENT = {"patient_id": ANOTHER_ID, "starts_at": "2026-01-31T08:00:00Z", "ends_at": None}


class NewTeam(Body):
    model_config = example(name="Ward 4", team_type="primary")
    name: Text
    team_type: Literal["primary", "specialty", "emergency"] = "primary"


class Renaming(Body):
    model_config = example(name="Ward 5")
    name: Text


class Closing(Body):
    model_config = example(at="2026-01-31T08:00:00Z")
    at: Instant | None = None


class NewPatient(Body):
    model_config = example(patient="urn:mrn|12345", starts_at="2026-01-31T08:00:00Z")
    patient: Reference
    starts_at: Instant | None = None
    ends_at: Instant | None = None


class Team(Answer):
    model_config = example(**TEAM)
    id: Id
    name: str
    team_type: str
    closed_since: Moment | None
    patients: int
    members: list[Member]


class Teams(Answer):
    model_config = example(care_teams=[TEAM])
    care_teams: list[Team]


class Closed(Answer):
    """What closing ended: how many seats, and how many patients, the team had then or ahead."""

    model_config = example(closed_since="2026-01-31T08:00:00Z", members=7, patients=28)
    closed_since: Moment
    members: int
    patients: int


class Reopened(Answer):
    model_config = example(reopened=True)
    reopened: bool


class TeamPatient(Answer):
    model_config = example(**PATIENT)
    patient_id: Id
    starts_at: Moment
    ends_at: Moment | None


class TeamPatients(Answer):
    """A page of patients, by id; `next` is the address of the page after it, or null."""

    model_config = example(patients=[PATIENT], next=f"/v1/care-teams/{AN_ID}/patients?limit=1&after={ANOTHER_ID}")
    patients: list[TeamPatient]
    next: str | None


@router.post("/care-teams", status_code=201)
async def create_care_team(door: Changing, body: NewTeam) -> Team:
    async with door.change() as db:
        made = await team_service.create_team(db, name=body.name, team_type=body.team_type)
        return _team(await reading_service.team_of(db, care_team_id=made))


@router.get("/care-teams")
async def list_care_teams(door: Asking, as_of: Instant | None = None) -> Teams:
    async with door.read() as db:
        return Teams(care_teams=[_team(one) for one in await reading_service.teams(db, as_of=as_of)])


@router.get("/care-teams/{care_team_id}")
async def read_care_team(door: Asking, care_team_id: OwnId, as_of: Instant | None = None) -> Team:
    async with door.read() as db:
        return _team(await reading_service.team_of(db, care_team_id=care_team_id, as_of=as_of))


@router.patch("/care-teams/{care_team_id}")
async def rename_care_team(door: Changing, care_team_id: OwnId, body: Renaming) -> Team:
    async with door.change() as db:
        await team_service.rename_team(db, care_team_id=care_team_id, name=body.name)
        return _team(await reading_service.team_of(db, care_team_id=care_team_id))


@router.post("/care-teams/{care_team_id}/close")
async def close_care_team(door: Changing, care_team_id: OwnId, body: Closing | None = None) -> Closed:
    async with door.change() as db:
        done = await team_service.close_team(db, care_team_id=care_team_id, at=body.at if body else None)
        return Closed(closed_since=show(done.closed_since), members=done.members, patients=done.patients)


@router.post("/care-teams/{care_team_id}/reopen")
async def reopen_care_team(door: Changing, care_team_id: OwnId) -> Reopened:
    """Let the team be joined again. `reopened` is false when it was not closed."""
    async with door.change() as db:
        return Reopened(reopened=await team_service.reopen_team(db, care_team_id=care_team_id))


@router.get("/care-teams/{care_team_id}/patients")
async def list_care_team_patients(
    door: Asking,
    care_team_id: OwnId,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    after: OwnId | None = None,
    as_of: Instant | None = None,
) -> TeamPatients:
    """The patients whom the team looks after. Each reading is recorded."""
    async with door.read() as db:
        found = await reading_service.patients_of(
            db, care_team_id=care_team_id, limit=limit + 1, after=after, as_of=as_of
        )
        shown, more = found[:limit], len(found) > limit
        await record_reading(
            db, "team-patients-read", patients={one.patient_id for one in shown}, care_team=care_team_id, after=after,
            as_of=as_of,
        )  # fmt: skip
    onwards = None
    if more:
        asked = {"limit": str(limit), "after": to_text(shown[-1].patient_id)}
        if as_of is not None:
            asked["as_of"] = show(as_of)
        onwards = f"/v1/care-teams/{to_text(care_team_id)}/patients?{urlencode(asked)}"
    return TeamPatients(patients=[_patient(one) for one in shown], next=onwards)


@router.post("/care-teams/{care_team_id}/patients", status_code=201)
async def add_care_team_patient(door: Changing, care_team_id: OwnId, body: NewPatient) -> TeamPatient:
    async with door.change() as db:
        row = await service.add_patient(
            db, care_team_id=care_team_id, patient=body.patient, starts_at=body.starts_at, ends_at=body.ends_at
        )
        return _patient(row)


@router.delete("/care-teams/{care_team_id}/patients/{patient}")
async def end_care_team_patient(door: Changing, care_team_id: OwnId, patient: OwnId) -> Ended:
    async with door.change() as db:
        ended = await service.end_patient(db, care_team_id=care_team_id, patient=patient)
        if not ended:
            raise NotFound("No such care team looks after this patient now or ahead.")
        return Ended(ended=ended)


def _team(team: reading_service.Team) -> Team:
    return Team(
        id=to_text(team.id), name=team.name, team_type=team.team_type, closed_since=end_of(team.closed_since),
        patients=team.patients, members=[member_of(one) for one in team.members],
    )  # fmt: skip


def _patient(row: reading_service.TeamPatient | CareTeamPatient) -> TeamPatient:
    return TeamPatient(patient_id=to_text(row.patient_id), starts_at=show(row.starts_at), ends_at=end_of(row.ends_at))
