"""Mapped classes of restrictions: what takes access away."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.orm import Mapped

from carecircle.database.facts import Fact


class AccessRestriction(Fact):
    """A patient's objection to a provider (kind `objection`), or a provider kept from all patients (`suspension`)."""

    __tablename__ = "access_restrictions"
    kind: Mapped[str]
    provider_id: Mapped[UUID]
    patient_id: Mapped[UUID | None]


class PatientLabel(Fact):
    """A sensitivity label: while it holds, only a direct assignment lets in."""

    __tablename__ = "patient_labels"
    patient_id: Mapped[UUID]
    label: Mapped[str]
