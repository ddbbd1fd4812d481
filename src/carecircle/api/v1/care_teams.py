"""Care teams over HTTP: making, renaming, closing them, and the patients they look after."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from fastapi import Response

from carecircle.api.v1.door import Changing, Reading, routes
from carecircle.api.v1.etag import IfMatch, digest, tagged
from carecircle.api.v1.members import Member, member_of
from carecircle.api.v1.paging import Next, Page, Paging, cursor_of
from carecircle.api.v1.rehearsal import Preview, changing_unless
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
from carecircle.database.session import take_turns
from carecircle.errors import NotFound
from carecircle.errors.service import InvalidCursor
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
    model_config = example(care_teams=[TEAM], next=None)
    care_teams: list[Team]
    next: Next


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
    """A page of patients, by id."""

    model_config = example(patients=[PATIENT], next=cursor_of((UUID(int=0),)))
    patients: list[TeamPatient]
    next: Next


@router.post("/care-teams", status_code=201)
async def create_care_team(door: Changing, response: Response, body: NewTeam) -> Team:
    async with door.change() as db:
        made = await team_service.create_team(db, name=body.name, team_type=body.team_type)
        team = _team(await reading_service.team_of(db, care_team_id=made))
    tagged(response, digest(team))
    return team


@router.get("/care-teams")
async def list_care_teams(door: Reading, page: Paging, as_of: Instant | None = None) -> Teams:
    """Every team, closed ones too, by name."""
    async with door.read() as db:
        found = await reading_service.teams(db, as_of=as_of)
    shown, onwards = page.pick(found, lambda one: (one.name, one.id))
    return Teams(care_teams=[_team(one) for one in shown], next=onwards)


@router.get("/care-teams/{care_team_id}")
async def read_care_team(door: Reading, response: Response, care_team_id: OwnId, as_of: Instant | None = None) -> Team:
    async with door.read() as db:
        team = _team(await reading_service.team_of(db, care_team_id=care_team_id, as_of=as_of))
    tagged(response, digest(team))
    return team


@router.patch("/care-teams/{care_team_id}")
async def rename_care_team(
    door: Changing, response: Response, match: IfMatch, care_team_id: OwnId, body: Renaming
) -> Team:
    """Rename a team. With If-Match, only if nothing of the team has changed: its name, members, patients or closing."""
    async with door.change() as db:
        await take_turns(db, door.caller.organization_id, care_team_id)
        match.require(digest(_team(await reading_service.team_of(db, care_team_id=care_team_id))))
        await team_service.rename_team(db, care_team_id=care_team_id, name=body.name)
        team = _team(await reading_service.team_of(db, care_team_id=care_team_id))
    tagged(response, digest(team))
    return team


@router.post("/care-teams/{care_team_id}/close")
async def close_care_team(
    door: Changing, care_team_id: OwnId, body: Closing | None = None, preview: Preview = False
) -> Closed:
    """Let the team end now or at an instant ahead, with all its seats and patients."""
    async with changing_unless(preview, door) as db:
        done = await team_service.close_team(db, care_team_id=care_team_id, at=body.at if body else None)
        return Closed(closed_since=show(done.closed_since), members=done.members, patients=done.patients)


@router.post("/care-teams/{care_team_id}/reopen")
async def reopen_care_team(door: Changing, care_team_id: OwnId) -> Reopened:
    """Let the team be joined again. `reopened` is false when it was not closed."""
    async with door.change() as db:
        return Reopened(reopened=await team_service.reopen_team(db, care_team_id=care_team_id))


@router.get("/care-teams/{care_team_id}/patients")
async def list_care_team_patients(
    door: Reading, care_team_id: OwnId, page: Paging, as_of: Instant | None = None
) -> TeamPatients:
    """The patients whom the team looks after, by id. Each reading is recorded."""
    after = _after(page)
    async with door.read() as db:
        found = await reading_service.patients_of(
            db, care_team_id=care_team_id, limit=page.limit + 1, after=after, as_of=as_of
        )
        shown, onwards = page.cut(found, lambda one: (one.patient_id,))
        await record_reading(
            db, "team-patients-read", patients={one.patient_id for one in shown}, care_team=care_team_id, after=after,
            as_of=as_of,
        )  # fmt: skip
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


def _after(page: Page) -> UUID | None:
    """The patient after whom a page begins. Raises InvalidCursor."""
    match page.after:
        case None:
            return None
        case (UUID() as patient,):
            return patient
    raise InvalidCursor


def _team(team: reading_service.Team) -> Team:
    return Team(
        id=to_text(team.id), name=team.name, team_type=team.team_type, closed_since=end_of(team.closed_since),
        patients=team.patients, members=[member_of(one) for one in team.members],
    )  # fmt: skip


def _patient(row: reading_service.TeamPatient | CareTeamPatient) -> TeamPatient:
    return TeamPatient(patient_id=to_text(row.patient_id), starts_at=show(row.starts_at), ends_at=end_of(row.ends_at))
