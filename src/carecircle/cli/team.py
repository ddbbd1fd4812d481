"""team: make care teams and close them, and see who is on them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from carecircle.cli import exits, team_closing, team_members, team_patients
from carecircle.cli.careful import command, counted
from carecircle.cli.circle import Desk, at_desk
from carecircle.cli.clock import Clock, TimeZoneOption
from carecircle.cli.options import OrganizationOption, OutputOption
from carecircle.cli.output import Output, emit, emit_json, note, printable
from carecircle.cli.team_words import TeamArgument, closing_ahead, find_team, tell

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncSession

    from carecircle.care_teams.reading_service import Team, TeamPatient

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
    """Make a care team; nobody is on it yet. Exits 11 when another open team is called that too.

    Example: carecircle team create "Ward 3 East" --organization north-hospital
    """
    from carecircle.care_teams.reading_service import teams
    from carecircle.care_teams.team_service import create_team

    async def work(desk: Desk) -> tuple[UUID, list[Team], list[str]]:
        async def make(session: AsyncSession) -> tuple[UUID, list[Team]]:
            called = name.strip().casefold()
            same = [one for one in await teams(session) if one.name.casefold() == called and one.closed_since is None]
            return await create_team(session, name=name, team_type=team_type), same

        made, same = await desk.change(make)
        return made, same, [command(desk.slug, "team", "close", made, "--yes")]

    made, same, undo = at_desk(organization, work)
    record = {"team": made, "same_name": [one.id for one in same]}
    sentences = [f"{name.strip()} is a care team now.", f"  id  {_text(made)}"]
    tell(sentences, record, undo, output)
    for one in same:
        people = counted(len(one.members), "person", "people")
        note(f"Another open team is called that (id {_text(one.id)}, {people}): name either by its id.", output)
    if same:
        raise typer.Exit(exits.FINDINGS)
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
    from carecircle.restrictions.reading_service import record_reading

    clock = Clock.of(time_zone)
    as_of = clock.instant(at)

    async def work(desk: Desk) -> tuple[Team, dict[UUID, str], list[TeamPatient], datetime | None]:
        async def look(session: AsyncSession) -> tuple[Team, list[TeamPatient], datetime | None]:
            found = await find_team(session, team)
            closes = await closing_ahead(session, found.id)
            if as_of is not None:
                found = await team_of(session, care_team_id=found.id, as_of=as_of)
            closes = None if found.closed_since else closes
            if not patients:
                return found, [], closes
            cared_for = await team_patients.every_patient(session, found.id, as_of)
            named = {one.patient_id for one in cared_for}
            await record_reading(session, "team-patients-read", patients=named, care_team=found.id, as_of=as_of)
            return found, cared_for, closes

        found, looked_after, closes = await desk.read(look)
        return found, await desk.names(one.provider_id for one in found.members), looked_after, closes

    _show(*at_desk(organization, work), patients=patients, clock=clock, output=output)


def _show(
    found: Team,
    names: dict[UUID, str],
    looked_after: list[TeamPatient],
    closes: datetime | None,
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
        beside = {"team": found.id, "name": found.name, "type": found.team_type}
        told = {
            **beside,
            "closed_since": found.closed_since,
            "closes_at": closes,
            "patient_count": found.patients,
            "members": rows,
        }
        emit_json(told | ({"patients": listed} if patients else {}))
        return
    people, cared_for = counted(len(rows), "person", "people"), counted(found.patients, "patient")
    closed = f", closed since {clock.tell(found.closed_since)}" if found.closed_since else ""
    closed = closed or (f", closes {clock.tell(closes)}" if closes else "")
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


for work in (
    team_closing.close, team_closing.reopen, team_members.add, team_members.change, team_members.remove,
    team_patients.give, team_patients.take,
):  # fmt: skip
    app.command()(work)
# What two of them were called before.
app.command("add-member", hidden=True)(team_members.add)
app.command("add-patient", hidden=True)(team_patients.give)
