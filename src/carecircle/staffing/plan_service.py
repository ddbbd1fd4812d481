"""Planning a handover: what a leaver holds, matched with those who may take it, kept as a plan until it is applied."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.actor import Actor, actor_of, organization_of
from carecircle.audit.entry import Entry, append
from carecircle.database.constraints import translated
from carecircle.database.session import enter_tenant, instant
from carecircle.directory.holdings import Holding
from carecircle.directory.service import AnyId, resolve_patient, resolve_provider
from carecircle.errors import InvalidRequest, ReassignmentNotFound
from carecircle.identifiers import OrganizationId, new_id, new_ids, to_text
from carecircle.period import show
from carecircle.staffing.matching_service import ONLY_ENDED, Wishes, match
from carecircle.staffing.registry import REASSIGNED
from carecircle.staffing.rules import Match
from carecircle.staffing.tables import Reassignment, ReassignmentDestination, ReassignmentItem
from carecircle.staffing.turnover_service import Held, held_by


@dataclass(frozen=True, slots=True)
class Destination:
    """Somebody who may take patients, at most `cap` of them (None: no limit of this plan's own)."""

    provider: AnyId
    cap: int | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """Who a patient wants as provider, or, with `never`, who must not become it."""

    patient: AnyId
    provider: AnyId
    never: bool = False


async def plan(
    db: AsyncSession,
    *,
    leaver: AnyId,
    destinations: Sequence[Destination],
    effective_at: datetime | None = None,
    wishes: Iterable[Wish] = (),
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> Reassignment:
    """Match everything the leaver holds from `effective_at` on (now, by default) and keep the result; changes nothing else.

    Raises InvalidRequest without a destination, for one named twice or the leaver's own, and for a date that is past;
    ProviderNotRegistered and PatientNotRegistered.
    """
    who = actor_of(actor)
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        leaver_id = await resolve_provider(db, tenant, leaver)
        caps: dict[UUID, int | None] = {
            await resolve_provider(db, tenant, one.provider): one.cap for one in destinations
        }
        now = await instant(db)
        at = effective_at or now
        if not caps or len(caps) != len(destinations) or leaver_id in caps:
            raise InvalidRequest("Name at least one destination, each once, and not the provider who leaves.")
        if at < now:
            raise InvalidRequest(f"{show(at)} is past; a handover begins now (say no date) or later.")
        reassignment_id = new_id()
        entry = Entry(
            tenant, "change", who, "reassignment-planned", provider_id=leaver_id,
            detail={
                "reassignment": to_text(reassignment_id),
                "effective_at": show(at),
                "destinations": " ".join(map(to_text, sorted(caps))),
            },
        )  # fmt: skip
        await append(db, entry)
        planned = Reassignment(
            organization_id=tenant, id=reassignment_id, provider_id=leaver_id, effective_at=at, recorded_at=now,
            entry_id=entry.id,
        )  # fmt: skip
        db.add(planned)
        await db.flush()
        db.add_all(
            ReassignmentDestination(
                organization_id=tenant, reassignment_id=reassignment_id, provider_id=provider_id, cap=cap
            )
            for provider_id, cap in caps.items()
        )
        held = [(holding, row) for holding in REASSIGNED for row in await held_by(db, tenant, holding, leaver_id, at)]
        matches = await match(db, tenant, leaver_id, held, caps, await _read_wishes(db, tenant, wishes), at)
        await db.flush()
        if held:
            ids = sorted(new_ids(len(held)))  # applied in this order: what serves the panel last
            await db.execute(
                insert(ReassignmentItem),
                [
                    {
                        "organization_id": tenant,
                        "reassignment_id": reassignment_id,
                        "id": item_id,
                        **_item(one, matches),
                    }
                    for item_id, one in zip(ids, held, strict=True)
                ],
            )
        return planned


async def find(db: AsyncSession, tenant: UUID, reassignment_id: UUID) -> Reassignment:
    """A plan by its id. Raises ReassignmentNotFound."""
    found = await db.get(Reassignment, (tenant, reassignment_id))
    if found is None:
        raise ReassignmentNotFound
    return found


async def destinations_of(db: AsyncSession, tenant: UUID, reassignment_id: UUID) -> dict[UUID, int | None]:
    """A plan's destinations with their caps."""
    rows = await db.scalars(
        select(ReassignmentDestination)
        .where(
            ReassignmentDestination.organization_id == tenant,
            ReassignmentDestination.reassignment_id == reassignment_id,
        )
        .order_by(ReassignmentDestination.provider_id)
    )
    return {row.provider_id: row.cap for row in rows}


async def _read_wishes(db: AsyncSession, tenant: OrganizationId, wishes: Iterable[Wish]) -> Wishes:
    """Of several preferences of one patient the last counts."""
    preferred: dict[UUID, UUID] = {}
    never: dict[UUID, set[UUID]] = defaultdict(set)
    for wish in wishes:
        patient_id = await resolve_patient(db, tenant, wish.patient)
        provider_id = await resolve_provider(db, tenant, wish.provider)
        if wish.never:
            never[patient_id].add(provider_id)
        else:
            preferred[patient_id] = provider_id
    return Wishes(preferred, never)


def _item(held: tuple[Holding, Held], matches: dict[UUID, Match]) -> dict[str, object]:
    """What is planned for a row: given to its match; ended where nobody needs it any more; or left, an exception."""
    holding, row = held
    goes = matches[row.id]
    planned = "hand-over" if goes.provider_id is not None else "end" if goes.reason in ONLY_ENDED else "exception"
    return {
        "kind": holding.kind,
        "fact_id": row.id,
        "named": row.named,
        "patient_id": row.patient_id,
        "care_team_id": row.care_team_id,
        "provider_id": goes.provider_id,
        "planned": planned,
        "reason": goes.reason,
    }
