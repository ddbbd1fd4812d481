"""Breaking the glass: a request for emergency access, which opens at once or waits, and is told in the same transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.actor import Actor, actor_of, organization_of
from carecircle.audit.entry import append
from carecircle.database.crypto import Keyring, keyring
from carecircle.database.session import enter_tenant, lock_patient, one_change, take_turns
from carecircle.directory.policy_service import policy_at, require_known_actions
from carecircle.directory.service import AnyId, is_registered, resolve_patient, resolve_provider
from carecircle.directory.unit_service import resolve_unit
from carecircle.emergency.acting import require_self
from carecircle.emergency.approvers_service import Approver, approvers_of, first_told, record_approvers, tell
from carecircle.emergency.calling_service import office_reached
from carecircle.emergency.facts_service import (
    Standing,
    asked_before,
    names,
    opened_by_unit,
    require_may_have,
    words_repeated,
)
from carecircle.emergency.opening_rules import (
    Asked,
    asked_scope,
    in_another_unit,
    lasting,
    open_with,
    opened_now,
    opened_today,
    reopened,
    require_attestation,
    require_reason,
    require_sign_in,
    same_words,
    signals,
)
from carecircle.emergency.rows import entry_about
from carecircle.emergency.rules import (
    DEFAULT_HOURS,
    first_end,
    mode_of,
    over_limits,
    review_due,
    scope_of,
)
from carecircle.emergency.tables import EmergencyAccess
from carecircle.errors import PatientNotRegistered, ProviderNotRegistered
from carecircle.errors.emergency import EmergencyAccessOpen
from carecircle.identifiers import Identifier, OrganizationId, new_id, to_text
from carecircle.notices.service import put
from carecircle.period import usable
from carecircle.policy import Policy

_RELATED_AFTER = timedelta(minutes=1)


async def request(
    db: AsyncSession,
    *,
    provider: AnyId,
    patient: AnyId,
    reason_code: str,
    words: str = "",
    hours: float = DEFAULT_HOURS,
    scope: Sequence[str] = ("read",),
    unit: AnyId | None = None,
    attested: bool = False,
    authenticated_at: datetime | None = None,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> EmergencyAccess:
    """Open emergency access of this provider to this patient, or, where policy wants it, let it wait for an approval.

    The access, its entry, who may decide about it and what is due about it are written together or not at all. `hours` says
    how long it is wanted, `scope` for what; policy caps both. `words` are kept sealed. `authenticated_at` is when the
    provider last signed in. Without `unit`, it is the one that the provider works in, if there is just one. More than is
    usual opens all the same: two persons must approve it then, and the privacy office is told.

    Raises NotThemselves, ProviderNotRegistered, PatientNotRegistered, UnitNotRegistered; ReasonRequired, AttestationRequired
    and StepUpRequired for what the request lacks; InvalidRequest for hours, actions or words that cannot be; MayNotBreakGlass,
    EmergencyAccessRefused, OwnRecord; EmergencyAccessOpen, whose `emergency_id` says which is open, or waits, already.
    """
    who = actor_of(actor)
    async with one_change(db):
        tenant = await enter_tenant(db, organization_of(organization))
        provider_id = await resolve_provider(db, tenant, provider)
        require_self(who, provider_id)
        patient_id = await resolve_patient(db, tenant, patient)
        await lock_patient(db, tenant, patient_id)
        now = await take_turns(db, tenant, provider_id)
        policy = await policy_at(db, tenant, now)
        known = await _may_ask(db, tenant, policy, provider_id, patient_id, now)
        unit_id = known.role_unit_id if unit is None else await resolve_unit(db, tenant, unit)
        require_reason(policy, reason_code, words)
        require_known_actions(policy, scope)
        row = EmergencyAccess(
            organization_id=tenant, id=new_id(), lineage_id=new_id(), provider_id=provider_id, patient_id=patient_id,
            reason_code=reason_code, wanted_scope=asked_scope(policy, scope), despite=list(policy.emergency_overrides),
            wanted_until=now + lasting(policy, hours), asked_at=now,
            starts_at=now, recorded_at=now, review_due_at=review_due(now, known.sensitive), unit_id=unit_id,
            authenticated_at=None if authenticated_at is None else usable(authenticated_at), attested=attested,
        )  # fmt: skip
        require_sign_in(policy, row.authenticated_at, now)
        require_attestation(policy, attested=attested)
        earlier = await asked_before(db, tenant, provider_id, now)
        row.two_persons = over_limits(
            policy,
            open_now=opened_now(earlier, now),
            opened_today=opened_today(earlier, now),
            opened_by_unit=await opened_by_unit(db, tenant, unit_id, now),
        )
        _open(row, policy, known, earlier, now)
        seal_reason(row, keyring(), words)
        approvers = await approvers_of(
            db, tenant, requester_id=provider_id, unit_id=unit_id, patient_id=patient_id, at=now
        )
        row.signals = [
            *_signals(row, known, approvers),
            *await signals_of(db, tenant, row, known.sensitive, now),
        ]
        return await _record(db, tenant, who, row, policy, approvers, now)


async def signals_of(
    db: AsyncSession, tenant: OrganizationId, row: EmergencyAccess, sensitive: frozenset[str], now: datetime
) -> list[str]:
    """What about this access, in force or past, deserves a second look."""
    provider_name, patient_name = await names(db, tenant, keyring(), row.provider_id, row.patient_id)
    return signals(
        sensitive=sensitive,
        provider_name=provider_name,
        patient_name=patient_name,
        repeated=await words_repeated(db, tenant, row.provider_id, row.reason_digest, now),
        unit_id=row.unit_id,
    )


def seal_reason(row: EmergencyAccess, keys: Keyring, words: str) -> None:
    """Keep the words of a reason: an envelope bound to the lineage, and a digest that tells when they come again."""
    if said := words.strip():
        tenant = row.organization_id
        row.reason = keys.seal(said.encode(), tenant, "emergency_access", "reason", row.lineage_id)
        row.reason_digest = keys.blind_index(Identifier("emergency-reason", same_words(said)), tenant)


async def _may_ask(
    db: AsyncSession, tenant: OrganizationId, policy: Policy, provider_id: UUID, patient_id: UUID, now: datetime
) -> Standing:
    """What is known about both. Raises what keeps this provider from breaking the glass for this patient."""
    if not await is_registered(db, tenant, "provider", provider_id):
        raise ProviderNotRegistered
    if not await is_registered(db, tenant, "patient", patient_id):
        raise PatientNotRegistered
    return await require_may_have(
        db, tenant, keyring(), provider_id, patient_id, now, despite=policy.emergency_overrides
    )


def _open(row: EmergencyAccess, policy: Policy, known: Standing, earlier: list[Asked], now: datetime) -> None:
    """Let the row open, or wait, as policy and what was asked before have it. Raises EmergencyAccessOpen."""
    if already := open_with(earlier, row.patient_id, now):
        raise EmergencyAccessOpen(
            emergency_id=already.emergency_id, provider_id=row.provider_id, patient_id=row.patient_id
        )
    provisional = timedelta(minutes=policy.emergency_provisional_minutes)
    row.reopens_id = reopened(earlier, row.patient_id, now, provisional)
    reopening = row.reopens_id is not None
    mode = mode_of(policy, known.sensitive, row.reason_code, reopening=reopening, over_limit=row.two_persons)
    row.mode, row.state = mode, "requested" if mode == "gated" else "provisional"
    row.scope = scope_of(policy, row.wanted_scope, mode)
    row.opened_at = None if mode == "gated" else now
    row.ends_at = first_end(policy, mode, now, row.wanted_until)


def _signals(row: EmergencyAccess, known: Standing, approvers: Sequence[Approver]) -> list[str]:
    told = {
        "over-limit": row.two_persons,
        "nobody-on-duty": not any(one.duty == "supervisor" for one in approvers),
        "sign-in-not-said": row.authenticated_at is None,
        "not-attested": not row.attested,
        "reopened": row.reopens_id is not None,
        "other-unit": in_another_unit(row.unit_id, known.works_in),
    }
    return [code for code, holds in told.items() if holds]


async def _record(
    db: AsyncSession,
    tenant: OrganizationId,
    who: Actor,
    row: EmergencyAccess,
    policy: Policy,
    approvers: Sequence[Approver],
    now: datetime,
) -> EmergencyAccess:
    """Write the row, its entry, its approvers, and what is due: notices now, and what follows when nobody answers."""
    event = "emergency-requested" if row.mode == "gated" else "emergency-opened"
    detail: dict[str, str | int | bool | None] = {
        "mode": row.mode, "reason": row.reason_code, "approvers": len({one.provider_id for one in approvers}),
        "two_persons": row.two_persons,
    }  # fmt: skip
    if row.reopens_id is not None:
        detail["reopens"] = to_text(row.reopens_id)
    entry = entry_about(row, who, event, detail)
    await append(db, entry)
    row.entry_id = entry.id
    db.add(row)
    await db.flush()
    await record_approvers(db, tenant, row.lineage_id, approvers, entry.id)
    dues = {"relationship": now + _RELATED_AFTER, "review-due": row.review_due_at or now}
    if row.mode != "immediate":
        dues["unacknowledged"] = now + timedelta(minutes=policy.emergency_acknowledge_minutes)
        dues["undecided"] = now + timedelta(minutes=policy.emergency_decide_minutes)
    for kind, due_at in dues.items():
        await put(db, tenant, kind, subject_id=row.lineage_id, due_at=due_at, entry_id=entry.id)
    told = first_told(approvers)
    office = [one for one in approvers if one.duty == "privacy_office"]
    if row.two_persons:
        told += office
    unreached = not office_reached(office) and (row.two_persons or "nobody-on-duty" in row.signals)
    mailbox = policy.privacy_office_email if unreached else ""
    await tell(db, tenant, row.lineage_id, told, entry.id, now, event=event, mailbox=mailbox)
    return row
