"""Applying a plan, one batch a transaction: facts superseded, entries appended and outcomes kept together, or not at all."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import ScalarSelect, Select, func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.actor import Actor, actor_of, organization_of
from carecircle.assignments.holdings import DIRECT_ASSIGNMENTS
from carecircle.audit.entry import Entry, append
from carecircle.database.constraints import translated
from carecircle.database.session import enter_tenant, instant, lock_patient, take_turns
from carecircle.directory.following_service import keep_apart
from carecircle.errors import ReassignmentReverted
from carecircle.identifiers import to_text
from carecircle.period import show
from carecircle.staffing.matching_service import STILL_NEEDED
from carecircle.staffing.plan_service import find
from carecircle.staffing.registry import BY_KIND
from carecircle.staffing.rules import COVERS
from carecircle.staffing.standing_service import Restricted, credentials_of, restrictions_on
from carecircle.staffing.tables import Reassignment, ReassignmentItem, ReassignmentOutcome
from carecircle.staffing.turnover_service import Held, Successor, by_id, close, follow, in_the_way

HANDED_OVER, ENDED, CHANGED, OVER = "handed-over", "ended", "changed-since", "over-already"
SUSPENDED, OBJECTED, UNQUALIFIED = "destination-suspended", "destination-objected", "destination-unqualified"
STAYS = (SUSPENDED, OBJECTED, UNQUALIFIED, COVERS)
LEFT_ALONE = (CHANGED, *STAYS, STILL_NEEDED)


@dataclass(frozen=True, slots=True)
class Batch:
    """What one transaction did: outcomes by name, and how many items still wait."""

    outcomes: Counter[str]
    left: int


@dataclass(slots=True)
class Changes:
    """What is to be written for some items: closings and successors by kind, entries, outcomes."""

    closings: dict[str, list[tuple[UUID, UUID]]] = field(default_factory=lambda: defaultdict(list))
    successors: dict[str, list[Successor]] = field(default_factory=lambda: defaultdict(list))
    entries: list[Entry] = field(default_factory=list)
    outcomes: list[dict[str, object]] = field(default_factory=list)

    async def write(self, db: AsyncSession, tenant: UUID, now: datetime) -> Counter[str]:
        """Entries first, then every closing, then what follows. Raises StaleVersion when a row or a step was taken."""
        await append(db, *self.entries)
        for kind, closings in self.closings.items():
            await close(db, tenant, BY_KIND[kind], closings, now)
        for kind, successors in self.successors.items():
            await follow(db, tenant, BY_KIND[kind], successors, now)
        if self.outcomes:
            await db.execute(insert(ReassignmentOutcome), self.outcomes)
        return Counter(str(one["outcome"]) for one in self.outcomes)


async def apply_batch(
    db: AsyncSession,
    *,
    reassignment_id: UUID,
    patients: int = 100,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> Batch:
    """Hand over what the plan says for the next `patients` patients (then for as many seats), each under its lock.

    An item whose fact is no longer the one that was planned is left alone, and so is everything of a patient whose
    primary changed. What was to go to somebody who has been suspended, to whom the patient has objected, or who has lost
    a credential it rests on, stays with the leaver, and so does what serves those who stay. Raises ReassignmentNotFound,
    ReassignmentReverted.
    """
    who = actor_of(actor)
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        await take_turns(db, tenant, reassignment_id)  # two who apply or revert one plan, batch by batch
        plan = await find(db, tenant, reassignment_id)
        if "revert" in await last_steps(db, plan):
            raise ReassignmentReverted
        waiting = select(ReassignmentItem).where(
            ReassignmentItem.organization_id == tenant,
            ReassignmentItem.reassignment_id == reassignment_id,
            ReassignmentItem.planned != "exception",
            outcome_of("apply").is_(None),
        )
        items, now = await next_items(db, tenant, waiting, patients)
        outcomes = await (await _changes(db, plan, items, now, who)).write(db, tenant, now)
        left = await db.scalar(select(func.count()).select_from(waiting.subquery()))
        return Batch(outcomes, left or 0)


async def last_steps(db: AsyncSession, plan: Reassignment) -> dict[str, datetime]:
    """When each step of a plan last did something."""
    rows = await db.execute(
        select(ReassignmentOutcome.step, func.max(ReassignmentOutcome.recorded_at))
        .where(
            ReassignmentOutcome.organization_id == plan.organization_id,
            ReassignmentOutcome.reassignment_id == plan.id,
        )
        .group_by(ReassignmentOutcome.step)
    )
    return {row[0]: row[1] for row in rows}


async def next_items(
    db: AsyncSession, tenant: UUID, waiting: Select[ReassignmentItem], patients: int
) -> tuple[Sequence[ReassignmentItem], datetime]:
    """The waiting items of the next patients, whose locks are then held, or of so many seats; and the instant."""
    mine = waiting.subquery()
    chosen = list(
        await db.scalars(
            select(mine.c.patient_id)
            .where(mine.c.patient_id.is_not(None))
            .distinct()
            .order_by(mine.c.patient_id)
            .limit(patients)
        )
    )
    if not chosen:
        items = await db.scalars(waiting.order_by(ReassignmentItem.id).limit(patients))
        return items.all(), await instant(db)
    await keep_apart(db, tenant, chosen)
    now = await instant(db)
    for patient_id in chosen:
        now = await lock_patient(db, tenant, patient_id)
    items = await db.scalars(waiting.where(ReassignmentItem.patient_id.in_(chosen)).order_by(ReassignmentItem.id))
    return items.all(), now


def outcome_of(step: str) -> ScalarSelect[str]:
    """An item's outcome of a step, or null. Looked up item by item: a join is planned from statistics that lag behind."""
    return (
        select(ReassignmentOutcome.outcome)
        .where(
            ReassignmentOutcome.organization_id == ReassignmentItem.organization_id,
            ReassignmentOutcome.reassignment_id == ReassignmentItem.reassignment_id,
            ReassignmentOutcome.item_id == ReassignmentItem.id,
            ReassignmentOutcome.step == step,
        )
        .correlate(ReassignmentItem)
        .scalar_subquery()
    )


