"""A refused change leaves an entry too, in a transaction of its own: the one that was refused is rolled back.

Doors record, rooms do not: the command line around each change, CareTeamService around each call of a host.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from sqlalchemy import Engine
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from carecircle.actor import Actor, actor_of, organization_of
from carecircle.audit import metrics
from carecircle.audit.entry import Entry, append
from carecircle.database.session import transaction
from carecircle.errors import CareCircleError, Conflict, NotFound, PrimaryAlreadyAssigned, Refused, RulesViolated
from carecircle.identifiers import to_text

REFUSALS = (Conflict, NotFound, Refused)


def is_refusal(error: CareCircleError) -> bool:
    """Whether an error belongs on record: the answer was no, or a constraint of the database stood in the way."""
    return isinstance(error, REFUSALS) or "constraint" in error.facts


@asynccontextmanager
async def refusals_recorded(
    db: AsyncSession, organization: UUID | str | None = None, actor: Actor | str | None = None
) -> AsyncIterator[None]:
    """Around a change in a host's session: a refusal is recorded whatever becomes of the host's transaction.

    Raises what the block raises, or DatabaseUnavailable when a refusal cannot be recorded.
    """
    try:
        yield
    except CareCircleError as error:
        if is_refusal(error):
            async with _engine_beside(db) as engine:
                await record_refusal(engine, organization_of(organization), actor_of(actor), error)
        raise


async def record_refusal(
    engine: AsyncEngine,
    organization_id: UUID,
    actor: Actor,
    error: CareCircleError,
    *,
    patient_id: UUID | None = None,
    provider_id: UUID | None = None,
) -> None:
    """Record that `actor` tried something and `error` refused it. Raises DatabaseUnavailable when it cannot.

    The entry's patient and provider are those the caller names, else those the error knows. Where the error knows who was
    wanted, the provider is that one, and the detail says who is `present` instead. The detail of broken rules has their
    codes, never their sentences; an error about an emergency access (`emergency_id`) is recorded with its id.
    """
    if isinstance(error, PrimaryAlreadyAssigned):
        metrics.CONSTRAINT_VIOLATIONS.inc()
    known = error.facts
    patient_id = patient_id or known.get("patient_id")
    provider_id = provider_id or known.get("provider_id")
    detail: dict[str, str] = {}
    if wanted := known.get("wanted_provider_id"):
        if provider_id:
            detail["present"] = to_text(provider_id)
        provider_id = wanted
    if emergency_id := known.get("emergency_id"):
        detail["emergency"] = to_text(emergency_id)
    if isinstance(error, RulesViolated) and error.violations:
        detail["violations"] = " ".join(dict.fromkeys(violation.code for violation in error.violations))
    entry = Entry(
        organization_id, "refusal", actor, error.code, provider_id=provider_id, patient_id=patient_id, detail=detail
    )
    async with transaction(engine, organization_id) as session:
        await append(session, entry)


@asynccontextmanager
async def _engine_beside(db: AsyncSession) -> AsyncIterator[AsyncEngine]:
    """An engine to where the session's changes go, with connections of its own.

    Not the host's pool: every connection of it may be held by a caller who is being refused just now.
    """
    theirs = db.get_bind().engine
    engine = AsyncEngine(Engine(theirs.pool.recreate(), theirs.dialect, theirs.url, hide_parameters=True))
    try:
        yield engine
    finally:
        await engine.dispose()
