"""What standing in grants by its type, which of several stand-ins comes first, and an arrangement as plain values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args
from uuid import UUID

from carecircle.errors import Violation
from carecircle.identifiers import to_text
from carecircle.period import Period, show

CoverageType = Literal["full", "urgent", "on_call"]
COVERAGE_TYPES: tuple[CoverageType, ...] = get_args(CoverageType)

# What is covered: the seat on a team, a patient, or neither, which is the whole panel.
Thing = tuple[UUID | None, UUID | None]
PANEL: Thing = (None, None)

DEFAULT_SCOPE: dict[CoverageType, tuple[str, ...]] = {
    "full": ("read", "write", "order", "share"),
    "urgent": ("read", "write", "order"),
    "on_call": ("read", "write"),
}


@dataclass(frozen=True, slots=True)
class Cover:
    """One row of an arrangement: who stands in for whom, for what, and while they are on duty (without the grace).

    Neither team nor patient: for the whole panel.
    """

    id: UUID
    arrangement_id: UUID
    covered: UUID
    covering: UUID
    coverage_type: CoverageType
    care_team_id: UUID | None
    patient_id: UUID | None
    period: Period

    @property
    def thing(self) -> Thing:
        return self.care_team_id, self.patient_id

    @property
    def whole_panel(self) -> bool:
        return self.thing == PANEL


def first_in_line(covers: Iterable[Cover]) -> Cover | None:
    """Who is asked first when several stand in at once: the patient's own stand-in before the panel's, full before urgent
    before on call, then the latest start, then the smallest id."""
    return min(covers, key=_rank, default=None)


def _rank(cover: Cover) -> tuple[bool, int, float, UUID]:
    return (
        cover.whole_panel,
        [*COVERAGE_TYPES].index(cover.coverage_type),
        -cover.period.starts_at.timestamp(),
        cover.id,
    )


def covering_violations(provider: UUID, missing: Sequence[str], suspended: bool, at: datetime) -> list[Violation]:
    """What keeps a provider from covering anybody at the instant at which the cover would begin to let them in.

    `missing` names the credentials, by kind or code, that covering rests on and that they do not hold then.
    """
    violations = [
        Violation(
            "credential-missing",
            f"Provider {to_text(provider)} holds no {name} at {show(at)}, and covering rests on one;"
            " record it with: carecircle credential add.",
        )
        for name in missing
    ]
    if suspended:
        violations.append(
            Violation(
                "provider-suspended",
                f"Provider {to_text(provider)} is suspended at {show(at)} and sees nobody; choose somebody else to cover.",
            )
        )
    return violations
