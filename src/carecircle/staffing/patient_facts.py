"""The one list of what is said about a patient. A fact table with a patient column that is not here fails a test."""

from __future__ import annotations

from dataclasses import dataclass

from carecircle.assignments.tables import PatientAssignment
from carecircle.audit.holds_tables import LegalHold
from carecircle.care_teams.tables import CareTeamPatient
from carecircle.coverage.tables import CoverageArrangement
from carecircle.database.facts import Fact
from carecircle.directory.tables import PatientMerge, PersonalRelation
from carecircle.emergency.tables import EmergencyAccess
from carecircle.referrals.tables import Referral
from carecircle.restrictions.tables import AccessRestriction, PatientLabel


@dataclass(frozen=True, slots=True)
class AboutPatient:
    """A fact table whose rows are about a patient (`patient_id`), and go along when that patient is merged.

    `once` names the columns in which two believed rows of one patient never agree at a time; `until` the column in which
    that time ends. None: there is no such constraint, and all rows go along. What `restricts` takes access away: when two
    records are parted, one too many is the lesser harm.
    """

    kind: str
    table: type[Fact]
    once: tuple[str, ...] | None = None
    until: str = "ends_at"
    restricts: bool = False


DIRECT = AboutPatient("direct-assignment", PatientAssignment)
RELATED = AboutPatient("personal-relation", PersonalRelation, once=("provider_id",), restricts=True)
BROKEN_GLASS = AboutPatient("emergency-access", EmergencyAccess)

# A referral comes before the assignments that rest on it.
PATIENT_FACTS: tuple[AboutPatient, ...] = (
    AboutPatient("referral", Referral),
    DIRECT,
    AboutPatient("care-team-patient", CareTeamPatient, once=("care_team_id",)),
    AboutPatient(
        "coverage",
        CoverageArrangement,
        once=("covered_provider_id", "covering_provider_id", "care_team_id"),
        until="duty_ends_at",
    ),
    AboutPatient("objection", AccessRestriction, once=("kind", "provider_id"), restricts=True),
    AboutPatient("label", PatientLabel, once=("label",), restricts=True),
    RELATED,
    BROKEN_GLASS,
)
# What says that two patients are one is about both, and a hold on entries looks through merges by itself: they stay.
STAYS = (PatientMerge, LegalHold)
