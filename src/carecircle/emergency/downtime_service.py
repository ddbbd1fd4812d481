"""Emergency access while carecircle could not be asked: written down on paper, entered afterwards, and reviewed like any."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.actor import Actor, actor_of, organization_of
from carecircle.audit.entry import append
from carecircle.database.crypto import keyring
from carecircle.database.session import enter_tenant, lock_patient, one_change, take_turns
from carecircle.directory.policy_service import policy_at
from carecircle.directory.service import AnyId, resolve_patient, resolve_provider
from carecircle.emergency.acting import require_self
from carecircle.emergency.approvers_service import tell
from carecircle.emergency.facts_service import standing
from carecircle.emergency.opening_rules import require_reason
from carecircle.emergency.opening_service import seal_reason, signals_of
from carecircle.emergency.rows import entry_about
from carecircle.emergency.rules import review_due
from carecircle.emergency.tables import EmergencyAccess
from carecircle.errors import AlreadyRegistered, InvalidPeriod, InvalidRequest
from carecircle.errors.emergency import NotThemselves
from carecircle.identifiers import OrganizationId, new_id, to_text
from carecircle.notices.service import put
from carecircle.period import FOREVER, Period, show, usable

EVENT = "emergency-downtime-recorded"


async def record_downtime(
    db: AsyncSession,
    *,
    provider: AnyId,
    patient: AnyId,
    starts_at: datetime,
    ends_at: datetime,
    reason_code: str,
    words: str,
    witness: AnyId | None = None,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> EmergencyAccess:
    """Record that this provider used this patient's record from `starts_at` until `ends_at`, when nobody could be asked.

    It grants nothing, then or now; it is marked as of downtime and is reviewed, the clock running from now. `witness` is a
    provider who was there: they are kept as the second person, and do not review it. A provider records what they did or
    witnessed themselves. Returns the state that is left, ended.

    Raises NotThemselves for a provider who neither did nor witnessed it, InvalidPeriod unless the period is over,
    AlreadyRegistered when one of these two that overlaps it is on record, InvalidRequest for a witness who is the provider,
    ReasonRequired, ProviderNotRegistered, PatientNotRegistered.
    """
    who = actor_of(actor)
    period = Period(usable(starts_at), usable(ends_at))
    async with one_change(db):
        tenant = await enter_tenant(db, organization_of(organization))
        provider_id = await resolve_provider(db, tenant, provider)
        witness_id = None if witness is None else await resolve_provider(db, tenant, witness)
        if witness_id == provider_id:
            raise InvalidRequest("A witness is somebody else than the provider.")
        _require_there(who, provider_id, witness_id)
        patient_id = await resolve_patient(db, tenant, patient)
        await lock_patient(db, tenant, patient_id)
        now = await take_turns(db, tenant, provider_id)
        if period.ends_at > now:
            raise InvalidPeriod(f"What was done during downtime is over; this ends {show(period.ends_at)}.")
        await _require_new(db, tenant, provider_id, patient_id, period)
        require_reason(await policy_at(db, tenant, now), reason_code, words)
        known = await standing(db, tenant, provider_id, patient_id, now)
        used = EmergencyAccess(
            organization_id=tenant, id=new_id(), lineage_id=new_id(), provider_id=provider_id, patient_id=patient_id,
            state="provisional", mode="downtime", scope=[], despite=[], reason_code=reason_code, wanted_scope=["read"],
            wanted_until=period.ends_at, asked_at=now, starts_at=period.starts_at, ends_at=period.ends_at, recorded_at=now,
            seconded_by_id=witness_id, review_due_at=review_due(now, known.sensitive), unit_id=known.role_unit_id,
        )  # fmt: skip
        seal_reason(used, keyring(), words)
        used.signals = await signals_of(db, tenant, used, known.sensitive, now)
        detail: dict[str, str | int | bool | None] = {
            "reason": reason_code, "starts_at": show(period.starts_at), "ends_at": show(period.ends_at),
        }  # fmt: skip
        if witness_id is not None:
            detail["witness"] = to_text(witness_id)
        entry = entry_about(used, who, EVENT, detail)
        await append(db, entry)
        used.entry_id = entry.id
        left = _ended(used)
        db.add_all([used, left])
        await db.flush()
        due_at = left.review_due_at or now
        await put(db, tenant, "review-due", subject_id=left.lineage_id, due_at=due_at, entry_id=entry.id)
        await tell(db, tenant, left.lineage_id, [], entry.id, now, event=EVENT)
        return left


def _require_there(who: Actor, provider_id: UUID, witness_id: UUID | None) -> None:
    """Raises NotThemselves when the actor is a provider, and neither of these two."""
    try:
        require_self(who, provider_id)
    except NotThemselves:
        if witness_id is None:
            raise
        require_self(who, witness_id)


def _ended(used: EmergencyAccess) -> EmergencyAccess:
    """The state that follows: ended, for ever."""
    clocks = {"id", "state", "starts_at", "ends_at", "ended_because", "superseded_at", "superseded_entry_id"}
    columns = (name for name in EmergencyAccess.__mapper__.columns.keys() if name not in clocks)  # noqa: SIM118 - iterating the columns gives columns, not names
    return EmergencyAccess(
        **{name: getattr(used, name) for name in columns if getattr(used, name) is not None},
        id=new_id(), state="ended", ended_because="downtime", starts_at=used.ends_at, ends_at=FOREVER,
    )  # fmt: skip


async def _require_new(
    db: AsyncSession, tenant: OrganizationId, provider_id: UUID, patient_id: UUID, period: Period
) -> None:
    row = EmergencyAccess
    found = await db.scalar(
        select(row.lineage_id).where(
            row.organization_id == tenant, row.provider_id == provider_id, row.patient_id == patient_id,
            row.mode == "downtime", row.state == "provisional", row.superseded_at == FOREVER,
            row.asked_at >= period.starts_at, row.starts_at < period.ends_at, row.ends_at > period.starts_at,
        ).limit(1)
    )  # fmt: skip
    if found is not None:
        raise AlreadyRegistered("This use during downtime is on record already.", emergency_id=found)
