"""The row of a sign-in, made at the first use of its token: while it is open, and only then, its tokens let in."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

_OPEN = text("""
    insert into carecircle.sign_ins
      (organization_id, id, lineage_id, account_id, actor, token_id, starts_at, ends_at, recorded_at, entry_id)
    select :organization_id, :id, :id, cast(:account_id as uuid), :actor, :token_id, now, ends_at, now, :entry_id
    from (select statement_timestamp() as now, to_timestamp(:ends_at) as ends_at) clock where ends_at > now
    on conflict (organization_id, id) do nothing""")


async def open_sign_in(
    db: AsyncSession,
    *,
    organization_id: UUID,
    sign_in_id: UUID,
    account_id: UUID | None,
    actor: str,
    token_id: str,
    ends_at: float,
    entry_id: UUID,
) -> None:
    """Make the row in the session's transaction, unless there is one: a sign-in that was ended stays ended.

    `ends_at` is in seconds since 1970; one that has passed makes no row. Raises the driver's errors.
    """
    said = {
        "organization_id": organization_id, "id": sign_in_id, "account_id": account_id, "actor": actor,
        "token_id": token_id, "ends_at": ends_at, "entry_id": entry_id,
    }  # fmt: skip
    await db.execute(_OPEN, said)
