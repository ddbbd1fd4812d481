"""break-glass request, answer, extend, end: what whoever needs a record in an emergency does; the rest is in the files beside."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from carecircle.cli import (
    break_glass_after,
    break_glass_deciding,
    break_glass_figures,
    break_glass_reading,
    break_glass_report,
    break_glass_watch,
)
from carecircle.cli.break_glass_options import (
    AsOption,
    How,
    HowOption,
    ReasonOption,
    Which,
    WordsOption,
    chosen_reason,
    needed,
    remark,
    words_of,
)
from carecircle.cli.break_glass_telling import Standing, acted, standing, tell_standing
from carecircle.cli.circle import Desk, at_desk
from carecircle.cli.clock import Clock, TimeZoneOption
from carecircle.cli.options import OrganizationOption, Patient
from carecircle.cli.team_words import actions_of
from carecircle.emergency.rules import DEFAULT_HOURS
from carecircle.errors.emergency import AttestationRequired, EmergencyAccessOpen

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

ATTESTATION = """You need this record to care for the patient in an emergency.
It is recorded, and a supervisor is told now. Open it?"""

app = typer.Typer(no_args_is_help=True, help="Emergency access: opened at once, told at once, decided and reviewed.")


@app.command()
def request(
    patient: Patient,
    as_: AsOption,
    reason: ReasonOption = None,
    words: WordsOption = None,
    hours: Annotated[float, typer.Option("--hours", metavar="N", help="For how long, once approved.")] = DEFAULT_HOURS,
    scope: Annotated[
        str, typer.Option("--scope", metavar="A,B", help="To do what, once approved, such as read,write.")
    ] = "read",
    unit: Annotated[
        str | None, typer.Option("--unit", metavar="UNIT", help="Where; the unit they work in, unless said.")
    ] = None,
    attest: Annotated[bool, typer.Option("--attest", help="They attest that they need it; do not ask.")] = False,
    time_zone: TimeZoneOption = None,
    organization: OrganizationOption = None,
    output: HowOption = How.table,
) -> None:
    """Open a patient's record in an emergency. It opens at once, or says that it waits for a supervisor, who is told now.

    Whoever asks must be on duty to break the glass (duty list). Exits 0 also while it waits; 4 when it is refused.

    Example: carecircle break-glass request N-0001 --as okafor --reason life-threat --attest
    """
    from carecircle.emergency.opening_service import request as open_

    clock, wanted, code = Clock.of(time_zone), actions_of(scope) or [], chosen_reason(reason)
    said = words_of(words, asking="Why, in words" if code == "other" else None)
    if not attest and not _attested():
        remark("Nothing was opened, and nobody was told.", output)
        return

    async def work(desk: Desk) -> Standing:
        async def opened(session: AsyncSession) -> UUID:
            row = await open_(
                session, provider=as_, patient=patient, reason_code=code, words=said, hours=hours, scope=wanted,
                unit=unit, attested=True,
            )  # fmt: skip
            return row.lineage_id

        try:
            return await standing(desk, await desk.change(opened), clock)
        except EmergencyAccessOpen as error:
            raise _as_it_is(error) from None

    found = at_desk(organization, work)
    tell_standing(
        found,
        found.next(*(("show",) if found.one.state == "requested" else ()), "end", who=as_),
        output,
        who_asked=True,
    )


@app.command()
def answer(
    which: Which,
    as_: AsOption,
    words: WordsOption = None,
    time_zone: TimeZoneOption = None,
    organization: OrganizationOption = None,
    output: HowOption = How.table,
) -> None:
    """Answer what a supervisor asked about your request.

    Example: carecircle break-glass answer BG-7K2M4Q --as okafor --words "Found without papers at the station."
    """
    from carecircle.emergency.deciding_service import answer as reply

    clock, said = Clock.of(time_zone), needed(words_of(words, asking="Your answer"))

    async def change(session: AsyncSession, emergency_id: UUID) -> None:
        await reply(session, emergency_id=emergency_id, provider=as_, words=said)

    found = acted(organization, which, clock, change)
    remark("Your answer is with whoever decides.", output)
    tell_standing(found, found.next("end", who=as_), output, who_asked=True)


@app.command()
def extend(
    which: Which,
    as_: AsOption,
    hours: Annotated[float, typer.Option("--hours", metavar="N", help="How much longer.")],
    reason: ReasonOption = None,
    words: WordsOption = None,
    time_zone: TimeZoneOption = None,
    organization: OrganizationOption = None,
    output: HowOption = How.table,
) -> None:
    """Ask for more time, with a second reason. What is open stays open as long as before, until a supervisor approves.

    Example: carecircle break-glass extend BG-7K2M4Q --as okafor --hours 6 --reason transfer
    """
    from carecircle.emergency.ending_service import extend as ask_for_more

    clock, code = Clock.of(time_zone), chosen_reason(reason)
    said = words_of(words, asking="Why, in words" if code == "other" else None)

    async def change(session: AsyncSession, emergency_id: UUID) -> None:
        await ask_for_more(session, emergency_id=emergency_id, provider=as_, reason_code=code, words=said, hours=hours)

    found = acted(organization, which, clock, change)
    tell_standing(found, found.next("end", who=as_), output, who_asked=True)


@app.command()
def end(
    which: Which,
    as_: AsOption,
    time_zone: TimeZoneOption = None,
    organization: OrganizationOption = None,
    output: HowOption = How.table,
) -> None:
    """End your own emergency access now, or take back a request that waits. If you need it again, ask again.

    Example: carecircle break-glass end BG-7K2M4Q --as okafor
    """
    from carecircle.emergency.ending_service import end as end_now

    async def change(session: AsyncSession, emergency_id: UUID) -> None:
        await end_now(session, emergency_id=emergency_id, provider=as_)

    found = acted(organization, which, Clock.of(time_zone), change)
    tell_standing(found, {}, output, who_asked=True)


break_glass_reading.register(app)
break_glass_deciding.register(app)
break_glass_watch.register(app)
break_glass_after.register(app)
break_glass_report.register(app)
break_glass_figures.register(app)


def _as_it_is(error: EmergencyAccessOpen) -> EmergencyAccessOpen:
    """The same error, naming the one there is."""
    from carecircle.emergency.reading_service import reference

    known = error.facts.get("emergency_id")
    if not isinstance(known, UUID):
        return error
    name = reference(known)
    return EmergencyAccessOpen(f"{error.message} It is {name}; see: carecircle break-glass show {name}.", **error.facts)


def _attested() -> bool:
    """Whether whoever sits here attests it. Raises AttestationRequired where nobody does."""
    if not sys.stdin.isatty():
        raise AttestationRequired(
            "Confirm that you need this record to care for the patient in an emergency: add --attest."
        )
    return typer.confirm(ATTESTATION, err=True)
