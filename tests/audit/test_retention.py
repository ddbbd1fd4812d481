"""Retiring a month: what it leaves behind, what it refuses, and that nothing is lost when it is killed or tampered with."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import text

from carecircle import Settings
from carecircle.actor import Actor
from carecircle.audit.entry import Entry, append
from carecircle.audit.holds_service import Hold, lift_hold, place_hold
from carecircle.audit.online_service import verify_online
from carecircle.audit.retention_service import Retirement, file_name, retire, retirements
from carecircle.audit.sealing_key import SealingKey
from carecircle.audit.verify import VerifyKey
from carecircle.database.embedded import EmbeddedServer
from carecircle.database.reach import Reach, dsn
from carecircle.database.session import open_engine, transaction
from carecircle.directory.policy_service import policy_at, set_policy
from carecircle.errors import CareCircleError, InvalidRequest
from carecircle.errors.proof import MonthNotKept, MonthNotSealed, MonthNotVerified, MonthOnHold, MonthTooYoung
from carecircle.staffing.merge_service import merge_patients
from tests.audit.trail import administer, database_apart, hospital_in, make_month, seal, write_entries
from tests.conftest import Hospital

OLD = date(2015, 3, 1)
PARTITION = "carecircle.audit_events_2015_03"
ACTOR = Actor("operator:test")


@pytest.fixture
def apart(server: EmbeddedServer, home: Path, migrated: Reach) -> Iterator[Reach]:
    with database_apart(server, home, migrated) as at:
        yield at


async def years_of(session: Any, organization: Any, at: datetime) -> int:
    return (await policy_at(session, organization, at)).audit_retention_years


def vkeys(home: Path) -> tuple[VerifyKey, ...]:
    return tuple(map(VerifyKey.parse, SealingKey.open(home).vkeys()))


async def retired(at: Reach, to: Path, month: date = OLD, **said: Any) -> list[Retirement]:
    keys = vkeys(Path(os.environ["CARECIRCLE_HOME"]))
    return await retire(at, month, to=to, **{"years_of": years_of, "actor": ACTOR, "keys": keys, **said})


async def value(at: Reach, query: str, *asked: Any) -> Any:
    connection = await asyncpg.connect(dsn(at.admin))
    try:
        return await connection.fetchval(query, *asked)
    finally:
        await connection.close()


async def counted(at: Reach, organization: UUID) -> tuple[int, int]:
    """How many entries of the month there are, and how many leaves."""
    entries = await value(
        at,
        "select count(*) from carecircle.audit_events where organization_id = $1 and recorded_at < '2016-01-01'",
        organization,
    )
    leaves = await value(at, "select count(*) from carecircle.audit_leaves where organization_id = $1", organization)
    return entries, leaves


def told(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_bytes().splitlines()]


def test_a_month_leaves_a_file_for_every_organization(
    apart: Reach, settings: Settings, home: Path, tmp_path: Path
) -> None:
    async def body() -> None:
        await make_month(apart, OLD)
        async with hospital_in(apart, settings) as one, hospital_in(apart, settings) as other:
            ids = await write_entries(apart, one.organization, OLD, 5)
            await write_entries(apart, other.organization, OLD, 2)
            sizes = {each.slug: await seal(apart, home, each.organization) for each in (one, other)}
            rehearsed = await retired(apart, tmp_path, rehearsal=True)
            assert await counted(apart, one.organization) == (5, sizes[one.slug])
            done = await retired(apart, tmp_path)
            assert [(row.entries, row.sha256) for row in done] == [(row.entries, row.sha256) for row in rehearsed]
            for each, count in ((one, 5), (other, 2)):
                [row] = [row for row in done if row.organization_id == each.organization]
                file = tmp_path / row.file_name
                assert (row.entries, row.sha256) == (count, sha256(file.read_bytes()).digest())
                assert file.stat().st_mode & 0o777 == 0o600
                assert await counted(apart, each.organization) == (0, sizes[each.slug])
                async with transaction(each.circle.auditor, each.organization) as db:
                    assert await retirements(db, each.organization) == [row]
                    [entry] = await db.execute(
                        text("select kind, code, actor, detail from carecircle.audit_events where id = :id"),
                        {"id": row.entry_id},
                    )
                found = await verify_online(each.circle.auditor, vkeys(home), organization=each.organization)
                assert [one.code for one in found.verdict.findings] in ([], ["sealed-late"])
                assert found.verdict.retired == count
                assert tuple(entry[:3]) == ("change", "month-retired", "operator:test")
                assert json.loads(entry[3]) == {
                    "entries": count, "findings": 0, "month": "2015-03", "sha256": row.sha256.hex()
                }  # fmt: skip
            lines = told(tmp_path / file_name(one.organization, OLD))
            held = [line for line in lines if "leaf" in line]
            assert [UUID(line["entry"]["id"]) for line in held if "entry" in line] == sorted(ids)
            assert {line["retired"] for line in held if "retired" in line} == {f"{datetime.now(UTC):%Y-%m}"}
            assert (lines[0]["organization"], "checkpoint" in lines[-2]) == (str(one.organization), True)
            assert lines[-1] == {"end": {"leaves": sizes[one.slug], "checkpoints": 1, "unsealed": 0}}
        assert await value(apart, f"select to_regclass('{PARTITION}')") is None
        again = await retired(apart, tmp_path)
        assert sorted(again, key=lambda row: row.organization_id) == done
        with pytest.raises(MonthNotKept):
            await retired(apart, tmp_path, date(2015, 4, 1))

    asyncio.run(body())


async def refused(at: Reach, to: Path, error: type[CareCircleError], **said: Any) -> str:
    """Retiring is refused, and the month is where it was."""
    with pytest.raises(error) as caught:
        await retired(at, to, **said)
    assert await value(at, "select relispartition from pg_class where oid = to_regclass($1)", PARTITION) is True
    assert await value(at, "select count(*) from carecircle.audit_retirements") == 0
    return caught.value.message


def in_old_month(
    apart: Reach, settings: Settings, home: Path, body: Callable[[Hospital, list[UUID]], Any], **said: Any
) -> None:
    """Run a body in a hospital with three sealed entries of the old month."""

    async def whole() -> None:
        await make_month(apart, OLD)
        async with hospital_in(apart, settings) as hospital:
            ids = await write_entries(apart, hospital.organization, OLD, 3, **said)
            await seal(apart, home, hospital.organization)
            await body(hospital, ids)

    asyncio.run(whole())


def test_no_month_is_retired_before_every_policy_lets_it_go(
    apart: Reach, settings: Settings, home: Path, tmp_path: Path
) -> None:
    async def body(hospital: Hospital, _: list[UUID]) -> None:
        async with hospital_in(apart, settings) as other:

            async def keep(years: int) -> None:
                async with other.change() as db:
                    document = {"audit_retention_years": years}
                    await set_policy(db, document=document, organization=other.organization, actor="test")

            await keep(100)
            assert "for 100 years, until 2115-04-01T00:00:00Z" in await refused(apart, tmp_path, MonthTooYoung)
            await keep(7)
        young = date(datetime.now(UTC).year - 5, 3, 1)
        await make_month(apart, young)
        await write_entries(apart, hospital.organization, young, 1)
        await seal(apart, home, hospital.organization)
        await refused(apart, tmp_path, MonthTooYoung, month=young)
        assert len(await retired(apart, tmp_path)) == 1

    in_old_month(apart, settings, home, body)


def test_a_hold_of_any_organization_keeps_what_it_is_about(
    apart: Reach, settings: Settings, home: Path, tmp_path: Path
) -> None:
    async def held(hospital: Hospital, patient: UUID | None) -> None:
        async with hospital.change() as db:
            who: Any = {"organization": hospital.organization, "actor": "test"}
            hold = await place_hold(db, reason="Claim", patient_id=patient, **who)
        await refused(apart, tmp_path, MonthOnHold)
        async with hospital.change() as db:
            await lift_hold(db, hold_id=hold.id, **who)

    async def body(hospital: Hospital, _: list[UUID]) -> None:
        async with hospital_in(apart, settings) as other:
            patient, former, nobody = [await other.patient(name) for name in ("N-1", "N-2", "N-3")]
            await write_entries(apart, other.organization, OLD, 1, patient_id=former)
            await seal(apart, home, other.organization)
            async with other.change() as db:
                await merge_patients(db, patient=former, into=patient, organization=other.organization, actor="test")
                # Neither is in the month: another patient of it, and an organization that has no entry then.
                await place_hold(db, reason="Claim", patient_id=nobody, organization=other.organization, actor="test")
            await held(hospital, None)
            await held(other, former)
            await held(other, patient)
            async with hospital_in(apart, settings) as third, third.change() as db:
                await place_hold(db, reason="Claim", organization=third.organization, actor="test")
            assert len(await retired(apart, tmp_path)) == 2

    in_old_month(apart, settings, home, body)


TAMPERS = {
    "altered": "update carecircle.audit_events set code = 'other' where id = '{0}'",
    "deleted": "delete from carecircle.audit_events where id = '{0}'",
    "its instant": "update carecircle.audit_events set recorded_at = recorded_at + interval '1 day' where id = '{0}'",
    "its leaf": "update carecircle.audit_leaves set leaf_hash = sha256('x') where entry_id = '{0}'",
    "another leaf": "update carecircle.audit_leaves set leaf_hash = sha256('x') where leaf_index = 0",
    "a leaf gone": "delete from carecircle.audit_leaves where leaf_index = 0",
}


@pytest.mark.parametrize("tamper", TAMPERS)
def test_what_is_not_what_was_sealed_is_not_retired(
    apart: Reach, settings: Settings, home: Path, tmp_path: Path, tamper: str
) -> None:
    async def body(_: Hospital, ids: list[UUID]) -> None:
        await administer(apart, TAMPERS[tamper].format(ids[1]))
        await refused(apart, tmp_path, MonthNotVerified)

    in_old_month(apart, settings, home, body)


def test_only_what_is_sealed_marked_and_signed_by_a_known_key_is_retired(
    apart: Reach, settings: Settings, home: Path, tmp_path: Path
) -> None:
    async def body(hospital: Hospital, _: list[UUID]) -> None:
        later = await write_entries(apart, hospital.organization, OLD, 2)
        assert "2 entries of 2015-03 are not sealed" in await refused(apart, tmp_path, MonthNotSealed)
        await seal(apart, home, hospital.organization, unmarked=frozenset(later[:1]))
        assert "1 finding about entries of 2015-03; the first: unmarked" in await refused(
            apart, tmp_path, MonthNotVerified
        )
        strange = vkeys(tmp_path)
        message = await refused(apart, tmp_path, MonthNotVerified, with_findings=True, keys=strange)
        assert "No known key" in message
        with pytest.raises(InvalidRequest):
            await retired(apart, tmp_path / "nowhere")
        [row] = await retired(apart, tmp_path, with_findings=True, keys=(*strange, *vkeys(home)))
        assert row.entries == 5

    in_old_month(apart, settings, home, body)


def meanwhile(work: Coroutine[Any, Any, None]) -> None:
    """Do something else between two steps, and wait until it is done."""
    thread = Thread(target=asyncio.run, args=(work,))
    thread.start()
    thread.join()


def test_a_hold_placed_meanwhile_stops_it(apart: Reach, settings: Settings, home: Path, tmp_path: Path) -> None:
    async def body(hospital: Hospital, _: list[UUID]) -> None:
        placed: list[Hold] = []

        async def hold() -> None:
            engine = open_engine(apart, connections=1)
            async with transaction(engine, hospital.organization) as db:
                placed.append(await place_hold(db, reason="Claim", organization=hospital.organization, actor="test"))
            await engine.dispose()

        def recorded(step: str) -> None:
            if step.startswith("recorded"):
                meanwhile(hold())

        with pytest.raises(MonthOnHold):
            await retired(apart, tmp_path, told=recorded)
        assert (await counted(apart, hospital.organization))[0] == 3
        async with hospital.change() as db:
            await lift_hold(db, hold_id=placed[0].id, organization=hospital.organization, actor="test")
        assert len(await retired(apart, tmp_path)) == 1
        assert await value(apart, "select count(*) from carecircle.audit_retirements") == 1

    in_old_month(apart, settings, home, body)


def test_what_is_written_into_a_detached_month_is_not_dropped(
    apart: Reach, settings: Settings, home: Path, tmp_path: Path
) -> None:
    plant = (
        f"insert into {PARTITION} (organization_id, id, recorded_at, kind, actor, code, writer_turn)"
        " values (gen_random_uuid(), gen_random_uuid(), '2015-03-04', 'change', 'psql', 'planted', 1)"
    )

    async def body(_: Hospital, __: list[UUID]) -> None:
        def detached(step: str) -> None:
            if step == "detached":
                meanwhile(administer(apart, plant))

        with pytest.raises(MonthNotVerified, match="is not what was exported"):
            await retired(apart, tmp_path, told=detached)
        assert await value(apart, f"select count(*) from {PARTITION}") == 4
        with pytest.raises(MonthNotSealed):
            await retired(apart, tmp_path)
        await administer(apart, f"delete from {PARTITION} where actor = 'psql'")
        assert len(await retired(apart, tmp_path)) == 1

    in_old_month(apart, settings, home, body)


def test_it_waits_for_who_is_writing(apart: Reach, settings: Settings, home: Path, tmp_path: Path) -> None:
    async def body(hospital: Hospital, _: list[UUID]) -> None:
        begun, steps = asyncio.Event(), []

        async def write_slowly() -> None:
            async with hospital.change() as db:
                await append(db, Entry(hospital.organization, "change", ACTOR, "slow"))
                begun.set()
                await asyncio.sleep(1.5)
                steps.append("written")

        writing = asyncio.create_task(write_slowly())
        await begun.wait()
        assert len(await retired(apart, tmp_path, told=steps.append)) == 1
        await writing
        assert steps.index("written") < steps.index("detached")

    in_old_month(apart, settings, home, body)


def test_a_month_of_nobody_is_dropped(apart: Reach, tmp_path: Path) -> None:
    asyncio.run(make_month(apart, OLD))
    assert asyncio.run(retired(apart, tmp_path)) == []
    assert asyncio.run(value(apart, f"select to_regclass('{PARTITION}')")) is None


STEPS = ("checked", "exported", "verified", "recorded", "recorded", "detached", "compared again", "dropped")
KILLED = """
import asyncio, os, signal, sys
from datetime import date
from pathlib import Path
from sqlalchemy.engine import make_url
from carecircle.actor import Actor
from carecircle.audit.retention_service import retire
from carecircle.audit.sealing_key import SealingKey
from carecircle.audit.verify import VerifyKey
from carecircle.database.reach import Reach, role_passwords

