"""The mapped class of the outbox."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import FetchedValue
from sqlalchemy.orm import Mapped, mapped_column

from carecircle.database.facts import Table


class Due(Table):
    """Something that is due: a notice to be sent (`email`, `webhook`), or a step to be taken, about `subject_id`.

    Its id is the key by which a receiver recognises what comes twice. Unsettled, it is tried again at `due_at`.
    """

    __tablename__ = "outbox"
    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    subject_id: Mapped[UUID]
    recipient_id: Mapped[UUID | None]
    address: Mapped[str] = mapped_column(default="")
    due_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(default=0)
    settled_at: Mapped[datetime | None]
    outcome: Mapped[str] = mapped_column(default="")
    recorded_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    entry_id: Mapped[UUID]
