"""People registered in a test's own organization, for rows that are put in plainly."""

from __future__ import annotations

from proofs.tenancy_rows import People
from tests.conftest import Hospital

from carecircle.care_teams.service import create_team
from carecircle.database.session import instant


async def registered(hospital: Hospital) -> People:
    """Three providers, three patients and a team of this hospital."""
    one, two, three = [await hospital.provider() for _ in range(3)]
    first, second, third = [await hospital.patient() for _ in range(3)]
    async with hospital.change() as db:
        team = await create_team(db, name="Team", organization=hospital.organization, actor="test")
        now = await instant(db)
    return People(hospital.organization, (one, two, three), (first, second, third), team, hospital.slug, now)
