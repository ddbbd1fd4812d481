"""The questions the demo asks, about patients whose facts are fixed; everybody else's are drawn."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from carecircle.assignments.rules import AssignmentType

Instant = Literal["now", "before the correction"]

# Patients of North Hospital with a part to play.
AT_HOME = "N-0001"
ON_THE_WARD = "N-0002"
DISCHARGED = "N-0003"
CORRECTED = "N-0004"
CAST = (AT_HOME, ON_THE_WARD, DISCHARGED, CORRECTED)
# These three come after those who are drawn.
PROMINENT = "N-2201"
REFERRED = "N-2202"
OPENED_TWICE = "N-2203"

CARDIOLOGY = "Ward 2 Cardiology"
EMERGENCY_DEPARTMENT = "Emergency department"
ENDOCRINOLOGY = "207RE0101X"
OBJECTS_TO = "tanaka"
# Who is covered tonight, and by whom.
ON_CALL = (("okafor", "haddad"), ("haddad", "nakamura"))

# Who breaks the glass, for whom, why, who decides and who reviews it.
BREAKER, BROUGHT_IN, REASON, SUPERVISOR, REVIEWER = "reyes", DISCHARGED, "unresponsive", "lehmann", "amsel"


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
WARD_OF = {ON_THE_WARD: CARDIOLOGY}


@dataclass(frozen=True, slots=True)
class Asked:
    """One question, why it is worth asking, and the code of its answer.

    With `earlier`, it is asked again as of so many days before the demo was made complete: then the answer was yes.
    """

    why: str
    provider: str
    action: str
    patient: str
    expected: str = "allowed"
    at: Instant = "now"
    earlier: int | None = None

    @property
    def about(self) -> tuple[str, str]:
        return self.patient, self.provider


QUESTIONS = (
    Asked("Dr. Okafor is the patient's own doctor", "okafor", "read", AT_HOME),
    Asked("Dr. Lindqvist treated the same patient three years ago, and has no business here now",
          "lindqvist", "read", AT_HOME, "no-relationship"),
    Asked("Dr. Haddad is on call for Dr. Okafor tonight", "haddad", "read", AT_HOME),
    Asked("Dr. Nakamura is on call for Dr. Haddad: access passes one hop, so nothing of Dr. Okafor's comes with it",
          "nakamura", "read", AT_HOME, "no-relationship"),
    Asked("A second record of the same patient was merged into the first; its number still leads there",
          "okafor", "read", OPENED_TWICE),
    Asked("Claire Moreau is a nurse on the ward where another patient lies: no assignment, but a seat on the ward's team",
          "moreau", "write", ON_THE_WARD),
    Asked("She wants to order a drug; a nurse's seat grants reading and writing",
          "moreau", "order", ON_THE_WARD, "action-not-granted"),
    Asked("Yui Tanaka has the same seat, and the patient objects to her: that beats any seat",
          "tanaka", "read", ON_THE_WARD, "restricted", earlier=1),
    Asked("Somebody whom the newspapers know lies there too, and is labelled so: a seat lets Claire Moreau in no longer",
          "moreau", "read", PROMINENT, "restricted", earlier=2),
    Asked("Dr. Rossi attends on that patient; the label lets in whoever is assigned directly", "rossi", "read", PROMINENT),
    Asked("Dr. Yilmaz was assigned on a referral, and the referral has ended",
          "yilmaz", "read", REFERRED, "no-relationship", earlier=10),
    Asked("Dr. Novak's assignment rests on a licence that has lapsed; renewing the licence brings both back",
          "novak", "read", REFERRED, "no-relationship", earlier=10),
    Asked("Dr. Petrov was entered by mistake; the mistake has been corrected",
          "petrov", "read", CORRECTED, "no-relationship"),
    Asked("Why was he let in before? Because this was believed then", "petrov", "read", CORRECTED,
          at="before the correction"),
    Asked("Dr. Ito works at Harbour Clinic, another organization: here nobody knows her",
          "ito", "read", AT_HOME, "unknown-provider"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Instants:
    """What was believed when (None: now) a question goes by, and as of when it is asked again, if it is."""

    believed_at: datetime | None = None
    earlier: datetime | None = None
