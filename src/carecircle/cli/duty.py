"""duty: who decides about emergencies, who is told, who may break the glass, and when nobody would be there to decide."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from carecircle.cli import duty_lines, exits
from carecircle.cli.careful import changed, command, counted
from carecircle.cli.circle import Desk, at_desk
from carecircle.cli.clock import Clock, TimeZoneOption
from carecircle.cli.duty_words import WORDS, Named, gap_record, named, record, remedy, told
from carecircle.cli.options import OrganizationOption, OutputOption
from carecircle.cli.output import Output, emit, note, printable
from carecircle.errors import InvalidRequest
from carecircle.identifiers import parse_id
from carecircle.period import Period, show

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncSession

    from carecircle.directory.duty_gaps import Gap
    from carecircle.directory.duty_service import Enrolled
    from carecircle.directory.tables import Duty

app = typer.Typer(no_args_is_help=True, help="Who decides about emergencies, who is told, who may break the glass.")
COLUMNS = ("id", "duty", "unit", "unit_name", "order", "provider", "name", "contact", "starts_at", "ends_at")
SHOWN = ("id", "duty", "unit", "order", "name", "contact", "from", "until")
GAPS = ("duty", "unit", "unit_name", "starts_at", "ends_at", "helps")
# More people than this who may break the glass would hide those who decide; more ends than this nobody pastes.
MANY = 10

DutyArgument = Annotated[str, typer.Argument(metavar="DUTY", help=f"{', '.join(WORDS)}.")]
UnitOption = Annotated[
    str | None,
    typer.Option("--unit", metavar="UNIT", help="Of which unit: its id, identifier or name; of all, unless said."),
]


@app.command()
def add(
    duty: DutyArgument,
    provider: Annotated[
        str | None, typer.Argument(metavar="PROVIDER", help="ULID, UUID, system|value or identifier.")
    ] = None,
    role: Annotated[
        str | None, typer.Option(metavar="CODE", help="Instead of one: everybody in this role now, in whatever unit.")
    ] = None,
    unit: UnitOption = None,
    order: Annotated[
        int, typer.Option(min=1, max=1000, help="Who comes first in the order of call is told first.")
    ] = 1,
    contact: Annotated[
        str, typer.Option(metavar="EMAIL", help="Where notices go; without, they see it in carecircle.")
    ] = "",
    from_: Annotated[str | None, typer.Option("--from", metavar="INSTANT", help="Starts at; now.")] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="INSTANT", help="Ends at; until it is ended.")] = None,
    time_zone: TimeZoneOption = None,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Give somebody a duty; with --role, everybody who works in a role now, in one step, passing over who has it.

    Example: carecircle duty add supervisor okafor --unit "Ward 7" --order 1 --contact ward7@hospital.example

    Example: carecircle duty add supervisor okafor --from "2030-01-31 08:00" --until "2030-01-31 20:00" --time-zone Europe/Berlin

    Example: carecircle duty add break_glass --role physician --organization north-hospital
    """
    from carecircle.directory.duty_service import add_duty, enrol

    if (provider is None) == (role is None):
        raise InvalidRequest("Say who: one PROVIDER, or --role CODE for everybody who works in it; not both.")
    if role is not None and contact:
        raise InvalidRequest("A contact is one person's; leave --contact out with --role.")
    clock = Clock.of(time_zone)
    said: dict[str, Any] = {"duty": duty, "unit": unit, "call_order": order}
    said |= {"starts_at": clock.instant(from_), "ends_at": clock.instant(until)}

    if provider is not None:

        async def one(desk: Desk) -> tuple[Duty, Named]:
            row = await desk.change(lambda session: add_duty(session, provider=provider, contact=contact, **said))
            return row, await named(desk, {row.provider_id}, {row.unit_id})

        row, known = at_desk(organization, one)
        when = _when(row, clock, now=from_ is None)
        undo = [command(organization, "duty", "end", row.id)]
        changed(f"{_sentence(row, known)}, {when}.", record(row, known), undo, output)
        return

    async def all_of_them(desk: Desk) -> Enrolled:
        return await desk.change(lambda session: enrol(session, role=role or "", **said))

    done = at_desk(organization, all_of_them)
    have = f"; {counted(done.had_it, 'provider')} had it already" if done.had_it else ""
    ids = [row.id for row in done.added]
    undo = [command(organization, "duty", "end", one) for one in ids] if len(ids) <= MANY else []
    sentence = f"{counted(len(ids), 'provider')} of the role {role}: {WORDS[duty]}, from now on{have}."
    if from_ is not None or until is not None:
        sentence = sentence.replace("from now on", "in the period given")
    changed(sentence, {"duty": duty, "role": role, "added": len(ids), "had_it": done.had_it, "ids": ids}, undo, output)
    if len(ids) > MANY:
        note(f"End one of them with: {command(organization, 'duty', 'end')} ID (duty list --duty {duty})", output)


