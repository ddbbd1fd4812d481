"""audit export: the whole trail as a file that anybody can verify offline, or entries as NDJSON, CSV and FHIR."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from carecircle.audit.search import Filter
from carecircle.cli.audit_options import (
    ActorOption,
    CodeOption,
    KindOption,
    PatientOption,
    ProviderOption,
    Said,
)
from carecircle.cli.careful import counted
from carecircle.cli.circle import Desk, at_desk
from carecircle.cli.clock import Clock, TimeZoneOption
from carecircle.cli.options import OrganizationOption, OutputOption
from carecircle.cli.output import Output, console, emit_one, note, printable
from carecircle.errors import InvalidRequest

if TYPE_CHECKING:
    from typing import BinaryIO


class Format(StrEnum):
    """What is written: the whole trail with its tree, or entries alone."""

    verifiable = "verifiable"
    ndjson = "ndjson"
    csv = "csv"
    fhir = "fhir"


def register(app: typer.Typer) -> None:
    app.command()(export)


def export(
    file: Annotated[Path, typer.Option("--to", metavar="FILE", help="The file to write; only you can read it.")],
    format_: Annotated[
        Format, typer.Option("--format", help="verifiable: the whole trail; else the entries that fit the filters.")
    ] = Format.verifiable,
    since: Annotated[
        str | None, typer.Option("--from", metavar="INSTANT", help="Recorded at or after; not for verifiable.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="INSTANT", help="Recorded before; not for verifiable.")
    ] = None,
    provider: ProviderOption = None,
    patient: PatientOption = None,
    actor: ActorOption = None,
    kind: KindOption = None,
    code: CodeOption = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if there is one.")] = False,
    time_zone: TimeZoneOption = None,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Write the audit trail of one organization to a file. That you begin is recorded first, what it
    holds before the file has its name.

    A verifiable export is checked by `carecircle audit verify --export FILE`, or with nothing but Python and `cryptography`.

    Example: carecircle audit export --to north-hospital.ndjson
    """
    said = Said(since, until, provider, patient, actor, kind, code)
    if format_ is Format.verifiable and said != Said():
        raise InvalidRequest("A verifiable export is of the whole trail; filters go with --format ndjson, csv or fhir.")
    if file.exists() and not overwrite:
        raise InvalidRequest(f"There is a file {file} already; name another, or add --overwrite.")
    clock = Clock.of(time_zone)
    file = file.absolute()

    async def work(desk: Desk) -> dict[str, Any]:
        wanted = await said.meant(desk, clock)
        return await _write(desk, file, format_, wanted, output)

    written = at_desk(organization, work)
    if output is not Output.table:
        emit_one(written, how=output)
        return
    parts = [counted(written["entries"], "entry", "entries")]
    if format_ is Format.verifiable:
        parts.append(counted(written["checkpoints"], "checkpoint"))
        parts.append(f"{written['unsealed']:,} not sealed yet")
    print(printable(f"{file}: {', '.join(parts)}."))
    if not written["entries"] and (odd := said.about_the_actor().strip()):
        note(odd, output)
    if format_ is Format.verifiable:
        note(
            f'Check it with: carecircle audit verify --export {shlex.quote(str(file))} --key "$(carecircle audit key)"',
            output,
        )


async def _write(desk: Desk, file: Path, format_: Format, wanted: Filter, how: Output) -> dict[str, Any]:
    from carecircle.audit import export_service
    from carecircle.database.session import transaction
    from carecircle.services.audit_export import begin, write_out

    await desk.read(lambda session: begin(session, format_.value, wanted))
    with progress("Exporting", how) as told:
        async with export_service.into_file(file) as out:
            counts = await write_out(
                desk.circle.auditor, partial(_put, out), format_.value, wanted, organization=desk.organization,
                change=lambda: transaction(desk.circle.engine, desk.organization), progress=told,
            )  # fmt: skip
    return {"file": str(file), "format": format_.value, **counts}


async def _put(out: BinaryIO, block: bytes) -> None:
    out.write(block)


@contextmanager
def progress(what: str, how: Output) -> Iterator[Callable[[int, int], None] | None]:
    """A bar on stderr while the block runs, where somebody sits at a terminal; the callable takes done and total."""
    err = console(err=True)
    if how is not Output.table or not err.is_terminal:
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
