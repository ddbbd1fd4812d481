"""What a person can hold here: direct assignments. An emergency assignment is for one person, and is never handed over."""

from __future__ import annotations

from carecircle.assignments.tables import PatientAssignment
from carecircle.directory.holdings import Holding

DIRECT_ASSIGNMENTS = Holding(
    "direct-assignment",
    PatientAssignment,
    named="assignment_type",
    patient="patient_id",
    passed_on=True,
    personal=frozenset({"emergency"}),
    once=("patient_id", "assignment_type", "rests_on", "referral_id"),
)
