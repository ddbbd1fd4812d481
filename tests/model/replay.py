"""Runs a history against the real system and against the model, compares outcomes and rows, finds the smallest that differs.

Every history has an organization of its own, but people and the first team have the same ids in all of them: whatever
forgets to ask about the organization lets somebody in who is known elsewhere.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle import FOREVER, Access, CareCircle, acting_as, directory
from carecircle.care_teams.tables import CareTeam
from carecircle.coverage.tables import CoverageArrangement
from carecircle.database.session import enter_tenant, instant, transaction
from carecircle.directory.tables import Duty, Patient, Provider
from carecircle.emergency.tables import EmergencyAccess
from carecircle.errors import AccessUnavailable, CareCircleError
from carecircle.identifiers import new_id, to_text
from carecircle.referrals.tables import Referral
from carecircle.restrictions.tables import AccessRestriction, PatientLabel
from tests.model.commands import MODELLED, SERVED, Order
from tests.model.histories import Command, History, When
from tests.model.questions import PATIENTS, PROVIDERS, TEAMS, Disagreement, Played, interrogate
from tests.model.reference_around import EARLIEST, Model
from tests.model.reference_commands import Refused

TICK = timedelta(microseconds=1)
FAR = timedelta(days=2000)

# Every fact in one shape: `other` is a second person, `named` a role, a kind, a type, `code` what a code says.
_SHAPE = {
    "patient_id": "null::uuid", "provider_id": "null::uuid", "care_team_id": "null::uuid", "other": "null::uuid",
    "named": "null", "code": "null", "scope": "array[]::text[]", "rests_on": "array[]::text[]",
    "referral_id": "null::uuid", "duty_ends_at": "null::timestamptz", "arrangement_id": "null::uuid",
    "despite": "array[]::text[]",
}  # fmt: skip
_TABLES = {
    "patient_assignments": ("assignment_type", "patient_id, provider_id, scope, rests_on, referral_id"),
    "care_team_members": ("'seat'", "provider_id, care_team_id, member_role as named, scope, rests_on"),
    "care_team_patients": ("'team_patient'", "patient_id, care_team_id"),
    "care_team_closures": ("'closure'", "care_team_id"),
    "coverage_arrangements": (
        "'coverage'",
        "patient_id, covering_provider_id as provider_id, covered_provider_id as other, care_team_id,"
        " coverage_type as named, scope, rests_on, duty_ends_at, arrangement_id",
    ),
    "provider_credentials": ("'credential'", "provider_id, kind as named, code"),
    "referrals": ("'referral'", "patient_id, provider_id, referring_provider_id as other, specialty_code as code"),
    "access_restrictions": ("kind", "patient_id, provider_id"),
    "patient_labels": ("'label'", "patient_id, label as code"),
    "policies": (
        "'policy'",
        "actions as scope, document->>'coverage_grace_minutes' as named,"
        " array(select jsonb_array_elements_text(document->'coverage_credentials')) as rests_on,"
        " array(select jsonb_array_elements_text(document->'emergency_overrides')) as despite",
    ),
    "patient_merges": ("'merge'", "patient_id, into_patient_id as other"),
    "duties": ("'duty'", "provider_id, duty as named"),
    "emergency_access": ("'emergency_access'", "patient_id, provider_id, state as named, scope, despite"),
}


def _selected(table: str, kind: str, said: str) -> str:
    given = {one.rpartition(" ")[2]: one for one in said.split(", ")}
    columns = ", ".join(given.get(name, f"{missing} as {name}") for name, missing in _SHAPE.items())
    return (
        f"select id, lineage_id, {kind} as kind, starts_at, ends_at, recorded_at, superseded_at, {columns}"
        f" from carecircle.{table} where organization_id = :organization"
    )


ROWS = text("\nunion all\n".join(_selected(table, *said) for table, said in _TABLES.items()))


@dataclass
class _Run:
    """A history while it runs on the real system."""

    organization: UUID
    base: datetime
    teams: list[UUID]
    recorded: list[datetime] = field(default_factory=list)
    referrals: list[UUID] = field(default_factory=list)
    arrangements: list[UUID] = field(default_factory=list)
    restrictions: list[UUID] = field(default_factory=list)
    duties: list[UUID] = field(default_factory=list)
    emergencies: list[UUID] = field(default_factory=list)

    def when(self, when: When | None) -> datetime | None:
        if when is None:
            return None
        if when.offset is not None:
            return self.base + when.offset
        return self.recorded[when.change % len(self.recorded)] if self.recorded else self.base

    def order(self, command: Command) -> Order:
        """The command with the ids and instants of this run; a team that is not there yet has an id nobody knows."""
        row, teams = command.row or 0, self.teams + TEAMS[len(self.teams) :]
        patients = command.patients or ()
        other_people = PATIENTS if command.name == "merge_patients" else PROVIDERS
        return Order(
            organization=self.organization,
            patient=None if command.patient is None else PATIENTS[command.patient],
            provider=None if command.provider is None else PROVIDERS[command.provider],
            team=None if command.team is None else teams[command.team],
            other=None if command.other is None else other_people[command.other],
            patients=tuple(PATIENTS[one] for one in patients),
            referral=_chosen(self.referrals, row),
            arrangement=_chosen(self.arrangements, row),
            restriction=_chosen(self.restrictions, row),
            duty=_chosen(self.duties, row),
            emergency=_chosen(self.emergencies, row),
            patient_number=command.patient,
            provider_number=command.provider,
            team_number=command.team,
            other_number=command.other,
            patient_numbers=patients,
            kind=command.kind,
            code=command.code,
            starts=self.when(command.starts),
            ends=self.when(command.ends),
            scope=command.scope,
            rests_on=command.rests_on,
            row=row,
            despite=("sensitivity",) if command.despite is None else command.despite,
        )

    def remember(self, made: Any) -> None:
        """What a later command may be about."""
        self.recorded.append(made.recorded_at)
        if isinstance(made, Referral) and made.id == made.lineage_id:
            self.referrals.append(made.lineage_id)
        elif isinstance(made, CoverageArrangement):
            self.arrangements.append(made.arrangement_id)
        elif isinstance(made, AccessRestriction | PatientLabel):
            self.restrictions.append(made.id)
        elif isinstance(made, Duty):
            self.duties.append(made.id)
        elif isinstance(made, EmergencyAccess) and made.lineage_id not in self.emergencies:
            self.emergencies.append(made.lineage_id)


def _chosen(made: list[UUID], row: int) -> UUID:
    """One of those made so far; when there are none, one that nobody knows."""
    return made[row % len(made)] if made else new_id()


async def play(circle: CareCircle, history: History) -> Played:
    """Run every command on both sides. Raises Disagreement when one of them, or the rows they left, differ."""
    orders: list[Order] = []
    outcomes: list[str] = []
    # All in one transaction: every statement in it has an instant of its own, and that is what the clocks say.
    async with transaction(circle.engine) as db:
        run = await _prepared(db, history)
        with acting_as(organization=run.organization, actor="service:model"):
            for command in history.commands:
                orders.append(run.order(command))
                outcomes.append(await _really(db, run, command, orders[-1]))
                # The next command finds what is in the database, not what this one remembers.
                db.expunge_all()
        rows = await _rows(db, run)
    changes = sorted({row[at] for row in rows for at in ("recorded_at", "superseded_at")} - {FOREVER})
    if len(changes) < outcomes.count("changed"):
        raise Disagreement("how many commands changed rows", outcomes, changes)
    model = Model(range(history.patients), range(history.providers), {0})
    model.ahead, now = deque(changes), run.base
    for command, order, outcome in zip(history.commands, orders, outcomes, strict=True):
        # A command that changed nothing left no instant behind: it ran right after the change before it.
        now = model.ahead.popleft() if outcome == "changed" and model.ahead else now + TICK
        supposed = _supposedly(model, now, command, order)
        if supposed != outcome:
            raise Disagreement(f"outcome of {command}", outcome, supposed)
        now = max([now, *changes[: len(changes) - len(model.ahead)]])
    if model.ahead:
        raise Disagreement(
            "how many instants changed rows", changes, [one for one in changes if one not in model.ahead]
        )
    ids = _same_rows(model, rows, run)
    edges = sorted({at for row in model.rows for at in (row.starts, row.ends)} - {EARLIEST, FOREVER})
    as_ofs = [*_around(edges), *[run.base + FAR] * (len(edges) + 1), run.base - FAR, *changes]
    beliefs = [*_around(changes), run.base + FAR, run.base - FAR]
    last_change = changes[-1] if changes else run.base
    return Played(history, run.organization, model, ids, as_ofs, beliefs, last_change)


async def smallest(circle: CareCircle, access: Access, history: History) -> tuple[History, BaseException] | None:
    """The history with every command and moment left out that the disagreement does not need; None when it is gone."""
    found = await _disagreement(circle, access, history)
    if found is None:
        return None
    shrinking = True
    while shrinking:
        shrinking = False
        for shorter in _shorter(history):
            again = await _disagreement(circle, access, shorter)
            if again is not None:
                history, found, shrinking = shorter, again, True
                break
    return history, found


def _around(instants: Iterable[datetime]) -> list[datetime]:
    """Each instant and the microseconds beside it, itself as often as both together."""
    return [at + beside for at in instants for beside in (-TICK, timedelta(), timedelta(), TICK)]


def _shorter(history: History) -> Iterator[History]:
    for one in range(len(history.commands)):
        yield replace(history, commands=history.commands[:one] + history.commands[one + 1 :])
    for one in range(len(history.moments)):
        yield replace(history, moments=history.moments[:one] + history.moments[one + 1 :])


async def _disagreement(circle: CareCircle, access: Access, history: History) -> Disagreement | None:
    try:
        await interrogate(access, await play(circle, history))
    except Disagreement as found:
        return found
    return None


async def _prepared(db: AsyncSession, history: History) -> _Run:
    slug = "m" + to_text(new_id()).lower()
    organization = await directory.register_organization(db, slug=slug, name="Model", actor="service:model")
    # Ids of ours, known in other organizations as well; people in one go, because how they register is not in question.
    db.add_all(Provider(organization_id=organization, id=one, name="") for one in PROVIDERS[: history.providers])
    db.add_all(Patient(organization_id=organization, id=one) for one in PATIENTS[: history.patients])
    db.add(CareTeam(organization_id=organization, id=TEAMS[0], name="Team", value="shared"))
    await db.flush()
    return _Run(organization, await instant(db), [TEAMS[0]])


async def _really(db: AsyncSession, run: _Run, command: Command, order: Order) -> str:
    """Run one command through its service: changed, unchanged, or the refusal's code."""
    # The database runs on this machine, by the same clock: a row from before is one that was found, not made.
    before = datetime.now(UTC)
    try:
        served = await SERVED[command.name](db, order)
    except AccessUnavailable:
        # The database did not answer: that says nothing about what it would have said.
        raise
    except CareCircleError as refused:
        return refused.code
    if isinstance(served, UUID):
        run.teams.append(served)
        return "unchanged"
    if isinstance(served, int):
        return "changed" if served else "unchanged"
    row = served[0] if isinstance(served, list) else served
    if row.recorded_at < before:
        return "unchanged"
    run.remember(row)
    return "changed"


