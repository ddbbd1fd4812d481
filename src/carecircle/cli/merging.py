"""patient merge, patient unmerge: two records of one person become one, and are parted again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from carecircle.cli import exits
from carecircle.cli.careful import agreed, changed, command, counted, rehearsed, require_terminal
from carecircle.cli.circle import Desk, at_desk
from carecircle.cli.options import OrganizationOption, OutputOption
from carecircle.cli.output import Output, note, say
from carecircle.identifiers import to_text

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from carecircle.staffing.merge_service import Merged, Unmerged

WORDS = {
    "referral": "referral",
    "direct-assignment": "assignment",
    "care-team-patient": "place on a care team",
    "coverage": "coverage arrangement",
    "objection": "objection",
    "label": "label",
    "personal-relation": "personal relation",
    "emergency-access": "state of emergency access",
}
PLURALS = {"care-team-patient": "places on care teams", "emergency-access": "states of emergency access"}
REASONS = {
    "survivor-has-a-primary": "the record that is kept has a primary provider then",
    "survivor-has-it": "the record that is kept has the same",
    "grants-nothing-as-consulting": "as consulting it would grant nothing",
    "survivors-granted-less": "the cover of the record that is kept grants what both did",
    "survivors-was-less-strict": "the stricter relation of the two is kept",
    "survivors-rests-on-something-else": "the cover of the record that is kept rests on other credentials, so it stays",
}
LEFT = {
    "changed-since": "stays as it is, because somebody changed since what the merge had made of it",
    "place-taken": "stays as it is, because something recorded since stands in its place",
    "survivors-has-ended": "is not given back, because what stood for it has been ended since",
}

GivenUp = Annotated[str, typer.Argument(metavar="GIVEN-UP", help="The record to give up: ULID, UUID, system|value.")]


@dataclass(frozen=True)
class Told:
    """What a merge moves and what does not go along as it was, by kind, outcome and reason."""

    patient: UUID
    into: UUID
    moved: Mapping[str, int]
    changed: list[dict[str, Any]]


def merge(
    given_up: GivenUp,
    into: Annotated[str, typer.Option(metavar="SURVIVOR", help="The record to keep.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would move.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    organization: OrganizationOption = None,
    output: OutputOption = Output.table,
) -> None:
    """Say that two records are one person: everything about the one given up becomes the other's. Asks before it does.

    Example: carecircle patient merge N-0003 --into N-0004 --dry-run --organization north-hospital
    """
    from carecircle.staffing.merge_service import merge_patients

    if not (dry_run or yes):
        require_terminal("Merging moves everything about one record to the other.")

    async def work(session: AsyncSession) -> Told:
        return _told(await merge_patients(session, patient=given_up, into=into))

    async def act(desk: Desk) -> tuple[Told, bool]:
        if not yes or dry_run:
            seen = await rehearsed(desk, work)
            if output is Output.table or not dry_run:
                _say_moving(seen)
            if dry_run or not agreed():
                return seen, False
        return await desk.change(work), True

    told, done = at_desk(organization, act)
    record = {
        "patient": told.patient,
        "into": told.into,
        "dry_run": dry_run,
        "moved": dict(told.moved) if output is Output.json else _moved(told.moved),
    }
    if output is not Output.table:
        record["changed"] = told.changed if output is Output.json else len(told.changed)
    if not done:
        changed("Nothing was changed.", record, [], output)
        return
    if yes and output is Output.table:
        _say_moving(told)
    sentence = "Merged. Whoever asks about the record given up is answered about the one that is kept."
    changed(sentence, record, [command(organization, "patient", "unmerge", told.patient)], output)


def unmerge(given_up: GivenUp, organization: OrganizationOption = None, output: OutputOption = Output.table) -> None:
    """Part two merged records: what was theirs is theirs again. Exits 11 when something needs somebody to look at it.

    Example: carecircle patient unmerge N-0003 --organization north-hospital
    """
    from carecircle.staffing.merge_service import unmerge_patients

    done: Unmerged = at_desk(
        organization, lambda desk: desk.change(lambda session: unmerge_patients(session, patient=given_up))
    )
    left, since, both = _rows(done.left_alone), _rows(done.recorded_since), _rows(done.for_both)
    whole = output is Output.json
    record = {
        "patient": done.patient_id,
        "parted_from": done.from_patient_id,
        "restored": _present(done.restored) if whole else _moved(done.restored),
        "left_alone": left if whole else len(left),
        "recorded_since": since if whole else len(since),
        "for_both": both if whole else len(both),
    }
    back = ", ".join(_moved(done.restored)) or "nothing"
    undo = command(organization, "patient", "merge", done.patient_id, "--into", done.from_patient_id, "--yes")
    changed(f"Parted. Back with the record that was given up: {back}.", record, [undo], output)
    told = [(row, LEFT[done.reasons[row["id"]]]) for row in left]
    told += [
        (row, "was recorded while the two were one and stays with the record that was kept; whose is it?")
        for row in since
    ]
    told += [(row, "holds for both records from now on; lift it where it does not belong") for row in both]
    for row, why in told:
        note(f"{WORDS.get(row['kind'], row['kind'])} {to_text(row['id'])} {why}", output)
    if told:
        raise typer.Exit(exits.FINDINGS)


def _told(merged: Merged) -> Told:
    return Told(
        merged.patient_id,
        merged.into_patient_id,
        _present(merged.moved),
        [{"kind": one.kind, "id": one.id, "became": one.became, "reason": one.reason} for one in merged.changed],
    )


def _present(counts: Mapping[str, int]) -> dict[str, int]:
    return {kind: count for kind, count in counts.items() if count}


def _say_moving(told: Told) -> None:
    what = ", ".join(_moved(told.moved)) or "nothing"
    say(f"What goes from {to_text(told.patient)} to {to_text(told.into)}, past and ahead: {what}.")
    outcomes = Counter((one["kind"], one["became"], one["reason"]) for one in told.changed)
    for (kind, became, reason), count in outcomes.items():
        say(f"  {_count(kind, count)} {became}: {REASONS.get(reason, reason)}")


def _moved(counts: Mapping[str, int]) -> list[str]:
    return [_count(kind, count) for kind, count in counts.items() if count]


def _count(kind: str, count: int) -> str:
    word = WORDS.get(kind, kind)
    return counted(count, word, PLURALS.get(kind))


def _rows(found: list[tuple[str, UUID]]) -> list[dict[str, Any]]:
    return [{"kind": kind, "id": one} for kind, one in found]
