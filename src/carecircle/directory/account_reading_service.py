"""Reading who signs in: accounts with the roles they hold now, and who may administer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.actor import organization_of
from carecircle.database.constraints import translated
from carecircle.database.keyset import Key, beyond
from carecircle.database.session import enter_tenant, instant
from carecircle.directory.account_tables import Account, AccountRole
from carecircle.directory.permissions import ROLES, permitted, roles_that_may
from carecircle.directory.service import AnyId, resolve_provider
from carecircle.errors.service import AccountNotFound
from carecircle.identifiers import OrganizationId
from carecircle.period import FOREVER

ADMINISTERING = UUID(bytes=b"who-administers\0")
"""Whose turn everybody takes who changes accounts or roles of an organization: the last administrator is told apart so."""
_EVERY = 1_000_000


@dataclass(frozen=True, slots=True)
class Signer:
    """An account that holds now, with its roles; `id` is the same for as long as it has existed."""

    id: UUID
    row_id: UUID
    issuer: str
    subject: str
    provider_id: UUID | None
    label: str
    roles: tuple[str, ...]
    starts_at: datetime

    @property
    def may(self) -> frozenset[str]:
        """What its roles permit."""
        return permitted(frozenset(self.roles))


async def accounts(
    db: AsyncSession,
    *,
    provider: AnyId | None = None,
    role: str | None = None,
    after: Sequence[Key] | None = None,
    limit: int = _EVERY,
    organization: UUID | str | None = None,
) -> list[Signer]:
    """The accounts that hold now, by their ids; those of one provider, or with one role, when asked so.

    Raises ProviderNotRegistered, InvalidCursor.
    """
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        now = await instant(db)
        query = holding(tenant, now)
        if provider is not None:
            query = query.where(Account.provider_id == await resolve_provider(db, tenant, provider))
        if role is not None:
            query = query.where(
                Account.lineage_id.in_(_held(tenant, now, [role]).with_only_columns(AccountRole.account_id))
            )
        rows = list(await db.scalars(beyond(query, Account.lineage_id, after=after, limit=limit)))
        return await with_roles(db, tenant, rows, now)


async def find_account(
    db: AsyncSession,
    *,
    account_id: UUID | None = None,
    issuer: str | None = None,
    subject: str | None = None,
    organization: UUID | str | None = None,
) -> Signer:
    """One account that holds now, by its id, or by who says who signs in. Raises AccountNotFound."""
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        now = await instant(db)
        query = holding(tenant, now)
        if account_id is not None:
            query = query.where(Account.lineage_id == account_id)
        else:
            query = query.where(Account.issuer == issuer, Account.subject == subject)
        rows = list(await db.scalars(query))
        if not rows:
            raise AccountNotFound
        [found] = await with_roles(db, tenant, rows, now)
        return found


async def account_row(db: AsyncSession, tenant: OrganizationId, account_id: UUID, now: datetime) -> Account:
    """The row of an account that holds at `now`. Raises AccountNotFound."""
    row = (await db.scalars(holding(tenant, now).where(Account.lineage_id == account_id))).one_or_none()
    if row is None:
        raise AccountNotFound
    return row


async def with_roles(db: AsyncSession, tenant: OrganizationId, rows: Sequence[Account], now: datetime) -> list[Signer]:
    """These accounts with the roles they hold, in the order of the table of roles."""
    held: defaultdict[UUID, set[str]] = defaultdict(set)
    for one in await role_rows(db, tenant, [row.lineage_id for row in rows], now):
        held[one.account_id].add(one.role)
    return [
        Signer(
            row.lineage_id, row.id, row.issuer, row.subject, row.provider_id, row.label,
            tuple(role for role in ROLES if role in held[row.lineage_id]), row.starts_at,
        )
        for row in rows
    ]  # fmt: skip


async def role_rows(
    db: AsyncSession, tenant: OrganizationId, account_ids: Collection[UUID], now: datetime
) -> list[AccountRole]:
    """The rows of the roles that these accounts have not lost by `now`."""
    query = (
        select(AccountRole)
        .where(
            AccountRole.organization_id == tenant,
            AccountRole.superseded_at == FOREVER,
            AccountRole.ends_at > now,
            AccountRole.account_id.in_(list(account_ids)),
        )
        .order_by(AccountRole.starts_at, AccountRole.id)
    )
    return list(await db.scalars(query.execution_options(populate_existing=True)))


async def administrators_beside(
    db: AsyncSession, tenant: OrganizationId, now: datetime, *, account_id: UUID, role: str | None = None
) -> int:
    """How many may administer for good without this account, or, with `role`, without this role of it.

    Whose role or account has an end already does not count: nobody would be left once it has come.
    """
    held = _held(tenant, now, roles_that_may("administer")).where(AccountRole.ends_at == FOREVER)
    taken = AccountRole.account_id == account_id
    held = held.where(~taken if role is None else ~(taken & (AccountRole.role == role)))
    standing = (
        holding(tenant, now).where(Account.ends_at == FOREVER).with_only_columns(Account.lineage_id).order_by(None)
    )
    counted = held.where(AccountRole.account_id.in_(standing)).with_only_columns(
        func.count(AccountRole.account_id.distinct())
    )
    return await db.scalar(counted) or 0


def holding(tenant: OrganizationId, now: datetime) -> Select[Account]:
    """The rows of accounts that hold at `now`."""
    return (
        select(Account)
        .where(
            Account.organization_id == tenant,
            Account.superseded_at == FOREVER,
            Account.starts_at <= now,
            Account.ends_at > now,
        )
        .execution_options(populate_existing=True)
    )


def _held(tenant: OrganizationId, now: datetime, roles: Collection[str]) -> Select[AccountRole]:
    return select(AccountRole).where(
        AccountRole.organization_id == tenant,
        AccountRole.superseded_at == FOREVER,
        AccountRole.starts_at <= now,
        AccountRole.ends_at > now,
        AccountRole.role.in_(list(roles)),
    )
