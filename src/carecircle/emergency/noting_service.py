"""What is said about an emergency access beside its states: a note, sealed where it has words, under the entry it belongs to."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.database.crypto import keyring
from carecircle.emergency.tables import EmergencyAccess, EmergencyNote
from carecircle.identifiers import new_id


async def note(
    db: AsyncSession,
    row: EmergencyAccess,
    kind: str,
    entry_id: UUID,
    *,
    provider_id: UUID | None = None,
    words: str = "",
) -> EmergencyNote:
    """Keep a note of this kind, by a provider or by nobody, with words or without. Raises KeyUnavailable."""
    own = new_id()
    body = keyring().seal(words.strip().encode(), row.organization_id, "emergency_notes", "body", own)
    said = EmergencyNote(
        organization_id=row.organization_id, id=own, emergency_id=row.lineage_id, kind=kind, provider_id=provider_id,
        body=body if words.strip() else None, entry_id=entry_id,
    )  # fmt: skip
    db.add(said)
    await db.flush()
    return said
