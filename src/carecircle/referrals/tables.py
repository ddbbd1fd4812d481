"""Mapped class of referrals."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.orm import Mapped

from carecircle.database.facts import Fact


class Referral(Fact):
    """A provider sends a patient to a specialty, to somebody of it or (None) to whoever takes it.

    Its id outside is the lineage: redirected or prolonged, it stays the same referral.
    """

    __tablename__ = "referrals"
    patient_id: Mapped[UUID]
    referring_provider_id: Mapped[UUID]
    provider_id: Mapped[UUID | None]
    specialty_code: Mapped[str]
