"""Finding a unit (a ward, a clinic, a site) by whatever somebody calls it."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.directory.service import AnyId
from carecircle.directory.tables import Unit
from carecircle.errors import UnitNotRegistered
from carecircle.identifiers import UnitId, parse_reference


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
