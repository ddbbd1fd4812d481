"""Who covers each other round: nobody of them is left to answer. Swept over time, so that thousands of rows are quick."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from uuid import UUID

from carecircle.coverage.rules import PANEL, Cover, Thing
from carecircle.coverage.times import lacking, shared, together, united
from carecircle.period import Period

Edges = dict[UUID, list[tuple[UUID, Period]]]


@dataclass(frozen=True, slots=True)
class Cycle:
    """These providers cover each other round: nobody of them is left to answer. For a team or a patient, or for all."""

    providers: tuple[UUID, ...]
    period: Period
    care_team_id: UUID | None = None
    patient_id: UUID | None = None


def cycles(covers: Sequence[Cover]) -> Iterator[Cycle]:
    """Rounds of whole panels; then those closed by the cover of one team or patient, while no panel's round has both ends."""
    of_thing: dict[Thing, list[Cover]] = defaultdict(list)
    for cover in covers:
        of_thing[cover.thing].append(cover)
    panels = of_thing.pop(PANEL, [])
    during: list[Period] = []
    rounds_of: dict[UUID, set[int]] = defaultdict(set)
    for providers, period in _rounds(panels):
        yield Cycle(providers, period)
        for one in providers:
            rounds_of[one].add(len(during))
        during.append(period)
    on: Edges = defaultdict(list)
    back: Edges = defaultdict(list)
    _join(panels, on, back)
    for thing, named in of_thing.items():
        own_on: Edges = defaultdict(list)
        own_back: Edges = defaultdict(list)
        _join(named, own_on, own_back)
        found: dict[tuple[UUID, ...], list[Period]] = defaultdict(list)
        for cover in named:
            told = rounds_of.get(cover.covered, set()) & rounds_of.get(cover.covering, set())
            open_to = lacking(cover.period, united(during[at] for at in told))
            led = _led(cover.covering, open_to, on, own_on)
            closed = _led(cover.covered, led.get(cover.covered, []), back, own_back)
            members = {
                one: [part for time in times for part in shared(time, led.get(one, []))]
                for one, times in closed.items()
            }
            for providers, period in together(members):
                found[providers].append(period)
        for providers, periods in found.items():
            yield from (Cycle(providers, period, *thing) for period in united(periods))


def _join(covers: Sequence[Cover], on: Edges, back: Edges) -> None:
    for cover in covers:
        on[cover.covered].append((cover.covering, cover.period))
        back[cover.covering].append((cover.covered, cover.period))


def _led(start: UUID, times: list[Period], *edges: Edges) -> dict[UUID, list[Period]]:
    """Whom the edges lead to from `start` within `times`, and when."""
    reached: dict[UUID, list[Period]] = {}
    waiting = [(start, times)]
    while waiting:
        provider, fresh = waiting.pop()
        for other, period in (edge for kind in edges for edge in kind.get(provider, ())):
            cut = [left for part in shared(period, fresh) for left in lacking(part, reached.get(other, []))]
            if cut:
                reached[other] = united([*reached.get(other, []), *cut])
                waiting.append((other, cut))
    return reached


def _rounds(covers: Sequence[Cover]) -> Iterator[tuple[tuple[UUID, ...], Period]]:
    """Every set of providers who cover each other round, with the time in which it was that set."""
    heads: dict[UUID, Counter[UUID]] = defaultdict(Counter)
    tails: dict[UUID, Counter[UUID]] = defaultdict(Counter)
    present: dict[frozenset[UUID], datetime] = {}
    where: dict[UUID, frozenset[UUID]] = {}
    for instant, begin, end in _steps(_could_close(covers)):
        for cover in end:
            _take_out(heads, cover.covered, cover.covering)
            _take_out(tails, cover.covering, cover.covered)
        for cover in begin:
            heads[cover.covered][cover.covering] += 1
            tails[cover.covering][cover.covered] += 1
        broken = {
            where[one.covered]
            for one in end
            if one.covering in where.get(one.covered, ())
            and one.covering not in _reached(heads, one.covered, one.covering)
        }
        suspects = [one for group in broken for one in group]
        # Whoever begins to be covered is in a round if the cover leads back; nothing else can close one.
        suspects += (
            one.covered
            for one in begin
            if one.covering not in where.get(one.covered, ())
            and one.covered in _reached(heads, one.covering, one.covered)
        )
        found: dict[UUID, frozenset[UUID]] = {}
        for suspect in suspects:
            if suspect not in found:
                group = frozenset(_reached(heads, suspect) & _reached(tails, suspect)) | {suspect}
                found |= dict.fromkeys(group, group)
        for group in {where[one] for one in found if one in where} - set(found.values()):
            yield tuple(sorted(group)), Period(present.pop(group), instant)
            for one in group:
                del where[one]
        for group in set(found.values()):
            if len(group) > 1 and group not in present:
                present[group] = instant
                where |= dict.fromkeys(group, group)


def _could_close(covers: Sequence[Cover]) -> list[Cover]:
    """Without those that lead nowhere or come from nowhere, whenever they hold: most of them."""
    leading: dict[UUID, list[Cover]] = defaultdict(list)
    coming: dict[UUID, list[Cover]] = defaultdict(list)
    for one in covers:
        leading[one.covered].append(one)
        coming[one.covering].append(one)
    dropped: set[UUID] = set()
    ways_on = Counter({provider: len(leading.get(provider, ())) for provider in {*leading, *coming}})
    ways_back = Counter({provider: len(coming.get(provider, ())) for provider in {*leading, *coming}})
    waiting = [provider for provider in ways_on if not ways_on[provider] or not ways_back[provider]]
    while waiting:
        provider = waiting.pop()
        if provider in dropped:
            continue
        dropped.add(provider)
        for one in coming.get(provider, ()):
            ways_on[one.covered] -= 1
            if not ways_on[one.covered]:
                waiting.append(one.covered)
        for one in leading.get(provider, ()):
            ways_back[one.covering] -= 1
            if not ways_back[one.covering]:
                waiting.append(one.covering)
    return [one for one in covers if one.covered not in dropped and one.covering not in dropped]


def _steps(covers: Sequence[Cover]) -> Iterator[tuple[datetime, list[Cover], list[Cover]]]:
    """Every instant at which something changes, in order: what begins, and what ends."""
    changes = [(one.period.starts_at, True, one) for one in covers]
    changes += [(one.period.ends_at, False, one) for one in covers]
    changes.sort(key=lambda change: change[0])
    for instant, group in groupby(changes, key=lambda change: change[0]):
        begin: list[Cover] = []
        end: list[Cover] = []
        for _, begins, cover in group:
            (begin if begins else end).append(cover)
        yield instant, begin, end


def _take_out(edges: dict[UUID, Counter[UUID]], one: UUID, other: UUID) -> None:
    edges[one][other] -= 1
    if not edges[one][other]:
        del edges[one][other]


def _reached(edges: Mapping[UUID, Iterable[UUID]], start: UUID, wanted: UUID | None = None) -> set[UUID]:
    """Whom the edges lead to from `start`; no further than `wanted`."""
    reached: set[UUID] = set()
    waiting = [start]
    while waiting and wanted not in reached:
        for one in edges.get(waiting.pop(), ()):
            if one not in reached:
                reached.add(one)
                waiting.append(one)
    return reached
