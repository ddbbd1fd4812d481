"""What becomes of coverage and relations for both patients, what is over when they are parted, how long it takes. Pure."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from carecircle.identifiers import new_id
from carecircle.period import Period
from carecircle.staffing.merging_rules import Cover, Direct, Held, Piece, Related, Said, carry, cut, lost, widened

START = datetime(2026, 1, 1, tzinfo=UTC)


def hours(first: float, last: float) -> Period:
    return Period(START + timedelta(hours=first), START + timedelta(hours=last))


def cover(first: float, duty: float, *scope: str, rests_on: str = "", grace: float = 1) -> Cover:
    period, taking = hours(first, duty + grace), hours(first, duty)
    return Cover(new_id(), period, taking, ("x",), scope=scope, rests_on=frozenset(filter(None, [rests_on])))


@pytest.mark.parametrize(
    ("gone", "into", "became"),
    [
        (cover(0, 9, "read"), cover(0, 9, "read", "write"), "dropped"),
        (cover(0, 9, "read", rests_on="licence"), cover(0, 9, "read"), "dropped"),
        (cover(0, 9, "read", "write"), cover(0, 9, "read"), "widened"),
        (cover(0, 9, "read"), cover(0, 9, "read", rests_on="licence"), "widened"),
        (cover(0, 9, "read"), cover(0, 9, "write", rests_on="licence"), "narrowed"),
        (cover(0, 9, "write", rests_on="licence"), cover(0, 9, "read"), "narrowed"),
    ],
)
def test_cover_becomes_wider_only_on_conditions_that_either_had(gone: Cover, into: Cover, became: str) -> None:
    pieces, changed = carry("coverage", gone, [into])
    assert [one.became for one in changed] == [became]
    assert [piece.of for piece in pieces] == [into.id] * (became == "widened")
    for piece in pieces:
        assert set(piece.scope or ()) == {*gone.scope, *into.scope}
        assert set(piece.rests_on or ()) == gone.rests_on


def test_cover_is_wider_for_the_time_of_both_and_each_keeps_its_own_beside_it() -> None:
    gone, into = cover(0, 4, "read", "write"), cover(2, 9, "read", "order")
    pieces, _ = carry("coverage", gone, [into])
    assert [(piece.of, piece.period) for piece in pieces] == [(gone.id, hours(0, 2)), (into.id, hours(2, 5))]
    assert [(piece.period, piece.scope, piece.duty_ends_at) for piece in widened(into, pieces[1:])] == [
        (hours(2, 5), ("read", "order", "write"), START + timedelta(hours=4)),
        (hours(4, 10), None, None),
    ]


def test_what_stood_for_a_fact_and_has_been_ended_is_over_and_no_more_than_that() -> None:
    row, stood = (Said(new_id(), hours(0, 9), hours(0, 9), ("x",)) for _ in range(2))
    until_four = Said(stood.id, hours(0, 4), hours(0, 4), ("x",))
    assert lost(row, [], Held([stood]), Held([stood])) == []
    assert lost(row, [], Held([stood]), Held([until_four])) == [hours(4, 9)]
    assert lost(row, [], Held([until_four]), Held([])) == [hours(0, 4)]
    # What was recorded of it is no gap, whoever else has been ended.
    assert lost(row, [hours(2, 9)], Held([stood]), Held([])) == [hours(0, 2)]


def test_what_is_over_takes_the_grace_with_it() -> None:
    row = cover(0, 9, "read")
    assert cut(row, []) == [hours(0, 10)]
    assert cut(row, [hours(4, 10)]) == [hours(0, 4)]
    assert cut(row, [hours(9.5, 10)]) == [hours(0, 9.5)]
    assert cut(row, [hours(2, 3)]) == [hours(0, 2), hours(3, 10)]


def test_three_thousand_primaries_meet_three_thousand_in_a_moment() -> None:
    """Time of this process, where every pair compared takes ten times as long as is allowed."""

    def many(shift: float) -> list[Direct]:
        return [
            Direct(
                new_id(), period, period, ("primary",), provider_id=new_id(), assignment_type="primary",
                scope=frozenset({"read", "share"}), kept=("read",),
            )
            for period in (hours(number + shift, number + shift + 0.75) for number in range(3000))
        ]  # fmt: skip

    gone, into = many(0.5), many(0)
    began = time.process_time()
    held = Held(into)
    changed = [one.became for row in gone for one in carry("direct-assignment", row, held)[1]]
    assert time.process_time() - began < 1
    assert changed == ["demoted"] * 3000


def related(first: float, last: float, relation: str) -> Related:
    return Related(new_id(), hours(first, last), hours(first, last), ("x",), relation=relation)


@pytest.mark.parametrize(
    ("gone", "into", "became"),
    [
        ("self", "family", "stricter"),
        ("self", "household", "stricter"),
        ("family", "household", "stricter"),
        ("self", "self", "shortened"),
        ("family", "self", "shortened"),
        ("household", "self", "shortened"),
        ("household", "family", "shortened"),
    ],
)
def test_of_two_relations_the_stricter_holds_while_both_do(gone: str, into: str, became: str) -> None:
    given, kept = related(0, 4, gone), related(2, 9, into)
    pieces, changed = carry("personal-relation", given, [kept])
    assert [one.became for one in changed] == [became]
    assert pieces[0] == Piece(given.id, hours(0, 2))
    theirs = [(one.period, one.relation) for one in widened(kept, pieces[1:])]
    assert theirs == ([(hours(2, 4), gone), (hours(4, 9), None)] if became == "stricter" else [(hours(2, 9), None)])
