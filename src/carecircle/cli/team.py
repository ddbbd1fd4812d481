"""team: make care teams and close them, and see who is on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from carecircle.cli import team_members, team_patients
from carecircle.cli.careful import agreed, command, counted, require_terminal
from carecircle.cli.circle import Desk, at_desk
from carecircle.cli.clock import Clock, TimeZoneOption
from carecircle.cli.options import OrganizationOption, OutputOption
from carecircle.cli.output import Output, emit, emit_json, note, printable, say
from carecircle.cli.team_words import TeamArgument, find_team, tell

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncSession

    from carecircle.care_teams.reading_service import Team, TeamPatient
    from carecircle.care_teams.team_service import Closing

app = typer.Typer(no_args_is_help=True, help="Care teams: who is on them, and whose patients they look after.")
Name = Annotated[str, typer.Argument(metavar="NAME", help="What people call it; no patient's name.")]
TEAMS = ("id", "name", "type", "members", "patients", "closed_since")
MEMBERS = ("provider", "name", "role", "may", "rests_on", "starts_at", "ends_at")
PATIENTS = ("patient", "starts_at", "ends_at")


@app.command()
def create(
    name: Name,
    team_type: Annotated[str, typer.Option("--type", help="primary, specialty or emergency.")] = "primary",
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Make a care team; nobody is on it yet.

    Example: carecircle team create "Ward 3 East" --organization north-hospital
    """
    from carecircle.care_teams.team_service import create_team

    async def work(desk: Desk) -> tuple[UUID, list[str]]:
        made = await desk.change(lambda session: create_team(session, name=name, team_type=team_type))
        return made, [command(desk.slug, "team", "close", made, "--yes")]

    made, undo = at_desk(organization, work)
    record = {"team": made}
    sentences = [f"{name.strip()} is a care team now.", f"  id  {_text(made)}"]
    tell(sentences, record, undo, output)
    note("Next, say who is on it (carecircle team add) and whom it looks after (carecircle team give).", output)


@app.command()
def rename(
    team: TeamArgument, name: Name, organization: OrganizationOption = None, output: OutputOption = Output.table
) -> None:
    """Call a team something else. Nobody's access changes.

    Example: carecircle team rename "Ward 3 East" "Ward 3 Day Clinic" --organization north-hospital
    """
    from carecircle.care_teams.team_service import rename_team

    async def work(desk: Desk) -> tuple[Team, list[str]]:
        async def change(session: AsyncSession) -> Team:
            before = await find_team(session, team)
            await rename_team(session, care_team_id=before.id, name=name)
            return before

        before = await desk.change(change)
        return before, [command(desk.slug, "team", "rename", before.id, before.name)]

    before, undo = at_desk(organization, work)
    record = {"team": before.id, "name": name.strip(), "former_name": before.name}
    tell([f"{before.name} is called {name.strip()} now."], record, undo, output)


