"""What stands in an argument may be a patient's: where the command line cannot be read, the value is not said again."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

GIVEN = "carecircle.given"


class DiscreetGroup(TyperGroup):
    """The tree of commands; usage errors name the option and what it takes, never what was given."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        ctx.meta[GIVEN] = list(args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            error.message = without(error.message, ctx.meta[GIVEN])
            raise


def without(message: str, given: list[str]) -> str:
    """The message, in which every value that was given is an ellipsis."""
    values = {part for one in given for part in (one, one.partition("=")[2]) if part}
    for value in sorted(values, key=len, reverse=True):
        for written in (repr(value), f"'{value}'", f'"{value}"'):
            message = message.replace(written, "'…'")
        if len(value) > 3:
            message = message.replace(value, "…")
    return message
