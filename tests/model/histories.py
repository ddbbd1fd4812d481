"""Random histories of an organization, and the moments at which it is questioned.

Instants are written relatively (`When`, `Moment`), because the database's clock says only while a history runs what
the time is: a fact may start where another was recorded, and a question may be asked a microsecond beside either.
What a history is made of is drawn in families.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

# People 0…; a history registers the first few, so that the last is unknown to it though known to others.
PATIENTS, PROVIDERS, TEAMS = 3, 4, 3
ACTIONS = ("read", "write", "order", "share")
# One that an organization's policy may add, and those that nobody knows.
POLICY_ACTION = "discharge"
UNKNOWN_ACTIONS = ("delete", "READ", "")
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class When:
    """An instant: so much from the history's beginning, or exactly when an earlier change was recorded (its index)."""

    offset: timedelta | None = None
    change: int = 0

    def __str__(self) -> str:
        if self.offset is None:
            return f"at-change-{self.change}"
        return f"{self.offset / HOUR:+.0f}h"


@dataclass(frozen=True)
class Command:
    """One change; a field that the named command does not know is left at its default.

    `other` is a second person (who is stood in for, who refers, the survivor of a merge); `row` chooses among those on
    record; `kind` is an assignment's type, a role, a credential's kind, a duty; `code` a credential's, a specialty's, a label;
    `despite` what emergency access is to override.
    """

    name: str
    patient: int | None = None
    provider: int | None = None
    team: int | None = None
    other: int | None = None
    kind: str | None = None
    code: str | None = None
    starts: When | None = None
    ends: When | None = None
    scope: tuple[str, ...] | None = None
    rests_on: tuple[str, ...] | None = None
    patients: tuple[int, ...] | None = None
    row: int | None = None
    despite: tuple[str, ...] | None = None

    def __str__(self) -> str:
        said = {field: getattr(self, field) for field in self.__dataclass_fields__ if field != "name"}
        return f"{self.name}({', '.join(f'{key}={value}' for key, value in said.items() if value is not None)})"


@dataclass(frozen=True)
class Moment:
    """When to ask, and for which action: indexes into the instants the history knows and those beside them; None is now."""

    as_of: int | None
    believed_at: int | None
    action: str


@dataclass(frozen=True)
class History:
    """Who is registered, what is done, and when questions are asked; `aside` is the pair that gets every action."""

    patients: int
    providers: int
    commands: tuple[Command, ...]
    moments: tuple[Moment, ...]
    aside: tuple[int, int]

    def __str__(self) -> str:
        lines = [f"patients 0-{self.patients - 1}, providers 0-{self.providers - 1}, team 0"]
        return "\n".join([*lines, *(f"  {number}. {command}" for number, command in enumerate(self.commands))])
