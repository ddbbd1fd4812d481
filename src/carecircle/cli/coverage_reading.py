"""coverage list, forecast, responsible: who covers whom, what will go wrong, and who answers for a patient."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any

import typer

from carecircle.cli import exits
from carecircle.cli.careful import counted
from carecircle.cli.circle import Desk, at_desk
from carecircle.cli.clock import Clock, TimeZoneOption, duration
from carecircle.cli.coverage_attention import Attention, found_in, lines_of, without_echoes
from carecircle.cli.coverage_chain import chain_record, print_chain, remedy
from carecircle.cli.coverage_picture import print_picture
from carecircle.cli.coverage_words import Known, known_of, row_record, rows_known, what_of
from carecircle.cli.options import OrganizationOption, OutputOption, Patient
from carecircle.cli.output import Output, emit, emit_one, note, printable
from carecircle.identifiers import to_text
from carecircle.period import Period

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from carecircle.coverage.forecast import Forecast
    from carecircle.coverage.responsibility import Responsibility
    from carecircle.coverage.tables import CoverageArrangement
    from carecircle.directory.tables import ProviderAbsence

    Seen = tuple[Forecast, list[CoverageArrangement], list[ProviderAbsence]]

ROWS = (
    "arrangement", "row", "covered", "covered_name", "covering", "covering_name", "type", "care_team", "patient", "may",
    "rests_on", "starts_at", "duty_ends_at", "ends_at",
)  # fmt: skip
FOUND = ("kind", "providers", "care_team", "patient", "arrangement", "starts_at", "ends_at")
LINKS = ("provider", "name", "basis", "until", "has_access", "why_not")


def register(app: typer.Typer) -> None:
    app.command("list")(list_coverage)
    app.command()(forecast)
    app.command()(responsible)


def list_coverage(
    provider: Annotated[
        str | None, typer.Option("--provider", metavar="PROVIDER", help="Only where they cover or are covered.")
    ] = None,
    ahead: Annotated[str, typer.Option("--ahead", metavar="LENGTH", help="What begins within 14d, 36h, 2w.")] = "14d",
    time_zone: TimeZoneOption = None,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Who covers whom now and in the days ahead, and who is away.

    Example: carecircle coverage list --provider okafor --ahead 30d --organization north-hospital
    """
    from carecircle.coverage.absence_service import absences
    from carecircle.coverage.reading_service import arrangements
    from carecircle.database.session import instant
    from carecircle.restrictions.reading_service import record_reading

    clock, length = Clock.of(time_zone), duration(ahead)

    async def work(desk: Desk) -> tuple[list[CoverageArrangement], list[ProviderAbsence], datetime, Known]:
        async def look(session: AsyncSession) -> tuple[list[CoverageArrangement], list[ProviderAbsence], datetime]:
            now = await instant(session)
            rows = await arrangements(session, provider=provider, ahead=length)
            if named := {row.patient_id for row in rows if row.patient_id}:
                await record_reading(session, "coverage-read", provider=provider, patients=named, rows=len(rows))
            away = [one for one in await absences(session, provider=provider) if one.starts_at < now + length]
            return rows, away, now

        rows, away, now = await desk.read(look)
        known = await rows_known(desk, rows)
        names = await desk.names(one.provider_id for one in away)
        return rows, away, now, Known({**known.names, **names}, known.teams)

    rows, away, now, known = at_desk(organization, work)
    if output is not Output.table:
        gone = [{"provider": one.provider_id, "starts_at": one.starts_at, "ends_at": one.ends_at} for one in away]
        emit([row_record(row, known) for row in rows], columns=ROWS, name="rows", how=output, beside={"away": gone})
        return
    for one in away:
        print(printable(f"{known.who(one.provider_id)} is away, {clock.span(Period(one.starts_at, one.ends_at))}."))
    if away and rows:
        print()
    together = sorted(rows, key=lambda row: (str(row.arrangement_id), row.starts_at, row.id))
    groups = [list(group) for _, group in groupby(together, key=lambda row: row.arrangement_id)]
    for group in sorted(groups, key=lambda group: group[0].starts_at):
        _print_arrangement(group, now, known, clock)
    note(
        f"Times by the clock of {clock.name}. End one with: carecircle coverage end ID." if rows else
        f"Nobody covers anybody, now or within {ahead}.",
        output,
    )  # fmt: skip


