"""Who takes whom when a provider leaves: preference, then a shared team, then free capacity, then an even spread.

Pure and deterministic: patients are taken in the order of their ids, ties go to the smaller panel, then to the lower id.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from uuid import UUID

PREFERENCE, TEAM, CAPACITY, SPREAD = "patient-preference", "same-team", "capacity", "even-spread"
RESTRICTED, SUSPENDED, CLOSED, OVER_CAP, FULL, NO_MATCH = (
    "restricted", "suspended", "panel-closed", "over-cap", "over-capacity", "no-match",
)  # fmt: skip
NO_SPECIALTY, NO_CREDENTIAL = "specialty-missing", "credential-missing"
PERSONAL, FOLLOWS, SEATED = "personal", "follows-patients", "already-on-team"
COVERED, COVERS = "covered-themselves", "already-covers"
NOBODY: frozenset[UUID] = frozenset()
NOTHING: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Receiver:
    """Who may take patients: at most `cap` from this plan, up to `capacity` as primary; `size` patients already.

    `holds` are the kinds and codes of their credentials.
    """

    provider_id: UUID
    cap: int | None = None
    size: int = 0
    capacity: int | None = None
    accepts_new: bool = True
    holds: frozenset[str] = NOTHING
    suspended: bool = False


@dataclass(frozen=True, slots=True)
class PanelPatient:
    """A patient of the leaver: whether as primary, whom they prefer, who shares a team with them, who must not.

    `needs` names the credentials, by kind or code, on which rests what the leaver holds for this patient.
    """

    patient_id: UUID
    is_primary: bool = True
    preferred: UUID | None = None
    team: frozenset[UUID] = NOBODY
    never: frozenset[UUID] = NOBODY
    needs: frozenset[str] = NOTHING


@dataclass(frozen=True, slots=True)
class Seat:
    """The leaver's seat on a team, and the credentials on which it rests."""

    id: UUID
    team: UUID
    needs: frozenset[str] = NOTHING


@dataclass(frozen=True, slots=True)
class Duty:
    """The leaver stands in for `covered`: who must not, who stands in for the same then, on what it rests."""

    id: UUID
    covered: UUID
    never: frozenset[UUID] = NOBODY
    busy: frozenset[UUID] = NOBODY
    needs: frozenset[str] = NOTHING


@dataclass(frozen=True, slots=True)
class Match:
    """Where somebody or something goes, and by which rule; nowhere (None), and why not."""

    provider_id: UUID | None
    reason: str


def unfit(one: Receiver, needs: Set[str], specialties: Set[str]) -> str | None:
    """Why nothing that rests on these credentials may go to this receiver; `specialties` are the names that are one."""
    if one.suspended:
        return SUSPENDED
    missing = needs - one.holds
    if missing & specialties:
        return NO_SPECIALTY
    return NO_CREDENTIAL if missing else None


class _Places:
    """How full every receiver is while patients are given out."""

    def __init__(self, receivers: Iterable[Receiver], specialties: Set[str]) -> None:
        self.receivers = {one.provider_id: one for one in receivers}
        self.specialties = specialties
        self.given: Counter[UUID] = Counter()
        self.size = {one.provider_id: one.size for one in self.receivers.values()}

    def obstacle(self, provider_id: UUID, patient: PanelPatient) -> str | None:
        """Why this receiver cannot take this patient now, or None."""
        one = self.receivers[provider_id]
        if provider_id in patient.never:
            return RESTRICTED
        if (lacking := unfit(one, patient.needs, self.specialties)) is not None:
            return lacking
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


def match_patients(
    patients: Iterable[PanelPatient], receivers: Iterable[Receiver], specialties: Set[str] = NOTHING
) -> dict[UUID, Match]:
    """A match for every patient. A stronger rule is finished for all patients before the next one begins."""
    places = _Places(receivers, specialties)
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
        found[patient.patient_id] = Match(None, _why_not(places.obstacle(one, patient) for one in places.receivers))
    return found


def match_seats(
    seats: Iterable[Seat],
    followed: Mapping[UUID, Counter[UUID]],
    barred: Mapping[UUID, Set[UUID]],
    seated: frozenset[tuple[UUID, UUID]],
    receivers: Sequence[Receiver],
    specialties: Set[str] = NOTHING,
) -> dict[UUID, Match]:
    """Who takes each seat: who takes most of that team's patients (`followed`), or else who has least to do.

    A seat lets its holder in to all of the team's patients: who must not see one of them (`barred`, by team) gets none.
    A receiver who sits on that team already (`seated`: team, provider) cannot sit there twice: that seat goes nowhere.
    """
    taken: Counter[UUID] = Counter()
    found: dict[UUID, Match] = {}
    for seat in sorted(seats, key=lambda seat: (seat.team, seat.id)):
        votes = followed.get(seat.team, Counter())
        obstacles = {
            one: RESTRICTED if one.provider_id in barred.get(seat.team, ()) else unfit(one, seat.needs, specialties)
            for one in receivers
        }
        able = [
            (-votes[one.provider_id], taken[one.provider_id], one.size, one.provider_id)
            for one, obstacle in obstacles.items()
            if obstacle is None
        ]
        if not able:
            found[seat.id] = Match(None, _why_not(obstacles.values()))
            continue
        *_, chosen = min(able)
        if (seat.team, chosen) in seated:
            found[seat.id] = Match(None, SEATED)
            continue
        taken[chosen] += 1
        found[seat.id] = Match(chosen, FOLLOWS if votes[chosen] else SPREAD)
    return found


def match_duties(
    duties: Iterable[Duty], receivers: Sequence[Receiver], specialties: Set[str] = NOTHING
) -> dict[UUID, Match]:
    """Who stands in from now on: who took the fewest duties, then the smallest panel; nobody for themselves, or twice."""
    taken: Counter[UUID] = Counter()
    found: dict[UUID, Match] = {}

    def obstacle(one: Receiver, duty: Duty) -> str | None:
        if one.provider_id == duty.covered:
            return COVERED
        if one.provider_id in duty.never:
            return RESTRICTED
        return unfit(one, duty.needs, specialties) or (COVERS if one.provider_id in duty.busy else None)

    for duty in sorted(duties, key=lambda duty: duty.id):
        obstacles = {one: obstacle(one, duty) for one in receivers}
        able = [
            (taken[one.provider_id], one.size, one.provider_id) for one, why in obstacles.items() if why is None
        ]  # fmt: skip
        if not able:
            found[duty.id] = Match(None, _why_not(obstacles.values()))
            continue
        *_, chosen = min(able)
        taken[chosen] += 1
        found[duty.id] = Match(chosen, SPREAD)
    return found


def _why_not(obstacles: Iterable[str | None]) -> str:
    """The reason that all receivers share once those who must not are left out; `no-match` when they differ."""
    reasons = set(obstacles) - {None}
    others = reasons - {RESTRICTED, SUSPENDED, COVERED}
    if len(others) == 1:
        return str(others.pop())
    if others:
        return NO_MATCH
    return next((one for one in (RESTRICTED, SUSPENDED, COVERED) if one in reasons), NO_MATCH)
