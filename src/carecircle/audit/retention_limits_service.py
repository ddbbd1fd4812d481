"""What keeps a month of the audit trail: the longest retention of any organization, and legal holds on entries in it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from carecircle.audit.holds_service import holds
from carecircle.database.session import instant, transaction
from carecircle.identifiers import OrganizationId, to_text

YearsOf = Callable[[AsyncSession, OrganizationId, datetime], Awaitable[int]]
"""How many years an organization's policy of that instant keeps entries: policies are of a layer above this one."""

FEWEST_YEARS = 6
"""What no policy may fall below."""

BEGINS = "($1::date::timestamp at time zone 'UTC')"
ENDS = "(($1::date::timestamp + interval '1 month') at time zone 'UTC')"
OF_THE_MONTH = f"e.recorded_at >= {BEGINS} and e.recorded_at < {ENDS}"
"""SQL: whether a row `e` was recorded in the month, in UTC, whose first day is the first parameter."""

# Who was merged with whom, at whatever time: entries name a person by the record of their day.
_SAME_PERSON = text("""
    with recursive same (id) as (
      select cast(:patient_id as uuid)
      union
      select case m.patient_id when same.id then m.into_patient_id else m.patient_id end
      from same join carecircle.patient_merges m
        on m.organization_id = :organization_id and same.id in (m.patient_id, m.into_patient_id))
    select id from same""")

# A patient's entry names them as its patient, or by their id in its detail.
_HELD = """
  select exists (
      select from unnest($2::uuid[]) whole (id)
      where exists (select from {source} e where e.organization_id = whole.id and {of_the_month}))
    or exists (
      select from unnest($3::uuid[], $4::uuid[], $5::text[]) held (organization_id, patient_id, told)
      where exists (select from {source} e where e.organization_id = held.organization_id and {of_the_month}
                    and (e.patient_id = held.patient_id or position(held.told in e.detail) > 0)))"""


@dataclass(frozen=True, slots=True)
class Limits:
    """The longest retention of any organization, in years, and what legal holds are about.

    `whole` are organizations all of whose entries are held; `patients` pairs of organization and patient.
    """

    years: int
    whole: tuple[UUID, ...]
    patients: tuple[tuple[UUID, UUID], ...]


async def limits(engine: AsyncEngine, sealer: asyncpg.Connection, years_of: YearsOf) -> Limits:
    """The limits as of now, over all organizations. `sealer` says every_organization."""
    organizations = [OrganizationId(row["id"]) for row in await sealer.fetch("select id from carecircle.organizations")]
    found = []
    for organization in organizations:
        async with transaction(engine, organization) as session:
            found.append(await limits_of(session, organization, years_of))
    return Limits(
        max((one.years for one in found), default=FEWEST_YEARS),
        tuple(held for one in found for held in one.whole),
        tuple(pair for one in found for pair in one.patients),
    )


async def limits_of(session: AsyncSession, organization: OrganizationId, years_of: YearsOf) -> Limits:
    """The limits as of now of one organization, in its tenant."""
    years = max(FEWEST_YEARS, await years_of(session, organization, await instant(session)))
    whole, patients = [], []
    for hold in await holds(session, organization=organization):
        if hold.patient_id is None:
            whole.append(organization)
            continue
        asked = {"organization_id": organization, "patient_id": hold.patient_id}
        patients += [(organization, one) for one in await session.scalars(_SAME_PERSON, asked)]
    return Limits(years, tuple(whole), tuple(patients))


async def is_held(sealer: asyncpg.Connection, source: str, month: date, known: Limits) -> bool:
    """Whether a legal hold is about an entry of the month in `source`, the trail itself or a table detached from it."""
    held: bool = await sealer.fetchval(
        _HELD.format(source=source, of_the_month=OF_THE_MONTH),
        month,
        list(known.whole),
        [organization for organization, _ in known.patients],
        [patient for _, patient in known.patients],
        [to_text(patient) for _, patient in known.patients],
    )
    return held


async def retirable_since(connection: asyncpg.Connection, month: date, years: int) -> tuple[datetime, bool]:
    """From when on a month may be retired as far as its age goes, and whether that is past, by the database's clock."""
    row = await connection.fetchrow(
        f"select since, since <= statement_timestamp() as past from (select {ENDS} + make_interval(years => $2)) age (since)",
        month,
        years,
    )
    assert row is not None
    return row["since"], row["past"]
