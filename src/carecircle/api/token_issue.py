"""Issuing a token: minted only once the entry of it is written, which names the token and cannot be used as one."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from carecircle.actor import Actor
from carecircle.api.caller import ASK
from carecircle.api.tokens import Permission, mint
from carecircle.audit.entry import Entry, append
from carecircle.database.crypto import Keyring
from carecircle.identifiers import new_id, to_text

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession


async def issue(
    db: AsyncSession,
    keyring: Keyring,
    *,
    issued_by: Actor,
    organization_id: UUID,
    actor: Actor,
    hours: float = 12,
    may: Iterable[Permission] = ("ask",),
    signed_in_at: datetime | None = None,
) -> str:
    """A token as `mint` makes it, its entry appended in the session's transaction: give it to nobody before that ended."""
    token_id, permitted = new_id(), ASK.union(may)
    detail: dict[str, str | int | bool | None] = {
        "token": to_text(token_id),
        "for": actor.name,
        "may": " ".join(sorted(permitted)),
        "minutes": round(hours * 60),
        "signed_in": signed_in_at is not None,
    }
    await append(db, Entry(organization_id, "change", issued_by, "token-issued", detail=detail))
    return mint(
        keyring, organization_id=organization_id, actor=actor, hours=hours, may=permitted, signed_in_at=signed_in_at,
        token_id=token_id,
    )  # fmt: skip
