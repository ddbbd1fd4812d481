"""What becomes of one patient's facts beside another's, as pure rules."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from random import Random

from carecircle.identifiers import new_id
from carecircle.period import FOREVER, Period
from carecircle.staffing.merging_rules import Direct, Said, carry, without

START = datetime(2026, 1, 1, tzinfo=UTC)


def hours(first: int, last: int | None = None) -> Period:
    return Period(START + timedelta(hours=first), FOREVER if last is None else START + timedelta(hours=last))


def said(first: int, last: int | None, duty: int | None = None, slot: str = "team") -> Said:
    return Said(new_id(), hours(first, last), hours(first, duty or last), (slot,))


def test_what_is_left_of_a_period_is_what_the_others_leave() -> None:
    """Instant by instant, for random periods: in the rest if and only if in the period and in none of the others."""
    random = Random(4)
    for _ in range(500):
        ends = [sorted(random.sample(range(13), 2)) for _ in range(random.randint(1, 5))]
        period, *taken = [hours(first, last) for first, last in ends]
        left = without(period, taken)
        for half in range(26):
            at = START + timedelta(minutes=30 * half)
            assert any(at in one for one in left) == (at in period and not any(at in one for one in taken))
        assert all(one.ends_at <= other.starts_at for one, other in itertools.pairwise(left))


def test_a_fact_that_meets_nothing_goes_along_whole() -> None:
    row = said(0, 5)
    for held in ([], [said(5, 9)], [said(0, 5, slot="another team")]):
        pieces, changed = carry("care-team-patient", row, held)
        assert [(piece.of, piece.period) for piece in pieces] == [(row.id, row.period)]
        assert changed == []


def test_a_fact_goes_along_where_its_place_is_free() -> None:
    pieces, changed = carry("label", said(0, None), [said(2, 3), said(5, 6)])
    assert [piece.period for piece in pieces] == [hours(0, 2), hours(3, 5), hours(6)]
    assert [(one.became, one.reason) for one in changed] == [("shortened", "survivor-has-it")]
    pieces, changed = carry("label", said(2, 3), [said(0, None)])
    assert (pieces, [one.became for one in changed]) == ([], ["dropped"])


def test_what_outlasts_its_place_does_so_only_at_its_own_end() -> None:
    row = said(0, 10, duty=9)
    pieces, _ = carry("coverage", row, [said(4, 7, duty=6)])
    assert [piece.period for piece in pieces] == [hours(0, 4), hours(6, 10)]
    pieces, _ = carry("coverage", row, [said(4, 12, duty=11)])
    assert [piece.period for piece in pieces] == [hours(0, 4)]


def direct(kind: str, provider: int, period: Period, *scope: str, rests_on: str = "") -> Direct:
    return Direct(
        new_id(), period, period, ("primary",) if kind == "primary" else None,
        provider_id=PROVIDERS[provider], assignment_type=kind, scope=frozenset(scope),
        kept=tuple(one for one in scope if one != "share"), rests_on=frozenset(filter(None, [rests_on])),
    )  # fmt: skip


PROVIDERS = [new_id(), new_id()]


def test_a_second_primary_is_consulting_where_the_other_one_is_primary() -> None:
    row = direct("primary", 0, hours(0), "read", "share")
    other = direct("primary", 1, hours(3, 6), "read", "share")
    pieces, changed = carry("direct-assignment", row, [other])
    assert [(piece.period, piece.scope) for piece in pieces] == [
        (hours(0, 3), None), (hours(3, 6), ("read",)), (hours(6), None),
    ]  # fmt: skip
    assert [one.became for one in changed] == ["demoted"]


def test_consulting_is_not_recorded_where_it_lets_in_no_further() -> None:
    row = direct("primary", 0, hours(0, 9), "read", "share")
    primary = direct("primary", 1, hours(0), "read", "share")
    for held, left in (
        (direct("consulting", 0, hours(0), "read", "write"), []),
        (direct("consulting", 0, hours(0, 4), "read"), [hours(4, 9)]),
        (direct("consulting", 0, hours(0), "write"), [hours(0, 9)]),
        (direct("consulting", 1, hours(0), "read"), [hours(0, 9)]),
        (direct("consulting", 0, hours(0), "read", rests_on="licence"), [hours(0, 9)]),
        (direct("attending", 0, hours(0), "read"), [hours(0, 9)]),
    ):
        pieces, changed = carry("direct-assignment", row, [primary, held])
        assert [piece.period for piece in pieces] == left
        assert [one.became for one in changed] == ["demoted" if left else "dropped"]
