"""The keys of an organization over its life: rotated, wrapped under another root key, destroyed; each with its entry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Literal
from uuid import UUID, uuid5

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from carecircle.actor import Actor, actor_of, organization_of
from carecircle.audit.entry import Entry, append
from carecircle.audit.holds_service import require_no_hold
from carecircle.database.constraints import translated
from carecircle.database.crypto import keyring
from carecircle.database.data_keys import destroy, make_key, wrap_anew
from carecircle.database.resealing_service import Resealed, UnderKey, reseal, under_keys
from carecircle.database.session import enter_tenant, take_turns, transaction
from carecircle.errors import Conflict, KeyDestroyed, KeyUnavailable
from carecircle.identifiers import OrganizationId

MARGIN = 30.0
"""Seconds between a new key's making and its first use: every process reads an organization's keys more often than that."""
_KEYS_OF = text("""
    select purpose, key_id, root_key_id, wrapped is null as destroyed, writes_from, recorded_at, destroyed_at,
           writes_from > clock_timestamp() as ahead
    from carecircle.organization_keys where organization_id = :organization order by purpose desc, writes_from, id""")
_SETTLED = text("""
    select not exists (select from carecircle.organization_keys
                       where organization_id = :organization and purpose = 'field'
                         and writes_from > clock_timestamp() - make_interval(secs => :since)
                         and writes_from > recorded_at + interval '1 second')""")
_SLUG = text("select slug from carecircle.organizations where id = :organization")


@dataclass(frozen=True, slots=True)
class KeyState:
    """A key of an organization; `state` says what it does now. Root-derived keys from before it had its own have no row."""

    purpose: str
    key_id: bytes
    root_key_id: bytes
    state: Literal["writes", "reads", "ahead", "destroyed"]
    writes_from: datetime
    recorded_at: datetime
    destroyed_at: datetime | None


async def slug_of(db: AsyncSession, organization: UUID) -> str:
    """The slug of the organization in whose tenant the session is."""
    slug: str = (await db.execute(_SLUG, {"organization": organization})).scalar_one()
    return slug


async def keys_of(db: AsyncSession, *, organization: UUID | str | None = None) -> list[KeyState]:
    """The organization's keys: those for fields, the oldest first, then the one for blind indexes."""
    tenant = await enter_tenant(db, organization_of(organization))
    with translated():
        rows = (await db.execute(_KEYS_OF, {"organization": tenant})).all()
    writing = {row.purpose: row.key_id for row in rows if not row.ahead}
    return [
        KeyState(
            row.purpose,
            row.key_id,
            row.root_key_id,
            "destroyed"
            if row.destroyed
            else "ahead"
            if row.ahead
            else "writes"
            if writing[row.purpose] == row.key_id
            else "reads",
            row.writes_from,
            row.recorded_at,
            row.destroyed_at,
        )
        for row in rows
    ]


async def fields_under_keys(db: AsyncSession, *, organization: UUID | str | None = None) -> list[UnderKey]:
    """How many protected fields stand under which key id."""
    tenant = await enter_tenant(db, organization_of(organization))
    with translated():
        return await under_keys(db, tenant)


