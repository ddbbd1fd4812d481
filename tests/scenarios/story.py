"""Reading a scenario file: the people in it, and its steps with their instants still relative."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
INSTANTS = ("from", "until", "at", "knowing")
_RELATIVE = re.compile(r"([+-])(\d+)([dhm])")
_UNITS = {"d": timedelta(days=1), "h": timedelta(hours=1), "m": timedelta(minutes=1)}


@dataclass(frozen=True)
class Story:
    """One file. A step is its name and what it says, as written."""

    name: str
    title: str
    patients: tuple[str, ...]
    providers: tuple[str, ...]
    teams: tuple[str, ...]
    steps: tuple[tuple[str, Mapping[str, Any]], ...]


def read(path: Path) -> Story:
    said = yaml.safe_load(path.read_text())
    people = said["people"]
    steps = []
    for step in said["steps"]:
        [(name, what)] = step.items()
        steps.append((name, what if isinstance(what, dict) else {"name": what}))
    return Story(
        path.stem, said["story"], tuple(people["patients"]), tuple(people["providers"]), tuple(people.get("teams", ())),
        tuple(steps),
    )  # fmt: skip


def stories() -> list[Story]:
    return [read(path) for path in sorted(HERE.glob("*.yaml"))]


def instant(text: str, begun: datetime, marks: Mapping[str, datetime]) -> datetime:
    """An instant as a story writes it. Raises ValueError for anything else."""
    if text == "now":
        return begun
    if text in marks:
        return marks[text]
    if relative := _RELATIVE.fullmatch(text):
        span = int(relative[2]) * _UNITS[relative[3]]
        return begun - span if relative[1] == "-" else begun + span
    return datetime.fromisoformat(text).astimezone(UTC)
