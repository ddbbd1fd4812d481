"""Every command of a history twice: as it is served by the real system, and as the model understands it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle import FOREVER
from carecircle.assignments.handover_service import cancel_handover, correct_assignment
from carecircle.assignments.service import add_assignment, assign_primary, end_assignments, history_of
from carecircle.assignments.tables import PatientAssignment
from carecircle.care_teams.service import add_member, add_patient, create_team, end_membership
from carecircle.care_teams.tables import CareTeamPatient
from carecircle.database.facts import supersede
from carecircle.database.session import enter_tenant, instant
from carecircle.identifiers import new_id
from tests.model.reference import Model


@dataclass(frozen=True)
class Order:
    """A command with real ids and real instants, beside the numbers by which the model knows the same people."""

    organization: UUID
    patient: Any
    provider: Any
    team: Any
    patient_number: Any
    provider_number: Any
    team_number: Any
    kind: Any
    starts: datetime | None
    ends: datetime | None
    scope: tuple[str, ...] | None
    row: int


# What a service gave back: a row it made or found, or whether it changed anything, or the id of a team it made.
Served = Any


async def _primary(db: AsyncSession, o: Order) -> Served:
    return await assign_primary(db, patient=o.patient, provider=o.provider, previous=o.kind, starts_at=o.starts)


async def _cancelled(db: AsyncSession, o: Order) -> Served:
    await cancel_handover(db, patient=o.patient)
    return True


async def _added(db: AsyncSession, o: Order) -> Served:
    return await add_assignment(
        db,
        patient=o.patient,
        provider=o.provider,
        assignment_type=o.kind,
        starts_at=o.starts,
        ends_at=o.ends,
        scope=o.scope,
    )


async def _corrected(db: AsyncSession, o: Order) -> Served:
    held = await _believed(db, o.patient)
    # With none on record, a row that never was.
    wrong = held[o.row % len(held)].id if held else new_id()
    return await correct_assignment(
        db, patient=o.patient, assignment_id=wrong, provider_id=o.provider, assignment_type=o.kind,
        starts_at=o.starts, ends_at=o.ends, scope=o.scope,
    )  # fmt: skip


async def _ended(db: AsyncSession, o: Order) -> Served:
    await end_assignments(db, patient=o.patient, provider=o.provider, assignment_type=o.kind)
    return True


async def _team(db: AsyncSession, o: Order) -> Served:
    return await create_team(db, name="Team")


async def _seated(db: AsyncSession, o: Order) -> Served:
    return await add_member(
        db,
        care_team_id=o.team,
        provider=o.provider,
        member_role=o.kind,
        starts_at=o.starts,
        ends_at=o.ends,
        scope=o.scope,
    )


async def _given(db: AsyncSession, o: Order) -> Served:
    return await add_patient(db, care_team_id=o.team, patient=o.patient, starts_at=o.starts, ends_at=o.ends)


async def _unseated(db: AsyncSession, o: Order) -> Served:
    return await end_membership(db, care_team_id=o.team, provider=o.provider) > 0


async def _taken_back(db: AsyncSession, o: Order) -> Served:
    """A team no longer looks after a patient: no service does this, so it is done here as the app role may."""
    await enter_tenant(db, o.organization)
    now = await instant(db)
    found = await db.scalars(
        select(CareTeamPatient).where(
            CareTeamPatient.organization_id == o.organization, CareTeamPatient.care_team_id == o.team,
            CareTeamPatient.patient_id == o.patient, CareTeamPatient.superseded_at == FOREVER,
            CareTeamPatient.ends_at > now,
        )
    )  # fmt: skip
    rows = list(found)
    entry = new_id()
    for row in rows:
        await supersede(db, row, entry, now)
        if row.starts_at < now:
            ended = CareTeamPatient(
                organization_id=o.organization, id=new_id(), lineage_id=row.lineage_id, care_team_id=o.team,
                patient_id=o.patient, starts_at=row.starts_at, ends_at=now, recorded_at=now, entry_id=entry,
            )  # fmt: skip
            db.add(ended)
    await db.flush()
    return bool(rows)


async def _believed(db: AsyncSession, patient: UUID) -> list[PatientAssignment]:
    """The patient's assignments that are believed now, in the model's order."""
    rows = await history_of(db, patient=patient)
    first = {row.id: row.recorded_at for row in rows}

    def order(row: PatientAssignment) -> tuple[object, ...]:
        scope = sorted(set(row.scope))
        return row.recorded_at, row.starts_at, row.ends_at, row.assignment_type, scope, first[row.lineage_id]

    return sorted((row for row in rows if row.superseded_at == FOREVER), key=order)


SERVED: dict[str, Callable[[AsyncSession, Order], Awaitable[Served]]] = {
    "assign_primary": _primary,
    "cancel_handover": _cancelled,
    "add_assignment": _added,
    "correct_assignment": _corrected,
    "end_assignments": _ended,
    "create_team": _team,
    "add_member": _seated,
    "add_patient": _given,
    "end_membership": _unseated,
    "end_patient": _taken_back,
}


def _new_team(model: Model) -> bool:
    model.teams.add(len(model.teams))
    return False


MODELLED: dict[str, Callable[[Model, datetime, Order], bool]] = {
    "assign_primary": lambda m, now, o: m.assign_primary(now, o.patient_number, o.provider_number, o.kind, o.starts),
    "cancel_handover": lambda m, now, o: m.cancel_handover(now, o.patient_number),
    "add_assignment": lambda m, now, o: m.add_assignment(
        now, o.patient_number, o.provider_number, o.kind, o.starts, o.ends, o.scope
    ),
    "correct_assignment": lambda m, now, o: m.correct_assignment(
        now, o.patient_number, o.row, o.provider_number, o.kind, o.starts, o.ends, o.scope
    ),
    "end_assignments": lambda m, now, o: m.end_assignments(now, o.patient_number, o.provider_number, o.kind),
    "create_team": lambda m, now, o: _new_team(m),
    "add_member": lambda m, now, o: m.add_member(
        now, o.team_number, o.provider_number, o.kind, o.starts, o.ends, o.scope
    ),
    "add_patient": lambda m, now, o: m.add_patient(now, o.team_number, o.patient_number, o.starts, o.ends),
    "end_membership": lambda m, now, o: m.end_membership(now, o.team_number, o.provider_number),
    "end_patient": lambda m, now, o: m.end_patient(now, o.team_number, o.patient_number),
}
