"""team add, change, remove: who is on a care team, as what, and what that lets them do."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from carecircle.cli.careful import command, counted
from carecircle.cli.circle import Desk, at_desk
from carecircle.cli.clock import Clock, TimeZoneOption
from carecircle.cli.options import OrganizationOption, OutputOption, Provider
from carecircle.cli.output import Output, note
from carecircle.cli.team_words import ActionsOption, TeamArgument, actions_of, find_team, listed, tell
from carecircle.errors import InvalidRequest, NotFound
from carecircle.period import Period, show

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from carecircle.care_teams.reading_service import Member, Team
    from carecircle.care_teams.tables import CareTeamMember


From = Annotated[str | None, typer.Option("--from", metavar="INSTANT", help="Starts at; now.")]
Until = Annotated[str | None, typer.Option("--until", metavar="INSTANT", help="Ends at; open.")]


def add(
    team: TeamArgument,
    provider: Provider,
    role: Annotated[str, typer.Option(help="attending, resident, nurse, specialist, member, or your own.")] = "member",
    actions: ActionsOption = None,
    from_: From = None,
    until: Until = None,
    time_zone: TimeZoneOption = None,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Put somebody on a team: that lets them in to every patient the team looks after.

    Example: carecircle team add "Ward 3 Surgery" okafor --role nurse --organization north-hospital
    """
    from carecircle.care_teams.service import add_member

    clock, scope = Clock.of(time_zone), actions_of(actions)
    starts_at, ends_at = clock.instant(from_), clock.instant(until)

    async def work(desk: Desk) -> tuple[Team, CareTeamMember, str, list[str]]:
        async def seat(session: AsyncSession) -> tuple[Team, CareTeamMember]:
            found = await find_team(session, team)
            made = await add_member(
                session, care_team_id=found.id, provider=provider, member_role=role, scope=scope,
                starts_at=starts_at, ends_at=ends_at,
            )  # fmt: skip
            return found, made

        found, made = await desk.change(seat)
        undo = [command(desk.slug, "team", "remove", found.id, made.provider_id)]
        return found, made, await _name(desk, made.provider_id), undo

    found, made, who, undo = at_desk(organization, work)
    _tell_seat(f"{who} is on {found.name} as {made.member_role}", made, undo, clock, output, now=starts_at is None)


def change(
    team: TeamArgument,
    provider: Provider,
    role: Annotated[str | None, typer.Option(help="The new role; the same, unless said.")] = None,
    actions: ActionsOption = None,
    time_zone: TimeZoneOption = None,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Give somebody on a team another role, or let them do more or less, from now on.

    Example: carecircle team change "Ward 2 Cardiology" moreau --actions read --organization north-hospital
    """
    from carecircle.care_teams.service import change_member

    clock, scope = Clock.of(time_zone), actions_of(actions)
    if role is None and scope is None:
        raise InvalidRequest("Say what should change: --role, --actions, or both.")

    async def work(desk: Desk) -> tuple[Team, CareTeamMember, str, list[str]]:
        async def anew(session: AsyncSession) -> tuple[Team, CareTeamMember]:
            found = await find_team(session, team)
            made = await change_member(session, care_team_id=found.id, provider=provider, member_role=role, scope=scope)
            return found, made

        found, made = await desk.change(anew)
        before = _seat_of(found, made.provider_id)
        undo = []
        if before is not None and (before.role, set(before.scope)) != (made.member_role, set(made.scope)):
            said = ("--role", before.role, "--actions", ",".join(before.scope))
            undo = [command(desk.slug, "team", "change", found.id, made.provider_id, *said)]
        return found, made, await _name(desk, made.provider_id), undo

    found, made, who, undo = at_desk(organization, work)
    told = f"{who} is {made.member_role} on {found.name}" + ("" if undo else " already")
    _tell_seat(told, made, undo, clock, output, now=bool(undo))
    if not undo:
        note("Nothing was changed.", output)


def remove(
    team: TeamArgument,
    provider: Provider,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Take somebody off a team, now and for all times ahead.

    Example: carecircle team remove "Ward 3 Surgery" okafor --organization north-hospital
    """
    from carecircle.care_teams.service import end_membership
    from carecircle.directory import resolve_provider
    from carecircle.identifiers import OrganizationId

    async def work(desk: Desk) -> tuple[Team, UUID, int, str, list[str]]:
        async def end(session: AsyncSession) -> tuple[Team, UUID, int]:
            found = await find_team(session, team)
            provider_id = await resolve_provider(session, OrganizationId(desk.organization), provider)
            ended = await end_membership(session, care_team_id=found.id, provider=provider_id)
            if not ended:
                raise NotFound(
                    "This provider has no seat on this care team, now or ahead; see: carecircle team show.",
                    provider_id=provider_id,
                )
            return found, provider_id, ended

        found, provider_id, ended = await desk.change(end)
        undo = []
        if seat := _seat_of(found, provider_id):
            said = ["--role", seat.role, "--actions", ",".join(seat.scope), *until_words(seat.ends_at)]
            undo = [command(desk.slug, "team", "add", found.id, provider_id, *said)]
        return found, provider_id, ended, await _name(desk, provider_id), undo

    found, provider_id, ended, who, undo = at_desk(organization, work)
    sentences = [f"{who} is not on {found.name} any more."]
    if ended > 1 or not undo:
        sentences.append(f"{counted(ended, 'seat')} ended, those ahead among them; give those again with: team add.")
    tell(sentences, {"team": found.id, "provider": provider_id, "ended": ended}, undo, output)


def _tell_seat(who: str, seat: CareTeamMember, undo: list[str], clock: Clock, output: Output, *, now: bool) -> None:
    at = when(seat.starts_at, seat.ends_at, clock, now=now)
    sentences = [f"{who}, {at}.", f"That lets them {listed(seat.scope)} for every patient of the team."]
    if seat.rests_on:
        sentences.append(f"It holds only while they have: {', '.join(seat.rests_on)}.")
    record = {
        "team": seat.care_team_id, "seat": seat.id, "provider": seat.provider_id, "role": seat.member_role,
        "may": list(seat.scope), "rests_on": list(seat.rests_on), "starts_at": seat.starts_at, "ends_at": seat.ends_at,
    }  # fmt: skip
    tell(sentences, record, undo, output)


def when(starts_at: datetime, ends_at: datetime, clock: Clock, *, now: bool) -> str:
    """Since when and until when, with the clock by which that is."""
    if not now:
        return f"{clock.span(Period(starts_at, ends_at))} ({clock.name})"
    return "from now on" if show(ends_at) == "open" else f"from now {clock.until(ends_at)} ({clock.name})"


def _seat_of(team: Team, provider_id: UUID) -> Member | None:
    """The seat somebody had when the team was read, before it was changed."""
    return next((one for one in team.members if one.provider_id == provider_id), None)


async def _name(desk: Desk, provider_id: UUID) -> str:
    return (await desk.names([provider_id])).get(provider_id) or "This provider"


def until_words(ends_at: datetime) -> list[str]:
    """How a command says until when; nothing for an open end."""
    told = show(ends_at)
    return [] if told == "open" else ["--until", told]
