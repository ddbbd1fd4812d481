"""Reading who is registered: one patient's record, opened; providers with their identifiers; the organization itself."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import Literal
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, any_, bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.actor import organization_of
from carecircle.database.constraints import translated
from carecircle.database.crypto import Keyring, keyring
from carecircle.database.keyset import Key, beyond
from carecircle.database.session import enter_tenant
from carecircle.directory.following_service import survivors_of
from carecircle.directory.service import AnyId, is_registered, resolve_patient, resolve_provider
from carecircle.directory.tables import Organization, Patient, PatientIdentifier, Provider, ProviderIdentifier
from carecircle.errors import NotFound, OrganizationNotFound, PatientNotRegistered, ProviderNotRegistered
from carecircle.identifiers import OrganizationId, PatientId, ProviderId


@dataclass(frozen=True, slots=True)
class PatientRecord:
    """What is kept of a patient, opened; `birth_date` is YYYY-MM-DD. `merged_into_id` is who the patient is now, if another."""

    id: PatientId
    merged_into_id: PatientId | None
    name: str | None
    birth_date: str | None
    sex: str | None
    identifiers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ProviderRecord:
    """A provider, and every identifier (`system|value`) under which they are found."""

    id: ProviderId
    name: str
    identifiers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OrganizationRecord:
    """The organization whose transaction this is."""

    id: OrganizationId
    slug: str
    name: str


async def patient_record(
    db: AsyncSession, *, patient_id: UUID, organization: UUID | str | None = None, keys: Keyring | None = None
) -> PatientRecord:
    """The patient's own record, merged away or not. Raises PatientNotRegistered, KeyUnavailable.

    It tells who somebody is: whoever shows it leaves an entry.
    """
    ring = keys or keyring()
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        found = await db.execute(
            select(Patient.demographics).where(Patient.organization_id == tenant, Patient.id == patient_id)
        )
        row = found.one_or_none()
        if row is None:
            raise PatientNotRegistered
        kept = await db.execute(
            select(PatientIdentifier.identifier, PatientIdentifier.blind_index).where(
                PatientIdentifier.organization_id == tenant, PatientIdentifier.patient_id == patient_id
            )
        )
        identifiers = [
            ring.unseal(sealed, tenant, "patient_identifiers", "identifier", index).decode() for sealed, index in kept
        ]
        survivor = (await survivors_of(db, tenant, [patient_id]))[patient_id]
    told: dict[str, str] = {}
    if row.demographics is not None:
        told = json.loads(ring.unseal(row.demographics, tenant, "patients", "demographics", patient_id))
    return PatientRecord(
        PatientId(patient_id), None if survivor == patient_id else PatientId(survivor), told.get("name"),
        told.get("birth_date"), told.get("sex"), tuple(sorted(identifiers)),
    )  # fmt: skip


async def find_patient(
    db: AsyncSession, patient: AnyId, *, organization: UUID | str | None = None
) -> tuple[PatientId, PatientId]:
    """Whose record that identifier or id is of, and who that patient is now; the same one where nobody merged them.

    Raises PatientNotRegistered.
    """
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        own = await resolve_patient(db, tenant, patient, follow=False)
        if not await is_registered(db, tenant, "patient", own):
            raise PatientNotRegistered
        return own, await resolve_patient(db, tenant, own)


async def any_registered(
    db: AsyncSession,
    kind: Literal["patient", "provider"],
    own: AnyId | None,
    identifiers: Iterable[AnyId],
    *,
    organization: UUID | str | None = None,
) -> bool:
    """Whether somebody is registered already under the id or one of the identifiers. Raises InvalidIdentifier."""
    resolve = resolve_patient if kind == "patient" else resolve_provider
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        for one in chain([] if own is None else [own], identifiers):
            with suppress(NotFound):
                if await is_registered(db, tenant, kind, await resolve(db, tenant, one)):
                    return True
    return False


async def require_patient(db: AsyncSession, *, patient_id: UUID, organization: UUID | str | None = None) -> PatientId:
    """Who this registered patient is now. Raises PatientNotRegistered."""
    return (await find_patient(db, patient_id, organization=organization))[1]


async def find_provider(db: AsyncSession, provider: AnyId, *, organization: UUID | str | None = None) -> ProviderRecord:
    """The provider of an identifier or id. Raises ProviderNotRegistered."""
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        own = await resolve_provider(db, tenant, provider)
        found = await db.execute(
            select(Provider.id, Provider.name).where(Provider.organization_id == tenant, Provider.id == own)
        )
        row = found.one_or_none()
        if row is None:
            raise ProviderNotRegistered
        identifiers = await _identifiers(db, tenant, [own])
    return ProviderRecord(ProviderId(row.id), row.name, tuple(identifiers[own]))


async def providers(
    db: AsyncSession, *, limit: int = 100, after: Sequence[Key] | None = None, organization: UUID | str | None = None
) -> list[ProviderRecord]:
    """The first `limit` providers of the organization by id, beyond the key `after`. Raises InvalidCursor."""
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        query = select(Provider).where(Provider.organization_id == tenant)
        rows = (await db.scalars(beyond(query, Provider.id, after=after, limit=limit))).all()
        identifiers = await _identifiers(db, tenant, [row.id for row in rows])
    return [ProviderRecord(ProviderId(row.id), row.name, tuple(identifiers[row.id])) for row in rows]


async def own_organization(db: AsyncSession, *, organization: UUID | str | None = None) -> OrganizationRecord:
    """The organization of this call. Raises OrganizationNotFound."""
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        found = await db.execute(select(Organization.slug, Organization.name).where(Organization.id == tenant))
        row = found.one_or_none()
    if row is None:
        raise OrganizationNotFound("There is no such organization.")
    return OrganizationRecord(tenant, row.slug, row.name)


async def _identifiers(db: AsyncSession, tenant: UUID, providers: Collection[UUID]) -> dict[UUID, list[str]]:
    wanted = any_(bindparam("wanted", list(providers), ARRAY(Uuid)))
    found = await db.execute(
        select(ProviderIdentifier.provider_id, ProviderIdentifier.system, ProviderIdentifier.value)
        .where(ProviderIdentifier.organization_id == tenant, ProviderIdentifier.provider_id == wanted)
        .order_by(ProviderIdentifier.system, ProviderIdentifier.value)
    )
    known: dict[UUID, list[str]] = defaultdict(list)
    for row in found:
        known[row.provider_id].append(f"{row.system}|{row.value}" if row.system else row.value)
    return known
