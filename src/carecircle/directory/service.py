"""Registering and finding organizations, units, providers and patients. Registering twice changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date
from typing import Literal
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, any_, bindparam, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.actor import Actor, actor_of, organization_of
from carecircle.audit.entry import Entry, append
from carecircle.database.constraints import translated
from carecircle.database.crypto import Keyring, keyring
from carecircle.database.data_keys import make_first_keys
from carecircle.database.session import enter_tenant
from carecircle.directory.following_service import settled
from carecircle.directory.name_index_service import note_names
from carecircle.directory.tables import Organization, Patient, PatientIdentifier, Provider, ProviderIdentifier
from carecircle.errors import (
    AlreadyRegistered,
    IdentifierTaken,
    InvalidIdentifier,
    OrganizationNotFound,
    PatientNotRegistered,
    ProviderNotRegistered,
)
from carecircle.identifiers import (
    Identifier,
    OrganizationId,
    PatientId,
    ProviderId,
    new_id,
    parse_id,
    parse_reference,
)

AnyId = UUID | str | Identifier


async def find_organization(session: AsyncSession, slug: str) -> OrganizationId:
    """The organization of that slug; its transaction is in that tenant from here on. Raises OrganizationNotFound."""
    with translated():
        await session.execute(text("select set_config('carecircle.organization_slug', :slug, true)"), {"slug": slug})
        found = (await session.execute(select(Organization.id).where(Organization.slug == slug))).scalar_one_or_none()
    if found is None:
        raise OrganizationNotFound(
            f"There is no organization {slug!r}; add it with: carecircle organization add {slug}."
        )
    return await enter_tenant(session, found)


async def register_organization(
    session: AsyncSession, *, slug: str, name: str, organization_id: UUID | str | None = None, actor: Actor | str
) -> OrganizationId:
    """Add an organization with keys of its own, or find it when that slug is its own.

    Raises AlreadyRegistered when another id has the slug, KeyUnavailable.
    """
    chosen = OrganizationId(parse_id(organization_id)) if organization_id is not None else None
    try:
        found = await find_organization(session, slug)
    except OrganizationNotFound:
        fresh = await enter_tenant(session, chosen or new_id())
        with translated():
            await session.execute(insert(Organization).values(id=fresh, slug=slug, name=name))
            entry = Entry(fresh, "change", actor_of(actor), "organization-registered")
            await append(session, entry)
            await make_first_keys(session, keyring(), fresh, entry.id)
        return fresh
    if chosen is not None and chosen != found:
        raise AlreadyRegistered(f"The slug {slug!r} belongs to an organization with another id.")
    return found


async def register_provider(
    db: AsyncSession,
    *,
    provider_id: UUID | str | None = None,
    identifiers: Iterable[str | Identifier] = (),
    name: str = "",
    organization_id: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> ProviderId:
    """Register a provider under an id of the host's, an identifier (`system|value`), or both; find it when known.

    Raises IdentifierTaken when an identifier belongs to somebody else, InvalidIdentifier for an unreadable id.
    """
    tenant = await enter_tenant(db, organization_of(organization_id))
    known, given = _sorted_out(provider_id, identifiers)
    with translated():
        owners = {
            identifier: await db.scalar(
                select(ProviderIdentifier.provider_id).where(
                    ProviderIdentifier.organization_id == tenant,
                    ProviderIdentifier.system == identifier.system,
                    ProviderIdentifier.value == identifier.value,
                )
            )
            for identifier in given
        }
        chosen = ProviderId(_one_owner(known, owners))
        added = await db.execute(
            insert(Provider)
            .values(organization_id=tenant, id=chosen, name=name)
            .on_conflict_do_nothing()
            .returning(Provider.id)
        )
        is_new = added.scalar_one_or_none() is not None
        fresh = [identifier for identifier, owner in owners.items() if owner is None]
        for identifier in fresh:
            await db.execute(
                insert(ProviderIdentifier).values(
                    organization_id=tenant, system=identifier.system, value=identifier.value, provider_id=chosen
                )
            )
        if is_new or fresh:
            await append(db, Entry(tenant, "change", actor_of(actor), "provider-registered", provider_id=chosen))
    return chosen


async def register_patient(
    db: AsyncSession,
    *,
    patient_id: UUID | str | None = None,
    identifiers: Iterable[str | Identifier] = (),
    name: str | None = None,
    birth_date: date | None = None,
    sex: str | None = None,
    organization_id: UUID | str | None = None,
    actor: Actor | str | None = None,
    keys: Keyring | None = None,
) -> PatientId:
    """Register a patient under an id of the host's, an identifier (`system|value`), or both; find it when known.

    Identifiers, name, birth date and sex are kept encrypted. Raises IdentifierTaken, InvalidIdentifier, KeyUnavailable.
    """
    tenant = await enter_tenant(db, organization_of(organization_id))
    ring = keys or keyring()
    known, given = _sorted_out(patient_id, identifiers)
    with translated():
        owners = {
            identifier: await db.scalar(
                select(PatientIdentifier.patient_id).where(
                    PatientIdentifier.organization_id == tenant,
                    PatientIdentifier.blind_index == ring.blind_index(identifier, tenant),
                )
            )
            for identifier in given
        }
        chosen = PatientId(_one_owner(known, owners))
        added = await db.execute(
            insert(Patient)
            .values(
                organization_id=tenant,
                id=chosen,
                demographics=sealed_demographics(ring, tenant, chosen, name, birth_date, sex),
            )
            .on_conflict_do_nothing()
            .returning(Patient.id)
        )
        is_new = added.scalar_one_or_none() is not None
        fresh = [identifier for identifier, owner in owners.items() if owner is None]
        for identifier in fresh:
            index = ring.blind_index(identifier, tenant)
            await db.execute(
                insert(PatientIdentifier).values(
                    organization_id=tenant,
                    blind_index=index,
                    patient_id=chosen,
                    identifier=ring.seal(str(identifier).encode(), tenant, "patient_identifiers", "identifier", index),
                )
            )
        if is_new and name:
            await note_names(db, tenant, {chosen: name}, ring)
        if is_new or fresh:
            await append(db, Entry(tenant, "change", actor_of(actor), "patient-registered", patient_id=chosen))
    return chosen


def sealed_demographics(
    ring: Keyring, tenant: UUID, patient_id: UUID, name: str | None, birth_date: date | None, sex: str | None
) -> bytes | None:
    """The envelope of patients.demographics, or None when nothing was given."""
    given = {"name": name, "birth_date": birth_date.isoformat() if birth_date else None, "sex": sex}
    if not any(given.values()):
        return None
    plain = json.dumps({key: value for key, value in given.items() if value}).encode()
    return ring.seal(plain, tenant, "patients", "demographics", patient_id)


async def names_of(db: AsyncSession, tenant: UUID, providers: Iterable[UUID]) -> dict[UUID, str]:
    """The names of those of these providers who have one."""
    wanted = any_(bindparam("wanted", list(providers), ARRAY(Uuid)))  # one parameter, however many there are
    query = select(Provider.id, Provider.name).where(Provider.organization_id == tenant, Provider.id == wanted)
    return {provider: name for provider, name in await db.execute(query) if name}


async def is_registered(db: AsyncSession, tenant: UUID, kind: Literal["patient", "provider"], own: UUID) -> bool:
    """Whether a patient, or a provider, is registered under this id."""
    table = Patient if kind == "patient" else Provider
    return await db.scalar(select(table.id).where(table.organization_id == tenant, table.id == own)) is not None


async def resolve_provider(db: AsyncSession, tenant: OrganizationId, provider: AnyId) -> ProviderId:
    """The id of a registered provider. Raises ProviderNotRegistered for an identifier nobody has."""
    reference = parse_reference(provider)
    if isinstance(reference, UUID):
        return ProviderId(reference)
    found = await db.scalar(
        select(ProviderIdentifier.provider_id).where(
            ProviderIdentifier.organization_id == tenant,
            ProviderIdentifier.system == reference.system,
            ProviderIdentifier.value == reference.value,
        )
    )
    if found is None:
        raise ProviderNotRegistered
    return ProviderId(found)


async def resolve_patient(
    db: AsyncSession, tenant: OrganizationId, patient: AnyId, keys: Keyring | None = None, *, follow: bool = True
) -> PatientId:
    """The id of a registered patient, or of who replaced them; nobody merges that one until the transaction ends.

    Without `follow`, the patient's own id, merged away or not. Raises PatientNotRegistered for an identifier nobody has.
    """
    reference = parse_reference(patient)
    if isinstance(reference, UUID):
        own: UUID | None = reference
    else:
        own = await db.scalar(
            select(PatientIdentifier.patient_id).where(
                PatientIdentifier.organization_id == tenant,
                PatientIdentifier.blind_index == (keys or keyring()).blind_index(reference, tenant),
            )
        )
    if own is None:
        raise PatientNotRegistered
    return PatientId(await settled(db, tenant, own) if follow else own)


def _sorted_out(
    known: UUID | str | None, identifiers: Iterable[str | Identifier]
) -> tuple[UUID | None, list[Identifier]]:
    """A host's own id may be a UUID or ULID, which is kept, or `system|value`, which joins the identifiers."""
    given: list[Identifier] = []
    for reference in map(parse_reference, identifiers):
        if isinstance(reference, UUID):
            raise InvalidIdentifier(
                "An identifier that reads like an id could not be found again; write it with its system: system|value."
            )
        given.append(reference)
    if known is None:
        return None, given
    own = parse_reference(known)
    return (own, given) if isinstance(own, UUID) else (None, [own, *given])


def _one_owner(known: UUID | None, owners: dict[Identifier, UUID | None]) -> UUID:
    found = {owner for owner in owners.values() if owner is not None}
    if known is not None:
        found.add(known)
    if len(found) > 1:
        raise IdentifierTaken("These identifiers belong to different records; register them one by one to see which.")
    return found.pop() if found else new_id()
