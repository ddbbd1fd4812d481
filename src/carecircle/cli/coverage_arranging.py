"""What arranging coverage has in common: its options, looking at what it leads to, and how it is told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from carecircle.cli import exits
from carecircle.cli.careful import command
from carecircle.cli.circle import Desk
from carecircle.cli.clock import Clock
from carecircle.cli.coverage_attention import Attention, attention, lines_of
from carecircle.cli.coverage_words import Known, row_record, rows_known
from carecircle.cli.output import Output, emit
from carecircle.cli.team_words import tell

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from carecircle.coverage.rules import CoverageType
    from carecircle.coverage.tables import CoverageArrangement

Covered = Annotated[str, typer.Argument(metavar="COVERED", help="Who is away or off duty: their id or identifier.")]
TeamOption = Annotated[
    str | None, typer.Option("--team", metavar="TEAM", help="Only their place on this care team: its id or name.")
]


class Type(StrEnum):
    """How much standing in is."""

    full = "full"
    urgent = "urgent"
    on_call = "on-call"

    @property
    def stored(self) -> CoverageType:
        return "on_call" if self is Type.on_call else "full" if self is Type.full else "urgent"


TypeOption = Annotated[
    Type, typer.Option("--type", help="full: all they may do; urgent: without sharing; on-call: read and write.")
]


def arranged(
    arrange: Callable[[AsyncSession, Desk], Awaitable[list[CoverageArrangement]]],
) -> Callable[[Desk], Awaitable[tuple[list[CoverageArrangement], Known, list[Attention], list[str]]]]:
    """Arranges, looks in the same transaction at what that leads to, and says how it is taken back."""

    async def work(desk: Desk) -> tuple[list[CoverageArrangement], Known, list[Attention], list[str]]:
        async def change(session: AsyncSession) -> tuple[list[CoverageArrangement], list[Attention]]:
            rows = await arrange(session, desk)
            return rows, await attention(session, rows)

        rows, found = await desk.change(change)
        undo = [command(desk.slug, "coverage", "end", rows[0].arrangement_id)]
        return rows, await rows_known(desk, rows, found), found, undo

    return work


def tell_arranged(
    sentences: list[str],
    rows: Sequence[CoverageArrangement],
    found: list[Attention],
    undo: list[str],
    clock: Clock,
    known: Known,
    output: Output,
) -> None:
    if output is Output.csv:
        records = [row_record(row, known) for row in rows]
        emit(records, columns=list(records[0]), name="rows", how=output)
    else:
        record: dict[str, Any] = {
            "arrangement": rows[0].arrangement_id,
            "rows": [row_record(row, known) for row in rows],
            "attention": [one.record for one in found],
        }
        tell([*sentences, *lines_of(found, known, clock)], record, undo, output)
    if found:
        raise typer.Exit(exits.FINDINGS)
