"""The embedding API in the two documents' names. Thin: the work is in the rooms.

Changes join the caller's AsyncSession and commit or roll back with it; decisions run and commit on carecircle's own
connection. Organization and actor come from the call, the constructor, or `carecircle.acting_as(…)` around it.
"""

from carecircle.services.assignments import CareTeamService, PatientAssignmentService
from carecircle.services.coverage import CrossCoverageManager
from carecircle.services.emergency import BreakGlassReason, EmergencyAccessManager
from carecircle.services.validator import AssignmentValidator

__all__ = [
    "AssignmentValidator", "BreakGlassReason", "CareTeamService", "CrossCoverageManager", "EmergencyAccessManager",
    "PatientAssignmentService",
]  # fmt: skip
