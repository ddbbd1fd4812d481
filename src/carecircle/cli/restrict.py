"""restrict: what takes access away. A patient's objection to a person, a suspended provider, a sensitivity label."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from carecircle.cli import restrict_effect
from carecircle.cli.careful import agreed, changed, command, counted, require_terminal, undoing, until
from carecircle.cli.circle import Desk, at_desk
from carecircle.cli.options import AsOfOption, OrganizationOption, OutputOption, Patient, Provider, instant
from carecircle.cli.output import Output, emit, emit_one, note, say
from carecircle.errors import InvalidRequest
from carecircle.identifiers import parse_id
from carecircle.period import show

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from carecircle.restrictions.reading_service import Restriction
    from carecircle.restrictions.tables import AccessRestriction, PatientLabel

    Row = AccessRestriction | PatientLabel

app = typer.Typer(no_args_is_help=True, help="Take access away: objections, suspensions, sensitivity labels.")
COLUMNS = ("id", "kind", "label", "patient", "provider", "name", "starts_at", "ends_at", "recorded_at")
SHOWN = ("id", "kind", "label", "patient", "name", "starts_at", "ends_at")
BY_WORD = {
    "restricted": "R", "vip": "CEL", "employee": "EMP", "psychiatry": "PSY", "hiv": "HIV", "substance-use": "SUD",
}  # fmt: skip
WORD_OF = {code: word for word, code in BY_WORD.items()}

Label = Annotated[str, typer.Argument(metavar="LABEL", help=f"{', '.join(BY_WORD)}; or {', '.join(BY_WORD.values())}.")]
From = Annotated[str | None, typer.Option("--from", metavar="INSTANT", help="Starts at; now.")]
Until = Annotated[str | None, typer.Option("--until", metavar="INSTANT", help="Ends at; until it is lifted.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what it would take away.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


@app.command("object")
def object_(
    patient: Patient,
    provider: Provider,
    from_: From = None,
    until_: Until = None,
    dry_run: DryRun = False,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """A patient objects to a provider: nothing lets that provider in to that patient, whatever they hold.

    Example: carecircle restrict object N-0001 yilmaz --until 2030-01-31 --organization north-hospital
    """
    from carecircle.restrictions.service import object_to

    starts_at, ends_at = instant(from_), instant(until_)
    _add(
        organization,
        output,
        lambda desk: restrict_effect.objected(desk, patient, provider, starts_at),
        None
        if dry_run
        else lambda session: object_to(
            session, patient=patient, provider=provider, starts_at=starts_at, ends_at=ends_at
        ),
    )


@app.command()
def suspend(
    provider: Provider,
    from_: From = None,
    until_: Until = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Keep a provider from every patient. Asks first; what they hold stays on record and comes back when it is lifted.

    Example: carecircle restrict suspend petrov --yes --organization north-hospital
    """
    from carecircle.restrictions import service

    if not (yes or dry_run):
        require_terminal("This keeps the provider from every patient.")
    starts_at, ends_at = instant(from_), instant(until_)
    _add(
        organization,
        output,
        lambda desk: restrict_effect.suspended(desk, provider, starts_at),
        None
        if dry_run
        else lambda session: service.suspend(session, provider=provider, starts_at=starts_at, ends_at=ends_at),
        ask=not yes,
    )


