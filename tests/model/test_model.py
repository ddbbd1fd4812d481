"""The real system means what the reference model says, and a bug in its SQL would be noticed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from carecircle import CareCircle, Settings, assemble
from carecircle.database.reach import Reach
from carecircle.database.roles import open_connection
from tests.model.families import drawn
from tests.model.histories import History
from tests.model.mutants import MUTANTS, Mutant, caught
from tests.model.questions import Played, interrogate
from tests.model.reference import FOREVER
from tests.model.reference_around import Model
from tests.model.reference_commands import Refused
from tests.model.replay import play, smallest

# No more than the engine has connections, so that none is waited for.
SIDE_BY_SIDE = 8
T = datetime(2026, 3, 1, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def ran(migrated: Reach, settings: Settings) -> list[Played]:
    """A few hundred histories, run on both sides with the same outcomes and the same rows, then questioned."""

    async def run() -> list[Played]:
        played: list[Played] = []
        # The machine may be busy with other tests; how long an answer takes is not in question here.
        async with assemble(settings.model_copy(update={"decision_timeout": 30}), migrated) as circle:
            histories = drawn(320, number=20260114)
            for start in range(0, len(histories), SIDE_BY_SIDE):
                played += await asyncio.gather(
                    *(_examined(circle, history) for history in histories[start : start + SIDE_BY_SIDE])
                )
        return played

    return asyncio.run(run())


async def _examined(circle: CareCircle, history: History) -> Played:
    try:
        played = await play(circle, history)
        await interrogate(circle.access, played)
    except Exception as found:
        least = await smallest(circle, circle.access, history)
        raise AssertionError(f"{history}\n{found}\nsmallest: {least[0] if least else 'not seen again'}") from found
    return played


def test_the_real_system_means_what_the_model_says(ran: list[Played]) -> None:
    rows = sum(len(played.model.rows) for played in ran)
    assert len(ran) == 320
    assert rows > 500, "histories without facts prove nothing"


# One bug for each way in which a fact can hold wrongly, on another table each; `python -m proofs.model` plants them all.
SAMPLE = [mutant for number, mutant in enumerate(MUTANTS) if number % 4 == 1]


@pytest.mark.parametrize("mutant", SAMPLE, ids=lambda mutant: mutant.name)
def test_a_planted_bug_is_caught(mutant: Mutant, ran: list[Played], migrated: Reach, settings: Settings) -> None:
    async def connect() -> asyncpg.Connection:
        return await open_connection(migrated.dsn("decider"))

    async def run() -> None:
        async with assemble(settings, migrated) as circle:
            assert await caught(circle, connect, mutant, ran) is not None

    asyncio.run(run())


def refusal(command: Callable[[], object]) -> str:
    with pytest.raises(Refused) as refused:
        command()
    return refused.value.code


def test_the_model_itself_reads_as_the_design_does() -> None:
    model = Model(patients=[0], providers=[0, 1])
    assert model.assign_primary(T, patient=0, provider=0)
    assert not model.assign_primary(T + HOUR, patient=0, provider=0)
    assert model.assign_primary(T + 2 * HOUR, patient=0, provider=1)
    at = T + 3 * HOUR
    kinds = {n: {basis.kind for basis in model.bases(n, 0, at, None)} for n in (0, 1)}
    assert kinds == {0: {"consulting"}, 1: {"primary"}}
    before = {basis.ends for basis in model.bases(0, 0, T + HOUR, believed_at=T + HOUR)}
    assert before == {FOREVER}, "an hour in, nobody knew that it would end"
    since = {basis.ends for basis in model.bases(0, 0, T + HOUR, believed_at=None)}
    assert since == {T + 2 * HOUR}
    assert model.check(0, "share", 0, T - HOUR, None).code == "no-relationship"
    assert model.check(0, "fly", 0, at, None).code == "unknown-action"
    assert refusal(lambda: model.add_assignment(at, 0, 0, "primary", at + HOUR)) == "primary-already-assigned"
    assert refusal(lambda: model.add_assignment(at, 7, 0, "consulting")) == "patient-not-registered"


def test_histories_are_drawn_again_from_their_number() -> None:
    assert drawn(20, number=5) == drawn(20, number=5) != drawn(20, number=6)
