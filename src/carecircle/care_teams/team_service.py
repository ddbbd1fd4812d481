"""Making, renaming, closing and reopening care teams. Changes join the caller's session."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.actor import Actor, actor_of, organization_of
from carecircle.audit.entry import Entry, append
from carecircle.care_teams.rows import BELIEVED, end_rows, require_team
from carecircle.care_teams.tables import CareTeam, CareTeamClosure, CareTeamMember, CareTeamPatient
from carecircle.database.facts import supersede
from carecircle.database.session import enter_tenant, instant, one_change, take_turns
from carecircle.errors import CareTeamNotFound, InvalidPeriod, InvalidRequest
from carecircle.identifiers import CareTeamId, new_id, to_text
from carecircle.period import Period, show


@dataclass(frozen=True, slots=True)
class Closing:
    """What closing a team ended: since when it is closed, how many seats and how many patients it had then or ahead."""

    closed_since: datetime
    members: int
    patients: int


async def create_team(
    db: AsyncSession,
    *,
    name: str,
    team_type: str = "primary",
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> CareTeamId:
    """A new team without patients or members. Raises InvalidRequest for an unknown type or an empty name."""
    who, called = actor_of(actor), _named(name)
    async with one_change(db):
        tenant = await enter_tenant(db, organization_of(organization))
        team_id = CareTeamId(new_id())
        db.add(CareTeam(organization_id=tenant, id=team_id, name=called, team_type=team_type, value=to_text(team_id)))
        await append(db, Entry(tenant, "change", who, "care-team-created", detail={"care_team": to_text(team_id)}))
        await db.flush()
        return team_id


async def rename_team(
    db: AsyncSession,
    *,
    care_team_id: UUID,
    name: str,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> None:
    """Call a team something else; no decision reads a name. Raises CareTeamNotFound, InvalidRequest for an empty name."""
    who, called = actor_of(actor), _named(name)
    async with one_change(db):
        tenant = await enter_tenant(db, organization_of(organization))
        renamed = await db.execute(
            update(CareTeam)
            .where(CareTeam.organization_id == tenant, CareTeam.id == care_team_id)
            .values(name=called)
            .returning(CareTeam.id)
        )
        if renamed.scalar_one_or_none() is None:
            raise CareTeamNotFound
        entry = Entry(tenant, "change", who, "care-team-renamed", detail={"care_team": to_text(care_team_id)})
        await append(db, entry)


async def close_team(
    db: AsyncSession,
    *,
    care_team_id: UUID,
    at: datetime | None = None,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> Closing:
    """Close a team from `at` on (now, by default): its seats and patients end then, what was to begin later never does,
    and nobody joins it for a time in which it is closed.

    Raises CareTeamNotFound, CareTeamClosed when it is closed already then or later, InvalidPeriod for an instant in
    the past.
    """
    who = actor_of(actor)
    async with one_change(db):
        tenant = await enter_tenant(db, organization_of(organization))
        await take_turns(db, tenant, care_team_id)
        now = await instant(db)
        closed = Period(at or now)
        if closed.starts_at < now:
            raise InvalidPeriod("A care team closes now or later; who looked after its patients before is on record.")
        await require_team(db, tenant, care_team_id)
        detail = {"care_team": to_text(care_team_id), "closed_since": show(closed.starts_at)}
        entry = Entry(tenant, "change", who, "care-team-closed", detail=detail)
        row_id = new_id()
        db.add(
            CareTeamClosure(
                organization_id=tenant, id=row_id, lineage_id=row_id, care_team_id=care_team_id,
                starts_at=closed.starts_at, ends_at=closed.ends_at, recorded_at=now, entry_id=entry.id,
            )
        )  # fmt: skip
        await db.flush()
        seats, patients = [
            await end_rows(db, table, tenant, care_team_id, at=closed.starts_at, now=now, entry_id=entry.id)
            for table in (CareTeamMember, CareTeamPatient)
        ]
        await append(db, replace(entry, detail={**detail, "members": seats, "patients": patients}))
        return Closing(closed.starts_at, seats, patients)


async def reopen_team(
    db: AsyncSession,
    *,
    care_team_id: UUID,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> bool:
    """Let a team be joined again from now on, and take back a closing that lies ahead; whether there was one.

    What closing it ended stays ended: members and patients are added again, by whoever answers for it.
    Raises CareTeamNotFound.
    """
    who = actor_of(actor)
    async with one_change(db):
        tenant = await enter_tenant(db, organization_of(organization))
        await take_turns(db, tenant, care_team_id)
        now = await instant(db)
        await require_team(db, tenant, care_team_id)
        closures = await db.scalars(
            select(CareTeamClosure).where(
                CareTeamClosure.organization_id == tenant,
                CareTeamClosure.care_team_id == care_team_id,
                CareTeamClosure.superseded_at == BELIEVED,
                CareTeamClosure.ends_at > now,
            )
        )
        found = list(closures)
        if not found:
            return False
        entry = Entry(tenant, "change", who, "care-team-reopened", detail={"care_team": to_text(care_team_id)})
        await append(db, entry)
        for closure in found:
            await supersede(db, closure, entry.id, now)
            if closure.starts_at < now:
                db.add(
                    CareTeamClosure(
                        organization_id=tenant, id=new_id(), lineage_id=closure.lineage_id, care_team_id=care_team_id,
                        starts_at=closure.starts_at, ends_at=now, recorded_at=now, entry_id=entry.id,
                    )
                )  # fmt: skip
        await db.flush()
        return True


def _named(name: str) -> str:
    if not name.strip():
        raise InvalidRequest("A care team needs a name.")
    return name.strip()
