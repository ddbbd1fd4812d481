"""Arranging a rota: several who cover in turn, by a rule of local times. Changes join the caller's session."""

from __future__ import annotations

from asyncio import to_thread
from collections.abc import Sequence
from datetime import datetime, time, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.actor import Actor, actor_of, organization_of
from carecircle.coverage.rota import Turn, preview_rota
from carecircle.coverage.rows import Duty, record_arrangement
from carecircle.coverage.rules import CoverageType
from carecircle.coverage.tables import CoverageArrangement
from carecircle.database.session import enter_tenant, one_change
from carecircle.directory.service import AnyId, resolve_provider
from carecircle.identifiers import parse_reference


async def turns_of(
    *,
    covering: Sequence[AnyId],
    rule: str,
    first: datetime,
    lasts: timedelta | time,
    time_zone: str,
    until: datetime | None = None,
) -> list[Turn]:
    """What `preview_rota` says, from a thread of its own: what a rule names may be sought for a second, and others wait."""
    return await to_thread(
        preview_rota, covering=covering, rule=rule, first=first, lasts=lasts, time_zone=time_zone, until=until
    )


async def arrange_rota(
    db: AsyncSession,
    *,
    covered: AnyId,
    covering: Sequence[AnyId],
    rule: str,
    first: datetime,
    lasts: timedelta | time,
    time_zone: str,
    until: datetime | None = None,
    coverage_type: CoverageType = "full",
    care_team_id: UUID | None = None,
    scope: Sequence[str] | None = None,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> list[CoverageArrangement]:
    """Let several providers stand in for `covered` in turn: one row for each turn, all of one `arrangement_id`.

    The turns are those that `preview_rota` shows for the same words (see there). Otherwise as with `arrange_coverage`,
    and what that raises: nothing is arranged when one turn is refused.
    """
    who = actor_of(actor)
    turns = await turns_of(covering=covering, rule=rule, first=first, lasts=lasts, time_zone=time_zone, until=until)
    async with one_change(db):
        tenant = await enter_tenant(db, organization_of(organization))
        covered_id = await resolve_provider(db, tenant, covered)
        known = {
            reference: await resolve_provider(db, tenant, reference)
            for reference in dict.fromkeys(parse_reference(one) for one in covering)
        }
        return await record_arrangement(
            db, tenant, who,
            covered_id=covered_id,
            duties=[Duty(known[turn.covering], turn.period) for turn in turns],
            coverage_type=coverage_type, care_team_id=care_team_id, scope=scope,
        )  # fmt: skip
