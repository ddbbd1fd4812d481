"""carecircle: each patient's circle of care, who may see whom and why, and the proof of every answer."""

from carecircle import directory
from carecircle.access.decision import AccessDecision, Basis, Listing, MissingPath, Question, Remedy
from carecircle.access.service import Access
from carecircle.actor import Actor, acting_as
from carecircle.bootstrap import CareCircle, assemble
from carecircle.database.reach import reach
from carecircle.identifiers import Identifier, parse_reference, to_text
from carecircle.period import FOREVER, Period
from carecircle.services import CareTeamService, PatientAssignmentService
from carecircle.settings import Settings

__all__ = [
    "FOREVER",
    "Access",
    "AccessDecision",
    "Actor",
    "Basis",
    "CareCircle",
    "CareTeamService",
    "Identifier",
    "Listing",
    "MissingPath",
    "PatientAssignmentService",
    "Period",
    "Question",
    "Remedy",
    "Settings",
    "acting_as",
    "assemble",
    "directory",
    "parse_reference",
    "reach",
    "to_text",
]
