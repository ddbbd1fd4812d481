"""audit months, retire, hold: how long entries are kept, what keeps them longer, and taking a month out of the database."""

from __future__ import annotations

import asyncio
import re
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from carecircle.cli.careful import agreed, changed, command, counted, require_terminal, until
from carecircle.cli.circle import Desk, at_desk, database, operator, read_settings
from carecircle.cli.options import AsOfOption, OrganizationOption, OutputOption, instant
from carecircle.cli.output import Output, emit, note, say
from carecircle.errors import InvalidRequest
from carecircle.identifiers import OrganizationId, parse_id
from carecircle.period import show

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from carecircle.audit.holds_service import Hold
    from carecircle.audit.months_service import Month
    from carecircle.audit.retention_service import Retirement
    from carecircle.database.reach import Reach

MONTHS = (
    "month", "entries", "bytes", "closed", "indexed", "sealed", "held", "retirable_since", "retirable", "attached",
)  # fmt: skip
SHOWN = ("month", "entries", "size", "indexed", "sealed", "held", "retirable_since")
RETIRED = ("organization", "month", "entries", "file", "sha256", "entry")
HOLDS = ("id", "patient", "reason", "starts_at", "ends_at", "recorded_at")

hold_app = typer.Typer(no_args_is_help=True, help="Legal holds: what keeps entries beyond their years.")


def register(app: typer.Typer) -> None:
    app.command()(months)
    app.command()(retire)
    app.add_typer(hold_app, name="hold")


def months(
    prepare: Annotated[
        bool, typer.Option("--prepare", help="First make months ahead, and index those that are over.")
    ] = False,
    output: OutputOption = Output.table,
) -> None:
    """The months of the audit trail, of all organizations together: how large, sealed, held, and from when on retirable.

    Example: carecircle audit months --prepare
    """
    from carecircle.audit import months_service

    with database(read_settings()) as at:
        if prepare:
            made, indexed = asyncio.run(months_service.prepare_months(at, lambda index: say(f"Indexing {index}.")))
            note(f"{counted(made, 'month')} made, {counted(indexed, 'month')} indexed.", output)
        found = asyncio.run(_months(at))
    rows = [_month(one) for one in found if output is not Output.table or one.closed or one.entries]
    ahead = len(found) - len(rows)
    emit(rows, columns=MONTHS, shown=SHOWN, name="months", how=output)
    if ahead:
        note(f"And {counted(ahead, 'empty month')} made ahead.", output)


