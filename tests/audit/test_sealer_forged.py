"""Rows that somebody else wrote: none of them stops the sealer, none passes for an entry that carecircle wrote as it is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from carecircle import Settings, worker
from carecircle.actor import acting_as
from carecircle.audit.sealer import AT_FIRST
from carecircle.audit.sealing import run_sealer
from carecircle.audit.verify import ALTERED, UNMARKED, Checkpoint, leaf_hash
from carecircle.database.embedded import EmbeddedServer
from carecircle.database.reach import Reach
from carecircle.errors import KeyUnavailable
from carecircle.identifiers import new_id
from tests.audit.test_sealer import ACTOR, Desk, found
from tests.audit.trail import database_apart, hospital_in

Body = Callable[[Desk], Awaitable[None]]
FORGE = (
    "insert into carecircle.audit_events (organization_id, id, kind, actor, code, mark, recorded_at)"
    " values ($1, $2, 'change', 'x', 'x', '\\x3132333435363738', {0}::timestamptz)"
)


@pytest.fixture
def apart(server: EmbeddedServer, home: Path, migrated: Reach) -> Iterator[Reach]:
    with database_apart(server, home, migrated) as at:
        yield at


@pytest.fixture
def alone(apart: Reach, settings: Settings) -> Callable[[Body], None]:
    """A hospital in a database of its own: nothing of others proves the keys."""

    def run(body: Body) -> None:
        async def whole() -> None:
            async with hospital_in(apart, settings) as hospital:
                with acting_as(organization=hospital.organization, actor=ACTOR):
                    await body(Desk(hospital, settings))

        asyncio.run(whole())

    return run


async def said_of(desk: Desk) -> dict[object, str]:
    """What the leaf of each entry says is wrong with it."""
    said = {}
    for row in await desk.leaves():
        line = row["line"].encode()
        kinds = {leaf_hash(line): "", leaf_hash(UNMARKED + line): "unmarked", leaf_hash(ALTERED + line): "altered"}
        said[row["entry_id"]] = kinds[row["leaf_hash"]]
    return said


def test_an_entry_of_an_impossible_time_gets_no_leaf_and_stops_nobody(alone: Callable[[Body], None]) -> None:
    async def body(desk: Desk) -> None:
        planted = [new_id() for _ in range(4)]
        for one, at in zip(planted, ("infinity", "20000-01-01", "-infinity", "0044-03-15 12:00:00+00 BC"), strict=True):
            await desk.rows(FORGE.format(f"'{at}'"), one)
        await desk.rows(FORGE.format("'2031-01-01'"), late := new_id())
        written = await desk.write(3)
        before = found("impossible-time")
        stop = asyncio.Event()
        task = asyncio.create_task(run_sealer(desk.settings, desk.at, stop=stop))
        for _ in range(100):
            await asyncio.sleep(0.05)
            if await desk.leaves():
                break
        later = await desk.write()
        for _ in range(100):
            await asyncio.sleep(0.05)
            if set(later) <= set(await said_of(desk)):
                break
        stop.set()
        await task
        said = await said_of(desk)
        assert {*written, *later, late} <= set(said)
        assert not set(planted) & set(said)
        assert found("impossible-time") == before + 4

    alone(body)


def test_many_unmarked_entries_first_in_line_are_sealed_as_such_once_the_keys_are_proved(
    alone: Callable[[Body], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def forge(desk: Desk, count: int) -> None:
        await desk.rows(
            "insert into carecircle.audit_events (organization_id, id, kind, actor, code, mark)"
            " select $1, gen_random_uuid(), 'change', 'x', 'x', '\\x3132333435363738' from generate_series(1, $2)",
            count,
        )

    async def body(desk: Desk) -> None:
        only = len(await desk.rows("delete from carecircle.audit_events where organization_id = $1 returning id"))
        assert only
        await forge(desk, 5 * AT_FIRST)
        with pytest.raises(KeyUnavailable):  # nothing shows that the keys are the right ones
            await desk.seal()
        await desk.write(2)  # behind all those, and nothing was sealed yet
        await desk.seal()
        assert sorted((await said_of(desk)).values()) == ["", ""] + ["unmarked"] * (5 * AT_FIRST)
        await forge(desk, 2 * AT_FIRST)
        with monkeypatch.context() as elsewhere:
            elsewhere.setenv("CARECIRCLE_HOME", str(tmp_path))
            with pytest.raises(KeyUnavailable):
                await desk.seal()
        assert await desk.seal() == 2 * AT_FIRST  # nothing honest among them
        assert list((await said_of(desk)).values())[-2 * AT_FIRST :] == ["unmarked"] * (2 * AT_FIRST)

    alone(body)


def test_an_entry_passed_off_as_older_than_marks_or_with_what_its_writer_never_says_is_altered(
    alone: Callable[[Body], None],
) -> None:
    async def body(desk: Desk) -> None:
        provider, patient = await desk.hospital.provider(), await desk.hospital.patient()
        await desk.hospital.circle.access.check(provider, "read", patient)
        spared, *changed = await desk.write(4)
        for one, said in zip(
            changed, ("as_of = now(), allowed = true", "basis_kinds = '{primary}'", "request_id = 'r'"), strict=True
        ):
            await desk.rows(f"update carecircle.audit_events set {said} where organization_id = $1 and id = $2", one)
        insert = (
            "insert into carecircle.audit_events (organization_id, id, kind, actor, code, writer_id, writer_turn, xid)"
            " values ($1, $2, 'decision', 'x', 'allowed', null, null, {0})"
        )
        [opening] = await desk.rows("select xid::text::bigint from carecircle.audit_opening where $1::uuid is not null")
        passed_off = new_id()
        await desk.rows(insert.format(f"'{opening[0] - 1}'"), passed_off)
        await desk.seal()
        said_of_each = await said_of(desk)
        assert {one for one, what in said_of_each.items() if what == "altered"} == {*changed, passed_off}
        assert said_of_each[spared] == ""

        # One that is as old as it says is taken as it is; and in a restored dump no row has the number it was written under.
        true, restored = new_id(), new_id()
        await desk.rows("with now as (select pg_current_xact_id()) select $1::uuid from now")
        await desk.rows(insert.format("pg_current_xact_id()"), true)
        await desk.rows(
            "with gone as (delete from carecircle.audit_opening) insert into carecircle.audit_opening"
            " select pg_current_xact_id() where $1::uuid is not null"
        )
        await desk.seal()
        assert (await said_of(desk))[true] == ""
        await desk.rows(insert.format("pg_current_xact_id()"), restored)
        await desk.rows(
            "update carecircle.audit_opening set xid = (pg_current_xact_id()::text::bigint + 50)::text::xid8"
            " where $1::uuid is not null"
        )
        await desk.seal()
        assert (await said_of(desk))[restored] == ""

    alone(body)


def test_every_checkpoint_says_the_size_of_the_one_before_it(alone: Callable[[Body], None]) -> None:
    async def body(desk: Desk) -> None:
        for count in (1, 3, 2):
            await desk.write(count)
            await desk.seal()
        notes = [Checkpoint.parse(row["note"]) for row in await desk.heads()]
        assert [one.previous for one in notes] == [0, *[one.size for one in notes[:-1]]]
        assert len(notes) == 3

    alone(body)


def test_what_came_from_another_cluster_is_not_comparable_and_what_comes_after_it_is(
    alone: Callable[[Body], None],
) -> None:
    async def body(desk: Desk) -> None:
        await desk.write(3)
        await desk.seal()
        await desk.rows(
            "update carecircle.audit_checkpoints set system_id = 7, last_xid = '2000000000' where organization_id = $1"
        )
        await desk.write(2)
        assert await desk.seal() == 2
        await desk.write(1)
        assert await desk.seal() == 1
        await desk.write(1)
        assert await desk.seal() == 1
        systems = [row["system_id"] for row in await desk.heads()]
        [own] = await desk.rows("select system_identifier from pg_control_system() where $1::uuid is not null")
        assert systems == [7, 0, own[0], own[0]]
        assert [f"cluster {one} " in row["note"] for one, row in zip(systems, await desk.heads(), strict=True)][1:] == (
            [True] * 3
        )
        assert set((await said_of(desk)).values()) == {""}

    alone(body)


def test_only_what_was_written_is_counted(alone: Callable[[Body], None]) -> None:
    async def body(desk: Desk) -> None:
        provider, patient = await desk.hospital.provider(), await desk.hospital.patient()
        await desk.hospital.circle.access.check(provider, "read", patient)
        await desk.seal()
        before, already = found("altered-before-sealing"), found("sealed-already")
        # As after a restore elsewhere, when the cluster has come to the numbers that were restored.
        moved = "update carecircle.audit_events set xid = pg_current_xact_id() where organization_id = $1"
        await desk.rows(f"{moved} and kind = 'decision'")
        await desk.rows(
            "update carecircle.audit_events set detail = 'x' where organization_id = $1 and kind = 'decision'"
        )
        written = await desk.write()
        assert await desk.seal() == 1
        assert found("altered-before-sealing") == before
        assert found("sealed-already") == already + 1
        assert (await desk.leaves())[-1]["entry_id"] == written[0]

    alone(body)


def test_a_part_of_the_worker_that_fails_is_begun_again_and_the_other_goes_on(
    settings: Settings, migrated: Reach, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body() -> None:
        stop, begun, told = asyncio.Event(), list[str](), asyncio.Event()

        async def failing(_: Settings, __: Reach, *, stop: asyncio.Event) -> None:
            begun.append("sealing")
            if len(begun) < 3:
                raise OverflowError
            told.set()
            await stop.wait()

        async def going(_: Settings, __: Reach, *, stop: asyncio.Event) -> None:
            await stop.wait()
            begun.append("notices ended")

        async def refusing(_: Settings, __: Reach, *, stop: asyncio.Event) -> None:
            raise KeyUnavailable("set up wrongly")

        monkeypatch.setattr(worker, "PARTS", {"notices": going, "sealing": failing})
        running = asyncio.create_task(worker.run_worker(settings, migrated, stop=stop))
        await asyncio.wait_for(told.wait(), 10)
        assert not running.done()
        stop.set()
        await running
        assert begun == ["sealing"] * 3 + ["notices ended"]
        monkeypatch.setattr(worker, "PARTS", {"notices": going, "sealing": refusing})
        with pytest.raises(KeyUnavailable):
            await worker.run_worker(settings, migrated, stop=asyncio.Event(), only="sealing")
        # Beside the notifier it is tried again: no seal that cannot be made keeps anybody from hearing of an emergency.
        stop = asyncio.Event()
        beside = asyncio.create_task(worker.run_worker(settings, migrated, stop=stop))
        await asyncio.sleep(0.5)
        assert not beside.done()
        stop.set()
        await beside

    asyncio.run(body())
