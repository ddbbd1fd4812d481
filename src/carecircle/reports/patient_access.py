"""A patient's own access report, as a value: who was let in to their record, when, why; who was not; and emergencies."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from carecircle.identifiers import to_text
from carecircle.period import show

YEARS = 3
"""How far back it goes unless somebody says otherwise: what Regulation (EU) 2025/327 asks for at least (Article 9)."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who it was, as far as is known here: `id` is None for who is no provider, `roles` are those of the period."""

    id: UUID | None
    name: str
    roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Look:
    """One person on one day: from when to when, how often, to do what, what for and why they may, in words.

    `emergency` says that emergency access let them in. `through` are the programs or people that asked for them. `altered`
    says that what stands in the audit trail of it is not what was sealed there.
    """

    person: Person
    first_at: datetime
    last_at: datetime
    times: int
    actions: tuple[str, ...]
    purposes: tuple[str, ...]
    reasons: tuple[str, ...]
    emergency: bool
    through: tuple[str, ...]
    altered: bool


@dataclass(frozen=True, slots=True)
class Day:
    """A day by the report's clock, and who was let in (or worked) on it, in the order of their first time."""

    day: date
    looks: tuple[Look, ...]


@dataclass(frozen=True, slots=True)
class Attempt:
    """Somebody who was not let in on one day: from when to when, how often, to do what, and why not; `altered` as in Look."""

    person: Person
    day: date
    first_at: datetime
    last_at: datetime
    times: int
    action: str
    reason: str
    altered: bool


@dataclass(frozen=True, slots=True)
class Step:
    """What became of an emergency access, and when; `altered` as in Look."""

    at: datetime
    words: str
    altered: bool


@dataclass(frozen=True, slots=True)
class EmergencyTold:
    """An emergency access to the record: who asked for it, why, and what became of it. `reason` is None where it was asked
    for before the period."""

    id: str
    person: Person
    reason: str | None
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class PatientAccess:
    """The report of one period; days newest first. Days and times of day are by the clock of `time_zone` (IANA).

    `worked` are those who only worked with the log, or asked who may see the patient: nobody was let in by that. `supposed`
    are questions about another time than when they were asked, which let nobody in.
    """

    written_at: datetime
    organization: str
    patient_id: UUID
    patient_name: str | None
    since: datetime
    until: datetime
    time_zone: str
    days: tuple[Day, ...]
    worked: tuple[Day, ...]
    attempts: tuple[Attempt, ...]
    emergencies: tuple[EmergencyTold, ...]
    supposed: int

    @property
    def persons(self) -> int:
        """How many people were let in."""
        return len({look.person for day in self.days for look in day.looks})

    @property
    def altered(self) -> bool:
        """Whether any line of it is not as it was first written down."""
        looks = (look for day in (*self.days, *self.worked) for look in day.looks)
        steps = (step for one in self.emergencies for step in one.steps)
        marks = [one.altered for one in looks], [one.altered for one in self.attempts], [one.altered for one in steps]
        return any(map(any, marks))

    def as_json(self) -> dict[str, Any]:
        """The same under the same names, for JSON: ids, days and instants as text."""
        said: dict[str, Any] = _plain(asdict(self) | {"altered": self.altered})
        return said


def _plain(value: Any) -> Any:
    match value:
        case UUID():
            return to_text(value)
        case datetime():
            return show(value)
        case date():
            return value.isoformat()
        case dict():
            return {key: _plain(one) for key, one in value.items()}
        case list() | tuple():
            return [_plain(one) for one in value]
        case _:
            return value
