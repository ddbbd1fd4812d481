"""duty line add, duty line end, duty lines: who reports to whom. Nobody decides about a person they report to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from carecircle.cli.careful import changed, command, counted
from carecircle.cli.circle import Desk, at_desk
from carecircle.cli.clock import Clock, TimeZoneOption
from carecircle.cli.duty_words import Named, named
from carecircle.cli.options import OrganizationOption, OutputOption, Provider
from carecircle.cli.output import Output, emit, note
from carecircle.period import Period, show

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncSession

    from carecircle.directory.tables import ReportingLine

COLUMNS = ("id", "provider", "name", "reports_to", "superior", "starts_at", "ends_at")
SHOWN = ("name", "reports to", "from", "until")

Superior = Annotated[str, typer.Argument(metavar="REPORTS-TO", help="Whom they report to.")]

line = typer.Typer(no_args_is_help=True, help="Who reports to whom.")


def register(app: typer.Typer) -> None:
    app.add_typer(line, name="line")
    app.command()(lines)


@line.command()
def add(
    provider: Provider,
    reports_to: Superior,
    from_: Annotated[str | None, typer.Option("--from", metavar="INSTANT", help="Starts at; now.")] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="INSTANT", help="Ends at; until it is ended.")] = None,
    time_zone: TimeZoneOption = None,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """A provider reports to another, and so does not decide about that one's emergencies. Nobody reports in a circle.

    Example: carecircle duty line add yilmaz okafor --organization north-hospital
    """
    from carecircle.directory.reporting_service import add_reporting_line

    clock = Clock.of(time_zone)
    starts_at, ends_at = clock.instant(from_), clock.instant(until)

    async def work(desk: Desk) -> tuple[ReportingLine, Named]:
        row = await desk.change(
            lambda session: add_reporting_line(
                session, provider=provider, reports_to=reports_to, starts_at=starts_at, ends_at=ends_at
            )
        )
        return row, await named(desk, {row.provider_id, row.reports_to_id}, set())

    row, known = at_desk(organization, work)
    when = f"{clock.span(Period(row.starts_at, row.ends_at))} ({clock.name})" if from_ or until else "from now on"
    undo = [command(organization, "duty", "line", "end", row.provider_id, row.reports_to_id)]
    changed(f"{_sentence(row, known)}, {when}.", _record(row, known), undo, output)


@line.command()
def end(
    provider: Provider,
    reports_to: Superior,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """A provider reports to another no more, now and ahead.

    Example: carecircle duty line end yilmaz okafor --organization north-hospital
    """
    from carecircle.database.session import instant
    from carecircle.directory.reporting_service import end_reporting_line

    async def work(desk: Desk) -> tuple[list[ReportingLine], datetime, Named]:
        async def change(session: AsyncSession) -> tuple[list[ReportingLine], datetime]:
            ended = await end_reporting_line(session, provider=provider, reports_to=reports_to)
            return ended, await instant(session)

        rows, now = await desk.change(change)
        return rows, now, await named(desk, {rows[0].provider_id, rows[0].reports_to_id}, set())

    rows, now, known = at_desk(organization, work)
    undo = []
    for row in rows:
        period: list[str | datetime] = ["--from", row.starts_at] if row.starts_at > now else []
        period += [] if show(row.ends_at) == "open" else ["--until", row.ends_at]
        undo.append(command(organization, "duty", "line", "add", row.provider_id, row.reports_to_id, *period))
    changed(f"{_sentence(rows[0], known)} no more.", {**_record(rows[0], known), "ended": len(rows)}, undo, output)


def lines(
    provider: Annotated[str | None, typer.Option(metavar="PROVIDER", help="Only to and from this provider.")] = None,
    time_zone: TimeZoneOption = None,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Who reports to whom, now and ahead.

    Example: carecircle duty lines --provider okafor --organization north-hospital
    """
    from carecircle.directory.reporting_service import reporting_lines

    clock = Clock.of(time_zone)

    async def ask(desk: Desk) -> tuple[list[ReportingLine], Named]:
        found = await desk.read(lambda session: reporting_lines(session, provider))
        return found, await named(desk, {one for row in found for one in (row.provider_id, row.reports_to_id)}, set())

    rows, known = at_desk(organization, ask)
    if output is not Output.table:
        emit([_record(row, known) for row in rows], columns=COLUMNS, name="lines", how=output)
        return
    if rows:
        told = [
            {
                "name": known.who(row.provider_id),
                "reports to": known.who(row.reports_to_id),
                "from": clock.tell(row.starts_at),
                "until": clock.tell(row.ends_at),
            }
            for row in rows
        ]
        emit(told, columns=SHOWN, name="lines", how=output)
    note(
        f"{counted(len(rows), 'line')}, by the clock of {clock.name}." if rows else "Nobody reports to anybody.", output
    )


def _sentence(row: ReportingLine, known: Named) -> str:
    return f"{known.who(row.provider_id)} reports to {known.who(row.reports_to_id)}"


def _record(row: ReportingLine, known: Named) -> dict[str, Any]:
    return {
        "id": row.id,
        "provider": row.provider_id,
        "name": known.people.get(row.provider_id),
        "reports_to": row.reports_to_id,
        "superior": known.people.get(row.reports_to_id),
        "starts_at": row.starts_at,
        "ends_at": row.ends_at,
    }
