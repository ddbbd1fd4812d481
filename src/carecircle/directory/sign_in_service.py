"""Sign-ins that are open: who is in, and how they are put out. A sign-in that was ended never lives again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.actor import Actor, actor_of, organization_of
from carecircle.audit.entry import Entry, append
from carecircle.database.constraints import translated
from carecircle.database.facts import supersede
from carecircle.database.keyset import Key, beyond
from carecircle.database.session import enter_tenant, instant, one_change, take_turns
from carecircle.directory.account_tables import SignIn
from carecircle.errors import InvalidRequest
from carecircle.errors.service import SignInNotFound
from carecircle.identifiers import EntryId, new_id, to_text
from carecircle.period import FOREVER

_EVERY = 1_000_000
# Closed without a successor: whoever comes with the same session again finds its row, and that it is over.
_CLOSE = """
    update carecircle.sign_ins
    set superseded_at = :at, superseded_xid = pg_current_xact_id(), superseded_entry_id = :entry_id
    where organization_id = :tenant and superseded_at = 'infinity' and ends_at > :at and ({whose})
    returning id"""


async def sign_ins(
    db: AsyncSession,
    *,
    account_id: UUID | None = None,
    actor_name: str | None = None,
    after: Sequence[Key] | None = None,
    limit: int = _EVERY,
    organization: UUID | str | None = None,
) -> list[SignIn]:
    """Those that are open now, the newest first; of one account, or of one actor, when asked so. Raises InvalidCursor."""
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        now = await instant(db)
        query = select(SignIn).where(
            SignIn.organization_id == tenant, SignIn.superseded_at == FOREVER, SignIn.ends_at > now
        )
        if account_id is not None:
            query = query.where(SignIn.account_id == account_id)
        if actor_name is not None:
            query = query.where(SignIn.actor == actor_name)
        query = beyond(query, SignIn.starts_at, SignIn.id, after=after, limit=limit, descending=True)
        return list(await db.scalars(query.execution_options(populate_existing=True)))


async def end_sign_in(
    db: AsyncSession,
    *,
    sign_in_id: UUID,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> SignIn:
    """End one sign-in now: the next request with its token is refused. Raises SignInNotFound."""
    who = actor_of(actor)
    async with one_change(db):
        tenant = await enter_tenant(db, organization_of(organization))
        now = await take_turns(db, tenant, sign_in_id)
        query = select(SignIn).where(
            SignIn.organization_id == tenant, SignIn.id == sign_in_id, SignIn.superseded_at == FOREVER,
            SignIn.ends_at > now,
        ).execution_options(populate_existing=True)  # fmt: skip
        row = (await db.scalars(query)).one_or_none()
        if row is None:
            raise SignInNotFound
        detail: dict[str, str | int | bool | None] = {"sign_in": to_text(row.id)}
        if row.account_id is not None:
            detail["account"] = to_text(row.account_id)
        entry = Entry(tenant, "change", who, "sign-in-ended", detail=detail)
        await append(db, entry)
        await supersede(db, row, entry.id, now)
        return row


async def end_sign_ins(
    db: AsyncSession,
    *,
    account_id: UUID | None = None,
    actor_name: str | None = None,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> int:
    """End every open sign-in of an account, or of an actor, now; how many there were. With none, nothing is recorded.

    Raises InvalidRequest when neither is named.
    """
    if account_id is None and actor_name is None:
        raise InvalidRequest("Say whose sign-ins end: an account's, or an actor's.")
    who = actor_of(actor)
    async with one_change(db):
        tenant = await enter_tenant(db, organization_of(organization))
        now = await take_turns(db, tenant, account_id or tenant)
        entry_id = EntryId(new_id())
        ended = await close_sign_ins(db, tenant, entry_id, now, account_id=account_id, actor_name=actor_name)
        if ended:
            detail: dict[str, str | int | bool | None] = {"sign_ins": len(ended)}
            if account_id is not None:
                detail["account"] = to_text(account_id)
            await append(db, Entry(tenant, "change", who, "sign-in-ended", detail=detail, id=entry_id))
        return len(ended)


async def close_sign_ins(
    db: AsyncSession,
    tenant: UUID,
    entry_id: UUID,
    at: datetime,
    *,
    account_id: UUID | None = None,
    actor_name: str | None = None,
) -> list[UUID]:
    """Close the open sign-ins of an account, of an actor, or of either, under an entry of the same transaction."""
    whose = [
        told
        for told, given in (("account_id = :account_id", account_id), ("actor = :actor_name", actor_name))
        if given is not None
    ]
    said = {"account_id": account_id, "actor_name": actor_name}
    closed = await db.execute(
        text(_CLOSE.format(whose=" or ".join(whose))),
        {
            "at": at,
            "entry_id": entry_id,
            "tenant": tenant,
            **{key: one for key, one in said.items() if one is not None},
        },
    )
    return list(closed.scalars())
