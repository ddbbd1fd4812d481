"""What a person can hold here: standing in for somebody, which is passed on, and being stood in for, which ends."""

from __future__ import annotations

from carecircle.coverage.tables import CoverageArrangement
from carecircle.directory.holdings import Holding

COVERAGE_GIVEN = Holding(
    "coverage-given",
    CoverageArrangement,
    named="coverage_type",
    provider="covering_provider_id",
    patient="patient_id",
    care_team="care_team_id",
    covered="covered_provider_id",
    passed_on=True,
    once=("covered_provider_id", "care_team_id", "patient_id"),
    exclusive=True,
    also_ends=("duty_ends_at",),
)

COVERAGE_RECEIVED = Holding(
    "coverage-received",
    CoverageArrangement,
    named="coverage_type",
    provider="covered_provider_id",
    patient="patient_id",
    care_team="care_team_id",
    serves_the_panel=True,
    once=("covering_provider_id", "care_team_id", "patient_id"),
    exclusive=True,
    also_ends=("duty_ends_at",),
)
