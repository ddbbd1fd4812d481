"""Who would wait too long is refused at once, without an entry; who is let in is answered in bounded time, in fair shares."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import httpx
import pytest
from sqlalchemy.engine import make_url

from carecircle import Actor
from carecircle.access.batch import Batcher, Queue, Waiting
from carecircle.access.decide import for_every_organization
from carecircle.access.pace import Pace
from carecircle.api.tokens import mint
from carecircle.database.reach import dsn
from carecircle.database.roles import open_connection
from carecircle.errors.service import TooBusy
from carecircle.identifiers import new_id
from tests.access.test_batch import entries
from tests.access.test_batch import question as question_of
from tests.api.test_hot_route import Plain, listening
from tests.api.test_service import question
from tests.conftest import Hospital

Run = Callable[[Callable[[Hospital], Any]], Any]


@asynccontextmanager
async def far_away(address: str, seconds: float) -> AsyncIterator[str]:
    """The same database over a line on which everything it says takes so long; the address to use."""
    there = make_url(address)
    socket_folder = there.query.get("host")

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, wait: float) -> None:
        while data := await reader.read(65536):
            await asyncio.sleep(wait)
            writer.write(data)
        writer.close()

    async def join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if socket_folder:
            path = f"{socket_folder}/.s.PGSQL.{there.query.get('port') or there.port or 5432}"
            to = await asyncio.open_unix_connection(path)
        else:
            to = await asyncio.open_connection(there.host, there.port)
        await asyncio.gather(carry(reader, to[1], 0), carry(to[0], writer, seconds), return_exceptions=True)

    line = await asyncio.start_server(join, "127.0.0.1", 0)
    query = {key: said for key, said in there.query.items() if key not in ("host", "port")}
    port = line.sockets[0].getsockname()[1]
    try:
        yield there.set(host="127.0.0.1", port=port, query=query).render_as_string(hide_password=False)
    finally:
        line.close()


def test_a_slow_database_keeps_few_waiting_and_refuses_the_rest(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        loop = asyncio.get_running_loop()
        async with far_away(hospital.circle.reach.dsn("decider"), 0.05) as address:

            async def connect() -> asyncpg.Connection:
                return await for_every_organization(await open_connection(address))

            asked = Batcher(connect, hospital.circle.keyring, lanes=1, most=8)
            await asked.ask(question_of(hospital.organization))
            asked.bound(most_waiting=1000, longest_wait=0.3)
            waits: list[float] = []
            refusals: list[float] = []
            hints: list[int] = []

            async def ask() -> None:
                began = loop.time()
                try:
                    await asked.ask(question_of(hospital.organization))
                    waits.append(loop.time() - began)
                except TooBusy as error:
                    refusals.append(loop.time() - began)
                    hints.append(error.facts["retry_after"])

            tasks = []
            for _ in range(60):  # about 600/s for a second, of a database that answers some 150
                tasks += [loop.create_task(ask()) for _ in range(10)]
                await asyncio.sleep(0.016)
            await asyncio.gather(*tasks)
            unbounded = Batcher(connect, hospital.circle.keyring, lanes=1, most=8)
            began = loop.time()
            await asyncio.gather(*(unbounded.ask(question_of(hospital.organization)) for _ in range(100)))
            without = loop.time() - began
            await asyncio.gather(asked.close(), unbounded.close())
        assert len(refusals) > 100
        assert min(hints) >= 1
        assert len(waits) > 60
        assert max(waits) < 0.3 + 3 * 0.1 + 0.2, "a few batches more than the longest wait, at most"
        assert sorted(refusals)[len(refusals) // 2] < 0.05
        assert without > 0.6, "the control: who is not bounded waits for all before them"
        assert await entries(hospital) == len(waits) + 1 + 100

    in_hospital(body)


@pytest.mark.parametrize("hot", [True, False], ids=["hot", "ordinary"])
def test_a_database_that_stands_still_has_503_for_newcomers_and_answers_for_who_waited(
    in_hospital: Run, hot: bool
) -> None:
    async def body(hospital: Hospital) -> None:
        circle = hospital.circle
        token = mint(circle.keyring, organization_id=hospital.organization, actor=Actor.service("t"), hours=1)
        asked = json.dumps(question(new_id(), new_id()))
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        limits = httpx.Limits(max_connections=100)
        async with listening(hospital) if hot else listening(hospital, Plain) as (port, service, _):
            service._circle.access.bound(most_waiting=5, longest_wait=0.2)
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers, limits=limits) as client:

                async def ask() -> httpx.Response:
                    return await client.post("/access/v1/evaluation", content=asked)

                assert (await ask()).status_code == 200
                superuser = await asyncpg.connect(dsn(circle.reach.admin))
                try:
                    async with superuser.transaction():
                        await superuser.execute("lock table carecircle.audit_events in access exclusive mode")
                        first = [asyncio.create_task(ask()) for _ in range(20)]
                        await asyncio.sleep(0.4)
                        late = await asyncio.gather(*(ask() for _ in range(10)))
                finally:
                    await superuser.close()
                waited = await asyncio.gather(*first)
                assert (await ask()).status_code == 200
        assert {one.status_code for one in late} == {503}
        assert {one.json()["code"] for one in late} == {"too-busy"}
        assert all(int(one.headers["retry-after"]) >= 1 for one in late)
        answered = [one for one in waited if one.status_code == 200]
        assert {one.status_code for one in waited} == {200, 503}
        assert await entries(hospital) == len(answered) + 2

    in_hospital(body)


def test_an_organization_with_less_than_its_share_takes_a_place_from_the_one_with_most() -> None:
    async def whole() -> None:
        queue, loop = Queue(), asyncio.get_running_loop()
        greedy, modest = new_id(), new_id()
        for _ in range(10):
            queue.put(Waiting(question_of(greedy), loop.create_future()))
        assert queue.give_way(greedy, 10) is None
        for number in range(5):
            leaves = queue.give_way(modest, 10)
            assert leaves is not None, number
            assert leaves.question.organization_id == greedy
            queue.put(Waiting(question_of(modest), loop.create_future()))
        assert queue.give_way(modest, 10) is None, "they share equally now"
        assert len(queue) == 10
        assert queue.give_way(new_id(), 10) is not None
        assert Queue().give_way(modest, 0) is None

    asyncio.run(whole())


def test_the_room_follows_the_pace() -> None:
    pace = Pace(lanes=1, most=10)
    pace.bound(most_waiting=1000, longest_wait=1.0)
    assert pace.room() == 1000
    pace._each = 0.01
    assert pace.room() == 100
    assert pace.retry_after(250) == 3
    pace._each = 1.0
    assert pace.room() == 10, "a batch may always wait, or nobody would notice that it went faster again"
    pace._left[1] = -10.0
    assert pace.room() == 0


def test_a_batch_that_is_one_too_many_leaves_no_question_behind(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        token = mint(hospital.circle.keyring, organization_id=hospital.organization, actor=Actor.service("t"), hours=1)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

        async def ask(client: httpx.AsyncClient, many: int) -> int:
            asked = {"evaluations": [question(new_id(), new_id()) for _ in range(many)]}
            return (await client.post("/access/v1/evaluations", json=asked, headers=headers)).status_code

        async with listening(hospital) as (port, service, _):
            service._circle.access.bound(most_waiting=10, longest_wait=5)
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
                assert await ask(client, 12) == 503
                assert await ask(client, 8) == 200
        assert await entries(hospital) == 8

    in_hospital(body)
