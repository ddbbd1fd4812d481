"""How plans, what they did and their certificates are shown; ids only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from uuid import UUID

from carecircle.cli.output import Output, emit, emit_json, emit_one
from carecircle.identifiers import to_text

if TYPE_CHECKING:
    from carecircle.staffing.preview_service import Certificate, Letter, Preview, Status
    from carecircle.staffing.running import Progress

STATUS = ("reassignment", "leaver", "state", "effective_at", "planned_at", "items", "exceptions", "outcomes")
PANELS = ("provider", "before", "after", "capacity", "cap", "accepts_new")
COUNTS = ("kind", "planned", "reason", "count")
EXCEPTIONS = ("kind", "named", "patient", "care_team", "planned", "reason")
LETTERS = ("patient", "provider", "effective_at")
WITHOUT = ("patient", "reason")


# What apply or revert leaves as it is, by outcome, and why; `{}` is how many.
LEFT_ALONE = {
    "changed-since": "{} left alone: somebody changed them (or the patient's primary) since.",
    "destination-suspended": "{} left with the leaver: who should take them is suspended.",
    "destination-objected": "{} left with the leaver: the patient objects to who should take them.",
    "destination-unqualified": "{} left with the leaver: who should take them lacks a credential on which they, or what goes"
    " with them, rest.",
    "already-covers": "{} left with the leaver: who should stand in from then on does so already.",
    "still-needed": "{} left in force: others stand in for the leaver, with whom something stays.",
}


class Part(StrEnum):
    """What of a plan to show."""

    whole = "whole"
    panels = "panels"
    counts = "counts"
    exceptions = "exceptions"
    letters = "letters"


def show_done(progress: Progress, reached: Status, certified: Certificate, output: Output) -> None:
    without = [{"patient": patient, "reason": why} for patient, why in certified.without]
    if output is Output.csv:
        emit(without, columns=WITHOUT, name="without", how=output)
        return
    told = {
        **status_row(reached, output),
        "done_now": dict(progress.outcomes) if output is Output.json else counted(progress.outcomes),
        "seconds": round(progress.seconds, 2),
    }
    if output is Output.json:
        certificate = {"patients": certified.patients, "effective_at": certified.effective_at, "without": without}
        emit_json({**told, "certificate": certificate})
        return
    emit_one(told, how=output)
    if reached.state in ("reverting", "reverted"):
        return
    if without:
        print(f"\n{len(without):,} of {certified.patients:,} patients of the panel have no other primary provider:\n")
        emit(without, columns=WITHOUT, name="without", how=output)
    else:
        print(f"\nCertificate: all {certified.patients:,} patients of the panel have another primary provider.")


def show_preview(seen: Preview, part: Part, output: Output) -> None:
    parts: dict[str, tuple[Sequence[str], list[dict[str, Any]]]] = {
        Part.panels: (
            PANELS,
            [
                {
                    "provider": one.provider_id, "before": one.before, "after": one.after, "capacity": one.capacity,
                    "cap": one.cap, "accepts_new": one.accepts_new,
                }
                for one in seen.panels
            ],
        ),
        Part.counts: (
            COUNTS,
            [
                {"kind": kind, "planned": planned, "reason": reason, "count": count}
                for (kind, planned, reason), count in seen.counts.items()
            ],
        ),
        Part.exceptions: (
            EXCEPTIONS,
            [
                {
                    "kind": one.kind, "named": one.named, "patient": one.patient_id, "care_team": one.care_team_id,
                    "planned": one.planned, "reason": one.reason,
                }
                for one in seen.exceptions
            ],
        ),
    }  # fmt: skip
    head = {
        "reassignment": seen.plan.id,
        "leaver": seen.plan.provider_id,
        "effective_at": seen.plan.effective_at,
        "changed_since": seen.changed,
    }
    wanted = parts if part is Part.whole else {part: parts[part]}
    if output is Output.json:
        emit_json({**head, **{str(name): rows for name, (_, rows) in wanted.items()}})
        return
    if part is Part.whole:
        emit_one(head, how=output)
    for name, (columns, rows) in wanted.items():
        if part is Part.whole:
            print(f"\n{name}: {len(rows):,}")
        if rows or output is Output.csv:
            emit(rows, columns=columns, name=str(name), how=output)


def show_letters(found: list[Letter], output: Output) -> None:
    rows = [{"patient": one.patient_id, "provider": one.provider_id, "effective_at": one.effective_at} for one in found]
    emit(rows, columns=LETTERS, name="letters", how=output)


def left_alone(reached: Status, step: str) -> list[str]:
    """What a step left as it is, in all its runs: one sentence for each reason."""
    return [
        why.format(f"{count:,}")
        for outcome, why in LEFT_ALONE.items()
        if (count := reached.outcomes.get((step, outcome)))
    ]


def status_row(one: Status, output: Output) -> dict[str, Any]:
    outcomes = {f"{step} {outcome}": count for (step, outcome), count in one.outcomes.items()}
    return {
        "reassignment": one.plan.id,
        "leaver": one.plan.provider_id,
        "state": one.state,
        "effective_at": one.plan.effective_at,
        "planned_at": one.plan.recorded_at,
        "items": one.items,
        "exceptions": one.exceptions,
        "outcomes": outcomes if output is Output.json else counted(outcomes),
    }


def counted(of: Mapping[str, int]) -> list[str]:
    return [f"{count:,} {name}" for name, count in of.items()]


def text_of(value: UUID) -> str:
    return to_text(value)
