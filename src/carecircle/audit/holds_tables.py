"""Mapped class of legal holds: what keeps entries of the audit trail beyond their years."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from carecircle.database.facts import Fact


class LegalHold(Fact):
    """From when until when entries are not retired: those about one patient, or all of the organization.

    The lineage is the hold's id outside. `reason` is an envelope bound to the lineage.
    """

    __tablename__ = "legal_holds"
    patient_id: Mapped[UUID | None]
    reason: Mapped[bytes | None] = mapped_column(LargeBinary)
