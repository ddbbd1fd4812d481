"""Sign-ins on record: the first use of a token in this process, and an attempt with one of ours that has ended."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from carecircle.actor import Actor
from carecircle.api.caller import Refusal
from carecircle.audit.entry import Entry, append
from carecircle.database.session import transaction
from carecircle.directory.signing_in_service import open_sign_in
from carecircle.errors import Unauthenticated

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from carecircle.api.caller import Caller

REMEMBERED = 65536


class SignIns:
    """Which tokens this process has on record already. What cannot be recorded lets nobody in."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._noted: dict[str, float] = {}
        self._turn = asyncio.Lock()

    def knows(self, caller: Caller) -> bool:
        return caller.token in self._noted

    async def note(self, caller: Caller, address: str | None) -> None:
        """Record that this token is used, once. Raises DatabaseUnavailable and its kin."""
        async with self._turn:
            if self.knows(caller):
                return
            actor = Actor(caller.actor.name, caller.actor.on_behalf_of, address)
            detail = {"token": caller.token}
            if caller.may:
                detail["may"] = " ".join(sorted(caller.may))
            key = caller.bearer is not None and caller.bearer.key_id is not None
            entry = Entry(caller.organization_id, "sign-in", actor, "key-used" if key else "token-used", detail=detail)
            async with transaction(self._engine, caller.organization_id) as db:
                await append(db, entry)
                if caller.bearer is not None and caller.bearer.sign_in_id is not None:
                    await open_sign_in(
                        db, organization_id=caller.organization_id, sign_in_id=caller.bearer.sign_in_id,
                        account_id=caller.bearer.account_id, actor=caller.actor.name, token_id=caller.token,
                        ends_at=max(caller.expires_at, time.time() + (caller.lasts or 0)), entry_id=entry.id,
                    )  # fmt: skip
            self._remember(caller.token, caller.expires_at)

    async def refuse(self, error: Unauthenticated, address: str | None) -> None:
        """Record, once an hour, an attempt with what was right and has ended, or with a token that a known issuer signed for
        nobody here; of others nobody knows whose they are."""
        caller: Caller | None = error.facts.get("caller") or error.facts.get("ended")
        refusal: Refusal | None = error.facts.get("refusal")
        if caller is not None:
            refusal = Refusal(caller.organization_id, caller.actor, error.code)
        if refusal is None:
            return
        async with self._turn:
            told = f"ended {caller.token}" if caller is not None else f"{refusal.code} {refusal.actor.name}"
            if self._noted.get(told, 0) > time.time():
                return
            actor = Actor(refusal.actor.name, refusal.actor.on_behalf_of, address)
            async with transaction(self._engine, refusal.organization_id) as db:
                await append(db, Entry(refusal.organization_id, "refusal", actor, refusal.code))
            self._remember(told, time.time() + 3600)

    def _remember(self, token: str, until: float) -> None:
        if len(self._noted) >= REMEMBERED:
            now = time.time()
            self._noted = {known: end for known, end in self._noted.items() if end > now}
            if len(self._noted) >= REMEMBERED:
                self._noted.clear()
        self._noted[token] = until
