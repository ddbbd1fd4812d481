"""API keys: made, rotated, revoked and listed. The text of one is told once; here only a hash of its secret is kept."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Select, select, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from carecircle.actor import Actor, actor_of, organization_of
from carecircle.audit.entry import Entry, append
from carecircle.database.constraints import translated
from carecircle.database.facts import supersede
from carecircle.database.keyset import Key, beyond
from carecircle.database.session import enter_tenant, instant, one_change, take_turns, transaction
from carecircle.directory.account_tables import ApiKey
from carecircle.directory.api_key import hash_of, new_secret, written
from carecircle.directory.permissions import PERMISSIONS
from carecircle.errors import InvalidRequest, PermissionRequired
from carecircle.errors.service import ApiKeyNotFound
from carecircle.identifiers import EntryId, OrganizationId, new_id, to_text
from carecircle.period import FOREVER, show
from carecircle.policy import ACTION_CODE

LONGEST_DAYS, USUAL_DAYS = 400, 90
USUAL_OVERLAP, LONGEST_OVERLAP = timedelta(hours=24), timedelta(days=30)
LONGEST_NAME = 200
_EVERY = 1_000_000


@dataclass(frozen=True, slots=True)
class Made:
    """A key that was made just now, and its text, which nobody is told again."""

    key: ApiKey
    text: str

    def __repr__(self) -> str:
        # A traceback must not hand the key on.
        return f"Made({to_text(self.key.lineage_id)}, …)"


@dataclass(frozen=True, slots=True)
class Listed:
    """A key that may be used now; `made_by` is the entry that made it."""

    id: UUID
    row_id: UUID
    name: str
    may: tuple[str, ...]
    actions: tuple[str, ...] | None
    made_at: datetime
    ends_at: datetime
    made_by: UUID


async def make_key(
    db: AsyncSession,
    *,
    name: str,
    may: Collection[str],
    actions: Collection[str] | None = None,
    days: int = USUAL_DAYS,
    no_more_than: Collection[str] | None = None,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> Made:
    """Make a key that may do this, about these actions (None: all), for so many days from now.

    `no_more_than` are the permissions of who makes it, None for an operator: nobody makes a key that may more than they do.
    Raises PermissionRequired, and InvalidRequest for what is no permission or action, a name that is empty, too long or not
    printable, or days outside 1 to 400.
    """
    called, permissions, about = _name(name), _permissions(may), _actions(actions)
    if not 1 <= days <= LONGEST_DAYS:
        raise InvalidRequest(f"An API key lasts 1 to {LONGEST_DAYS} days.")
    _require_no_more(permissions, no_more_than)
    who = actor_of(actor)
    async with one_change(db):
        tenant = await enter_tenant(db, organization_of(organization))
        own = new_id()
        now = await take_turns(db, tenant, own)
        return await _record(db, tenant, own, called, permissions, about, timedelta(days=days), who, now)


async def rotate_key(
    db: AsyncSession,
    *,
    key_id: UUID,
    overlap: timedelta = USUAL_OVERLAP,
    days: int = USUAL_DAYS,
    no_more_than: Collection[str] | None = None,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> Made:
    """Make another key that may the same, for so many days; the old one lives for `overlap` yet, and no longer than it would.

    Raises ApiKeyNotFound, PermissionRequired as make_key does, InvalidRequest for days outside 1 to 400 or an overlap outside
    0 to 30 days.
    """
    if not 1 <= days <= LONGEST_DAYS:
        raise InvalidRequest(f"An API key lasts 1 to {LONGEST_DAYS} days.")
    if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
        raise InvalidRequest(f"The old key lives for 0 to {LONGEST_OVERLAP.days} days yet.")
    who = actor_of(actor)
    async with one_change(db):
        tenant = await enter_tenant(db, organization_of(organization))
        now = await take_turns(db, tenant, key_id)
        old = await _row(db, tenant, key_id, now)
        _require_no_more(old.may, no_more_than)
        own = new_id()
        until = min(old.ends_at, now + overlap)
        said = {"key": to_text(key_id), "followed_by": to_text(own), "ends_at": show(until)}
        entry = Entry(tenant, "change", who, "api-key-rotated", detail=said)
        await append(db, entry)
        if until < old.ends_at:
            await _shorten(db, old, until, entry.id, now)
        return await _record(db, tenant, own, old.name, old.may, old.actions, timedelta(days=days), who, now)


async def revoke_key(
    db: AsyncSession,
    *,
    key_id: UUID,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> ApiKey:
    """End a key now: the next request with it is refused. Returns what it was. Raises ApiKeyNotFound."""
    who = actor_of(actor)
    async with one_change(db):
        tenant = await enter_tenant(db, organization_of(organization))
        now = await take_turns(db, tenant, key_id)
        row = await _row(db, tenant, key_id, now)
        entry = Entry(tenant, "change", who, "api-key-revoked", detail={"key": to_text(key_id)})
        await append(db, entry)
        await _shorten(db, row, now, entry.id, now)
        return row


async def api_keys(
    db: AsyncSession,
    *,
    ends_within: timedelta | None = None,
    after: Sequence[Key] | None = None,
    limit: int = _EVERY,
    organization: UUID | str | None = None,
) -> list[Listed]:
    """The keys that may be used now, by their ids; with `ends_within`, those that end so soon. Raises InvalidCursor."""
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        now = await instant(db)
        query = _usable(tenant, now)
        if ends_within is not None:
            query = query.where(ApiKey.ends_at <= now + ends_within)
        rows = list(await db.scalars(beyond(query, ApiKey.lineage_id, after=after, limit=limit)))
        # A row that was shortened is another one: who made the key is told by the first of its rows.
        first = (
            select(ApiKey.lineage_id, ApiKey.recorded_at, ApiKey.entry_id)
            .where(ApiKey.organization_id == tenant, ApiKey.lineage_id.in_([row.lineage_id for row in rows]))
            .order_by(ApiKey.recorded_at.desc())
        )
        made = {lineage: (at, entry) for lineage, at, entry in await db.execute(first)}
        return [
            Listed(
                row.lineage_id, row.id, row.name, tuple(row.may), None if row.actions is None else tuple(row.actions),
                made[row.lineage_id][0], row.ends_at, made[row.lineage_id][1],
            )
            for row in rows
        ]  # fmt: skip


async def makers(
    auditor: AsyncEngine, entries: Iterable[UUID], *, organization: UUID | str | None = None
) -> Mapping[UUID, str]:
    """Who left these entries, by their ids, as the audit trail has it; an entry that is gone is left out."""
    tenant = organization_of(organization)
    async with transaction(auditor) as db:
        await db.execute(
            text("select set_config('carecircle.organization_id', :tenant, true)"), {"tenant": str(tenant)}
        )
        rows = await db.execute(
            text("select id, actor from carecircle.audit_events where organization_id = :tenant and id = any(:ids)"),
            {"tenant": tenant, "ids": list(entries)},
        )
        return {row.id: row.actor for row in rows}


def _require_no_more(permissions: Collection[str], no_more_than: Collection[str] | None) -> None:
    """Raises PermissionRequired, naming them, for permissions that its maker does not have."""
    if no_more_than is None:
        return
    beyond_theirs = [one for one in PERMISSIONS if one in permissions and one not in no_more_than]
    if beyond_theirs:
        raise PermissionRequired(
            f"Nobody makes a key that may more than they do themselves: {', '.join(beyond_theirs)}."
        )


def _usable(tenant: OrganizationId, now: datetime) -> Select[ApiKey]:
    return (
        select(ApiKey)
        .where(
            ApiKey.organization_id == tenant,
            ApiKey.superseded_at == FOREVER,
            ApiKey.starts_at <= now,
            ApiKey.ends_at > now,
        )
        .execution_options(populate_existing=True)
    )


async def _row(db: AsyncSession, tenant: OrganizationId, key_id: UUID, now: datetime) -> ApiKey:
    row = (await db.scalars(_usable(tenant, now).where(ApiKey.lineage_id == key_id))).one_or_none()
    if row is None:
        raise ApiKeyNotFound
    return row


async def _record(
    db: AsyncSession, tenant: OrganizationId, own: UUID, name: str, may: list[str], actions: list[str] | None,
    lasts: timedelta, who: Actor, now: datetime,
) -> Made:  # fmt: skip
    secret = new_secret()
    row = ApiKey(
        organization_id=tenant, id=own, lineage_id=own, name=name, secret_hash=hash_of(secret), may=may,
        actions=actions, starts_at=now, ends_at=now + lasts, recorded_at=now,
    )  # fmt: skip
    told = {"key": to_text(own), "may": " ".join(may), "ends_at": show(row.ends_at)}
    if actions is not None:
        told["actions"] = " ".join(actions)
    entry = Entry(tenant, "change", who, "api-key-made", detail=told, id=EntryId(new_id()))
    row.entry_id = entry.id
    await append(db, entry)
    db.add(row)
    await db.flush()
    return Made(row, written(tenant, own, secret))


async def _shorten(db: AsyncSession, row: ApiKey, until: datetime, entry_id: UUID, now: datetime) -> None:
    """Close the row; another of the same key says until when it was, or is, good."""
    await supersede(db, row, entry_id, now)
    if row.starts_at < until:
        db.add(
            ApiKey(
                organization_id=row.organization_id, id=new_id(), lineage_id=row.lineage_id, name=row.name,
                secret_hash=row.secret_hash, may=row.may, actions=row.actions, starts_at=row.starts_at, ends_at=until,
                recorded_at=now, entry_id=entry_id,
            )
        )  # fmt: skip
    await db.flush()


def _name(given: str) -> str:
    told = given.strip()
    if not told or len(told) > LONGEST_NAME or not told.isprintable():
        raise InvalidRequest(f"The name of an API key is printable text of 1 to {LONGEST_NAME} characters.")
    return told


def _permissions(given: Collection[str]) -> list[str]:
    known = [one for one in PERMISSIONS if one != "all-organizations"]
    if not given or not set(given).issubset(known):
        raise InvalidRequest(f"An API key may do one or more of: {', '.join(known)}.")
    return [one for one in known if one in given]


def _actions(given: Collection[str] | None) -> list[str] | None:
    if given is None:
        return None
    if not given or not all(ACTION_CODE.fullmatch(one) for one in given):
        raise InvalidRequest(
            "The actions of an API key are codes of actions, such as read; without any, it may ask about all."
        )
    return sorted(set(given))
