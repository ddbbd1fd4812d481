"""Giving roles to accounts and taking them away. A role lets nobody see a patient; nobody gives one to themselves."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.actor import Actor, actor_of, organization_of
from carecircle.audit.entry import Entry, append
from carecircle.database.constraints import translated
from carecircle.database.facts import supersede
from carecircle.database.session import enter_tenant, instant, one_change, take_turns
from carecircle.directory.account_reading_service import (
    ADMINISTERING,
    account_row,
    administrators_beside,
    role_rows,
)
from carecircle.directory.account_tables import Account, AccountRole
from carecircle.directory.permissions import ROLES, roles_that_may
from carecircle.errors import InvalidRequest, NotFound, PermissionRequired
from carecircle.errors.service import LastAdministrator, OwnAccount, RoleAlreadyHeld
from carecircle.identifiers import new_id, to_text


@dataclass(frozen=True, slots=True)
class Myself:
    """Who asks, as far as they have an account: here, or, on a visit, at home."""

    account_id: UUID
    issuer: str
    subject: str


async def give_role(
    db: AsyncSession,
    *,
    account_id: UUID,
    role: str,
    operator: bool = False,
    myself: Myself | None = None,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> AccountRole:
    """Give an account a role, from now on.

    `operator` says that somebody sits at the command line of the installation: only they make a super_admin.
    Raises AccountNotFound, RoleAlreadyHeld, InvalidRequest for an unknown role,
    OwnAccount, PermissionRequired.
    """
    require_role(role, operator=operator)
    who = actor_of(actor)
    async with one_change(db):
        tenant = await enter_tenant(db, organization_of(organization))
        now = await take_turns(db, tenant, ADMINISTERING)
        account = await account_row(db, tenant, account_id, now)
        require_another(account, who, myself)
        if any(one.role == role for one in await role_rows(db, tenant, [account_id], now)):
            raise RoleAlreadyHeld(provider_id=account.provider_id)
        [row] = await record_roles(db, account, [role], who, now)
        return row


async def take_role(
    db: AsyncSession,
    *,
    account_id: UUID,
    role: str,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> AccountRole:
    """Take a role away, from now on: the next question is decided without it. Returns the row that was ended.

    Raises AccountNotFound, NotFound when it is not held, LastAdministrator when nobody else could administer, InvalidRequest
    for an unknown role.
    """
    _require_known(role)
    who = actor_of(actor)
    async with one_change(db):
        tenant = await enter_tenant(db, organization_of(organization))
        now = await take_turns(db, tenant, ADMINISTERING)
        account = await account_row(db, tenant, account_id, now)
        row = next((one for one in await role_rows(db, tenant, [account_id], now) if one.role == role), None)
        if row is None:
            raise NotFound("This account does not hold that role.", provider_id=account.provider_id)
        if role in roles_that_may("administer"):
            await require_administrator_beside(db, account, now, role=role)
        entry = _entry(account, who, "role-taken", role)
        await append(db, entry)
        await end_role_rows(db, [row], entry.id, now)
        return row


async def roles_of(db: AsyncSession, *, account_id: UUID, organization: UUID | str | None = None) -> list[AccountRole]:
    """The roles an account holds now, the oldest first. Raises AccountNotFound."""
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        now = await instant(db)
        await account_row(db, tenant, account_id, now)
        return await role_rows(db, tenant, [account_id], now)


def require_role(role: str, *, operator: bool) -> None:
    """Raises InvalidRequest for an unknown role, PermissionRequired for super_admin unless an operator gives it."""
    _require_known(role)
    if role in roles_that_may("all-organizations") and not operator:
        raise PermissionRequired(
            f"The role {role} is given by the operator of the installation, at its command line: carecircle role give."
        )


def require_another(account: Account, who: Actor, myself: Myself | None) -> None:
    """Raises OwnAccount when who acts is the person of this account.

    That is: by the same account, as the same provider, or, on a visit, as the same subject of the same issuer.
    """
    if myself is not None:
        same = myself.account_id == account.lineage_id
        if same or (myself.issuer, myself.subject) == (account.issuer, account.subject):
            raise OwnAccount(provider_id=account.provider_id)
    theirs = {f"account:{to_text(account.lineage_id)}"}
    if account.provider_id is not None:
        theirs.add(f"provider:{to_text(account.provider_id)}")
    if not theirs.isdisjoint({who.name, who.on_behalf_of}):
        raise OwnAccount(provider_id=account.provider_id)


async def require_administrator_beside(
    db: AsyncSession, account: Account, now: datetime, *, role: str | None = None
) -> None:
    """Raises LastAdministrator when nobody may administer without this account, or without this role of it.

    The caller has taken the turn ADMINISTERING: two who go at once would each count on the other.
    """
    tenant: Any = account.organization_id
    if not await administrators_beside(db, tenant, now, account_id=account.lineage_id, role=role):
        raise LastAdministrator(provider_id=account.provider_id)


async def record_roles(
    db: AsyncSession, account: Account, roles: Iterable[str], who: Actor, now: datetime
) -> list[AccountRole]:
    """Give these roles, each with an entry of its own."""
    rows, entries = [], []
    for role in roles:
        row_id, entry = new_id(), _entry(account, who, "role-given", role)
        rows.append(
            AccountRole(
                organization_id=account.organization_id, id=row_id, lineage_id=row_id, account_id=account.lineage_id,
                role=role, starts_at=now, recorded_at=now, entry_id=entry.id,
            )
        )  # fmt: skip
        entries.append(entry)
    await append(db, *entries)
    db.add_all(rows)
    await db.flush()
    return rows


async def end_role_rows(db: AsyncSession, rows: Iterable[AccountRole], entry_id: UUID, now: datetime) -> None:
    """Close these rows, and keep what they were until now."""
    for row in rows:
        await supersede(db, row, entry_id, now)
        if row.starts_at < now:
            db.add(
                AccountRole(
                    organization_id=row.organization_id, id=new_id(), lineage_id=row.lineage_id,
                    account_id=row.account_id, role=row.role, starts_at=row.starts_at, ends_at=now, recorded_at=now,
                    entry_id=entry_id,
                )
            )  # fmt: skip
    await db.flush()


def _require_known(role: str) -> None:
    if role not in ROLES:
        raise InvalidRequest(f"Unknown role; known are {', '.join(ROLES)}.")


def _entry(account: Account, who: Actor, code: str, role: str) -> Entry:
    return Entry(
        account.organization_id, "change", who, code, provider_id=account.provider_id,
        detail={"account": to_text(account.lineage_id), "role": role},
    )  # fmt: skip
