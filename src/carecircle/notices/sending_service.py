"""Sending what is due: claiming the next row of one lane, sending it by mail or webhook, and saying what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ColumnElement, func, not_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.errors import InvalidSetting
from carecircle.identifiers import OrganizationId
from carecircle.notices.addresses import split_url
from carecircle.notices.email import Mail
from carecircle.notices.service import postpone, settle
from carecircle.notices.tables import Due
from carecircle.notices.webhook import Hook
from carecircle.notices.words import Notice, channel_and_event, link
from carecircle.settings import Settings

WORTH_TRYING = timedelta(hours=72)
"""For how long something is tried that only a person can put right: a channel nobody configured, or a firm refusal.

What cannot be reached is tried for ever.
"""


class Lane(StrEnum):
    """Queues that must not wait for each other: a mail server that does not answer delays no step and no webhook."""

    email = "email"
    webhook = "webhook"
    step = "step"


@dataclass(frozen=True)
class Senders:
    """The channels that are configured."""

    mail: Mail | None = None
    hook: Hook | None = None
    public_url: str | None = None

    @classmethod
    def of(cls, settings: Settings) -> Senders:
        """Read the settings that sending needs. Raises InvalidSetting."""
        if settings.public_url is not None:
            name, written = "CARECIRCLE_PUBLIC_URL", "https://host/path"
            parts, _, _ = split_url(name, settings.public_url, ("http", "https"), written)
            if parts.query or parts.fragment or parts.username is not None:
                raise InvalidSetting(f"{name}: write it as {written}, with nothing before the host or behind the path.")
        return cls(Mail.of(settings), Hook.of(settings), settings.public_url)


async def claim_in(db: AsyncSession, tenant: OrganizationId, lane: Lane) -> Due | None:
    """One row of a lane that is due by the database's clock, locked until the transaction ends; None when none is.

    What somebody else has claimed is passed over.
    """
    return (
        await db.scalars(
            select(Due)
            .where(Due.organization_id == tenant, Due.settled_at.is_(None), Due.due_at <= func.clock_timestamp())
            .where(_in(lane))
            .order_by(Due.due_at, Due.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
    ).first()


async def send(db: AsyncSession, due: Due, senders: Senders) -> str:
    """Send a claimed notice, and settle it or postpone it; the outcome's code.

    Settled are `sent`, `unusable-address`, and what nobody put right within WORTH_TRYING.
    """
    now = await db.scalar(select(func.clock_timestamp()))
    assert now is not None
    channel, event = channel_and_event(due.kind)
    notice = Notice(due.id, event, due.subject_id, due.recorded_at, link(senders.public_url, due.subject_id))
    if channel == Lane.email:
        outcome = "not-configured" if senders.mail is None else await senders.mail.send(notice, due.address)
    else:
        outcome = "not-configured" if senders.hook is None else await senders.hook.send(notice, now)
    given_up = outcome in ("not-configured", "refused") and now - due.recorded_at > WORTH_TRYING
    if given_up or outcome in ("sent", "unusable-address"):
        await settle(db, due, outcome)
    else:
        await postpone(db, due, outcome)
    return outcome


async def put_off(db: AsyncSession, tenant: OrganizationId, due_id: UUID, outcome: str) -> None:
    """Postpone a row after its own transaction failed, unless somebody else has it by now."""
    due = await db.scalar(
        select(Due)
        .where(Due.organization_id == tenant, Due.id == due_id, Due.settled_at.is_(None))
        .with_for_update(skip_locked=True)
    )
    if due is not None:
        await postpone(db, due, outcome)


def _in(lane: Lane) -> ColumnElement[bool]:
    if lane is Lane.step:
        return not_(or_(_in(Lane.email), _in(Lane.webhook)))
    return or_(Due.kind == lane.value, Due.kind.startswith(f"{lane.value}:"))
