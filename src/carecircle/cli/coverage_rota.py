"""coverage rota: several stand in, one after the other, by a rule; looked at before it is arranged."""

from __future__ import annotations

from datetime import time, timedelta
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from carecircle.cli.careful import counted
from carecircle.cli.circle import Desk, at_desk
from carecircle.cli.clock import Clock, duration, wall_time
from carecircle.cli.coverage_arranging import Covered, TeamOption, Type, TypeOption, arranged, tell_arranged
from carecircle.cli.coverage_words import Known, turns_table, what_of
from carecircle.cli.options import OrganizationOption, OutputOption
from carecircle.cli.output import Output, emit, note, printable
from carecircle.cli.team_words import ActionsOption, actions_of, find_team, listed
from carecircle.period import Period

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from carecircle.coverage.rota import Turn
    from carecircle.coverage.tables import CoverageArrangement


def register(app: typer.Typer) -> None:
    app.command()(rota)


def rota(
    covered: Covered,
    covering: Annotated[list[str], typer.Argument(metavar="COVERING…", help="Who stand in, in turn.")],
    first: Annotated[
        str, typer.Option("--first", metavar="LOCAL", help='When the first turn begins: "2030-03-29 18:00".')
    ],
    lasts: Annotated[
        str, typer.Option("--lasts", metavar="LENGTH", help="How long by the clock on the wall: 14h; or until: 08:00.")
    ],
    rule: Annotated[
        str, typer.Option("--rule", metavar="RRULE", help="When turns begin: FREQ=DAILY;COUNT=10 (RFC 5545).")
    ],
    time_zone: Annotated[
        str,
        typer.Option("--time-zone", envvar="CARECIRCLE_TIME_ZONE", metavar="ZONE", help="Whose clock: Europe/Berlin."),
    ],
    until: Annotated[
        str | None, typer.Option("--until", metavar="INSTANT", help="No turn begins at or after it.")
    ] = None,
    preview: Annotated[bool, typer.Option("--preview", help="Only show the turns; nothing is changed.")] = False,
    type_: TypeOption = Type.full,
    team: TeamOption = None,
    actions: ActionsOption = None,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Let several stand in, one after the other, by a rule. Look first with --preview: it shows each turn by the local
    clock, and the nights on which the clocks change.

    Example: carecircle coverage rota okafor brandt haddad --first "2030-03-29 18:00" --lasts 14h
    --rule "FREQ=DAILY;COUNT=4" --time-zone Europe/Berlin --preview
    """
    from carecircle.coverage.rota import preview_rota
    from carecircle.coverage.rota_service import arrange_rota

    clock, scope = Clock.of(time_zone), actions_of(actions)
    begins, ends, length = wall_time(first), clock.instant(until), _length(lasts)

    def turns_of() -> list[Turn]:
        return preview_rota(covering=covering, rule=rule, first=begins, lasts=length, time_zone=time_zone, until=ends)

    if preview:
        shown, known = at_desk(organization, lambda desk: _resolved(desk, covered, turns_of()))
        turns = [{"covering": who, "starts_at": one.starts_at, "duty_ends_at": one.ends_at} for who, one in shown]
        _show_turns(turns, known, clock, output)
        note("Nothing was changed. Arrange it with the same words, without --preview.", output)
        return

    async def arrange(session: AsyncSession, desk: Desk) -> list[CoverageArrangement]:
        return await arrange_rota(
            session, covered=covered, covering=covering, rule=rule, first=begins, lasts=length, time_zone=time_zone,
            until=ends, coverage_type=type_.stored, scope=scope,
            care_team_id=(await find_team(session, team)).id if team else None,
        )  # fmt: skip

    rows, known, found, undo = at_desk(organization, arranged(arrange))
    people = [known.who(one) for one in dict.fromkeys(row.covering_provider_id for row in rows)]
    sentence = (
        f"{listed(people)} {'cover' if len(people) > 1 else 'covers'} {known.who(rows[0].covered_provider_id)} for"
        f" {what_of(rows, known)}, in {counted(len(rows), 'turn')}."
    )
    if output is Output.table:
        print(printable(sentence) + "\n")
        turns = [
            {"covering": row.covering_provider_id, "starts_at": row.starts_at, "duty_ends_at": row.duty_ends_at}
            for row in rows
        ]
        turns_table(turns, known, clock)
        print()
    tell_arranged([], rows, found, undo, clock, known, output)


def _length(text: str) -> timedelta | time:
    """How long a turn is, or the time of day at which it ends."""
    if ":" in text:
        return wall_time(f"2000-01-01 {text.strip()}").time()
    return duration(text)


async def _resolved(desk: Desk, covered: str, turns: list[Turn]) -> tuple[list[tuple[UUID, Period]], Known]:
    """Who is meant in each turn, so that a mistyped name is found before anything is arranged."""
    from carecircle.directory import resolve_provider
    from carecircle.identifiers import OrganizationId

    async def look(session: AsyncSession) -> list[tuple[UUID, Period]]:
        tenant = OrganizationId(desk.organization)
        await resolve_provider(session, tenant, covered)
        people = {
            one: await resolve_provider(session, tenant, one) for one in dict.fromkeys(turn.covering for turn in turns)
        }
        return [(people[turn.covering], turn.period) for turn in turns]

    shown = await desk.read(look)
    return shown, Known(await desk.names(who for who, _ in shown), {})


def _show_turns(turns: list[dict[str, Any]], known: Known, clock: Clock, output: Output) -> None:
    if output is Output.table:
        turns_table(turns, known, clock)
        return
    rows = [
        turn
        | {
            "name": known.names.get(turn["covering"]),
            "starts_local": clock.local(turn["starts_at"]).isoformat(),
            "ends_local": clock.local(turn["duty_ends_at"]).isoformat(),
        }
        for turn in turns
    ]
    columns = ("covering", "name", "starts_at", "duty_ends_at", "starts_local", "ends_local")
    emit(rows, columns=columns, name="turns", how=output, beside={"time_zone": clock.name})
