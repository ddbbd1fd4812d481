"""Who takes whom: preference, shared team, capacity, even spread, in that order; and why somebody goes nowhere."""

from __future__ import annotations

from collections import Counter
from uuid import UUID

from carecircle.staffing.rules import (
    Duty,
    Match,
    PanelPatient,
    Receiver,
    Seat,
    match_duties,
    match_patients,
    match_seats,
)

A, B, C = UUID(int=1), UUID(int=2), UUID(int=3)
NOBODY = frozenset[UUID]()


def patients(count: int) -> list[PanelPatient]:
    return [PanelPatient(UUID(int=100 + n)) for n in range(count)]


def spread(matches: dict[UUID, Match]) -> Counter[UUID | None]:
    return Counter(match.provider_id for match in matches.values())


def test_a_preference_comes_first_and_keeps_to_the_cap() -> None:
    wanting = [PanelPatient(UUID(int=100 + n), preferred=B, team=frozenset({A})) for n in range(3)]
    found = match_patients(wanting, [Receiver(A), Receiver(B, cap=2)])
    assert [found[one.patient_id] for one in wanting] == [
        Match(B, "patient-preference"), Match(B, "patient-preference"), Match(A, "same-team"),
    ]  # fmt: skip


def test_a_stronger_rule_is_finished_before_the_next_begins() -> None:
    first, last = PanelPatient(UUID(int=100)), PanelPatient(UUID(int=199), preferred=A)
    found = match_patients([first, last], [Receiver(A, cap=1), Receiver(B)])
    assert found[last.patient_id] == Match(A, "patient-preference")
    assert found[first.patient_id] == Match(B, "even-spread")


def test_a_shared_team_goes_to_the_smaller_panel() -> None:
    one = PanelPatient(UUID(int=100), team=frozenset({A, B, UUID(int=77)}))
    assert match_patients([one], [Receiver(A, size=5), Receiver(B, size=4)]) == {one.patient_id: Match(B, "same-team")}


def test_capacity_fills_panels_alike_then_the_rest_is_spread() -> None:
    found = match_patients(patients(8), [Receiver(A, capacity=2), Receiver(B, capacity=4), Receiver(C, size=10)])
    assert spread(found) == {A: 2, B: 4, C: 2}
    assert Counter(match.reason for match in found.values()) == {"capacity": 6, "even-spread": 2}


def test_an_even_spread_levels_panels() -> None:
    assert spread(match_patients(patients(6), [Receiver(A, size=4), Receiver(B), Receiver(C, size=2)])) == {B: 4, C: 2}


def test_the_order_of_arguments_does_not_matter() -> None:
    many, receivers = patients(9), [Receiver(A), Receiver(B, capacity=3), Receiver(C, cap=4)]
    assert match_patients(many, receivers) == match_patients(many[::-1], receivers[::-1])


def test_why_somebody_goes_nowhere() -> None:
    one = PanelPatient(UUID(int=100), never=frozenset({A}))
    consulting = PanelPatient(UUID(int=100), is_primary=False)

    def why(patient: PanelPatient, *receivers: Receiver) -> str:
        match = match_patients([patient], receivers)[patient.patient_id]
        assert match.provider_id is None
        return match.reason

    assert why(one, Receiver(A)) == "restricted"
    assert why(one, Receiver(A), Receiver(B, accepts_new=False)) == "panel-closed"
    assert why(one, Receiver(A), Receiver(B, cap=0)) == "over-cap"
    assert why(one, Receiver(A), Receiver(B, size=3, capacity=3)) == "over-capacity"
    assert why(one, Receiver(B, cap=0), Receiver(C, accepts_new=False)) == "no-match"
    assert why(one, Receiver(B, suspended=True)) == "suspended"
    assert why(one, Receiver(A), Receiver(B, suspended=True)) == "restricted"
    assert why(one, Receiver(B, suspended=True), Receiver(C, cap=0)) == "over-cap"
    full = Receiver(B, size=3, capacity=3)
    assert match_patients([consulting], [full])[consulting.patient_id].provider_id == B, "capacity counts primaries"


