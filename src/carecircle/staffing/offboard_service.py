"""Offboarding: everything a person holds ends in one act, and the patients left without a primary are named."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.actor import Actor, actor_of, organization_of
from carecircle.assignments.holdings import DIRECT_ASSIGNMENTS
from carecircle.assignments.tables import PatientAssignment
from carecircle.audit.entry import Entry, append
from carecircle.database.constraints import translated
from carecircle.database.session import enter_tenant, instant, take_turns
from carecircle.directory.account_service import end_accounts_of_provider
from carecircle.directory.following_service import keep_apart
from carecircle.directory.holdings import ACCOUNTS, DUTIES, Holding
from carecircle.directory.service import AnyId, resolve_provider
from carecircle.directory.tables import Duty, Provider
from carecircle.emergency.concern_service import FOLLOWED_FOR
from carecircle.emergency.ending_service import end_open_of_provider
from carecircle.emergency.holdings import EMERGENCY_ACCESS
from carecircle.errors import ProviderNotRegistered
from carecircle.identifiers import EntryId, OrganizationId, new_ids
from carecircle.staffing.registry import THEIRS
from carecircle.staffing.turnover_service import BELIEVED, Held, Successor, by_id, close, follow, held_by


@dataclass(frozen=True, slots=True)
class Offboarded:
    """How many facts of each kind ended (or would), and who has no primary provider now that they have (or would)."""

    provider_id: UUID
    ended: dict[str, int]
    without_primary: list[UUID]


async def offboard(
    db: AsyncSession,
    *,
    person: AnyId,
    dry_run: bool = False,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> Offboarded:
    """End everything in the registry that this person holds now or will hold. With `dry_run`, only say what that is.

    What is only about them stays: patients' objections, suspensions, the referrals they made. Emergency access ends as its
    requester would end it, and what they were to decide about by a duty that is over they decide no more. Their accounts
    end with the roles and open sign-ins of these, also the last administrator's.

    Rows are locked, not patients: a panel may have more patients than the server has locks. Whoever changes one of these
    rows at the same time goes first, and what they leave the person with is ended too; an assignment that somebody adds
    meanwhile is met by repeating this. A request for emergency access in flight goes first, by the person's turn.
    Raises ProviderNotRegistered.
    """
    who = actor_of(actor)
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        provider_id = await resolve_provider(db, tenant, person)
        known = await db.scalar(
            select(Provider.id).where(Provider.organization_id == tenant, Provider.id == provider_id)
        )
        if known is None:
            raise ProviderNotRegistered
        ended: Counter[str] = Counter()
        if not dry_run:
            await keep_apart(db, tenant)
            # Before any row is locked: who opens or decides takes turns first, and rows after that.
            await take_turns(db, tenant, provider_id)
            if broken := await end_open_of_provider(db, tenant, provider_id, who):
                ended[EMERGENCY_ACCESS.kind] = len(broken)
            await _take_back(db, tenant, provider_id, who)
            if accounts := await end_accounts_of_provider(db, tenant, provider_id, who):
                ended[ACCOUNTS.kind] = accounts
        held = await _held(db, tenant, provider_id)
        if dry_run:
            now = await instant(db)
            losing = {row.patient_id for holding, row in held if _is_primary(holding, row) and row.starts_at <= now}
            counts = Counter(holding.kind for holding, _ in held)
            return Offboarded(provider_id, dict(counts), sorted(one for one in losing if one is not None))
        panel: set[UUID] = set()
        # A locked read skips what others close while it waits, and does not see what they put in its place: the plain read
        # does, so it has the last word.
        while held:
            mine = await _held(db, tenant, provider_id, lock=True)
            ended.update(holding.kind for holding, _ in mine)
            panel |= {
                row.patient_id for holding, row in mine if _is_primary(holding, row) and row.patient_id is not None
            }
            await _end(db, tenant, provider_id, mine, who)
            held = await _held(db, tenant, provider_id)
        return Offboarded(provider_id, dict(ended), sorted(panel - await _with_primary(db, tenant, panel)))


def _is_primary(holding: Holding, row: Held) -> bool:
    return holding is DIRECT_ASSIGNMENTS and row.named == "primary"


async def _held(db: AsyncSession, tenant: UUID, provider_id: UUID, *, lock: bool = False) -> list[tuple[Holding, Held]]:
    now = await instant(db)
    return [
        (holding, row) for holding in THEIRS for row in await held_by(db, tenant, holding, provider_id, now, lock=lock)
    ]


async def _end(db: AsyncSession, tenant: UUID, provider_id: UUID, held: list[tuple[Holding, Held]], who: Actor) -> None:
    """One entry for the person's own rows and one for each patient; every row is closed, and what has been is kept."""
    now = await instant(db)
    held = [one for one in held if one[1].ends_at > now]
    if not held:
        return
    about = sorted({row.patient_id for _, row in held if row.patient_id is not None})
    ids = new_ids(len(about) + 1)
    entries = dict(zip([None, *about], ids, strict=True))
    counts = Counter(row.patient_id for _, row in held)
    await append(
        db,
        *(
            Entry(
                tenant, "change", who, "offboarded", provider_id=provider_id, patient_id=patient_id, id=EntryId(entry_id),
                detail={"ended": counts[patient_id]},
            )
            for patient_id, entry_id in entries.items()
        ),
    )  # fmt: skip
    by_kind: dict[str, list[tuple[Holding, Held]]] = defaultdict(list)
    for one in held:
        by_kind[one[0].kind].append(one)
    for rows in by_kind.values():
        holding = rows[0][0]
        await close(db, tenant, holding, [(row.id, entries[row.patient_id]) for _, row in rows], now)
        kept = [Successor.ended(row, now, entries[row.patient_id]) for _, row in rows if row.starts_at < now]
        await follow(db, tenant, holding, kept, now)


async def _take_back(db: AsyncSession, tenant: OrganizationId, provider_id: UUID, who: Actor) -> None:
    """Set down anew the duties that were over before, by which something may still be decided, as over.

    A duty counts for what was asked during it, also after its end, unless it was recorded no earlier than it ended.
    """
    now = await instant(db)
    counting = await db.scalars(
        select(Duty.id).where(
            Duty.organization_id == tenant,
            Duty.provider_id == provider_id,
            Duty.superseded_at == BELIEVED,
            Duty.duty != "break_glass",
            Duty.ends_at <= now,
            Duty.ends_at > now - FOLLOWED_FOR,
            Duty.ends_at > Duty.recorded_at,
        )
    )
    over = await by_id(db, tenant, DUTIES, list(counting))
    if not over:
        return
    entry = Entry(tenant, "change", who, "offboarded", provider_id=provider_id, detail={"duties_taken_back": len(over)})
    await append(db, entry)
    await close(db, tenant, DUTIES, [(row_id, entry.id) for row_id in over], now)
    await follow(db, tenant, DUTIES, [Successor.restored(row, entry.id) for row in over.values()], now)


async def _with_primary(db: AsyncSession, tenant: UUID, patients: set[UUID]) -> set[UUID]:
    """Those of these patients who have a primary provider now."""
    now = await instant(db)
    rows = await db.scalars(
        select(PatientAssignment.patient_id).where(
            PatientAssignment.organization_id == tenant,
            PatientAssignment.patient_id.in_(patients),
            PatientAssignment.assignment_type == "primary",
            PatientAssignment.superseded_at == BELIEVED,
            PatientAssignment.starts_at <= now,
            PatientAssignment.ends_at > now,
        )
    )
    return set(rows)
