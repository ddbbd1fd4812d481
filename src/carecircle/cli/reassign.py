"""reassign: a provider leaves, and everything they hold goes to others: planned, looked at, applied, taken back."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from carecircle.cli import exits
from carecircle.cli.circle import Desk, at_desk
from carecircle.cli.options import OrganizationOption, OutputOption, Provider, instant
from carecircle.cli.output import Output, console, emit, emit_one, note, say
from carecircle.cli.reassign_output import (
    STATUS,
    Part,
    left_alone,
    show_done,
    show_letters,
    show_preview,
    status_row,
    text_of,
)
from carecircle.errors import ConfirmationRequired
from carecircle.identifiers import parse_id

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from carecircle.staffing.panel_service import Panel
    from carecircle.staffing.plan_service import Destination, Wish
    from carecircle.staffing.preview_service import Certificate, Preview, Status
    from carecircle.staffing.running import Progress

app = typer.Typer(no_args_is_help=True, help="A provider leaves: hand over all they hold, or take that back.")

PlanId = Annotated[str, typer.Argument(metavar="REASSIGNMENT", help="The id that plan printed.")]
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
BatchOption = Annotated[int, typer.Option(min=1, max=1000, help="Patients in one transaction.")]
WishFile = Annotated[
    Path | None, typer.Option(exists=True, dir_okay=False, help="CSV: patient,provider of those who prefer somebody.")
]
NeverFile = Annotated[
    Path | None, typer.Option(exists=True, dir_okay=False, help="CSV: patient,provider who must not take them.")
]


@app.command()
def plan(
    leaver: Provider,
    to: Annotated[list[str], typer.Option(metavar="PROVIDER[=CAP]", help="Who takes, how many at most; repeat.")],
    effective: Annotated[str | None, typer.Option(metavar="INSTANT", help="From when on; when applied.")] = None,
    preferences: WishFile = None,
    never: NeverFile = None,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Plan where everything goes that a provider holds. Changes nothing but the list of plans.

    Example: carecircle reassign plan rossi --to lindqvist=400 --to okafor --organization north-hospital
    """
    from carecircle.staffing import plan_service, preview_service, wishes

    destinations, at = [_destination(one) for one in to], instant(effective)
    wanted: list[Wish] = [] if preferences is None else wishes.read_wishes(preferences)
    wanted += [] if never is None else wishes.read_wishes(never, never=True)

    async def work(session: AsyncSession) -> Preview:
        made = await plan_service.plan(
            session, leaver=leaver, destinations=destinations, effective_at=at, wishes=wanted
        )
        return await preview_service.preview(session, reassignment_id=made.id)

    made = at_desk(organization, lambda desk: desk.change(work))
    show_preview(made, Part.whole if output is not Output.csv else Part.panels, output)
    note(f"Planned, nothing handed over yet. Apply it with: carecircle reassign apply {text_of(made.plan.id)}", output)


