"""What would hold now but for a credential or a referral that it rests on: the suspended assignments, seats and arrangements."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.access.relation import holding
from carecircle.actor import organization_of
from carecircle.database.constraints import translated
from carecircle.database.session import enter_tenant

HoldingKind = Literal["direct-assignment", "care-team-seat", "coverage"]


@dataclass(frozen=True, slots=True)
class SuspendedHolding:
    """A row that lets nobody in as long as something is `lacking`: kinds and codes of credentials, or `referral`.

    `provider_id` is whose credentials count: of a coverage arrangement, who covers. `patient_id` or `care_team_id` is
    what the row is about; an arrangement that covers everything has neither.
    """

    kind: HoldingKind
    id: UUID
    provider_id: UUID
    patient_id: UUID | None
    care_team_id: UUID | None
    lacking: tuple[str, ...]


async def suspended_holdings(db: AsyncSession, *, organization: UUID | str | None = None) -> list[SuspendedHolding]:
    """What is suspended now, as decisions see it; sorted by kind, provider and row."""
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        found = await db.execute(text(_suspended()), {"organization_id": tenant})
        return [SuspendedHolding(**{**row, "lacking": tuple(row["lacking"])}) for row in found.mappings()]


_ROWS = """
  select 'direct-assignment' as kind, x.id, x.provider_id, x.patient_id, null::uuid as care_team_id, x.rests_on,
         x.referral_id
  from carecircle.patient_assignments x where x.organization_id = :organization_id and {x holds}
  union all
  select 'care-team-seat', x.id, x.provider_id, null, x.care_team_id, x.rests_on, null
  from carecircle.care_team_members x where x.organization_id = :organization_id and {x holds}
  union all
  select 'coverage', x.id, x.covering_provider_id, x.patient_id, x.care_team_id, x.rests_on, null
  from carecircle.coverage_arrangements x where x.organization_id = :organization_id and {x holds}"""


@cache
def _suspended() -> str:
    """What a fact must be to hold comes from the circle's relation, with which this must agree."""
    return holding(
        f"""
  select s.kind, s.id, s.provider_id, s.patient_id, s.care_team_id, s.lacking
  from (
    select x.*,
           array(
             select need from unnest(x.rests_on) as need
             where not exists (
               select from carecircle.provider_credentials k
               where k.organization_id = :organization_id and k.provider_id = x.provider_id
                 and need in (k.kind, k.code) and {{k holds}})
           ) || case
             when x.referral_id is not null and not exists (
               select from carecircle.referrals f
               where f.organization_id = :organization_id and f.lineage_id = x.referral_id and f.patient_id = x.patient_id
                 and (f.provider_id is null or f.provider_id = x.provider_id) and {{f holds}})
             then array['referral']
           end as lacking
    from ({_ROWS}) x
    where x.rests_on <> '{{}}' or x.referral_id is not null
  ) s
  where s.lacking <> '{{}}'
  order by s.kind, s.provider_id, s.id""",
        as_of="statement_timestamp()",
    )
