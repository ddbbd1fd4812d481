"""Batches: full when many ask, fair between organizations, and nobody's fault costs a neighbour."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from carecircle import AccessDecision, Question
from carecircle.access.batch import Batcher, Queue, Waiting
from carecircle.access.decide import Decider, for_every_organization
from carecircle.database.crypto import Keyring
from carecircle.database.roles import open_connection
from carecircle.errors import AccessUnavailable, DatabaseUnavailable
from carecircle.identifiers import new_id
from tests.conftest import Hospital

Run = Callable[[Callable[[Hospital], Any]], Any]


def question(organization: UUID, **changes: Any) -> Question:
    known: dict[str, Any] = {
        "provider_id": new_id(),
        "patient_id": new_id(),
        "action": "read",
        "actor": "test",
    } | changes
    return Question(organization, **known)


def batcher(hospital: Hospital, **settings: Any) -> Batcher:
    async def connect() -> asyncpg.Connection:
        return await for_every_organization(await open_connection(hospital.circle.reach.dsn("decider")))

    return Batcher(connect, hospital.circle.keyring, **settings)


async def entries(hospital: Hospital) -> int:
    connection = await asyncpg.connect(hospital.circle.reach.dsn("auditor"))
    try:
        await connection.execute(f"set carecircle.organization_id = '{hospital.organization}'")
        return int(await connection.fetchval("select count(*) from carecircle.audit_events where kind = 'decision'"))
    finally:
        await connection.close()


@pytest.fixture
def sizes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many questions each statement carried."""
    seen: list[int] = []
    decide = Decider.decide

    async def counted(self: Decider, form: Any, questions: Any) -> list[AccessDecision]:
        seen.append(len(questions))
        return await decide(self, form, questions)

    monkeypatch.setattr(Decider, "decide", counted)
    return seen


def test_questions_that_arrive_together_leave_together(in_hospital: Run, sizes: list[int]) -> None:
    async def body(hospital: Hospital) -> None:
        asked = batcher(hospital, lanes=1, most=128)
        answers = await asyncio.gather(*(asked.ask(question(hospital.organization)) for _ in range(100)))
        await asked.close()
        assert len(answers) == 100
        assert await entries(hospital) == 100
        assert sizes == [100]

    in_hospital(body)


def test_answers_come_back_to_who_asked(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        asked = batcher(hospital, lanes=2, most=7)
        questions = [question(hospital.organization, action=f"action-{i}") for i in range(50)]
        answers = await asyncio.gather(*map(asked.ask, questions))
        await asked.close()
        assert [answer.question for answer in answers] == questions

    in_hospital(body)


def test_a_question_that_cannot_be_recorded_fails_alone(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        asked = batcher(hospital, lanes=1)
        questions = [question(hospital.organization) for _ in range(9)]
        for bad in ("nul \x00 byte", "lone surrogate \ud800"):
            spoilt = [*questions[:4], question(hospital.organization, action=bad), *questions[4:]]
            answers = await asyncio.gather(*map(asked.ask, spoilt), return_exceptions=True)
            assert isinstance(answers[4], AccessUnavailable)
            assert all(isinstance(answer, AccessDecision) for answer in [*answers[:4], *answers[5:]])
        await asked.close()
        assert await entries(hospital) == 18

    in_hospital(body)


def test_no_organization_takes_more_than_its_share_while_others_wait() -> None:
    async def body() -> None:
        queue, loop = Queue(), asyncio.get_running_loop()
        busy, quiet = new_id(), new_id()
        for organization in [busy] * 100 + [quiet] * 3:
            queue.put(Waiting(question(organization), loop.create_future()))
        first = queue.take(10)
        assert sum(waiting.question.organization_id == quiet for waiting in first) == 3
        assert len(first) == 10
        assert len(queue) == 93
        assert len(queue.take(1000)) == 93

    asyncio.run(body())


def test_a_cancelled_caller_costs_its_neighbours_nothing(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        asked = batcher(hospital, lanes=1, most=8)
        tasks = [asyncio.create_task(asked.ask(question(hospital.organization))) for _ in range(40)]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        await asked.close()
        assert all(isinstance(answer, asyncio.CancelledError) for answer in answers[::2])
        assert all(isinstance(answer, AccessDecision) for answer in answers[1::2])

    in_hospital(body)


def test_a_lane_that_empties_loses_nobody(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        asked = batcher(hospital, lanes=1, most=4)

        async def trickle(pause: float) -> None:
            for _ in range(25):
                await asyncio.wait_for(asked.ask(question(hospital.organization)), 10)
                await asyncio.sleep(pause)

        await asyncio.gather(*(trickle(pause) for pause in (0, 0, 0.0005, 0.001, 0.0015, 0.002)))
        await asked.close()
        assert await entries(hospital) == 150

    in_hospital(body)


def test_no_database_no_answer_and_none_kept_waiting(home: Path) -> None:
    async def body() -> None:
        async def connect() -> asyncpg.Connection:
            return await open_connection("postgresql://nobody@127.0.0.1:1/none")

        asked = Batcher(connect, Keyring.open(home), lanes=1)
        answers = await asyncio.gather(*(asked.ask(question(new_id())) for _ in range(5)), return_exceptions=True)
        assert all(isinstance(answer, DatabaseUnavailable) for answer in answers)
        await asked.close()

    asyncio.run(body())


def test_a_lane_whose_connection_dies_refuses_its_batch_and_serves_the_next(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        asked = batcher(hospital, lanes=1)
        await asked.ask(question(hospital.organization))
        admin = await asyncpg.connect(
            hospital.circle.reach.admin.set(drivername="postgresql").render_as_string(hide_password=False)
        )
        await admin.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'carecircle_decider'"
        )
        await admin.close()
        outcomes = [
            await asyncio.gather(asked.ask(question(hospital.organization)), return_exceptions=True) for _ in range(3)
        ]
        assert isinstance(outcomes[-1][0], AccessDecision)
        assert all(isinstance(outcome, AccessDecision | AccessUnavailable) for [outcome] in outcomes)
        await asked.close()

    in_hospital(body)


def test_questions_about_other_instants_share_the_queue(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        asked = batcher(hospital, lanes=1)
        then = datetime(2020, 1, 1, tzinfo=UTC)
        answers = await asyncio.gather(
            asked.ask(question(hospital.organization)),
            asked.ask(question(hospital.organization, as_of=then)),
            asked.ask(question(hospital.organization, as_of=then, believed_at=then)),
            asked.ask(question(hospital.organization, believed_at=then)),
        )
        assert answers[1].as_of == answers[2].as_of == then
        assert answers[0].as_of > then
        assert answers[3].as_of > then
        await asked.close()

    in_hospital(body)
