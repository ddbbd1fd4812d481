"""AssignmentValidator: may this assignment be made? In the assignment-system document's names, on facts loaded beforehand."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Self
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.errors import Violation
from carecircle.identifiers import Identifier
from carecircle.staffing.situation import Situation
from carecircle.staffing.validation_service import load_situation

AnyId = UUID | str | Identifier


class AssignmentValidator:
    """The rules of the document and of the organization's policy, asked of facts as they were at one instant.

    `load` reads the facts about some people and teams; the `validate_` methods then answer without the database, for any
    form of id under which somebody was loaded, and for the id itself. True means that no rule speaks against it at that
    instant; the database's constraints still have the last word when it is done. Somebody nobody registered is never valid.
    """

    def __init__(self, situation: Situation) -> None:
        self._situation = situation

    @classmethod
    async def load(
        cls,
        db: AsyncSession,
        *,
        patients: Iterable[AnyId] = (),
        providers: Iterable[AnyId] = (),
        teams: Iterable[AnyId] = (),
        as_of: datetime | None = None,
        organization: UUID | str | None = None,
    ) -> Self:
        """Facts as of an instant, now by default, in a few queries however many people are asked about.

        Raises InvalidIdentifier, InvalidInstant, OrganizationRequired.
        """
        return cls(
            await load_situation(
                db, patients=patients, providers=providers, teams=teams, as_of=as_of, organization=organization
            )
        )

    @property
    def as_of(self) -> datetime:
        """The instant of the facts, which is when what is validated would begin."""
        return self._situation.at

    def validate_primary_assignment(self, patient_id: AnyId, provider_id: AnyId) -> bool:
        """Nobody else is or will be primary, and nothing speaks against this provider. Raises FactsNotLoaded.

        Who is primary already may be: assigning them again changes nothing.
        """
        return not self._situation.primary_violations(patient_id, provider_id)

    def validate_specialist_assignment(
        self,
        patient_id: AnyId,
        provider_id: AnyId,
        specialty: str,
        *,
        ends_at: datetime | None = None,
        referral_id: UUID | None = None,
    ) -> bool:
        """The provider holds the specialty, a referral sends the patient there, and the assignment has an end that is allowed.

        The end is `ends_at`, or the referral's. `referral_id` says which referral, where several would do. Raises
        FactsNotLoaded, InvalidPeriod for an end that is past.
        """
        return not self._situation.specialist_violations(
            patient_id, provider_id, specialty, ends_at=ends_at, referral_id=referral_id
        )

    def validate_care_team_membership(self, team_id: AnyId, provider_id: AnyId, role: str) -> bool:
        """The provider may be given a seat with this role on an open team that has room for it. Raises FactsNotLoaded."""
        return not self._situation.membership_violations(team_id, provider_id, role)

    @staticmethod
    async def violations_primary_assignment(
        db: AsyncSession,
        patient_id: AnyId,
        provider_id: AnyId,
        *,
        as_of: datetime | None = None,
        organization: UUID | str | None = None,
    ) -> tuple[Violation, ...]:
        """Every rule that making this provider the patient's primary would break at an instant, now by default."""
        situation = await load_situation(
            db, patients=[patient_id], providers=[provider_id], as_of=as_of, organization=organization
        )
        return situation.primary_violations(patient_id, provider_id)

    @staticmethod
    async def violations_specialist_assignment(
        db: AsyncSession,
        patient_id: AnyId,
        provider_id: AnyId,
        specialty: str,
        *,
        ends_at: datetime | None = None,
        referral_id: UUID | None = None,
        as_of: datetime | None = None,
        organization: UUID | str | None = None,
    ) -> tuple[Violation, ...]:
        """Every rule that assigning this specialist would break at an instant, now by default. Raises InvalidPeriod."""
        situation = await load_situation(
            db, patients=[patient_id], providers=[provider_id], as_of=as_of, organization=organization
        )
        return situation.specialist_violations(
            patient_id, provider_id, specialty, ends_at=ends_at, referral_id=referral_id
        )

    @staticmethod
    async def violations_care_team_membership(
        db: AsyncSession,
        team_id: AnyId,
        provider_id: AnyId,
        role: str,
        *,
        as_of: datetime | None = None,
        organization: UUID | str | None = None,
    ) -> tuple[Violation, ...]:
        """Every rule that a seat with this role would break at an instant, now by default."""
        situation = await load_situation(
            db, providers=[provider_id], teams=[team_id], as_of=as_of, organization=organization
        )
        return situation.membership_violations(team_id, provider_id, role)
