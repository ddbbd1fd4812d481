"""referral: sending a patient to a specialty, to one provider of it or to whoever takes them."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple
from uuid import UUID

import typer

from carecircle.cli.careful import changed, command, counted, rehearsed, unchanged, until
from carecircle.cli.circle import Desk, at_desk
from carecircle.cli.options import AsOfOption, OrganizationOption, OutputOption, Patient, instant
from carecircle.cli.output import Output, emit, note
from carecircle.errors import InvalidRequest, ReferralNotFound
from carecircle.identifiers import parse_id
from carecircle.period import parse_instant

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from carecircle.referrals.tables import Referral

app = typer.Typer(no_args_is_help=True, help="Referrals: who sends a patient to which specialty, and until when.")
COLUMNS = (
    "referral", "patient", "specialty", "referring", "referring_name", "provider", "name", "starts_at", "ends_at",
)  # fmt: skip
SHOWN = ("referral", "specialty", "referring_name", "name", "starts_at", "ends_at")


class Former(NamedTuple):
    """To whom a referral was addressed, and until when."""

    provider_id: UUID | None
    ends_at: datetime


ReferralId = Annotated[str, typer.Argument(metavar="REFERRAL", help="Its id, from: referral list.")]


@app.command()
def add(
    patient: Patient,
    from_provider: Annotated[str, typer.Option(metavar="PROVIDER", help="Who refers; by policy the primary provider.")],
    specialty: Annotated[str, typer.Option(metavar="CODE", help="To which specialty, such as 207RC0000X.")],
    to: Annotated[
        str | None, typer.Option(metavar="PROVIDER", help="To whom; whoever of it takes the patient.")
    ] = None,
    from_: Annotated[str | None, typer.Option("--from", metavar="INSTANT", help="Starts at; now.")] = None,
    until_: Annotated[
        str | None, typer.Option("--until", metavar="INSTANT", help="Ends at; the policy's longest time.")
    ] = None,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Refer a patient to a specialty. It lets nobody in by itself: assign the specialist next. The same again changes nothing.

    Example: carecircle referral add N-0001 --from-provider okafor --specialty 207RC0000X --organization north-hospital
    """
    from carecircle.referrals.service import refer, referrals_of

    starts_at, ends_at = instant(from_), instant(until_)

    async def work(session: AsyncSession) -> tuple[Referral, bool]:
        known = {one.id for one in await referrals_of(session, patient=patient)}
        row = await refer(
            session,
            patient=patient,
            referring=from_provider,
            specialty_code=specialty,
            provider=to,
            starts_at=starts_at,
            ends_at=ends_at,
        )
        return row, row.id in known

    row, known = at_desk(organization, lambda desk: desk.change(work))
    if known:
        unchanged(_record(row), output)
        return
    undo = command(organization, "referral", "end", row.lineage_id)
    changed(f"Referred to {specialty} {until(row.ends_at)}. It lets nobody in by itself.", _record(row), [undo], output)
    specialist = row.provider_id or "PROVIDER"
    note(
        "Next: "
        + command(
            organization, "assign", "specialist", row.patient_id, specialist, "--specialty", specialty,
            "--referral", row.lineage_id,
        ),
        output,
    )  # fmt: skip


