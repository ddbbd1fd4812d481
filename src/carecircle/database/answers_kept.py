"""Answers kept for a day beside the change they tell of, so that the same request is answered again instead of repeated."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.database.crypto import Keyring
from carecircle.errors import Conflict, KeyUnavailable
from carecircle.errors.service import IdempotencyKeyInUse, IdempotencyKeyReused

TABLE = "idempotent_answers"

_TURN = text("select pg_try_advisory_xact_lock(:turn)")
_LOOK = text("""
    select request_digest, status, headers, body from carecircle.idempotent_answers
    where organization_id = :organization and caller = :caller and key = :key
      and recorded_at > statement_timestamp() - interval '24 hours'""")
_KEEP = text("""
    insert into carecircle.idempotent_answers
      (organization_id, caller, key, request_digest, status, headers, body)
    values (:organization, :caller, :key, :digest, :status, cast(:headers as jsonb), :body)
    on conflict (organization_id, caller, key) do update
    set request_digest = excluded.request_digest, status = excluded.status, headers = excluded.headers,
        body = excluded.body, recorded_at = statement_timestamp()""")


@dataclass(frozen=True, slots=True)
class Told:
    """An answer as it was told: its status, the headers that are kept, and its body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Slot:
    """Where the answer to one caller's key is kept. All of it happens in the tenant's transaction of the change."""

    def __init__(self, ring: Keyring, organization: UUID, caller: str, key: str, request: bytes) -> None:
        self._ring = ring
        self._organization = organization
        self._named = {"organization": organization, "caller": caller, "key": key}
        self._row = hashlib.sha256(orjson.dumps([caller, key])).digest()
        # Under a key of ours: what was asked about whom cannot be guessed from the digest.
        mine = ring.digest_key(organization, UUID(bytes=self._row[:16]))
        self._digest = hmac.digest(mine, request, hashlib.sha256)

    async def look(self, db: AsyncSession) -> Told | None:
        """The stored answer, where there is one. Raises IdempotencyKeyReused where it answered another request."""
        found = (await db.execute(_LOOK, self._named)).one_or_none()
        if found is None:
            return None
        if not hmac.compare_digest(found.request_digest, self._digest):
            raise IdempotencyKeyReused
        try:
            body = self._ring.unseal(found.body, self._organization, TABLE, "body", self._row)
        except KeyUnavailable:
            raise Conflict(
                "This request was carried out before, but its answer cannot be read any more; read what it changed."
            ) from None
        return Told(found.status, found.headers, body)

    async def take_turn(self, db: AsyncSession) -> None:
        """Keep others with this key out until the transaction ends. Raises IdempotencyKeyInUse when somebody is in."""
        turn = hashlib.sha256(self._organization.bytes + self._row).digest()[:8]
        if not (await db.execute(_TURN, {"turn": int.from_bytes(turn, "big", signed=True)})).scalar_one():
            raise IdempotencyKeyInUse

    async def keep(self, db: AsyncSession, told: Told) -> None:
        """Store an answer, its body sealed. Raises KeyUnavailable."""
        body = self._ring.seal(told.body, self._organization, TABLE, "body", self._row)
        said = {"status": told.status, "headers": orjson.dumps(dict(told.headers)).decode(), "body": body}
        await db.execute(_KEEP, self._named | said | {"digest": self._digest})
