"""What the demo's invented import could not take: waiting for somebody to solve it."""

from __future__ import annotations

from carecircle.demo.facts import fixed_id
from carecircle.demo.people import House
from carecircle.findings.service import NewFinding

SOURCE = "demo-export"
_PRIMARY = "If this one is the true primary: carecircle assign primary PATIENT PROVIDER."
_SOURCE = "Correct it at the source and import it again."


def left_over(house: House) -> tuple[NewFinding, ...]:
    """A handful of findings, worded as an import words them; which patient is meant is an id."""

    def finding(record: str, item: str, code: str, sentence: str, remedy: str, patient: int = 0) -> NewFinding:
        meant = fixed_id(house.slug, f"{house.letter}-{patient:04}") if patient else None
        return NewFinding(SOURCE, record, item, code, f"{record}: {sentence}", remedy, meant)

    second = "generalPractitioner[1] would be a second primary provider in the same period; the present one stays."
    return (
        finding("Patient/0012", "generalPractitioner:1", "primary-already-assigned", second, _PRIMARY, 12),
        finding("Patient/0077", "generalPractitioner:1", "primary-already-assigned", second, _PRIMARY, 77),
        finding("Encounter/8841", "participant:0", "period-ends-before-start",
                "the attending's period ends before it starts.", _SOURCE, 31),
        finding("Encounter/9010", "participant:2", "reference-dangling",
                "it refers to a practitioner who is not registered here.",
                "Export the practitioner too, or correct the reference, and import it again.", 45),
        finding("CareTeam/305", "period", "period-missing",
                "the team is inactive, and nothing says since when.", _SOURCE),
        finding("Encounter/9127", "period", "date-unusable", "its start cannot be read as a date.", _SOURCE, 58),
    )  # fmt: skip
