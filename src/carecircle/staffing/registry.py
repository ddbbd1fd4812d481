"""The one list of what a person can hold. A fact table with a provider column that is not here fails a test."""

from __future__ import annotations

from carecircle.assignments.holdings import DIRECT_ASSIGNMENTS
from carecircle.care_teams.holdings import TEAM_SEATS
from carecircle.directory.holdings import PROVIDER_ROLES, Holding
from carecircle.staffing.tables import PanelCapacity

PANEL_CAPACITIES = Holding("panel-capacity", PanelCapacity, named="accepts_new")

REGISTRY: tuple[Holding, ...] = (DIRECT_ASSIGNMENTS, TEAM_SEATS, PROVIDER_ROLES, PANEL_CAPACITIES)
PASSED_ON = tuple(holding for holding in REGISTRY if holding.passed_on)
BY_KIND = {holding.kind: holding for holding in REGISTRY}
