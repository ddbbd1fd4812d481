"""Whose business an emergency access is: who may look at one, and which ones a person follows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, cast
from uuid import UUID

from sqlalchemy import Uuid, or_, select, text
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.actor import organization_of
from carecircle.database.constraints import translated
from carecircle.database.session import enter_tenant, instant
from carecircle.directory.policy_service import policy_at
from carecircle.emergency.approvers_service import DECIDES, SUPERIORS
from carecircle.emergency.tables import EmergencyAccess
from carecircle.emergency.value import ShownState, awaits_decision, extension_pending, shown_state
from carecircle.period import FOREVER

Concern = Literal["requester", "approver", "privacy-office"]

FOLLOWED_FOR = timedelta(hours=96)
"""Nobody's request lasts longer: 12 hours of waiting at most, and then 72."""

_HOLDS = "{0}.superseded_at = 'infinity' and {0}.starts_at <= :at and {0}.ends_at > :at"
_SUSPENDED = f"""exists (
    select from carecircle.access_restrictions r
    where r.organization_id = :tenant and r.provider_id = :provider and r.kind = 'suspension' and {_HOLDS.format("r")})"""
_CONCERN = text(f"""
    select exists (select from carecircle.emergency_access g
                   where g.organization_id = :tenant and g.lineage_id = :emergency and g.provider_id = :provider),
           exists ({DECIDES} and e.emergency_id = :emergency),
           exists (select from carecircle.duties d
                   where d.organization_id = :tenant and d.provider_id = :provider and d.duty = 'privacy_office'
                     and {_HOLDS.format("d")}) and not {_SUSPENDED}""")
_MAY_DECIDE = text(f"{DECIDES} and e.recorded_at > :since").columns(emergency_id=Uuid())
_LAST = (
    select(
        EmergencyAccess.lineage_id, EmergencyAccess.provider_id, EmergencyAccess.state, EmergencyAccess.mode,
        EmergencyAccess.asked_at, EmergencyAccess.starts_at, EmergencyAccess.ends_at, EmergencyAccess.wanted_until,
        EmergencyAccess.second_reason_code,
    )
    .ext(distinct_on(EmergencyAccess.lineage_id))
    .order_by(EmergencyAccess.lineage_id, EmergencyAccess.starts_at.desc())
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Glance:
    """How one emergency access stands, and nothing of whose it is but whether it is one's `own`; see Emergency."""

    id: UUID
    own: bool
    state: ShownState
    decide_by: datetime | None


async def concern_of(
    db: AsyncSession, *, emergency_id: UUID, provider: UUID, organization: UUID | str | None = None
) -> Concern | None:
    """As whom this provider may look at such an access now; None when it is none of their business.

    The privacy office may look at every one, so that this alone does not say that there is one.
    """
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        said = {"tenant": tenant, "emergency": emergency_id, "provider": provider, "at": await instant(db)}
        requester, approver, privacy_office = (await db.execute(_CONCERN, said)).one()
    if requester:
        return "requester"
    return "approver" if approver else "privacy-office" if privacy_office else None


async def on_privacy_office(db: AsyncSession, *, provider: UUID, organization: UUID | str | None = None) -> bool:
    """Whether this provider has the duty of the privacy office now, and is not suspended."""
    nobodys = UUID(int=0)
    return await concern_of(db, emergency_id=nobodys, provider=provider, organization=organization) == "privacy-office"


async def followed(db: AsyncSession, *, provider: UUID, organization: UUID | str | None = None) -> list[Glance]:
    """What this provider asked for lately, and what they may or might decide about, as it stands now, the oldest first.

    Many look often: this is one statement whatever it finds, and reads nothing of what was said.
    """
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        now = await instant(db)
        since = now - FOLLOWED_FOR
        decide_within = timedelta(minutes=(await policy_at(db, tenant, now)).emergency_decide_minutes)
        found = await db.execute(
            _LAST.where(
                EmergencyAccess.organization_id == tenant,
                EmergencyAccess.superseded_at == FOREVER,
                EmergencyAccess.asked_at > since,
                or_(
                    EmergencyAccess.provider_id == provider,
                    EmergencyAccess.lineage_id.in_(_MAY_DECIDE) & EmergencyAccess.provider_id.not_in(SUPERIORS),
                ),
            ),
            {"tenant": tenant, "provider": provider, "at": now, "since": since},
        )
        states = sorted(found, key=lambda row: (row.asked_at, row.lineage_id))
    return [_glance(row, provider, now, decide_within) for row in states]


def _glance(found: Any, provider: UUID, now: datetime, decide_within: timedelta) -> Glance:
    row = cast("EmergencyAccess", found)  # it has of one what these look at
    awaited_since = row.starts_at if extension_pending(row) else row.asked_at
    decide_by = awaited_since + decide_within if awaits_decision(row, now) else None
    return Glance(row.lineage_id, row.provider_id == provider, shown_state(row, now), decide_by)
