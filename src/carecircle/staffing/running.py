"""A handover from its first waiting batch to its last, each in a transaction of its own; dying in between loses nothing."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from carecircle.audit import metrics
from carecircle.errors import StaleVersion
from carecircle.staffing.apply_service import Batch, apply_batch
from carecircle.staffing.revert_service import revert_batch

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from carecircle.actor import Actor

Begin = Callable[[], "AbstractAsyncContextManager[AsyncSession]"]
# A batch that met somebody else's change is rolled back and chosen anew; so often without any getting through is no accident.
TRIES = 5


@dataclass(frozen=True, slots=True)
class Progress:
    """Items done in this run and left over, what became of those done, and the seconds it took so far."""

    done: int
    left: int
    outcomes: Counter[str]
    seconds: float


async def run_apply(
    begin: Begin,
    reassignment_id: UUID,
    *,
    patients: int = 100,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> AsyncIterator[Progress]:
    """Apply what still waits, telling after every batch. `begin` opens a transaction that commits at the block's end."""

    async def one(db: AsyncSession) -> Batch:
        return await apply_batch(
            db, reassignment_id=reassignment_id, patients=patients, organization=organization, actor=actor
        )

    async for progress in _run(begin, one):
        yield progress


async def run_revert(
    begin: Begin,
    reassignment_id: UUID,
    *,
    patients: int = 100,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> AsyncIterator[Progress]:
    """Take back what was applied, telling after every batch."""

    async def one(db: AsyncSession) -> Batch:
        return await revert_batch(
            db, reassignment_id=reassignment_id, patients=patients, organization=organization, actor=actor
        )

    async for progress in _run(begin, one):
        yield progress


async def _run(begin: Begin, one: Callable[[AsyncSession], Awaitable[Batch]]) -> AsyncIterator[Progress]:
    began = time.monotonic()
    outcomes: Counter[str] = Counter()
    metrics.BULK_REASSIGNMENTS.inc()
    while True:
        batch = await _persist(begin, one)
        outcomes += batch.outcomes
        yield Progress(outcomes.total(), batch.left, Counter(outcomes), time.monotonic() - began)
        if not batch.left:
            return


async def _persist(begin: Begin, one: Callable[[AsyncSession], Awaitable[Batch]]) -> Batch:
    for _ in range(TRIES - 1):
        try:
            async with begin() as db:
                return await one(db)
        except StaleVersion:
            continue
    async with begin() as db:
        return await one(db)