@app.command("list")
def list_(
    unit: Annotated[
        str | None, typer.Option("--unit", metavar="UNIT", help="Those who serve it: its own, and those of all units.")
    ] = None,
    duty: Annotated[str | None, typer.Option("--duty", metavar="DUTY", help=f"Only {', '.join(WORDS)}.")] = None,
    provider: Annotated[str | None, typer.Option(metavar="PROVIDER", help="Only this provider's.")] = None,
    as_of: Annotated[
        str | None, typer.Option("--as-of", metavar="INSTANT", help="At that instant; now or ahead.")
    ] = None,
    time_zone: TimeZoneOption = None,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Who has which duty now or ahead; with --as-of, who had it then.

    Example: carecircle duty list --unit "Ward 7" --organization north-hospital
    """
    from carecircle.directory.duty_service import duties

    clock = Clock.of(time_zone)
    at = clock.instant(as_of)

    async def ask(desk: Desk) -> tuple[list[Duty], Named]:
        rows = await desk.read(lambda db: duties(db, unit=unit, duty=duty, provider=provider, as_of=at))
        return rows, await named(desk, {row.provider_id for row in rows}, {row.unit_id for row in rows})

    rows, known = at_desk(organization, ask)
    if output is not Output.table:
        emit([record(row, known) for row in rows], columns=COLUMNS, name="duties", how=output)
        return
    many = [row for row in rows if row.duty == "break_glass"]
    hidden = len(many) if duty is None and provider is None and len(many) > MANY else 0
    shown = [row for row in rows if not hidden or row.duty != "break_glass"]
    if shown:
        emit([_line(row, known, clock) for row in shown], columns=SHOWN, name="duties", how=output)
        note(f"Times by the clock of {clock.name}.", output)
    note(f"{counted(len(shown), 'duty', 'duties')}." if shown else "Nobody has such a duty.", output)
    if hidden:
        see = command(organization, "duty", "list", "--duty", "break_glass")
        note(f"{counted(hidden, 'provider')} may break the glass besides; see: {see}", output)


@app.command()
def end(
    duty: Annotated[str, typer.Argument(metavar="ID", help="The duty's id, from: duty list.")],
    at: Annotated[str | None, typer.Option("--at", metavar="INSTANT", help="When it ends, from now on; now.")] = None,
    time_zone: TimeZoneOption = None,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """End a duty. Who was to decide by it about a request that still waits does not decide any more.

    Example: carecircle duty end 01KC… --organization north-hospital
    """
    from carecircle.database.session import instant
    from carecircle.directory.duty_service import end_duty

    clock = Clock.of(time_zone)
    duty_id, until = parse_id(duty), clock.instant(at)

    async def work(desk: Desk) -> tuple[Duty, datetime, Named]:
        async def change(session: AsyncSession) -> tuple[Duty, datetime]:
            return await end_duty(session, duty_id=duty_id, at=until), await instant(session)

        row, now = await desk.change(change)
        return row, now, await named(desk, {row.provider_id}, {row.unit_id})

    row, now, known = at_desk(organization, work)
    ended = until or now
    again: list[str | UUID | datetime] = ["--from", max(row.starts_at, ended)] if row.starts_at > now or until else []
    again += [] if show(row.ends_at) == "open" else ["--until", row.ends_at]
    again += [] if row.unit_id is None else ["--unit", row.unit_id]
    again += [] if row.call_order == 1 else ["--order", str(row.call_order)]
    again += ["--contact", row.contact] if row.contact else []
    undo = command(organization, "duty", "add", row.duty, row.provider_id, *again)
    when = "never begins" if row.starts_at >= ended else "ended" if until is None else f"ends {clock.tell(ended)}"
    sentence = f"{_sentence(row, known)}: that {when}."
    changed(sentence, {**record(row, known), "ended_at": ended}, [undo], output)


@app.command()
def gaps(
    days: Annotated[int, typer.Option(min=1, max=400, help="How many days ahead.")] = 7,
    time_zone: TimeZoneOption = None,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """When, in the days ahead, nobody would be there to decide or be told, absences and suspensions counted in. Exits 11 then.

    Each unit where somebody works needs a supervisor; the organization a duty manager and a privacy office.

    Example: carecircle duty gaps --days 7 --time-zone Europe/Berlin --organization north-hospital
    """
    from carecircle.directory.duty_gap_service import duty_gaps

    clock = Clock.of(time_zone)

    async def ask(desk: Desk) -> tuple[list[Gap], Named]:
        found = await desk.read(lambda session: duty_gaps(session, within=timedelta(days=days)))
        return found, await named(desk, set(), {gap.unit_id for gap in found})

    found, known = at_desk(organization, ask)
    if output is not Output.table:
        rows = [gap_record(gap, known, organization) for gap in found]
        emit(rows, columns=GAPS, name="gaps", how=output, beside={"days": days})
    else:
        for gap in found:
            print(f"{printable(told(gap, known, clock))}.")
            print(f"  {printable(remedy(gap, organization))}")
        ahead = f"the next {counted(days, 'day')}"
        note(
            f"{counted(len(found), 'gap')} in {ahead}, by the clock of {clock.name}."
            if found
            else f"Somebody has every duty at every time of {ahead}.",
            output,
        )
    if found:
        raise typer.Exit(exits.FINDINGS)


duty_lines.register(app)


def _sentence(row: Duty, known: Named) -> str:
    who, of = known.who(row.provider_id), known.unit(row.unit_id)
    if row.duty == "break_glass":
        return f"{who} may break the glass in {of}"
    return f"{who} is {'on the ' if row.duty == 'privacy_office' else ''}{WORDS[row.duty]} of {of}"


def _when(row: Duty, clock: Clock, *, now: bool) -> str:
    if not now:
        return f"{clock.span(Period(row.starts_at, row.ends_at))} ({clock.name})"
    return "from now on" if show(row.ends_at) == "open" else f"from now {clock.until(row.ends_at)} ({clock.name})"


def _line(row: Duty, known: Named, clock: Clock) -> dict[str, Any]:
    return {
        **record(row, known),
        "unit": known.unit(row.unit_id),
        "name": known.who(row.provider_id),
        "from": clock.tell(row.starts_at),
        "until": clock.tell(row.ends_at),
    }
