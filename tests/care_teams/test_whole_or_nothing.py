"""A refused change of a team leaves nothing of itself, also when the host catches the refusal and commits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from carecircle import acting_as
from carecircle.care_teams.service import add_member, add_patient, create_team
from carecircle.database.reach import dsn
from carecircle.database.roles import open_connection
from carecircle.errors import OverlappingMembership, PatientAlreadyOnTeam, PatientNotRegistered
from carecircle.identifiers import new_id
from tests.conftest import Hospital

Run = Callable[[Callable[[Hospital], Any]], Any]


async def entries(hospital: Hospital, code: str) -> int:
    admin = await open_connection(dsn(hospital.circle.reach.admin))
    try:
        return int(
            await admin.fetchval(
                "select count(*) from carecircle.audit_events where organization_id = $1 and code = $2",
                hospital.organization,
                code,
            )
        )
    finally:
        await admin.close()


def test_what_was_refused_left_no_half(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        nurse, other = await hospital.provider(), await hospital.provider()
        patient = await hospital.patient()
        with acting_as(organization=hospital.organization, actor="test"):
            async with hospital.change() as db:
                team = await create_team(db, name="Ward 4")
                await add_member(db, care_team_id=team, provider=nurse)
                await add_patient(db, care_team_id=team, patient=patient)
            async with hospital.change() as db:
                for error, refused in (
                    (OverlappingMembership, add_member(db, care_team_id=team, provider=nurse)),
                    (PatientAlreadyOnTeam, add_patient(db, care_team_id=team, patient=patient)),
                    (PatientNotRegistered, add_patient(db, care_team_id=team, patient=new_id())),
                ):
                    with pytest.raises(error):
                        await refused
                await add_member(db, care_team_id=team, provider=other)  # the transaction is whole, and goes on
            decision = await hospital.circle.access.check(other, "read", patient)
        assert decision.allowed
        assert await entries(hospital, "member-added") == 2
        assert await entries(hospital, "team-patient-added") == 1

    in_hospital(body)
