"""How far behind sending is in one organization: what is due by the database's clock and was not done yet."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.actor import organization_of
from carecircle.database.constraints import translated
from carecircle.database.session import enter_tenant
from carecircle.notices.tables import Due


@dataclass(frozen=True, slots=True)
class Backlog:
    """How many notices and steps are unsettled though they are due, and how long the first of them waits since it was put down.

    A notice that fails is due again a little later each time; `oldest` counts from its first day. What lies ahead, such as
    a review's date, is none of it.
    """

    count: int
    oldest: timedelta


async def backlog(db: AsyncSession, *, organization: UUID | str | None = None) -> Backlog:
    """What is due now, or was tried and failed, and is not settled; but for what waits for a channel to be configured."""
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        now = func.clock_timestamp()
        due = (Due.due_at <= now) | (Due.attempts > 0)
        since = func.min(Due.recorded_at).filter(Due.attempts > 0)
        waits = func.greatest(now - func.least(since, func.min(Due.due_at)), timedelta(0))
        count, oldest = (
            await db.execute(
                select(func.count(), waits).where(
                    Due.organization_id == tenant, Due.settled_at.is_(None), Due.outcome != "not-configured", due
                )
            )
        ).one()
        return Backlog(count, oldest if count else timedelta(0))
