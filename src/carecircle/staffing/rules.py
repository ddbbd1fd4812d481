"""Who takes whom when a provider leaves: preference, then a shared team, then free capacity, then an even spread.

Pure and deterministic: patients are taken in the order of their ids, ties go to the smaller panel, then to the lower id.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from uuid import UUID

PREFERENCE, TEAM, CAPACITY, SPREAD = "patient-preference", "same-team", "capacity", "even-spread"
RESTRICTED, CLOSED, OVER_CAP, FULL, NO_MATCH = (
    "restricted", "panel-closed", "over-cap", "over-capacity", "no-match",
)  # fmt: skip
PERSONAL, FOLLOWS, SEATED = "personal", "follows-patients", "already-on-team"


@dataclass(frozen=True, slots=True)
class Receiver:
    """Who may take patients: at most `cap` from this plan, up to `capacity` as primary; `size` patients already."""

    provider_id: UUID
    cap: int | None = None
    size: int = 0
    capacity: int | None = None
    accepts_new: bool = True


@dataclass(frozen=True, slots=True)
class PanelPatient:
    """A patient of the leaver: whether as primary, whom they prefer, who shares a team with them, who must not."""

    patient_id: UUID
    is_primary: bool = True
    preferred: UUID | None = None
    team: frozenset[UUID] = frozenset()
    never: frozenset[UUID] = frozenset()


@dataclass(frozen=True, slots=True)
class Match:
    """Where somebody or something goes, and by which rule; nowhere (None), and why not."""

    provider_id: UUID | None
    reason: str


class _Places:
    """How full every receiver is while patients are given out."""

    def __init__(self, receivers: Iterable[Receiver]) -> None:
        self.receivers = {one.provider_id: one for one in receivers}
        self.given: Counter[UUID] = Counter()
        self.size = {one.provider_id: one.size for one in self.receivers.values()}

    def obstacle(self, provider_id: UUID, patient: PanelPatient) -> str | None:
        """Why this receiver cannot take this patient now, or None."""
        one = self.receivers[provider_id]
        if provider_id in patient.never:
            return RESTRICTED
        if not one.accepts_new:
            return CLOSED
        if one.cap is not None and self.given[provider_id] >= one.cap:
            return OVER_CAP
        if patient.is_primary and one.capacity is not None and self.size[provider_id] >= one.capacity:
            return FULL
        return None

    def give(self, provider_id: UUID, patient: PanelPatient) -> None:
        self.given[provider_id] += 1
        self.size[provider_id] += patient.is_primary

    def least(self, candidates: Iterable[UUID], patient: PanelPatient) -> UUID | None:
        """Of those who can take this patient, the one with the smallest panel."""
        able = [one for one in candidates if self.obstacle(one, patient) is None]
        return min(able, key=lambda one: (self.size[one], one), default=None)

    def emptiest(self, patient: PanelPatient) -> UUID | None:
        """Of those with a known capacity, the one whose panel would be the least full with one patient more."""
        able = [
            (self.size[one] + 1) / receiver.capacity
            for one, receiver in self.receivers.items()
            if receiver.capacity and self.obstacle(one, patient) is None
        ]
        if not able:
            return None
        fullness = min(able)
        return min(
            one
            for one, receiver in self.receivers.items()
            if receiver.capacity
            and self.obstacle(one, patient) is None
            and (self.size[one] + 1) / receiver.capacity == fullness
        )


def match_patients(patients: Iterable[PanelPatient], receivers: Iterable[Receiver]) -> dict[UUID, Match]:
    """A match for every patient. A stronger rule is finished for all patients before the next one begins."""
    places = _Places(receivers)
    waiting = sorted(patients, key=lambda one: one.patient_id)
    found: dict[UUID, Match] = {}

    def preferred(patient: PanelPatient) -> UUID | None:
        return places.least({patient.preferred} & places.receivers.keys(), patient) if patient.preferred else None

    rules: tuple[tuple[str, Callable[[PanelPatient], UUID | None]], ...] = (
        (PREFERENCE, preferred),
        (TEAM, lambda patient: places.least(patient.team & places.receivers.keys(), patient)),
        (CAPACITY, places.emptiest),
        (SPREAD, lambda patient: places.least(places.receivers, patient)),
    )
    for reason, choose in rules:
        left = []
        for patient in waiting:
            chosen = choose(patient)
            if chosen is None:
                left.append(patient)
                continue
            places.give(chosen, patient)
            found[patient.patient_id] = Match(chosen, reason)
        waiting = left
    for patient in waiting:
        found[patient.patient_id] = Match(None, _why_not(patient, places))
    return found


def _why_not(patient: PanelPatient, places: _Places) -> str:
    """The reason that all receivers share once those who must not are left out; `no-match` when they differ."""
    reasons = {places.obstacle(one, patient) for one in places.receivers} - {RESTRICTED, None}
    if not reasons:
        return RESTRICTED
    return str(reasons.pop()) if len(reasons) == 1 else NO_MATCH


def match_seats(
    seats: Iterable[tuple[UUID, UUID]],
    followed: Mapping[UUID, Counter[UUID]],
    barred: Mapping[UUID, Set[UUID]],
    seated: frozenset[tuple[UUID, UUID]],
    receivers: Sequence[Receiver],
) -> dict[UUID, Match]:
    """Who takes each seat (id, team): who takes most of that team's patients (`followed`), or else who has least to do.

    A seat lets its holder in to all of the team's patients: who must not see one of them (`barred`, by team) gets none.
    A receiver who sits on that team already (`seated`: team, provider) cannot sit there twice: that seat goes nowhere.
    """
    taken: Counter[UUID] = Counter()
    found: dict[UUID, Match] = {}
    for seat_id, team_id in sorted(seats, key=lambda seat: (seat[1], seat[0])):
        votes = followed.get(team_id, Counter())
        able = [
            (-votes[one.provider_id], taken[one.provider_id], one.size, one.provider_id)
            for one in receivers
            if one.provider_id not in barred.get(team_id, ())
        ]
        if not able:
            found[seat_id] = Match(None, RESTRICTED)
            continue
        *_, chosen = min(able)
        if (team_id, chosen) in seated:
            found[seat_id] = Match(None, SEATED)
            continue
        taken[chosen] += 1
        found[seat_id] = Match(chosen, FOLLOWS if votes[chosen] else SPREAD)
    return found
