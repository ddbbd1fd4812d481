"""The mapped class of a finding: what an import or a check could not take, kept until somebody resolves it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Mapped, mapped_column

from carecircle.database.facts import Table
from carecircle.period import FOREVER


class Finding(Table):
    """`sentence` says what is wrong and where, `remedy` what to do; neither holds patient data."""

    __tablename__ = "findings"
    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    lineage_id: Mapped[UUID]
    code: Mapped[str]
    sentence: Mapped[str]
    remedy: Mapped[str] = mapped_column(default="")
    source: Mapped[str] = mapped_column(default="")
    source_record: Mapped[str] = mapped_column(default="")
    source_item: Mapped[str] = mapped_column(default="")
    patient_id: Mapped[UUID | None]
    provider_id: Mapped[UUID | None]
    recorded_at: Mapped[datetime]
    superseded_at: Mapped[datetime] = mapped_column(default=FOREVER)
    entry_id: Mapped[UUID]
    superseded_entry_id: Mapped[UUID | None]
