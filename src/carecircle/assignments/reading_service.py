"""Direct assignments as doors show them: one row by its id, and a patient's, page by page."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.actor import organization_of
from carecircle.assignments.tables import PatientAssignment
from carecircle.database.constraints import translated
from carecircle.database.keyset import Key, beyond
from carecircle.database.session import enter_tenant, instant
from carecircle.directory.service import is_registered, resolve_patient
from carecircle.errors import AssignmentNotFound, PatientNotRegistered
from carecircle.period import FOREVER, usable


async def assignment_row(
    db: AsyncSession, *, assignment_id: UUID, organization: UUID | str | None = None
) -> PatientAssignment:
    """The row of that id, superseded or not: `superseded_at` says. Raises AssignmentNotFound."""
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        found = await db.scalars(
            select(PatientAssignment)
            .where(PatientAssignment.organization_id == tenant, PatientAssignment.id == assignment_id)
            .execution_options(populate_existing=True)
        )
        row = found.one_or_none()
    if row is None:
        raise AssignmentNotFound("There is no such assignment.")
    return row


async def assignments_of(
    db: AsyncSession,
    *,
    patient_id: UUID,
    as_of: datetime | None = None,
    history: bool = False,
    limit: int = 100,
    after: Sequence[Key] | None = None,
    organization: UUID | str | None = None,
) -> list[PatientAssignment]:
    """The first `limit` rows of a patient by id, beyond the key `after`: those that hold now or ahead; with `as_of`, those
    that hold at that instant; with `history`, every row ever recorded of those assignments, superseded ones too.

    Of a record that was merged, those of the patient now. Raises PatientNotRegistered, InvalidCursor.
    """
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        if not await is_registered(db, tenant, "patient", patient_id):
            raise PatientNotRegistered
        survivor = await resolve_patient(db, tenant, patient_id)
        query = select(PatientAssignment).where(PatientAssignment.organization_id == tenant)
        theirs = query.where(PatientAssignment.patient_id == survivor)
        if history:
            lineages = theirs.with_only_columns(PatientAssignment.lineage_id)
            query = query.where(PatientAssignment.lineage_id.in_(lineages))
        else:
            at = await instant(db) if as_of is None else usable(as_of)
            query = theirs.where(PatientAssignment.superseded_at == FOREVER, PatientAssignment.ends_at > at)
        if as_of is not None:
            query = query.where(PatientAssignment.starts_at <= as_of, PatientAssignment.ends_at > as_of)
        ordered = beyond(query, PatientAssignment.id, after=after, limit=limit)
        return list(await db.scalars(ordered.execution_options(populate_existing=True)))
