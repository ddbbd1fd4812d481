"""The demo's emergency: a denial, the glass broken, the supervisor's approval, and the report of what happened."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from textwrap import fill
from typing import TYPE_CHECKING, Any
from uuid import UUID

from carecircle.cli.break_glass_telling import Standing, standing
from carecircle.cli.break_glass_words import headline, labelled, situation
from carecircle.cli.circle import Desk
from carecircle.cli.clock import Clock
from carecircle.cli.explained import INDENT, lines
from carecircle.cli.output import command_name, console, printable
from carecircle.errors import CareCircleError

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from carecircle.access.decision import AccessDecision
    from carecircle.emergency.report import Report

GREEN, RED = "bold green", "bold red"


@dataclass(frozen=True)
class Scene:
    """One step: why, the command that does it, and how it is answered; the first line of the answer has a style."""

    why: str
    command: str
    lines: list[str]
    style: str = ""


@dataclass
class Story:
    """The steps that were taken, and the decisions among them, in their order."""

    scenes: list[Scene] = field(default_factory=list)
    decisions: list[AccessDecision] = field(default_factory=list)


async def live_through(desk: Desk) -> Story:
    """Break the glass, approve it, end and review it, by the services that the commands call; what stopped it is told."""
    story = Story()
    try:
        await _take_back(desk)
        await _steps(desk, story)
    except CareCircleError as error:
        story.scenes.append(Scene("Here it stops, because what it is about was changed since", "", [error.message]))
    return story


async def _steps(desk: Desk, story: Story) -> None:
    from carecircle.demo.stories import BREAKER, BROUGHT_IN, REASON, REVIEWER, SUPERVISOR
    from carecircle.emergency import deciding_service, ending_service, opening_service, report_service, review_service

    clock = Clock()

    async def asked(why: str) -> None:
        decision = await desk.circle.access.check(BREAKER, "read", BROUGHT_IN)
        names = await desk.names([decision.question.provider_id])
        first, *rest = lines(decision, names.get(decision.question.provider_id, BREAKER), names)
        told = [line for line in rest if line.split(maxsplit=1)[0] not in ("recorded", "ends")]
        story.decisions.append(decision)
        story.scenes.append(
            Scene(why, f"check {BREAKER} read {BROUGHT_IN}", [first, *told], GREEN if decision.allowed else RED)
        )

    async def done(why: str, command: str, work: Callable[[AsyncSession], Awaitable[Any]]) -> Standing:
        row = await desk.change(work)
        found = await standing(desk, row.lineage_id, clock)
        told = [headline(found.one, found.told)]
        if found.one.state in ("requested", "provisional"):
            told.append(labelled("told", found.who_decides(found.reached)))
        told += situation(found.one, found.told)
        story.scenes.append(
            Scene(why, f"break-glass {command.format(found.one.reference)}", told, GREEN if found.one.scope else "bold")
        )
        return found

    await asked("An unconscious patient is brought in; Dr. Reyes is on duty, and takes no part in this patient's care")
    found = await done(
        "She breaks the glass: the record opens at once, for a quarter of an hour, and a supervisor is told in the same second",
        f"request {BROUGHT_IN} --as {BREAKER} --reason {REASON} --attest",
        lambda db: opening_service.request(
            db, provider=BREAKER, patient=BROUGHT_IN, reason_code=REASON, attested=True
        ),
    )  # fmt: skip
    emergency_id = found.one.id
    await asked("Now the same question is answered otherwise")
    await done(
        "The supervisor looks, and approves; had nobody done so, it would have closed by itself",
        f"approve {{}} --as {SUPERVISOR}",
        lambda db: deciding_service.approve(db, emergency_id=emergency_id, approver=SUPERVISOR),
    )
    await done(
        "The patient is stable; she no longer needs the record",
        f"end {{}} --as {BREAKER}",
        lambda db: ending_service.end(db, emergency_id=emergency_id, provider=BREAKER),
    )
    await done(
        "The privacy office reviews every one of them afterwards; nobody who had a part in it may",
        f"review {{}} --as {REVIEWER} --verdict justified",
        lambda db: review_service.review(db, emergency_id=emergency_id, reviewer=REVIEWER, verdict="justified"),
    )
    report = await desk.change(
        lambda db: report_service.report(db, emergency_id=emergency_id, auditor=desk.circle.auditor)
    )
    story.scenes.append(
        Scene(
            "What happened stands on one page; the command shows the whole of it, also as HTML or JSON",
            f"break-glass report {found.one.reference}",
            _timeline(report, clock),
        )
    )


async def _take_back(desk: Desk) -> None:
    """End what somebody who tried it out has left open between these two, so that the story begins at its beginning."""
    from carecircle.demo.stories import BREAKER, BROUGHT_IN
    from carecircle.emergency.ending_service import end
    from carecircle.emergency.reading_service import emergencies

    async def left(db: AsyncSession) -> list[UUID]:
        found = await emergencies(db, provider=BREAKER, patient=BROUGHT_IN)
        return [one.id for one in found if one.state in ("requested", "provisional", "approved")]

    async def ended(db: AsyncSession) -> None:
        for emergency_id in await left(db):
            await end(db, emergency_id=emergency_id, provider=BREAKER)

    await desk.change(ended)


def _timeline(report: Report, clock: Clock) -> list[str]:
    from carecircle.emergency.timeline import timeline

    return [labelled(f"{clock.local(mark.at):%H:%M:%S}", mark.text) for mark in timeline(report).marks]


def print_story(story: Story) -> None:
    out = console()
    for scene in story.scenes:
        out.print()
        out.print(fill(f"{scene.why}.", out.width), style="italic")
        if scene.command:
            out.print(f"$ {command_name()} {scene.command}", style="dim")
        for position, line in enumerate(scene.lines):
            whole = "\n" in line  # broken to fit already
            out.print(line if whole else _fitted(line, out.width), style=scene.style if not position else "")


def _fitted(line: str, width: int) -> str:
    return fill(printable(line), width, subsequent_indent=INDENT, break_on_hyphens=False, break_long_words=False)
