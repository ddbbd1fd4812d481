"""import: a hospital's real data, with a progress bar while it comes in."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from carecircle.cli.circle import Desk, at_desk
from carecircle.cli.options import OrganizationOption, OutputOption
from carecircle.cli.output import Output, console, emit_one, note

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from carecircle.interop.fhir.report import ImportReport, Progress

app = typer.Typer(no_args_is_help=True, help="Take in data from elsewhere.")


@app.callback()
def _group() -> None:
    """Take in data from elsewhere."""


@app.command()
def fhir(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A bundle, an NDJSON file, or a folder of them.")],
    source: Annotated[
        str | None, typer.Option(metavar="NAME", help="What this source is called from now on; fhir, unless said.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Also where it ends more facts than is usual.")] = False,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Import FHIR R4 bundles and NDJSON. A second run changes nothing and says so.

    Example: carecircle import fhir export/ --organization north-hospital
    """
    from carecircle.interop.fhir.importer import import_fhir

    async def work(desk: Desk) -> ImportReport:
        with _progress() as tell:
            return await import_fhir(
                desk.circle.engine,
                desk.circle.keyring,
                organization_id=desk.organization,
                actor=desk.actor,
                path=path,
                source=source,
                confirmed=yes,
                progress=tell,
            )

    report = at_desk(organization, work)
    rate = report.resources / report.seconds if report.seconds else 0
    kinds = asdict(report) | {"by_type": dict(report.by_type), "seconds": round(report.seconds, 2)}
    if output is not Output.json:
        kinds["by_type"] = [f"{count} {kind}" for kind, count in report.by_type.items()]
    emit_one(kinds | {"changed_nothing": report.changed_nothing}, how=output)
    if report.changed_nothing:
        note("Nothing changed: all of this is known already.", output)
    note(f"{report.resources:,} resources in {report.seconds:.1f} s, {rate:,.0f} a second.", output)
    if report.findings_open:
        note(f"{report.findings_open:,} findings wait to be resolved: carecircle quality findings", output)


@contextmanager
def _progress() -> Iterator[Callable[[Progress], None]]:
    """A bar on stderr with rate and time left; silent where nobody watches."""
    from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn

    from carecircle.interop.fhir.report import Progress as Told

    columns = (
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(),
        TextColumn("{task.fields[rate]}"), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console(err=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        reading = bar.add_task("reading", total=None, rate="")
        taking = bar.add_task("taking", total=None, rate="", visible=False)

        def tell(told: Told) -> None:
            bar.update(
                reading,
                completed=told.bytes_read,
                total=told.bytes_total or None,
                rate=_rate(told.resources, bar, reading),
            )
            if told.to_take:
                if not bar.tasks[taking].visible:
                    bar.reset(taking, visible=True)
                bar.update(taking, completed=told.taken, total=told.to_take, rate=_rate(told.taken, bar, taking))

        yield tell


def _rate(count: int, bar: Bar, task: TaskID) -> str:
    elapsed = bar.tasks[task].elapsed or 0
    return f"{count / elapsed:,.0f}/s" if elapsed > 0.5 else ""
