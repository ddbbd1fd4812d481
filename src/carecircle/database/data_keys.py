"""An organization's data keys in the database: read where its tenant is entered, made, wrapped anew, destroyed."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from threading import Thread
from time import monotonic
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session, SessionTransaction

from carecircle.database.constraints import DRIVER_ERRORS
from carecircle.database.crypto import Keyring
from carecircle.database.key_set import Kept, Purpose
from carecircle.database.keys_source import KEY
from carecircle.errors import CareCircleError
from carecircle.identifiers import new_id

_KEYS = """
    select key_id, purpose, wrapped, root_key_id, {settled} as settled,
           extract(epoch from writes_from - statement_timestamp())::float8 as writes_in
    from carecircle.organization_keys where organization_id = {organization}"""
# Not settled is what this transaction made itself, and may roll back. Other connections make none.
_OF_SESSION = text(_KEYS.format(settled="recorded_at < transaction_timestamp()", organization=":organization"))
_OF_CONNECTION = _KEYS.format(settled="true", organization="$1")
# The sealer and the notifier may not read keys, and before the migration there are none.
_MAY_READ = text("""
    select coalesce(bool_and(has_column_privilege(of_keys, named, 'select')), false)
    from to_regclass('carecircle.organization_keys') of_keys, unnest(array['wrapped', 'recorded_at']) named""")
_MAKE = text("""
    insert into carecircle.organization_keys
      (organization_id, id, purpose, key_id, wrapped, root_key_id, writes_from, entry_id)
    values (:organization, :id, :purpose, :key_id, :wrapped, :root, statement_timestamp() + make_interval(secs => :margin),
            :entry)""")
_WRAPPED = text("""
    select id, key_id, purpose, wrapped, root_key_id from carecircle.organization_keys
    where organization_id = :organization and wrapped is not null order by recorded_at, id""")
_REWRAP = text("""
    update carecircle.organization_keys set wrapped = :anew, root_key_id = :root
    where organization_id = :organization and id = :id and wrapped = :before""")
_DESTROY = text("""
    update carecircle.organization_keys set wrapped = null, destroyed_at = statement_timestamp()
    where organization_id = :organization and wrapped is not null returning id""")


async def know(session: AsyncSession, ring: Keyring, organization: UUID) -> None:
    """Read the organization's keys, in its tenant, unless they were read a moment ago or this role may not."""
    if ring.is_fresh(organization):
        return
    read_at = monotonic()
    if (await session.execute(_MAY_READ)).scalar_one():
        found = await session.execute(_OF_SESSION, {"organization": organization})
        _learn(ring, organization, found.mappings().all(), read_at)


async def know_on(connection: asyncpg.Connection, ring: Keyring, organization: UUID) -> None:
    """The same on a connection that may read them."""
    if not ring.is_fresh(organization):
        read_at = monotonic()
        _learn(ring, organization, await connection.fetch(_OF_CONNECTION, organization), read_at)


def reloading(ring: Keyring, connect: Callable[[], Awaitable[asyncpg.Connection]]) -> Callable[[UUID], None]:
    """What `Keyring.reload` is to do: read an organization's keys on a connection of its own while the caller waits.

    Unsealing is no coroutine, and the connection of its transaction is busy: another thread asks. It happens only when a
    transaction outlives a rotation's margin.
    """

    async def read(organization: UUID) -> None:
        connection = await connect()
        try:
            async with connection.transaction():
                await connection.execute("select set_config('carecircle.organization_id', $1, true)", str(organization))
                await know_on(connection, ring, organization)
        finally:
            await connection.close()

    def aside(organization: UUID) -> None:
        # Who could not ask knows what it knew: the caller says that the key is not known.
        with suppress(CareCircleError, *DRIVER_ERRORS):
            asyncio.run(read(organization))

    def reload(organization: UUID) -> None:
        ring.expire(organization)
        asking = Thread(target=aside, args=(organization,), daemon=True)
        asking.start()
        asking.join(timeout=5)

    return reload


async def make_first_keys(session: AsyncSession, ring: Keyring, organization: UUID, entry_id: UUID) -> None:
    """The keys of an organization that this transaction registers; they are used at once. Raises KeyUnavailable."""
    ring.forget(organization)
    for purpose in ("field", "blind"):
        await make_key(session, ring, organization, entry_id, purpose)
    await know(session, ring, organization)


async def make_key(
    session: AsyncSession,
    ring: Keyring,
    organization: UUID,
    entry_id: UUID,
    purpose: Purpose,
    *,
    plain: bytes | None = None,
    margin: float = 0.0,
) -> bytes:
    """A data key, wrapped under the newest root key there is, that writes from `margin` seconds on; its id."""
    _when_it_ends(session, ring, organization)
    ring.read_roots_again()
    key_id = ring.fresh_key_id(organization)
    wrapped, root = ring.wrap(plain or secrets.token_bytes(KEY), organization, purpose, key_id)
    await session.execute(
        _MAKE,
        {"organization": organization, "id": new_id(), "purpose": purpose, "key_id": key_id, "wrapped": wrapped,
         "root": root, "margin": margin, "entry": entry_id},
    )  # fmt: skip
    return key_id


async def wrap_anew(session: AsyncSession, ring: Keyring, organization: UUID) -> int:
    """Wrap under the newest root key whatever another one wraps; how many keys that were. Raises KeyUnavailable."""
    done = 0
    for row in await session.execute(_WRAPPED, {"organization": organization}):
        if row.root_key_id == ring.newest_root:
            continue
        plain = ring.unwrap(organization, Kept(row.key_id, row.purpose, row.wrapped, row.root_key_id, 0.0))
        anew, root = ring.wrap(plain, organization, row.purpose, row.key_id)
        given = {"organization": organization, "id": row.id, "anew": anew, "root": root, "before": row.wrapped}
        done += (await session.execute(_REWRAP, given)).rowcount  # type: ignore[attr-defined]  # an update has one
    return done


async def destroy(session: AsyncSession, ring: Keyring, organization: UUID) -> int:
    """Destroy every data key of the organization; how many there were."""
    _when_it_ends(session, ring, organization)
    return len((await session.execute(_DESTROY, {"organization": organization})).all())


async def organizations(connection: asyncpg.Connection) -> list[UUID]:
    """Every organization there is, as the sealer, who alone may list them."""
    async with connection.transaction():
        await connection.execute("select set_config('carecircle.every_organization', 'on', true)")
        return [row["id"] for row in await connection.fetch("select id from carecircle.organizations order by id")]


def _when_it_ends(session: AsyncSession, ring: Keyring, organization: UUID) -> None:
    """Once the session's transaction or savepoint is undone, or the transaction is over, what it made is not relied on."""

    def over(_: Session, ended: SessionTransaction) -> None:
        if ended.parent is None:
            ring.ended(organization)

    event.listen(session.sync_session, "after_transaction_end", over)
    event.listen(session.sync_session, "after_soft_rollback", lambda *_: ring.ended(organization))


def _learn(ring: Keyring, organization: UUID, rows: Any, read_at: float) -> None:
    kept = [Kept(row["key_id"], row["purpose"], row["wrapped"], row["root_key_id"], row["writes_in"]) for row in rows]
    ring.learn(organization, kept, read_at=read_at, settled=all(row["settled"] for row in rows))
