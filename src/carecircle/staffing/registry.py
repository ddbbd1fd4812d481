"""The one list of what a person can hold. A fact table with a provider column that is not here fails a test."""

from __future__ import annotations

from carecircle.assignments.holdings import DIRECT_ASSIGNMENTS
from carecircle.care_teams.holdings import TEAM_SEATS
from carecircle.coverage.holdings import COVERAGE_GIVEN, COVERAGE_RECEIVED
from carecircle.directory.holdings import (
    ABSENCES,
    ACCOUNTS,
    CREDENTIALS,
    DUTIES,
    PROVIDER_ROLES,
    RELATIONS,
    REPORTING,
    SUPERIORS,
    Holding,
)
from carecircle.emergency.holdings import DECIDED, EMERGENCY_ACCESS, REVIEWED, SECONDED
from carecircle.referrals.holdings import REFERRALS, REFERRALS_MADE
from carecircle.restrictions.holdings import RESTRICTIONS
from carecircle.staffing.tables import PanelCapacity

PANEL_CAPACITIES = Holding("panel-capacity", PanelCapacity, named="accepts_new")

# What serves a panel comes after what makes it one: a handover ends it last.
REGISTRY: tuple[Holding, ...] = (
    DIRECT_ASSIGNMENTS,
    REFERRALS,
    TEAM_SEATS,
    COVERAGE_GIVEN,
    COVERAGE_RECEIVED,
    PROVIDER_ROLES,
    CREDENTIALS,
    ABSENCES,
    DUTIES,
    REPORTING,
    SUPERIORS,
    EMERGENCY_ACCESS,
    PANEL_CAPACITIES,
    ACCOUNTS,
    REFERRALS_MADE,
    RESTRICTIONS,
    RELATIONS,
    SECONDED,
    DECIDED,
    REVIEWED,
)
THEIRS = tuple(holding for holding in REGISTRY if not holding.about)
REASSIGNED = tuple(holding for holding in REGISTRY if holding.passed_on or holding.serves_the_panel)
BY_KIND = {holding.kind: holding for holding in REGISTRY}
