"""Why not: the paths that come closest to letting somebody in, read from the same relation as the answer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import asyncpg

from carecircle.access.decide import aware
from carecircle.access.decision import AccessDecision, MissingPath, Question
from carecircle.access.relation import circle, filled, holding
from carecircle.period import Period

MOST = 5


@dataclass(frozen=True, slots=True)
class Explanation:
    """A decision with every path that held, and those that came closest, nearest first."""

    decision: AccessDecision
    missing: tuple[MissingPath, ...]


@cache
def _statement(believed: bool) -> str:
    belief = "$6::timestamptz" if believed else None
    known = circle(organization="$1", action="$5", provider="$2", patient="$3", as_of=None, believed_at=belief)
    template = (files(__package__) / "nearest.sql").read_text()
    return filled(holding(template, as_of="$4", believed_at=belief), {"circle": known, "most": str(MOST)})


async def missing_paths(connection: asyncpg.Connection, decision: AccessDecision) -> tuple[MissingPath, ...]:
    """What came closest, as believed when the decision was made or at its own `believed_at`. Reads; records nothing."""
    question: Question = decision.question
    arguments = [
        question.organization_id, question.provider_id, question.patient_id, decision.as_of, question.action,
    ]  # fmt: skip
    if question.believed_at is not None:
        arguments.append(question.believed_at)
    rows = await connection.fetch(_statement(question.believed_at is not None), *arguments)
    return tuple(
        MissingPath(
            row["lack"],
            row["basis"],
            row["basis_id"],
            Period(row["starts_at"], aware(row["ends_at"])),
            tuple(row["lacking"]),
        )
        for row in rows
    )
