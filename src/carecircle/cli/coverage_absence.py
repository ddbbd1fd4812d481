"""coverage away, back: who is away and until when. It takes nobody's access; it shows whose patients nobody answers for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from carecircle.cli import exits
from carecircle.cli.careful import command
from carecircle.cli.circle import Desk, at_desk
from carecircle.cli.clock import Clock, TimeZoneOption
from carecircle.cli.coverage_attention import Attention, lines_of, within
from carecircle.cli.coverage_words import Known, known_of
from carecircle.cli.options import OrganizationOption, OutputOption, Provider
from carecircle.cli.output import Output, note
from carecircle.cli.team_words import tell
from carecircle.period import Period, show

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from carecircle.directory.tables import ProviderAbsence


def register(app: typer.Typer) -> None:
    for work in (away, back):
        app.command()(work)


def away(
    provider: Provider,
    from_: Annotated[str | None, typer.Option("--from", metavar="INSTANT", help="Since when; now.")] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="INSTANT", help="Until when; until further notice.")
    ] = None,
    time_zone: TimeZoneOption = None,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Write down that somebody is away. Their access stays as it is. Exits 11 while nobody covers all their patients.

    Example: carecircle coverage away okafor --until "2030-01-31 08:00" --time-zone Europe/Berlin
    """
    from carecircle.coverage.absence_service import record_absence
    from carecircle.database.session import instant

    clock = Clock.of(time_zone)
    starts_at, ends_at = clock.instant(from_), clock.instant(until)

    async def work(desk: Desk) -> tuple[ProviderAbsence, Known, list[Attention], list[str]]:
        async def change(session: AsyncSession) -> tuple[ProviderAbsence, list[Attention]]:
            row = await record_absence(
                session, provider=provider, starts_at=starts_at or await instant(session), ends_at=ends_at
            )
            found = await within(session, Period(row.starts_at, row.ends_at))
            return row, [one for one in found if row.provider_id in _away(one)]

        row, found = await desk.change(change)
        known = await known_of(desk, {row.provider_id, *_people(found)}, {one.care_team_id for one in found})
        begun = [] if starts_at is None else ["--at", show(row.starts_at)]
        return row, known, found, [command(desk.slug, "coverage", "back", row.provider_id, *begun)]

    row, known, found, undo = at_desk(organization, work)
    if starts_at is not None:
        when = f"{clock.span(Period(row.starts_at, row.ends_at))} ({clock.name})"
    else:
        when = f"from now {clock.until(row.ends_at)} ({clock.name})" if ends_at else "from now on, until further notice"
    record = {
        "provider": row.provider_id, "starts_at": row.starts_at, "ends_at": row.ends_at,
        "attention": [one.record for one in found],
    }  # fmt: skip
    sentence = f"{known.who(row.provider_id)} is away, {when}."
    tell([sentence, *lines_of(found, known, clock)], record, undo, output)
    if found:
        raise typer.Exit(exits.FINDINGS)
    note("Somebody covers all their patients for the whole time.", output)


def back(
    provider: Provider,
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="INSTANT", help="The time away that holds then, such as one ahead; now."),
    ] = None,
    time_zone: TimeZoneOption = None,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Write down that somebody is back; with --at, that a time away which lies ahead will not be. Who covers goes on covering
    until that ends.

    Example: carecircle coverage back okafor --organization north-hospital
    """
    from carecircle.coverage.absence_service import end_absence
    from carecircle.coverage.reading_service import arrangements
    from carecircle.database.session import instant

    clock = Clock.of(time_zone)
    holding_at = clock.instant(at)

    async def work(desk: Desk) -> tuple[ProviderAbsence, str, int, bool, list[str]]:
        async def change(session: AsyncSession) -> tuple[ProviderAbsence, int, bool]:
            row = await end_absence(session, provider=provider, holding_at=holding_at)
            covers = await arrangements(session, provider=row.provider_id)
            still = {one.arrangement_id for one in covers if one.covered_provider_id == row.provider_id}
            return row, len(still), row.starts_at > await instant(session)

        row, still, ahead = await desk.change(change)
        said = ["--from", show(row.starts_at)] if ahead else []
        said += [] if show(row.ends_at) == "open" else ["--until", show(row.ends_at)]
        undo = [command(desk.slug, "coverage", "away", row.provider_id, *said)]
        return row, (await desk.names([row.provider_id])).get(row.provider_id) or "This provider", still, ahead, undo

    row, who, still, ahead, undo = at_desk(organization, work)
    span = f"{clock.span(Period(row.starts_at, row.ends_at))} ({clock.name})"
    sentences = [f"{who} will not be away, {span}, after all." if ahead else f"{who} is back."]
    if still:
        sentences.append(f"Others still cover them; see: coverage list --provider {show_id(row.provider_id)}.")
    record = {"provider": row.provider_id, "starts_at": row.starts_at, "ends_at": row.ends_at, "still_covered": still}
    tell(sentences, record, undo, output)


def show_id(provider_id: UUID) -> str:
    from carecircle.identifiers import to_text

    return to_text(provider_id)


def _away(one: Attention) -> tuple[UUID, ...]:
    """Whom it is about because they are away."""
    if one.kind == "absent-without-coverage":
        return one.providers[:1]
    return one.providers[1:] if one.kind == "covering-provider-absent" else ()


def _people(found: list[Attention]) -> set[UUID]:
    return {person for one in found for person in one.providers}
