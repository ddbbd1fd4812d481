"""API keys: whose a key's text is, and whether its secret is right. Whether the key holds, the database says each time."""

from __future__ import annotations

import asyncio
import math
import time
from typing import TYPE_CHECKING

import structlog

from carecircle.access.decision import Bearer
from carecircle.actor import Actor
from carecircle.api.caller import Caller, unbelieved
from carecircle.audit.entry import Entry, append
from carecircle.database.session import transaction
from carecircle.directory.api_key import PREFIX, KeyText, is_secret_of, parse
from carecircle.directory.gate_service import last_key
from carecircle.errors import CareCircleError
from carecircle.identifiers import OrganizationId, to_text

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

BEGINS = PREFIX.encode()
WRONG_SECRETS_EVERY = 60.0
"""Seconds between two entries about wrong secrets of one key, in one process."""
_REMEMBERED = 4096

log = structlog.get_logger("carecircle.api")


class KeyGate:
    """Reads keys. A wrong secret, an unknown key and an unknown organization cost the same, and are told the same."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._told: dict[tuple[OrganizationId, str], float] = {}
        self._telling: set[asyncio.Task[None]] = set()

    async def read(self, given: bytes) -> Caller:
        """Who holds this key, by its text. Raises Unauthenticated, DatabaseUnavailable."""
        key = parse(given.decode("latin-1"))
        if key is None:
            raise unbelieved()
        organization = OrganizationId(key.organization_id)
        async with transaction(self._engine) as db:
            row = await last_key(db, organization, key.key_id)
        if not is_secret_of(key.secret, None if row is None else row.secret_hash):
            if row is not None:
                self._tell(organization, key)
            raise unbelieved()
        assert row is not None
        return Caller(
            organization,
            Actor.service(row.name),
            math.inf,
            may=frozenset(),
            token=f"key:{to_text(key.key_id)}",
            bearer=Bearer(organization, key_id=key.key_id),
        )

    async def close(self) -> None:
        """Wait for the entries that are being written."""
        await asyncio.gather(*self._telling, return_exceptions=True)

    def _tell(self, organization: OrganizationId, key: KeyText) -> None:
        """Leave an entry, once a minute, while whoever tried has been answered already: an unknown key leaves none."""
        now, named = time.monotonic(), to_text(key.key_id)
        if self._told.get((organization, named), -math.inf) > now - WRONG_SECRETS_EVERY:
            return
        if len(self._told) >= _REMEMBERED:
            self._told.clear()
        self._told[organization, named] = now
        task = asyncio.create_task(self._leave(organization, named))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _leave(self, organization: OrganizationId, key: str) -> None:
        entry = Entry(organization, "refusal", Actor("unknown"), "wrong-key-secret", detail={"key": key})
        try:
            async with transaction(self._engine, organization) as db:
                await append(db, entry)
        except CareCircleError as error:
            log.warning("a wrong secret could not be recorded", code=error.code)
