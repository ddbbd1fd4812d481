"""break-glass review, report, record-downtime, discharge: what follows an emergency, or is written down after one."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from carecircle.cli.break_glass_options import (
    AsOption,
    How,
    HowOption,
    ReasonOption,
    Which,
    WordsOption,
    chosen_reason,
    emit_rows,
    remark,
    words_of,
)
from carecircle.cli.break_glass_reading import COLUMNS
from carecircle.cli.break_glass_telling import Standing, acted, people_of, standing, tell_standing
from carecircle.cli.break_glass_words import Told, headline, record
from carecircle.cli.careful import counted
from carecircle.cli.circle import Desk, at_desk
from carecircle.cli.clock import Clock, TimeZoneOption
from carecircle.cli.options import OrganizationOption, Patient
from carecircle.cli.output import printable

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from carecircle.emergency.reading_service import Emergency


class Verdict(StrEnum):
    """What a review finds."""

    justified = "justified"
    concern = "concern"
    escalated = "escalated"


def register(app: typer.Typer) -> None:
    app.command()(review)
    app.command("record-downtime")(record_downtime)
    app.command()(discharge)


def review(
    which: Which,
    as_: AsOption,
    verdict: Annotated[Verdict, typer.Option(help="What you find; escalated hands it on to a person above you.")],
    words: WordsOption = None,
    time_zone: TimeZoneOption = None,
    organization: OrganizationOption = None,
    output: HowOption = How.table,
) -> None:
    """Review one that is over, as somebody of the privacy office who had no part in it. It is done once, and stays.

    Example: carecircle break-glass review BG-7K2M4Q --as haddad --verdict justified
    """
    from carecircle.emergency import review_service

    said = words_of(words)

    async def change(session: AsyncSession, emergency_id: UUID) -> None:
        await review_service.review(session, emergency_id=emergency_id, reviewer=as_, verdict=verdict.value, words=said)

    tell_standing(acted(organization, which, Clock.of(time_zone), change), {}, output)
    remark("What is left: carecircle break-glass list --to-review", output)


def record_downtime(
    patient: Patient,
    as_: AsOption,
    from_: Annotated[str, typer.Option("--from", metavar="INSTANT", help="From when.")],
    until: Annotated[str, typer.Option("--until", metavar="INSTANT", help="Until when; that is over.")],
    reason: ReasonOption = None,
    words: WordsOption = None,
    witness: Annotated[
        str | None, typer.Option("--witness", metavar="PROVIDER", help="Who was there; they do not review it.")
    ] = None,
    time_zone: TimeZoneOption = None,
    organization: OrganizationOption = None,
    output: HowOption = How.table,
) -> None:
    """Enter from paper whose record was used while carecircle could not be asked. It lets nobody in; it is reviewed.

    Example: carecircle break-glass record-downtime N-0001 --as okafor --from "2026-11-22 02:10" --until "2026-11-22 02:40"
    --reason life-threat --words "Paper form 12." --time-zone Europe/Berlin
    """
    from carecircle.emergency import downtime_service

    clock, code = Clock.of(time_zone), chosen_reason(reason)
    starts_at, ends_at = clock.instant(from_), clock.instant(until)
    said = words_of(words, asking="What was done, and where the paper is")
    assert starts_at is not None
    assert ends_at is not None

    async def work(desk: Desk) -> Standing:
        async def recorded(session: AsyncSession) -> UUID:
            row = await downtime_service.record_downtime(
                session, provider=as_, patient=patient, starts_at=starts_at, ends_at=ends_at, reason_code=code,
                words=said, witness=witness,
            )  # fmt: skip
            return row.lineage_id

        return await standing(desk, await desk.change(recorded), clock)

    found = at_desk(organization, work)
    tell_standing(found, found.next("show"), output, who_asked=True)


def discharge(
    patient: Patient,
    time_zone: TimeZoneOption = None,
    organization: OrganizationOption = None,
    output: HowOption = How.table,
) -> None:
    """End every emergency access to a patient who was discharged, and every request that waits for one.

    Example: carecircle break-glass discharge N-0001 --organization north-hospital
    """
    from carecircle.database.session import instant
    from carecircle.emergency import ending_service, reading_service

    clock = Clock.of(time_zone)

    async def work(desk: Desk) -> tuple[list[Emergency], Told]:
        async def ended(session: AsyncSession) -> tuple[list[Emergency], Told]:
            rows = await ending_service.end_on_discharge(session, patient=patient)
            found = [await reading_service.show(session, emergency_id=row.lineage_id) for row in rows]
            return found, Told({}, await instant(session), clock)

        found, told = await desk.change(ended)
        names = await desk.names({who for one in found for who in people_of(one)})
        return found, Told(names, told.now, clock)

    found, told = at_desk(organization, work)
    if output is not How.table:
        rows = [record(one, told.names) for one in found]
        emit_rows(rows, columns=COLUMNS, name="ended", how=output)
        return
    for one in found:
        print(printable(f"{headline(one, told)} It was {told.who(one.provider_id)}'s."))
    what = f"{counted(len(found), 'emergency access', 'emergency accesses')} ended" if found else "Nothing was open"
    remark(f"{what}. If the patient is back, ask again: carecircle break-glass request", output)
