"""Arguments and options that several commands share, and what one invocation has said so far."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import typer

from carecircle.cli.output import Output


@dataclass
class Invocation:
    """What the error printer needs to know about the command that failed."""

    output: Output = Output.table


def _remember(context: typer.Context, how: Output) -> Output:
    context.ensure_object(Invocation).output = how
    return how


OutputOption = Annotated[
    Output, typer.Option("--output", "-o", callback=_remember, is_eager=True, help="How data is written to stdout.")
]
OrganizationOption = Annotated[
    str | None,
    typer.Option("--organization", envvar="CARECIRCLE_ORGANIZATION", metavar="SLUG", help="Which organization."),
]
AsOfOption = Annotated[
    str | None,
    typer.Option("--as-of", metavar="INSTANT", help="At which instant it should hold (ISO 8601 with zone); now."),
]
BelievedAtOption = Annotated[
    str | None,
    typer.Option("--believed-at", metavar="INSTANT", help="As far as was known at which instant; now."),
]
Provider = Annotated[str, typer.Argument(metavar="PROVIDER", help="ULID, UUID, system|value or identifier.")]
Patient = Annotated[str, typer.Argument(metavar="PATIENT", help="ULID, UUID, system|value or identifier.")]


def instant(text: str | None) -> datetime | None:
    """An instant somebody typed, or None. Raises InvalidInstant."""
    from carecircle.period import parse_instant

    return None if text is None else parse_instant(text)
