"""credential lapsing, credential suspended: what will let nobody in soon, and what lets nobody in now, and why."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from carecircle.cli import exits
from carecircle.cli.careful import command, counted
from carecircle.cli.circle import Desk, at_desk
from carecircle.cli.options import OrganizationOption, OutputOption
from carecircle.cli.output import Output, emit, note

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncSession

    from carecircle.directory.credential_service import Lapsing
    from carecircle.staffing.suspended_service import SuspendedHolding

LAPSING = ("provider", "name", "kind", "code", "ends_at", "state", "assignments", "seats", "arrangements")
SUSPENDED = ("kind", "id", "provider", "name", "patient", "care_team", "lacking")


def lapsing(
    days: Annotated[int, typer.Option(min=1, max=3650, help="How many days to look ahead, and back.")] = 30,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Credentials that lapse soon, or lapsed lately, and what is suspended with them. Exits 11 when something is.

    Example: carecircle credential lapsing --days 30 --organization north-hospital
    """
    from carecircle.database.session import instant as clock
    from carecircle.directory import credential_service

    async def ask(desk: Desk) -> tuple[list[Lapsing], dict[UUID, str], datetime]:
        found = await desk.read(lambda session: credential_service.lapsing(session, within=timedelta(days=days)))
        return found, await desk.names(one.provider_id for one in found), await desk.read(clock)

    found, names, now = at_desk(organization, ask)
    rows = [
        {
            "provider": one.provider_id,
            "name": names.get(one.provider_id),
            "kind": one.kind,
            "code": one.code,
            "ends_at": one.ends_at,
            "state": "lapsed" if one.ends_at <= now else "lapses",
            "assignments": one.assignments,
            "seats": one.seats,
            "arrangements": one.arrangements,
        }
        for one in found
    ]
    _show(rows, LAPSING, LAPSING[1:], "lapsing", output)
    resting = sum(one.assignments + one.seats + one.arrangements for one in found)
    if not rows:
        note(f"No credential lapses within {days:,} days, or lapsed in the {days:,} before.", output)
        return
    resting_on = counted(resting, "assignment, seat or arrangement is", "assignments, seats and arrangements are")
    note(f"{counted(len(rows), 'credential')}; {resting_on} suspended with what lapses.", output)
    if resting:
        note(f"Renew with: {command(organization, 'credential', 'renew')} PROVIDER KIND CODE --until INSTANT", output)
        raise typer.Exit(exits.FINDINGS)


def suspended(organization: OrganizationOption = None, output: OutputOption = Output.table) -> None:
    """What lets nobody in right now because a credential or a referral does not hold. Exits 11 when there is any.

    Example: carecircle credential suspended --organization north-hospital
    """
    from carecircle.restrictions.reading_service import record_reading
    from carecircle.staffing.suspended_service import suspended_holdings

    async def look(session: AsyncSession) -> list[SuspendedHolding]:
        found = await suspended_holdings(session)
        if named := {one.patient_id for one in found if one.patient_id}:
            await record_reading(session, "suspended-read", patients=named, rows=len(found))
        return found

    async def ask(desk: Desk) -> tuple[list[SuspendedHolding], dict[UUID, str]]:
        found = await desk.read(look)
        return found, await desk.names(one.provider_id for one in found)

    found, names = at_desk(organization, ask)
    rows = [
        {
            "kind": one.kind,
            "id": one.id,
            "provider": one.provider_id,
            "name": names.get(one.provider_id),
            "patient": one.patient_id,
            "care_team": one.care_team_id,
            "lacking": one.lacking,
        }
        for one in found
    ]
    _show(rows, SUSPENDED, ("kind", "name", "patient", "care_team", "lacking"), "suspended", output)
    if not rows:
        note("Nothing is suspended: whatever is recorded to hold now does.", output)
        return
    people = len({one.provider_id for one in found})
    note(
        f"{counted(len(rows), 'relationship')} of {counted(people, 'provider')} let nobody in; each holds again as soon as "
        "what is lacking does.",
        output,
    )
    raise typer.Exit(exits.FINDINGS)


def _show(
    rows: list[dict[str, Any]], columns: tuple[str, ...], shown: tuple[str, ...], name: str, output: Output
) -> None:
    if rows or output is not Output.table:
        emit(rows, columns=columns, shown=shown, name=name, how=output)
