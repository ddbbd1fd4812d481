"""Taking a handover back: every row it wrote is superseded by what held before, unless somebody changed it since."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.actor import Actor, actor_of, organization_of
from carecircle.audit.entry import Entry
from carecircle.database.constraints import translated
from carecircle.database.session import enter_tenant, instant, take_turns
from carecircle.errors import RevertWindowClosed
from carecircle.identifiers import to_text
from carecircle.staffing.apply_service import (
    CHANGED,
    ENDED,
    HANDED_OVER,
    Batch,
    Changes,
    about_of,
    last_steps,
    next_items,
    outcome_of,
    outcome_row,
)
from carecircle.staffing.plan_service import find
from carecircle.staffing.registry import BY_KIND
from carecircle.staffing.tables import Reassignment, ReassignmentItem, ReassignmentOutcome
from carecircle.staffing.turnover_service import Held, Successor, by_id, in_the_way

REVERT_WITHIN = timedelta(days=7)
RESTORED = "restored"


async def revert_batch(
    db: AsyncSession,
    *,
    reassignment_id: UUID,
    patients: int = 100,
    within: timedelta = REVERT_WITHIN,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> Batch:
    """Restore what the next `patients` patients (then as many seats) had before, where nothing newer changed a row.

    What was written is superseded, not erased: asked what was believed between apply and revert, the receivers are there;
    asked what is believed now, about any instant, they never were. Raises ReassignmentNotFound, and RevertWindowClosed
    when the last batch was applied longer ago than `within` and no revert has begun.
    """
    who = actor_of(actor)
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        await take_turns(db, tenant, reassignment_id)  # two who apply or revert one plan, batch by batch
        plan = await find(db, tenant, reassignment_id)
        await _require_window(db, plan, within)
        waiting = select(ReassignmentItem).where(
            ReassignmentItem.organization_id == tenant,
            ReassignmentItem.reassignment_id == reassignment_id,
            outcome_of("apply").in_((HANDED_OVER, ENDED)),
            outcome_of("revert").is_(None),
        )
        items, now = await next_items(db, tenant, waiting, patients)
        outcomes = await (await _changes(db, plan, items, now, who)).write(db, tenant, now)
        left = await db.scalar(select(func.count()).select_from(waiting.subquery()))
        return Batch(outcomes, left or 0)


async def _require_window(db: AsyncSession, plan: Reassignment, within: timedelta) -> None:
    last = await last_steps(db, plan)
    if "apply" in last and "revert" not in last and last["apply"] < await instant(db) - within:
        raise RevertWindowClosed


async def _changes(
    db: AsyncSession, plan: Reassignment, items: Sequence[ReassignmentItem], now: datetime, who: Actor
) -> Changes:
    tenant, changes = plan.organization_id, Changes()
    written = await _written(db, plan, items)
    by_kind: dict[str, list[ReassignmentItem]] = defaultdict(list)
    for item in items:
        by_kind[item.kind].append(item)
    still: set[UUID] = set()
    before: dict[UUID, Held] = {}
    taken: set[UUID] = set()
    for kind, mine in by_kind.items():
        made = [row for item in mine for row in written[item.id]]
        still |= (await by_id(db, tenant, BY_KIND[kind], made)).keys()
        before |= await by_id(db, tenant, BY_KIND[kind], [item.fact_id for item in mine], believed=False)
        if BY_KIND[kind].exclusive:
            own = [(item.fact_id, plan.provider_id) for item in mine]
            taken |= {row for row, _ in await in_the_way(db, tenant, BY_KIND[kind], own, now, besides=made)}
    entries: dict[object, Entry] = {}
    for item in items:
        made = written[item.id]
        if item.fact_id in taken or not still.issuperset(made):
            changes.outcomes.append(outcome_row(item, "revert", CHANGED, now))
            continue
        about = about_of(item)
        if about not in entries:
            entries[about] = Entry(
                tenant, "change", who, "handover-reverted", provider_id=plan.provider_id, patient_id=item.patient_id,
                detail={"reassignment": to_text(plan.id)},
            )  # fmt: skip
            changes.entries.append(entries[about])
        entry_id = entries[about].id
        changes.closings[item.kind] += [(row, entry_id) for row in made]
        changes.successors[item.kind].append(Successor.restored(before[item.fact_id], entry_id))
        changes.outcomes.append(outcome_row(item, "revert", RESTORED, now, entry_id=entry_id))
    return changes


async def _written(db: AsyncSession, plan: Reassignment, items: Sequence[ReassignmentItem]) -> dict[UUID, list[UUID]]:
    """The facts that apply wrote in place of each item's."""
    rows = await db.scalars(
        select(ReassignmentOutcome).where(
            ReassignmentOutcome.organization_id == plan.organization_id,
            ReassignmentOutcome.reassignment_id == plan.id,
            ReassignmentOutcome.step == "apply",
            ReassignmentOutcome.item_id.in_([item.id for item in items]),
        )
    )
    return {row.item_id: [one for one in (row.ended_id, row.successor_id) if one is not None] for row in rows}
