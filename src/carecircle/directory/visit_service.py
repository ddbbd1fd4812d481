"""Visits: a super admin's time-boxed stay in another organization, with a reason, on record in both.

Two organizations never meet in one transaction, so there is an order. To begin: home's entry is committed first, the visit after
it. Whatever fails in between leaves an entry of a visit that never was, and nobody inside; the other way round, a process
that dies in between would leave somebody inside of whom home knows nothing. To end: the visit is closed first.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from unicodedata import category
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from carecircle.actor import Actor, actor_of, organization_of
from carecircle.audit.entry import Entry, append
from carecircle.database.constraints import translated
from carecircle.database.crypto import keyring
from carecircle.database.facts import supersede
from carecircle.database.keyset import Key, beyond
from carecircle.database.session import enter_tenant, instant, take_turns, transaction
from carecircle.directory.account_reading_service import find_account
from carecircle.directory.account_tables import Visit
from carecircle.directory.service import find_organization
from carecircle.errors import CareCircleError, InvalidRequest, KeyDestroyed, PermissionRequired
from carecircle.errors.service import AccountNotFound, AlreadyVisiting, VisitNotFound
from carecircle.identifiers import OrganizationId, new_id, to_text
from carecircle.period import FOREVER

SHORTEST_REASON, LONGEST_REASON = 10, 2000
USUAL_MINUTES, MOST_MINUTES = 60, 480
_EVERY = 1_000_000
Detail = dict[str, str | int | bool | None]


@dataclass(frozen=True, slots=True)
class Stay:
    """A visit, open or past. `row_id` is what a request rests on; `reason` is None where its key was destroyed."""

    id: UUID
    row_id: UUID
    organization_id: UUID
    home_id: UUID
    account_id: UUID
    reason: str | None
    starts_at: datetime
    ends_at: datetime
    is_open: bool


async def begin_visit(
    engine: AsyncEngine,
    *,
    account_id: UUID,
    organization: str,
    reason: str,
    minutes: int = USUAL_MINUTES,
    home: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> Stay:
    """Let a super admin of `home` into the organization of that slug for so many minutes from now.

    Raises PermissionRequired unless the account is a super admin's now, OrganizationNotFound, AlreadyVisiting, and
    InvalidRequest for a reason of fewer than 10 or more than 2,000 characters or with control characters, minutes outside 1 to
    480, or one's own organization.
    """
    words = reason.strip()
    if not SHORTEST_REASON <= len(words) <= LONGEST_REASON:
        raise InvalidRequest(f"A visit has a reason of {SHORTEST_REASON} to {LONGEST_REASON:,} characters.")
    if any(category(one) == "Cc" and one not in "\t\r\n" for one in words):
        raise InvalidRequest("The reason of a visit is text that can be read, without control characters.")
    if not 1 <= minutes <= MOST_MINUTES:
        raise InvalidRequest(f"A visit lasts 1 to {MOST_MINUTES} minutes.")
    who, at_home = actor_of(actor), organization_of(home)
    # Before anything is told about other organizations.
    async with transaction(engine, at_home) as db:
        await _require_super_admin(db, at_home, account_id)
    async with transaction(engine) as db:
        visited = await find_organization(db, organization)
    if visited == at_home:
        raise InvalidRequest("This is the account's own organization: a visit is to another one.")
    own = new_id()
    async with transaction(engine, at_home) as db:
        # Nobody is told here of a super admin who stopped being one in the meantime.
        await _require_super_admin(db, at_home, account_id)
        said: Detail = {"visit": to_text(own), "account": to_text(account_id), "minutes": minutes}
        await append(
            db, Entry(at_home, "change", who, "visit-begun-elsewhere", detail={**said, "visited": to_text(visited)})
        )
    try:
        async with transaction(engine, visited) as db:
            return await _enter(db, visited, at_home, account_id, own, words, minutes, who)
    except BaseException:
        # It may stand all the same where only the answer to the commit was lost.
        with suppress(CareCircleError):
            async with transaction(engine, visited) as db:
                await _close(db, visited, own, who)
        with suppress(CareCircleError):
            async with transaction(engine, at_home) as db:
                told = {"visit": to_text(own), "visited": to_text(visited)}
                await append(db, Entry(at_home, "change", who, "visit-not-begun", detail=told))
        raise


async def end_visit(
    engine: AsyncEngine,
    *,
    visit_id: UUID,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> Stay:
    """End a visit to this organization now; the next request that rests on it is refused. Raises VisitNotFound.

    Home's entry comes after: where it cannot be written, that is raised, and the visit is over all the same.
    """
    who, visited = actor_of(actor), organization_of(organization)
    async with transaction(engine, visited) as db:
        was = await _close(db, visited, visit_id, who)
    if was is None:
        raise VisitNotFound
    async with transaction(engine, was.home_id) as db:
        told = {"visit": to_text(visit_id), "visited": to_text(visited)}
        await append(db, Entry(was.home_id, "change", who, "visit-ended-elsewhere", detail=told))
    return was


async def visits(
    db: AsyncSession,
    *,
    open_only: bool = False,
    after: Sequence[Key] | None = None,
    limit: int = _EVERY,
    organization: UUID | str | None = None,
) -> list[Stay]:
    """Every visit to this organization, open and past, the newest first, with its reason. Raises InvalidCursor, KeyUnavailable."""
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        now = await instant(db)
        query = select(Visit).where(Visit.organization_id == tenant, Visit.superseded_at == FOREVER)
        if open_only:
            query = query.where(Visit.ends_at > now)
        query = beyond(query, Visit.starts_at, Visit.id, after=after, limit=limit, descending=True)
        rows = await db.scalars(query.execution_options(populate_existing=True))
        return [_told(row, _words(row), now) for row in rows]


async def open_visit(
    db: AsyncSession, *, home: UUID, account_id: UUID, organization: UUID | str | None = None
) -> Stay | None:
    """The visit on which this account of `home` is in the organization now, if it is."""
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        now = await instant(db)
        row = await _open(db, tenant, now, account_id)
        return None if row is None or row.home_id != home else _told(row, None, now)


async def _enter(
    db: AsyncSession, visited: OrganizationId, home: UUID, account_id: UUID, own: UUID, words: str, minutes: int,
    who: Actor,
) -> Stay:  # fmt: skip
    now = await take_turns(db, visited, account_id)
    if await _open(db, visited, now, account_id) is not None:
        raise AlreadyVisiting
    row = Visit(
        organization_id=visited, id=own, lineage_id=own, home_id=home, account_id=account_id,
        reason=keyring().seal(words.encode(), visited, "visits", "reason", own),
        starts_at=now, ends_at=now + timedelta(minutes=minutes), recorded_at=now,
    )  # fmt: skip
    said: Detail = {"visit": to_text(own), "account": to_text(account_id), "minutes": minutes, "home": to_text(home)}
    entry = Entry(visited, "change", who, "visit-begun", detail=said)
    row.entry_id = entry.id
    await append(db, entry)
    db.add(row)
    await db.flush()
    return _told(row, words, now)


async def _close(db: AsyncSession, visited: OrganizationId, visit_id: UUID, who: Actor) -> Stay | None:
    """End a visit that is open; what it was, or None where there is none."""
    now = await take_turns(db, visited, visit_id)
    row = await _open(db, visited, now, None, visit_id)
    if row is None:
        return None
    entry = Entry(visited, "change", who, "visit-ended", detail={"visit": to_text(visit_id)})
    await append(db, entry)
    await supersede(db, row, entry.id, now)
    if row.starts_at < now:
        db.add(
            Visit(
                organization_id=visited, id=new_id(), lineage_id=row.lineage_id, home_id=row.home_id,
                account_id=row.account_id, reason=row.reason, starts_at=row.starts_at, ends_at=now, recorded_at=now,
                entry_id=entry.id,
            )
        )  # fmt: skip
        await db.flush()
    return _told(row, _words(row), now)


async def _require_super_admin(db: AsyncSession, tenant: OrganizationId, account_id: UUID) -> None:
    try:
        account = await find_account(db, account_id=account_id, organization=tenant)
    except AccountNotFound:
        raise PermissionRequired("Only the account of a super admin visits another organization.") from None
    if "all-organizations" not in account.may:
        raise PermissionRequired("Only the account of a super admin visits another organization.")


async def _open(
    db: AsyncSession, tenant: OrganizationId, now: datetime, account_id: UUID | None, visit_id: UUID | None = None
) -> Visit | None:
    query = select(Visit).where(
        Visit.organization_id == tenant, Visit.superseded_at == FOREVER, Visit.starts_at <= now, Visit.ends_at > now
    )
    if account_id is not None:
        query = query.where(Visit.account_id == account_id)
    if visit_id is not None:
        query = query.where(Visit.lineage_id == visit_id)
    return (await db.scalars(query.execution_options(populate_existing=True))).one_or_none()


def _words(row: Visit) -> str | None:
    try:
        return keyring().unseal(row.reason, row.organization_id, "visits", "reason", row.lineage_id).decode()
    except KeyDestroyed:
        return None


def _told(row: Visit, words: str | None, now: datetime) -> Stay:
    return Stay(
        row.lineage_id, row.id, row.organization_id, row.home_id, row.account_id, words, row.starts_at, row.ends_at,
        row.starts_at <= now < row.ends_at,
    )  # fmt: skip