async def _changes(
    db: AsyncSession, plan: Reassignment, items: Sequence[ReassignmentItem], now: datetime, who: Actor
) -> Changes:
    tenant, at = plan.organization_id, max(now, plan.effective_at)
    changes = Changes()
    open_rows: dict[UUID, Held] = {}
    needless: set[tuple[UUID, UUID]] = set()
    for kind, mine in _by_kind(items).items():
        open_rows |= await by_id(db, tenant, BY_KIND[kind], [item.fact_id for item in mine])
        wanted = [(item.fact_id, item.provider_id) for item in mine if item.provider_id is not None]
        needless |= await in_the_way(db, tenant, BY_KIND[kind], wanted, at)
    skipped = {item.patient_id for item in items if _is_primary(item) and item.fact_id not in open_rows}
    restricted = await restrictions_on(db, tenant, {item.provider_id for item in items if item.provider_id}, at)
    unqualified = await _unqualified(db, tenant, items, open_rows, at)
    somebody_stays = await _somebody_stays(db, plan, items)
    entries: dict[object, Entry] = {}
    for item in items:
        row, holding = open_rows.get(item.fact_id), BY_KIND[item.kind]
        unneeded = item.provider_id is not None and (item.fact_id, item.provider_id) in needless
        left = CHANGED if holding.follows_patient and item.patient_id in skipped else _left(item, row, at, restricted)
        if left is None and item.provider_id is not None and about_of(item) in unqualified:
            left = UNQUALIFIED
        if left is None and holding.covered and unneeded:
            left = COVERS
        if left is None and holding.serves_the_panel and somebody_stays:
            left = STILL_NEEDED
        if row is None or left is not None:
            somebody_stays = somebody_stays or left in STAYS
            changes.outcomes.append(outcome_row(item, "apply", left or CHANGED, now))
            continue
        about = about_of(item)
        if about not in entries:
            entries[about] = _entry(plan, item, at, who)
            changes.entries.append(entries[about])
        entry_id = entries[about].id
        changes.closings[item.kind].append((row.id, entry_id))
        ended = Successor.ended(row, at, entry_id) if row.starts_at < at else None
        successor = None
        if item.provider_id is not None and not unneeded and row.lapses_at > at:
            successor = Successor.handed_over(row, at, entry_id, item.provider_id, keeps_lineage=holding.keeps_lineage)
        changes.successors[item.kind] += [one for one in (ended, successor) if one is not None]
        changes.outcomes.append(
            outcome_row(
                item, "apply", HANDED_OVER if successor else ENDED, now,
                ended_id=ended.id if ended else None, successor_id=successor.id if successor else None, entry_id=entry_id,
            )
        )  # fmt: skip
    return changes


