"""Mapped class of coverage: one provider stands in for another."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Mapped, mapped_column

from carecircle.database.facts import Fact


class CoverageArrangement(Fact):
    """One provider stands in for another: for all they hold, for a seat on one team, or for one named patient.

    Rows of one `arrangement_id` were arranged together (named patients, the turns of a rota). Responsibility ends at
    `duty_ends_at`, access at `ends_at`, a grace later.
    """

    __tablename__ = "coverage_arrangements"
    arrangement_id: Mapped[UUID]
    covered_provider_id: Mapped[UUID]
    covering_provider_id: Mapped[UUID]
    coverage_type: Mapped[str]
    care_team_id: Mapped[UUID | None]
    patient_id: Mapped[UUID | None]
    scope: Mapped[list[str]]
    rests_on: Mapped[list[str]] = mapped_column(default=list)
    duty_ends_at: Mapped[datetime]
