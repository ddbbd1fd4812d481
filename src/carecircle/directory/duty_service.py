"""Who decides about emergencies, is told of them, or may break the glass: duties as dated facts of one provider each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.actor import Actor, actor_of, organization_of
from carecircle.audit.entry import Entry, append
from carecircle.database.constraints import translated
from carecircle.database.facts import supersede
from carecircle.database.session import enter_tenant, instant, one_change, take_turns
from carecircle.directory.service import AnyId, resolve_provider
from carecircle.directory.tables import Duty, ProviderRole
from carecircle.directory.unit_service import resolve_unit
from carecircle.errors import InvalidPeriod, InvalidRequest
from carecircle.errors.emergency import DutyNotFound
from carecircle.identifiers import OrganizationId, new_id, to_text
from carecircle.period import FOREVER, Period, show, usable
from carecircle.policy import is_mail_address

DutyKind = Literal["supervisor", "duty_manager", "privacy_office", "break_glass"]
DUTIES: tuple[DutyKind, ...] = get_args(DutyKind)
_TURN = UUID(bytes=b"enrol-into-duty\0")  # whom those queue for who enrol everybody of a role, in every organization
_LONGEST_ORDER = 1000


@dataclass(frozen=True, slots=True)
class Enrolled:
    """What enrolling everybody of a role did: the duties that were added, and how many people had it already."""

    added: tuple[Duty, ...]
    had_it: int


async def add_duty(
    db: AsyncSession,
    *,
    provider: AnyId,
    duty: str,
    unit: AnyId | None = None,
    call_order: int = 1,
    contact: str = "",
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> Duty:
    """Give a provider a duty, of one unit or (None) of all, from now on and without an end unless said otherwise.

    `contact` is the e-mail address at which they are told, or empty. Raises OverlappingDuty, InvalidRequest for an unknown
    duty, an order of call below 1 or what is no e-mail address, InvalidPeriod (also for an end that has passed),
    ProviderNotRegistered, UnitNotRegistered.
    """
    _require_sound(duty, call_order, contact)
    who = actor_of(actor)
    async with one_change(db):
        tenant = await enter_tenant(db, organization_of(organization))
        provider_id = await resolve_provider(db, tenant, provider)
        unit_id = await resolve_unit(db, tenant, unit) if unit is not None else None
        now = await take_turns(db, tenant, provider_id)
        period = _period(starts_at, ends_at, now)
        said = {"duty": duty, "unit_id": unit_id, "call_order": call_order, "contact": contact}
        [row] = await _record(db, tenant, who, [provider_id], said, period, now)
        return row


async def enrol(
    db: AsyncSession,
    *,
    role: str,
    duty: str,
    unit: AnyId | None = None,
    call_order: int = 1,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> Enrolled:
    """Give a duty to every provider who works in a role now, in one transaction; who has it in that period is passed over.

    `role` is a role's code, as provider roles have it; who takes up the role later is not enrolled. Raises InvalidRequest
    when nobody works in that role now, and what add_duty raises about duty, unit, order and period.
    """
    _require_sound(duty, call_order, "")
    who = actor_of(actor)
    async with one_change(db):
        tenant = await enter_tenant(db, organization_of(organization))
        unit_id = await resolve_unit(db, tenant, unit) if unit is not None else None
        now = await take_turns(db, tenant, _TURN)
        period = _period(starts_at, ends_at, now)
        # Their roles are locked, not their turns: a hospital may have more physicians than the server has locks, and whoever
        # offboards one of them meanwhile waits here, then finds the duty too.
        works = await db.scalars(
            select(ProviderRole.provider_id)
            .where(*_holding(ProviderRole, tenant, now), ProviderRole.role_code == role)
            .with_for_update(read=True)
        )
        working = set(works)
        if not working:
            raise InvalidRequest("Nobody works in that role now; a role is written as provider roles have it.")
        have = await db.scalars(
            select(Duty.provider_id).where(
                Duty.organization_id == tenant, Duty.superseded_at == FOREVER, Duty.duty == duty,
                Duty.unit_id.is_not_distinct_from(unit_id),
                Duty.starts_at < period.ends_at, Duty.ends_at > period.starts_at,
            )
        )  # fmt: skip
        fresh = sorted(working.difference(have))
        said = {"duty": duty, "unit_id": unit_id, "call_order": call_order, "contact": ""}
        rows = await _record(db, tenant, who, fresh, said, period, now)
        return Enrolled(tuple(rows), len(working) - len(fresh))


async def end_duty(
    db: AsyncSession,
    *,
    duty_id: UUID,
    at: datetime | None = None,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> Duty:
    """End a duty by the id of its row: now, or at an instant ahead; one that has not begun by then never does.

    Whoever was to decide by it about a request decides no more. Returns the row that was ended. Raises DutyNotFound when
    it does not hold now or ahead, InvalidPeriod for an instant that has passed or is later than its end.
    """
    who = actor_of(actor)
    async with one_change(db):
        tenant = await enter_tenant(db, organization_of(organization))
        row = await _row(db, tenant, duty_id)
        now = await take_turns(db, tenant, row.provider_id)
        until = now if at is None else usable(at)
        if until < now:
            raise InvalidPeriod("A duty ends now or later; what it was until now stays on record.")
        row = await _row(db, tenant, duty_id)
        if row.ends_at <= now:
            raise DutyNotFound
        if until >= row.ends_at:
            raise InvalidPeriod(f"This duty ends {show(row.ends_at)} already, no later than that.")
        entry = _entry(row, who, "duty-ended", ended_at=show(until))
        await append(db, entry)
        await supersede(db, row, entry.id, now)
        if row.starts_at < until:
            db.add(
                Duty(
                    organization_id=tenant, id=new_id(), lineage_id=row.lineage_id, provider_id=row.provider_id,
                    duty=row.duty, unit_id=row.unit_id, call_order=row.call_order, contact=row.contact,
                    starts_at=row.starts_at, ends_at=until, recorded_at=now, entry_id=entry.id,
                )
            )  # fmt: skip
            await db.flush()
        return row


async def duties(
    db: AsyncSession,
    *,
    unit: AnyId | None = None,
    duty: str | None = None,
    provider: AnyId | None = None,
    as_of: datetime | None = None,
    organization: UUID | str | None = None,
) -> list[Duty]:
    """Duties that hold at `as_of`, or, without it, now or ahead; by duty, unit, order of call and start.

    With `unit`, those that serve it: its own and those of all units. Raises UnitNotRegistered, ProviderNotRegistered, and
    InvalidRequest for an unknown duty.
    """
    if duty is not None:
        _require_known(duty)
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        now = await instant(db) if as_of is None else usable(as_of)
        query = select(Duty).where(
            Duty.organization_id == tenant, Duty.superseded_at == FOREVER, Duty.ends_at > now,
        ).order_by(Duty.duty, Duty.unit_id, Duty.call_order, Duty.starts_at, Duty.id)  # fmt: skip
        if as_of is not None:
            query = query.where(Duty.starts_at <= now)
        if duty is not None:
            query = query.where(Duty.duty == duty)
        if provider is not None:
            query = query.where(Duty.provider_id == await resolve_provider(db, tenant, provider))
        if unit is not None:
            unit_id = await resolve_unit(db, tenant, unit)
            query = query.where(or_(Duty.unit_id == unit_id, Duty.unit_id.is_(None)))
        return list(await db.scalars(query.execution_options(populate_existing=True)))


def require_contact(contact: str) -> None:
    """Raises InvalidRequest for what is neither empty nor one plain e-mail address, without repeating it."""
    if contact and not is_mail_address(contact):
        raise InvalidRequest("A contact is an e-mail address, such as ward7@hospital.example, or empty.")


def _require_known(duty: str) -> None:
    if duty not in DUTIES:
        raise InvalidRequest(f"Unknown duty; known are {', '.join(DUTIES)}.")


def _require_sound(duty: str, call_order: int, contact: str) -> None:
    _require_known(duty)
    if not 1 <= call_order <= _LONGEST_ORDER:
        raise InvalidRequest(f"The order of call counts from 1, to {_LONGEST_ORDER} at most.")
    require_contact(contact)


def _period(starts_at: datetime | None, ends_at: datetime | None, now: datetime) -> Period:
    period = Period(now if starts_at is None else usable(starts_at), FOREVER if ends_at is None else usable(ends_at))
    if period.ends_at <= now:
        raise InvalidPeriod(f"This would have ended {show(period.ends_at)}; it must end later than now.")
    return period


def _holding(table: Any, tenant: OrganizationId, at: datetime) -> tuple[Any, ...]:
    believed = (table.organization_id == tenant, table.superseded_at == FOREVER)
    return (*believed, table.starts_at <= at, table.ends_at > at)


async def _row(db: AsyncSession, tenant: OrganizationId, duty_id: UUID) -> Duty:
    found = await db.scalars(
        select(Duty)
        .where(Duty.organization_id == tenant, Duty.id == duty_id, Duty.superseded_at == FOREVER)
        .execution_options(populate_existing=True)
    )
    row = found.one_or_none()
    if row is None:
        raise DutyNotFound
    return row


async def _record(
    db: AsyncSession,
    tenant: OrganizationId,
    who: Actor,
    providers: list[Any],
    said: dict[str, Any],
    period: Period,
    now: datetime,
) -> list[Duty]:
    rows, entries = [], []
    for provider_id in providers:
        row_id = new_id()
        row = Duty(
            organization_id=tenant, id=row_id, lineage_id=row_id, provider_id=provider_id, starts_at=period.starts_at,
            ends_at=period.ends_at, recorded_at=now, **said,
        )  # fmt: skip
        entry = _entry(row, who, "duty-added", starts_at=show(row.starts_at), ends_at=show(row.ends_at))
        row.entry_id = entry.id
        rows.append(row)
        entries.append(entry)
    await append(db, *entries)
    db.add_all(rows)
    await db.flush()
    return rows


def _entry(row: Duty, who: Actor, code: str, **said: str) -> Entry:
    """What an entry says of a duty; never the contact, which is somebody's address."""
    told: dict[str, str | int | bool | None] = {
        "duty": row.duty,
        "duty_id": to_text(row.id),
        "call_order": row.call_order,
        **said,
    }
    if row.unit_id is not None:
        told["unit"] = to_text(row.unit_id)
    return Entry(row.organization_id, "change", who, code, provider_id=row.provider_id, detail=told)