def _left(item: ReassignmentItem, row: Held | None, at: datetime, restricted: Restricted) -> str | None:
    """Why an item is left as it is."""
    if row is None:
        return CHANGED
    if row.ends_at <= at:
        return OVER
    if item.provider_id in restricted.suspended:
        return SUSPENDED
    if item.patient_id is not None and item.provider_id in restricted.objected.get(item.patient_id, ()):
        return OBJECTED
    return None


def _is_primary(item: ReassignmentItem) -> bool:
    return item.kind == DIRECT_ASSIGNMENTS.kind and item.named == "primary"


def about_of(item: ReassignmentItem) -> UUID:
    """What is done together and told in one entry: all that goes with a patient; or a seat, an arrangement."""
    return item.patient_id if BY_KIND[item.kind].follows_patient and item.patient_id else item.id


async def _unqualified(
    db: AsyncSession, tenant: UUID, items: Sequence[ReassignmentItem], rows: Mapping[UUID, Held], at: datetime
) -> set[UUID]:
    """What (see about_of) rests on a credential that who it should go to no longer holds then."""
    resting = {
        item: row.rests_on
        for item in items
        if item.provider_id is not None and (row := rows.get(item.fact_id)) is not None and row.rests_on
    }
    if not resting:
        return set()
    known = await credentials_of(db, tenant, {item.provider_id for item in resting if item.provider_id}, at)
    return {
        about_of(item)
        for item, needs in resting.items()
        if item.provider_id is not None and not known.held.get(item.provider_id, set()).issuperset(needs)
    }


async def _somebody_stays(db: AsyncSession, plan: Reassignment, items: Sequence[ReassignmentItem]) -> bool:
    """Whether something of the panel was left with the leaver before, where that matters to any of these items."""
    if not any(BY_KIND[item.kind].serves_the_panel for item in items):
        return False
    stayed = select(ReassignmentOutcome.item_id).where(
        ReassignmentOutcome.organization_id == plan.organization_id,
        ReassignmentOutcome.reassignment_id == plan.id,
        ReassignmentOutcome.step == "apply",
        ReassignmentOutcome.outcome.in_(STAYS),
    )
    return await db.scalar(stayed.limit(1)) is not None


def outcome_row(
    item: ReassignmentItem,
    step: str,
    outcome: str,
    now: datetime,
    *,
    ended_id: UUID | None = None,
    successor_id: UUID | None = None,
    entry_id: UUID | None = None,
) -> dict[str, object]:
    return {
        "organization_id": item.organization_id,
        "reassignment_id": item.reassignment_id,
        "item_id": item.id,
        "step": step,
        "outcome": outcome,
        "ended_id": ended_id,
        "successor_id": successor_id,
        "entry_id": entry_id,
        "recorded_at": now,
    }


def _entry(plan: Reassignment, item: ReassignmentItem, at: datetime, who: Actor) -> Entry:
    """One entry for everything of a patient, or for a seat."""
    detail = {
        "reassignment": to_text(plan.id),
        "from": to_text(plan.provider_id),
        "effective_at": show(at),
        "care_team": to_text(item.care_team_id) if item.care_team_id else None,
    }
    return Entry(
        plan.organization_id, "change", who, "handed-over" if item.provider_id else "ended-on-leaving",
        provider_id=item.provider_id or plan.provider_id, patient_id=item.patient_id,
        detail={name: value for name, value in detail.items() if value is not None},
    )  # fmt: skip


def _by_kind(items: Iterable[ReassignmentItem]) -> dict[str, list[ReassignmentItem]]:
    found: dict[str, list[ReassignmentItem]] = defaultdict(list)
    for item in items:
        found[item.kind].append(item)
    return found
