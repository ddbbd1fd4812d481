"""The mapped class of a direct assignment: primary, consulting, attending, admitting, emergency."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.orm import Mapped, mapped_column

from carecircle.database.facts import Fact


class PatientAssignment(Fact):
    """One provider's direct part in one patient's care, for a period; `scope` holds the actions it grants.

    It holds only while every credential in `rests_on` does, and, with a `referral_id`, that referral (by lineage).
    """

    __tablename__ = "patient_assignments"
    patient_id: Mapped[UUID]
    provider_id: Mapped[UUID]
    assignment_type: Mapped[str]
    scope: Mapped[list[str]]
    rests_on: Mapped[list[str]] = mapped_column(default=list)
    referral_id: Mapped[UUID | None]
