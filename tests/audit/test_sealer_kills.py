"""24 writers, some slow, some rolled back, and a sealer that is killed: every committed entry has exactly one leaf."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from proofs.audit_sealing import Sealing, Written, judge, killed, make_organizations, sealed_up, workload

from carecircle.audit.sealing_key import SealingKey
from carecircle.database.crypto import Keyring
from carecircle.database.embedded import EmbeddedServer
from carecircle.database.reach import Reach, dsn
from tests.audit.trail import database_apart

SECONDS = 5.0


@pytest.fixture
def apart(server: EmbeddedServer, home: Path, migrated: Reach) -> Iterator[Reach]:
    with database_apart(server, home, migrated) as at:
        yield at


def test_whenever_the_sealer_is_killed_every_entry_is_sealed_once_and_in_order(
    apart: Reach, home: Path, tmp_path: Path
) -> None:
    async def body() -> tuple[Written, list[str], list[str]]:
        organizations = await make_organizations(apart, 3)
        async with killed(process, random.Random(1), (1.2, 2.0)):
            written = await workload(apart, Keyring.open(home), organizations, SECONDS)
        assert await sealed_up(apart, written)
        whole = await judge(apart, written, SealingKey.open(home))
        # The judge finds a leaf that was changed.
        connection = await asyncpg.connect(dsn(apart.admin))
        await connection.execute("update carecircle.audit_leaves set leaf_hash = sha256('') where leaf_index = 5")
        await connection.close()
        return written, whole, await judge(apart, written, SealingKey.open(home))

    process = Sealing(home, apart, tmp_path / "log")
    try:
        written, whole, changed = asyncio.run(body())
    finally:
        process.end()
    assert whole == []
    assert len(changed) >= 3
    assert process.kills >= 2
    assert len(written.all) > 500
    assert written.rolled_back
    # In the same workload a cursor that is the id alone loses entries for ever.
    assert written.all - written.seen_by_id
    log = (tmp_path / "log").read_text()
    assert "a new epoch begins" not in log
    assert "do not fit" not in log
