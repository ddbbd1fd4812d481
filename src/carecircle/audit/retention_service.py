"""Retiring a month of the audit trail: exported, verified, recorded, detached, compared once more, dropped.

What is recorded comes before what is taken away, and each step finds out what those before it did: killed at any of them,
the same call goes on from there. Until the month is detached its entries are read as ever; from then on a verifier finds the
record that says where they went. The hashes of the leaves stay.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from pathlib import Path
from uuid import UUID

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from carecircle.actor import Actor
from carecircle.audit.entry import Entry, append
from carecircle.audit.export_service import into_file, snapshot
from carecircle.audit.holds_service import RETIRING
from carecircle.audit.months_service import TRAIL, connected, seeing_all
from carecircle.audit.retention_export_service import MonthFile, check_file, count_entries, month_lines
from carecircle.audit.retention_limits_service import (
    BEGINS,
    ENDS,
    OF_THE_MONTH,
    YearsOf,
    is_held,
    limits,
    retirable_since,
)
from carecircle.audit.verify import VerifyKey
from carecircle.database.reach import Reach
from carecircle.database.session import open_engine, transaction
from carecircle.errors import AccessUnavailable, Conflict, InvalidRequest
from carecircle.errors.proof import MonthNotKept, MonthNotSealed, MonthNotVerified, MonthOnHold, MonthTooYoung
from carecircle.identifiers import new_id, to_text
from carecircle.period import show

_RETIREMENTS = text("""
    select r.month, r.entries, r.export_sha256, r.entry_id from carecircle.audit_retirements r
    where r.organization_id = :tenant and (cast(:month as date) is null or r.month = :month) order by r.month""")
_RETIRE = text("""
    insert into carecircle.audit_retirements (organization_id, id, month, entries, export_sha256, entry_id)
    values (:tenant, :id, :month, :entries, :sha256, :entry_id)""")
# Whose entries the month holds, or held, by what was sealed.
_CONCERNED = f"""
  select e.organization_id from {{source}} e where {OF_THE_MONTH}
  union select l.organization_id from carecircle.audit_leaves l where l.recorded_at >= {BEGINS} and l.recorded_at < {ENDS}
  order by 1"""
_POLICIES = """
  select p.polname::text as name, r.rolname::text as role, pg_get_expr(p.polqual, p.polrelid) as sees
  from pg_policy p join pg_roles r on r.oid = any (p.polroles)
  where p.polrelid = 'carecircle.audit_events'::regclass and p.polcmd = 'r'"""
# Whoever waits for a lock on the trail makes every decision wait behind it: shortly, and rather often.
_LOCK_TIMEOUT, _ATTEMPTS, _PAUSE = "300ms", 60, 0.5


@dataclass(frozen=True, slots=True)
class Retirement:
    """One organization's entries of one month, kept in a file of this hash (SHA-256, 32 bytes).

    `entry_id` is the entry that records it; None after a rehearsal.
    """

    organization_id: UUID
    month: date
    entries: int
    sha256: bytes
    entry_id: UUID | None

    @property
    def file_name(self) -> str:
        return file_name(self.organization_id, self.month)


def file_name(organization_id: UUID, month: date) -> str:
    """What the file of a month is called: `2019-01_<organization>.ndjson`."""
    return f"{month:%Y-%m}_{to_text(organization_id)}.ndjson"


async def retirements(db: AsyncSession, tenant: UUID, month: date | None = None) -> list[Retirement]:
    """What was retired of an organization, the oldest month first, in a transaction of its own tenant (app or auditor)."""
    rows = await db.execute(_RETIREMENTS, {"tenant": tenant, "month": month})
    return [Retirement(tenant, row.month, row.entries, bytes(row.export_sha256), row.entry_id) for row in rows]


async def retire(
    at: Reach,
    month: date,
    *,
    to: Path,
    years_of: YearsOf,
    actor: Actor,
    keys: Sequence[VerifyKey],
    with_findings: bool = False,
    rehearsal: bool = False,
    told: Callable[[str], None] = lambda _: None,
) -> list[Retirement]:
    """Take the month (its first day) from the trail, leaving a file for every organization in the directory `to`.

    Who owns the tables does it, for all organizations at once. One of `keys`
    must have signed the checkpoint that covers the month. `told` hears of every step when it is done. With `with_findings`
    what the verifier finds does not stop it, such as entries that were sealed as unmarked: the file shows that for ever. A
    `rehearsal` only writes and verifies the files.

    Raises MonthNotKept, MonthTooYoung, MonthOnHold, MonthNotSealed, MonthNotVerified, InvalidRequest where a file cannot be
    written, Conflict while another retirement runs, AccessUnavailable when the month cannot be detached: nothing was taken
    away then.
    """
    app, auditor = open_engine(at, connections=1), open_engine(at, role="auditor", connections=1)
    try:
        async with connected(at, "owner") as owner, seeing_all(at) as sealer:
            if not await owner.fetchval("select pg_try_advisory_lock(hashtextextended('carecircle.retire', 0))"):
                raise Conflict("Somebody else is retiring a month of the audit trail just now.")
            return await _Retiring(
                month, to, years_of, actor, keys, with_findings, rehearsal, told, app, auditor, owner, sealer
            ).carry_out()
    finally:
        await app.dispose()
        await auditor.dispose()


@dataclass
class _Retiring:
    month: date
    to: Path
    years_of: YearsOf
    actor: Actor
    keys: Sequence[VerifyKey]
    with_findings: bool
    rehearsal: bool
    told: Callable[[str], None]
    app: AsyncEngine
    auditor: AsyncEngine
    owner: asyncpg.Connection
    sealer: asyncpg.Connection

    @property
    def partition(self) -> str:
        return f"audit_events_{self.month:%Y_%m}"

    async def carry_out(self) -> list[Retirement]:
        if not self.to.is_dir():
            raise InvalidRequest("There is no such directory for the files; make it first.")
        attached = await self.owner.fetchval(
            "select relispartition from pg_class where oid = to_regclass('carecircle.' || $1)", self.partition
        )
        if attached is None:
            return await self._retired_before()
        source = TRAIL if attached else f"carecircle.{self.partition}"
        await self._require_retirable(source)
        self.told("checked")
        concerned = [row[0] for row in await self.sealer.fetch(_CONCERNED.format(source=source), self.month)]
        files = [await self._exported(tenant, source) for tenant in concerned]
        if self.rehearsal:
            return [Retirement(one.organization_id, self.month, one.entries, one.sha256, None) for one in files]
        done = [await self._recorded(one) for one in files]
        if attached:
            await self._locked(self._detach)
            self.told("detached")
        await self._compare_again(files)
        self.told("compared again")
        await self._locked(self._drop)
        self.told("dropped")
        return done

    async def _retired_before(self) -> list[Retirement]:
        """What was recorded of a month that is gone. Raises MonthNotKept where nothing was."""
        found = []
        for row in await self.sealer.fetch("select id from carecircle.organizations order by 1"):
            async with transaction(self.app, row["id"]) as session:
                found += await retirements(session, row["id"], self.month)
        if not found:
            raise MonthNotKept
        return found

    async def _require_retirable(self, source: str) -> None:
        """Raises MonthTooYoung or MonthOnHold."""
        known = await limits(self.app, self.sealer, self.years_of)
        since, past = await retirable_since(self.sealer, self.month, known.years)
        if not past:
            raise MonthTooYoung(
                f"Entries of {self.month:%Y-%m} are kept for {known.years} years, until {show(since)}; nothing was retired."
            )
        if await is_held(self.sealer, source, self.month, known):
            raise MonthOnHold(
                f"A legal hold keeps entries of {self.month:%Y-%m}; nothing was retired. See: carecircle audit hold list."
            )

    async def _exported(self, tenant: UUID, source: str) -> MonthFile:
        """Write an organization's file, whole or not at all, read it from the disk again, and compare it with the tree."""
        file = self.to / file_name(tenant, self.month)
        async with snapshot(self.auditor, tenant) as auditor:
            there = await count_entries(auditor, tenant, self.month, source)
            async with into_file(file) as out:
                async for line in month_lines(auditor, tenant, self.month, source):
                    out.write(line)
            self.told(f"exported {to_text(tenant)}")
            try:
                written = await check_file(auditor, tenant, self.month, file, self.keys)
            except OSError as error:
                raise InvalidRequest(f"The file of the export cannot be read ({error.strerror}).") from None
        if written.entries < there:
            raise MonthNotSealed(
                f"{there - written.entries:,} entries of {self.month:%Y-%m} are not sealed; run: carecircle worker --once."
            )
        if written.findings and not self.with_findings:
            raise MonthNotVerified(
                f"{written.findings:,} {'finding' if written.findings == 1 else 'findings'} about entries of"
                f" {self.month:%Y-%m}; the first: {written.first} Nothing was retired."
            )
        self.told(f"verified {to_text(tenant)}")
        return written

    async def _recorded(self, written: MonthFile) -> Retirement:
        """Record an organization's retirement, once. Raises MonthNotVerified where another file was recorded before."""
        tenant = written.organization_id
        async with transaction(self.app, tenant) as session:
            for before in await retirements(session, tenant, self.month):
                if before.sha256 != written.sha256:
                    raise MonthNotVerified(
                        f"Another file of {self.month:%Y-%m} was recorded before; nothing was taken away."
                    )
                return before
            detail: dict[str, str | int | bool | None] = {
                "month": f"{self.month:%Y-%m}",
                "entries": written.entries,
                "findings": written.findings,
                "sha256": written.sha256.hex(),
            }
            entry = Entry(tenant, "change", self.actor, "month-retired", detail=detail)
            await append(session, entry)
            row = {
                "tenant": tenant,
                "id": new_id(),
                "month": self.month,
                "entries": written.entries,
                "sha256": written.sha256,
                "entry_id": entry.id,
            }
            await session.execute(_RETIRE, row)
        self.told(f"recorded {to_text(tenant)}")
        return Retirement(tenant, self.month, written.entries, written.sha256, entry.id)

    async def _detach(self) -> None:
        """Out of the trail, and readable by those who prove. Not CONCURRENTLY: beside a default partition that is not possible."""
        async with self.owner.transaction():
            # Who places a hold waits here, or has placed it and is seen.
            await self.owner.execute(f"select pg_advisory_xact_lock({RETIRING})")
            await self._require_retirable(TRAIL)
            policies = await self.owner.fetch(_POLICIES)
            await self.owner.execute(f"alter table {TRAIL} detach partition carecircle.{self.partition}")
            for policy in policies:
                await self.owner.execute(f"grant select on carecircle.{self.partition} to {policy['role']}")
                await self.owner.execute(
                    f"create policy {policy['name']} on carecircle.{self.partition} for select to {policy['role']}"
                    f" using ({policy['sees']})"
                )

    async def _compare_again(self, files: list[MonthFile]) -> None:
        """Whether what is about to be dropped is what the files hold. Raises MonthNotVerified; it stays detached then."""
        table = f"carecircle.{self.partition}"
        there = await self.sealer.fetchval(f"select count(*) from {table}")
        same = there == sum(one.entries for one in files)
        for one in files:
            digest = sha256()
            async with snapshot(self.auditor, one.organization_id) as auditor:
                async for line in month_lines(auditor, one.organization_id, self.month, table):
                    digest.update(line)
            same = same and digest.digest() == one.sha256
        if not same:
            raise MonthNotVerified(
                f"The table {table} is not what was exported; it was not dropped. Look who wrote to it."
            )

    async def _drop(self) -> None:
        await self.owner.execute(f"drop table carecircle.{self.partition}")

    async def _locked(self, step: Callable[[], Awaitable[None]]) -> None:
        """Do a step that needs a lock of everybody's. Raises AccessUnavailable when it is not to be had."""
        await self.owner.execute(f"set lock_timeout = '{_LOCK_TIMEOUT}'")
        for _ in range(_ATTEMPTS):
            try:
                return await step()
            except asyncpg.LockNotAvailableError:
                await asyncio.sleep(_PAUSE)
        raise AccessUnavailable("Somebody holds on to the audit trail; run the same again, it goes on from here.")
