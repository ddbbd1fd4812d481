"""The questions the demo asks, about patients whose facts are fixed; everybody else's are drawn."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from carecircle.assignments.rules import AssignmentType

Instant = Literal["now", "while it held", "before the correction"]

# Patients of North Hospital with a part to play.
AT_HOME = "N-0001"
ON_THE_WARD = "N-0002"
DISCHARGED = "N-0003"
CORRECTED = "N-0004"
CAST = (AT_HOME, ON_THE_WARD, DISCHARGED, CORRECTED)


@dataclass(frozen=True, slots=True)
class Part:
    """A fixed fact: days before the demo was built when it began and, unless it is open, ended."""

    patient: str
    provider: str
    kind: AssignmentType
    began: int
    ended: int | None = None


PARTS = (
    Part(AT_HOME, "okafor", "primary", 1460),
    Part(AT_HOME, "lindqvist", "attending", 1120, 1117),
    Part(AT_HOME, "yilmaz", "consulting", 300),
    Part(ON_THE_WARD, "brandt", "primary", 800),
    Part(ON_THE_WARD, "rossi", "attending", 2),
    Part(DISCHARGED, "haddad", "primary", 620),
    Part(DISCHARGED, "novak", "consulting", 400, 45),
    Part(CORRECTED, "mensah", "primary", 900),
    # Entered for the wrong person, and corrected: it was Dr. Yilmaz who was asked for advice.
    Part(CORRECTED, "petrov", "consulting", 40),
)
CORRECTIONS = {(CORRECTED, "petrov"): "yilmaz"}
WARD_OF = {ON_THE_WARD: "Ward 2 Cardiology"}


@dataclass(frozen=True, slots=True)
class Asked:
    """One question, and why it is worth asking."""

    why: str
    provider: str
    action: str
    patient: str
    at: Instant = "now"

    @property
    def about(self) -> tuple[str, str]:
        return self.patient, self.provider


QUESTIONS = (
    Asked("Dr. Okafor is the patient's own doctor", "okafor", "read", AT_HOME),
    Asked("Dr. Lindqvist treated the same patient three years ago, and has no business here now",
          "lindqvist", "read", AT_HOME),
    Asked("Claire Moreau is a nurse on the ward where another patient lies: no assignment, but a seat on the ward's team",
          "moreau", "write", ON_THE_WARD),
    Asked("She wants to order a drug; a nurse's seat grants reading and writing", "moreau", "order", ON_THE_WARD),
    Asked("Dr. Novak was consulted, and his part has ended", "novak", "read", DISCHARGED),
    Asked("Was he right to look in on a day in between? Old access can be accounted for",
          "novak", "read", DISCHARGED, "while it held"),
    Asked("Dr. Petrov was entered by mistake; the mistake has been corrected", "petrov", "read", CORRECTED),
    Asked("Why was he let in before? Because this was believed then", "petrov", "read", CORRECTED,
          "before the correction"),
    Asked("Nobody knows this action: denied, and recorded all the same", "okafor", "prescribe", AT_HOME),
    Asked("Dr. Ito works at Harbour Clinic, another organization: here nobody knows her", "ito", "read", AT_HOME),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Instants:
    """The two clocks of one question; None means now."""

    as_of: datetime | None = None
    believed_at: datetime | None = None


def middle(starts_at: datetime, ends_at: datetime) -> datetime:
    """An instant when an ended part held, at a full hour."""
    return (starts_at + (ends_at - starts_at) / 2).replace(minute=0, second=0, microsecond=0)
