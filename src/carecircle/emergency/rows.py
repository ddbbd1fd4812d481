"""The room's rows: finding the states of an emergency access, and letting one state follow another."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.actor import Actor
from carecircle.audit.entry import Entry, append
from carecircle.database.facts import supersede
from carecircle.database.session import take_turns
from carecircle.emergency.tables import EmergencyAccess
from carecircle.errors.emergency import EmergencyAccessNotFound
from carecircle.identifiers import OrganizationId, new_id, to_text
from carecircle.period import FOREVER

_CLOCKS = {"id", "starts_at", "ends_at", "recorded_at", "superseded_at", "entry_id", "superseded_entry_id"}
_SAID = tuple(name for name in EmergencyAccess.__mapper__.columns.keys() if name not in _CLOCKS)  # noqa: SIM118 - iterating the columns gives columns, not names


def believed(tenant: OrganizationId) -> Select[EmergencyAccess]:
    """The states that are believed now, in their order."""
    return (
        select(EmergencyAccess)
        .where(EmergencyAccess.organization_id == tenant, EmergencyAccess.superseded_at == FOREVER)
        .order_by(EmergencyAccess.lineage_id, EmergencyAccess.starts_at)
        .execution_options(populate_existing=True)
    )


async def states_of(db: AsyncSession, tenant: OrganizationId, emergency_id: UUID) -> list[EmergencyAccess]:
    """Every state of one emergency access, oldest first. Raises EmergencyAccessNotFound."""
    rows = list(await db.scalars(believed(tenant).where(EmergencyAccess.lineage_id == emergency_id)))
    if not rows:
        raise EmergencyAccessNotFound
    return rows


async def in_turn(db: AsyncSession, tenant: OrganizationId, emergency_id: UUID) -> tuple[EmergencyAccess, datetime]:
    """The last state of one emergency access and the instant, with everybody else who works on it kept waiting.

    Raises EmergencyAccessNotFound.
    """
    now = await take_turns(db, tenant, emergency_id)
    return (await states_of(db, tenant, emergency_id))[-1], now


async def step(
    db: AsyncSession,
    row: EmergencyAccess,
    now: datetime,
    who: Actor,
    code: str,
    *,
    until: datetime,
    detail: dict[str, str | int | bool | None] | None = None,
    **changes: Any,
) -> EmergencyAccess:
    """Let another state follow `row` now, with these changes, until `until`; one entry says so, and it is flushed.

    What `row` was until now stays believed. Raises StaleVersion when somebody was quicker, and what constraints refuse.
    """
    said = {name: getattr(row, name) for name in _SAID}
    following = EmergencyAccess(**(said | changes), id=new_id(), starts_at=now, ends_at=until, recorded_at=now)
    entry = entry_about(following, who, code, detail)
    await append(db, entry)
    following.entry_id = entry.id
    if row.ends_at > now:
        await supersede(db, row, entry.id, now)
        if row.starts_at < now:
            db.add(
                EmergencyAccess(
                    **said, id=new_id(), starts_at=row.starts_at, ends_at=now, recorded_at=now, entry_id=entry.id
                )
            )
            await db.flush()
    db.add(following)
    await db.flush()
    return following


def entry_about(
    row: EmergencyAccess, who: Actor, code: str, detail: dict[str, str | int | bool | None] | None = None
) -> Entry:
    """An entry about an emergency access: whose it is, to whom, and its id; never a reason's words."""
    return Entry(
        row.organization_id, "change", who, code, provider_id=row.provider_id, patient_id=row.patient_id,
        detail={"emergency": to_text(row.lineage_id), **(detail or {})},
    )  # fmt: skip
