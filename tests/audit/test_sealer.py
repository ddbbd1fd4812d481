"""What the sealer makes of entries: one leaf each, in order, as they are or with what is wrong; and of a database that changed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from proofs.audit_sealing import naive_root, write_entries
from structlog.testing import capture_logs

from carecircle import Settings
from carecircle.actor import Actor, acting_as
from carecircle.audit.canonical import LINE, UTC_SESSION
from carecircle.audit.entry import Entry, append
from carecircle.audit.metrics import REGISTRY
from carecircle.audit.sealing import run_sealer, seal_once
from carecircle.audit.sealing_key import SealingKey, rotate_sealing_key
from carecircle.audit.verify import ALTERED, EMPTY_ROOT, UNMARKED, Checkpoint, VerifyKey, leaf_hash
from carecircle.database.crypto import keyring
from carecircle.database.embedded import EmbeddedServer
from carecircle.database.reach import Reach, dsn
from carecircle.errors import KeyUnavailable
from carecircle.identifiers import new_id, to_text
from tests.audit.trail import administer, database_apart, hospital_in
from tests.conftest import Hospital

ACTOR = Actor("test")
Trail = Callable[[Callable[["Desk"], Awaitable[None]]], None]


class Desk:
    """A hospital of a test's own, and the sealer's work on its database."""

    def __init__(self, hospital: Hospital, settings: Settings) -> None:
        self.hospital = hospital
        self.organization = hospital.organization
        self.at = hospital.circle.reach
        self.settings = settings

    async def write(self, count: int = 1) -> list[UUID]:
        """Entries in one transaction, as the application appends them."""
        entries = [Entry(self.organization, "change", ACTOR, "written", detail={"n": n}) for n in range(count)]
        async with self.hospital.change() as db:
            await append(db, *entries)
        return [entry.id for entry in entries]

    async def seal(self, **more: Any) -> int:
        return await seal_once(self.settings.model_copy(update=more), self.at)

    async def rows(self, query: str, *values: Any) -> list[Any]:
        """As the administrator; $1 is the organization."""
        connection = await asyncpg.connect(dsn(self.at.admin))
        try:
            await connection.execute(UTC_SESSION)
            await connection.execute(
                "select set_config('carecircle.organization_id', $1, false)", str(self.organization)
            )
            return list(await connection.fetch(query, self.organization, *values))
        finally:
            await connection.close()

    async def leaves(self) -> list[Any]:
        return await self.rows(
            f"select l.*, e.code, e.xid::text::bigint as xid, {LINE} as line from carecircle.audit_leaves l"
            " left join carecircle.audit_events e on (e.organization_id, e.id, e.recorded_at)"
            " = (l.organization_id, l.entry_id, l.recorded_at) where l.organization_id = $1 order by l.epoch, l.leaf_index"
        )

    async def heads(self) -> list[Any]:
        return await self.rows(
            "select * from carecircle.audit_checkpoints where organization_id = $1 order by epoch, tree_size"
        )

    async def plain(self, epoch: int = 1) -> list[UUID]:
        """The entries of an epoch, sealed densely and as they are, under the newest signed root."""
        leaves = [row for row in await self.leaves() if row["epoch"] == epoch]
        head = [row for row in await self.heads() if row["epoch"] == epoch][-1]
        assert [row["leaf_index"] for row in leaves] == list(range(head["tree_size"]))
        assert naive_root([row["leaf_hash"] for row in leaves]) == head["root_hash"]
        note = Checkpoint.parse(head["note"])
        assert SealingKey.open(self.settings.home).signed(note)
        assert (*note.log, note.size, note.root) == (str(self.organization), epoch, len(leaves), head["root_hash"])
        assert [row["leaf_hash"] for row in leaves] == [leaf_hash(row["line"].encode()) for row in leaves]
        return [row["entry_id"] for row in leaves]


@pytest.fixture(scope="module")
def apart(server: EmbeddedServer, home: Path, migrated: Reach) -> Iterator[Reach]:
    with database_apart(server, home, migrated) as at:
        yield at


@pytest.fixture
def trail(apart: Reach, settings: Settings) -> Trail:
    def run(body: Callable[[Desk], Awaitable[None]]) -> None:
        async def whole() -> None:
            async with hospital_in(apart, settings) as hospital:
                with acting_as(organization=hospital.organization, actor=ACTOR):
                    await body(Desk(hospital, settings))

        asyncio.run(whole())

    return run


def found(finding: str) -> float:
    return REGISTRY.get_sample_value("carecircle_audit_sealing_findings_total", {"finding": finding}) or 0.0


def test_changes_decisions_and_refusals_are_sealed_as_they_are(trail: Trail) -> None:
    async def body(desk: Desk) -> None:
        provider, patient = await desk.hospital.provider(), await desk.hospital.patient()
        answers = [await desk.hospital.circle.access.check(provider, "read", patient) for _ in range(3)]
        assert not any(one.allowed for one in answers)
        before = (found("unmarked"), found("altered-before-sealing"))
        assert await desk.seal() >= 6
        entries = await desk.rows("select id from carecircle.audit_events where organization_id = $1 order by xid, id")
        assert await desk.plain() == [row["id"] for row in entries]
        assert before == (found("unmarked"), found("altered-before-sealing"))
        assert await desk.seal() == 0
        assert len(await desk.heads()) == 1

    trail(body)


def test_another_sealer_goes_on_where_the_first_was_across_complete_subtrees(trail: Trail) -> None:
    async def body(desk: Desk) -> None:
        written = []
        for count in (1, 254, 1, 1, 300, 60, 0, 150):
            written += sorted(await desk.write(count))
            await desk.seal()
        assert [one for one in await desk.plain() if one in set(written)] == written
        nodes = await desk.rows("select * from carecircle.audit_nodes where organization_id = $1 order by 3, 4")
        hashes = [row["leaf_hash"] for row in await desk.leaves()]
        assert len(nodes) == 3
        for row in nodes:
            start = row["node_index"] * 256
            assert row["node_hash"] == naive_root(hashes[start : start + 256])

    trail(body)


def test_what_comes_after_a_transaction_that_still_runs_waits_for_it(trail: Trail) -> None:
    async def body(desk: Desk) -> None:
        connection = await asyncpg.connect(desk.at.dsn("app"))
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("select set_config('carecircle.organization_id', $1, true)", str(desk.organization))
        early = [new_id()]
        await write_entries(connection, keyring(), desk.organization, early, "decision")
        late = await desk.write()
        await desk.seal()
        assert not {*early, *late} & set(await sealed(desk))
        assert (REGISTRY.get_sample_value("carecircle_audit_seal_lag_seconds") or 0) > 0
        await transaction.commit()
        await connection.close()
        await desk.seal()
        assert (await desk.plain())[-2:] == [*early, *late]

    async def sealed(desk: Desk) -> list[UUID]:
        return [row["entry_id"] for row in await desk.leaves()]

    trail(body)


def test_sealers_side_by_side_do_no_harm(trail: Trail) -> None:
    async def body(desk: Desk) -> None:
        stop = asyncio.Event()
        running = [asyncio.create_task(run_sealer(desk.settings, desk.at, stop=stop)) for _ in range(3)]
        written = []
        for _ in range(40):
            written += await desk.write(3)
            await asyncio.sleep(0.02)
        for _ in range(100):
            if len(await desk.leaves()) > len(written):
                break
            await asyncio.sleep(0.1)
        stop.set()
        await asyncio.gather(*running)
        assert set(written) <= set(await desk.plain())

    trail(body)


def test_what_was_changed_or_written_by_others_before_it_was_sealed_is_told_for_ever(trail: Trail) -> None:
    async def body(desk: Desk) -> None:
        provider, patient = await desk.hospital.provider(), await desk.hospital.patient()
        for _ in range(2):
            await desk.hospital.circle.access.check(provider, "read", patient)
        change, spared = await desk.write(2)
        before = (found("unmarked"), found("altered-before-sealing"))
        [(decision,)] = await desk.rows(
            "update carecircle.audit_events set allowed = true where organization_id = $1 and kind = 'decision' and id ="
            " (select max(id::text)::uuid from carecircle.audit_events where organization_id = $1 and kind = 'decision')"
            " returning id"
        )
        await desk.rows("update carecircle.audit_events set code = 'x' where organization_id = $1 and id = $2", change)
        planted = new_id()
        await desk.rows(
            "insert into carecircle.audit_events (organization_id, id, kind, actor, code) values ($1, $2, 'decision', 'x', 'x')",
            planted,
        )
        await desk.seal()
        said = {}
        for row in await desk.leaves():
            line = row["line"].encode()
            kinds = {leaf_hash(line): "", leaf_hash(UNMARKED + line): "unmarked", leaf_hash(ALTERED + line): "altered"}
            said[row["entry_id"]] = kinds[row["leaf_hash"]]
        assert {one for one, what in said.items() if what} == {decision, change, planted}
        assert (said[decision], said[change], said[planted]) == ("altered", "unmarked", "unmarked")
        assert said[spared] == ""
        assert (found("unmarked"), found("altered-before-sealing")) == (before[0] + 2, before[1] + 1)

    trail(body)


def test_a_second_row_under_the_id_of_a_sealed_one_gets_no_leaf_and_stops_nobody(trail: Trail) -> None:
    async def body(desk: Desk) -> None:
        [twin] = await desk.write()
        await desk.seal()
        plant = (
            "insert into carecircle.audit_events (organization_id, id, kind, actor, code) values ($1, $2, 'x', 'x', $3)"
        )
        await desk.rows(plant, twin, "twin")
        other = new_id()
        for code in ("first", "second"):
            await desk.rows(plant, other, code)
        later = await desk.write()
        await desk.seal()
        leaves = await desk.leaves()
        assert [row["entry_id"] for row in leaves][-3:] == [twin, other, *later]
        assert [row["code"] for row in leaves][-3:] == ["written", "first", "written"]
        assert await desk.seal() == 0

    trail(body)


def test_an_entry_that_appears_behind_the_cursor_is_left_as_evidence_and_counted(trail: Trail) -> None:
    async def body(desk: Desk) -> None:
        await desk.write()
        await desk.seal()
        await desk.rows(
            "insert into carecircle.audit_events (organization_id, id, kind, actor, code, xid)"
            " values ($1, $2, 'decision', 'x', 'x', (select xid from carecircle.audit_opening))",
            planted := new_id(),
        )
        stop, own = asyncio.Event(), to_text(desk.organization)
        with capture_logs() as log:
            task = asyncio.create_task(run_sealer(desk.settings, desk.at, stop=stop))
            for _ in range(100):
                await asyncio.sleep(0.05)
                if told := [one for one in log if one["event"].startswith("entries appeared behind")]:
                    break
            stop.set()
            await task
        assert [(one["entries"], one["first"]) for one in told if one["organization_id"] == own] == [
            (1, to_text(planted))
        ]
        assert found("behind") >= 1
        assert planted not in await desk.plain()

    trail(body)


def test_in_another_cluster_what_has_no_leaf_is_sealed_and_then_as_ever(trail: Trail) -> None:
    async def body(desk: Desk) -> None:
        await desk.write(5)
        await desk.seal()
        # As a dump restored elsewhere: the numbers of the transactions are those of the cluster it came from.
        await desk.rows(
            "update carecircle.audit_events set xid = (xid::text::bigint + 1000000000)::text::xid8 where organization_id = $1"
        )
        await desk.rows(
            "update carecircle.audit_checkpoints set system_id = 7, last_xid = '2000000000' where organization_id = $1"
        )
        left = await desk.write(2)
        await desk.rows(
            "update carecircle.audit_events set xid = '1000000007' where organization_id = $1 and id = any ($2::uuid[])",
            left,
        )
        new = await desk.write(2)
        before = found("altered-before-sealing")
        assert await desk.seal() == 4
        assert await desk.seal() == 0
        newer = await desk.write(2)
        assert await desk.seal() == 2
        ids = [row["entry_id"] for row in await desk.leaves()]
        assert len(ids) == len(set(ids))
        assert set(ids[-6:-2]) == {*left, *new}
        assert set(ids[-2:]) == set(newer)
        assert found("altered-before-sealing") == before
        assert {row["epoch"] for row in await desk.heads()} == {1}

    trail(body)


def test_with_nothing_left_behind_another_cluster_seals_what_is_new(trail: Trail) -> None:
    async def body(desk: Desk) -> None:
        await desk.write(3)
        await desk.seal()
        await desk.rows(
            "update carecircle.audit_checkpoints set system_id = 7, last_xid = '2000000000' where organization_id = $1"
        )
        stop = asyncio.Event()
        task = asyncio.create_task(run_sealer(desk.settings, desk.at, stop=stop))
        await asyncio.sleep(0.5)
        written = await desk.write(3)
        for _ in range(50):
            await asyncio.sleep(0.1)
            if {row["entry_id"] for row in await desk.leaves()} >= set(written):
                break
        stop.set()
        await task
        assert set((await desk.plain())[-3:]) == set(written)

    trail(body)


LOSE = (
    "delete from carecircle.audit_leaves where organization_id = '{0}' and leaf_index >= {1}",
    "delete from carecircle.audit_checkpoints where organization_id = '{0}' and tree_size > {1}",
)


@pytest.mark.parametrize("witness", ["", "off"])
def test_after_a_loss_that_a_witness_saw_a_new_epoch_begins_and_says_where_the_old_one_ended(
    trail: Trail, witness: str
) -> None:
    async def body(desk: Desk) -> None:
        first = await desk.write(4)
        await desk.seal(witness_file=witness or None)
        kept = (await desk.heads())[-1]["tree_size"]
        lost = await desk.write(3)
        await desk.seal(witness_file=witness or None)
        end = (await desk.heads())[-1]
        await administer(desk.at, *(one.format(desk.organization, kept) for one in LOSE))
        before = found("epoch-began")
        survived = await desk.write(2)
        await desk.seal(witness_file=witness or None)
        if witness:  # nobody outside saw it: it is as if it had not been
            assert set((await desk.plain())[-5:]) == {*lost, *survived}
            return
        assert found("epoch-began") == before + 1
        assert set(first) <= set(await desk.plain(epoch=1))
        assert set(await desk.plain(epoch=2)) == {*lost, *survived}
        opened = [row for row in await desk.heads() if row["epoch"] == 2]
        assert (opened[0]["tree_size"], opened[0]["root_hash"]) == (0, EMPTY_ROOT)
        await desk.write()
        await desk.seal()
        for row in [row for row in await desk.heads() if row["epoch"] == 2]:
            assert Checkpoint.parse(row["note"]).after == (end["tree_size"], end["root_hash"])
        assert found("epoch-began") == before + 1

    trail(body)


@pytest.mark.parametrize(
    "spoil",
    [
        "update carecircle.audit_checkpoints set note = replace(note, 'time 2', 'time 3') where organization_id = '{0}'",
        "update carecircle.audit_leaves set leaf_hash = sha256('x') where organization_id = '{0}' and leaf_index = 1",
        "delete from carecircle.audit_leaves where organization_id = '{0}' and leaf_index = 0",
        "insert into carecircle.audit_leaves select organization_id, 1, max(leaf_index) + 1, gen_random_uuid(), now(), sha256('')"
        " from carecircle.audit_leaves where organization_id = '{0}' group by 1",
    ],
)
def test_a_tree_that_is_not_the_one_that_was_signed_is_not_signed_again(trail: Trail, spoil: str) -> None:
    async def body(desk: Desk) -> None:
        await desk.write(3)
        await desk.seal()
        await administer(desk.at, spoil.format(desk.organization))
        before = found("epoch-began")
        written = await desk.write(2)
        async with hospital_in(desk.at, desk.settings) as other:
            await desk.seal()
            assert await Desk(other, desk.settings).leaves()
        assert found("epoch-began") == before + 1
        assert set(written) <= set(await desk.plain(epoch=2))

    trail(body)


def test_without_the_keys_of_the_application_nothing_is_sealed(
    trail: Trail, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body(desk: Desk) -> None:
        written = await desk.write(3)
        with monkeypatch.context() as elsewhere:
            elsewhere.setenv("CARECIRCLE_HOME", str(tmp_path))
            with pytest.raises(KeyUnavailable, match="CARECIRCLE_KEYS"):
                await desk.seal()
        assert await desk.leaves() == []
        await desk.seal()
        assert set(written) <= set(await desk.plain())

    trail(body)


def test_a_running_sealer_notices_that_the_key_was_replaced(trail: Trail) -> None:
    async def body(desk: Desk) -> None:
        stop = asyncio.Event()
        task = asyncio.create_task(run_sealer(desk.settings, desk.at, stop=stop))

        async def signed_by(vkey: str) -> bool:
            await desk.write()
            for _ in range(60):
                await asyncio.sleep(0.05)
                heads = await desk.heads()
                if heads and VerifyKey.parse(vkey).verifies(Checkpoint.parse(heads[-1]["note"])):
                    return True
            return False

        assert await signed_by(SealingKey.open(desk.settings.home).vkeys()[0])
        assert await signed_by(rotate_sealing_key(desk.settings.home).vkeys()[0])
        stop.set()
        await task
        await desk.plain()

    trail(body)
