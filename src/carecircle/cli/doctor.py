"""doctor: one line per thing that must be right for emergencies and for proof, and what to do where it is not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from carecircle.cli import exits
from carecircle.cli.careful import command, counted
from carecircle.cli.circle import Desk, at_desk, database, read_settings
from carecircle.cli.clock import Clock, TimeZoneOption
from carecircle.cli.doctor_line import Line, State
from carecircle.cli.doctor_proof import connection_line, trail_lines, volume_line, witness_line
from carecircle.cli.duty_words import named, remedy, told
from carecircle.cli.options import OrganizationOption, OutputOption
from carecircle.cli.output import Output, as_called_here, emit, note, printable
from carecircle.errors import AccessUnavailable, CareCircleError, InvalidSetting

if TYPE_CHECKING:
    from carecircle.database.reach import Reach
    from carecircle.settings import Settings

COLUMNS = ("check", "state", "finding", "helps")
# A worker that runs takes up what is due at once; what waits longer than this waits for a worker, or for a server.
LATE = timedelta(minutes=1)
TOO_LATE = timedelta(minutes=5)


def doctor(
    days: Annotated[int, typer.Option(min=1, max=400, help="How many days ahead duties must be held.")] = 7,
    time_zone: TimeZoneOption = None,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Look whether all is there that emergencies and proof need: database, who decides, who is told, sealing. Exits 11 if not.

    Without an organization, only what all organizations share is looked at. Nothing is changed.

    Example: carecircle doctor --days 7 --time-zone Europe/Berlin --organization north-hospital
    """
    clock = Clock.of(time_zone)
    settings = read_settings()
    lines = [*_installation(settings)]
    if any(line.state == "fail" for line in lines):
        lines.append(Line("organization", "warn", "Not looked at before the database is right.", "Mend that first."))
    elif not (organization or settings.organization):
        finding = "Duties, notices and reviews were not looked at: no organization was named."
        lines.append(Line("organization", "warn", finding, f"{command(None, 'doctor')} --organization SLUG"))
    else:
        lines += at_desk(organization, lambda desk: _organization(desk, organization, days, clock))
    lines += [*_ways(settings), witness_line(settings)]
    found = [line for line in lines if line.state != "ok"]
    if output is Output.table:
        for line in lines:
            print(f"{line.state:<4}  {printable(line.check):<12}  {printable(as_called_here(line.finding))}")
            if line.helps:
                print(f"{'':<20}-> {printable(as_called_here(line.helps))}")
    else:
        emit([vars(line) for line in lines], columns=COLUMNS, name="checks", how=output)
    note(f"{counted(len(found), 'finding')}." if found else "All is well.", output)
    if found:
        raise typer.Exit(exits.FINDINGS)


def _installation(settings: Settings) -> Iterator[Line]:
    """What all organizations share: the database at this version's schema, and roles that cannot pass the tenant wall."""
    try:
        with database(settings) as at:
            yield asyncio.run(_reached(at))
            yield asyncio.run(_roles(at))
            yield asyncio.run(connection_line(at))
            yield volume_line(settings, at.data_dir)
    except (AccessUnavailable, InvalidSetting) as error:
        yield Line("database", "fail", error.message, "Mend what is said here, then run this again.")


async def _reached(at: Reach) -> Line:
    from carecircle.database.revision import head, require_head
    from carecircle.database.roles import open_connection

    connection = await open_connection(at.dsn("app"))
    try:
        await require_head(connection)
    finally:
        await connection.close()
    return Line("database", "ok", f"It answers, at {head()}.")


async def _roles(at: Reach) -> Line:
    from carecircle.database.reach import ROLES
    from carecircle.database.roles import check_role, open_connection

    serving = [role for role in ROLES if role != "owner"]  # the owner of the tables serves nobody
    for role in serving:
        try:
            connection = await open_connection(at.dsn(role))
            try:
                await check_role(connection)
            finally:
                await connection.close()
        except CareCircleError as error:
            return Line("roles", "fail", f"carecircle_{role}: {error.message}", command(None, "db", "upgrade"))
    return Line(
        "roles", "ok", f"{counted(len(serving), 'role')}, none of which sees past its organization by its rights."
    )


