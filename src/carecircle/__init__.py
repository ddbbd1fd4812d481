"""carecircle: each patient's circle of care, who may see whom and why, and the proof of every answer."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from carecircle import directory as directory
    from carecircle.access.decision import AccessDecision as AccessDecision
    from carecircle.access.decision import Basis as Basis
    from carecircle.access.decision import Listing as Listing
    from carecircle.access.decision import MissingPath as MissingPath
    from carecircle.access.decision import Question as Question
    from carecircle.access.decision import Remedy as Remedy
    from carecircle.access.decision import Restriction as Restriction
    from carecircle.access.service import Access as Access
    from carecircle.actor import Actor as Actor
    from carecircle.actor import acting_as as acting_as
    from carecircle.bootstrap import CareCircle as CareCircle
    from carecircle.bootstrap import assemble as assemble
    from carecircle.database.reach import reach as reach
    from carecircle.identifiers import Identifier as Identifier
    from carecircle.identifiers import parse_reference as parse_reference
    from carecircle.identifiers import to_text as to_text
    from carecircle.period import FOREVER as FOREVER
    from carecircle.period import Period as Period
    from carecircle.policy import Policy as Policy
    from carecircle.services import AssignmentValidator as AssignmentValidator
    from carecircle.services import BreakGlassReason as BreakGlassReason
    from carecircle.services import CareTeamService as CareTeamService
    from carecircle.services import CrossCoverageManager as CrossCoverageManager
    from carecircle.services import EmergencyAccessManager as EmergencyAccessManager
    from carecircle.services import PatientAssignmentService as PatientAssignmentService
    from carecircle.settings import Settings as Settings

# Where each public name lives. They are loaded on first use: a command that needs one thing does not wait for all.
_HOMES = {
    "access.decision": ("AccessDecision", "Basis", "Listing", "MissingPath", "Question", "Remedy", "Restriction"),
    "access.service": ("Access",),
    "actor": ("Actor", "acting_as"),
    "bootstrap": ("CareCircle", "assemble"),
    "database.reach": ("reach",),
    "identifiers": ("Identifier", "parse_reference", "to_text"),
    "period": ("FOREVER", "Period"),
    "policy": ("Policy",),
    "services": (
        "AssignmentValidator",
        "BreakGlassReason",
        "CareTeamService",
        "CrossCoverageManager",
        "EmergencyAccessManager",
        "PatientAssignmentService",
    ),
    "settings": ("Settings",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = sorted([*_HOME_OF, "directory"])


def __getattr__(name: str) -> Any:
    if name == "directory":
        return import_module("carecircle.directory")
    if name in _HOME_OF:
        return getattr(import_module(f"carecircle.{_HOME_OF[name]}"), name)
    raise AttributeError(f"module 'carecircle' has no attribute {name!r}")
