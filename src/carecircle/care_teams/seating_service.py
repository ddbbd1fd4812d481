"""Whether a provider may be seated on a team: loads the facts of the one command and applies the rules of the policy."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.care_teams.rows import BELIEVED
from carecircle.care_teams.rules import Seat, membership_violations
from carecircle.care_teams.tables import CareTeamMember
from carecircle.database.session import take_turns
from carecircle.directory.rules import HeldCredential
from carecircle.directory.tables import Provider, ProviderCredential
from carecircle.errors import ProviderNotRegistered, RulesViolated
from carecircle.identifiers import OrganizationId
from carecircle.period import Period
from carecircle.policy import Policy


async def require_allowed(
    db: AsyncSession,
    tenant: OrganizationId,
    policy: Policy,
    *,
    care_team_id: UUID,
    provider_id: UUID,
    role: str,
    period: Period,
    needs: Sequence[str],
    instead_of: UUID | None = None,
) -> None:
    """Raises RulesViolated with everything that speaks against this seat, which would replace the row `instead_of`,
    and ProviderNotRegistered where the reason is that there is nobody of that id. `needs` names the credentials
    without which it is not given, each a kind or a code.
    """
    conflicting = [pair for pair in policy.conflicting_roles if role in pair]
    if conflicting:  # whoever seats this provider on another team at the same time has finished before we look
        await take_turns(db, tenant, provider_id)
    own = CareTeamMember.provider_id == provider_id
    kept = () if instead_of is None else (CareTeamMember.id != instead_of,)
    violations = membership_violations(
        role,
        period.starts_at,
        period.ends_at,
        await _seats(db, tenant, period, CareTeamMember.care_team_id == care_team_id, ~own),
        await _seats(db, tenant, period, own, *kept) if conflicting else (),
        await _credentials(db, tenant, provider_id, period) if needs else (),
        largest_team=policy.largest_team,
        held_once=policy.roles_held_once,
        conflicting=conflicting,
        needs=needs,
        suspended=bool(
            await db.scalar(_SUSPENDED, {"tenant": tenant, "provider": provider_id, "at": period.starts_at})
        ),
    )
    if not violations:
        return
    registered = select(Provider.id).where(Provider.organization_id == tenant, Provider.id == provider_id)
    if await db.scalar(registered) is None:
        raise ProviderNotRegistered
    raise RulesViolated(violations, provider_id=provider_id, care_team_id=care_team_id)


_SUSPENDED = text("""
    select exists (
      select from carecircle.access_restrictions
      where organization_id = :tenant and provider_id = :provider and kind = 'suspension'
        and superseded_at = 'infinity' and starts_at <= :at and ends_at > :at)""")


async def _seats(db: AsyncSession, tenant: OrganizationId, period: Period, *which: ColumnElement[bool]) -> list[Seat]:
    """The seats that overlap a period."""
    found = await db.execute(
        select(
            CareTeamMember.provider_id, CareTeamMember.member_role, CareTeamMember.starts_at, CareTeamMember.ends_at
        ).where(
            CareTeamMember.organization_id == tenant,
            *which,
            CareTeamMember.superseded_at == BELIEVED,
            CareTeamMember.starts_at < period.ends_at,
            CareTeamMember.ends_at > period.starts_at,
            CareTeamMember.starts_at < CareTeamMember.ends_at,
        )
    )
    return [Seat(*row) for row in found]


async def _credentials(
    db: AsyncSession, tenant: OrganizationId, provider_id: UUID, period: Period
) -> list[HeldCredential]:
    """What the provider holds when the period begins."""
    found = await db.execute(
        select(
            ProviderCredential.kind, ProviderCredential.code, ProviderCredential.starts_at, ProviderCredential.ends_at
        ).where(
            ProviderCredential.organization_id == tenant,
            ProviderCredential.provider_id == provider_id,
            ProviderCredential.superseded_at == BELIEVED,
            ProviderCredential.starts_at <= period.starts_at,
            ProviderCredential.ends_at > period.starts_at,
        )
    )
    return [HeldCredential(*row) for row in found]