@app.command()
def label(
    patient: Patient,
    label: Label,
    from_: From = None,
    until_: Until = None,
    dry_run: DryRun = False,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Give a patient a sensitivity label: only who is assigned to them directly keeps access, no team seat, no coverage.

    Example: carecircle restrict label N-0002 vip --organization north-hospital
    """
    from carecircle.restrictions import service

    code, starts_at, ends_at = _code(label), instant(from_), instant(until_)
    _add(
        organization,
        output,
        lambda desk: restrict_effect.labelled(desk, patient, starts_at),
        None
        if dry_run
        else lambda session: service.label(session, patient=patient, label=code, starts_at=starts_at, ends_at=ends_at),
    )


@app.command()
def unlabel(
    patient: Patient,
    label: Label,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Take a label from a patient, now and ahead.

    Example: carecircle restrict unlabel N-0002 vip --organization north-hospital
    """
    from carecircle.restrictions import service

    code = _code(label)
    _lifted(organization, lambda session: service.unlabel(session, patient=patient, label=code), output)


@app.command()
def lift(
    restriction: Annotated[str, typer.Argument(metavar="ID", help="The restriction's id, from: restrict list.")],
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """End an objection, a suspension or a label; what was taken away comes back at once.

    Example: carecircle restrict lift 01KC… --organization north-hospital
    """
    from carecircle.restrictions import service

    restriction_id = parse_id(restriction)

    async def work(session: AsyncSession) -> list[Row]:
        return [await service.lift(session, restriction_id=restriction_id)]

    _lifted(organization, work, output)


@app.command("list")
def list_(
    patient: Annotated[str | None, typer.Option(metavar="PATIENT", help="Only this patient's.")] = None,
    provider: Annotated[str | None, typer.Option(metavar="PROVIDER", help="Only about this provider.")] = None,
    as_of: AsOfOption = None,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """What takes access away now or ahead; with --as-of, what did at that instant. That you looked is recorded.

    Example: carecircle restrict list --patient N-0001 --organization north-hospital
    """
    from carecircle.restrictions.reading_service import record_reading, restrictions

    at = instant(as_of)

    async def look(session: AsyncSession) -> list[Restriction]:
        asked: dict[str, Any] = {"patient": patient, "provider": provider, "as_of": at}
        found = await restrictions(session, **asked)
        await record_reading(session, "restrictions-read", restrictions=len(found), **asked)
        return found

    async def ask(desk: Desk) -> tuple[list[Restriction], dict[UUID, str]]:
        found = await desk.read(look)
        return found, await desk.names(one.provider_id for one in found if one.provider_id)

    found, names = at_desk(organization, ask)
    rows = [
        {
            "id": one.id,
            "kind": one.kind,
            "label": WORD_OF.get(one.label, one.label) if one.label else None,
            "patient": one.patient_id,
            "provider": one.provider_id,
            "name": names.get(one.provider_id) if one.provider_id else None,
            "starts_at": one.period.starts_at,
            "ends_at": one.period.ends_at,
            "recorded_at": one.recorded_at,
        }
        for one in found
    ]
    if rows or output is not Output.table:
        emit(rows, columns=COLUMNS, shown=SHOWN, name="restrictions", how=output)
    note(f"{counted(len(rows), 'restriction')}." if rows else "No restriction holds now or ahead.", output)


def _add(
    organization: str | None,
    output: Output,
    effect: Callable[[Desk], Awaitable[str]],
    change: Callable[[AsyncSession], Awaitable[Row]] | None,
    *,
    ask: bool = False,
) -> None:
    """Say what it takes away, and, unless this is all that is wanted, or somebody says no, record it."""

    async def work(desk: Desk) -> tuple[str, Row | None, str | None]:
        told = await effect(desk)
        if output is Output.table or (ask and change is not None):
            say(told)
        if change is None or (ask and not agreed()):
            return told, None, None
        row = await desk.change(change)
        provider_id = getattr(row, "provider_id", None)
        return told, row, (await desk.names([provider_id])).get(provider_id) if provider_id else None

    told, row, name = at_desk(organization, work)
    if row is not None:
        undo = command(organization, "restrict", "lift", row.id)
        beside = {} if output is Output.table else {"effect": told}
        changed(_sentence(row, name), {**_record(row, name), **beside}, [undo], output)
    elif output is not Output.table:
        emit_one({"dry_run": change is None, "restriction": None, "effect": told}, how=output)
    else:
        note("Nothing was changed.", output)


def _lifted(organization: str | None, work: Callable[[AsyncSession], Awaitable[list[Row]]], output: Output) -> None:
    from carecircle.database.session import instant as clock

    async def lifted(session: AsyncSession) -> tuple[list[Row], datetime]:
        return await work(session), await clock(session)

    rows, now = at_desk(organization, lambda desk: desk.change(lifted))
    undo = [_again(organization, row, now) for row in rows]
    if output is Output.table:
        print(
            f"Lifted: {counted(len(rows), 'restriction')}. What it took away is back, unless another one takes it away too."
        )
    else:
        told = [_record(row, None) for row in rows]
        emit(told, columns=tuple(told[0]), name="lifted", how=output, beside={"undo": undo})
    undoing(undo, output)


def _again(organization: str | None, row: Row, now: datetime) -> str:
    """The command that records what was lifted once more, for what is left of its period."""
    from carecircle.period import FOREVER

    period: list[str | datetime] = ["--from", row.starts_at] if row.starts_at > now else []
    period += ["--until", row.ends_at] if row.ends_at != FOREVER else []
    patient = [row.patient_id] if row.patient_id else []
    if hasattr(row, "label"):
        return command(organization, "restrict", "label", *patient, WORD_OF.get(row.label, row.label), *period)
    kind, sure = ("object", []) if row.kind == "objection" else ("suspend", ["--yes"])
    return command(organization, "restrict", kind, *patient, row.provider_id, *period, *sure)


def _sentence(row: Row, name: str | None) -> str:
    begins = "now" if row.starts_at == row.recorded_at else show(row.starts_at)
    period = f"from {begins} {until(row.ends_at, 'until this is lifted')}"
    if hasattr(row, "label"):
        return f"Recorded: {period}, only a direct assignment lets in to this patient."
    whom = "any patient" if row.patient_id is None else "this patient"
    return f"Recorded: {period}, nothing lets {name or 'this provider'} in to {whom}."


def _record(row: Row, name: str | None) -> dict[str, Any]:
    told: dict[str, Any] = {"restriction": row.id}
    if hasattr(row, "label"):
        told |= {"kind": "sensitivity", "label": WORD_OF.get(row.label, row.label), "patient": row.patient_id}
    else:
        told |= {"kind": row.kind, **({"patient": row.patient_id} if row.patient_id else {})}
        told |= {"provider": row.provider_id, **({"name": name} if name else {})}
    return {**told, "starts_at": row.starts_at, "ends_at": row.ends_at}


def _code(text: str) -> str:
    """A label's code, from how people call it or the code itself. Raises InvalidRequest for another."""
    given = text.strip()
    code = BY_WORD.get(given.lower(), given.upper())
    if code not in WORD_OF:
        raise InvalidRequest(f"There is no such label; known are {', '.join(BY_WORD)}.")
    return code
