"""Which FHIR resources, participation types and roles mean what here; everything that is not listed grants nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

Phase = Literal["Organization", "Location", "Practitioner", "PractitionerRole", "Patient", "CareTeam", "Encounter"]

# The order in which records are taken: each kind refers only to kinds before it.
PHASES: tuple[Phase, ...] = (
    "Organization",
    "Location",
    "Practitioner",
    "PractitionerRole",
    "Patient",
    "CareTeam",
    "Encounter",
)

# What is kept of each resource while it is being imported; the rest is never held.
KEPT: Mapping[str, tuple[str, ...]] = {
    "Organization": ("identifier", "name"),
    "Location": ("identifier", "name"),
    "Practitioner": ("identifier", "name"),
    "PractitionerRole": (
        "identifier", "active", "period", "practitioner", "organization", "location", "code", "specialty", "contained",
    ),
    "Patient": ("identifier", "name", "birthDate", "gender", "generalPractitioner", "link", "contained"),
    "CareTeam": ("status", "subject", "period", "participant", "category", "contained"),
    "Encounter": ("status", "subject", "period", "participant", "contained"),
}  # fmt: skip

# Not taken, but a reference may name one: it is then known to be nobody who gets access.
BYSTANDERS = ("RelatedPerson", "Group", "Device", "HealthcareService")

PARTICIPATION: Mapping[str, str] = {
    "ATND": "attending",
    "PPRF": "attending",
    "ADM": "admitting",
    "CON": "consulting",
}

# Participants of a care team who take no seat: the patient, the services, an unpaid carer.
NO_SEAT = frozenset({"116154003", "224891009", "133932002", "407542009", "394738000"})

# SNOMED CT and HL7 role codes; a role that is not here is `member`, which grants reading only.
MEMBER_ROLE: Mapping[str, str] = {
    "405279007": "attending",
    "ATND": "attending",
    "attending": "attending",
    "405277009": "resident",
    "158971006": "resident",
    "106292003": "nurse",
    "224535009": "nurse",
    "224546007": "nurse",
    "224570006": "nurse",
    "224571005": "nurse",
    "310190001": "nurse",
    "768820003": "nurse",
    "nurse": "nurse",
    "69280009": "specialist",
    "17561000": "specialist",
    "18803008": "specialist",
    "45440000": "specialist",
    "1251537007": "specialist",
    "specialist": "specialist",
}

STRENGTH = ("member", "nurse", "resident", "specialist", "attending")


def codes_of(concepts: Any) -> list[str]:
    """Every code of a list of CodeableConcepts (or of one), in document order."""
    found = []
    for concept in dicts(concepts):
        found += [
            code for coding in dicts(concept.get("coding")) if 0 < len(code := text_of(coding.get("code"))) <= 100
        ]
    return found


def member_role(codes: Iterable[str]) -> str:
    """The strongest role these codes name; `member` when they name none we know."""
    roles = {MEMBER_ROLE.get(code, "member") for code in codes} | {"member"}
    return max(roles, key=STRENGTH.index)


def dicts(value: Any) -> list[dict[str, Any]]:
    """The objects of a value that may be a list, one object, or nonsense."""
    given = value if isinstance(value, list) else [value]
    return [item for item in given if isinstance(item, dict)]


def text_of(value: Any) -> str:
    """A text, stripped, without the NULs that PostgreSQL cannot keep; empty for anything else."""
    return value.replace("\0", "").strip() if isinstance(value, str) else ""
