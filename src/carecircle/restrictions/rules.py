"""The sensitivity labels a patient can have, as HL7 codes them and as people read them."""

from __future__ import annotations

from dataclasses import dataclass

CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"


@dataclass(frozen=True, slots=True)
class Label:
    """A code, the system it is from, and how people read it. Which label a patient has is about their health: never tell it
    to somebody who was refused."""

    code: str
    system: str
    display: str


LABELS: dict[str, Label] = {
    label.code: label
    for label in (
        Label("R", CONFIDENTIALITY, "restricted"),
        Label("CEL", ACT_CODE, "person of public interest"),
        Label("EMP", ACT_CODE, "employee"),
        Label("PSY", ACT_CODE, "psychiatry"),
        Label("HIV", ACT_CODE, "HIV"),
        Label("SUD", ACT_CODE, "substance use"),
    )
}
