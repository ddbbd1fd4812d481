"""The questions: check, who-can, panel."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import fill
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from carecircle.cli import exits
from carecircle.cli.circle import Desk, at_desk
from carecircle.cli.explained import INDENT, NO_NAMES, NOBODY_NAMED, flat, lines, record, tree
from carecircle.cli.options import (
    AsOfOption,
    BelievedAtOption,
    OrganizationOption,
    OutputOption,
    Patient,
    Provider,
    instant,
)
from carecircle.cli.output import Output, console, emit, emit_json, emit_one, note, say
from carecircle.errors import PatientNotRegistered
from carecircle.identifiers import OrganizationId, to_text

if TYPE_CHECKING:
    from carecircle.access.decision import AccessDecision, Listing
    from carecircle.access.explain import Explanation

Action = Annotated[str, typer.Argument(metavar="ACTION", help="read, write, order or share.")]
OptionalAction = Annotated[str, typer.Argument(metavar="ACTION", help="read, write, order or share.")]


def check(
    provider: Provider,
    action: Action,
    patient: Patient,
    organization: OrganizationOption = None,
    as_of: AsOfOption = None,
    believed_at: BelievedAtOption = None,
    explain: Annotated[bool, typer.Option("--explain", help="Everything that held or came near, as a tree.")] = False,
    exit_zero: Annotated[bool, typer.Option("--exit-zero", help="Exit 0 for a denial too, not 10.")] = False,
    output: OutputOption = Output.table,
) -> None:
    """May this provider do this to this patient, and why? The answer is recorded; a denial exits 10.

    Example: carecircle check okafor read N-0001 --organization north-hospital
    """
    at, known = instant(as_of), instant(believed_at)

    async def ask(desk: Desk) -> tuple[Explanation, dict[UUID, str], UUID | None]:
        explanation = await desk.circle.access.explain(provider, action, patient, as_of=at, believed_at=known)
        decision = explanation.decision
        people = [decision.question.provider_id, *(basis.via_id for basis in decision.bases if basis.via_id)]
        names = await desk.names(people) if output is Output.table else {}
        return explanation, names, await _given_up(desk, patient, decision)

    explanation, names, given_up = at_desk(organization, ask)
    if given_up is not None and output is Output.table:
        survivor = to_text(explanation.decision.question.patient_id)
        say(f"The record asked about was merged into {survivor}; this is the answer about that one.")
    show_decision(explanation, names=names, given_up=given_up, explain=explain, output=output)
    if not explanation.decision.allowed and not exit_zero:
        raise typer.Exit(exits.DENIED)


def show_decision(
    explanation: Explanation,
    *,
    who: str | None = None,
    names: Mapping[UUID, str] = NO_NAMES,
    given_up: UUID | None = None,
    explain: bool = False,
    output: Output = Output.table,
) -> None:
    """Print one decision. `who` is the provider's name, or it is among `names`, with those of whom they stand in for.

    `given_up` is the record that was asked about, where it was merged into another one.
    """
    named = who or names.get(explanation.decision.question.provider_id, NOBODY_NAMED)
    if output is Output.json:
        emit_json(record(explanation, whole=explain) | {"merged_from": given_up})
    elif output is Output.csv:
        emit_one(flat(explanation), how=output)
    elif explain:
        console().print(tree(explanation, named, names))
    else:
        first, *rest = lines(explanation.decision, named, names)
        out = console()
        out.print(first, style="bold green" if explanation.decision.allowed else "bold red")
        for line in rest:
            out.print(fill(line, out.width, subsequent_indent=INDENT, break_on_hyphens=False, break_long_words=False))


async def _given_up(desk: Desk, patient: str, decision: AccessDecision) -> UUID | None:
    """The record that was asked about, when the answer is about the one into which it was merged."""
    from carecircle.directory.service import resolve_patient

    organization = OrganizationId(desk.organization)
    try:
        own = await desk.read(lambda session: resolve_patient(session, organization, patient, follow=False))
    except PatientNotRegistered:
        return None
    return own if own != decision.question.patient_id else None


def who_can(
    patient: Patient,
    action: OptionalAction = "read",
    organization: OrganizationOption = None,
    as_of: AsOfOption = None,
    believed_at: BelievedAtOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Everybody who may do this (read, unless said) to this patient. The answer is recorded as one entry.

    Example: carecircle who-can N-0001 order --organization north-hospital
    """
    at, known = instant(as_of), instant(believed_at)

    async def ask(desk: Desk) -> tuple[Listing, dict[UUID, str]]:
        listing = await desk.circle.access.list_providers(patient, action, as_of=at, believed_at=known)
        return listing, await desk.names(row.id for row in listing.rows)

    listing, names = at_desk(organization, ask)
    rows = [
        {"provider": row.id, "name": names.get(row.id), "bases": row.bases, "ends_at": row.ends_at}
        for row in listing.rows
    ]
    _show_listing(listing, rows, ("provider", "name", "bases", "ends_at"), action, output)


def panel(
    provider: Provider,
    action: OptionalAction = "read",
    organization: OrganizationOption = None,
    as_of: AsOfOption = None,
    believed_at: BelievedAtOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Every patient to whom this provider may do this (read, unless said). The answer is recorded as one entry.

    Example: carecircle panel okafor --organization north-hospital -o csv
    """
    at, known = instant(as_of), instant(believed_at)

    async def ask(desk: Desk) -> Listing:
        return await desk.circle.access.list_patients(provider, action, as_of=at, believed_at=known)

    listing = at_desk(organization, ask)
    rows = [{"patient": row.id, "bases": row.bases, "ends_at": row.ends_at} for row in listing.rows]
    _show_listing(listing, rows, ("patient", "bases", "ends_at"), action, output)


def _show_listing(
    listing: Listing, rows: list[dict[str, Any]], columns: tuple[str, ...], action: str, output: Output
) -> None:
    from carecircle.access.decision import MESSAGES

    one = columns[0]
    about = {"code": listing.code, "action": action, "as_of": listing.as_of, "entry": listing.id, "count": len(rows)}
    emit(rows, columns=columns, name=f"{one}s", how=output, beside=about)
    if listing.code in MESSAGES:
        say(f"{MESSAGES[listing.code]} [{listing.code}]")
        raise typer.Exit(exits.BY_LISTING.get(listing.code, exits.OK))
    note(f"{len(rows):,} {one if len(rows) == 1 else one + 's'}; recorded as entry {to_text(listing.id)}.", output)
