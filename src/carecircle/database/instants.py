"""How instants travel through SQLAlchemy: aware, in UTC, with FOREVER for PostgreSQL's infinity."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import DateTime
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from carecircle.period import FOREVER


class Instant(TypeDecorator[datetime]):
    """timestamptz; drivers give 'infinity' as a naive or a maximal datetime, we give FOREVER."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return FOREVER if value.tzinfo is None or value.year == FOREVER.year else value.astimezone(UTC)
