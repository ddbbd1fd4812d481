"""What providers are licensed, certified and specialized for: recording it, renewing it, and seeing what is about to lapse."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, get_args
from uuid import UUID

from sqlalchemy import Select, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.actor import Actor, actor_of, organization_of
from carecircle.audit.entry import Entry, append
from carecircle.database.constraints import translated
from carecircle.database.facts import supersede
from carecircle.database.instants import Instant
from carecircle.database.session import enter_tenant, instant, one_change, take_turns
from carecircle.directory.rules import HeldCredential
from carecircle.directory.service import AnyId, resolve_provider
from carecircle.directory.specialty_service import specialty_known
from carecircle.directory.tables import ProviderCredential
from carecircle.errors import CredentialNotFound, InvalidPeriod, InvalidRequest
from carecircle.identifiers import OrganizationId, new_id, to_text
from carecircle.period import FOREVER, Period, show

CredentialKind = Literal["licence", "specialty", "certification"]
CREDENTIAL_KINDS: tuple[CredentialKind, ...] = get_args(CredentialKind)
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")


def require_code(code: str) -> None:
    """Raises InvalidRequest for what is no credential's or specialty's code, without repeating it: it may be anything."""
    if not _CODE.fullmatch(code):
        raise InvalidRequest(
            "A code, such as 207RC0000X, has up to 64 letters, digits and . _ : -, a letter or a digit first."
        )


async def add_credential(
    db: AsyncSession,
    *,
    provider: AnyId,
    kind: str,
    code: str,
    system: str = "",
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> ProviderCredential:
    """Record a credential for a period (now, and open, by default). The same one again changes nothing.

    Raises OverlappingCredential, InvalidPeriod, ProviderNotRegistered, and InvalidRequest for an unknown kind, what is no
    code, or a specialty that the organization's taxonomy does not have.
    """
    if kind not in CREDENTIAL_KINDS:
        raise InvalidRequest(f"Unknown kind of credential; known are {', '.join(CREDENTIAL_KINDS)}.")
    require_code(code)
    who = actor_of(actor)
    async with one_change(db):
        tenant = await enter_tenant(db, organization_of(organization))
        provider_id = await resolve_provider(db, tenant, provider)
        if kind == "specialty" and await specialty_known(db, tenant, code) is False:
            raise InvalidRequest(
                f"The specialty {code!r} is not in this organization's taxonomy; check the code, or load a newer"
                " taxonomy with: carecircle credential import-specialties FILE."
            )
        now = await _turn(db, tenant, provider_id)
        period = Period(starts_at or now, ends_at or FOREVER)
        for row in await db.scalars(_believed(tenant, provider_id, kind, code)):
            begun = row.starts_at == period.starts_at or (starts_at is None and row.starts_at <= now)
            if begun and row.ends_at == period.ends_at and row.system == system:
                return row
        row = _row(tenant, provider_id, kind, code, system, period)
        entry = _entry(row, "credential-added", who)
        await append(db, entry)
        return await _record(db, row, now, entry)


async def renew_credential(
    db: AsyncSession,
    *,
    provider: AnyId,
    kind: str,
    code: str,
    ends_at: datetime | None = None,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> ProviderCredential:
    """Let a credential last until `ends_at` (open, by default); what rests on it holds as long.

    One that has lapsed holds again from now on: the time between stays without it. Where there was none, for that
    time too, add it with its own start. Raises CredentialNotFound, and InvalidPeriod for an end before the present one.
    """
    who = actor_of(actor)
    async with one_change(db):
        tenant = await enter_tenant(db, organization_of(organization))
        provider_id = await resolve_provider(db, tenant, provider)
        now = await _turn(db, tenant, provider_id)
        rows = list(await db.scalars(_believed(tenant, provider_id, kind, code)))
        if not rows:
            raise CredentialNotFound(
                "This provider never held that credential; add it with: carecircle credential add."
            )
        last, until = rows[-1], ends_at or FOREVER
        if last.ends_at == until:
            return last
        if until < last.ends_at:
            raise InvalidPeriod(
                f"This credential lasts until {show(last.ends_at)}, longer than that; end it with: carecircle credential end."
            )
        lapsed = last.ends_at <= now
        row = _row(tenant, provider_id, kind, code, last.system, Period(now if lapsed else last.starts_at, until))
        row.lineage_id = last.lineage_id
        entry = _entry(row, "credential-renewed", who)
        await append(db, entry)
        if not lapsed:
            await supersede(db, last, entry.id, now)
        return await _record(db, row, now, entry)


async def end_credential(
    db: AsyncSession,
    *,
    provider: AnyId,
    kind: str,
    code: str,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> list[ProviderCredential]:
    """End a credential, now and ahead; what rests on it is suspended in the same instant. Returns the rows that were ended.

    Raises CredentialNotFound when there is nothing to end.
    """
    who = actor_of(actor)
    async with one_change(db):
        tenant = await enter_tenant(db, organization_of(organization))
        provider_id = await resolve_provider(db, tenant, provider)
        now = await _turn(db, tenant, provider_id)
        rows = [row for row in await db.scalars(_believed(tenant, provider_id, kind, code)) if row.ends_at > now]
        if not rows:
            raise CredentialNotFound
        entry = Entry(
            tenant, "change", who, "credential-ended", provider_id=provider_id,
            detail={"kind": rows[0].kind, "lineage": to_text(rows[0].lineage_id), "ended": len(rows)},
        )  # fmt: skip
        await append(db, entry)
        for row in rows:
            await supersede(db, row, entry.id, now)
            if row.starts_at < now:
                ended = _row(tenant, provider_id, kind, code, row.system, Period(row.starts_at, now))
                ended.lineage_id = row.lineage_id
                await _record(db, ended, now, entry)
        return rows


async def credentials_of(
    db: AsyncSession, *, provider: AnyId, as_of: datetime | None = None, organization: UUID | str | None = None
) -> list[ProviderCredential]:
    """The credentials that a provider holds at an instant, or, without one, all on record: lapsed, present and ahead."""
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        provider_id = await resolve_provider(db, tenant, provider)
        rows = await db.scalars(_believed(tenant, provider_id))
        return [row for row in rows if as_of is None or row.starts_at <= as_of < row.ends_at]


async def held_by(db: AsyncSession, tenant: OrganizationId, provider_id: UUID) -> list[HeldCredential]:
    """All that is on record for a provider, as the rules read it: lapsed, present and ahead."""
    rows = await db.scalars(_believed(tenant, provider_id))
    return [HeldCredential(row.kind, row.code, row.starts_at, row.ends_at) for row in rows]


@dataclass(frozen=True, slots=True)
class Lapsing:
    """A credential that ends soon, or ended a while ago, with nothing to follow it; and what that suspends, in rows."""

    provider_id: UUID
    kind: str
    code: str
    ends_at: datetime
    assignments: int
    seats: int
    arrangements: int


async def lapsing(db: AsyncSession, *, within: timedelta, organization: UUID | str | None = None) -> list[Lapsing]:
    """What lapses in the time ahead, or lapsed in as long a time before now, soonest first.

    Counted is what rests on the credential by its kind or its code, does not end before it, and has no other
    credential to rest on then. Raises InvalidPeriod when `within` is not a time ahead.
    """
    if within <= timedelta(0):
        raise InvalidPeriod("Say how far ahead to look, at least one second.")
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        found = await db.execute(_LAPSING.columns(ends_at=Instant()), {"organization_id": tenant, "within": within})
        return [Lapsing(**row) for row in found.mappings()]


_RESTING = """(
    select count(*) from carecircle.{table} f
    where f.organization_id = k.organization_id and f.{provider} = k.provider_id
      and f.superseded_at = 'infinity' and f.ends_at > k.lapses_at
      and exists (
        select from unnest(f.rests_on) as need
        where need in (k.kind, k.code) and not exists (
          select from carecircle.provider_credentials other
          where other.organization_id = k.organization_id and other.provider_id = k.provider_id
            and other.superseded_at = 'infinity' and need in (other.kind, other.code)
            and other.starts_at <= greatest(f.starts_at, k.lapses_at)
            and other.ends_at > greatest(f.starts_at, k.lapses_at)))
  )"""

_LAPSING = text(f"""
  select k.provider_id, k.kind, k.code, k.ends_at,
         {_RESTING.format(table="patient_assignments", provider="provider_id")} as assignments,
         {_RESTING.format(table="care_team_members", provider="provider_id")} as seats,
         {_RESTING.format(table="coverage_arrangements", provider="covering_provider_id")} as arrangements
  from (
    select c.*, greatest(c.ends_at, statement_timestamp()) as lapses_at
    from carecircle.provider_credentials c
    where c.organization_id = :organization_id and c.superseded_at = 'infinity' and c.ends_at < 'infinity'
      and c.ends_at between statement_timestamp() - cast(:within as interval)
                        and statement_timestamp() + cast(:within as interval)
  ) k
  where not exists (
    select from carecircle.provider_credentials next
    where next.organization_id = k.organization_id and next.provider_id = k.provider_id
      and next.kind = k.kind and next.code = k.code and next.superseded_at = 'infinity'
      and next.starts_at <= k.lapses_at and next.ends_at > k.lapses_at)
  order by k.ends_at, k.provider_id, k.kind, k.code""")


async def _turn(db: AsyncSession, tenant: OrganizationId, provider_id: UUID) -> datetime:
    await take_turns(db, tenant, provider_id)
    return await instant(db)


def _believed(
    tenant: OrganizationId, provider_id: UUID, kind: str | None = None, code: str | None = None
) -> Select[ProviderCredential]:
    query = select(ProviderCredential).where(
        ProviderCredential.organization_id == tenant,
        ProviderCredential.provider_id == provider_id,
        ProviderCredential.superseded_at == FOREVER,
    )
    if kind is not None:
        query = query.where(ProviderCredential.kind == kind, ProviderCredential.code == code)
    return query.order_by(ProviderCredential.starts_at, ProviderCredential.kind, ProviderCredential.code)


def _row(
    tenant: OrganizationId, provider_id: UUID, kind: str, code: str, system: str, period: Period
) -> ProviderCredential:
    row_id = new_id()
    return ProviderCredential(
        organization_id=tenant, id=row_id, lineage_id=row_id, provider_id=provider_id, kind=kind, code=code,
        system=system, starts_at=period.starts_at, ends_at=period.ends_at,
    )  # fmt: skip


def _entry(row: ProviderCredential, code: str, who: Actor) -> Entry:
    return Entry(
        row.organization_id, "change", who, code, provider_id=row.provider_id,
        detail={
            "kind": row.kind, "lineage": to_text(row.lineage_id),
            "starts_at": show(row.starts_at), "ends_at": show(row.ends_at),
        },
    )  # fmt: skip


async def _record(db: AsyncSession, row: ProviderCredential, now: datetime, entry: Entry) -> ProviderCredential:
    row.recorded_at, row.entry_id = now, entry.id
    db.add(row)
    await db.flush()
    return row
