"""What a check answers, and that nobody gets an answer that was not recorded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import asyncpg

from carecircle import CareTeamService, acting_as
from tests.conftest import Hospital

Run = Callable[[Callable[[Hospital], Any]], Any]


async def entry_of(hospital: Hospital, entry_id: object) -> asyncpg.Record | None:
    """The audit entry, read as the auditor of that organization."""
    connection = await asyncpg.connect(hospital.circle.reach.dsn("auditor"))
    try:
        await connection.execute(f"set carecircle.organization_id = '{hospital.organization}'")
        return await connection.fetchrow("select * from carecircle.audit_events where id = $1", entry_id)
    finally:
        await connection.close()


def test_a_primary_provider_is_allowed_and_a_stranger_denied(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        primary, stranger = await hospital.provider(), await hospital.provider()
        patient = await hospital.patient()
        async with hospital.change() as db:
            await CareTeamService.assign_primary_provider(
                db=db, organization_id=hospital.organization, patient_id=patient, provider_id=primary, actor="test"
            )
        with acting_as(organization=hospital.organization, actor="service:test"):
            yes = await hospital.circle.access.check(primary, "read", patient)
            no = await hospital.circle.access.check(stranger, "read", patient)
        assert yes.allowed
        assert yes.bases[0].kind == "primary"
        assert not no.allowed
        assert no.code == "no-relationship"
        for decision in (yes, no):
            entry = await entry_of(hospital, decision.id)
            assert entry is not None
            assert (entry["allowed"], entry["code"]) == (decision.allowed, decision.code)

    in_hospital(body)
