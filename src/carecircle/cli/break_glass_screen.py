"""What waits for a decision, on a terminal: a line each with the time that is left, counting down between two looks."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from carecircle.cli.break_glass_words import half_approved, length
from carecircle.cli.output import command_name, console, printable

if TYPE_CHECKING:
    from types import TracebackType

    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.text import Text

    from carecircle.cli.break_glass_watch import Change, Seen
    from carecircle.cli.break_glass_words import Told
    from carecircle.emergency.reading_service import Emergency

SOON = timedelta(minutes=1)
A_SECOND = 2
"""How often it is drawn."""
AROUND = 9
"""Lines of the screen that are no row of the list."""


class Screen:
    """Draws on the terminal until the block ends; rings the bell for what is new."""

    def __init__(self, organization: str, approver: str | None) -> None:
        from rich.live import Live

        self.out = console()
        self.organization, self.approver = organization, approver
        self.seen: Seen | None = None
        self.taken, self.reached = 0.0, True
        self.live = Live(self, console=self.out, refresh_per_second=A_SECOND, vertical_overflow="ellipsis")

    def __enter__(self) -> Screen:
        self.live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.live.stop()

    def update(self, seen: Seen, changes: Iterable[Change]) -> None:
        if self.seen is not None and any(one.event in ("waiting", "late") for one in changes):
            self.out.bell()
        self.seen, self.taken, self.reached = seen, time.monotonic(), True
        self.live.refresh()

    def lost(self) -> None:
        self.reached = False
        self.live.refresh()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.table import Table
        from rich.text import Text

        if self.seen is None:
            yield Text("Looking …")
            return
        told = replace(self.seen.told, now=self.seen.told.now + timedelta(seconds=time.monotonic() - self.taken))
        what = f"{len(self.seen.waiting) or 'Nothing'} waiting for {printable(self.approver or 'a decision')}"
        where = f"{what}  ·  {printable(self.organization)}  ·  {_now(told)}"
        yield Text(where, style="bold", no_wrap=True, overflow="ellipsis")
        if not self.reached:
            yield Text("NOT UP TO DATE: the database cannot be reached; trying again.", style="bold red")
        if self.seen.waiting:
            table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
            table.add_column("decide in", no_wrap=True)
            table.add_column("reference", no_wrap=True)
            table.add_column("who", no_wrap=True, overflow="ellipsis", max_width=24)
            table.add_column("why", no_wrap=True, overflow="ellipsis")
            table.add_column("now", no_wrap=True, overflow="ellipsis")
            every = list(self.seen.waiting.values())
            room = max(1, options.size.height - AROUND)
            for one in every[:room]:
                table.add_row(*_cells(one, told))
            yield Text()
            yield table
            if len(every) > room:
                yield Text(f"and {len(every) - room} more, due later; see: {command_name()} break-glass list --pending")
            yield Text()
            who = printable(self.approver) if self.approver else "PROVIDER"
            yield Text(f"{command_name()} break-glass approve REFERENCE --as {who}", style="dim")
            yield Text("or deny, ask, acknowledge, show.  Ctrl-C ends.", style="dim")
        else:
            yield Text("Ctrl-C ends.", style="dim")


def _cells(one: Emergency, told: Told) -> list[Text]:
    from rich.text import Text

    stands = f"open {told.left(one.ends_at)}" if one.scope and one.ends_at else "not open"
    if one.two_persons:
        stands += ", 1 of 2" if half_approved(one) else ", needs 2"
    elif one.acknowledged_by:
        stands += ", seen"
    why = f"{one.reason_code}{' (more)' if one.extension_pending else ''}"
    return [
        countdown(one.decide_by, told.now),
        Text(one.reference),
        Text(printable(told.who(one.provider_id))),
        Text(printable(why)),
        Text(stands),
    ]


def countdown(due: datetime | None, now: datetime) -> Text:
    """`4:07`, yellow in the last minute; `LATE 0:42` in red."""
    from rich.text import Text

    if due is None:
        return Text("")
    left = due - now
    told = _digits(abs(left))
    if left <= timedelta(0):
        return Text(f"LATE {told}", style="bold red")
    return Text(told, style="bold yellow" if left <= SOON else "bold")


def _digits(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    return f"{seconds // 60}:{seconds % 60:02d}" if seconds < 3600 else length(span)


def _now(told: Told) -> str:
    return f"{told.clock.local(told.now):%H:%M:%S} {told.clock.name}"
