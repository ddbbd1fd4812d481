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
from tests.model.mutants import MUTANTS, Mutant, caught, changed
from tests.model.questions import Played, interrogate
from tests.model.reference import FOREVER
from tests.model.reference_around import Model
from tests.model.reference_commands import Refused
from tests.model.replay import play, smallest

# No more than the engine keeps connections: one more is opened and closed each time.
SIDE_BY_SIDE = 5
T = datetime(2026, 3, 1, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def ran(migrated: Reach, settings: Settings) -> list[Played]:
    """A few hundred histories, run on both sides with the same outcomes and the same rows, then questioned."""

    async def run() -> list[Played]:
        played: list[Played] = []
        # The machine may be busy with other tests; how long an answer takes is not in question here.
        async with assemble(settings.model_copy(update={"decision_timeout": 30}), migrated) as circle:
            histories = drawn(400, number=20260114)
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
    assert len(ran) == 400
    assert rows > 1000, "histories without facts prove nothing"


# One bug or two for each mechanism and restriction, wrong in different ways; `python -m proofs.model` plants them all.
SAMPLE = (
    "assignment: begins a moment late", "team's patient: never ends", "seat: superseded rows still count",
    "coverage: believed_at ignored", "credential: forgotten altogether", "objection or suspension: holds before it begins",
    "label: forgotten altogether", "policy: forgotten altogether", "merge: superseded rows still count",
    "as_of ignored", "team join: organization dropped", "coverage: organization dropped", "somebody else stands in",
    "credential of another provider", "scope dropped in lists only", "restricted is not told", "wrong row as the basis",
    "coverage ends with what is covered", "coverage: two hops", "coverage: scopes united",
    "coverage: named patient ignored", "coverage: objection to the covered one ignored", "a label keeps out everybody",
    "suspension ignored", "credentials: one of them is enough", "referral not looked at",
    "emergency access: never ends", "emergency access: superseded rows still count", "emergency access: organization dropped",
    "emergency access to another patient", "emergency access: passed on by coverage",
    "emergency access: grants more than its scope", "emergency access: denied still lets in",
    "emergency access: overrides objections by itself", "duty: never ends", "break-glass offered to the suspended",
)  # fmt: skip
BY_NAME = {mutant.name: mutant for mutant in MUTANTS}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_planted_bug_changes_a_statement(mutant: Mutant) -> None:
    assert changed(mutant)


@pytest.mark.parametrize("name", SAMPLE)
def test_a_planted_bug_is_caught(name: str, ran: list[Played], migrated: Reach, settings: Settings) -> None:
    async def connect() -> asyncpg.Connection:
        return await open_connection(migrated.dsn("decider"))

    async def run() -> None:
        async with assemble(settings, migrated) as circle:
            assert await caught(circle, connect, BY_NAME[name], ran) is not None

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


def test_the_model_passes_access_on_one_hop_and_takes_it_away() -> None:
    model = Model(patients=[0, 1], providers=[0, 1, 2])
    model.add_assignment(T, 0, 0, "consulting")
    model.arrange_coverage(T, 0, 1, "full", T, T + 8 * HOUR, None, None, [])
    model.arrange_coverage(T, 1, 2, "full", T, T + 8 * HOUR, None, None, [])
    at = T + HOUR
    assert model.check(1, "order", 0, at, None).code == "allowed"
    assert model.check(1, "share", 0, at, None).code == "action-not-granted", "what is covered does not share"
    assert model.check(2, "read", 0, at, None).code == "no-relationship", "one hop"
    model.restrict(at, "label", 0, None, "CEL", None, None)
    assert model.check(0, "read", 0, at, None).code == "allowed", "a direct assignment passes by a label"
    assert {one.kind for one in model.check(1, "read", 0, at, None).restrictions} == {"sensitivity"}
    model.restrict(at, "objection", 0, 0, None, None, None)
    assert model.check(0, "read", 0, at, None).code == "restricted"
    assert model.check(1, "read", 0, at, None).code == "no-relationship", "who objects is not passed on"
    model.merge_patients(at + HOUR, 0, 1)
    later = at + 2 * HOUR
    assert model.check(0, "read", 0, later, None).code == "patient-merged"
    assert model.answer(0, "read", 0, later, None).code == model.check(0, "read", 1, later, None).code == "restricted"


def test_the_model_breaks_the_glass_for_one_person_for_a_while_and_hides_nothing() -> None:
    model = Model(patients=[0, 1], providers=[0, 1, 2])
    assert refusal(lambda: model.request_access(T, 0, 0)) == "may-not-break-glass"
    model.add_duty(T, 0, "break_glass")
    model.add_duty(T, 2, "supervisor")
    model.arrange_coverage(T, 0, 1, "full", T, T + 8 * HOUR, None, None, [])
    assert model.check(0, "read", 0, T, None).may_break_glass
    model.set_policy(T, (), 0, (), None, overrides=("sensitivity",))
    model.request_access(T, 0, 0, ("read", "write"))
    assert refusal(lambda: model.request_access(T, 0, 0)) == "emergency-access-open"
    minute = timedelta(minutes=1)
    assert [model.check(0, "read", 0, T + n * minute, None).code for n in (0, 14, 15)] == ["allowed"] * 2 + [
        "no-relationship"
    ]
    assert model.check(0, "write", 0, T, None).code == "action-not-granted", "provisional access is for reading"
    assert model.check(1, "read", 0, T, None).code == "no-relationship", "nobody stands in for that"
    model.restrict(T + minute, "label", 0, None, "CEL", None, None)
    assert model.check(0, "read", 0, T + minute, None).code == "allowed", "it overrides what policy says"
    assert refusal(lambda: model.approve_access(T + minute, 0, 0)) == "self-approval"
    assert refusal(lambda: model.approve_access(T + minute, 0, 1)) == "not-an-approver"
    model.approve_access(T + 2 * minute, 0, 2, hours=6)
    assert model.check(0, "write", 0, T + 6 * HOUR - minute, None).code == "allowed"
    assert model.check(0, "write", 0, T + 6 * HOUR, None).code == "no-relationship"
    assert model.check(0, "write", 0, T + minute, None).code == "action-not-granted", "then it was not approved yet"
    model.restrict(T + 3 * minute, "objection", 0, 0, None, None, None)
    assert model.check(0, "read", 0, T + 3 * minute, None).code == "restricted"
    model.deny_access(T + 4 * minute, 0, 2)
    assert model.check(0, "read", 0, T + 4 * minute, None).code == "no-relationship"
    model.lift(T + 5 * minute, 1)
    model.request_access(T + 5 * minute, 0, 0)
    assert model.check(0, "read", 0, T + 5 * minute, None).code == "no-relationship", (
        "what was denied waits the next time"
    )
    model.approve_access(T + 6 * minute, 1, 2)
    assert model.check(0, "read", 0, T + 6 * minute, None).code == "allowed"
    model.end_access(T + 7 * minute, 1, 0)
    assert model.check(0, "read", 0, T + 7 * minute, None).code == "no-relationship"


def test_the_model_ends_what_nobody_can_say_to_whom_it_was_given_when_records_are_parted() -> None:
    model = Model(patients=[0, 1, 2], providers=range(6))
    for provider in (0, 1, 3, 4, 5):
        model.add_duty(T, provider, "break_glass")
    model.add_duty(T, 2, "supervisor")
    minute = timedelta(minutes=1)
    for patient, provider in ((0, 0), (1, 1), (0, 3), (2, 5)):
        model.request_access(T, patient, provider)
    model.merge_patients(T + minute, 0, 1)
    model.merge_patients(T + 2 * minute, 2, 1)
    model.request_access(T + 3 * minute, 1, 4)
    model.approve_access(T + 3 * minute, 1, 2)
    model.approve_access(T + 3 * minute, 2, 2)
    at = T + 4 * minute
    assert {model.check(n, "read", 1, at, None).code for n in (0, 1, 3, 4, 5)} == {"allowed"}
    model.unmerge_patients(at, 0)

    def let_in(patient: int) -> set[int]:
        return {n for n in range(6) if model.check(n, "read", patient, at, None).allowed}

    assert let_in(0) == {0}, "what nobody changed goes home"
    assert let_in(1) == {1, 5}, "the survivor's own stays, changed or not, and what another merge made"
    ended = [row for row in model.rows if row.role == "ended"]
    assert {(row.provider, row.patient, row.starts, row.scope) for row in ended} == {
        (3, 1, at, frozenset()),
        (4, 1, at, frozenset()),
    }, "changed since, or asked for since"
    assert model.check(4, "read", 1, at, believed_at=at - minute).allowed, "what was believed stays on record"
    model.unmerge_patients(at, 2)
    assert (let_in(1), let_in(2)) == ({1}, {5})


def test_the_model_lets_what_came_to_nothing_wait_until_somebody_decides() -> None:
    model = Model(patients=[0, 1], providers=[0, 1, 2])
    for number, duty in ((0, "break_glass"), (2, "supervisor")):
        model.add_duty(T, number, duty)
    minute = timedelta(minutes=1)

    def asked_again(at: datetime, patient: int = 0) -> str:
        model.request_access(at, patient, 0)
        return model.check(0, "read", patient, at, None).code

    assert asked_again(T) == "allowed"
    model.end_access(T + minute, 0, 0)
    assert asked_again(T + 2 * minute) == "allowed", "what was opened and ended has not come to nothing yet"
    model.deny_access(T + 3 * minute, 1, 2)
    assert asked_again(T + 4 * minute) == "no-relationship"
    assert asked_again(T + 4 * minute, 1) == "allowed", "another patient's is another request"
    model.end_access(T + 5 * minute, 2, 0)
    assert asked_again(T + 6 * minute) == "no-relationship", "ending what waits settles nothing"
    model.approve_access(T + 7 * minute, 4, 2)
    model.end_access(T + 8 * minute, 4, 0)
    assert asked_again(T + 9 * minute) == "allowed", "a decision does"


def test_the_model_asks_again_at_an_approval_what_it_asked_at_the_request() -> None:
    minute = timedelta(minutes=1)

    def asked(duty_ends: datetime | None = None) -> Model:
        model = Model(patients=[0], providers=[0, 1, 2])
        model.add_duty(T, 0, "break_glass", ends=duty_ends)
        model.add_duty(T, 2, "supervisor")
        model.set_policy(T, (), 0, (), None, overrides=("objection", "sensitivity"))
        model.request_access(T + minute, 0, 0)
        return model

    def approval(model: Model, at: datetime = T + 3 * minute) -> str:
        return refusal(lambda: model.approve_access(at, 0, 2))

    model = asked()
    model.restrict(T + 2 * minute, "suspension", None, 0, None, None, None)
    assert approval(model) == "emergency-access-refused"
    model = asked()
    model.end_duty(T + 2 * minute, 0)
    assert approval(model) == "may-not-break-glass", "it was taken back"
    model = asked(duty_ends=T + 2 * minute)
    assert model.approve_access(T + 3 * minute, 0, 2), "their shift is over, which takes nothing back"
    model = asked()
    model.restrict(T + 2 * minute, "objection", 0, 0, None, None, None)
    assert model.approve_access(T + 3 * minute, 0, 2), "policy overrides that"
    model = asked()
    model.restrict(T + 2 * minute, "objection", 0, 0, None, None, None)
    model.set_policy(T + 2 * minute, (), 0, (), None, overrides=("sensitivity",))
    assert approval(model) == "emergency-access-refused", "policy does not override it any more"
    model.lift(T + 3 * minute, 0)
    model.approve_access(T + 4 * minute, 0, 2)
    assert model.rows[-1].despite == {"sensitivity"}
    model.set_policy(T + 5 * minute, (), 0, (), None, overrides=("objection", "sensitivity"))
    model.restrict(T + 5 * minute, "objection", 0, 0, None, None, None)
    assert model.check(0, "read", 0, T + 5 * minute, None).code == "restricted", "what was approved stays as it was"


def test_histories_are_drawn_again_from_their_number() -> None:
    assert drawn(20, number=5) == drawn(20, number=5) != drawn(20, number=6)