@app.command()
def preview(
    reassignment: PlanId,
    part: Annotated[Part, typer.Option(help="Only this; in CSV the panels, unless said.")] = Part.whole,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Panels before and after, how many by which rule, exceptions; --part letters: each patient's new provider.

    Example: carecircle reassign preview 01KC… --part letters -o csv > letters.csv
    """
    from carecircle.staffing import preview_service

    plan_id = parse_id(reassignment)
    if part is Part.letters:
        found = at_desk(
            organization,
            lambda desk: desk.read(lambda session: preview_service.letters(session, reassignment_id=plan_id)),
        )
        show_letters(found, output)
        return
    seen = at_desk(
        organization, lambda desk: desk.read(lambda session: preview_service.preview(session, reassignment_id=plan_id))
    )
    show_preview(seen, Part.panels if part is Part.whole and output is Output.csv else part, output)


@app.command()
def apply(
    reassignment: PlanId,
    yes: YesOption = False,
    batch: BatchOption = 100,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Hand over what the plan says, and certify who has a primary provider then; exits 11 when somebody has none.

    Example: carecircle reassign apply 01KC… --yes --organization north-hospital
    """
    plan_id = parse_id(reassignment)
    _confirm(f"This hands over what reassignment {text_of(plan_id)} says.", yes)
    _carry_out(plan_id, organization, output, batch, backwards=lambda state: False)


@app.command()
def resume(
    reassignment: PlanId,
    batch: BatchOption = 100,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Go on where apply or revert was interrupted. What is done is not done again.

    Example: carecircle reassign resume 01KC… --organization north-hospital
    """
    _carry_out(
        parse_id(reassignment), organization, output, batch, backwards=lambda state: state in ("reverting", "reverted")
    )


@app.command()
def revert(
    reassignment: PlanId,
    yes: YesOption = False,
    batch: BatchOption = 100,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Within seven days: restore what held before, wherever nobody has changed it since.

    Example: carecircle reassign revert 01KC… --yes --organization north-hospital
    """
    plan_id = parse_id(reassignment)
    _confirm(f"This takes back what reassignment {text_of(plan_id)} handed over.", yes)
    _carry_out(plan_id, organization, output, batch, backwards=lambda state: True)


@app.command()
def status(
    reassignment: Annotated[str | None, typer.Argument(metavar="[REASSIGNMENT]", help="Which; all.")] = None,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """How far each plan is: planned, applying, applied, reverting, reverted.

    Example: carecircle reassign status --organization north-hospital
    """
    from carecircle.staffing import preview_service

    plan_id = parse_id(reassignment) if reassignment else None
    found = at_desk(
        organization, lambda desk: desk.read(lambda session: preview_service.statuses(session, reassignment_id=plan_id))
    )
    emit([status_row(one, output) for one in found], columns=STATUS, name="reassignments", how=output)


@app.command()
def capacity(
    provider: Provider,
    capacity: Annotated[int | None, typer.Option(min=0, help="How many patients as primary at most.")] = None,
    closed: Annotated[bool, typer.Option("--closed/--open", help="Whether new patients are taken.")] = False,
    from_: Annotated[str | None, typer.Option("--from", metavar="INSTANT", help="From when on; now.")] = None,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Say how many patients a provider takes and whether new ones; plans keep to it.

    Example: carecircle reassign capacity lindqvist --capacity 1200 --open --organization north-hospital
    """
    from carecircle.staffing import panel_service

    since = instant(from_)

    async def work(session: AsyncSession) -> Panel:
        row = await panel_service.set_capacity(
            session, provider=provider, capacity=capacity, accepts_new=not closed, starts_at=since
        )
        known = await panel_service.panels(session, providers=[row.provider_id], as_of=row.starts_at)
        return known[row.provider_id]

    panel = at_desk(organization, lambda desk: desk.change(work))
    emit_one(
        {
            "provider": panel.provider_id,
            "size": panel.size,
            "capacity": panel.capacity,
            "accepts_new": panel.accepts_new,
        },
        how=output,
    )


def _destination(text: str) -> Destination:
    """`PROVIDER` or `PROVIDER=CAP`; an identifier may hold `=` as long as no bare number follows the last one."""
    from carecircle.staffing.plan_service import Destination

    provider, equals, cap = text.rpartition("=")
    return Destination(provider, int(cap)) if equals and cap.isdecimal() else Destination(text)


def _carry_out(
    plan_id: UUID, organization: str | None, output: Output, batch: int, *, backwards: Callable[[str], bool]
) -> None:
    """Apply or revert to the end, telling progress on stderr; then say what became of it, with the certificate."""
    from carecircle.database.session import transaction
    from carecircle.staffing import preview_service, running

    async def work(desk: Desk) -> tuple[Progress, bool, Status, Certificate]:
        async def state(session: AsyncSession) -> Status:
            return (await preview_service.statuses(session, reassignment_id=plan_id))[0]

        reverting = backwards((await desk.read(state)).state)
        run = running.run_revert if reverting else running.run_apply
        with _bar() as tell:
            async for progress in run(
                lambda: transaction(desk.circle.engine, desk.organization), plan_id, patients=batch
            ):
                tell(progress)
        certified = await desk.read(lambda session: preview_service.certificate(session, reassignment_id=plan_id))
        return progress, reverting, await desk.read(state), certified

    progress, reverting, reached, certified = at_desk(organization, work)
    show_done(progress, reached, certified, output)
    left = left_alone(reached, "revert" if reverting else "apply")
    for sentence in left:
        note(sentence, output)
    if left or (certified.without and not reverting):
        raise typer.Exit(exits.FINDINGS)


@contextmanager
def _bar() -> Iterator[Callable[[Progress], None]]:
    """A bar on stderr with rate and time left; silent where nobody watches."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"), TimeRemainingColumn())
    with Progress(*columns, console=console(err=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("", total=None, rate="")

        def tell(told: Any) -> None:
            rate = f"{told.done / told.seconds:,.0f}/s" if told.seconds else ""
            bar.update(task, completed=told.done, total=told.done + told.left, rate=rate)

        yield tell


def _confirm(what: str, yes: bool) -> None:
    """Ask a person; without one, `--yes` is needed. Raises ConfirmationRequired."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise ConfirmationRequired(f"{what} To do that, add --yes.")
    say(what)
    if not typer.confirm("Go on?", err=True):
        raise typer.Exit(exits.OK)
