"""Adopting while others work: a writer who adds duplicates, one who holds rows, a second adoption, and a kill half-way."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time

import asyncpg
import pytest

from carecircle.adoption.adopt import apply
from carecircle.adoption.connection import Patience
from carecircle.adoption.host_table import INDEX_NAME, HostTable
from carecircle.adoption.revert import revert
from carecircle.adoption.unique_index import IndexState
from carecircle.errors import Conflict
from tests.adoption.conftest import Application, Command

ADOPT = ("adopt", "primary-provider")
TABLE = ("--table", "care_team_assignments")


def duplicate(application: Application, key: int, patient: int, day: str) -> str:
    return (
        f'insert into "{application.schema}".care_team_assignments'
        " (id, organization_id, patient_id, provider_id, is_primary_provider, assigned_at)"
        f" values ({key}, {patient % 2}, {patient}, {key}, true, '{day}')"
    )


async def until_it_waits_to_build(watcher: asyncpg.Connection) -> None:
    """The build waits for transactions that began before it; those then commit what the table scan has not seen."""
    for _ in range(400):
        if await watcher.fetchval(
            "select exists (select from pg_stat_progress_create_index where phase like 'waiting for writers before build')"
        ):
            return
        await asyncio.sleep(0.02)
    pytest.fail("the index was never begun")


async def writing_meanwhile(application: Application, table: HostTable, statement: str, attempts: int) -> int:
    """Apply while a transaction that is open all the time inserts a second primary; how often the index was built."""
    writer, watcher = [await asyncpg.connect(application.address) for _ in range(2)]
    try:
        held = writer.transaction()
        await held.start()
        await writer.execute(statement)
        work = asyncio.create_task(apply(application.address, table, attempts=attempts))
        await until_it_waits_to_build(watcher)
        await held.commit()
        return (await work).attempts
    finally:
        await writer.close()
        await watcher.close()


def test_a_duplicate_that_appears_while_the_index_is_built_is_resolved_too(application: Application) -> None:
    table = application.make()
    application.fill()
    before = application.checksum()
    attempts = asyncio.run(writing_meanwhile(application, table, duplicate(application, 77, 10, "2026-01-01"), 5))
    assert (attempts, application.primaries()) == (2, [3])
    assert [(line["pass"], line["row_id"]) for line in application.ledger()][-1] == (2, "77")
    application.sql("delete from @.care_team_assignments where id = 77")
    undone = asyncio.run(revert(application.address, table))
    assert (undone.restored, undone.left_alone_count, application.checksum()) == (8, 1, before)


def test_an_earlier_one_that_appears_takes_the_place_and_all_of_it_is_undone(application: Application) -> None:
    table = application.make()
    application.fill()
    attempts = asyncio.run(writing_meanwhile(application, table, duplicate(application, 77, 10, "2020-01-01"), 5))
    assert (attempts, application.primaries()) == (2, [77])
    undone = asyncio.run(revert(application.address, table))
    assert (undone.restored, undone.left_alone_count) == (9, 0)
    assert application.primaries() == [1, 3, 4, 77]


def test_it_gives_up_with_a_sentence_and_keeps_what_was_done(application: Application, carecircle: Command) -> None:
    table = application.make()
    application.fill()
    with pytest.raises(Conflict, match="keeps making second primaries"):
        asyncio.run(writing_meanwhile(application, table, duplicate(application, 77, 10, "2026-01-01"), 1))
    state = carecircle(*ADOPT, "status", *TABLE, "-o", "json").json
    assert (state["index"], state["demoted"], state["finished_at"]) == ("absent", 8, None)
    done = asyncio.run(apply(application.address, table))
    assert (done.resumed, done.demoted) == (True, 1)


async def holding_meanwhile(application: Application, table: HostTable, statement: str, lock: float) -> int:
    """Apply while an open transaction has done something to rows it must demote; it commits a moment later."""
    holder = await asyncpg.connect(application.address)
    try:
        held = holder.transaction()
        await held.start()
        await holder.execute(statement.replace("@", f'"{application.schema}"'))
        work = asyncio.create_task(apply(application.address, table, patience=Patience(lock=lock)))
        await asyncio.sleep(0.6)
        assert not work.done()
        await held.commit()
        return (await work).demoted
    finally:
        await holder.close()


def test_a_row_somebody_holds_is_waited_for(application: Application) -> None:
    table = application.make()
    application.fill()
    held = "select from @.care_team_assignments where patient_id = 10 for update"
    assert asyncio.run(holding_meanwhile(application, table, held, 0.1)) == 8


def test_who_stays_is_decided_again_under_the_lock(application: Application) -> None:
    """The earliest is demoted by the application after it was read as the one that stays: the next one stays."""
    table = application.make()
    application.fill()
    demoted = "update @.care_team_assignments set is_primary_provider = false where patient_id = 10 and provider_id = 3"
    assert asyncio.run(holding_meanwhile(application, table, demoted, 10)) == 7
    assert application.primaries() == [1]


def test_only_one_adopts_a_table_at_a_time(application: Application) -> None:
    table = application.make()
    application.fill()

    async def body() -> None:
        first = await asyncpg.connect(application.address)
        try:
            from carecircle.adoption.ledger import lock_table

            assert await lock_table(first, table)
            for work in (apply, revert):
                with pytest.raises(Conflict, match="Somebody else adopts"):
                    await work(application.address, table, patience=Patience(other=0.2))
        finally:
            await first.close()
        assert (await apply(application.address, table)).demoted == 8

    asyncio.run(body())


def test_an_interrupted_run_goes_on_only_with_the_same_columns(application: Application, carecircle: Command) -> None:
    table = application.make()
    application.fill()
    with pytest.raises(Conflict):
        asyncio.run(writing_meanwhile(application, table, duplicate(application, 77, 10, "2026-01-01"), 1))
    other = carecircle(*ADOPT, "apply", *TABLE, "--yes", "--provider-column", "patient_id")
    assert (other.code, "interrupted run" in other.err) == (6, True)
    assert carecircle(*ADOPT, "revert", *TABLE, "--yes", "-o", "json").json["restored"] == 8


def test_killed_half_way_it_goes_on_where_it_was(application: Application, carecircle: Command) -> None:
    application.make()
    application.fill(patients=2500)
    before = application.checksum()
    command = [sys.executable, "-c", "from carecircle.cli.main import run; run()", *ADOPT, "apply", *TABLE]
    process = subprocess.Popen(
        [*command, "--schema", application.schema, "--yes", "--batch", "3"],
        env={**os.environ, "CARECIRCLE_DATABASE_URL": application.address},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        written = 0
        while written < 50:
            assert process.poll() is None, "it ended before it could be killed"
            time.sleep(0.01)
            if application.value("select to_regclass('carecircle_adoption.demotions') is not null"):
                written = len(application.ledger())
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    half = carecircle(*ADOPT, "plan", *TABLE, "-o", "json").json
    written = len(application.ledger())
    assert 50 <= written < 500
    assert (half["interrupted"], half["to_demote"]) == (True, 500 - written)
    done = carecircle(*ADOPT, "apply", *TABLE, "--yes", "-o", "json").json
    assert (done["resumed"], done["demoted"]) == (True, 500 - written)
    lines = application.ledger()
    assert (len(lines), len({line["row_id"] for line in lines}), len({line["run_id"] for line in lines})) == (
        500,
        500,
        1,
    )
    assert carecircle(*ADOPT, "status", *TABLE, "-o", "json").json["index"] == IndexState.valid
    assert carecircle(*ADOPT, "revert", *TABLE, "--yes", "-o", "json").json["restored"] == 500
    assert application.checksum() == before
    assert not application.sql(
        f"select from pg_indexes where schemaname = '{application.schema}' and indexname = '{INDEX_NAME}'"
    )
