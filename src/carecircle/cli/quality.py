"""quality: what waits for a person to decide."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from carecircle.cli import exits
from carecircle.cli.circle import Desk, at_desk
from carecircle.cli.options import OrganizationOption, OutputOption
from carecircle.cli.output import Output, emit, note

if TYPE_CHECKING:
    from carecircle.findings.tables import Finding

app = typer.Typer(no_args_is_help=True, help="What an import or a check could not take, until it is resolved.")
SHOWN = ("code", "sentence", "remedy")
COLUMNS = (
    "id", "code", "sentence", "remedy", "source", "source_record", "source_item", "patient", "provider", "recorded_at",
)  # fmt: skip


@app.callback()
def _group() -> None:
    """What an import or a check could not take, until it is resolved."""


@app.command()
def findings(
    code: Annotated[list[str] | None, typer.Option(help="Only findings of this code; may be repeated.")] = None,
    source: Annotated[str | None, typer.Option(help="Only findings of this source.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many.")] = 1000,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Findings that wait to be resolved, oldest first; exits 11 when there are any.

    Example: carecircle quality findings --organization north-hospital -o csv
    """
    from carecircle.findings.service import count_open, list_open

    async def ask(desk: Desk) -> tuple[list[Finding], dict[str, int]]:
        found = await desk.read(
            lambda session: list_open(session, desk.organization, codes=code or (), source=source, limit=limit)
        )
        return found, await desk.read(lambda session: count_open(session, desk.organization))

    found, counts = at_desk(organization, ask)
    rows = [
        {
            "id": one.id,
            "code": one.code,
            "sentence": one.sentence,
            "remedy": one.remedy,
            "source": one.source,
            "source_record": one.source_record,
            "source_item": one.source_item,
            "patient": one.patient_id,
            "provider": one.provider_id,
            "recorded_at": one.recorded_at,
        }
        for one in found
    ]
    if output is not Output.table or rows:
        emit(rows, columns=COLUMNS, shown=SHOWN, name="findings", how=output, beside={"open": counts})
    if not rows:
        note("No findings wait to be resolved.", output)
        return
    told = ", ".join(f"{count:,} {name}" for name, count in counts.items())
    note(f"{len(rows):,} shown; open in all: {told}.", output)
    raise typer.Exit(exits.FINDINGS)