def told(step):
    left[0] -= step.startswith(sys.argv[3])
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)

async def years_of(*_):
    return 6

left = [int(sys.argv[4])]
home = Path(os.environ["CARECIRCLE_HOME"])
asyncio.run(retire(
    Reach(make_url(sys.argv[1]), role_passwords(home)), date(2015, 3, 1), to=Path(sys.argv[2]), years_of=years_of,
    actor=Actor("operator:test"), keys=[VerifyKey.parse(one) for one in SealingKey.open(home).vkeys()], told=told,
))
"""


@pytest.mark.parametrize(("step", "time"), [(step, STEPS[: at + 1].count(step)) for at, step in enumerate(STEPS)])
def test_killed_at_any_step_it_goes_on(
    apart: Reach, settings: Settings, home: Path, tmp_path: Path, step: str, time: int
) -> None:
    async def body(hospital: Hospital, _: list[UUID]) -> None:
        async with hospital_in(apart, settings) as other:
            await write_entries(apart, other.organization, OLD, 2)
            size = await seal(apart, home, other.organization)
            address = apart.admin.render_as_string(hide_password=False)
            killed = await asyncio.create_subprocess_exec(
                sys.executable, "-c", KILLED, address, str(tmp_path), step, str(time)
            )
            assert await killed.wait() == -signal.SIGKILL
            # Whatever was killed: an entry is in the trail, in its detached table, or in a file whose hash is on record.
            if step not in ("detached", "compared again", "dropped"):
                assert await counted(apart, other.organization) == (2, size)
            else:
                assert await value(apart, "select count(*) from carecircle.audit_retirements") == 2
            done = await retired(apart, tmp_path)
            assert sorted(row.entries for row in done) == [2, 3]
            for row in done:
                assert sha256((tmp_path / row.file_name).read_bytes()).digest() == row.sha256
            assert await counted(apart, other.organization) == (0, size)
            assert await value(apart, "select count(*) from carecircle.audit_retirements") == 2
            assert await value(apart, "select count(*) from carecircle.audit_events where code = 'month-retired'") == 2
            assert await value(apart, f"select to_regclass('{PARTITION}')") is None

    in_old_month(apart, settings, home, body)
