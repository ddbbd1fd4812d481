"""What is foreseen: rounds, double cover and gaps, each beside a case that is none, and all of it against plain counting."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from time import process_time
from uuid import UUID

import pytest

from carecircle.coverage.forecast import Absence, Forecast, Gap, Overlap, foresee
from carecircle.coverage.rounds import Cycle
from carecircle.coverage.rules import Cover, CoverageType, first_in_line
from carecircle.identifiers import new_id
from carecircle.period import FOREVER, Period

START = datetime(2026, 1, 1, tzinfo=UTC)
A, B, C, D = sorted(new_id() for _ in range(4))
PATIENT, OTHER, TEAM = (new_id() for _ in range(3))


def hours(starts: float, ends: float) -> Period:
    return Period(START + timedelta(hours=starts), START + timedelta(hours=ends))


WINDOW = hours(0, 24)


def cover(covered: UUID, covering: UUID, starts: float, ends: float, *, patient: UUID | None = None,
          team: UUID | None = None, kind: CoverageType = "full") -> Cover:  # fmt: skip
    return Cover(new_id(), new_id(), covered, covering, kind, team, patient, hours(starts, ends))


def seen(covers: Iterable[Cover] = (), absences: Iterable[Absence] = ()) -> Forecast:
    return foresee(WINDOW, covers, absences)


def test_a_quiet_day() -> None:
    assert seen([cover(A, B, 0, 12), cover(A, C, 12, 24)], [Absence(A, hours(0, 24))]) == Forecast(WINDOW, (), (), ())


def test_two_cover_each_other() -> None:
    found = seen([cover(A, B, 2, 10), cover(B, A, 8, 12)])
    assert found.cycles == (Cycle((A, B), hours(8, 10)),)
    assert seen([cover(A, B, 2, 8), cover(B, A, 8, 12)]).cycles == ()


def test_a_round_of_three_that_grows_and_breaks() -> None:
    found = seen([cover(A, B, 0, 20), cover(B, C, 0, 20), cover(C, A, 5, 15), cover(C, D, 6, 20), cover(D, A, 7, 8)])
    assert found.cycles == (
        Cycle((A, B, C), hours(5, 7)),
        Cycle((A, B, C, D), hours(7, 8)),
        Cycle((A, B, C), hours(8, 15)),
    )


def test_a_round_goes_on_when_one_turn_follows_another() -> None:
    found = seen([cover(A, B, 0, 12), cover(B, A, 0, 6), cover(B, A, 6, 12)])
    assert found.cycles == (Cycle((A, B), hours(0, 12)),)


def test_a_round_through_one_patients_cover() -> None:
    assert seen([cover(A, B, 0, 12, patient=PATIENT), cover(B, A, 6, 24)]).cycles == (
        Cycle((A, B), hours(6, 12), None, PATIENT),
    )
    assert seen([cover(A, B, 0, 12, patient=PATIENT), cover(B, A, 6, 24, patient=OTHER)]).cycles == ()
    assert seen([cover(A, B, 0, 12, team=TEAM), cover(B, A, 6, 24, team=TEAM)]).cycles == (
        Cycle((A, B), hours(6, 12), TEAM),
    )


def test_two_cover_the_same() -> None:
    assert seen([cover(A, B, 0, 8), cover(A, C, 6, 12), cover(A, D, 7, 8)]).overlaps == (
        Overlap(A, (B, C), hours(6, 7)),
        Overlap(A, (B, C, D), hours(7, 8)),
    )
    for other in (
        cover(A, C, 8, 12), cover(D, C, 6, 12), cover(A, C, 6, 12, patient=PATIENT), cover(A, C, 6, 12, team=TEAM)
    ):  # fmt: skip
        assert seen([cover(A, B, 0, 8), other]).overlaps == ()
    patients = [
        cover(A, B, 0, 8, patient=PATIENT),
        cover(A, C, 6, 12, patient=PATIENT),
        cover(A, D, 6, 9, patient=OTHER),
    ]
    assert seen(patients).overlaps == (Overlap(A, (B, C), hours(6, 8), None, PATIENT),)


def test_an_absence_nobody_covers() -> None:
    away = [Absence(A, hours(2, 20))]
    covers = [cover(A, B, 4, 6), cover(A, C, 5, 8), cover(A, D, 10, 30), cover(A, D, 0, 5, patient=PATIENT)]
    assert seen(covers, away).gaps == (
        Gap("absent-without-coverage", A, hours(2, 4)),
        Gap("absent-without-coverage", A, hours(8, 10)),
    )


def test_an_open_absence_is_cut_to_the_window() -> None:
    assert seen([], [Absence(A, Period(START - timedelta(days=9), FOREVER))]).gaps == (
        Gap("absent-without-coverage", A, WINDOW),
    )


def test_whoever_covers_is_away() -> None:
    one = cover(A, B, 0, 12)
    # B's own patients are covered by nobody either, and C covers A's as well for a while.
    assert seen([one, cover(A, C, 8, 9)], [Absence(B, hours(6, 24))]).gaps == (
        Gap("covering-provider-absent", A, hours(6, 8), B, one.arrangement_id),
        Gap("absent-without-coverage", B, hours(6, 24)),
        Gap("covering-provider-absent", A, hours(9, 12), B, one.arrangement_id),
    )


def test_whoever_covers_is_covered() -> None:
    one = cover(A, B, 0, 12)
    assert seen([one, cover(B, C, 10, 24)]).gaps == (
        Gap("covering-provider-covered", A, hours(10, 12), B, one.arrangement_id),
    )
    assert seen([one, cover(B, C, 12, 24)]).gaps == ()
    assert seen([one, cover(B, C, 10, 24, patient=PATIENT)]).gaps == ()  # B answers for A's patients still
    named = cover(A, B, 0, 12, patient=PATIENT)
    assert seen([named, cover(B, C, 10, 24, patient=PATIENT)]).gaps == (
        Gap("covering-provider-covered", A, hours(10, 12), B, named.arrangement_id, None, PATIENT),
    )


def test_covered_while_away_is_told_once() -> None:
    one = cover(A, B, 0, 12)
    found = seen([one, cover(B, C, 6, 24)], [Absence(B, hours(4, 24))]).gaps
    assert [(gap.kind, gap.provider, gap.period) for gap in found] == [
        ("covering-provider-absent", A, hours(4, 6)),
        ("absent-without-coverage", B, hours(4, 6)),
        ("covering-provider-covered", A, hours(6, 12)),
    ]


def test_who_comes_first() -> None:
    covers = [
        cover(A, B, 0, 9, patient=PATIENT, kind="on_call"),
        cover(A, B, 2, 9),
        cover(A, C, 1, 9),
        cover(A, D, 3, 9, kind="urgent"),
        cover(A, D, 4, 9, kind="on_call"),
    ]
    for expected in range(len(covers)):
        left = covers[expected:]
        for _ in range(5):
            assert first_in_line(random.sample(left, len(left))) is covers[expected]
    twins = [cover(A, B, 0, 9), cover(A, C, 0, 9)]
    assert first_in_line(twins) is first_in_line(twins[::-1]) is min(twins, key=lambda one: one.id)
    assert first_in_line([]) is None


def counted(covers: Sequence[Cover], absences: Sequence[Absence], hour: int) -> tuple[set[frozenset[UUID]], set[UUID]]:
    """By plain counting within one hour: the rounds of whole panels, and who is absent with nobody for the panel."""
    at = START + timedelta(hours=hour, minutes=30)
    leads = {(one.covered, one.covering) for one in covers if one.whole_panel and at in one.period}
    people = {one for pair in leads for one in pair}
    for middle in people:
        leads |= {(a, b) for a in people for b in people if (a, middle) in leads and (middle, b) in leads}
    rounds = {frozenset(b for b in people if (a, b) in leads and (b, a) in leads) for a in people}
    covered = {one.covered for one in covers if one.whole_panel and at in one.period}
    return {one for one in rounds if one}, {one.provider for one in absences if at in one.period} - covered


@pytest.mark.parametrize("seed", range(60))
def test_as_plain_counting_has_it(seed: int) -> None:
    chance = random.Random(seed)
    people = [new_id() for _ in range(chance.randint(2, 7))]
    covers = []
    for _ in range(chance.randint(1, 16)):
        covered, covering = chance.sample(people, 2)
        starts = chance.randint(0, 20)
        patient = chance.choice([None, None, None, PATIENT])
        covers.append(cover(covered, covering, starts, starts + chance.randint(1, 8), patient=patient))
    absences = [Absence(one, hours(3, 9)) for one in people[:2]]
    found = seen(covers, absences)
    for hour in range(24):
        at = START + timedelta(hours=hour, minutes=30)
        rounds, left = counted(covers, absences, hour)
        panels = [one for one in found.cycles if at in one.period and one.patient_id is None]
        assert sorted(one.providers for one in panels) == sorted(tuple(sorted(one)) for one in rounds)
        assert {one.provider for one in found.gaps if at in one.period and one.covering is None} == left
        # With the patient's own cover among the others, the rounds that pass through it; none is told that is none.
        everybody, _ = counted([cover(o.covered, o.covering, 0, 24) for o in covers if at in o.period], [], hour)
        named = {frozenset(one.providers) for one in found.cycles if at in one.period and one.patient_id == PATIENT}
        assert everybody - rounds <= named <= everybody


def test_five_thousand_arrangements() -> None:
    """Departments of ten with a fortnight of changing turns, one long line, and a ring: none takes long."""
    chance = random.Random(1)
    people = [new_id() for _ in range(1000)]
    turns = []
    for _ in range(5000):
        one, other = chance.sample(range(10), 2)
        department, starts = chance.randrange(100) * 10, chance.random() * 300
        patient = chance.choice([None, None, new_id()])
        turns.append(
            cover(
                people[department + one],
                people[department + other],
                starts,
                starts + chance.choice([8, 12, 200]),
                patient=patient,
            )
        )
    line = [cover(one, other, 0, 24) for one, other in pairwise(people)] * 5
    ring = [cover(people[at - 1], people[at], at / 200, 24) for at in range(1000)] * 5
    for covers in (turns, line, ring):
        before = process_time()
        foresee(hours(0, 336), covers, [Absence(one, hours(0, 24)) for one in people])
        assert process_time() - before < 10
