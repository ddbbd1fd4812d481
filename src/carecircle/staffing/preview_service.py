"""What a plan would do, what it has done, and the certificate: who of the panel has a primary provider, read from the circle."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.actor import organization_of
from carecircle.assignments.holdings import DIRECT_ASSIGNMENTS
from carecircle.database.constraints import translated
from carecircle.database.session import enter_tenant, instant
from carecircle.staffing.panel_service import panels
from carecircle.staffing.plan_service import destinations_of, find
from carecircle.staffing.registry import REASSIGNED
from carecircle.staffing.tables import Reassignment, ReassignmentItem, ReassignmentOutcome


@dataclass(frozen=True, slots=True)
class Receiving:
    """A destination's panel as the circle has it, and what this plan still adds and has added."""

    provider_id: UUID
    before: int
    after: int
    cap: int | None
    capacity: int | None
    accepts_new: bool


@dataclass(frozen=True, slots=True)
class Exceptional:
    """Something that the plan leaves with the leaver, or ends without giving it to anybody, and why."""

    kind: str
    named: str
    patient_id: UUID | None
    care_team_id: UUID | None
    planned: str
    reason: str


@dataclass(frozen=True, slots=True)
class Preview:
    """A plan as it stands: panels, counts per (kind, planned, reason), exceptions, and items whose fact changed since."""

    plan: Reassignment
    panels: list[Receiving]
    counts: dict[tuple[str, str, str], int]
    exceptions: list[Exceptional]
    changed: int


@dataclass(frozen=True, slots=True)
class Letter:
    """Whom a patient will have as primary provider, and from when on."""

    patient_id: UUID
    provider_id: UUID
    effective_at: datetime


@dataclass(frozen=True, slots=True)
class Status:
    """How far a plan is: planned, applying, applied, reverting or reverted; outcomes by (step, outcome)."""

    plan: Reassignment
    state: str
    items: int
    exceptions: int
    outcomes: dict[tuple[str, str], int]


@dataclass(frozen=True, slots=True)
class Certificate:
    """Of `patients` whose primary the leaver was, those `without` another one at the effective instant, and why."""

    patients: int
    effective_at: datetime
    without: list[tuple[UUID, str]]


async def preview(db: AsyncSession, *, reassignment_id: UUID, organization: UUID | str | None = None) -> Preview:
    """Panel sizes are those of the effective instant: before the handover, and after all of it."""
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        plan = await find(db, tenant, reassignment_id)
        caps = await destinations_of(db, tenant, reassignment_id)
        at = max(plan.effective_at, await instant(db))
        known = await panels(db, providers=list(caps), as_of=at, organization=tenant)
        mine = (ReassignmentItem.organization_id == tenant, ReassignmentItem.reassignment_id == reassignment_id)
        items = list(await db.scalars(select(ReassignmentItem).where(*mine).order_by(ReassignmentItem.id)))
        done = await _applied(db, plan)
        coming = dict.fromkeys(caps, 0)
        came = dict.fromkeys(caps, 0)
        counts: dict[tuple[str, str, str], int] = {}
        for item in items:
            key = (item.kind, item.planned, item.reason)
            counts[key] = counts.get(key, 0) + 1
            if item.provider_id is not None and (item.kind, item.named) == (DIRECT_ASSIGNMENTS.kind, "primary"):
                if item.id in done:
                    came[item.provider_id] += done[item.id] == "handed-over"
                else:
                    coming[item.provider_id] += 1
        sizes = [
            Receiving(
                one, known[one].size - came[one], known[one].size + coming[one], cap,
                known[one].capacity, known[one].accepts_new,
            )
            for one, cap in caps.items()
        ]  # fmt: skip
        left = [
            Exceptional(item.kind, item.named, item.patient_id, item.care_team_id, item.planned, item.reason)
            for item in items
            if item.planned != "hand-over"
        ]
        return Preview(plan, sizes, dict(sorted(counts.items())), left, await _changed(db, plan))


async def letters(db: AsyncSession, *, reassignment_id: UUID, organization: UUID | str | None = None) -> list[Letter]:
    """The new primary provider of every patient who gets one from this plan, by patient; ids only."""
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        plan = await find(db, tenant, reassignment_id)
        rows = await db.execute(
            _LETTERS, {"tenant": tenant, "plan": reassignment_id, "effective_at": plan.effective_at}
        )
        return [Letter(*row) for row in rows]


async def statuses(
    db: AsyncSession, *, reassignment_id: UUID | None = None, organization: UUID | str | None = None
) -> list[Status]:
    """How far every plan is, newest first, or one of them. Raises ReassignmentNotFound."""
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        if reassignment_id is not None:
            return [await _status(db, await find(db, tenant, reassignment_id))]
        plans = await db.scalars(
            select(Reassignment)
            .where(Reassignment.organization_id == tenant)
            .order_by(Reassignment.recorded_at.desc(), Reassignment.id.desc())
        )
        return [await _status(db, plan) for plan in plans.all()]


