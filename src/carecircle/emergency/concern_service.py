"""Whose business an emergency access is: who may look at one, which ones a person follows, and whose it is when refused."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, cast
from uuid import UUID

from sqlalchemy import Uuid, bindparam, func, or_, select, text
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.actor import organization_of
from carecircle.database.constraints import translated
from carecircle.database.session import enter_tenant, instant
from carecircle.directory.policy_service import policy_at
from carecircle.emergency.approvers_service import DECIDES, SUPERIORS
from carecircle.emergency.tables import EmergencyAccess
from carecircle.emergency.value import ShownState, awaits_decision, extension_pending, shown_state
from carecircle.errors import CareCircleError
from carecircle.period import EARLIEST, FOREVER

Concern = Literal["requester", "approver", "privacy-office"]
"""As whom somebody looks at an emergency access; what each is told of it is said in reading_service."""

FOLLOWED_FOR = timedelta(hours=96)
"""Nobody's request lasts longer: 12 hours of waiting at most, and then 72."""

_HOLDS = "{0}.superseded_at = 'infinity' and {0}.starts_at <= :at and {0}.ends_at > :at"
_SUSPENDED = f"""exists (
    select from carecircle.access_restrictions r
    where r.organization_id = :tenant and r.provider_id = :provider and r.kind = 'suspension' and {_HOLDS.format("r")})"""
_ON_PRIVACY_OFFICE = text(f"""
    select exists (select from carecircle.duties d
                   where d.organization_id = :tenant and d.provider_id = :provider and d.duty = 'privacy_office'
                     and {_HOLDS.format("d")}) and not {_SUSPENDED}""")
_RELATED_TO = text(f"""
    select p.patient_id from carecircle.personal_relations p
    where p.organization_id = :tenant and p.provider_id = :provider and {_HOLDS.format("p")}""").columns(
    patient_id=Uuid()
)
# Of each that may be told, by the index on approvers: what was never looked at costs nothing, however much that is.
_MAY_DECIDE = text(f"{DECIDES} and e.emergency_id = emergency_access.lineage_id").columns(emergency_id=Uuid())
# The same rule as for deciding: reading the words is for whoever may decide.
_CONCERNS = (
    select(
        EmergencyAccess.lineage_id,
        func.bool_or(EmergencyAccess.provider_id == bindparam("provider", type_=Uuid())),
        func.bool_or(EmergencyAccess.lineage_id.in_(_MAY_DECIDE) & EmergencyAccess.provider_id.not_in(SUPERIORS)),
        func.bool_or(EmergencyAccess.patient_id.in_(_RELATED_TO)),
    )
    .where(EmergencyAccess.superseded_at == FOREVER)
    .group_by(EmergencyAccess.lineage_id)
)
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

    The privacy office may look at every one but those to a patient they are related to, so that this alone does not say
    that there is one.
    """
    found = await concerns_of(db, emergencies=[emergency_id], provider=provider, organization=organization)
    return found[emergency_id]


async def concerns_of(
    db: AsyncSession, *, emergencies: Collection[UUID], provider: UUID, organization: UUID | str | None = None
) -> dict[UUID, Concern | None]:
    """The same for many, by their ids. Whoever asked for it is its requester whatever else they are, and who is on the
    privacy office's duty looks as such, also where they may decide."""
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        given = {"tenant": tenant, "provider": provider, "at": await instant(db)}
        office = bool(await db.scalar(_ON_PRIVACY_OFFICE, given))
        found: dict[UUID, Concern | None] = dict.fromkeys(emergencies, "privacy-office" if office else None)
        rows = await db.execute(
            _CONCERNS.where(
                EmergencyAccess.organization_id == tenant, EmergencyAccess.lineage_id.in_(list(emergencies))
            ),
            given,
        )
        for emergency_id, own, decides, related in rows:
            if own:
                found[emergency_id] = "requester"
            elif related or not office:
                found[emergency_id] = "approver" if decides else None
    return found


async def on_privacy_office(db: AsyncSession, *, provider: UUID, organization: UUID | str | None = None) -> bool:
    """Whether this provider has the duty of the privacy office now, and is not suspended."""
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        given = {"tenant": tenant, "provider": provider, "at": await instant(db)}
        return bool(await db.scalar(_ON_PRIVACY_OFFICE, given))


@asynccontextmanager
async def naming(
    db: AsyncSession, *, emergency_id: UUID, organization: UUID | str | None = None
) -> AsyncIterator[None]:
    """Around what is done about one emergency access, in its transaction: an error that leaves the block has in its facts
    `emergency_id`, and whose access it is to whom (`provider_id`, `patient_id`), so that the entry of a refusal says so.

    Of what is not in this organization, nothing is known and nothing is added.
    """
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        last = (
            select(EmergencyAccess.provider_id, EmergencyAccess.patient_id)
            .where(
                EmergencyAccess.organization_id == tenant,
                EmergencyAccess.lineage_id == emergency_id,
                EmergencyAccess.superseded_at == FOREVER,
            )
            .order_by(EmergencyAccess.starts_at.desc())
            .limit(1)
        )
        whose = (await db.execute(last)).one_or_none()
    try:
        yield
    except CareCircleError as error:
        if whose is not None:
            known = {"emergency_id": emergency_id, "provider_id": whose.provider_id, "patient_id": whose.patient_id}
            error.facts = {**error.facts, **known}
        raise


async def followed(
    db: AsyncSession,
    *,
    provider: UUID,
    changed_since: datetime | None = None,
    organization: UUID | str | None = None,
) -> list[Glance]:
    """What this provider asked for lately, and what they may or might decide about, as it stands now, the oldest first.

    With `changed_since`, only that of which a state was recorded, or ran out, after that instant. Many look often: this is
    one statement whatever it finds, and reads nothing of what was said.
    """
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        now = await instant(db)
        since, changed = now - FOLLOWED_FOR, changed_since or EARLIEST
        decide_within = timedelta(minutes=(await policy_at(db, tenant, now)).emergency_decide_minutes)
        found = await db.execute(
            _LAST.where(
                EmergencyAccess.organization_id == tenant,
                EmergencyAccess.superseded_at == FOREVER,
                EmergencyAccess.asked_at > since,
                or_(
                    EmergencyAccess.recorded_at > changed,
                    (EmergencyAccess.ends_at > changed) & (EmergencyAccess.ends_at <= now),
                ),
                or_(
                    EmergencyAccess.provider_id == provider,
                    EmergencyAccess.lineage_id.in_(_MAY_DECIDE) & EmergencyAccess.provider_id.not_in(SUPERIORS),
                ),
            ),
            {"tenant": tenant, "provider": provider, "at": now},
        )
        states = sorted(found, key=lambda row: (row.asked_at, row.lineage_id))
    return [_glance(row, provider, now, decide_within) for row in states]


def _glance(found: Any, provider: UUID, now: datetime, decide_within: timedelta) -> Glance:
    row = cast("EmergencyAccess", found)  # it has of one what these look at
    awaited_since = row.starts_at if extension_pending(row) else row.asked_at
    decide_by = awaited_since + decide_within if awaits_decision(row, now) else None
    return Glance(row.lineage_id, row.provider_id == provider, shown_state(row, now), decide_by)
