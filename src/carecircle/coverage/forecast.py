"""What will go wrong with standing in: people who cover each other round, two who cover the same, and nobody who does.

Pure: over arrangements and absences already loaded, all of them within one window of time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeVar
from uuid import UUID

from carecircle.coverage.rounds import Cycle, cycles
from carecircle.coverage.rules import PANEL, Cover, Thing
from carecircle.coverage.times import common, lacking, shared, together, united
from carecircle.period import Period

GapKind = Literal["absent-without-coverage", "covering-provider-absent", "covering-provider-covered"]
Key = TypeVar("Key")


@dataclass(frozen=True, slots=True)
class Absence:
    provider: UUID
    period: Period


@dataclass(frozen=True, slots=True)
class Overlap:
    """All of these providers cover the same of `covered` at the same time."""

    covered: UUID
    providers: tuple[UUID, ...]
    period: Period
    care_team_id: UUID | None = None
    patient_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Gap:
    """Nobody who may see them answers for `provider`'s patients: he is absent and not covered as a whole, or `covering` is
    absent himself, or covered by somebody else, to whom access does not pass on."""

    kind: GapKind
    provider: UUID
    period: Period
    covering: UUID | None = None
    arrangement_id: UUID | None = None
    care_team_id: UUID | None = None
    patient_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is foreseen within `period`, each kind by when it begins."""

    period: Period
    cycles: tuple[Cycle, ...]
    overlaps: tuple[Overlap, ...]
    gaps: tuple[Gap, ...]

    @property
    def patients(self) -> set[UUID]:
        """The patients whom it names."""
        found: tuple[Cycle | Overlap | Gap, ...] = (*self.cycles, *self.overlaps, *self.gaps)
        return {one.patient_id for one in found if one.patient_id}


def foresee(window: Period, covers: Iterable[Cover], absences: Iterable[Absence]) -> Forecast:
    """Look through a window; what reaches beyond it is cut to it."""
    within = [replace(one, period=cut) for one in covers if (cut := common(one.period, window))]
    away = [replace(one, period=cut) for one in absences if (cut := common(one.period, window))]
    return Forecast(
        window,
        tuple(sorted(cycles(within), key=lambda one: (one.period.starts_at, one.providers))),
        tuple(sorted(_overlaps(within), key=lambda one: (one.period.starts_at, one.covered, one.providers))),
        tuple(sorted(_gaps(within, away), key=lambda one: (one.period.starts_at, one.provider, one.kind))),
    )


def _overlaps(covers: Sequence[Cover]) -> Iterator[Overlap]:
    same: dict[tuple[UUID, Thing], dict[UUID, list[Period]]] = defaultdict(lambda: defaultdict(list))
    for cover in covers:
        same[cover.covered, cover.thing][cover.covering].append(cover.period)
    for (covered, thing), duties in same.items():
        if len(duties) > 1:
            yield from (Overlap(covered, providers, period, *thing) for providers, period in together(duties))


def _gaps(covers: Sequence[Cover], absences: Sequence[Absence]) -> Iterator[Gap]:
    """A gap of an arrangement is none while somebody else who can covers the same, or the whole panel."""
    away = _by((one.provider, one.period) for one in absences)
    handed_on = _by(((one.covered, one.thing), one.period) for one in covers)
    for absence in absences:
        for period in lacking(absence.period, handed_on.get((absence.provider, PANEL), [])):
            yield Gap("absent-without-coverage", absence.provider, period)

    def covered_himself(cover: Cover) -> list[Period]:
        keys = {(cover.covering, PANEL), (cover.covering, cover.thing)}
        return united(part for key in keys for part in shared(cover.period, handed_on.get(key, [])))

    def answers(cover: Cover) -> list[Period]:
        unable = united([*covered_himself(cover), *shared(cover.period, away.get(cover.covering, []))])
        return lacking(cover.period, unable)

    somebody = _by(((one.covered, one.thing), part) for one in covers for part in answers(one))
    for cover in covers:
        keys = {(cover.covered, PANEL), (cover.covered, cover.thing)}
        answered = united(part for key in keys for part in shared(cover.period, somebody.get(key, [])))
        passed_on = covered_himself(cover)
        by_kind: dict[GapKind, list[Period]] = {
            "covering-provider-covered": passed_on,
            "covering-provider-absent": [
                part for gone in shared(cover.period, away.get(cover.covering, [])) for part in lacking(gone, passed_on)
            ],
        }
        for kind, parts in by_kind.items():
            for period in (left for part in parts for left in lacking(part, answered)):
                yield Gap(kind, cover.covered, period, cover.covering, cover.arrangement_id, *cover.thing)


def _by(times: Iterable[tuple[Key, Period]]) -> dict[Key, list[Period]]:
    grouped: dict[Key, list[Period]] = defaultdict(list)
    for key, period in times:
        grouped[key].append(period)
    return {key: united(periods) for key, periods in grouped.items()}
