"""Keyed indexes of patients' surnames, kept only while the organization's policy says `family_rule`.

They let somebody look for patients who may be of a provider's family without opening every record. An index of an address would
stand beside them (`kind`); no address is kept here, so none is made. The key of blind indexes is the same for an organization's
whole life, so that rotating its other keys leaves these as they are.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.database.crypto import Keyring, keyring
from carecircle.database.session import turn_key
from carecircle.errors import KeyUnavailable
from carecircle.identifiers import Identifier, OrganizationId

BATCH = 500
SURNAME = "urn:carecircle:surname"
_TURN = UUID(int=0x4E414D4553)
# Who registers shares the turn, who turns the rule on or off has it alone: nobody is registered between filling and commit.
_SHARED = text("select pg_advisory_xact_lock_shared(:key)")
_ALONE = text("select pg_advisory_xact_lock(:key)")
_ON = text("""
    select exists (
      select from carecircle.policies p
      where p.organization_id = :tenant and p.superseded_at = 'infinity' and p.starts_at <= statement_timestamp()
        and p.ends_at > statement_timestamp() and (p.document ->> 'family_rule')::boolean)""")
_NEXT = text("""
    select p.id, p.demographics from carecircle.patients p
    where p.organization_id = :tenant and p.demographics is not null
      and (cast(:after as uuid) is null or p.id > :after)
    order by p.id limit :batch""")
_PUT = text("""
    insert into carecircle.patient_name_indexes (organization_id, patient_id, kind, blind_index)
    select :tenant, t.id, 'surname', t.blind
    from unnest(cast(:ids as uuid[]), cast(:blind as bytea[])) as t (id, blind)
    on conflict (organization_id, patient_id, kind) do update set blind_index = excluded.blind_index
      where patient_name_indexes.blind_index is distinct from excluded.blind_index""")
_FORGET = text("""
    update carecircle.patient_name_indexes set blind_index = null
    where organization_id = :tenant and kind = 'surname' and patient_id = any (cast(:ids as uuid[]))""")
_EMPTY = text("""
    update carecircle.patient_name_indexes set blind_index = null
    where organization_id = :tenant and blind_index is not null""")
_FOUND = text("""
    select patient_id from carecircle.patient_name_indexes
    where organization_id = :tenant and kind = 'surname' and blind_index = :blind order by patient_id""")
# What stands behind a surname and is none.
_AFTER = frozenset({"jr", "sr", "ii", "iii", "iv", "md", "phd", "dds", "esq"})


def surname_of(name: str | None) -> str:
    """The surname of a name in one text, as it is compared: what stands before a comma, else its last word; without marks,
    hyphens, spaces and capitals. Empty where there is none."""
    first, comma, _ = (name or "").partition(",")
    words = [plain for word in first.split() if (plain := _plain(word))]
    if comma:
        return "".join(words)
    while len(words) > 1 and words[-1] in _AFTER:
        words.pop()
    return words[-1] if words else ""


def _plain(word: str) -> str:
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", word).casefold())
    return re.sub(r"[\W\d_]", "", "".join(one for one in apart if not unicodedata.combining(one)))


def index_of(ring: Keyring, tenant: UUID, surname: str) -> bytes:
    """The index of a surname as `surname_of` gives it. Raises KeyUnavailable."""
    return ring.blind_index(Identifier(SURNAME, surname), tenant)


async def note_names(
    db: AsyncSession, tenant: UUID, names: Mapping[UUID, str | None], keys: Keyring | None = None
) -> None:
    """Index the surnames of patients who are registered or corrected just now, where the rule is on."""
    if not names:
        return
    await db.execute(_SHARED, {"key": turn_key(tenant, _TURN)})
    if (await db.execute(_ON, {"tenant": tenant})).scalar_one():
        await _put(db, tenant, names, keys or keyring())


async def turn_on(db: AsyncSession, tenant: OrganizationId, keys: Keyring | None = None) -> int:
    """Index every patient's surname, in batches of one transaction; how many there are. A name that does not open is left out."""
    ring = keys or keyring()
    await db.execute(_ALONE, {"key": turn_key(tenant, _TURN)})
    done, after = 0, None
    while rows := (await db.execute(_NEXT, {"tenant": tenant, "after": after, "batch": BATCH})).all():
        names = {row.id: _name(ring, tenant, row.id, row.demographics) for row in rows}
        done += await _put(db, tenant, names, ring)
        after = rows[-1].id
    return done


async def turn_off(db: AsyncSession, tenant: OrganizationId) -> int:
    """Empty every index; how many there were."""
    await db.execute(_ALONE, {"key": turn_key(tenant, _TURN)})
    done: int = (await db.execute(_EMPTY, {"tenant": tenant})).rowcount  # type: ignore[attr-defined]  # an update has one
    return done


async def patients_named(
    db: AsyncSession, tenant: OrganizationId, surname: str, keys: Keyring | None = None
) -> list[UUID]:
    """Patients whose surname is this one; nobody where the rule is off."""
    plain = surname_of(surname)
    if not plain:
        return []
    found = await db.scalars(_FOUND, {"tenant": tenant, "blind": index_of(keys or keyring(), tenant, plain)})
    return [UUID(bytes=one.bytes) for one in found]


async def _put(db: AsyncSession, tenant: UUID, names: Mapping[UUID, str | None], ring: Keyring) -> int:
    surnames = {patient: surname_of(name) for patient, name in names.items()}
    known = {patient: index_of(ring, tenant, one) for patient, one in surnames.items() if one}
    if gone := [patient for patient, one in surnames.items() if not one]:
        await db.execute(_FORGET, {"tenant": tenant, "ids": gone})
    if known:
        await db.execute(_PUT, {"tenant": tenant, "ids": list(known), "blind": list(known.values())})
    return len(known)


def _name(ring: Keyring, tenant: UUID, patient_id: UUID, sealed: bytes) -> str | None:
    try:
        told = json.loads(ring.unseal(sealed, tenant, "patients", "demographics", patient_id))
    except KeyUnavailable:
        return None
    name = told.get("name")
    return name if isinstance(name, str) else None
