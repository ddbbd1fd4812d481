"""What is said here about a person: objections and suspensions, which are not theirs to lose."""

from __future__ import annotations

from carecircle.directory.holdings import Holding
from carecircle.restrictions.tables import AccessRestriction

RESTRICTIONS = Holding("restriction", AccessRestriction, named="kind", patient="patient_id", about=True)
