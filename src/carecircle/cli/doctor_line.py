"""A line of doctor: what a check found, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Line:
    """What a check found, in one sentence, and, unless all is well, what to do."""

    check: str
    state: State
    finding: str
    helps: str = ""
