"""Sealing protected fields anew under the key that writes now, in small transactions of carecircle_keeper."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from carecircle.database.crypto import keyring
from carecircle.database.session import transaction
from carecircle.errors import KeyUnavailable


class Protected(NamedTuple):
    """A column of envelopes: what names its row within an organization, and what the envelope is bound to."""

    table: str
    column: str
    key: str
    key_type: str
    bound_to: str


FIELDS = (
    Protected("patients", "demographics", "id", "uuid", "id"),
    Protected("patient_identifiers", "identifier", "blind_index", "bytea", "blind_index"),
    Protected("emergency_access", "reason", "id", "uuid", "lineage_id"),
    Protected("emergency_access", "second_reason", "id", "uuid", "lineage_id"),
    Protected("emergency_notes", "body", "id", "uuid", "id"),
    Protected("legal_holds", "reason", "id", "uuid", "lineage_id"),
    Protected("visits", "reason", "id", "uuid", "lineage_id"),
)
# How long the last look waits, in seconds, for transactions that may have read an old envelope and be about to copy it.
STRAGGLERS = 10.0


@dataclass
class Resealed:
    """How many fields of each table were sealed anew, how many do not open, and how many are still under another key."""

    key_id: bytes
    fields: Counter[str] = field(default_factory=Counter)
    unreadable: int = 0
    left: int = 0


class UnderKey(NamedTuple):
    """How many fields of one column stand under one key."""

    table: str
    column: str
    key_id: bytes
    fields: int


async def under_keys(session: AsyncSession, organization: UUID) -> list[UnderKey]:
    """How many protected fields of the organization stand under which key id, in the session's tenant."""
    found = []
    for one in FIELDS:
        rows = await session.execute(
            text(
                f"select substring({one.column} from 1 for 4) as key_id, count(*) from carecircle.{one.table}"
                f" where organization_id = :organization and {one.column} is not null group by 1 order by 1"
            ),
            {"organization": organization},
        )
        found += [UnderKey(one.table, one.column, key_id, count) for key_id, count in rows]
    return found


async def reseal(
    engine: AsyncEngine,
    organization: UUID,
    *,
    batch: int = 500,
    progress: Callable[[Mapping[str, int]], None] | None = None,
    stragglers: float = STRAGGLERS,
) -> Resealed:
    """Seal every field of the organization anew that is not under the key that writes now; `engine` is the keeper's.

    Each batch is a transaction of its own that waits for nobody: rows somebody else is changing are left for a later pass.
    A field that does not open is counted and left as it is. Safe to stop and to repeat. Raises KeyUnavailable where no key
    of the organization writes yet, KeyDestroyed.
    """
    async with transaction(engine, organization):
        done = Resealed(_writing(organization))
    for last in (False, True):
        if last:
            await _older_transactions_gone(engine, stragglers)
        for _ in range(10):
            skipped = Counter[str]()
            for one in FIELDS:
                await _pass(engine, organization, one, batch, done, skipped, progress)
            done.unreadable = skipped.total()
            done.left = await _left(engine, organization, done.key_id)
            if done.left == done.unreadable:
                break
            await asyncio.sleep(0.1)
    return done


async def _pass(
    engine: AsyncEngine,
    organization: UUID,
    one: Protected,
    batch: int,
    done: Resealed,
    skipped: Counter[str],
    progress: Callable[[Mapping[str, int]], None] | None,
) -> None:
    """Once through a table, in the order of its key."""
    after: UUID | bytes | None = None
    while True:
        async with transaction(engine, organization) as session:
            # The key may have been followed by another since: never seal under one that is not the newest.
            writing = _writing(organization)
            given = {"organization": organization, "writing": writing, "after": after, "batch": batch}
            rows = (await session.execute(text(_read(one, after is not None)), given)).all()
            anew = list(_sealed_anew(organization, one, rows))
            skipped[one.table] += len(rows) - len(anew)
            if anew:
                names, before, sealed = zip(*anew, strict=True)
                put = {
                    "organization": organization,
                    "names": list(names),
                    "before": list(before),
                    "sealed": list(sealed),
                }
                written = await session.execute(text(_write(one)), put)
                done.fields[one.table] += written.rowcount  # type: ignore[attr-defined]  # an update has one
                done.key_id = writing
        if progress is not None and anew:
            progress(done.fields)
        if len(rows) < batch:
            return
        after = rows[-1].name


def _read(one: Protected, further: bool) -> str:
    beyond = f"and {one.key} > cast(:after as {one.key_type})" if further else "and cast(:after as text) is null"
    return (
        f"select {one.key} as name, {one.bound_to} as bound_to, {one.column} as envelope from carecircle.{one.table}"
        f" where organization_id = :organization and {one.column} is not null {beyond}"
        f" and substring({one.column} from 1 for 4) <> :writing"
        f" order by {one.key} limit :batch for no key update skip locked"
    )


def _write(one: Protected) -> str:
    # Only where the old envelope still stands: what somebody wrote in between is newer.
    return (
        f"update carecircle.{one.table} t set {one.column} = anew.sealed"
        f" from unnest(cast(:names as {one.key_type}[]), cast(:before as bytea[]), cast(:sealed as bytea[]))"
        " as anew (name, before, sealed)"
        f" where t.organization_id = :organization and t.{one.key} = anew.name and t.{one.column} = anew.before"
    )


def _sealed_anew(organization: UUID, one: Protected, rows: Any) -> Iterator[tuple[UUID | bytes, bytes, bytes]]:
    ring = keyring()
    for row in rows:
        try:
            plain = ring.unseal(row.envelope, organization, one.table, one.column, row.bound_to)
        except KeyUnavailable:
            continue
        yield row.name, row.envelope, ring.seal(plain, organization, one.table, one.column, row.bound_to)


def _writing(organization: UUID) -> bytes:
    key_id = keyring().known_keys(organization).writing(monotonic())
    if key_id is None:
        raise KeyUnavailable("This organization has no key of its own that writes yet; run: carecircle keys rotate.")
    return key_id


async def _left(engine: AsyncEngine, organization: UUID, key_id: bytes) -> int:
    async with transaction(engine, organization) as session:
        return sum(one.fields for one in await under_keys(session, organization) if one.key_id != key_id)


async def _older_transactions_gone(engine: AsyncEngine, patience: float) -> None:
    """Until every transaction that runs now has ended, or for `patience` seconds: one may copy an envelope it read before."""
    until = monotonic() + patience
    running = await _transactions(engine)
    while running and monotonic() < until:
        await asyncio.sleep(0.05)
        running &= await _transactions(engine)


async def _transactions(engine: AsyncEngine) -> set[str]:
    async with transaction(engine) as session:
        found = await session.scalars(
            text(
                "select virtualtransaction from pg_locks"
                " where locktype = 'virtualxid' and mode = 'ExclusiveLock' and granted and pid <> pg_backend_pid()"
            )
        )
        return set(found)
