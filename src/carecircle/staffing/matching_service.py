"""Who takes each thing that a leaver holds: the rules of a handover, told what they need to know of the whole panel."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.assignments.holdings import DIRECT_ASSIGNMENTS
from carecircle.care_teams.holdings import TEAM_SEATS
from carecircle.coverage.holdings import COVERAGE_GIVEN
from carecircle.directory.holdings import Holding
from carecircle.identifiers import OrganizationId
from carecircle.referrals.holdings import REFERRALS
from carecircle.staffing.panel_service import panels
from carecircle.staffing.rules import (
    PERSONAL,
    SEATED,
    Duty,
    Match,
    PanelPatient,
    Receiver,
    Seat,
    match_duties,
    match_patients,
    match_seats,
)
from carecircle.staffing.standing_service import (
    Credentials,
    credentials_of,
    looked_after,
    referrers,
    restrictions_on,
    seated,
)
from carecircle.staffing.turnover_service import Held, in_the_way

DUTY_OVER, PANEL_GONE, STILL_NEEDED = "duty-over", "panel-gone", "still-needed"
ONLY_ENDED = frozenset({PERSONAL, SEATED, DUTY_OVER, PANEL_GONE})
Rows = Sequence[tuple[Holding, Held]]


@dataclass(frozen=True, slots=True)
class Wishes:
    """Whom each patient prefers, and who must not take them."""

    preferred: Mapping[UUID, UUID]
    never: Mapping[UUID, set[UUID]]


@dataclass(frozen=True, slots=True)
class _Takers:
    """Who may take something; whom each patient must not have, and each team; which names are specialties."""

    receivers: list[Receiver]
    never: Mapping[UUID, set[UUID]]
    barred: Mapping[UUID, set[UUID]]
    specialties: set[str]


async def match(
    db: AsyncSession,
    tenant: OrganizationId,
    leaver_id: UUID,
    held: Rows,
    caps: Mapping[UUID, int | None],
    wishes: Wishes,
    at: datetime,
) -> dict[UUID, Match]:
    """A match for every held row, by its id: to whom it goes, or why it ends (ONLY_ENDED) or stays."""
    restricted = await restrictions_on(db, tenant, caps.keys(), at)
    never: dict[UUID, set[UUID]] = defaultdict(set)
    for source in (wishes.never, restricted.objected):
        for patient_id, providers in source.items():
            never[patient_id] |= providers
    credentials = await credentials_of(db, tenant, {leaver_id, *caps}, at)
    known = await panels(db, providers=list(caps), as_of=at, organization=tenant)
    receivers = [
        Receiver(
            one, cap, known[one].size, known[one].capacity, known[one].accepts_new,
            frozenset(credentials.held[one]), one in restricted.suspended,
        )
        for one, cap in sorted(caps.items())
    ]  # fmt: skip
    seats = await seated(db, tenant, list(caps), at)
    teams = {row.care_team_id for _, row in held if row.care_team_id is not None}
    looks_after = await looked_after(db, tenant, {team for team, _ in seats} | teams, at)
    takers = _Takers(
        receivers,
        never,
        {team: {one for patient_id in looks_after[team] for one in never[patient_id]} for team in teams},
        {"specialty", *credentials.specialties, *(row.named for row in _of(held, REFERRALS))},
    )
    sent_by = await referrers(db, tenant, [row.id for row in _of(held, REFERRALS)])
    beside: dict[UUID, set[UUID]] = defaultdict(set)
    for team, provider_id in seats:
        for patient_id in looks_after[team]:
            beside[patient_id].add(provider_id)
    found = match_patients(
        (
            PanelPatient(
                patient_id,
                any(holding is DIRECT_ASSIGNMENTS and row.named == "primary" for holding, row in rows),
                wishes.preferred.get(patient_id),
                frozenset(beside[patient_id]),
                frozenset(never[patient_id] | sent_by[patient_id]),
                _needs(rows, credentials, leaver_id),
            )
            for patient_id, rows in _by_patient(held).items()
        ),
        receivers,
        takers.specialties,
    )
    matches = _seats(held, looks_after, found, frozenset(seats), takers)
    matches |= await _duties(db, tenant, _of(held, COVERAGE_GIVEN), takers, at)
    for holding, row in held:
        if row.named in holding.personal:
            matches[row.id] = Match(None, PERSONAL)
        elif holding.follows_patient and row.patient_id is not None:
            matches[row.id] = found[row.patient_id]
    return matches | _serving(held, matches)


def _of(held: Rows, wanted: Holding) -> list[Held]:
    return [row for holding, row in held if holding is wanted]


def _by_patient(held: Rows) -> dict[UUID, list[tuple[Holding, Held]]]:
    """What goes where its patient goes."""
    found: dict[UUID, list[tuple[Holding, Held]]] = defaultdict(list)
    for holding, row in held:
        if holding.follows_patient and row.patient_id is not None and row.named not in holding.personal:
            found[row.patient_id].append((holding, row))
    return found


def _needs(rows: Rows, credentials: Credentials, leaver_id: UUID) -> frozenset[str]:
    """What somebody must hold to take all of this. Who never had the specialty of a referral asks it of nobody."""
    found: set[str] = set()
    for holding, row in rows:
        found |= set(row.rests_on)
        if holding is REFERRALS:
            found |= {row.named} & credentials.ever[leaver_id]
    return frozenset(found)


def _seats(
    held: Rows,
    looks_after: Mapping[UUID, set[UUID]],
    found: Mapping[UUID, Match],
    taken: frozenset[tuple[UUID, UUID]],
    takers: _Takers,
) -> dict[UUID, Match]:
    seats = [
        Seat(row.id, row.care_team_id, frozenset(row.rests_on)) for row in _of(held, TEAM_SEATS) if row.care_team_id
    ]
    followed = {
        seat.team: Counter(
            goes.provider_id
            for patient_id in looks_after[seat.team] & found.keys()
            if (goes := found[patient_id]).provider_id is not None
        )
        for seat in seats
    }
    return match_seats(seats, followed, takers.barred, taken, takers.receivers, takers.specialties)


async def _duties(
    db: AsyncSession, tenant: UUID, rows: Sequence[Held], takers: _Takers, at: datetime
) -> dict[UUID, Match]:
    """Who stands in where the leaver did. A duty that is over has only its grace left, and that ends."""
    open_rows = [row for row in rows if row.lapses_at > at]
    pairs = [(row.id, one.provider_id) for row in open_rows for one in takers.receivers]
    busy: dict[UUID, set[UUID]] = defaultdict(set)
    for row_id, provider_id in await in_the_way(db, tenant, COVERAGE_GIVEN, pairs, at):
        busy[row_id].add(provider_id)
    duties = []
    for row in open_rows:
        never: set[UUID] = set()
        if row.patient_id is not None:
            never |= takers.never.get(row.patient_id, set())
        if row.care_team_id is not None:
            never |= takers.barred.get(row.care_team_id, set())
        if row.covered_id is not None:
            needs = frozenset(row.rests_on)
            duties.append(Duty(row.id, row.covered_id, frozenset(never), frozenset(busy[row.id]), needs))
    over = {row.id: Match(None, DUTY_OVER) for row in rows if row.lapses_at <= at}
    return over | match_duties(duties, takers.receivers, takers.specialties)


def _serving(held: Rows, matches: Mapping[UUID, Match]) -> dict[UUID, Match]:
    """What serves the panel ends with it; where somebody of it stays with the leaver, it stays too."""
    staying = [
        row
        for holding, row in held
        if holding.passed_on and (goes := matches[row.id]).provider_id is None and goes.reason not in ONLY_ENDED
    ]
    teams = {row.care_team_id for row in staying}
    patients = {row.patient_id for row in staying}
    found = {}
    for holding, row in held:
        if holding.serves_the_panel:
            if row.patient_id is not None:
                needed = row.patient_id in patients
            else:
                needed = row.care_team_id in teams if row.care_team_id is not None else bool(staying)
            found[row.id] = Match(None, STILL_NEEDED if needed else PANEL_GONE)
    return found
