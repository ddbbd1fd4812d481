"""related: which providers are a patient themselves, of the family, or of the household."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from carecircle.cli.careful import changed, command, counted, until
from carecircle.cli.circle import Desk, at_desk
from carecircle.cli.options import AsOfOption, OrganizationOption, OutputOption, Patient, Provider, instant
from carecircle.cli.output import Output, emit, note
from carecircle.identifiers import to_text
from carecircle.period import show

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncSession

    from carecircle.directory.tables import PersonalRelation

app = typer.Typer(no_args_is_help=True, help="Providers who are a patient, of their family, or of their household.")
COLUMNS = ("id", "provider", "name", "patient", "relation", "starts_at", "ends_at")
SHOWN = ("name", "patient", "relation", "starts_at", "ends_at")
SAID = {"self": "is this patient", "family": "is of this patient's family", "household": "lives with this patient"}


@app.command()
def add(
    provider: Provider,
    patient: Patient,
    relation: Annotated[str, typer.Argument(metavar="RELATION", help="self, family or household.")],
    from_: Annotated[str | None, typer.Option("--from", metavar="INSTANT", help="Starts at; now.")] = None,
    until_: Annotated[
        str | None, typer.Option("--until", metavar="INSTANT", help="Ends at; until it is ended.")
    ] = None,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Record that a provider is a patient (self), of their family, or of their household.

    Nobody opens their own record in an emergency, or decides about a relative's; a relative's is reviewed within a day.

    Example: carecircle related add yilmaz N-0001 family --organization north-hospital
    """
    from carecircle.directory.relation_service import relate

    said: dict[str, Any] = {"provider": provider, "patient": patient, "relation": relation}
    said |= {"starts_at": instant(from_), "ends_at": instant(until_)}

    async def work(desk: Desk) -> tuple[PersonalRelation, Mapping[UUID, str]]:
        row = await desk.change(lambda session: relate(session, **said))
        return row, await desk.names([row.provider_id])

    row, names = at_desk(organization, work)
    begins = "now" if row.starts_at == row.recorded_at else show(row.starts_at)
    sentence = f"{_who(row, names)} {SAID[row.relation]}, from {begins} {until(row.ends_at, 'until this is ended')}."
    changed(
        sentence,
        _record(row, names),
        [command(organization, "related", "end", row.provider_id, row.patient_id)],
        output,
    )


@app.command()
def end(
    provider: Provider,
    patient: Patient,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """End how a provider is related to a patient, now and ahead.

    Example: carecircle related end yilmaz N-0001 --organization north-hospital
    """
    from carecircle.database.session import instant as clock
    from carecircle.directory.relation_service import end_relation

    async def work(desk: Desk) -> tuple[list[PersonalRelation], datetime, Mapping[UUID, str]]:
        async def change(session: AsyncSession) -> tuple[list[PersonalRelation], datetime]:
            return await end_relation(session, provider=provider, patient=patient), await clock(session)

        rows, now = await desk.change(change)
        return rows, now, await desk.names([rows[0].provider_id])

    rows, now, names = at_desk(organization, work)
    undo = []
    for row in rows:
        period: list[str | datetime] = ["--from", row.starts_at] if row.starts_at > now else []
        period += [] if show(row.ends_at) == "open" else ["--until", row.ends_at]
        undo.append(command(organization, "related", "add", row.provider_id, row.patient_id, row.relation, *period))
    told = f"{_who(rows[0], names)} is not recorded as related to this patient any more."
    changed(told, {**_record(rows[0], names), "ended": len(rows)}, undo, output)


@app.command("list")
def list_(
    patient: Annotated[str | None, typer.Option(metavar="PATIENT", help="Only this patient's.")] = None,
    provider: Annotated[str | None, typer.Option(metavar="PROVIDER", help="Only this provider's.")] = None,
    as_of: AsOfOption = None,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Who is related to which patient now or ahead; with --as-of, who was then. That you looked is recorded.

    Example: carecircle related list --provider yilmaz --organization north-hospital
    """
    from carecircle.directory.relation_service import relations
    from carecircle.restrictions.reading_service import record_reading

    at = instant(as_of)

    async def look(session: AsyncSession) -> list[PersonalRelation]:
        asked: dict[str, Any] = {"patient": patient, "provider": provider, "as_of": at}
        found = await relations(session, **asked)
        await record_reading(session, "relations-read", relations=len(found), **asked)
        return found

    async def ask(desk: Desk) -> tuple[list[PersonalRelation], Mapping[UUID, str]]:
        found = await desk.read(look)
        return found, await desk.names(row.provider_id for row in found)

    found, names = at_desk(organization, ask)
    rows = [_record(row, names) for row in found]
    if rows or output is not Output.table:
        emit(rows, columns=COLUMNS, shown=SHOWN, name="relations", how=output)
    note(f"{counted(len(rows), 'relation')}." if rows else "No relation is on record now or ahead.", output)


def _who(row: PersonalRelation, names: Mapping[UUID, str]) -> str:
    return names.get(row.provider_id) or to_text(row.provider_id)


def _record(row: PersonalRelation, names: Mapping[UUID, str]) -> dict[str, Any]:
    return {
        "id": row.id,
        "provider": row.provider_id,
        "name": names.get(row.provider_id),
        "patient": row.patient_id,
        "relation": row.relation,
        "starts_at": row.starts_at,
        "ends_at": row.ends_at,
    }
