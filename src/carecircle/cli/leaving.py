"""offboard, quality gaps, quality resolve: end what a person holds, find who has no primary, settle who is."""

from __future__ import annotations

import sys
import time
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from carecircle.cli import exits
from carecircle.cli.careful import counted
from carecircle.cli.circle import at_desk
from carecircle.cli.options import OrganizationOption, OutputOption, Provider
from carecircle.cli.output import Output, emit, emit_one, note, say
from carecircle.errors import ConfirmationRequired
from carecircle.identifiers import parse_id

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncSession

    from carecircle.staffing.gaps_service import Gaps
    from carecircle.staffing.offboard_service import Offboarded


class Keep(StrEnum):
    """Who is the primary provider from now on."""

    present = "present"
    proposed = "proposed"
    none = "none"


class Previous(StrEnum):
    """What becomes of the present primary when another one is kept."""

    demote = "demote"
    end = "end"


def offboard(
    person: Provider,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would end.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """End everything a person holds, in one act; exits 11 when patients are left without a primary provider.

    Example: carecircle offboard rossi --dry-run --organization north-hospital
    """
    from carecircle.staffing import offboard_service

    async def look(session: AsyncSession) -> Offboarded:
        return await offboard_service.offboard(session, person=person, dry_run=True)

    async def act(session: AsyncSession) -> Offboarded:
        return await offboard_service.offboard(session, person=person)

    if not dry_run and not yes:
        if not sys.stdin.isatty():
            raise ConfirmationRequired("This ends everything the person holds; look with --dry-run, then add --yes.")
        seen = at_desk(organization, lambda desk: desk.read(look))
        told = ", ".join(f"{count:,} {kind}" for kind, count in seen.ended.items()) or "nothing"
        say(f"This ends {told}, and leaves {counted(len(seen.without_primary), 'patient')} without a primary provider.")
        if not typer.confirm("Go on?", err=True):
            return
    began = time.monotonic()
    done = at_desk(organization, lambda desk: desk.read(look) if dry_run else desk.change(act))
    _show_offboarded(done, dry_run, time.monotonic() - began, output)


def gaps(
    days: Annotated[int, typer.Option(min=0, max=3650, help="Also gaps that begin within so many days.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="List at most so many.")] = 1000,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Patients who have, or will have, no primary provider: from when until when. Exits 11 when there are any.

    Example: carecircle quality gaps --days 30 --organization north-hospital
    """
    from carecircle.staffing import gaps_service

    found: Gaps = at_desk(
        organization, lambda desk: desk.read(lambda session: gaps_service.gaps(session, days=days, limit=limit))
    )
    counts = {"now": found.now, "ahead": found.ahead, "days": days}
    if output is Output.table:
        have = "has" if found.now == 1 else "have"
        print(
            f"{counted(found.now, 'patient')} {have} no primary provider now; {found.ahead:,} more will have none"
            f" within {counted(days, 'day')}."
        )
    rows = [{"patient": one.patient_id, "starts_at": one.starts_at, "ends_at": one.ends_at} for one in found.gaps]
    if output is not Output.table or rows:
        emit(rows, columns=("patient", "starts_at", "ends_at"), name="gaps", how=output, beside=counts)
    if found.now or found.ahead:
        raise typer.Exit(exits.FINDINGS)


def resolve(
    finding: Annotated[str, typer.Argument(metavar="FINDING", help="Its id, from: quality findings -o json.")],
    keep: Annotated[Keep, typer.Option(help="Who is the primary provider from now on.")],
    provider: Annotated[
        str | None, typer.Option(metavar="PROVIDER", help="Who is proposed, where the finding does not say.")
    ] = None,
    previous: Annotated[Previous, typer.Option(help="What becomes of one who is not kept.")] = Previous.demote,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Settle a finding about two primary providers by choosing; the choice and the finding's end are one change.

    Example: carecircle quality resolve 01KC… --keep present --organization north-hospital
    """
    from carecircle.staffing import resolve_service

    finding_id = parse_id(finding)

    async def work(session: AsyncSession) -> UUID | None:
        return await resolve_service.resolve_finding(
            session, finding_id=finding_id, keep=keep.value, proposed=provider, previous=previous.value
        )

    chosen = at_desk(organization, lambda desk: desk.change(work))
    emit_one({"finding": finding_id, "keep": keep.value, "primary": chosen}, how=output)


def _show_offboarded(done: Offboarded, dry_run: bool, seconds: float, output: Output) -> None:
    rows = [{"patient": patient} for patient in done.without_primary]
    head: dict[str, Any] = {
        "provider": done.provider_id,
        "dry_run": dry_run,
        "ended": done.ended if output is Output.json else [f"{count:,} {kind}" for kind, count in done.ended.items()],
        "patients_without_primary": len(rows),
        "seconds": round(seconds, 2),
    }
    if output is Output.table:
        emit_one(head, how=output)
        if rows:
            print()
    if output is not Output.table or rows:
        emit(rows, columns=("patient",), name="without_primary", how=output, beside=head)
    if output is Output.table and not rows:
        note("Nobody is left without a primary provider.", output)
    if rows:
        raise typer.Exit(exits.FINDINGS)
