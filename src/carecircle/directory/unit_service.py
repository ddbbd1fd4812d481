"""Units (a ward, a clinic, a site): registering them, listing them, and finding one by whatever somebody calls it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.actor import Actor, actor_of, organization_of
from carecircle.audit.entry import Entry, append
from carecircle.database.constraints import translated
from carecircle.database.keyset import Key, beyond
from carecircle.database.session import enter_tenant, one_change
from carecircle.directory.service import AnyId
from carecircle.directory.tables import Unit
from carecircle.errors import InvalidIdentifier, UnitNotRegistered
from carecircle.identifiers import Identifier, UnitId, new_id, parse_reference, to_text


@dataclass(frozen=True, slots=True)
class UnitRecord:
    """A unit, its name, and the identifier (`system|value`, or a bare value) under which it is found."""

    id: UnitId
    name: str
    identifier: str


async def register_unit(
    db: AsyncSession,
    *,
    identifier: str | Identifier,
    name: str,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> UnitRecord:
    """Register a unit under an identifier, or find the one that has it; its name then stays as it is.

    Raises InvalidIdentifier for what reads like an id of ours.
    """
    own = parse_reference(identifier)
    if isinstance(own, UUID):
        raise InvalidIdentifier("A unit is registered under an identifier of yours, such as urn:ward|7.")
    who = actor_of(actor)
    async with one_change(db):
        tenant = await enter_tenant(db, organization_of(organization))
        fresh = insert(Unit).values(organization_id=tenant, id=new_id(), name=name, system=own.system, value=own.value)
        taken = ["organization_id", "system", "value"]
        added = await db.scalar(fresh.on_conflict_do_nothing(index_elements=taken).returning(Unit.id))
        if added is not None:
            told = {"unit": to_text(added)}
            await append(db, Entry(tenant, "change", who, "unit-registered", detail=told))
        found = await db.execute(
            select(Unit.id, Unit.name, Unit.system, Unit.value).where(
                Unit.organization_id == tenant, Unit.system == own.system, Unit.value == own.value
            )
        )
        row = found.one()
    return _shown(row.id, row.name, row.system, row.value)


async def units(
    db: AsyncSession, *, limit: int = 100, after: Sequence[Key] | None = None, organization: UUID | str | None = None
) -> list[UnitRecord]:
    """The first `limit` units of the organization by name, beyond the key `after`. Raises InvalidCursor."""
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        query = select(Unit).where(Unit.organization_id == tenant)
        found = await db.scalars(beyond(query, Unit.name, Unit.id, after=after, limit=limit))
        return [_shown(row.id, row.name, row.system, row.value) for row in found]


async def resolve_unit(db: AsyncSession, tenant: UUID, unit: AnyId) -> UnitId:
    """The id of a registered unit: by its id, its identifier, or, written without a system, a name that only it has.

    Raises UnitNotRegistered.
    """
    reference = parse_reference(unit)
    units = select(Unit.id).where(Unit.organization_id == tenant)
    if isinstance(reference, UUID):
        found = list(await db.scalars(units.where(Unit.id == reference)))
    else:
        found = list(await db.scalars(units.where(Unit.system == reference.system, Unit.value == reference.value)))
        if not found and not reference.system:
            found = list(await db.scalars(units.where(Unit.name == reference.value).limit(2)))
    if len(found) != 1:
        raise UnitNotRegistered
    return UnitId(found[0])


async def unit_names(db: AsyncSession, tenant: UUID, units: Iterable[UUID]) -> dict[UUID, str]:
    """The names of those of these units that have one."""
    query = select(Unit.id, Unit.name).where(Unit.organization_id == tenant, Unit.id.in_(set(units)))
    return {unit: name for unit, name in await db.execute(query) if name}


def _shown(unit_id: UUID, name: str, system: str, value: str) -> UnitRecord:
    return UnitRecord(UnitId(unit_id), name, f"{system}|{value}" if system else value)
