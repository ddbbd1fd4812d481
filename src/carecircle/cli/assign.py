"""assign: who is primary, who else takes part, since when and until when."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from carecircle.cli import assign_words, exits
from carecircle.cli.circle import Desk, at_desk
from carecircle.cli.options import OrganizationOption, OutputOption, Patient, Provider, instant
from carecircle.cli.output import Output, emit, note

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from carecircle.assignments.tables import PatientAssignment

    Rows = list[tuple[PatientAssignment, str | None]]

app = typer.Typer(no_args_is_help=True, help="Direct assignments: primary, consulting, attending, and their history.")
COLUMNS = (
    "id", "type", "patient", "provider", "name", "starts_at", "ends_at", "scope", "recorded_at", "superseded_at", "source",
)  # fmt: skip
SHOWN = ("type", "provider", "name", "starts_at", "ends_at", "scope")
CLOCKS = ("type", "provider", "name", "starts_at", "ends_at", "recorded_at", "superseded_at", "source")


class Previous(StrEnum):
    """What becomes of the present primary."""

    demote = "demote"
    end = "end"


class Type(StrEnum):
    """Kinds of direct assignment."""

    primary = "primary"
    consulting = "consulting"
    attending = "attending"
    admitting = "admitting"
    emergency = "emergency"


@app.command()
def primary(
    patient: Patient,
    provider: Provider,
    previous: Annotated[Previous, typer.Option(help="What becomes of the present primary.")] = Previous.demote,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Make a provider primary from now on; the present one becomes consulting, or ends.

    Example: carecircle assign primary N-0001 lindqvist --organization north-hospital
    """
    from carecircle.assignments.service import assign_primary, history_of, primary_of

    async def change(session: AsyncSession) -> assign_words.Handover:
        before = await primary_of(session, patient=patient)
        known = {row.id for row in await history_of(session, patient=patient)}
        row = await assign_primary(session, patient=patient, provider=provider, previous=previous.value)
        return assign_words.Handover(before, row, known, await history_of(session, patient=patient))

    async def work(desk: Desk) -> tuple[assign_words.Handover, dict[UUID, str], list[str]]:
        done = await desk.change(change)
        people = {done.row.provider_id} | ({done.before.provider_id} if done.before else set())
        return done, await desk.names(people), done.undo(desk.slug)

    done, names, undo = at_desk(organization, work)
    if output is Output.table:
        assign_words.tell(done.sentences(names), undo)
        return
    rows = [(done.row, names.get(done.row.provider_id))]
    _show(rows, output, beside={"previous": done.previous(names), "undo": undo})


@app.command()
def add(
    patient: Patient,
    provider: Provider,
    type_: Annotated[Type, typer.Option("--type", help="Kind of assignment.")] = Type.consulting,
    from_: Annotated[str | None, typer.Option("--from", metavar="INSTANT", help="Starts at; now.")] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="INSTANT", help="Ends at; open.")] = None,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Add an assignment for a period. The same one again changes nothing; a second primary is a conflict.

    Example: carecircle assign add N-0001 rossi --type attending --until 2030-01-31 --organization north-hospital
    """
    from carecircle.assignments.service import add_assignment

    starts_at, ends_at = instant(from_), instant(until)

    async def work(session: AsyncSession) -> list[PatientAssignment]:
        added = await add_assignment(
            session,
            patient=patient,
            provider=provider,
            assignment_type=type_.value,
            starts_at=starts_at,
            ends_at=ends_at,
        )
        return [added]

    _show(_changed(organization, work), output)


@app.command()
def end(
    patient: Patient,
    provider: Provider,
    type_: Annotated[Type | None, typer.Option("--type", help="Only this kind; all, unless said.")] = None,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """End what a provider holds directly for a patient, now and ahead. Exits 11 when that leaves nobody primary.

    Example: carecircle assign end N-0001 rossi --organization north-hospital
    """
    from carecircle.assignments.service import end_assignments, history_of, primary_of

    async def change(session: AsyncSession) -> assign_words.Ending:
        ended = await end_assignments(
            session, patient=patient, provider=provider, assignment_type=type_.value if type_ else None
        )
        every = await history_of(session, patient=patient)
        return assign_words.Ending(ended, every, await primary_of(session, patient=patient) is not None)

    async def work(desk: Desk) -> tuple[assign_words.Ending, dict[UUID, str], list[str]]:
        done = await desk.change(change)
        return done, await desk.names(row.provider_id for row in done.ended), done.undo(desk.slug)

    done, names, undo = at_desk(organization, work)
    if output is Output.table:
        assign_words.tell(done.sentences(names), undo)
    else:
        ends = {row.id: done.end_of(row) for row in done.ended}
        told = [(row, names.get(row.provider_id)) for row in done.ended]
        _show(told, output, ends=ends, beside={"without_primary": done.leaves_none, "undo": undo})
    if done.leaves_none:
        note(assign_words.NOBODY, output)
        raise typer.Exit(exits.FINDINGS)


@app.command()
def history(patient: Patient, organization: OrganizationOption = None, output: OutputOption = Output.table) -> None:
    """Every direct assignment ever recorded for a patient, corrected ones too, on both clocks.

    Example: carecircle assign history N-0001 --organization north-hospital
    """
    from carecircle.assignments.service import history_of

    async def ask(desk: Desk) -> Rows:
        return await _named(desk, await desk.read(lambda session: history_of(session, patient=patient)))

    _show(at_desk(organization, ask), output, shown=CLOCKS)


def _changed(organization: str | None, work: Callable[[AsyncSession], Awaitable[list[PatientAssignment]]]) -> Rows:
    async def change(desk: Desk) -> Rows:
        return await _named(desk, await desk.change(work))

    return at_desk(organization, change)


async def _named(desk: Desk, rows: Sequence[PatientAssignment]) -> Rows:
    names = await desk.names(row.provider_id for row in rows)
    return [(row, names.get(row.provider_id)) for row in rows]


def _show(
    rows: Rows,
    output: Output,
    *,
    shown: Sequence[str] = SHOWN,
    ends: Mapping[UUID, datetime] | None = None,
    beside: Mapping[str, Any] | None = None,
) -> None:
    told: list[dict[str, Any]] = [
        {
            "id": row.id,
            "type": row.assignment_type,
            "patient": row.patient_id,
            "provider": row.provider_id,
            "name": name,
            "starts_at": row.starts_at,
            "ends_at": (ends or {}).get(row.id, row.ends_at),
            "scope": row.scope,
            "recorded_at": row.recorded_at,
            "superseded_at": row.superseded_at,
            "source": row.source or None,
        }
        for row, name in rows
    ]
    emit(told, columns=COLUMNS, shown=shown, name="assignments", how=output, beside=beside)
