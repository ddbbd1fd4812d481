"""coverage add, end: who stands in for whom, and until when; the rest of the group is in the files beside this one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from carecircle.cli import coverage_absence, coverage_reading, coverage_rota
from carecircle.cli.careful import command
from carecircle.cli.circle import Desk, at_desk
from carecircle.cli.clock import Clock, TimeZoneOption
from carecircle.cli.coverage_arranging import Covered, TeamOption, Type, TypeOption, arranged, tell_arranged
from carecircle.cli.coverage_attention import Attention, attention
from carecircle.cli.coverage_words import Known, rows_known, what_of
from carecircle.cli.options import OrganizationOption, OutputOption
from carecircle.cli.output import Output
from carecircle.cli.team_words import ActionsOption, actions_of, find_team, listed
from carecircle.identifiers import parse_id
from carecircle.period import Period, show

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from carecircle.coverage.tables import CoverageArrangement

app = typer.Typer(no_args_is_help=True, help="Who stands in for whom, who is away, and what will go wrong.")


@app.command()
def add(
    covered: Covered,
    covering: Annotated[str, typer.Argument(metavar="COVERING", help="Who stands in: their id or identifier.")],
    until: Annotated[str, typer.Option("--until", metavar="INSTANT", help="When it ends.")],
    from_: Annotated[str | None, typer.Option("--from", metavar="INSTANT", help="When it begins; now.")] = None,
    type_: TypeOption = Type.full,
    team: TeamOption = None,
    patient: Annotated[
        list[str] | None, typer.Option("--patient", metavar="PATIENT", help="Only this patient; may be repeated.")
    ] = None,
    actions: ActionsOption = None,
    time_zone: TimeZoneOption = None,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Let somebody stand in for somebody else: for all their patients, for one team's, or for named ones.

    It is done even where something looks wrong (they cover each other in a circle, two cover the same, who covers is away
    too); then it says so and exits 11.

    Example: carecircle coverage add okafor brandt --until "2030-01-31 08:00" --time-zone Europe/Berlin
    """
    from carecircle.coverage.service import arrange_coverage
    from carecircle.database.session import instant

    clock, scope = Clock.of(time_zone), actions_of(actions)
    starts_at, ends_at = clock.instant(from_), clock.instant(until)
    assert ends_at is not None
    seated: set[UUID] = set()

    async def arrange(session: AsyncSession, desk: Desk) -> list[CoverageArrangement]:
        on_team = await find_team(session, team) if team else None
        if on_team is not None:
            seated.update(member.provider_id for member in on_team.members)
        return await arrange_coverage(
            session, covered=covered, covering=covering, starts_at=starts_at or await instant(session),
            ends_at=ends_at, coverage_type=type_.stored, patients=patient or None, scope=scope,
            care_team_id=on_team.id if on_team else None,
        )  # fmt: skip

    rows, known, found, undo = at_desk(organization, arranged(arrange))
    first = rows[0]
    when = clock.span(Period(first.starts_at, first.duty_ends_at))
    sentences = [
        f"{known.who(first.covering_provider_id)} covers {known.who(first.covered_provider_id)} for"
        f" {what_of(rows, known)}, {when} ({clock.name}).",
        f"That lets them {listed(first.scope)}, never more than the one they stand in for.",
    ]
    if team and first.covered_provider_id not in seated:
        who = known.who(first.covered_provider_id)
        sentences.append(f"But {who} is not on this team now: this lets nobody in before they are (team add).")
    if first.ends_at > first.duty_ends_at:
        sentences.append(f"To finish their notes they can still get in until {clock.tell(first.ends_at)}.")
    tell_arranged(sentences, rows, found, undo, clock, known, output)


@app.command()
def end(
    arrangement: Annotated[str, typer.Argument(metavar="ID", help="The id that add, rota and list show.")],
    only: Annotated[
        str | None, typer.Option("--only", metavar="COVERING", help="Only what this one of those who cover does.")
    ] = None,
    at: Annotated[str | None, typer.Option("--at", metavar="INSTANT", help="From when on; now.")] = None,
    time_zone: TimeZoneOption = None,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """End standing in, now or from a later time on; turns ahead are taken back. Exits 11 when nobody covers then although
    somebody is away.

    Example: carecircle coverage end 01KC… --organization north-hospital
    """
    from carecircle.coverage.service import end_coverage
    from carecircle.database.session import instant

    clock, arrangement_id = Clock.of(time_zone), parse_id(arrangement)
    last = clock.instant(at)

    async def work(desk: Desk) -> tuple[list[CoverageArrangement], Known, list[Attention], list[str]]:
        async def done(session: AsyncSession) -> tuple[list[CoverageArrangement], list[Attention], datetime]:
            rows = await end_coverage(session, arrangement_id=arrangement_id, covering=only, at=last)
            whose = rows[0].covered_provider_id
            found = await attention(session, rows, only={"absent-without-coverage"})
            return rows, [one for one in found if one.providers[0] == whose], await instant(session)

        rows, found, now = await desk.change(done)
        known = await rows_known(desk, rows, found)
        return rows, known, found, _again(desk, rows, last, now)

    rows, known, found, undo = at_desk(organization, work)
    people = listed([known.who(one) for one in dict.fromkeys(row.covering_provider_id for row in rows)])
    when = "any more" if last is None else f"any more from {clock.tell(last)} ({clock.name}) on"
    does = "does" if len({row.covering_provider_id for row in rows}) == 1 else "do"
    sentences = [
        f"{people} {does} not cover {known.who(rows[0].covered_provider_id)} for {what_of(rows, known)} {when}."
    ]
    if not undo and len(rows) > 1:
        sentences.append("These were several turns: to bring them back, arrange the rota again.")
    tell_arranged(sentences, rows, found, undo, clock, known, output)


coverage_rota.register(app)
coverage_absence.register(app)
coverage_reading.register(app)


def _again(desk: Desk, rows: Sequence[CoverageArrangement], last: datetime | None, now: datetime) -> list[str]:
    """The command that arranges anew what was ended; none for the turns of a rota."""
    first = rows[0]
    turns = {(row.covering_provider_id, row.starts_at, row.duty_ends_at) for row in rows}
    if len(turns) > 1 or first.duty_ends_at <= max(now, last or now):
        return []
    said = ["--until", show(first.duty_ends_at), "--type", first.coverage_type.replace("_", "-")]
    if last is not None:
        said += ["--from", show(max(last, first.starts_at))]
    elif now < first.starts_at:
        said += ["--from", show(first.starts_at)]
    what: list[str | UUID] = ["--team", first.care_team_id] if first.care_team_id else []
    for row in rows:
        what += ["--patient", row.patient_id] if row.patient_id else []
    said += ["--actions", ",".join(first.scope)]
    whom = (first.covered_provider_id, first.covering_provider_id)
    return [command(desk.slug, "coverage", "add", *whom, *what, *said)]
