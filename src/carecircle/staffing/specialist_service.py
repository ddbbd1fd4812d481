"""Assigning a specialist: the assignment rests on the specialty and on the referral, and ends with either."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.actor import Actor, actor_of, organization_of
from carecircle.assignments.service import add_assignment
from carecircle.assignments.tables import PatientAssignment
from carecircle.database.session import enter_tenant, lock_patient, one_change
from carecircle.directory.service import AnyId, resolve_patient, resolve_provider
from carecircle.errors import PatientNotRegistered, ProviderNotRegistered, RulesViolated
from carecircle.period import Period
from carecircle.staffing.validation_service import load_situation


async def assign_specialist(
    db: AsyncSession,
    *,
    patient: AnyId,
    provider: AnyId,
    specialty: str,
    referral_id: UUID | None = None,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> PatientAssignment:
    """A consulting assignment from now on by default, until `ends_at`, or until the referral's end where that is not given.

    It rests on the specialty, on what the policy asks of consulting, and on the referral: `referral_id`, or the one that
    fits. Whatever lapses or ends first ends it. The same one again changes nothing. Raises RulesViolated with every rule it
    would break, InvalidPeriod, PatientNotRegistered, ProviderNotRegistered.
    """
    who = actor_of(actor)
    async with one_change(db):
        tenant = await enter_tenant(db, organization_of(organization))
        patient_id = await resolve_patient(db, tenant, patient)
        provider_id = await resolve_provider(db, tenant, provider)
        now = await lock_patient(db, tenant, patient_id)
        at = Period(starts_at or now).starts_at
        situation = await load_situation(
            db, patients=[patient_id], providers=[provider_id], as_of=at, organization=tenant
        )
        if situation.patients[patient_id] is None:
            raise PatientNotRegistered
        if situation.providers[provider_id] is None:
            raise ProviderNotRegistered
        violations = situation.specialist_violations(
            patient_id, provider_id, specialty, ends_at=ends_at, referral_id=referral_id
        )
        if violations:
            raise RulesViolated(violations, patient_id=patient_id, wanted_provider_id=provider_id)
        referral = situation.referral_for(patient_id, provider_id, specialty, referral_id)
        rests_on = [*situation.policy.assignment_credentials.get("consulting", ()), specialty]
        return await add_assignment(
            db,
            patient=patient_id,
            provider=provider_id,
            assignment_type="consulting",
            starts_at=starts_at,
            ends_at=ends_at or referral.ends_at,
            rests_on=list(dict.fromkeys(rests_on)),
            referral_id=referral.referral_id,
            organization=tenant,
            actor=who,
        )
