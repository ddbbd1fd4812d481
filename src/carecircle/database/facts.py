"""Facts: rows on two clocks that are inserted and superseded, never edited."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, TypeVar
from uuid import UUID

from sqlalchemy import ARRAY, MetaData, Text, Uuid, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from carecircle.database.instants import Instant
from carecircle.errors import StaleVersion
from carecircle.period import FOREVER


class Table(DeclarativeBase):
    """Every mapped class of carecircle; the migrations, not this metadata, make the tables."""

    metadata = MetaData(schema="carecircle")
    type_annotation_map: ClassVar = {
        datetime: Instant(),
        UUID: Uuid(),
        str: Text(),
        list[str]: ARRAY(Text()),
    }


class Fact(Table):
    """When it holds (starts_at, ends_at), and since when, until when, we believed it (recorded_at, superseded_at)."""

    __abstract__ = True

    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    lineage_id: Mapped[UUID]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime] = mapped_column(default=FOREVER)
    recorded_at: Mapped[datetime]
    superseded_at: Mapped[datetime] = mapped_column(default=FOREVER)
    entry_id: Mapped[UUID]
    superseded_entry_id: Mapped[UUID | None]
    source: Mapped[str] = mapped_column(default="")
    source_record: Mapped[str] = mapped_column(default="")
    source_item: Mapped[str] = mapped_column(default="")


AnyFact = TypeVar("AnyFact", bound=Fact)


async def supersede(session: AsyncSession, fact: Fact, entry_id: UUID, at: datetime) -> None:
    """Close a row once, naming the entry that closes it. Raises StaleVersion when somebody closed it before us."""
    closed = await session.execute(
        text(
            f"update carecircle.{fact.__tablename__}"
            " set superseded_at = :at, superseded_xid = pg_current_xact_id(), superseded_entry_id = :entry_id"
            " where organization_id = :organization_id and id = :id and superseded_at = 'infinity' returning id"
        ),
        {"at": at, "entry_id": entry_id, "organization_id": fact.organization_id, "id": fact.id},
    )
    if closed.scalar_one_or_none() is None:
        raise StaleVersion