def _print_arrangement(rows: list[CoverageArrangement], now: datetime, known: Known, clock: Clock) -> None:
    """One arrangement: what it is, then each time somebody is on duty."""
    first = rows[0]
    print(printable(f"{known.who(first.covered_provider_id)} is covered for {what_of(rows, known)}"))
    told: set[tuple[Any, ...]] = set()
    for row in rows:
        turn = (row.covering_provider_id, row.starts_at, row.duty_ends_at)
        if turn in told:
            continue
        told.add(turn)
        state = "later" if row.starts_at > now else "now" if row.duty_ends_at > now else "over"
        grace = "" if row.ends_at == row.duty_ends_at else f"; gets in until {clock.tell(row.ends_at)}"
        span = clock.span(Period(row.starts_at, row.duty_ends_at))
        print(printable(f"  {state:<6} by {known.who(row.covering_provider_id)}, {span}{grace}"))
    print(f"  id     {to_text(first.arrangement_id)}\n")


def forecast(
    days: Annotated[int, typer.Option(min=1, max=400, help="How many days ahead.")] = 14,
    time_zone: TimeZoneOption = None,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """What will go wrong in the days ahead: people who cover each other in a circle, two who cover the same, and times when
    nobody answers. Exits 11 when there is any of it.

    Example: carecircle coverage forecast --days 14 --organization north-hospital
    """
    from carecircle.coverage.absence_service import absences
    from carecircle.coverage.reading_service import arrangements
    from carecircle.coverage.reading_service import forecast as foresee
    from carecircle.restrictions.reading_service import record_reading

    clock = Clock.of(time_zone)

    async def work(
        desk: Desk,
    ) -> tuple[Forecast, list[Attention], list[CoverageArrangement], list[ProviderAbsence], Known]:
        async def look(session: AsyncSession) -> Seen:
            foreseen = await foresee(session, days=days)
            if named := foreseen.patients:
                await record_reading(session, "coverage-forecast-read", patients=named, days=days)
            return (
                foreseen,
                await arrangements(session, ahead=timedelta(days=days)),
                await absences(session),
            )

        foreseen, rows, away = await desk.read(look)
        found = found_in(foreseen)
        people = {one.provider_id for one in away} | {person for one in found for person in one.providers}
        people |= {row.covered_provider_id for row in rows}
        return foreseen, found, rows, away, await known_of(desk, people, {one.care_team_id for one in found})

    foreseen, found, rows, away, known = at_desk(organization, work)
    if output is not Output.table:
        window = {"starts_at": foreseen.period.starts_at, "ends_at": foreseen.period.ends_at}
        emit([one.record for one in found], columns=FOUND, name="attention", how=output, beside=window)
    else:
        what = counted(len(without_echoes(found)), "thing needs", "things need") if found else "nothing needs"
        print(f"The next {counted(days, 'day')}: {what} attention.\n")
        for line in lines_of(found, known, clock):
            print(printable(line))
        if found:
            print()
        print_picture(foreseen.period, found, rows, away, known, clock)
        note(f"Times by the clock of {clock.name}.", output)
    if found:
        raise typer.Exit(exits.FINDINGS)


def responsible(
    patient: Patient,
    at: Annotated[str | None, typer.Option("--at", metavar="INSTANT", help="At which time; now.")] = None,
    time_zone: TimeZoneOption = None,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Who answers for a patient: the primary provider, who covers them, who covers those, and who of them may read the record.

    Exits 11 when nobody answers, or who answers may not read the record.

    Example: carecircle coverage responsible N-0001 --organization north-hospital
    """
    from carecircle.coverage.reading_service import responsible_for

    clock = Clock.of(time_zone)
    as_of = clock.instant(at)

    async def work(desk: Desk) -> tuple[Responsibility, Known, str | None]:
        found = await desk.change(lambda session: responsible_for(session, patient=patient, at=as_of))
        known = await known_of(desk, {link.provider_id for link in found.chain}, ())
        return found, known, remedy(desk.slug, found)

    found, known, helps = at_desk(organization, work)
    match output:
        case Output.json:
            emit_one(chain_record(found, known), how=output)
        case Output.csv:
            emit(chain_record(found, known)["chain"], columns=LINKS, name="chain", how=output)
        case _:
            print_chain(found, known, clock, now=as_of is None, helps=helps)
    if not found.chain or found.responsible is None or not found.chain[-1].has_access:
        raise typer.Exit(exits.FINDINGS)
