"""Emergency access as a patient is told of it: entries of one access put together, without what only the staff needs."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from carecircle.emergency.rules import REASONS
from carecircle.reports.patient_access import EmergencyTold, Person, Step
from carecircle.reports.words import EMERGENCY_STEPS


def told_emergencies(rows: Sequence[Any], person: Callable[[UUID | None], Person]) -> tuple[EmergencyTold, ...]:
    """From entries (recorded_at, code, provider_id, detail, altered), the oldest first: each access with its steps, newest first.

    The reason is told by its code's words alone; what somebody wrote beside it is not.
    """
    steps: dict[str, list[Step]] = {}
    about: dict[str, tuple[UUID | None, str | None]] = {}
    for row in rows:
        said = _said(row.detail)
        own, words = said.get("emergency"), EMERGENCY_STEPS.get(row.code)
        if own is None or words is None:
            continue
        _, reason = about.get(own, (None, None))
        about[own] = row.provider_id, reason or said.get("reason")
        steps.setdefault(own, []).append(Step(row.recorded_at, words, row.altered))
    return tuple(
        EmergencyTold(own, person(about[own][0]), _reason(about[own][1]), tuple(done))
        for own, done in reversed(steps.items())
    )


def _said(detail: str | None) -> dict[str, Any]:
    """What an entry says; nothing where somebody has made it unreadable since."""
    try:
        said = json.loads(detail or "{}")
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _reason(code: str | None) -> str | None:
    return None if code is None else REASONS.get(code, "Another emergency")
