"""An entry of the audit trail and how one is appended, always in the transaction of what it records."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.actor import Actor
from carecircle.identifiers import EntryId, new_id

APPEND = text("""
    insert into carecircle.audit_events
      (organization_id, id, kind, actor, provider_id, patient_id, action, code, detail)
    values (:organization_id, :id, :kind, :actor, :provider_id, :patient_id, :action, :code, :detail)""")


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


async def append(session: AsyncSession, *entries: Entry) -> None:
    """Append entries in the session's own transaction: they stay if and only if what they record stays."""
    if entries:
        await session.execute(APPEND, _rows(entries))


def _rows(entries: Iterable[Entry]) -> list[dict[str, object]]:
    return [
        {
            "organization_id": entry.organization_id,
            "id": entry.id,
            "kind": entry.kind,
            "actor": entry.actor.name,
            "provider_id": entry.provider_id,
            "patient_id": entry.patient_id,
            "action": entry.action,
            "code": entry.code,
            "detail": json.dumps(dict(entry.detail), sort_keys=True, separators=(",", ":")) if entry.detail else None,
        }
        for entry in entries
    ]
