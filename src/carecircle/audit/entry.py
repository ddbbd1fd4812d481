"""An entry of the audit trail and how one is appended, always in the transaction of what it records."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.actor import Actor
from carecircle.database.crypto import keyring
from carecircle.identifiers import EntryId, new_id

APPEND = text("""
    insert into carecircle.audit_events
      (organization_id, id, kind, actor, provider_id, patient_id, action, code, detail, on_behalf_of, address, mark)
    values (:organization_id, :entry_id, :kind, :actor, :provider_id, :patient_id, :action, :code, :detail, :on_behalf_of, :address,
            :mark)""")


@dataclass(frozen=True, slots=True)
class Entry:
    """What happened: `kind` is change, refusal, import or reading; `code` says what; `detail` holds ids, codes and times.

    Names, identifiers and free text never go into `detail`.
    """

    organization_id: UUID
    kind: str
    actor: Actor
    code: str
    provider_id: UUID | None = None
    patient_id: UUID | None = None
    action: str | None = None
    detail: Mapping[str, str | int | bool | None] = field(default_factory=dict)
    id: EntryId = field(default_factory=lambda: EntryId(new_id()))


def content_of(
    organization_id: UUID, entry_id: UUID, kind: str, actor: str, on_behalf_of: str | None, address: str | None,
    provider_id: UUID | None, patient_id: UUID | None, action: str | None, code: str, detail: str | None,
) -> bytes:  # fmt: skip
    """What the mark of an entry vouches for: everything that its writer said, in this order, as JSON."""
    ids = [None if one is None else str(one) for one in (organization_id, entry_id, provider_id, patient_id)]
    return json.dumps([*ids, kind, actor, on_behalf_of, address, action, code, detail], ensure_ascii=False).encode()


async def append(session: AsyncSession, *entries: Entry) -> None:
    """Append entries in the session's own transaction: they stay if and only if what they record stays."""
    if entries:
        await session.execute(APPEND, list(_rows(entries)))


def _rows(entries: Sequence[Entry]) -> Iterator[dict[str, object]]:
    keys = keyring()
    for entry in entries:
        said: dict[str, Any] = {
            "organization_id": entry.organization_id,
            "entry_id": entry.id,
            "kind": entry.kind,
            "actor": entry.actor.name,
            "on_behalf_of": entry.actor.on_behalf_of,
            "address": entry.actor.address,
            "provider_id": entry.provider_id,
            "patient_id": entry.patient_id,
            "action": entry.action,
            "code": entry.code,
            "detail": json.dumps(dict(entry.detail), sort_keys=True, separators=(",", ":")) if entry.detail else None,
        }
        yield said | {"mark": keys.mark(content_of(**said))}
