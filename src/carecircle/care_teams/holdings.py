"""What a person can hold here: seats on care teams, one per team at a time."""

from __future__ import annotations

from carecircle.care_teams.tables import CareTeamMember
from carecircle.directory.holdings import Holding

TEAM_SEATS = Holding(
    "care-team-seat",
    CareTeamMember,
    named="member_role",
    care_team="care_team_id",
    passed_on=True,
    once=("care_team_id",),
    exclusive=True,
)