def test_a_preference_does_not_open_a_closed_panel() -> None:
    one = PanelPatient(UUID(int=100), preferred=A)
    assert match_patients([one], [Receiver(A, accepts_new=False), Receiver(B)])[one.patient_id].provider_id == B


def test_seats_follow_patients_and_nobody_sits_twice() -> None:
    team, other, third = UUID(int=50), UUID(int=51), UUID(int=52)
    seats = [Seat(UUID(int=900), team), Seat(UUID(int=901), other), Seat(UUID(int=902), third)]
    receivers = [Receiver(A, size=9), Receiver(B)]
    found = match_seats(
        seats,
        {team: Counter({A: 2, B: 1}), other: Counter({B: 1})},
        {third: {B}},
        frozenset({(other, B)}),
        receivers,
    )
    assert list(found.values()) == [
        Match(A, "follows-patients"), Match(None, "already-on-team"), Match(A, "even-spread"),
    ]  # fmt: skip
    assert match_seats(seats[:1], {}, {team: {A, B}}, frozenset(), receivers) == {
        UUID(int=900): Match(None, "restricted")
    }


def test_a_patient_goes_to_who_holds_what_is_needed() -> None:
    heart = frozenset({"207RC0000X"})
    needing = [PanelPatient(UUID(int=100 + n), preferred=A, team=frozenset({A}), needs=heart) for n in range(2)]
    other = PanelPatient(UUID(int=102))
    able = Receiver(B, size=50, holds=heart | {"specialty"})
    found = match_patients([*needing, other], [Receiver(A), able], heart)
    assert [found[one.patient_id] for one in needing] == [Match(B, "even-spread")] * 2
    assert found[other.patient_id] == Match(A, "even-spread")
    found = match_patients(needing, [Receiver(A), Receiver(B, cap=1, holds=heart)], heart)
    assert found[needing[1].patient_id] == Match(None, "no-match")


def test_what_is_missing_is_said() -> None:
    names = frozenset({"specialty", "207RC0000X"})

    def why(*needs: str) -> str:
        one = PanelPatient(UUID(int=100), needs=frozenset(needs))
        return match_patients([one], [Receiver(A, holds=frozenset({"certification"}))], names)[one.patient_id].reason

    assert why("207RC0000X") == why("specialty") == why("licence", "specialty") == "specialty-missing"
    assert why("licence") == why("certification", "L-77") == "credential-missing"
    assert why("certification") == "even-spread"


def test_seats_ask_for_what_they_rest_on() -> None:
    team, licence = UUID(int=50), frozenset({"licence"})
    seat = Seat(UUID(int=900), team, licence)
    votes = {team: Counter({A: 9})}
    able = Receiver(B, holds=licence)
    assert match_seats([seat], votes, {}, frozenset(), [Receiver(A), able])[seat.id] == Match(B, "even-spread")
    assert match_seats([seat], votes, {}, frozenset(), [Receiver(A)])[seat.id] == Match(None, "credential-missing")
    away = Receiver(B, holds=licence, suspended=True)
    assert match_seats([seat], votes, {}, frozenset(), [away])[seat.id] == Match(None, "suspended")


def test_duties_are_spread_and_nobody_stands_in_for_themselves() -> None:
    duties = [Duty(UUID(int=900 + n), A, needs=frozenset()) for n in range(3)]
    found = match_duties(duties, [Receiver(A), Receiver(B, size=9), Receiver(C, size=1)])
    assert [found[one.id].provider_id for one in duties] == [C, B, C]

    def why(duty: Duty, *receivers: Receiver) -> str:
        return match_duties([duty], receivers)[duty.id].reason

    busy = Duty(UUID(int=900), A, busy=frozenset({B}))
    assert why(busy, Receiver(A)) == "covered-themselves"
    assert why(busy, Receiver(A), Receiver(B)) == "already-covers"
    assert match_duties([busy], [Receiver(B), Receiver(C, size=99)])[busy.id].provider_id == C
    assert why(Duty(UUID(int=900), A, never=frozenset({B})), Receiver(B)) == "restricted"
    assert why(Duty(UUID(int=900), A, needs=frozenset({"licence"})), Receiver(B)) == "credential-missing"
    assert why(busy, Receiver(B), Receiver(C, suspended=True)) == "already-covers"
