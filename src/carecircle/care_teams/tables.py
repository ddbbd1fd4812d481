"""Mapped classes of care teams: the team, the patients it looks after, its members, its closing."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.orm import Mapped, mapped_column

from carecircle.database.facts import Fact, Table


class CareTeam(Table):
    """A team; (system, value) is its identifier, its own id where nobody gave one."""

    __tablename__ = "care_teams"
    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    team_type: Mapped[str] = mapped_column(default="primary")
    system: Mapped[str] = mapped_column(default="")
    value: Mapped[str]


class CareTeamPatient(Fact):
    """A team looks after a patient for a period."""

    __tablename__ = "care_team_patients"
    care_team_id: Mapped[UUID]
    patient_id: Mapped[UUID]


class CareTeamMember(Fact):
    """A provider's seat on a team for a period; `scope` holds the actions the seat grants.

    It holds only while every credential in `rests_on` does.
    """

    __tablename__ = "care_team_members"
    care_team_id: Mapped[UUID]
    provider_id: Mapped[UUID]
    member_role: Mapped[str]
    scope: Mapped[list[str]]
    rests_on: Mapped[list[str]] = mapped_column(default=list)


class CareTeamClosure(Fact):
    """A team is closed: nobody joins it, and its seats and patients ended when it was."""

    __tablename__ = "care_team_closures"
    care_team_id: Mapped[UUID]
