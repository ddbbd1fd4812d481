"""Loading what is known about a provider and a patient at the instant of a request for emergency access."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.database.crypto import Keyring
from carecircle.directory.following_service import survivors_of
from carecircle.directory.tables import Patient, PatientIdentifier, Provider, ProviderIdentifier
from carecircle.emergency.opening_rules import LOOKED_BACK, REPEATED_WITHIN, Asked
from carecircle.emergency.tables import EmergencyAccess
from carecircle.errors import KeyUnavailable
from carecircle.errors.emergency import EmergencyAccessRefused, MayNotBreakGlass, OwnRecord
from carecircle.identifiers import Identifier, OrganizationId
from carecircle.period import FOREVER

_HOLDS = "{0}.superseded_at = 'infinity' and {0}.starts_at <= :at and {0}.ends_at > :at"
# A duty counts on for what was asked under it when its shift is over; one that was taken back does not.
_STANDING = text(f"""
    select
      exists (
        select from carecircle.duties d
        where d.organization_id = :tenant and d.provider_id = :provider and d.duty = 'break_glass'
          and ({_HOLDS.format("d")} or d.superseded_at = 'infinity' and d.starts_at <= :asked and d.ends_at > :asked
            and (d.id = d.lineage_id or d.ends_at > d.recorded_at))),
      exists (
        select from carecircle.access_restrictions r
        where r.organization_id = :tenant and r.provider_id = :provider and r.kind = 'suspension' and {_HOLDS.format("r")}),
      exists (
        select from carecircle.access_restrictions r
        where r.organization_id = :tenant and r.provider_id = :provider and r.kind = 'objection' and r.patient_id = :patient
          and {_HOLDS.format("r")}),
      array(
        select distinct p.relation from carecircle.personal_relations p
        where p.organization_id = :tenant and p.provider_id = :provider and p.patient_id = :patient and {_HOLDS.format("p")}),
      array(
        select distinct l.label from carecircle.patient_labels l
        where l.organization_id = :tenant and l.patient_id = :patient and {_HOLDS.format("l")}),
      array(
        select distinct o.unit_id from carecircle.provider_roles o
        where o.organization_id = :tenant and o.provider_id = :provider and o.unit_id is not null and {_HOLDS.format("o")})""")
_OPENED_BY_UNIT = text("""
    select count(distinct g.lineage_id) from carecircle.emergency_access g
    where g.organization_id = :tenant and g.unit_id = :unit and g.asked_at > :since and g.opened_at > :after
      and g.superseded_at = 'infinity'""")


@dataclass(frozen=True, slots=True)
class Standing:
    """What a provider may and is to a patient at an instant; `works_in` are the units in which they have a role."""

    may_break_glass: bool
    suspended: bool
    objected_to: bool
    relations: frozenset[str]
    labels: frozenset[str]
    works_in: frozenset[UUID]

    @property
    def role_unit_id(self) -> UUID | None:
        """The one unit they work in, None for several."""
        return next(iter(self.works_in)) if len(self.works_in) == 1 else None

    @property
    def sensitive(self) -> frozenset[str]:
        """The patient's labels, and `family` where the provider is of the patient's family or household."""
        related = self.relations & {"family", "household"}
        return self.labels | ({"family"} if related else frozenset())


async def standing(
    db: AsyncSession,
    tenant: OrganizationId,
    provider_id: UUID,
    patient_id: UUID,
    at: datetime,
    *,
    asked_at: datetime | None = None,
) -> Standing:
    """What is believed now about both at an instant; one statement. Who might break the glass at `asked_at`, by a duty that
    was not taken back since, may."""
    given = {"tenant": tenant, "provider": provider_id, "patient": patient_id, "at": at, "asked": asked_at or at}
    may, suspended, objected_to, relations, labels, units = (await db.execute(_STANDING, given)).one()
    return Standing(may, suspended, objected_to, frozenset(relations), frozenset(labels), frozenset(units))


async def require_may_have(
    db: AsyncSession,
    tenant: OrganizationId,
    keys: Keyring,
    provider_id: UUID,
    patient_id: UUID,
    at: datetime,
    *,
    despite: Collection[str],
    asked_at: datetime | None = None,
) -> Standing:
    """What is known about both, as in `standing`. Raises what keeps this provider from breaking the glass for this patient.

    MayNotBreakGlass without the duty, EmergencyAccessRefused while suspended or where the patient objects and `despite` does
    not name that, OwnRecord for their own.
    """
    known = await standing(db, tenant, provider_id, patient_id, at, asked_at=asked_at)
    named: dict[str, Any] = {"provider_id": provider_id, "patient_id": patient_id}
    if not known.may_break_glass:
        raise MayNotBreakGlass(**named)
    if known.suspended:
        raise EmergencyAccessRefused(**named)
    if "self" in known.relations or await is_own_record(db, tenant, keys, provider_id, patient_id):
        raise OwnRecord(**named)
    if known.objected_to and "objection" not in despite:
        raise EmergencyAccessRefused(**named)
    return known


async def is_own_record(
    db: AsyncSession, tenant: OrganizationId, keys: Keyring, provider_id: UUID, patient_id: UUID
) -> bool:
    """Whether an identifier of the provider is also one of the patient, or of a record that was merged into the patient.

    Identifiers without a system tell nothing: staff and patients may both be numbered from 1.
    """
    theirs = await db.execute(
        select(ProviderIdentifier.system, ProviderIdentifier.value).where(
            ProviderIdentifier.organization_id == tenant,
            ProviderIdentifier.provider_id == provider_id,
            ProviderIdentifier.system != "",
        )
    )
    indexes = [keys.blind_index(Identifier(system, value), tenant) for system, value in theirs]
    if not indexes:
        return False
    same = await db.scalars(
        select(PatientIdentifier.patient_id).where(
            PatientIdentifier.organization_id == tenant, PatientIdentifier.blind_index.in_(indexes)
        )
    )
    return patient_id in (await survivors_of(db, tenant, list(same))).values()


async def asked_before(db: AsyncSession, tenant: OrganizationId, provider_id: UUID, now: datetime) -> list[Asked]:
    """What this provider asked for lately, each by its last state but for the review of it."""
    row = EmergencyAccess
    found = await db.scalars(
        select(row)
        .ext(distinct_on(row.lineage_id))
        .where(
            row.organization_id == tenant,
            row.provider_id == provider_id,
            row.asked_at > now - LOOKED_BACK,
            row.superseded_at == FOREVER,
            row.state != "reviewed",
        )
        .order_by(row.lineage_id, row.starts_at.desc())
        .execution_options(populate_existing=True)
    )
    return [
        Asked(
            emergency_id=one.lineage_id,
            patient_id=one.patient_id,
            state=one.state,
            mode=one.mode,
            asked_at=one.asked_at,
            opened_at=one.opened_at,
            starts_at=one.starts_at,
            ends_at=one.ends_at,
            decided=one.decided_by_id is not None,
            reopens_id=one.reopens_id,
            ended_because=one.ended_because,
        )
        for one in found
    ]


async def words_repeated(
    db: AsyncSession, tenant: OrganizationId, provider_id: UUID, digest: bytes | None, now: datetime
) -> bool:
    """Whether this provider gave the same words for an earlier emergency access."""
    if digest is None:
        return False
    row = EmergencyAccess
    earlier = select(row.id).where(
        row.organization_id == tenant, row.provider_id == provider_id, row.asked_at > now - REPEATED_WITHIN,
        row.superseded_at == FOREVER, row.reason_digest == digest,
    )  # fmt: skip
    return await db.scalar(earlier.limit(1)) is not None


async def opened_by_unit(db: AsyncSession, tenant: OrganizationId, unit_id: UUID | None, now: datetime) -> int:
    """How many were opened for a unit in the last hour."""
    if unit_id is None:
        return 0
    given = {"tenant": tenant, "unit": unit_id, "since": now - LOOKED_BACK, "after": now - timedelta(hours=1)}
    return int(await db.scalar(_OPENED_BY_UNIT, given) or 0)


async def names(
    db: AsyncSession, tenant: OrganizationId, keys: Keyring, provider_id: UUID, patient_id: UUID
) -> tuple[str, str]:
    """The provider's name and the patient's, for comparing them only; empty where none is known or can be read.

    A key that is missing must keep nobody from an emergency.
    """
    provider = await db.scalar(
        select(Provider.name).where(Provider.organization_id == tenant, Provider.id == provider_id)
    )
    sealed = await db.scalar(
        select(Patient.demographics).where(Patient.organization_id == tenant, Patient.id == patient_id)
    )
    try:
        told = {} if sealed is None else json.loads(keys.unseal(sealed, tenant, "patients", "demographics", patient_id))
    except KeyUnavailable:
        told = {}
    name = told.get("name")
    return provider or "", name if isinstance(name, str) else ""
