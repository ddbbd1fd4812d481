"""Verifying the audit trail of one organization where it lies: the lines of an export, streamed out of the database."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from queue import Full, Queue
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from carecircle.actor import organization_of
from carecircle.audit.export_service import export, snapshot
from carecircle.audit.facts_service import Compared, compare
from carecircle.audit.verify import Finding, Unreadable, Verdict, VerifyKey, Where, verify
from carecircle.database.constraints import DRIVER_ERRORS, translate
from carecircle.database.reach import Reach
from carecircle.database.roles import open_connection
from carecircle.identifiers import OrganizationId, parse_id

NOT_OURS = ("unmarked", "altered-before-sealing", "entry-altered", "entry-added")
"""Findings about an entry that nobody may rest on."""
# The verdict is about the notes; these rows say beside them what the sealer and the comparison of facts go by.
_UNLIKE_THEIR_NOTES = r"""
    select c.epoch, c.tree_size from carecircle.audit_checkpoints c
    where c.organization_id = $1 and (
      not starts_with(c.note, concat('carecircle/', c.organization_id, '/', c.epoch, e'\n', c.tree_size, e'\n',
        encode(c.root_hash, 'base64'), e'\n'))
      or substring(c.note from '\ncluster ([0-9 -]+)\n') <> concat(c.system_id, ' ', c.snapshot_xmax))
    order by c.epoch, c.tree_size"""
_BLOCKS = 64
_SWITCH = 0.001


@dataclass(frozen=True, slots=True)
class Found:
    """What verifying found: about the trail, and about the facts that name its entries."""

    verdict: Verdict
    facts: Compared

    @property
    def ok(self) -> bool:
        return self.verdict.ok and not self.facts.strays

    @property
    def total(self) -> int:
        return self.verdict.total + len(self.facts.strays)


async def verify_online(
    auditor: AsyncEngine,
    keys: Iterable[VerifyKey],
    witnessed: Iterable[str] = (),
    *,
    organization: UUID | str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Found:
    """Verify the trail as one moment of the database has it, then compare the facts with it.

    `keys` may sign, `witnessed` are texts of notes kept elsewhere; `progress` hears of entries read, of how many. Who verifies
    leaves the entry of it (reading_service.record) before anybody sees what was found. Raises DatabaseUnavailable.
    """
    tenant = organization_of(organization)
    verdict = await _streamed(auditor, tenant, tuple(keys), tuple(witnessed), progress)
    async with snapshot(auditor, tenant) as connection:
        for row in await connection.fetch(_UNLIKE_THEIR_NOTES, UUID(bytes=tenant.bytes)):
            said = f"The row of the checkpoint of {row['tree_size']} leaves says other than its note."
            verdict.add(Finding("checkpoint-unsigned", said, Where(row["epoch"])))
    facts = await compare(auditor, doubted=set(_doubted(verdict.findings)), organization=tenant)
    return Found(verdict, facts)


async def every_organization(at: Reach) -> list[OrganizationId]:
    """The ids of all organizations, which only the sealer may list, and in no order. Raises DatabaseUnavailable."""
    connection = await open_connection(at.dsn("sealer"))
    try:
        await connection.execute("set carecircle.every_organization = 'on'")
        return [OrganizationId(row["id"]) for row in await connection.fetch("select id from carecircle.organizations")]
    except DRIVER_ERRORS as error:
        raise translate(error) from None
    finally:
        await connection.close()


async def slug_of(db: AsyncSession, organization: UUID) -> str:
    """The slug of the organization in whose tenant the session is."""
    found: str = (
        await db.execute(text("select slug from carecircle.organizations where id = :own"), {"own": organization})
    ).scalar_one()
    return found


async def _streamed(
    auditor: AsyncEngine,
    tenant: UUID,
    keys: tuple[VerifyKey, ...],
    witnessed: tuple[str, ...],
    progress: Callable[[int, int], None] | None,
) -> Verdict:
    """The verdict: one thread reads what the database writes, another verifies it."""
    blocks: Queue[bytes | None] = Queue(_BLOCKS)
    loop = asyncio.get_running_loop()

    def offer(block: bytes | None) -> None:
        while not verifying.done():
            try:
                blocks.put(block, timeout=0.2)
            except Full:
                continue
            return

    async def write(block: bytes | None) -> None:
        try:
            blocks.put_nowait(block)
        except Full:
            await asyncio.to_thread(offer, block)

    with _quick_turns():
        verifying = loop.run_in_executor(None, verify, _lines(blocks), keys, witnessed)
        try:
            await export(auditor, write, organization=tenant, progress=progress)
        except BaseException:
            # What has come is no export: that it cannot be read says nothing. The thread ends before this does.
            await write(None)
            with suppress(Unreadable):
                await verifying
            raise
        await write(None)
        return await verifying


def _lines(blocks: Queue[bytes | None]) -> Iterator[bytes]:
    """Whole lines out of blocks, until there is None."""
    rest = b""
    while (block := blocks.get()) is not None:
        whole, end, rest = (rest + block).rpartition(b"\n")
        if end:
            # Only a line feed ends a line; bytes.splitlines knows carriage returns, which JSON never holds, as well.
            yield from (whole + end).splitlines(keepends=True)
    if rest:
        yield rest


def _doubted(findings: Iterable[Finding]) -> Iterator[UUID]:
    for one in findings:
        if one.code in NOT_OURS and one.where.entry is not None:
            yield parse_id(one.where.entry)


@contextmanager
def _quick_turns() -> Iterator[None]:
    """Threads take turns so often that a full socket does not wait for the one that computes."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH)
    try:
        yield
    finally:
        sys.setswitchinterval(before)