async def _organization(desk: Desk, organization: str | None, days: int, clock: Clock) -> list[Line]:
    checks: tuple[Callable[[Desk], Awaitable[list[Line]]], ...] = (
        lambda desk: _duties(desk, organization, days, clock),
        _outbox,
        lambda desk: _reviews(desk, organization),
        trail_lines,
    )
    return [line for check in checks for line in await check(desk)]


async def _duties(desk: Desk, organization: str | None, days: int, clock: Clock) -> list[Line]:
    """A gap that has begun is worse than one ahead; that nobody may break the glass has a line of its own."""
    from carecircle.database.session import instant
    from carecircle.directory.duty_gap_service import duty_gaps
    from carecircle.directory.duty_service import duties

    now = await desk.read(instant)
    found = await desk.read(lambda db: duty_gaps(db, within=timedelta(days=days)))
    may = await desk.read(lambda db: duties(db, duty="break_glass", as_of=now))
    known = await named(desk, set(), {gap.unit_id for gap in found})
    lines: list[Line] = []
    if may:
        people = len({one.provider_id for one in may})
        lines.append(Line("break glass", "ok", f"{counted(people, 'provider')} may break the glass now."))
    for gap in found:
        check = "break glass" if gap.duty == "break_glass" else "duties"
        state: State = "fail" if gap.period.starts_at <= now + LATE else "warn"
        lines.append(Line(check, state, f"{told(gap, known, clock)}.", remedy(gap, organization)))
    if not any(line.check == "duties" for line in lines):
        lines.append(
            Line("duties", "ok", f"Somebody is there to decide at every time of the next {counted(days, 'day')}.")
        )
    return lines


async def _outbox(desk: Desk) -> list[Line]:
    from carecircle.notices.backlog_service import backlog

    late = await desk.read(backlog)
    if late.oldest < LATE:
        return [Line("outbox", "ok", "Nothing that is due waits to be sent or done.")]
    state: State = "warn" if late.oldest < TOO_LATE else "fail"
    waits = f"{counted(late.count, 'notice or step', 'notices and steps')} due, the oldest for {_minutes(late.oldest)}."
    return [Line("outbox", state, waits, f"{command(None, 'worker')} (is it running, and does mail get through?)")]


async def _reviews(desk: Desk, organization: str | None) -> list[Line]:
    from carecircle.database.session import instant
    from carecircle.emergency.reading_service import to_review

    now = await desk.read(instant)
    waiting = await desk.read(to_review)
    overdue = [one for one in waiting if one.review_due_at is not None and one.review_due_at < now]
    if not overdue:
        waits = f"{counted(len(waiting), 'review')} waiting, none overdue." if waiting else "No review waits."
        return [Line("reviews", "ok", waits)]
    longest = counted((now - min(one.review_due_at or now for one in overdue)) // timedelta(hours=1), "hour")
    finding = f"{counted(len(overdue), 'review')} overdue, the longest by {longest}."
    return [Line("reviews", "fail", finding, f"{command(organization, 'break-glass', 'list')} --to-review")]


def _ways(settings: Settings) -> Iterator[Line]:
    """How people are told outside carecircle: one way is enough; without any, only who has it open hears of a request."""
    from carecircle.notices.email import Mail
    from carecircle.notices.webhook import Hook

    ways = (
        ("mail", Mail.of, "CARECIRCLE_SMTP_URL and CARECIRCLE_MAIL_FROM"),
        ("webhook", Hook.of, "CARECIRCLE_WEBHOOK_URL and CARECIRCLE_WEBHOOK_SECRET"),
    )
    known: dict[str, bool] = {}
    for check, read, names in ways:
        try:
            known[check] = read(settings) is not None
        except InvalidSetting as error:
            known[check] = True
            yield Line(check, "fail", error.message, f"Correct {names}.")
            continue
        if known[check]:
            yield Line(check, "ok", "Configured.")
    for check, _, names in ways:
        if not known[check] and any(known.values()):
            yield Line(check, "ok", "Not configured; notices take the other way.")
        elif not known[check]:
            finding = "Not configured: nobody is told who does not have carecircle open."
            yield Line(check, "warn", finding, f"Set {names}.")


def _minutes(length: timedelta) -> str:
    minutes = length // timedelta(minutes=1)
    return counted(minutes, "minute") if minutes < 120 else counted(minutes // 60, "hour")
