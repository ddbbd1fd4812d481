"""The outbox: putting down what is due, in the transaction that makes it due; claiming, settling and postponing it."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, text
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.identifiers import OrganizationId, new_id
from carecircle.notices.tables import Due

CHANNEL = "carecircle"
"""What PostgreSQL notifies when something was put down or changed; the payload is an organization's id, nothing else."""
LONGEST_WAIT = timedelta(minutes=1)


async def put(
    db: AsyncSession,
    tenant: OrganizationId,
    kind: str,
    *,
    subject_id: UUID,
    due_at: datetime,
    entry_id: UUID,
    recipient_id: UUID | None = None,
    address: str = "",
) -> Due:
    """Put down that something is due; it is, if and only if this transaction commits."""
    due = Due(
        organization_id=tenant, id=new_id(), kind=kind, subject_id=subject_id, recipient_id=recipient_id,
        address=address, due_at=due_at, entry_id=entry_id,
    )  # fmt: skip
    db.add(due)
    await db.flush()
    return due


async def wake(db: AsyncSession, tenant: OrganizationId) -> None:
    """Tell whoever listens, at the commit, that something changed in this organization."""
    await db.execute(text("select pg_notify(:channel, :tenant)"), {"channel": CHANNEL, "tenant": str(tenant)})


async def settle(db: AsyncSession, due: Due, outcome: str) -> None:
    """It was done; `outcome` is a code."""
    due.settled_at = func.clock_timestamp()
    due.attempts += 1
    due.outcome = outcome
    await db.flush()


REARMED = "armed-again"


async def rearm(db: AsyncSession, due: Due, at: datetime) -> str:
    """Look again at `at`: the same row, however often. The outcome that says so."""
    due.due_at = at
    due.outcome = REARMED
    await db.flush()
    return REARMED


async def postpone(db: AsyncSession, due: Due, outcome: str) -> None:
    """It could not be done; it is due again after 1, 2, 4, … seconds, a minute at most. `outcome` is a code."""
    wait = min(timedelta(seconds=2 ** min(due.attempts, 10)), LONGEST_WAIT)
    due.attempts += 1
    due.outcome = outcome
    due.due_at = func.clock_timestamp() + wait
    await db.flush()