async def rotate(
    db: AsyncSession,
    *,
    margin: float = MARGIN,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> KeyState:
    """Make the organization's next field key, which writes from `margin` seconds on; until then everybody only reads it.

    An organization from before data keys gets its blind key too, the one it has used all along. Raises Conflict while a new
    key has not begun to write, KeyDestroyed for an organization that was shredded, KeyUnavailable.
    """
    tenant = await enter_tenant(db, organization_of(organization))
    ring = keyring()
    await _alone(db, tenant)
    kept = await keys_of(db, organization=tenant)
    if any(key.state == "destroyed" for key in kept):
        raise KeyDestroyed
    if any(key.state == "ahead" for key in kept):
        raise Conflict(
            "The keys of this organization are being rotated already; complete it with: carecircle keys reseal."
        )
    before = next((key.key_id.hex() for key in kept if key.purpose == "field" and key.state == "writes"), None)
    with translated():
        entry = Entry(
            tenant, "change", actor_of(actor), "key-rotated", detail={"replaces": before, "margin": int(margin)}
        )
        await append(db, entry)
        if not any(key.purpose == "blind" for key in kept):
            await make_key(db, ring, tenant, entry.id, "blind", plain=ring.first_blind_key(tenant))
        key_id = await make_key(db, ring, tenant, entry.id, "field", margin=margin)
    ring.expire(tenant)
    return next(key for key in await keys_of(db, organization=tenant) if key.key_id == key_id)


async def seal_anew(
    engine: AsyncEngine,
    keeper: AsyncEngine,
    *,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
    batch: int = 500,
    progress: Callable[[Mapping[str, int]], None] | None = None,
) -> Resealed:
    """Seal every protected field anew under the key that writes now, beside all other work; may be stopped and repeated.

    One entry says that it began and another what was done; the entries and all else are the app's (`engine`), the fields
    the keeper's. Raises KeyUnavailable where no key of the organization writes yet, KeyDestroyed.
    """
    tenant, who = organization_of(organization), actor_of(actor)
    async with transaction(engine, tenant) as db:
        writing = keyring().known_keys(tenant).writing(monotonic())
        if writing is None:
            raise KeyUnavailable(
                "This organization has no key of its own that writes yet; run: carecircle keys rotate."
            )
        if all(one.key_id == writing for one in await under_keys(db, tenant)):
            return Resealed(writing)
        await append(db, Entry(tenant, "change", who, "fields-resealing"))
    done = await reseal(keeper, tenant, batch=batch, progress=progress)
    async with transaction(engine, tenant) as db:
        told: dict[str, str | int | bool | None] = {
            "key": done.key_id.hex(),
            "unreadable": done.unreadable,
            "left": done.left,
            **done.fields,
        }
        await append(db, Entry(tenant, "change", who, "fields-resealed", detail=told))
    return done


async def wrap_under_newest_root(
    db: AsyncSession, *, organization: UUID | str | None = None, actor: Actor | str | None = None
) -> int:
    """Wrap the organization's data keys under the newest root key; how many were under another. Raises KeyUnavailable."""
    tenant = await enter_tenant(db, organization_of(organization))
    ring = keyring()
    ring.read_roots_again()
    await _alone(db, tenant)
    with translated():
        done = await wrap_anew(db, ring, tenant)
        if done:
            told: dict[str, str | int | bool | None] = {"root": ring.newest_root.hex(), "keys": done}
            await append(db, Entry(tenant, "change", actor_of(actor), "keys-wrapped-anew", detail=told))
    return done


async def shred(db: AsyncSession, *, organization: UUID | str | None = None, actor: Actor | str | None = None) -> int:
    """Destroy every data key of the organization: what they protect is unreadable for ever. How many keys there were.

    Decisions by id and the audit trail are not touched. Raises Conflict while a legal hold is in force, fields stand under
    root keys or a rotation is under way, KeyDestroyed when it was done before.
    """
    tenant = await enter_tenant(db, organization_of(organization))
    await _alone(db, tenant)
    kept = await keys_of(db, organization=tenant)
    if any(key.state == "destroyed" for key in kept):
        raise KeyDestroyed("The keys of this organization were destroyed before; nothing was changed.")
    await require_no_hold(db, organization=tenant)
    own = {key.key_id for key in kept}
    with translated():
        left = sum(one.fields for one in await under_keys(db, tenant) if one.key_id not in own)
        settled = (await db.execute(_SETTLED, {"organization": tenant, "since": 5.0})).scalar_one()
    if left or not kept:
        raise Conflict(
            f"{left} fields of this organization are not under keys of its own, so destroying those would leave them"
            " readable; run first: carecircle keys rotate."
        )
    if not settled:
        raise Conflict("The keys of this organization are being rotated; wait until that is done, then run this again.")
    with translated():
        entry = Entry(tenant, "change", actor_of(actor), "organization-shredded", detail={"keys": len(kept)})
        await append(db, entry)
        return await destroy(db, keyring(), tenant)


def keeps_derived_blind_key(organization: UUID) -> bool:
    """Whether the blind key is the one that can be derived from the first root key, as in organizations from before data keys.

    Raises KeyUnavailable.
    """
    blind = keyring().known_keys(organization).blind
    return blind is None or blind.secret() == keyring().first_blind_key(organization)


async def _alone(db: AsyncSession, tenant: OrganizationId) -> None:
    """Whoever changes the organization's keys waits for the others."""
    await take_turns(db, tenant, uuid5(tenant, "keys"))
