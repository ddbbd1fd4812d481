"""CareTeamService and PatientAssignmentService: direct assignments, and the one question."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.access.batch import Connect
from carecircle.access.service import Access
from carecircle.actor import Actor
from carecircle.assignments.handover_service import cancel_handover, correct_assignment
from carecircle.assignments.rules import AssignmentType
from carecircle.assignments.service import (
    Previous,
    add_assignment,
    assign_primary,
    end_assignments,
    history_of,
    primary_of,
)
from carecircle.assignments.tables import PatientAssignment
from carecircle.audit.refusal import refusals_recorded
from carecircle.database.crypto import keyring
from carecircle.errors import AssignmentNotFound
from carecircle.identifiers import Identifier, ProviderId, parse_id

AnyId = UUID | str | Identifier


class CareTeamService:
    """Primary and other direct assignments, as the primary-provider document names them.

    A change happens as a whole or not at all, and is the caller's to commit. One that is refused is recorded even so, in
    a transaction of its own. All methods raise OrganizationRequired and ActorRequired when neither call nor `acting_as`
    says who, PatientNotRegistered or ProviderNotRegistered for ids nobody registered, InvalidInstant for a time without
    a time zone, and DatabaseUnavailable when the database, or the record of a refusal, cannot be reached.
    """

    @staticmethod
    async def assign_primary_provider(
        db: AsyncSession,
        organization_id: UUID | str | None = None,
        *,
        patient_id: AnyId,
        provider_id: AnyId,
        previous: Previous = "demote",
        starts_at: datetime | None = None,
        version: UUID | str | None = None,
        actor: Actor | str | None = None,
    ) -> PatientAssignment:
        """Make a provider primary from now on, or from `starts_at` on; the one before becomes consulting, or ends with
        previous="end". `version` is the id of the row the caller takes for the present primary's.

        Repeating it changes nothing. Raises PrimaryAlreadyAssigned, naming who, when another primary is recorded to
        start later, StaleVersion when the primary is no longer that row, InvalidPeriod for a start in the past.
        """
        async with refusals_recorded(db, organization_id, actor):
            return await assign_primary(
                db, patient=patient_id, provider=provider_id, previous=previous, starts_at=starts_at,
                version=parse_id(version) if version is not None else None, organization=organization_id, actor=actor,
            )  # fmt: skip

    @staticmethod
    async def cancel_handover(
        db: AsyncSession,
        organization_id: UUID | str | None = None,
        *,
        patient_id: AnyId,
        actor: Actor | str | None = None,
    ) -> PatientAssignment | None:
        """Take back the next handover that has not begun: whoever it would have replaced stays primary.

        Returns that primary's row, or None when there was nobody to replace. Raises AssignmentNotFound when none is ahead.
        """
        async with refusals_recorded(db, organization_id, actor):
            return await cancel_handover(db, patient=patient_id, organization=organization_id, actor=actor)

    @staticmethod
    async def correct_assignment(
        db: AsyncSession,
        organization_id: UUID | str | None = None,
        *,
        patient_id: AnyId,
        assignment_id: UUID | str,
        provider_id: AnyId | None = None,
        assignment_type: AssignmentType | None = None,
        starts_at: datetime | None = None,
        ends_at: datetime | None = None,
        scope: Sequence[str] | None = None,
        actor: Actor | str | None = None,
    ) -> PatientAssignment:
        """Say what an assignment should have been all along; what was believed until now stays on record.

        Only what is given is corrected: a changed type keeps its scope. Raises AssignmentNotFound for a row that is not
        believed any more, PrimaryAlreadyAssigned, InvalidPeriod.
        """
        async with refusals_recorded(db, organization_id, actor):
            return await correct_assignment(
                db, patient=patient_id, assignment_id=parse_id(assignment_id), provider_id=provider_id,
                assignment_type=assignment_type, starts_at=starts_at, ends_at=ends_at, scope=scope,
                organization=organization_id, actor=actor,
            )  # fmt: skip

    @staticmethod
    async def add_secondary_provider(
        db: AsyncSession,
        organization_id: UUID | str | None = None,
        *,
        patient_id: AnyId,
        provider_id: AnyId,
        starts_at: datetime | None = None,
        ends_at: datetime | None = None,
        actor: Actor | str | None = None,
    ) -> PatientAssignment:
        """Add a consulting provider, now and open by default; the primary stays who it is."""
        async with refusals_recorded(db, organization_id, actor):
            return await add_assignment(
                db, patient=patient_id, provider=provider_id, starts_at=starts_at, ends_at=ends_at,
                organization=organization_id, actor=actor,
            )  # fmt: skip

    @staticmethod
    async def get_primary_provider(
        db: AsyncSession,
        organization_id: UUID | str | None = None,
        *,
        patient_id: AnyId,
        as_of: datetime | None = None,
    ) -> ProviderId | None:
        """The id of the patient's primary provider at an instant (now by default), or None."""
        row = await primary_of(db, patient=patient_id, as_of=as_of, organization=organization_id)
        return ProviderId(row.provider_id) if row is not None else None

    @staticmethod
    async def remove_from_care_team(
        db: AsyncSession,
        organization_id: UUID | str | None = None,
        *,
        patient_id: AnyId,
        provider_id: AnyId,
        actor: Actor | str | None = None,
    ) -> bool:
        """End all that this provider holds directly for this patient; False when there was nothing."""
        async with refusals_recorded(db, organization_id, actor):
            try:
                await end_assignments(
                    db, patient=patient_id, provider=provider_id, organization=organization_id, actor=actor
                )
            except AssignmentNotFound:
                return False
        return True

    @staticmethod
    async def history(
        db: AsyncSession, organization_id: UUID | str | None = None, *, patient_id: AnyId
    ) -> list[PatientAssignment]:
        """Every row ever recorded about this patient's direct assignments, superseded ones too, oldest first."""
        return await history_of(db, patient=patient_id, organization=organization_id)


class PatientAssignmentService:
    """The one question of the assignment-system document, answered with the whole circle and recorded.

    `connection_factory` is an Access, or makes asyncpg connections of the role carecircle_decider.
    """

    def __init__(
        self,
        connection_factory: Access | Connect,
        *,
        organization: UUID | str | None = None,
        actor: Actor | str | None = None,
    ) -> None:
        self._access = (
            connection_factory if isinstance(connection_factory, Access) else Access(connection_factory, keyring())
        )
        self._organization = organization
        self._actor = actor

    async def is_user_assigned_to_patient(self, user_id: AnyId, patient_id: AnyId) -> bool:
        """May this person read this patient's record now? Raises AccessUnavailable when it cannot be recorded."""
        decision = await self._access.check(
            user_id, "read", patient_id, organization=self._organization, actor=self._actor
        )
        return decision.allowed
