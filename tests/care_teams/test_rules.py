"""What a seat may not break, on plain values; and how roles are coded elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from carecircle.care_teams.rules import (
    MEMBER_ROLES,
    ROLE_CODES,
    Seat,
    default_scope,
    is_role,
    membership_violations,
    most_at_once,
)
from carecircle.directory.rules import HeldCredential, lacking
from carecircle.identifiers import new_id
from carecircle.interop.fhir.codes import member_role
from carecircle.period import FOREVER

START = datetime(2026, 3, 1, tzinfo=UTC)


def day(number: int) -> datetime:
    return START + timedelta(days=number)


def seat(first: int, last: int, role: str = "member") -> Seat:
    return Seat(new_id(), role, day(first), day(last))


def codes(
    role: str, first: int, last: int, seats: Sequence[Seat] = (), own: Sequence[Seat] = (), **limits: object
) -> list[str]:
    given = {"largest_team": 100} | limits
    return [one.code for one in membership_violations(role, day(first), day(last), seats, own, [], **given)]  # type: ignore[arg-type]  # one dict of mixed arguments


def test_the_most_crowded_instant_counts_not_how_many_pass_through() -> None:
    one_after_the_other = [seat(0, 2), seat(2, 4), seat(4, 6)]
    assert most_at_once(one_after_the_other, START) == 1
    assert most_at_once([*one_after_the_other, seat(1, 5)], START) == 2
    assert most_at_once([seat(0, 9), seat(1, 8), seat(2, 3), seat(3, 4)], START) == 3
    assert most_at_once([], START) == 0
    # Each had gone before the other came: one place more is enough for a seat all through.
    assert codes("nurse", 0, 6, one_after_the_other, largest_team=2) == []
    assert codes("nurse", 0, 6, [*one_after_the_other, seat(1, 5)], largest_team=2) == ["team-full"]
    # Full before and after, not between.
    assert codes("nurse", 2, 4, [seat(0, 2), seat(0, 2), seat(4, 6), seat(4, 6)], largest_team=1) == []
    assert codes("nurse", 1, 4, [seat(0, 2), seat(0, 2), seat(4, 6)], largest_team=2) == ["team-full"]
    # A seat that never was takes no place.
    assert codes("nurse", 0, 6, [seat(3, 3)], largest_team=1) == []


def test_a_role_held_once_is_free_again_when_its_holder_leaves() -> None:
    there = [seat(0, 5, "attending")]
    assert codes("attending", 4, 6, there, held_once=("attending",)) == ["role-held-once"]
    assert codes("attending", 5, 6, there, held_once=("attending",)) == []
    assert codes("attending", 4, 6, there) == []
    assert codes("nurse", 4, 6, there, held_once=("attending",)) == []


def test_conflicting_roles_conflict_both_ways_and_only_at_the_same_time() -> None:
    pairs = (("attending", "resident"),)
    assert codes("attending", 0, 5, own=[seat(4, 9, "resident")], conflicting=pairs) == ["role-conflict"]
    assert codes("resident", 0, 5, own=[seat(4, 9, "attending")], conflicting=pairs) == ["role-conflict"]
    assert codes("resident", 0, 5, own=[seat(4, 9, "resident")], conflicting=pairs) == []
    assert codes("resident", 0, 4, own=[seat(4, 9, "attending")], conflicting=pairs) == []
    assert codes("nurse", 0, 5, own=[seat(4, 9, "attending")], conflicting=pairs) == []
    assert codes("chair", 0, 5, own=[seat(4, 9, "chair")], conflicting=(("chair", "chair"),)) == ["role-conflict"]


def test_a_credential_answers_by_kind_or_code_while_it_holds() -> None:
    held = [
        HeldCredential("licence", "RN-1", day(0), day(5)),
        HeldCredential("specialty", "207RC0000X", day(0), FOREVER),
    ]
    assert lacking(["licence", "207RC0000X"], held, day(0)) == []
    assert lacking(["licence", "RN-1", "licence"], held, day(5)) == ["licence", "RN-1"]
    assert lacking(["207RC0000X", "specialty"], held, day(99)) == []
    assert lacking(["licence"], held, day(-1)) == ["licence"]
    assert lacking([], held, day(0)) == []
    violations = membership_violations(
        "nurse", day(5), FOREVER, (), (), held, largest_team=1, needs=("licence", "specialty", "BLS")
    )
    assert [one.code for one in violations] == ["credential-missing", "credential-missing"]
    assert "licence" in violations[0].sentence
    assert "BLS" in violations[1].sentence


def test_everything_that_is_wrong_is_said_at_once() -> None:
    found = codes(
        "attending", 0, 5, [seat(0, 9, "attending")], [seat(0, 9, "resident")], largest_team=1,
        held_once=("attending",), conflicting=(("resident", "attending"),), needs=("licence",),
    )  # fmt: skip
    assert found == ["team-full", "role-held-once", "role-conflict", "credential-missing"]


@pytest.mark.parametrize("role", ["nurse", "n", "ward-clerk-2", "x" * 32])
def test_what_a_role_may_be_called(role: str) -> None:
    assert is_role(role)
    assert default_scope(role)


@pytest.mark.parametrize("role", ["", "Nurse", "2nd", "-nurse", "ward clerk", "x" * 33, "nurse\n", "sœur"])
def test_what_a_role_may_not_be_called(role: str) -> None:
    assert not is_role(role)


def test_every_role_is_coded_and_read_back_as_itself() -> None:
    assert set(ROLE_CODES) == set(MEMBER_ROLES)
    for role, (system, code) in ROLE_CODES.items():
        assert system == "http://snomed.info/sct"
        assert member_role([code]) == role
