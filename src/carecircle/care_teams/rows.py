"""A room's rows: the seats, patients and closures of care teams, found and ended. What they mean is said in the services."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, literal_column, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.care_teams.tables import CareTeam, CareTeamClosure, CareTeamMember, CareTeamPatient
from carecircle.errors import CareTeamClosed, CareTeamNotFound, NotFound
from carecircle.identifiers import OrganizationId, new_id, new_ids
from carecircle.period import Period, show

# Written out, not bound: only then do the partial indexes of believed rows serve a prepared statement.
BELIEVED: ColumnElement[datetime] = literal_column("timestamptz 'infinity'")

# What a row says, besides of which team and when.
_SAID = {CareTeamMember: ("provider_id", "member_role", "scope", "rests_on"), CareTeamPatient: ("patient_id",)}


async def require_team(db: AsyncSession, tenant: OrganizationId, care_team_id: UUID) -> None:
    """Raises CareTeamNotFound."""
    found = await db.scalar(select(CareTeam.id).where(CareTeam.organization_id == tenant, CareTeam.id == care_team_id))
    if found is None:
        raise CareTeamNotFound


async def require_open(db: AsyncSession, tenant: OrganizationId, care_team_id: UUID, period: Period) -> None:
    """Raises CareTeamNotFound, and CareTeamClosed when the team is closed at any instant of the period."""
    closed = and_(
        CareTeamClosure.organization_id == tenant,
        CareTeamClosure.care_team_id == CareTeam.id,
        CareTeamClosure.superseded_at == BELIEVED,
        CareTeamClosure.starts_at < period.ends_at,
        CareTeamClosure.ends_at > period.starts_at,
    )
    query = (
        select(CareTeam.id, CareTeamClosure.starts_at)
        .outerjoin(CareTeamClosure, closed)
        .where(CareTeam.organization_id == tenant, CareTeam.id == care_team_id)
        .order_by(CareTeamClosure.starts_at)
    )
    found = (await db.execute(query)).first()
    if found is None:
        raise CareTeamNotFound
    if found.starts_at is not None:
        raise CareTeamClosed(
            f"This care team is closed from {show(found.starts_at)} on; choose a period before that,"
            " or reopen it first: carecircle team reopen.",
            care_team_id=care_team_id,
            closed_since=found.starts_at,
        )


async def seat_at(
    db: AsyncSession, tenant: OrganizationId, care_team_id: UUID, provider_id: UUID, at: datetime
) -> CareTeamMember:
    """The seat a provider has on a team at an instant. Raises CareTeamNotFound, NotFound where there is none."""
    seat = await db.scalar(
        select(CareTeamMember).where(
            CareTeamMember.organization_id == tenant,
            CareTeamMember.care_team_id == care_team_id,
            CareTeamMember.provider_id == provider_id,
            CareTeamMember.superseded_at == BELIEVED,
            CareTeamMember.starts_at <= at,
            CareTeamMember.ends_at > at,
        )
    )
    if seat is None:
        await require_team(db, tenant, care_team_id)
        raise NotFound("This provider has no seat on this care team now; add one: carecircle team add-member.")
    return seat


def successor(seat: CareTeamMember, period: Period, now: datetime, entry_id: UUID) -> CareTeamMember:
    """What a seat says, for another period, under the same lineage."""
    return CareTeamMember(
        organization_id=seat.organization_id, id=new_id(), lineage_id=seat.lineage_id, care_team_id=seat.care_team_id,
        provider_id=seat.provider_id, member_role=seat.member_role, scope=seat.scope, rests_on=seat.rests_on,
        starts_at=period.starts_at, ends_at=period.ends_at, recorded_at=now, entry_id=entry_id,
    )  # fmt: skip


async def end_rows(
    db: AsyncSession,
    table: type[CareTeamMember | CareTeamPatient],
    tenant: OrganizationId,
    care_team_id: UUID,
    *,
    at: datetime,
    now: datetime,
    entry_id: UUID,
    who: UUID | None = None,
) -> int:
    """Let the seats on a team, or its patients, end at `at`, all of them or only `who`'s; how many there were.

    Rows that were to begin at `at` or later are taken back. A few statements, however many rows.
    """
    said = _SAID[table]
    only = f" and {said[0]} = :who" if who is not None else ""
    given = {"tenant": tenant, "team": care_team_id, "at": at, "now": now, "entry": entry_id, "who": who}
    closing = text(
        f"update carecircle.{table.__tablename__} set superseded_at = :now, superseded_xid = pg_current_xact_id(),"
        " superseded_entry_id = :entry where organization_id = :tenant and care_team_id = :team"
        f" and superseded_at = 'infinity' and ends_at > :at{only} returning id, starts_at"
    )
    following = text(
        f"insert into carecircle.{table.__tablename__} (organization_id, id, lineage_id, care_team_id, starts_at, ends_at,"
        f" recorded_at, entry_id, {', '.join(said)})"
        " select t.organization_id, s.id, t.lineage_id, t.care_team_id, t.starts_at, :at, :now, :entry,"
        f" {', '.join(f't.{name}' for name in said)}"
        " from unnest(cast(:of as uuid[]), cast(:ids as uuid[])) as s (of, id)"
        f" join carecircle.{table.__tablename__} t on t.organization_id = :tenant and t.id = s.of"
    )
    count = looked = 0
    # Twice at least, and until there is none: while the first statement waited for somebody who replaced a row, it could
    # not yet see the row that took its place.
    while (closed := (await db.execute(closing, given)).all()) or not looked:
        looked += 1
        begun = [row.id for row in closed if row.starts_at < at]
        if begun:
            await db.execute(following, given | {"of": begun, "ids": new_ids(len(begun))})
        count += len(closed)
    return count
