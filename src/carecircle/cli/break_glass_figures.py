"""break-glass figures: how much emergency access there was and how soon it was decided about, with a picture in letters."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from carecircle.cli.break_glass_options import How, HowOption, emit_record, remark
from carecircle.cli.break_glass_words import MODES, length, reason
from carecircle.cli.careful import counted
from carecircle.cli.circle import Desk, at_desk
from carecircle.cli.clock import Clock, TimeZoneOption, duration
from carecircle.cli.options import OrganizationOption
from carecircle.cli.output import Output, emit, printable
from carecircle.identifiers import parse_id

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from carecircle.emergency.figures_service import Figures, TimeToDecision

BAR, MARGIN = 32, 16
MARK, WITHIN = "█", 300


def register(app: typer.Typer) -> None:
    app.command()(figures)


def figures(
    within: Annotated[str, typer.Option("--within", metavar="LENGTH", help="Asked for within 30d, 36h, 2w.")] = "30d",
    from_: Annotated[str | None, typer.Option("--from", metavar="INSTANT", help="Asked for since; --within.")] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="INSTANT", help="Asked for before; now.")] = None,
    time_zone: TimeZoneOption = None,
    organization: OrganizationOption = None,
    output: HowOption = How.table,
) -> None:
    """How much emergency access there was, how it ended, and how long decisions took: as a distribution, not as a mean.

    Example: carecircle break-glass figures --within 90d --organization north-hospital
    """
    from carecircle.database.session import instant
    from carecircle.emergency import figures_service

    clock, span = Clock.of(time_zone), duration(within)
    since, before = clock.instant(from_), clock.instant(until)

    async def look(session: AsyncSession) -> Figures:
        begins = since if since is not None else (before or await instant(session)) - span
        return await figures_service.figures(session, since=begins, until=before)

    async def work(desk: Desk) -> tuple[Figures, dict[str, str]]:
        found = await desk.read(look)
        return found, await _named(desk, found) if output is How.table else {}

    found, units = at_desk(organization, work)
    if output is How.csv:
        spread = [{"seconds": edge, "count": count} for edge, count in found.time_to_decision.buckets]
        emit(spread, columns=("seconds", "count"), name="buckets", how=Output.csv)
    elif output is not How.table:
        emit_record(found.as_json(), output)
    else:
        for line in [*_counts(found, units, clock), "", *picture(found.time_to_decision)]:
            print(printable(line))
        remark("What waits for a review: carecircle break-glass list --to-review", output)


def _counts(found: Figures, units: Mapping[str, str], clock: Clock) -> list[str]:
    """How much, in sentences; what there was none of is left out."""
    begins = f"since {clock.tell(found.since)}" if found.since else "ever"
    ends = f" until {clock.tell(found.until)}" if found.until else ""
    lines = [f"Asked for {begins}{ends} ({clock.name}): {found.asked}; opened: {found.opened}."]
    told = (
        ("approved", found.approved), ("denied", found.denied), ("undecided when the decision was due", found.undecided_in_time),
        ("ended without any decision", found.expired_undecided), ("became part of the circle", found.converted),
        ("reviewed", found.reviewed), ("REVIEW OVERDUE", found.review_overdue),
    )  # fmt: skip
    lines += [f"  {number:>5}  {what}" for what, number in told if number]
    for label, by in (
        ("why", {reason(code): number for code, number in found.by_reason.items()}),
        ("how", {MODES.get(mode, mode): number for mode, number in found.by_mode.items()}),
        ("where", {units.get(unit, unit): number for unit, number in found.by_unit.items()}),
        ("verdict", found.by_verdict),
    ):
        if by:
            lines += ["", f"By {label}", *(f"  {number:>5}  {what}" for what, number in by.items())]
    return lines


def picture(spread: TimeToDecision) -> list[str]:
    """How many decisions took how long, a bar each, with the five minutes that are the aim as a line between them."""
    if not spread.count:
        return ["Time to a decision: nothing was decided yet."]
    lines = [f"Time to a decision ({counted(spread.count, 'decision')}): how many, and what share by then"]
    most, before, so_far = max(number for _, number in spread.buckets), 0, 0
    last = max(place for place, (_, number) in enumerate(spread.buckets) if number)
    for place, (edge, number) in enumerate(spread.buckets):
        so_far += number
        if place <= last or (edge is not None and edge <= WITHIN):
            span = f"over {_edge(before)}" if edge is None else f"{_edge(before)} to {_edge(edge)}"
            bar = MARK * (-(-number * BAR // most))
            lines.append(f"  {span:<{MARGIN}} {bar:<{BAR}} {number:>4}  {so_far / spread.count:>5.0%}".rstrip())
        if edge == WITHIN:
            lines.append(f"  {'-' * MARGIN} {'-' * (BAR + 12)} 5 minutes")
        before = edge or before
    assert spread.median is not None
    assert spread.p90 is not None
    assert spread.longest is not None
    half, most_of, longest = (_span(one) for one in (spread.median, spread.p90, spread.longest))
    return [*lines, f"Half within {half}; 90 of 100 within {most_of}; the longest {longest}."]


def _edge(seconds: int) -> str:
    return f"{seconds} s" if seconds < 60 else f"{seconds // 60} min"


def _span(seconds: float) -> str:
    """`1 min 40 s`: decisions are timed to the second."""
    whole = round(seconds)
    if whole < 60 or whole >= 3600:
        return length(timedelta(seconds=whole))
    return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"


async def _named(desk: Desk, found: Figures) -> dict[str, str]:
    """The names of the units, by their ids as text; of `none`, what that means."""
    from carecircle.directory.unit_service import unit_names

    units = {text: parse_id(text) for text in found.by_unit if len(text) == 26}
    names = await desk.read(lambda session: unit_names(session, desk.organization, units.values()))
    return {text: names[unit] for text, unit in units.items() if unit in names} | {"none": "no unit"}
