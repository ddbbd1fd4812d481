"""What a person can hold here: emergency access that is open or waits; decisions about that of others are not theirs."""

from __future__ import annotations

from carecircle.directory.holdings import Holding
from carecircle.emergency.tables import EmergencyAccess

EMERGENCY_ACCESS = Holding(
    "emergency-access", EmergencyAccess, named="state", patient="patient_id",
    only=("requested", "provisional", "approved"),
)  # fmt: skip
SECONDED = Holding("emergency-seconded", EmergencyAccess, provider="seconded_by_id", patient="patient_id", about=True)
DECIDED = Holding("emergency-decided", EmergencyAccess, provider="decided_by_id", patient="patient_id", about=True)
REVIEWED = Holding("emergency-reviewed", EmergencyAccess, provider="reviewed_by_id", patient="patient_id", about=True)
