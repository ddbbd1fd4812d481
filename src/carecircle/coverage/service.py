"""Arranging and ending coverage. Changes join the caller's session; constraints have the last word."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.actor import Actor, actor_of, organization_of
from carecircle.audit.entry import Entry, append
from carecircle.coverage.rows import Duty, believed, record_arrangement, successor
from carecircle.coverage.rules import CoverageType
from carecircle.coverage.tables import CoverageArrangement
from carecircle.database.facts import supersede
from carecircle.database.session import enter_tenant, instant, one_change, take_turns
from carecircle.directory.following_service import keep_apart, survivors_of
from carecircle.directory.service import AnyId, resolve_patient, resolve_provider
from carecircle.errors import CoverageNotFound, InvalidPeriod, InvalidRequest
from carecircle.identifiers import OrganizationId, to_text
from carecircle.period import Period, show, usable


async def arrange_coverage(
    db: AsyncSession,
    *,
    covered: AnyId,
    covering: AnyId,
    starts_at: datetime,
    ends_at: datetime,
    coverage_type: CoverageType = "full",
    care_team_id: UUID | None = None,
    patients: Sequence[AnyId] | None = None,
    scope: Sequence[str] | None = None,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> list[CoverageArrangement]:
    """Let `covering` stand in for `covered` from `starts_at` until `ends_at`: for the whole panel, for the seat on one team,
    or for named patients. One row, or one for each patient, all of one `arrangement_id`. Only `patients` of None
    leaves them open: an empty list is refused, for it would cover everybody where nobody was named.

    The duty ends at `ends_at`, access a grace later that the policy gives. What access there is, is never more than `scope`
    (by default what the type grants) and never more than the covered provider has. A start in the past is kept as it is: in
    the evening it can be written down who has covered since noon. Access begins when it is recorded all the same, for
    decisions go by what was known when they were made.

    Raises InvalidPeriod for an end in the past, RulesViolated when the covering provider is suspended or lacks what the
    policy lets coverage rest on (when it begins, or now), OverlappingCoverage when they cover the same already,
    ProviderNotRegistered, PatientNotRegistered, CareTeamNotFound, and InvalidRequest for an unknown type or action, for
    covering oneself, for a list without patients, and for a team together with patients.
    """
    who = actor_of(actor)
    if patients is not None and not patients:
        raise InvalidRequest("Name at least one patient, or leave the patients out to cover the whole panel.")
    async with one_change(db):
        tenant = await enter_tenant(db, organization_of(organization))
        covered_id = await resolve_provider(db, tenant, covered)
        covering_id = await resolve_provider(db, tenant, covering)
        named: Sequence[UUID | None] = [None] if patients is None else await _settled(db, tenant, patients)
        period = Period(usable(starts_at), usable(ends_at))
        return await record_arrangement(
            db, tenant, who,
            covered_id=covered_id,
            duties=[Duty(covering_id, period, patient_id) for patient_id in named],
            coverage_type=coverage_type, care_team_id=care_team_id, scope=scope,
        )  # fmt: skip


async def end_coverage(
    db: AsyncSession,
    *,
    arrangement_id: UUID,
    covering: AnyId | None = None,
    at: datetime | None = None,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> list[CoverageArrangement]:
    """End an arrangement at once, without grace, or from a later instant on; with `covering`, only that provider's part.

    Rows that have begun keep what they were until then, turns ahead are taken back. Returns the rows that were ended.
    Raises CoverageNotFound when nothing is left to end, InvalidPeriod for an instant in the past.
    """
    who = actor_of(actor)
    async with one_change(db):
        tenant = await enter_tenant(db, organization_of(organization))
        covering_id = await resolve_provider(db, tenant, covering) if covering is not None else None
        await take_turns(db, tenant, arrangement_id)
        found = list(
            await db.scalars(
                believed(tenant).where(
                    CoverageArrangement.arrangement_id == arrangement_id,
                    CoverageArrangement.starts_at < CoverageArrangement.ends_at,
                )
            )
        )
        now = await instant(db)
        last = now if at is None else usable(at)
        if last < now:
            raise InvalidPeriod("Coverage ends now or later; until now, it was as it is recorded.")
        rows = [row for row in found if row.ends_at > last and covering_id in (None, row.covering_provider_id)]
        if not rows:
            raise CoverageNotFound
        entry = Entry(
            tenant, "change", who, "coverage-ended", provider_id=covering_id,
            detail={
                "arrangement": to_text(arrangement_id), "covered": to_text(rows[0].covered_provider_id),
                "rows": len(rows), "ends_at": show(last),
            },
        )  # fmt: skip
        await append(db, entry)
        for row in rows:
            await supersede(db, row, entry.id, now)
        db.add_all([successor(row, last, now, entry.id) for row in rows if row.starts_at < last])
        await db.flush()
        return rows


async def _settled(db: AsyncSession, tenant: OrganizationId, patients: Sequence[AnyId]) -> list[UUID]:
    """Who these patients are now, each once; nobody merges them until the transaction ends.

    All are locked at once: one after the other, in a caller's order, two callers and a merge would wait for each other.
    """
    own = [await resolve_patient(db, tenant, patient, follow=False) for patient in patients]
    await keep_apart(db, tenant, {*own, *(await survivors_of(db, tenant, own)).values()})
    return [*dict.fromkeys([await resolve_patient(db, tenant, one) for one in own])]
