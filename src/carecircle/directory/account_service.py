"""Accounts: who an identity provider's subject is here. Ending one revokes the person: account, roles and sign-ins in one act."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.actor import Actor, actor_of, organization_of
from carecircle.audit.entry import Entry, append
from carecircle.database.facts import supersede
from carecircle.database.session import enter_tenant, one_change, take_turns
from carecircle.directory.account_reading_service import (
    ADMINISTERING,
    Signer,
    account_row,
    holding,
    role_rows,
    with_roles,
)
from carecircle.directory.account_role_service import (
    Myself,
    end_role_rows,
    record_roles,
    require_administrator_beside,
    require_another,
    require_role,
)
from carecircle.directory.account_tables import Account
from carecircle.directory.permissions import roles_that_may
from carecircle.directory.service import AnyId, is_registered, resolve_provider
from carecircle.directory.sign_in_service import close_sign_ins
from carecircle.errors import InvalidRequest, ProviderNotRegistered
from carecircle.errors.service import AccountTaken, PreconditionFailed
from carecircle.identifiers import EntryId, OrganizationId, new_id, to_text
from carecircle.period import FOREVER

LONGEST_ISSUER, LONGEST_SUBJECT, LONGEST_LABEL = 512, 255, 200


async def add_account(
    db: AsyncSession,
    *,
    issuer: str,
    subject: str,
    provider: AnyId | None = None,
    label: str = "",
    roles: Collection[str] = (),
    operator: bool = False,
    myself: Myself | None = None,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> Signer:
    """Let somebody sign in from now on: who `issuer` says `subject` is, perhaps a provider, with these roles.

    `operator` and `myself` are as for give_role: nobody adds an account that they are themselves.
    Raises AccountTaken, OwnAccount, ProviderNotRegistered, PermissionRequired, and InvalidRequest for an unknown role or for
    text that is empty, too long or not printable.
    """
    issuer, subject = _text(issuer, "issuer", LONGEST_ISSUER), _text(subject, "subject", LONGEST_SUBJECT)
    label = _label(label)
    for role in roles:
        require_role(role, operator=operator)
    who = actor_of(actor)
    async with one_change(db):
        tenant = await enter_tenant(db, organization_of(organization))
        provider_id = None if provider is None else await _registered(db, tenant, provider)
        # Whoever offboards the provider has their turn before this one.
        if provider_id is not None:
            await take_turns(db, tenant, provider_id)
        now = await take_turns(db, tenant, ADMINISTERING)
        taken = await db.scalars(holding(tenant, now).where(Account.issuer == issuer, Account.subject == subject))
        if taken.one_or_none() is not None:
            raise AccountTaken(provider_id=provider_id)
        row_id = new_id()
        row = Account(
            organization_id=tenant, id=row_id, lineage_id=row_id, issuer=issuer, subject=subject,
            provider_id=provider_id, label=label, starts_at=now, ends_at=FOREVER, recorded_at=now,
        )  # fmt: skip
        require_another(row, who, myself)
        entry = _entry(row, who, "account-added")
        row.entry_id = entry.id
        await append(db, entry)
        db.add(row)
        await db.flush()
        await record_roles(db, row, dict.fromkeys(roles), who, now)
        [added] = await with_roles(db, tenant, [row], now)
        return added


async def change_account(
    db: AsyncSession,
    *,
    account_id: UUID,
    provider: AnyId | None = None,
    without_provider: bool = False,
    label: str | None = None,
    myself: Myself | None = None,
    row_id: UUID | None = None,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> Signer:
    """Say anew which provider an account is, or what it is called; what is left out stays, and the same again changes nothing.

    It is another row of the same account, so whoever is signed in by the old one is looked up again at the next request.
    Raises AccountNotFound, OwnAccount for another provider of one's own account, ProviderNotRegistered, InvalidRequest, and
    StaleVersion when `row_id` is given and no longer its row.
    """
    if provider is not None and without_provider:
        raise InvalidRequest("An account is one provider, or none; not both.")
    said_label = None if label is None else _label(label)
    who = actor_of(actor)
    async with one_change(db):
        tenant = await enter_tenant(db, organization_of(organization))
        chosen = None if provider is None else await _registered(db, tenant, provider)
        if chosen is not None:
            await take_turns(db, tenant, chosen)
        now = await take_turns(db, tenant, ADMINISTERING)
        row = await account_row(db, tenant, account_id, now)
        if row_id is not None and row.id != row_id:
            raise PreconditionFailed
        provider_id = chosen if chosen is not None else None if without_provider else row.provider_id
        new_label = row.label if said_label is None else said_label
        before = row.provider_id
        if (provider_id, new_label) != (before, row.label):
            if provider_id != row.provider_id:
                require_another(row, who, myself)
            entry = _entry(row, who, "account-changed", provider_changed=provider_id != row.provider_id)
            await append(db, entry)
            await _close(db, row, entry.id, now)
            row = _copy(row, entry.id, now, now, row.ends_at)
            row.provider_id, row.label = provider_id, new_label
            if provider_id is not None and provider_id != before:
                require_another(row, who, myself)
            db.add(row)
            await db.flush()
        [changed] = await with_roles(db, tenant, [row], now)
        return changed


async def end_account(
    db: AsyncSession,
    *,
    account_id: UUID,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> Signer:
    """Revoke a person: their account, roles and open sign-ins end now, together. Returns what the account was.

    Raises AccountNotFound, and LastAdministrator when nobody else could administer.
    """
    who = actor_of(actor)
    async with one_change(db):
        tenant = await enter_tenant(db, organization_of(organization))
        now = await take_turns(db, tenant, ADMINISTERING)
        row = await account_row(db, tenant, account_id, now)
        [was] = await with_roles(db, tenant, [row], now)
        if set(was.roles).intersection(roles_that_may("administer")):
            await require_administrator_beside(db, row, now)
        await _end(db, row, who, now)
        return was


async def end_accounts_of_provider(db: AsyncSession, tenant: OrganizationId, provider_id: UUID, who: Actor) -> int:
    """End every account of somebody who leaves, and every open sign-in as this provider, in the caller's transaction.

    Not even the last administrator stays: whoever leaves is out, and an operator gives the role to somebody else.
    How many accounts there were.
    """
    now = await take_turns(db, tenant, ADMINISTERING)
    rows = list(await db.scalars(holding(tenant, now).where(Account.provider_id == provider_id)))
    for row in rows:
        await _end(db, row, who, now)
    # Tokens of the installation's own name the provider, and no account.
    entry_id = EntryId(new_id())
    own = await close_sign_ins(db, tenant, entry_id, now, actor_name=f"provider:{to_text(provider_id)}")
    if own:
        detail: dict[str, str | int | bool | None] = {"sign_ins": len(own)}
        told = Entry(tenant, "change", who, "sign-in-ended", provider_id=provider_id, detail=detail, id=entry_id)
        await append(db, told)
    return len(rows)


async def _end(db: AsyncSession, row: Account, who: Actor, now: datetime) -> None:
    """Close the account, its roles and its open sign-ins, under one entry."""
    tenant = OrganizationId(row.organization_id)
    roles = await role_rows(db, tenant, [row.lineage_id], now)
    entry_id = EntryId(new_id())
    signed_in = await close_sign_ins(db, tenant, entry_id, now, account_id=row.lineage_id)
    await append(db, _entry(row, who, "account-ended", entry_id=entry_id, roles=len(roles), sign_ins=len(signed_in)))
    await end_role_rows(db, roles, entry_id, now)
    await _close(db, row, entry_id, now)


async def _close(db: AsyncSession, row: Account, entry_id: UUID, now: datetime) -> None:
    """Close the row and keep what it was until now."""
    await supersede(db, row, entry_id, now)
    if row.starts_at < now:
        db.add(_copy(row, entry_id, now, row.starts_at, now))
        await db.flush()


def _copy(row: Account, entry_id: UUID, now: datetime, starts_at: datetime, ends_at: datetime) -> Account:
    return Account(
        organization_id=row.organization_id, id=new_id(), lineage_id=row.lineage_id, issuer=row.issuer,
        subject=row.subject, provider_id=row.provider_id, label=row.label, starts_at=starts_at, ends_at=ends_at,
        recorded_at=now, entry_id=entry_id,
    )  # fmt: skip


async def _registered(db: AsyncSession, tenant: OrganizationId, provider: AnyId) -> UUID:
    provider_id = await resolve_provider(db, tenant, provider)
    if not await is_registered(db, tenant, "provider", provider_id):
        raise ProviderNotRegistered
    return provider_id


def _text(given: str, what: str, longest: int) -> str:
    """Exactly as given: an issuer's subject may be told apart by a space. Raises InvalidRequest, without repeating it."""
    if not given.strip() or len(given) > longest or not given.isprintable():
        raise InvalidRequest(f"The {what} of an account is printable text of 1 to {longest} characters.")
    return given


def _label(given: str) -> str:
    told = given.strip()
    if len(told) > LONGEST_LABEL or not told.isprintable():
        raise InvalidRequest(f"The label of an account is printable text of at most {LONGEST_LABEL} characters.")
    return told


def _entry(row: Account, who: Actor, code: str, *, entry_id: EntryId | None = None, **said: str | int | bool) -> Entry:
    """Never issuer and subject: many issuers make an e-mail address of it."""
    return Entry(
        row.organization_id, "change", who, code, provider_id=row.provider_id,
        detail={"account": to_text(row.lineage_id), **said}, id=entry_id or EntryId(new_id()),
    )  # fmt: skip