async def certificate(
    db: AsyncSession, *, reassignment_id: UUID, organization: UUID | str | None = None
) -> Certificate:
    """Whether everybody whose primary the leaver was has another one, at the effective instant or when theirs would begin.

    Neither the plan's items nor their outcomes are read: the panel is whom the circle gave the leaver when the plan was
    made, and whom it gives them now.
    """
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        plan = await find(db, tenant, reassignment_id)
        at = max(plan.effective_at, await instant(db))
        rows = await db.execute(
            _CERTIFICATE, {"tenant": tenant, "leaver": plan.provider_id, "planned_at": plan.recorded_at, "at": at}
        )
        panel = [(row[0], row[1]) for row in rows]
        return Certificate(len(panel), at, [(patient, why) for patient, why in panel if why is not None])


async def _status(db: AsyncSession, plan: Reassignment) -> Status:
    mine = (
        ReassignmentItem.organization_id == plan.organization_id,
        ReassignmentItem.reassignment_id == plan.id,
    )
    planned = await db.execute(
        select(ReassignmentItem.planned, func.count()).where(*mine).group_by(ReassignmentItem.planned)
    )
    counts = {row[0]: row[1] for row in planned}
    steps = await db.execute(
        select(ReassignmentOutcome.step, ReassignmentOutcome.outcome, func.count())
        .where(
            ReassignmentOutcome.organization_id == plan.organization_id,
            ReassignmentOutcome.reassignment_id == plan.id,
        )
        .group_by(ReassignmentOutcome.step, ReassignmentOutcome.outcome)
        .order_by(ReassignmentOutcome.step, ReassignmentOutcome.outcome)
    )
    outcomes = {(row[0], row[1]): row[2] for row in steps}
    applied = sum(count for (step, _), count in outcomes.items() if step == "apply")
    changed_rows = sum(outcomes.get(("apply", one), 0) for one in ("handed-over", "ended"))
    reverted = sum(count for (step, _), count in outcomes.items() if step == "revert")
    exceptions = counts.get("exception", 0)
    doable = sum(counts.values()) - exceptions
    if reverted:
        state = "reverted" if reverted == changed_rows else "reverting"
    elif applied:
        state = "applied" if applied == doable else "applying"
    else:
        state = "planned"
    return Status(plan, state, sum(counts.values()), exceptions, outcomes)


async def _applied(db: AsyncSession, plan: Reassignment) -> dict[UUID, str]:
    """What apply did to which item, unless it was taken back."""
    reverted = (
        select(ReassignmentOutcome.item_id)
        .where(
            ReassignmentOutcome.organization_id == plan.organization_id,
            ReassignmentOutcome.reassignment_id == plan.id,
            ReassignmentOutcome.step == "revert",
        )
        .scalar_subquery()
    )
    rows = await db.execute(
        select(ReassignmentOutcome.item_id, ReassignmentOutcome.outcome).where(
            ReassignmentOutcome.organization_id == plan.organization_id,
            ReassignmentOutcome.reassignment_id == plan.id,
            ReassignmentOutcome.step == "apply",
            ReassignmentOutcome.item_id.not_in(reverted),
        )
    )
    return {row[0]: row[1] for row in rows}


async def _changed(db: AsyncSession, plan: Reassignment) -> int:
    """Items not yet applied whose fact is no longer believed: apply will skip them."""
    return (await db.scalar(_CHANGED, {"tenant": plan.organization_id, "plan": plan.id})) or 0


_CHANGED = text(
    """
    select count(*) from carecircle.reassignment_items i
    where i.organization_id = :tenant and i.reassignment_id = :plan and i.planned <> 'exception'
      and (select true from carecircle.reassignment_outcomes o
           where o.organization_id = i.organization_id and o.reassignment_id = i.reassignment_id
             and o.item_id = i.id and o.step = 'apply') is null"""
    + "".join(
        f" and (select true from carecircle.{table} t"
        " where t.organization_id = i.organization_id and t.id = i.fact_id and t.superseded_at = 'infinity') is null"
        for table in dict.fromkeys(holding.table.__tablename__ for holding in REASSIGNED)
    )
)

_LETTERS = text(f"""
    select distinct on (i.patient_id) i.patient_id, i.provider_id, greatest(:effective_at, o.recorded_at)
    from carecircle.reassignment_items i
    left join carecircle.reassignment_outcomes o
      on o.organization_id = i.organization_id and o.reassignment_id = i.reassignment_id and o.item_id = i.id
     and o.step = 'apply'
    where i.organization_id = :tenant and i.reassignment_id = :plan and i.planned = 'hand-over'
      and i.kind = '{DIRECT_ASSIGNMENTS.kind}' and i.named = 'primary'
      and coalesce(o.outcome, 'handed-over') = 'handed-over'
    order by i.patient_id, i.id""")

_CERTIFICATE = text("""
    with panel as (
      select patient_id, min(greatest(starts_at, :at)) as at
      from carecircle.patient_assignments
      where organization_id = :tenant and provider_id = :leaver and assignment_type = 'primary' and ends_at > :at
        and ((recorded_at <= :planned_at and superseded_at > :planned_at)
             or (superseded_at = 'infinity' and starts_at < ends_at))
      group by patient_id
    )
    select p.patient_id,
           case when a.provider_id is null then 'no-primary'
                when a.provider_id = :leaver then 'still-with-leaver' end
    from panel p
    left join carecircle.patient_assignments a
      on a.organization_id = :tenant and a.patient_id = p.patient_id and a.is_primary_provider
     and a.superseded_at = 'infinity' and a.starts_at <= p.at and a.ends_at > p.at
    order by p.patient_id""")
