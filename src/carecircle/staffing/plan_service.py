"""Planning a handover: what a leaver holds, matched with those who may take it, kept as a plan until it is applied."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.actor import Actor, actor_of, organization_of
from carecircle.audit.entry import Entry, append
from carecircle.care_teams.tables import CareTeamMember, CareTeamPatient
from carecircle.database.constraints import translated
from carecircle.database.session import enter_tenant, instant
from carecircle.directory.holdings import Holding
from carecircle.directory.service import AnyId, resolve_patient, resolve_provider
from carecircle.errors import InvalidRequest, ReassignmentNotFound
from carecircle.identifiers import OrganizationId, new_id, new_ids, to_text
from carecircle.period import show
from carecircle.staffing.panel_service import panels
from carecircle.staffing.registry import PASSED_ON
from carecircle.staffing.rules import PERSONAL, SEATED, Match, PanelPatient, Receiver, match_patients, match_seats
from carecircle.staffing.tables import Reassignment, ReassignmentDestination, ReassignmentItem
from carecircle.staffing.turnover_service import BELIEVED, Held, held_by


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
        held = [(holding, row) for holding in PASSED_ON for row in await held_by(db, tenant, holding, leaver_id, at)]
        receivers = await _receivers(db, tenant, caps, at)
        matches = await _match(db, tenant, held, receivers, await _read_wishes(db, tenant, wishes), at)
        await db.flush()
        if held:
            ids = new_ids(len(held))
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


async def _receivers(
    db: AsyncSession, tenant: OrganizationId, caps: dict[UUID, int | None], at: datetime
) -> list[Receiver]:
    known = await panels(db, providers=list(caps), as_of=at, organization=tenant)
    return [
        Receiver(provider_id, cap, known[provider_id].size, known[provider_id].capacity, known[provider_id].accepts_new)
        for provider_id, cap in sorted(caps.items())
    ]


async def _read_wishes(
    db: AsyncSession, tenant: OrganizationId, wishes: Iterable[Wish]
) -> tuple[dict[UUID, UUID], dict[UUID, set[UUID]]]:
    """Whom each patient prefers (the last word counts), and who must not take them."""
    preferred: dict[UUID, UUID] = {}
    never: dict[UUID, set[UUID]] = defaultdict(set)
    for wish in wishes:
        patient_id = await resolve_patient(db, tenant, wish.patient)
        provider_id = await resolve_provider(db, tenant, wish.provider)
        if wish.never:
            never[patient_id].add(provider_id)
        else:
            preferred[patient_id] = provider_id
    return preferred, never


async def _match(
    db: AsyncSession,
    tenant: OrganizationId,
    held: list[tuple[Holding, Held]],
    receivers: list[Receiver],
    wishes: tuple[dict[UUID, UUID], dict[UUID, set[UUID]]],
    at: datetime,
) -> dict[UUID, Match]:
    """A match for every held row, by its id; personal ones have none."""
    preferred, never = wishes
    seats = [(row.id, row.care_team_id) for _, row in held if row.care_team_id is not None]
    kinds: dict[UUID, set[str]] = defaultdict(set)
    for holding, row in held:
        if row.patient_id is not None and row.named not in holding.personal:
            kinds[row.patient_id].add(row.named)
    seated = await _seated(db, tenant, [one.provider_id for one in receivers], at)
    looked_after = await _looked_after(db, tenant, {team for team, _ in seated} | {team for _, team in seats}, at)
    beside: dict[UUID, set[UUID]] = defaultdict(set)
    for team, provider_id in seated:
        for patient_id in looked_after[team] & kinds.keys():
            beside[patient_id].add(provider_id)
    found = match_patients(
        (
            PanelPatient(
                patient_id,
                "primary" in named,
                preferred.get(patient_id),
                frozenset(beside[patient_id]),
                frozenset(never[patient_id]),
            )
            for patient_id, named in kinds.items()
        ),
        receivers,
    )
    followed = {
        team: Counter(
            match.provider_id
            for patient_id in looked_after[team] & found.keys()
            if (match := found[patient_id]).provider_id is not None
        )
        for _, team in seats
    }
    barred = {
        team: {one for patient_id in looked_after[team] for one in never.get(patient_id, ())} for _, team in seats
    }
    matched_seats = match_seats(seats, followed, barred, frozenset(seated), receivers)
    return matched_seats | {
        row.id: found[row.patient_id]
        for holding, row in held
        if row.patient_id is not None and row.named not in holding.personal
    }


async def _seated(
    db: AsyncSession, tenant: OrganizationId, providers: list[UUID], at: datetime
) -> set[tuple[UUID, UUID]]:
    """On which teams (team, provider) these providers sit at an instant, or will after it."""
    rows = await db.execute(
        select(CareTeamMember.care_team_id, CareTeamMember.provider_id).where(
            CareTeamMember.organization_id == tenant,
            CareTeamMember.provider_id.in_(providers),
            CareTeamMember.superseded_at == BELIEVED,
            CareTeamMember.starts_at < CareTeamMember.ends_at,
            CareTeamMember.ends_at > at,
        )
    )
    return {(row[0], row[1]) for row in rows}


async def _looked_after(
    db: AsyncSession, tenant: OrganizationId, teams: set[UUID], at: datetime
) -> dict[UUID, set[UUID]]:
    """The patients of each team at an instant."""
    found: dict[UUID, set[UUID]] = defaultdict(set)
    rows = await db.execute(
        select(CareTeamPatient.care_team_id, CareTeamPatient.patient_id).where(
            CareTeamPatient.organization_id == tenant,
            CareTeamPatient.care_team_id.in_(teams),
            CareTeamPatient.superseded_at == BELIEVED,
            CareTeamPatient.starts_at < CareTeamPatient.ends_at,
            CareTeamPatient.starts_at <= at,
            CareTeamPatient.ends_at > at,
        )
    )
    for team, patient_id in rows:
        found[team].add(patient_id)
    return found


def _item(held: tuple[Holding, Held], matches: dict[UUID, Match]) -> dict[str, object]:
    """What is planned for a row: given to its match; ended where it is personal or its team needs no copy."""
    holding, row = held
    match = matches.get(row.id, Match(None, PERSONAL))
    ended = match.reason in (PERSONAL, SEATED)
    planned = "hand-over" if match.provider_id is not None else "end" if ended else "exception"
    return {
        "kind": holding.kind,
        "fact_id": row.id,
        "named": row.named,
        "patient_id": row.patient_id,
        "care_team_id": row.care_team_id,
        "provider_id": match.provider_id,
        "planned": planned,
        "reason": match.reason,
    }
