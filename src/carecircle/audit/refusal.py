"""A refused change leaves an entry too, in a transaction of its own: the one that was refused is rolled back."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from carecircle.actor import Actor
from carecircle.audit.entry import Entry, append
from carecircle.database.session import transaction
from carecircle.errors import CareCircleError


async def record_refusal(
    engine: AsyncEngine,
    organization_id: UUID,
    actor: Actor,
    error: CareCircleError,
    *,
    patient_id: UUID | None = None,
    provider_id: UUID | None = None,
) -> None:
    """Record that `actor` tried something and `error` refused it. Raises DatabaseUnavailable when it cannot."""
    entry = Entry(organization_id, "refusal", actor, error.code, provider_id=provider_id, patient_id=patient_id)
    async with transaction(engine, organization_id) as session:
        await append(session, entry)
