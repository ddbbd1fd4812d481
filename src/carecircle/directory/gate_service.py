"""What the gate looks up about whoever comes: the last state of an API key, and whether a provider has an identifier."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.directory.account_tables import ApiKey
from carecircle.directory.tables import ProviderIdentifier
from carecircle.identifiers import OrganizationId


class LastKey(NamedTuple):
    """A key's name and the hash of its secret, whether it may be used still or not."""

    name: str
    secret_hash: bytes


async def last_key(db: AsyncSession, organization: OrganizationId, key_id: UUID) -> LastKey | None:
    """The last state of a key, also of one that has ended: its holder is told that it has. None where there is none.

    The tenant is set and no more, so that an organization that is not there costs what every other does.
    """
    await db.execute(
        text("select set_config('carecircle.organization_id', :tenant, true)"), {"tenant": str(organization)}
    )
    query = (
        select(ApiKey.name, ApiKey.secret_hash)
        .where(ApiKey.organization_id == organization, ApiKey.lineage_id == key_id)
        .order_by(ApiKey.recorded_at.desc(), ApiKey.id)
        .limit(1)
    )
    row = (await db.execute(query)).one_or_none()
    return None if row is None else LastKey(*row)


async def has_identifier(
    db: AsyncSession, organization: OrganizationId, provider: UUID, value: str, system: str | None
) -> bool:
    """Whether this provider has an identifier of that value, in one system or, without it, in any."""
    query = select(ProviderIdentifier.provider_id).where(
        ProviderIdentifier.organization_id == organization,
        ProviderIdentifier.provider_id == provider,
        ProviderIdentifier.value == value,
    )
    if system is not None:
        query = query.where(ProviderIdentifier.system == system)
    return (await db.execute(query.limit(1))).first() is not None