def _supposedly(model: Model, now: datetime, command: Command, order: Order) -> str:
    """The same command on the model; whatever is said of a patient who was merged is meant of the survivor."""
    if command.name not in ("merge_patients", "unmerge_patients", "misfile_assignment"):
        order = replace(
            order,
            patient_number=None if order.patient_number is None else model.present(order.patient_number),
            patient_numbers=tuple(map(model.present, order.patient_numbers)),
        )
    try:
        return "changed" if MODELLED[command.name](model, now, order) else "unchanged"
    except Refused as refused:
        return refused.code


async def _rows(db: AsyncSession, run: _Run) -> list[dict[str, Any]]:
    await enter_tenant(db, run.organization)
    found = await db.execute(ROWS, {"organization": run.organization})
    return [
        {key: FOREVER if isinstance(value, datetime) and value.year == FOREVER.year else value
         for key, value in row.items()}
        for row in found.mappings()
    ]  # fmt: skip


def _same_rows(model: Model, rows: list[dict[str, Any]], run: _Run) -> list[tuple[UUID, UUID]]:
    """The real id, and the lineage's, of each of the model's rows. Raises Disagreement unless both recorded the same facts."""
    people: dict[UUID | None, int | None] = {None: None}
    for ids in (PATIENTS, PROVIDERS, run.teams):
        people |= {one: number for number, one in enumerate(ids)}
    numbers = {one: number for number, one in enumerate(run.arrangements)}
    first: dict[UUID, datetime] = {}
    for row in rows:
        first[row["lineage_id"]] = min(row["recorded_at"], first.get(row["lineage_id"], row["recorded_at"]))
    real: dict[tuple[object, ...], tuple[UUID, UUID]] = {}
    for row in rows:
        real[(
            row["kind"], row["starts_at"], row["ends_at"], row["recorded_at"], row["superseded_at"],
            people[row["patient_id"]], people[row["provider_id"]], people[row["care_team_id"]], people[row["other"]],
            row["named"], row["code"], tuple(sorted(set(row["scope"]))), tuple(sorted(row["rests_on"])),
            first.get(row["referral_id"]), row["duty_ends_at"], numbers.get(row["arrangement_id"]),
            first[row["lineage_id"]], tuple(sorted(row["despite"])),
        )] = row["id"], row["lineage_id"]  # fmt: skip
    supposed = [
        (
            row.kind, row.starts, row.ends, row.recorded, row.superseded,
            row.patient, row.provider, row.team, row.other,
            row.role, row.code, tuple(sorted(row.scope)), tuple(sorted(row.rests_on)),
            None if row.referral in (None, -1) else model.rows[row.referral].recorded, row.duty_ends, row.arrangement,
            model.rows[row.lineage].recorded, tuple(sorted(row.despite)),
        )
        for row in model.rows
    ]  # fmt: skip
    if set(real) != set(supposed) or len(rows) != len(supposed):
        raise Disagreement(
            "the rows on record", sorted(set(real) - set(supposed), key=str), sorted(set(supposed) - set(real), key=str)
        )
    return [real[one] for one in supposed]
