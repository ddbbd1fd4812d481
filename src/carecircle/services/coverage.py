"""CrossCoverageManager: standing in for a colleague, in the assignment-system document's names."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from carecircle.actor import Actor, actor_of, organization_of
from carecircle.audit.refusal import is_refusal, record_refusal
from carecircle.coverage.reading_service import covering_provider
from carecircle.coverage.rules import CoverageType
from carecircle.coverage.service import arrange_coverage
from carecircle.database.session import transaction
from carecircle.errors import CareCircleError
from carecircle.identifiers import Identifier, parse_id, to_text
from carecircle.period import usable

if TYPE_CHECKING:
    from carecircle.bootstrap import CareCircle

AnyId = UUID | str | Identifier


class CrossCoverageManager:
    """Arranging cover and asking who covers, as the assignment-system document names them.

    Each call is a transaction of its own; a change that is refused is recorded all the same. Organization and actor come
    from the constructor, or from `carecircle.acting_as(…)` around the call; with neither, OrganizationRequired or
    ActorRequired. Both methods raise InvalidInstant for a time without a time zone, ProviderNotRegistered for ids nobody
    registered, and DatabaseUnavailable.
    """

    def __init__(
        self,
        circle: CareCircle | AsyncEngine,
        *,
        organization: UUID | str | None = None,
        actor: Actor | str | None = None,
    ) -> None:
        self._engine = circle if isinstance(circle, AsyncEngine) else circle.engine
        self._organization = organization
        self._actor = actor

    async def create_coverage_arrangement(
        self,
        primary_provider_id: AnyId,
        covering_provider_id: AnyId,
        start_date: datetime,
        end_date: datetime,
        coverage_type: CoverageType = "full",
        *,
        care_team_id: UUID | str | None = None,
        patients: Sequence[AnyId] | None = None,
        scope: Sequence[str] | None = None,
    ) -> str:
        """Let one provider stand in for another, for the whole panel, one team or named patients; the arrangement's id.

        Patients that are left out, or None, are the whole panel; an empty list of them is refused.

        Raises as `arrange_coverage` does: OverlappingCoverage, RulesViolated, InvalidPeriod, InvalidRequest among others.
        """
        organization, actor = organization_of(self._organization), actor_of(self._actor)
        try:
            async with transaction(self._engine, organization) as db:
                rows = await arrange_coverage(
                    db, covered=primary_provider_id, covering=covering_provider_id, starts_at=usable(start_date),
                    ends_at=usable(end_date), coverage_type=coverage_type,
                    care_team_id=parse_id(care_team_id) if care_team_id is not None else None,
                    patients=patients, scope=scope, organization=organization, actor=actor,
                )  # fmt: skip
        except CareCircleError as error:
            if is_refusal(error):
                await record_refusal(self._engine, organization, actor, error)
            raise
        return to_text(rows[0].arrangement_id)

    async def get_covering_provider(self, primary_provider_id: AnyId, date: datetime) -> str | None:
        """The id of who is on duty for this provider's whole panel at that instant, or None.

        Who is suspended then covers nobody. Of several: full before urgent before on call, then who began last.
        """
        organization = organization_of(self._organization)
        async with transaction(self._engine, organization) as db:
            found = await covering_provider(db, covered=primary_provider_id, at=usable(date), organization=organization)
        return to_text(found) if found is not None else None