def retire(
    month: Annotated[str, typer.Argument(metavar="MONTH", help="Which, as in 2019-01 (UTC).")],
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="An existing directory for the files.")],
    with_findings: Annotated[
        bool, typer.Option("--with-findings", help="Also where the verifier has findings; the files show them.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only write and verify the files.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    output: OutputOption = Output.table,
) -> None:
    """Take a month out of the database, of all organizations: a verified file for each stays, and the hashes of its leaves.

    Killed at any step it goes on when it is run again. Runs as the owner of the tables, like: carecircle db upgrade.

    Example: carecircle audit retire 2019-01 --to archive --yes
    """
    if not (yes or dry_run):
        require_terminal("This takes a month of entries out of the database.")
        say(f"Entries of {month} leave the database for files in the directory you named; that cannot be taken back.")
        if not agreed():
            note("Nothing was changed.", output)
            return
    with database(read_settings()) as at:
        done = asyncio.run(_retire(at, _first_day(month), to, with_findings, dry_run))
    rows = [
        {
            "organization": one.organization_id,
            "month": f"{one.month:%Y-%m}",
            "entries": one.entries,
            "file": one.file_name,
            "sha256": one.sha256.hex(),
            "entry": one.entry_id,
        }
        for one in done
    ]
    emit(rows, columns=RETIRED, name="retired", how=output, beside={"dry_run": dry_run})
    if dry_run:
        note(f"{counted(len(rows), 'file')} written and verified; nothing was taken away.", output)
    else:
        note(
            f"{month} is out of the database. Keep {counted(len(rows), 'file')}: nothing else has these entries.",
            output,
        )


@hold_app.command()
def place(
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; kept sealed.")],
    patient: Annotated[str | None, typer.Option(metavar="PATIENT", help="Only entries about this patient.")] = None,
    from_: Annotated[str | None, typer.Option("--from", metavar="INSTANT", help="Starts at; now.")] = None,
    until_: Annotated[
        str | None, typer.Option("--until", metavar="INSTANT", help="Ends at; until it is lifted.")
    ] = None,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Keep entries, of the whole organization or about one patient, however old: no month that holds one is retired.

    Example: carecircle audit hold place --patient N-0001 --reason "Claim 7 of 2026" --organization north-hospital
    """
    from carecircle.audit.holds_service import place_hold
    from carecircle.directory.service import resolve_patient

    starts_at, ends_at = instant(from_), instant(until_)

    async def work(desk: Desk) -> Hold:
        async def change(session: AsyncSession) -> Hold:
            patient_id = None
            if patient is not None:
                patient_id = await resolve_patient(session, OrganizationId(desk.organization), patient)
            return await place_hold(session, reason=reason, patient_id=patient_id, starts_at=starts_at, ends_at=ends_at)

        return await desk.change(change)

    hold = at_desk(organization, work)
    about = "every entry of the organization" if hold.patient_id is None else "every entry about this patient"
    begins = "now" if hold.period.starts_at == hold.recorded_at else show(hold.period.starts_at)
    undo = command(organization, "audit", "hold", "lift", hold.id)
    sentence = f"Held from {begins} {until(hold.period.ends_at, 'until this is lifted')}: {about}."
    changed(sentence, {"hold": hold.id, **_bounds(hold)}, [undo], output)


@hold_app.command()
def lift(
    hold: Annotated[str, typer.Argument(metavar="ID", help="The hold's id, from: audit hold list.")],
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """End a legal hold; what it alone kept may be retired from then on.

    Example: carecircle audit hold lift 01KC… --organization north-hospital
    """
    from carecircle.audit.holds_service import lift_hold

    hold_id = parse_id(hold)
    lifted = at_desk(organization, lambda desk: desk.change(lambda session: lift_hold(session, hold_id=hold_id)))
    changed("Lifted. To hold again, place a new one.", {"hold": lifted.id, **_bounds(lifted)}, [], output)


@hold_app.command("list")
def list_(
    as_of: AsOfOption = None,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Legal holds now or ahead, with their reasons; with --as-of, those of that instant. That you looked is recorded.

    Example: carecircle audit hold list --organization north-hospital
    """
    from carecircle.audit.holds_service import holds, record_holds_read

    at = instant(as_of)

    async def look(session: AsyncSession) -> list[Hold]:
        found = await holds(session, as_of=at, words=True)
        await record_holds_read(session, len(found))
        return found

    found = at_desk(organization, lambda desk: desk.read(look))
    rows = [{"id": one.id, **_bounds(one), "reason": one.reason, "recorded_at": one.recorded_at} for one in found]
    if rows or output is not Output.table:
        emit(rows, columns=HOLDS, name="holds", how=output)
    note(f"{counted(len(rows), 'legal hold')}." if rows else "No legal hold is in force now or ahead.", output)


def _bounds(hold: Hold) -> dict[str, UUID | datetime | None]:
    return {"patient": hold.patient_id, "starts_at": hold.period.starts_at, "ends_at": hold.period.ends_at}


def _first_day(month: str) -> date:
    """The first day of 2019-01. Raises InvalidRequest."""
    given = re.fullmatch(r"(\d{4})-(\d\d)", month.strip())
    if given is None or not (1 <= int(given[1]) <= 9998 and 1 <= int(given[2]) <= 12):
        raise InvalidRequest("A month is written as in 2019-01.")
    return date(int(given[1]), int(given[2]), 1)


def _month(one: Month) -> dict[str, Any]:
    return {
        "month": f"{one.month:%Y-%m}",
        "entries": one.entries,
        "bytes": one.bytes,
        "size": _size(one.bytes),
        "closed": one.closed,
        "indexed": one.indexed,
        "sealed": one.sealed,
        "held": one.held,
        "retirable_since": one.retirable_since,
        "retirable": one.past_retention and one.sealed and not one.held,
        "attached": one.attached,
    }


def _size(number: int) -> str:
    units = iter(("B", "KiB", "MiB", "GiB", "TiB"))
    unit = next(units)
    while number >= 10 * 1024 and unit != "TiB":
        number, unit = number // 1024, next(units)
    return f"{number:,} {unit}"


async def _years_of(session: AsyncSession, organization: OrganizationId, at: datetime) -> int:
    from carecircle.directory.policy_service import policy_at

    return (await policy_at(session, organization, at)).audit_retention_years


async def _months(at: Reach) -> list[Month]:
    from carecircle.audit.months_service import months
    from carecircle.database.session import open_engine

    engine = open_engine(at, connections=1)
    try:
        return await months(at, engine, _years_of)
    finally:
        await engine.dispose()


async def _retire(at: Reach, month: date, to: Path, with_findings: bool, dry_run: bool) -> list[Retirement]:
    from carecircle.audit.retention_service import retire
    from carecircle.audit.sealing_key import SealingKey
    from carecircle.audit.verify import VerifyKey

    keys = tuple(map(VerifyKey.parse, SealingKey.open(read_settings().home).vkeys()))
    return await retire(
        at, month, to=to, years_of=_years_of, actor=operator(), keys=keys, with_findings=with_findings,
        rehearsal=dry_run, told=lambda step: say(f"  {step}"),
    )  # fmt: skip
