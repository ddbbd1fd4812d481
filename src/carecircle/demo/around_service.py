"""What surrounds the demo's drawn facts: whether it was recorded, whether it is ready for emergencies, who is on call."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.actor import Actor, acting_as
from carecircle.coverage.reading_service import arrangements
from carecircle.coverage.service import arrange_coverage
from carecircle.database.crypto import Keyring
from carecircle.database.session import instant
from carecircle.demo.facts import DAY, fixed_id
from carecircle.demo.people import House
from carecircle.demo.stories import EMERGENCY_DEPARTMENT, ON_CALL, PROMINENT
from carecircle.directory.tables import Unit
from carecircle.errors import OverlappingCoverage, RulesViolated
from carecircle.identifiers import OrganizationId
from carecircle.restrictions.tables import PatientLabel

MORNING = 8
"""The hour, in UTC, at which whoever is on call goes home."""


async def surround(db: AsyncSession, keyring: Keyring, tenant: OrganizationId, house: House, actor: Actor) -> None:
    """Record what the stories need beyond the drawn facts, unless it is there, and who is on call until the morning."""
    with acting_as(organization=tenant, actor=actor):
        now = (await instant(db)).replace(microsecond=0)
        if await surrounded_at(db, tenant, house) is None:
            from carecircle.demo.recording_service import record  # needed once, and slow to import

            await record(db, keyring, house, now)
        if not await is_prepared(db, tenant, house):
            from carecircle.demo.emergency_service import live_through, prepare

            await prepare(db, tenant, house, now)
            await live_through(db, house, now)
        await _on_call(db, house, now)


async def surrounded_at(db: AsyncSession, tenant: OrganizationId, house: House) -> datetime | None:
    """When the people around the patients were recorded, None before."""
    first: datetime | None = await db.scalar(
        select(func.min(PatientLabel.recorded_at)).where(
            PatientLabel.organization_id == tenant, PatientLabel.patient_id == fixed_id(house.slug, PROMINENT)
        )
    )
    return first


async def is_prepared(db: AsyncSession, tenant: OrganizationId, house: House) -> bool:
    """Whether the emergency department is there, and with it who decides about emergencies."""
    return await db.get(Unit, (tenant, fixed_id(house.slug, "unit", EMERGENCY_DEPARTMENT))) is not None


async def _on_call(db: AsyncSession, house: House, now: datetime) -> None:
    """Whoever is not covered now is until the morning, by whom the stories say."""
    morning = now.replace(hour=MORNING, minute=0, second=0, microsecond=0)
    until = morning if morning > now + timedelta(hours=1) else morning + DAY
    for covered, covering in ((fixed_id(house.slug, a), fixed_id(house.slug, b)) for a, b in ON_CALL):
        rows = await arrangements(db, provider=covered, ahead=timedelta(0))
        if any((row.covered_provider_id, row.covering_provider_id) == (covered, covering) for row in rows):
            continue
        with suppress(OverlappingCoverage, RulesViolated):  # somebody arranged otherwise
            await arrange_coverage(
                db, covered=covered, covering=covering, coverage_type="on_call", starts_at=now, ends_at=until
            )
