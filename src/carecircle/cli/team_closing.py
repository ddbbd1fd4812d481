"""team close, reopen: a team ends, now or at a time ahead, and is opened again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from carecircle.cli.careful import agreed, command, counted, require_terminal
from carecircle.cli.circle import Desk, at_desk
from carecircle.cli.clock import Clock, TimeZoneOption
from carecircle.cli.options import OrganizationOption, OutputOption
from carecircle.cli.output import Output, note, say
from carecircle.cli.team_patients import WATCHED, every_patient
from carecircle.cli.team_words import TeamArgument, closing_ahead, find_team, tell

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from carecircle.care_teams.reading_service import Member, Team, TeamPatient
    from carecircle.care_teams.team_service import Closing


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
            when = "now" if closing_at is None else f"from {clock.tell(closing_at)} ({clock.name}) on"
            say(f"This closes {seen.name} {when}: it ends {ends}.")
            say(f"Reopening does not bring them back. Keep the list of patients first: {keep} > patients.csv")
            if dry_run or not agreed():
                return seen, None, []
        done = await desk.change(lambda session: close_team(session, care_team_id=seen.id, at=closing_at))
        return seen, done, [command(desk.slug, "team", "reopen", seen.id)]

    seen, done, undo = at_desk(organization, work)
    if done is None:
        record: dict[str, Any] = {"team": seen.id, "members": len(seen.members), "patients": seen.patients}
        if output is not Output.table:
            tell([], {**record, "closed_since": closing_at, "dry_run": True}, [], output)
        note("Nothing was changed.", output)
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


@dataclass(frozen=True)
class Reopened:
    """A team, whether it was opened again, from when on it was or would have been closed, and what still ends then."""

    team: Team
    reopened: bool
    closing: datetime | None = None
    members: tuple[Member, ...] = ()
    patients: tuple[TeamPatient, ...] = ()

    def closes_again(self, slug: str) -> list[str]:
        if not self.reopened:
            return []
        ahead = self.closing if self.team.closed_since is None else None
        said = ("--at", ahead) if ahead is not None else ()
        return [command(slug, "team", "close", self.team.id, *said, "--yes")]

    def prolonging(self, slug: str) -> list[str]:
        """The commands that let go on, from the closing on, what it still ends."""
        if self.closing is None:
            return []
        lines = [
            command(
                slug, "team", "add", self.team.id, one.provider_id, "--role", one.role, "--actions",
                ",".join(one.scope), "--from", self.closing,
            )
            for one in self.members
        ]  # fmt: skip
        if 0 < len(self.patients) <= WATCHED:
            named = [one.patient_id for one in self.patients]
            lines.append(command(slug, "team", "give", self.team.id, *named, "--from", self.closing))
        elif self.patients:
            every = command(slug, "team", "show", self.team.id, "--patients", "-o", "csv")
            given = command(slug, "team", "give", self.team.id, "--file", "patients.csv", "--from", self.closing)
            lines += [f"{every} > patients.csv", given]
        return lines


def reopen(
    team: TeamArgument,
    time_zone: TimeZoneOption = None,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Let a closed team be joined again, or not close it as was said. What the closing ended is added again by you.

    Example: carecircle team reopen "Ward 3 East" --organization north-hospital
    """
    clock = Clock.of(time_zone)

    async def work(desk: Desk) -> tuple[Reopened, list[str], list[str]]:
        async def change(session: AsyncSession) -> Reopened:
            return await _reopen(session, await find_team(session, team))

        done = await desk.change(change)
        return done, done.closes_again(desk.slug), done.prolonging(desk.slug)

    done, undo, prolong = at_desk(organization, work)
    told = [f"{done.team.name} is open again." if done.reopened else _NOT_CLOSED.format(done.team.name)]
    if prolong and done.closing is not None:
        still = [
            counted(number, word)
            for number, word in ((len(done.members), "seat"), (len(done.patients), "patient"))
            if number
        ]
        end = "ends" if len(done.members) + len(done.patients) == 1 else "end"
        at = f"{clock.tell(done.closing)} ({clock.name})"
        told[0] = f"{done.team.name} is open again. {' and '.join(still)} still {end} {at}; prolong them:"
        told += [f"  {line}" for line in prolong]
    record = {"team": done.team.id, "reopened": done.reopened, "still_ending": len(done.members) + len(done.patients)}
    tell(told, {**record, "prolong": prolong}, undo, output)


_NOT_CLOSED = "{} was not closed; nothing was changed."


async def _reopen(session: AsyncSession, found: Team) -> Reopened:
    from carecircle.care_teams.reading_service import team_of
    from carecircle.care_teams.team_service import reopen_team

    closing = await closing_ahead(session, found.id)
    if not await reopen_team(session, care_team_id=found.id):
        return Reopened(found, reopened=False)
    if closing is None or found.closed_since is not None:
        return Reopened(found, reopened=True, closing=closing)
    last = closing - timedelta(microseconds=1)
    then = await team_of(session, care_team_id=found.id, as_of=last)
    cared_for = await every_patient(session, found.id, last)
    return Reopened(found, True, closing, then.members, tuple(cared_for))