@app.command("list")
def list_(
    patient: Patient,
    as_of: AsOfOption = None,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """A patient's referrals that hold now or begin later; with --as-of, those that held then. That you looked is recorded.

    Example: carecircle referral list N-0001 --organization north-hospital
    """
    from carecircle.referrals.service import referrals_of
    from carecircle.restrictions.reading_service import record_reading

    at = instant(as_of)

    async def look(session: AsyncSession) -> list[Referral]:
        found = await referrals_of(session, patient=patient, as_of=at)
        await record_reading(session, "referrals-read", patient=patient, referrals=len(found), as_of=at)
        return found

    async def ask(desk: Desk) -> tuple[list[Referral], dict[UUID, str]]:
        found = await desk.read(look)
        people = {one.referring_provider_id for one in found} | {one.provider_id for one in found if one.provider_id}
        return found, await desk.names(people)

    found, names = at_desk(organization, ask)
    rows = [
        {
            **_record(row),
            "referring_name": names.get(row.referring_provider_id),
            "name": names.get(row.provider_id) if row.provider_id else "(whoever takes them)",
        }
        for row in found
    ]
    if rows or output is not Output.table:
        emit(rows, columns=COLUMNS, shown=SHOWN, name="referrals", how=output)
    note(f"{counted(len(rows), 'referral')}." if rows else "No referral of this patient holds.", output)


@app.command()
def end(
    referral: ReferralId,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """End a referral now; a specialist's assignment that rests on it lets nobody in from that instant.

    Example: carecircle referral end 01KC… --organization north-hospital
    """
    from carecircle.referrals.service import end_referral

    referral_id = parse_id(referral)
    rows = at_desk(
        organization, lambda desk: desk.change(lambda session: end_referral(session, referral_id=referral_id))
    )
    row = rows[-1]
    again: list[str | UUID] = ["--from-provider", row.referring_provider_id, "--specialty", row.specialty_code]
    again += ["--to", row.provider_id] if row.provider_id else []
    undo = command(organization, "referral", "add", row.patient_id, *again, "--until", row.ends_at)
    told = "Ended. A specialist's assignment that rests on it lets nobody in from now on."
    changed(told, {**_record(row), "ended": True}, [undo], output)
    note("That makes a new referral, by which a specialist has to be assigned again.", output)


@app.command()
def redirect(
    referral: ReferralId,
    to: Annotated[str | None, typer.Option(metavar="PROVIDER", help="To whom it is addressed from now on.")] = None,
    to_anybody: Annotated[
        bool, typer.Option("--to-anybody", help="To whoever of the specialty takes the patient.")
    ] = False,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Address a referral to somebody else from now on; what the former provider holds by it lets them in no longer.

    Example: carecircle referral redirect 01KC… --to yilmaz --organization north-hospital
    """
    from carecircle.referrals.service import redirect_referral

    if (to is None) is not to_anybody:
        raise InvalidRequest("Say to whom: --to PROVIDER, or --to-anybody.")
    referral_id = parse_id(referral)

    async def act(desk: Desk) -> tuple[Referral, list[Former]]:
        former = await _formerly(desk, referral_id)
        change = partial(redirect_referral, referral_id=referral_id, provider=to)
        return await desk.change(change), former

    row, former = at_desk(organization, act)
    if {one.provider_id for one in former} == {row.provider_id}:
        unchanged(_record(row), output)
        return
    before = next((one.provider_id for one in former if one.provider_id != row.provider_id), None)
    back: list[str | UUID] = ["--to", before] if before else ["--to-anybody"]
    told = "Redirected. What the former provider holds by it lets them in no longer; assign the new one."
    changed(told, _record(row), [command(organization, "referral", "redirect", row.lineage_id, *back)], output)


@app.command()
def prolong(
    referral: ReferralId,
    until_: Annotated[str, typer.Option("--until", metavar="INSTANT", help="Ends at.")],
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Let a referral end at another time; an assignment that rests on it keeps the end of its own.

    Example: carecircle referral prolong 01KC… --until 2030-06-30 --organization north-hospital
    """
    from carecircle.referrals.service import prolong_referral

    referral_id, ends_at = parse_id(referral), parse_instant(until_)

    async def act(desk: Desk) -> tuple[Referral, list[Former]]:
        former = await _formerly(desk, referral_id)
        return await desk.change(partial(prolong_referral, referral_id=referral_id, ends_at=ends_at)), former

    row, former = at_desk(organization, act)
    if former[-1].ends_at == row.ends_at:
        unchanged(_record(row), output)
        return
    undo = command(organization, "referral", "prolong", row.lineage_id, "--until", former[-1].ends_at)
    told = f"The referral holds {until(row.ends_at)}; an assignment that rests on it keeps the end of its own."
    changed(told, _record(row), [undo], output)


async def _formerly(desk: Desk, referral_id: UUID) -> list[Former]:
    """What a referral is now and ahead, as ending it would tell; nothing for one that is unknown or has ended."""
    from carecircle.referrals.service import end_referral

    async def ended(session: AsyncSession) -> list[Former]:
        return [Former(row.provider_id, row.ends_at) for row in await end_referral(session, referral_id=referral_id)]

    try:
        return await rehearsed(desk, ended)
    except ReferralNotFound:
        return []


def _record(row: Referral) -> dict[str, Any]:
    return {
        "referral": row.lineage_id,
        "patient": row.patient_id,
        "specialty": row.specialty_code,
        "referring": row.referring_provider_id,
        "provider": row.provider_id,
        "starts_at": row.starts_at,
        "ends_at": row.ends_at,
    }
