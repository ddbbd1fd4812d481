"""The organization's own words: what it calls patients and providers, which actions it adds, and how its people are named."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.database.crypto import Keyring
from carecircle.directory.tables import PatientIdentifier, ProviderIdentifier
from carecircle.identifiers import Identifier, to_text
from carecircle.interop.authzen.asked import reference_of
from carecircle.policy import ACTIONS

_WORDS = """select statement_timestamp() as now, p.actions, p.document -> 'authzen_resource_types' as resources,
                   p.document -> 'authzen_subject_types' as subjects
  from (select 1) one left join lateral (
    select p.actions, p.document from carecircle.policies p
    where p.organization_id = $1 and p.superseded_at = 'infinity'
      and p.starts_at <= statement_timestamp() and p.ends_at > statement_timestamp() limit 1) p on true"""


class Words(NamedTuple):
    """What holds at `now`, the database's instant: every action, and for each type the system of its identifiers.

    A system that is None: people of that type are known by carecircle's own ids.
    """

    now: datetime
    actions: tuple[str, ...]
    subjects: Mapping[str, str | None]
    resources: Mapping[str, str | None]


async def words_of(connection: asyncpg.Connection, organization_id: UUID) -> Words:
    """Read as the deciding role, which serves every organization: a word that an organization drops is none at once."""
    row = await connection.fetchrow(_WORDS, organization_id)
    return Words(
        row["now"],
        tuple(sorted({*ACTIONS, *(row["actions"] or ())})),
        {**_types(row["subjects"]), "user": "", "provider": None},
        {**_types(row["resources"]), "patient": None},
    )


async def names_of_providers(
    db: AsyncSession, tenant: UUID, provider_ids: Collection[UUID], system: str | None
) -> dict[UUID, str]:
    """How answers name these providers where their identifiers are of that system; the session is in the tenant."""
    names = {one: to_text(one) for one in provider_ids}
    if system is None or not names:
        return names
    found = await db.execute(
        select(ProviderIdentifier.provider_id, ProviderIdentifier.value).where(
            ProviderIdentifier.organization_id == tenant,
            ProviderIdentifier.provider_id.in_(names),
            ProviderIdentifier.system == system,
        )
    )
    return names | _named(system, [(own_id, value) for own_id, value in found])


async def names_of_patients(
    db: AsyncSession, tenant: UUID, patient_ids: Collection[UUID], system: str | None, keys: Keyring
) -> dict[UUID, str]:
    """The same for patients, whose identifiers are opened for it. Raises KeyUnavailable."""
    names = {one: to_text(one) for one in patient_ids}
    if system is None or not names:
        return names
    found = await db.execute(
        select(PatientIdentifier.patient_id, PatientIdentifier.identifier, PatientIdentifier.blind_index).where(
            PatientIdentifier.organization_id == tenant, PatientIdentifier.patient_id.in_(names)
        )
    )
    known = []
    for own_id, sealed, index in found:
        given, _, value = (
            keys.unseal(sealed, tenant, "patient_identifiers", "identifier", index).decode().partition("|")
        )
        if given == system:
            known.append((own_id, value))
    return names | _named(system, known)


def _named(system: str, known: Collection[tuple[UUID, str]]) -> dict[UUID, str]:
    """The first value of each that, asked about, means the same person again; whoever has none keeps carecircle's id."""
    usable = [pair for pair in known if reference_of(pair[1], system) == Identifier(system, pair[1])]
    return dict(sorted(usable, key=lambda pair: pair[1], reverse=True))


def _types(said: str | None) -> dict[str, str | None]:
    return {} if said is None else json.loads(said)
