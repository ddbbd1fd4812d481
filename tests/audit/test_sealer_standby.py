"""Where commits wait for a standby, a checkpoint is published once one was waited for to its end, and not before."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from proofs.audit_sealing import make_organizations, write_entries
from sqlalchemy.engine import make_url

from carecircle import Settings
from carecircle.audit.sealing import run_sealer
from carecircle.audit.verify import Checkpoint, split_notes
from carecircle.database import migrate
from carecircle.database.crypto import Keyring
from carecircle.database.embedded import temporary_server
from carecircle.database.reach import Reach, dsn, over_socket, role_passwords
from carecircle.identifiers import new_ids


async def until(holds: Callable[[], Awaitable[Any]], seconds: float = 20) -> None:
    for _ in range(int(seconds / 0.05)):
        if await holds():
            return
        await asyncio.sleep(0.05)
    pytest.fail("it did not come true")


def test_nothing_is_published_while_the_standby_is_away(home: Path) -> None:
    async def body(at: Reach, own: Path) -> None:
        [organization] = await make_organizations(at, 1)
        administrator, writer = await asyncpg.connect(dsn(at.admin)), await asyncpg.connect(at.dsn("app"))
        await writer.execute("set synchronous_commit = local")
        await administrator.execute("set synchronous_commit = local")
        settings = Settings(home=own, witness_file=str(own / "seen"), witness_every=0.05, seal_every=0.05)

        async def write() -> None:
            async with writer.transaction():
                await writer.execute("select set_config('carecircle.organization_id', $1, true)", str(organization))
                await write_entries(writer, Keyring.open(home), organization, new_ids(2), "decision")

        async def standby(names: str) -> None:
            await administrator.execute(f"alter system set synchronous_standby_names = '{names}'")
            await administrator.execute("select pg_reload_conf()")

        async def sizes() -> list[int]:
            notes = (own / "seen").read_text() if (own / "seen").exists() else ""
            return [Checkpoint.parse(note).size for note in split_notes(notes)]

        async def waiting() -> Any:
            return await administrator.fetchval(
                "select pid from pg_stat_activity where usename = 'carecircle_sealer' and wait_event = 'SyncRep'"
            )

        async def committed() -> bool:
            return bool(await administrator.fetchval("select max(tree_size) = 4 from carecircle.audit_checkpoints"))

        async def published(size: int) -> bool:
            return size in await sizes()

        stop = asyncio.Event()
        task = asyncio.create_task(run_sealer(settings, at, stop=stop))
        try:
            await write()
            await until(lambda: published(2))
            await standby("nobody")
            await asyncio.sleep(0.3)
            await write()
            await until(waiting)
            await asyncio.sleep(0.3)
            assert await sizes() == [2]
            # The wait is cut off: the pass is committed here, perhaps nowhere else, and whatever follows waits anew.
            await administrator.execute("select pg_cancel_backend($1)", await waiting())
            await until(committed)
            await until(waiting)
            await asyncio.sleep(0.3)
            assert await sizes() == [2]
            await standby("")
            await until(lambda: published(4))
            await write()
            await until(lambda: published(6))
        finally:
            stop.set()
            await standby("")
            await task
            await administrator.close()
            await writer.close()

    with temporary_server() as (own, server):
        at = Reach(over_socket(make_url(server.admin_url), server), role_passwords(own), server.bin_dir)
        migrate.upgrade(at)
        asyncio.run(body(at, own))
