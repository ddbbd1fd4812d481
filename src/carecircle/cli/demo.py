"""demo: a hospital group to look around in, questions with their answers, and then the HTTP door."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from textwrap import fill
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from carecircle.cli.circle import Desk, database, operator, read_settings
from carecircle.cli.clock import Clock
from carecircle.cli.demo_emergency import Story, live_through, print_story
from carecircle.cli.explained import INDENT, NOBODY_NAMED, exactly, lines, words
from carecircle.cli.output import command_name, console, say
from carecircle.cli.serving import HOST, PORT, require_free
from carecircle.errors import ConfirmationRequired, DatabaseNotMigrated, DatabaseUnavailable

if TYPE_CHECKING:
    from carecircle.access.decision import AccessDecision, Listing
    from carecircle.access.explain import Explanation
    from carecircle.bootstrap import CareCircle
    from carecircle.coverage.responsibility import Responsibility
    from carecircle.database.reach import Reach
    from carecircle.demo.stories import Asked, Instants
    from carecircle.identifiers import OrganizationId
    from carecircle.settings import Settings

LEFT_OUT = {"or", "recorded"}


@dataclass(frozen=True)
class Answer:
    """A question of the stories with its answer, and the answer as of an earlier instant where that is told too."""

    asked: Asked
    clocks: Instants
    explanation: Explanation
    earlier: AccessDecision | None = None

    @property
    def decisions(self) -> list[AccessDecision]:
        return [one for one in (self.explanation.decision, self.earlier) if one is not None]

    @property
    def as_expected(self) -> bool:
        """Whether these are the answers of the facts as the demo recorded them."""
        return [one.code for one in self.decisions] == [self.asked.expected, "allowed"][: len(self.decisions)]


@dataclass(frozen=True)
class Shown:
    """What the demo has found out: its answers, what happened in an emergency, who answers for a patient, a panel, a circle,
    the findings, and how many of the answers the auditor finds.
    """

    organization: OrganizationId
    answers: list[Answer]
    story: Story
    responsible: Responsibility
    panel: Listing
    circle: Listing
    findings: int
    recorded: int

    @property
    def asked(self) -> int:
        return sum(len(one.decisions) for one in self.answers) + len(self.story.decisions) + 2


def demo(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where to serve afterwards.")] = PORT,
    once: Annotated[bool, typer.Option("--once", help="Ask, show, and stop.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Also in the database of CARECIRCLE_DATABASE_URL.")] = False,
) -> None:
    """Invent a hospital group, ask who may see whom, show why, and serve it over HTTP.

    Example: carecircle demo --once
    """
    settings = read_settings()
    if not once:
        require_free(HOST, port)
    with database(settings, make=True) as at:
        _ready(settings, at, confirmed=yes)
        shown = asyncio.run(_look_around(settings, at))
        _print(shown)
        if not once:
            from carecircle.cli.demo_serving import serve_demo

            serve_demo(settings, at, shown.organization, port)


def _ready(settings: Settings, at: Reach, *, confirmed: bool) -> None:
    """Migrate a database that is carecircle's own. A configured one is asked about first: it may be somebody's real one."""
    from carecircle.database import migrate
    from carecircle.database.revision import require_head
    from carecircle.database.roles import open_connection

    async def is_current() -> bool:
        try:
            connection = await open_connection(at.dsn("app"))
        except DatabaseUnavailable:
            return False  # the roles were not made yet
        try:
            await require_head(connection)
        except DatabaseNotMigrated:
            return False
        finally:
            await connection.close()
        return True

    if settings.database_url is not None and not confirmed:
        raise ConfirmationRequired(
            "CARECIRCLE_DATABASE_URL is set, so the demo's invented data would go into that database; unset it to use an"
            " embedded one, or add --yes."
        )
    if not asyncio.run(is_current()):
        say("Making the database …")
        migrate.upgrade(at)


async def _look_around(settings: Settings, at: Reach) -> Shown:
    from carecircle.actor import acting_as
    from carecircle.bootstrap import assemble
    from carecircle.demo.people import HOW_MANY, NORTH
    from carecircle.demo.service import alone, build

    async with assemble(settings, at) as circle:
        built = await build(
            circle.engine,
            circle.keyring,
            beginning=lambda: say(f"Inventing 2 organizations, {HOW_MANY} providers and 3,000 patients …"),
        )
        tenant = built.organizations[NORTH.slug]
        with acting_as(organization=tenant, actor=operator()):
            async with alone(circle.engine):
                story = await live_through(Desk(circle, tenant, NORTH.slug, operator()))
            return await _ask(circle, tenant, story)


async def _ask(circle: CareCircle, tenant: OrganizationId, story: Story) -> Shown:
    from carecircle.coverage.reading_service import responsible_for
    from carecircle.database.session import transaction
    from carecircle.demo.facts import fixed_id
    from carecircle.demo.people import NORTH
    from carecircle.demo.service import count_entries, instants_of
    from carecircle.demo.stories import AT_HOME, QUESTIONS
    from carecircle.findings.service import count_open

    async with transaction(circle.engine, tenant) as session:
        clocks = [await instants_of(session, tenant, NORTH, asked) for asked in QUESTIONS]
        findings = sum((await count_open(session, tenant)).values())
        responsible = await responsible_for(session, patient=fixed_id(NORTH.slug, AT_HOME))
    answers = []
    for asked, at in zip(QUESTIONS, clocks, strict=True):
        question = (asked.provider, asked.action, asked.patient)
        explanation = await circle.access.explain(*question, believed_at=at.believed_at)
        earlier = None if at.earlier is None else await circle.access.check(*question, as_of=at.earlier)
        answers.append(Answer(asked, at, explanation, earlier))
    panel = await circle.access.list_patients(QUESTIONS[0].provider)
    around = await circle.access.list_providers(AT_HOME)
    decisions = [*(one for answer in answers for one in answer.decisions), *story.decisions]
    entries = [decision.id for decision in decisions] + [panel.id, around.id]
    recorded = await count_entries(circle.reach, tenant, entries)
    return Shown(tenant, answers, story, responsible, panel, around, findings, recorded)


def _print(shown: Shown) -> None:
    from carecircle.cli.coverage_chain import print_chain
    from carecircle.cli.coverage_words import Known
    from carecircle.demo.facts import fixed_id
    from carecircle.demo.people import HOW_MANY, NORTH
    from carecircle.demo.service import LATEST_ENTRIES
    from carecircle.demo.stories import AT_HOME, QUESTIONS

    out, name = console(), command_name()
    names = {fixed_id(NORTH.slug, person.short): person.name for person in NORTH.people}
    out.print("DEMO DATA: nobody here exists.", style="bold reverse")
    out.print(
        f"North Hospital and Harbour Clinic, {HOW_MANY} providers, 3,000 patients. Every question below is asked at\n"
        f"North Hospital; to ask it yourself: export CARECIRCLE_ORGANIZATION={NORTH.slug}"
    )
    for answer in shown.answers:
        _print_answer(answer, names)
    out.print()
    out.print("BREAKING THE GLASS", style="bold")
    print_story(shown.story)
    doctor = QUESTIONS[0].provider
    out.print()
    out.print("Who is to be called tonight? Whoever stands at the end of the chain, let in or not.", style="italic")
    out.print(f"$ {name} coverage responsible {AT_HOME}", style="dim")
    print_chain(shown.responsible, Known(names, {}), Clock(), now=True, helps=None)
    out.print()
    out.print("Lists come from the same relation, so they always agree with the answers above.", style="italic")
    out.print(f"$ {name} panel {doctor}", style="dim")
    out.print(f"{len(shown.panel.rows):,} patients whose record this provider may read now.")
    out.print(f"$ {name} who-can {AT_HOME}", style="dim")
    out.print(f"{len(shown.circle.rows):,} people may read this patient's record now.")
    out.print(f"$ {name} quality findings", style="dim")
    out.print(f"{shown.findings:,} things an import could not take wait for somebody to decide.")
    out.print()
    out.print(
        f"{shown.recorded} of {shown.asked} answers are in the audit trail, read back as carecircle_auditor. See them:",
        style="bold",
    )
    out.print(
        f'$ {name} db shell --role auditor --organization {NORTH.slug} -- -c "{LATEST_ENTRIES}"',
        style="dim",
    )


def _print_answer(answer: Answer, names: Mapping[UUID, str]) -> None:
    """As `check` prints it, without what every answer has in common."""
    from carecircle.period import show

    out, asked, decision = console(), answer.asked, answer.explanation.decision
    command = f"{command_name()} check {asked.provider} {asked.action} {asked.patient}"
    if answer.clocks.believed_at is not None:
        command += f" --believed-at {exactly(answer.clocks.believed_at)}"
    out.print()
    out.print(f"{asked.why}.", style="italic")
    out.print(f"$ {command}", style="dim")
    first, *rest = lines(decision, names.get(decision.question.provider_id, NOBODY_NAMED), names)
    out.print(first, style="bold green" if decision.allowed else "bold red")
    rest = [line for line in rest if line.split(maxsplit=1)[0] not in LEFT_OUT]
    if answer.earlier is not None:
        verdict, ways = ("ALLOWED" if answer.earlier.allowed else "DENIED"), answer.earlier.bases
        because = f" ({words(ways[0].kind)})" if ways else ""
        rest.append(f"  earlier   {verdict}{because}: add --as-of {show(answer.earlier.as_of)}")
    if not answer.as_expected:
        rest.append("  but       the demo tells it otherwise: what it is about was changed since.")
    for line in rest:
        out.print(fill(line, out.width, subsequent_indent=INDENT, break_on_hyphens=False, break_long_words=False))
