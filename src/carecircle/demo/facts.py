"""Draws a house's facts from a fixed number: patients, assignments, hospital stays, teams, and what an import left over."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from hashlib import sha256
from uuid import UUID

from carecircle.assignments.rules import AssignmentType
from carecircle.demo import stories
from carecircle.demo.people import FAMILY, GIVEN, House, Person
from carecircle.period import FOREVER

WRONG = "entered-wrongly"
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class DrawnPatient:
    """A patient as the directory keeps one."""

    id: UUID
    number: str
    name: str
    born: date
    sex: str


@dataclass(frozen=True, slots=True)
class DrawnAssignment:
    """A direct assignment; `mark` says that it will be corrected."""

    id: UUID
    patient_id: UUID
    provider_id: UUID
    kind: AssignmentType
    starts_at: datetime
    ends_at: datetime = FOREVER
    mark: str = ""


@dataclass(frozen=True, slots=True)
class DrawnTeam:
    """A team with its seats (provider, role, start, end) and its patients (patient, start, end)."""

    id: UUID
    name: str
    kind: str
    seats: list[tuple[UUID, str, datetime, datetime]]
    patients: list[tuple[UUID, datetime, datetime]] = field(default_factory=list)


@dataclass(slots=True)
class Drawn:
    """All of one house."""

    providers: dict[str, UUID]
    patients: list[DrawnPatient] = field(default_factory=list)
    assignments: list[DrawnAssignment] = field(default_factory=list)
    teams: list[DrawnTeam] = field(default_factory=list)


def fixed_id(*words: object) -> UUID:
    """The id of a thing of the demo: always the same."""
    return UUID(bytes=sha256("|".join(map(str, ("carecircle demo", *words))).encode()).digest()[:16], version=5)


def draw(house: House, now: datetime) -> Drawn:
    """Draw a house, with everything dated back from `now`."""
    chance = random.Random(house.slug)  # noqa: S311  # believable, not secret
    today = now.replace(hour=8, minute=0, second=0, microsecond=0) - DAY
    drawn = Drawn({person.short: fixed_id(house.slug, person.short) for person in house.people})
    wards = {ward: _ward(house, ward, today) for ward in house.wards}
    for position in range(1, house.patients + 1):
        patient = _patient(house, position, chance, today)
        drawn.patients.append(patient)
        if patient.number in stories.CAST:
            _cast(house, patient, drawn, wards, today)
        else:
            _drawn_care(house, patient, drawn, wards, chance, today)
    drawn.teams = [*wards.values(), *_patient_teams(house, drawn, chance, today)]
    return drawn


def _patient(house: House, position: int, chance: random.Random, today: datetime) -> DrawnPatient:
    number = f"{house.letter}-{position:04}"
    born = (today - DAY * chance.randrange(30, 95 * 365)).date()
    name = f"{chance.choice(GIVEN)} {chance.choice(FAMILY)}"
    return DrawnPatient(fixed_id(house.slug, number), number, name, born, chance.choice(("female", "male")))


def _cast(house: House, patient: DrawnPatient, drawn: Drawn, wards: dict[str, DrawnTeam], today: datetime) -> None:
    for part in stories.PARTS:
        if part.patient == patient.number:
            ends_at = FOREVER if part.ended is None else today - DAY * part.ended
            mark = WRONG if (part.patient, part.provider) in stories.CORRECTIONS else ""
            _assign(drawn, patient, drawn.providers[part.provider], part.kind, today - DAY * part.began, ends_at, mark)
    if patient.number in stories.WARD_OF:
        wards[stories.WARD_OF[patient.number]].patients.append((patient.id, today - DAY * 2, FOREVER))


def _drawn_care(
    house: House,
    patient: DrawnPatient,
    drawn: Drawn,
    wards: dict[str, DrawnTeam],
    chance: random.Random,
    today: datetime,
) -> None:
    family, specialists = house.of("family"), house.of("specialist")
    began = today - DAY * chance.randrange(30, 2000)
    doctor, earlier = chance.sample(family, 2)
    _assign(drawn, patient, drawn.providers[doctor.short], "primary", began)
    if chance.random() < 0.15:
        start = began - DAY * chance.randrange(100, 1500)
        _assign(drawn, patient, drawn.providers[earlier.short], "primary", start, began)
    for adviser in chance.sample(specialists, chance.choice((0, 0, 1, 1, 1, 2))):
        start = today - DAY * chance.randrange(20, 900)
        over = start + DAY * chance.randrange(5, 400)
        mark = WRONG if over >= today and chance.random() < 0.03 else ""
        ends_at = over if over < today else FOREVER
        _assign(drawn, patient, drawn.providers[adviser.short], "consulting", start, ends_at, mark)
    staying = chance.random()
    if staying < 0.45:
        start = today - DAY * chance.randrange(20, 1100) + timedelta(hours=chance.randrange(24))
        _stay(house, patient, drawn, wards, chance, start, start + timedelta(hours=chance.randrange(20, 300)))
    elif staying < 0.50:
        _stay(house, patient, drawn, wards, chance, today - timedelta(hours=chance.randrange(6, 150)), FOREVER)


def _stay(
    house: House,
    patient: DrawnPatient,
    drawn: Drawn,
    wards: dict[str, DrawnTeam],
    chance: random.Random,
    start: datetime,
    end: datetime,
) -> None:
    """A hospital stay: somebody attends, and the ward's team looks after the patient."""
    ward = chance.choice(house.wards)
    attending = [person for person in house.people if person.team == ward and person.seat == "attending"]
    _assign(drawn, patient, drawn.providers[chance.choice(attending).short], "attending", start, end)
    wards[ward].patients.append((patient.id, start, end))


def _assign(
    drawn: Drawn,
    patient: DrawnPatient,
    provider_id: UUID,
    kind: AssignmentType,
    starts_at: datetime,
    ends_at: datetime = FOREVER,
    mark: str = "",
) -> None:
    row_id = fixed_id(patient.id, "assignment", len(drawn.assignments))
    drawn.assignments.append(DrawnAssignment(row_id, patient.id, provider_id, kind, starts_at, ends_at, mark))


def _ward(house: House, ward: str, today: datetime) -> DrawnTeam:
    opened = today - DAY * 2500
    seats = [
        (fixed_id(house.slug, person.short), person.seat, opened, FOREVER)
        for person in house.people
        if person.team == ward
    ]
    # A resident of another house rotation, gone since: a seat that has ended.
    left = house.of("family")[-1]
    seats.append((fixed_id(house.slug, left.short), "resident", opened, opened + DAY * 365))
    return DrawnTeam(fixed_id(house.slug, ward), ward, "primary", seats)


def _patient_teams(house: House, drawn: Drawn, chance: random.Random, today: datetime) -> list[DrawnTeam]:
    """Small teams around one patient each."""
    members: list[Person] = house.of("specialist") + house.of("nurse") + house.of("therapist")
    teams = []
    for number, patient in enumerate(chance.sample(drawn.patients[len(stories.CAST) :], house.patients // 40), 1):
        start = today - DAY * chance.randrange(10, 500)
        seats = [
            (drawn.providers[person.short], _SEAT_OF[person.role], start, FOREVER if chance.random() < 0.85 else start + DAY * 9)
            for person in chance.sample(members, chance.randrange(3, 6))
        ]  # fmt: skip
        team_id = fixed_id(house.slug, "team", number)
        teams.append(DrawnTeam(team_id, f"Shared care {number:03}", "specialty", seats, [(patient.id, start, FOREVER)]))
    return teams


_SEAT_OF = {"specialist": "specialist", "nurse": "nurse", "therapist": "member"}
