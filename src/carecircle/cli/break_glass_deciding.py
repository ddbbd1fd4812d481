"""break-glass approve, deny, ask, acknowledge: what a supervisor does about a request; none of it is done by a timer."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from carecircle.cli.break_glass_options import (
    AsOption,
    HoursOption,
    How,
    HowOption,
    ScopeOption,
    Which,
    WordsOption,
    needed,
    remark,
    words_of,
)
from carecircle.cli.break_glass_telling import acted, tell_standing
from carecircle.cli.clock import Clock, TimeZoneOption
from carecircle.cli.options import OrganizationOption
from carecircle.cli.team_words import actions_of
from carecircle.errors import ConfirmationRequired

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession


def register(app: typer.Typer) -> None:
    for work in (approve, deny, ask, acknowledge):
        app.command()(work)


def approve(
    which: Which,
    as_: AsOption,
    hours: HoursOption = None,
    scope: ScopeOption = None,
    time_zone: TimeZoneOption = None,
    organization: OrganizationOption = None,
    output: HowOption = How.table,
) -> None:
    """Approve a request as asked, or for less: --hours counts from its opening, --scope narrows what it lets do.

    Where two people must approve, the first one's approval opens nothing more; where more time was asked for, it gives it.

    Example: carecircle break-glass approve BG-7K2M4Q --as brandt --hours 4
    """
    from carecircle.emergency import deciding_service

    narrowed = actions_of(scope)

    async def change(session: AsyncSession, emergency_id: UUID) -> None:
        await deciding_service.approve(session, emergency_id=emergency_id, approver=as_, hours=hours, scope=narrowed)

    found = acted(organization, which, Clock.of(time_zone), change)
    tell_standing(found, found.next("deny" if found.one.state == "approved" else "show", who=as_), output)


def deny(
    which: Which,
    as_: AsOption,
    words: WordsOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    time_zone: TimeZoneOption = None,
    organization: OrganizationOption = None,
    output: HowOption = How.table,
) -> None:
    """Deny a request, or take back what was approved: it ends at once. Asks first, because that cannot be undone.

    Example: carecircle break-glass deny BG-7K2M4Q --as brandt --words "Not this team's patient." --yes
    """
    from carecircle.emergency import deciding_service

    if not yes and not sys.stdin.isatty():
        raise ConfirmationRequired("Denying ends it at once and cannot be undone; look with show, then add --yes.")
    said = needed(words_of(words, asking="Why, in words (kept with it, sealed)"))
    if not yes and not typer.confirm("This ends it at once, and cannot be undone. Deny it?", err=True):
        remark("Nothing was changed.", output)
        return

    async def change(session: AsyncSession, emergency_id: UUID) -> None:
        await deciding_service.deny(session, emergency_id=emergency_id, approver=as_, words=said)

    tell_standing(acted(organization, which, Clock.of(time_zone), change), {}, output)


def ask(
    which: Which,
    as_: AsOption,
    words: WordsOption = None,
    time_zone: TimeZoneOption = None,
    organization: OrganizationOption = None,
    output: HowOption = How.table,
) -> None:
    """Ask whoever made the request something about it. What is open stays open; a decision is due as before.

    Example: carecircle break-glass ask BG-7K2M4Q --as brandt --words "Which bed is this?"
    """
    from carecircle.emergency import deciding_service

    said = needed(words_of(words, asking="Your question"))

    async def change(session: AsyncSession, emergency_id: UUID) -> None:
        await deciding_service.ask(session, emergency_id=emergency_id, approver=as_, words=said)

    found = acted(organization, which, Clock.of(time_zone), change)
    remark(f"Asked; the answer will stand in: carecircle break-glass show {found.one.reference}.", output)
    tell_standing(found, found.next("approve", "deny", who=as_), output)


def acknowledge(
    which: Which,
    as_: AsOption,
    time_zone: TimeZoneOption = None,
    organization: OrganizationOption = None,
    output: HowOption = How.table,
) -> None:
    """Say that you have seen it: nobody else is woken for it yet. It decides nothing, and a decision is due as before.

    Example: carecircle break-glass acknowledge BG-7K2M4Q --as brandt
    """
    from carecircle.emergency import deciding_service

    async def change(session: AsyncSession, emergency_id: UUID) -> None:
        await deciding_service.acknowledge(session, emergency_id=emergency_id, approver=as_)

    found = acted(organization, which, Clock.of(time_zone), change)
    tell_standing(found, found.next("approve", "deny", who=as_), output)