@app.command()
def close(
    team: TeamArgument,
    at: Annotated[str | None, typer.Option("--at", metavar="INSTANT", help="From when on; now.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would end.")] = False,
    time_zone: TimeZoneOption = None,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Close a team: everybody's seat on it ends, and it looks after nobody any more.

    Example: carecircle team close "Ward 3 East" --at 2030-01-31T18:00:00Z --organization north-hospital
    """
    from carecircle.care_teams.team_service import close_team

    clock = Clock.of(time_zone)
    closing_at = clock.instant(at)
    if not yes and not dry_run:
        require_terminal("This ends every seat on the team, and that it looks after its patients.")

    async def work(desk: Desk) -> tuple[Team, Closing | None, list[str]]:
        seen = await desk.read(lambda session: find_team(session, team))
        keep = command(desk.slug, "team", "show", seen.id, "--patients", "-o", "csv")
        if dry_run or not yes:
            ends = f"{counted(len(seen.members), 'seat')} and the care of {counted(seen.patients, 'patient')}"
            say(f"This closes {seen.name}: it ends {ends}.")
            say(f"Reopening does not bring them back. Keep the list of patients first: {keep} > patients.csv")
            if dry_run or not agreed():
                return seen, None, []
        done = await desk.change(lambda session: close_team(session, care_team_id=seen.id, at=closing_at))
        return seen, done, [command(desk.slug, "team", "reopen", seen.id)]

    seen, done, undo = at_desk(organization, work)
    if done is None:
        record: dict[str, Any] = {"team": seen.id, "members": len(seen.members), "patients": seen.patients}
        if output is not Output.table:
            tell([], {**record, "dry_run": True}, [], output)
        return
    record = {
        "team": seen.id, "closed_since": done.closed_since, "members": done.members, "patients": done.patients,
    }  # fmt: skip
    since = "now" if closing_at is None else f"from {clock.tell(done.closed_since)} ({clock.name}) on"
    tell(
        [
            f"{seen.name} is closed {since}: {counted(done.members, 'seat')} and the care of"
            f" {counted(done.patients, 'patient')} {'ended' if closing_at is None else 'end then'}."
        ],
        record,
        undo,
        output,
        label="Nobody and nothing is brought back, but it is opened again with",
    )


@app.command()
def reopen(team: TeamArgument, organization: OrganizationOption = None, output: OutputOption = Output.table) -> None:
    """Let a closed team be joined again. Who was on it before, and its patients, are added again by you.

    Example: carecircle team reopen "Ward 3 East" --organization north-hospital
    """
    from carecircle.care_teams.team_service import reopen_team

    async def work(desk: Desk) -> tuple[Team, bool, list[str]]:
        async def change(session: AsyncSession) -> tuple[Team, bool]:
            found = await find_team(session, team)
            return found, await reopen_team(session, care_team_id=found.id)

        found, reopened = await desk.change(change)
        return found, reopened, [command(desk.slug, "team", "close", found.id, "--yes")] if reopened else []

    found, reopened, undo = at_desk(organization, work)
    told = "is open again." if reopened else "was not closed; nothing was changed."
    tell([f"{found.name} {told}"], {"team": found.id, "reopened": reopened}, undo, output)


@app.command("list")
def list_teams(
    closed: Annotated[bool, typer.Option("--closed", help="Closed ones too.")] = False,
    time_zone: TimeZoneOption = None,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Every team: how many people are on it now, and how many patients it looks after.

    Example: carecircle team list --organization north-hospital
    """
    from carecircle.care_teams.reading_service import teams

    clock = Clock.of(time_zone)
    every = at_desk(organization, lambda desk: desk.read(teams))
    shown = [one for one in every if closed or one.closed_since is None]
    rows: list[dict[str, Any]] = [
        {
            "id": one.id,
            "name": one.name,
            "type": one.team_type,
            "members": len(one.members),
            "patients": one.patients,
            "closed_since": one.closed_since,
        }
        for one in shown
    ]
    if output is Output.table:
        for row in rows:
            row["closed_since"] = row["closed_since"] and clock.tell(row["closed_since"])
    columns = ("name", "type", "members", "patients", *(("closed_since",) if closed else ()), "id")
    if output is not Output.table or rows:
        emit(rows, columns=TEAMS, shown=columns, name="teams", how=output)
    hidden = len(every) - len(shown)
    if not rows:
        note("There is no care team yet; make one with: carecircle team create.", output)
    if hidden:
        note(f"{counted(hidden, 'closed team')} not shown; see them with --closed.", output)


@app.command()
def show(
    team: TeamArgument,
    at: Annotated[str | None, typer.Option("--at", metavar="INSTANT", help="As it is at which time; now.")] = None,
    patients: Annotated[bool, typer.Option("--patients", help="List the patients too.")] = False,
    time_zone: TimeZoneOption = None,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Who is on a team, what that lets them do, until when, and how many patients the team looks after.

    With --patients -o csv the list of the patients alone.

    Example: carecircle team show "Ward 2 Cardiology" --organization north-hospital
    """
    from carecircle.care_teams.reading_service import team_of

    clock = Clock.of(time_zone)
    as_of = clock.instant(at)

    async def work(desk: Desk) -> tuple[Team, dict[UUID, str], list[TeamPatient]]:
        async def look(session: AsyncSession) -> tuple[Team, list[TeamPatient]]:
            found = await find_team(session, team)
            if as_of is not None:
                found = await team_of(session, care_team_id=found.id, as_of=as_of)
            return found, await team_patients.every_patient(session, found.id, as_of) if patients else []

        found, looked_after = await desk.read(look)
        return found, await desk.names(one.provider_id for one in found.members), looked_after

    _show(*at_desk(organization, work), patients=patients, clock=clock, output=output)


def _show(
    found: Team,
    names: dict[UUID, str],
    looked_after: list[TeamPatient],
    *,
    patients: bool,
    clock: Clock,
    output: Output,
) -> None:
    rows: list[dict[str, Any]] = [
        {
            "provider": one.provider_id,
            "name": names.get(one.provider_id),
            "role": one.role,
            "may": list(one.scope),
            "rests_on": list(one.rests_on),
            "starts_at": one.starts_at,
            "ends_at": one.ends_at,
        }
        for one in found.members
    ]
    listed = [{"patient": one.patient_id, "starts_at": one.starts_at, "ends_at": one.ends_at} for one in looked_after]
    if output is Output.csv:
        emit(listed if patients else rows, columns=PATIENTS if patients else MEMBERS, name="members", how=output)
        return
    if output is Output.json:
        beside = {"team": found.id, "name": found.name, "type": found.team_type, "closed_since": found.closed_since}
        told = {**beside, "patient_count": found.patients, "members": rows}
        emit_json(told | ({"patients": listed} if patients else {}))
        return
    people, cared_for = counted(len(rows), "person", "people"), counted(found.patients, "patient")
    closed = f", closed since {clock.tell(found.closed_since)}" if found.closed_since else ""
    print(f"{printable(found.name)} ({found.team_type}{closed}): {people} on it, {cared_for} looked after.")
    if rows:
        print()
        told_rows = [
            row | {"since": clock.tell(row["starts_at"]), "until": clock.tell(row["ends_at"]),
                   "while_there_is": row["rests_on"]}
            for row in rows
        ]  # fmt: skip
        rests = ("while_there_is",) if any(row["rests_on"] for row in rows) else ()
        emit(
            told_rows, columns=("name", "role", "may", "since", "until", *rests, "provider"), name="members", how=output
        )
    if listed:
        print()
        told_patients = [
            {"patient": one.patient_id, "since": clock.tell(one.starts_at), "until": clock.tell(one.ends_at)}
            for one in looked_after
        ]
        emit(told_patients, columns=("patient", "since", "until"), name="patients", how=output)
    note(f"\nTimes by the clock of {clock.name}. Team {_text(found.id)}.", output)


def _text(value: UUID) -> str:
    from carecircle.identifiers import to_text

    return to_text(value)


for work in (team_members.add, team_members.change, team_members.remove, team_patients.give, team_patients.take):
    app.command()(work)
# What two of them were called before.
app.command("add-member", hidden=True)(team_members.add)
app.command("add-patient", hidden=True)(team_patients.give)
