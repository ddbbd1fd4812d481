"""Runs a history against the real system and against the model, compares outcomes and rows, finds the smallest that differs.

Every history has an organization of its own, but people and the first team have the same ids in all of them: whatever
forgets to ask about the organization lets somebody in who is known elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from carecircle import FOREVER, Access, CareCircle, acting_as, directory
from carecircle.care_teams.tables import CareTeam
from carecircle.database.session import instant, transaction
from carecircle.directory.tables import Patient, Provider
from carecircle.errors import AccessUnavailable, CareCircleError
from carecircle.identifiers import new_id, to_text
from tests.model.commands import MODELLED, SERVED, Order
from tests.model.histories import Command, History, When
from tests.model.questions import PATIENTS, PROVIDERS, TEAMS, Disagreement, Played, interrogate
from tests.model.reference import Model, Refused

TICK = timedelta(microseconds=1)
FAR = timedelta(days=2000)

ROWS = text("""
    select id, lineage_id, assignment_type as kind, starts_at, ends_at, recorded_at, superseded_at,
           patient_id, provider_id, null::uuid as care_team_id, null as role, scope
    from carecircle.patient_assignments where organization_id = :organization
    union all
    select id, lineage_id, 'seat', starts_at, ends_at, recorded_at, superseded_at,
           null, provider_id, care_team_id, member_role, scope
    from carecircle.care_team_members where organization_id = :organization
    union all
    select id, lineage_id, 'team_patient', starts_at, ends_at, recorded_at, superseded_at,
           patient_id, null, care_team_id, null, '{}'
    from carecircle.care_team_patients where organization_id = :organization""")


@dataclass
class _Run:
    """A history while it runs on the real system."""

    organization: UUID
    base: datetime
    teams: list[UUID]
    recorded: list[datetime] = field(default_factory=list)

    def when(self, when: When | None) -> datetime | None:
        if when is None:
            return None
        if when.offset is not None:
            return self.base + when.offset
        return self.recorded[when.change % len(self.recorded)] if self.recorded else self.base

    def order(self, command: Command) -> Order:
        """The command with the ids and instants of this run; a team that is not there yet has an id nobody knows."""
        patient, provider, team = command.patient, command.provider, command.team
        return Order(
            organization=self.organization,
            patient=None if patient is None else PATIENTS[patient],
            provider=None if provider is None else PROVIDERS[provider],
            team=None if team is None else (self.teams + TEAMS[len(self.teams) :])[team],
            patient_number=patient,
            provider_number=provider,
            team_number=team,
            kind=command.kind,
            starts=self.when(command.starts),
            ends=self.when(command.ends),
            scope=command.scope,
            row=command.row or 0,
        )


async def play(circle: CareCircle, history: History) -> Played:
    """Run every command on both sides. Raises Disagreement when one of them, or the rows they left, differ."""
    with acting_as(actor="service:model"):
        run = await _prepared(circle, history)
        orders: list[Order] = []
        outcomes: list[str] = []
        for command in history.commands:
            orders.append(run.order(command))
            outcomes.append(await _really(circle, run, command, orders[-1]))
    rows = await _rows(circle, run)
    changes = sorted({row[at] for row in rows for at in ("recorded_at", "superseded_at")} - {FOREVER})
    if len(changes) != outcomes.count("changed"):
        raise Disagreement("how many commands changed rows", outcomes, changes)
    model = Model(range(history.patients), range(history.providers), {0})
    upcoming, now = iter(changes), run.base
    for command, order, outcome in zip(history.commands, orders, outcomes, strict=True):
        # A command that changed nothing left no instant behind: it ran right after the change before it.
        now = next(upcoming) if outcome == "changed" else now + TICK
        supposed = _supposedly(model, now, command, order)
        if supposed != outcome:
            raise Disagreement(f"outcome of {command}", outcome, supposed)
    ids = _same_rows(model, rows, run)
    edges = sorted({at for row in model.rows for at in (row.starts, row.ends)} - {FOREVER})
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


async def _prepared(circle: CareCircle, history: History) -> _Run:
    async with transaction(circle.engine) as db:
        slug = "m" + to_text(new_id()).lower()
        organization = await directory.register_organization(db, slug=slug, name="Model", actor="service:model")
        # Ids of ours, known in other organizations as well; people in one go, because how they register is not in question.
        db.add_all(Provider(organization_id=organization, id=one, name="") for one in PROVIDERS[: history.providers])
        db.add_all(Patient(organization_id=organization, id=one) for one in PATIENTS[: history.patients])
        db.add(CareTeam(organization_id=organization, id=TEAMS[0], name="Team", value="shared"))
        await db.flush()
        return _Run(organization, await instant(db), [TEAMS[0]])


async def _really(circle: CareCircle, run: _Run, command: Command, order: Order) -> str:
    """Run one command through its service, in a transaction of its own: changed, unchanged, or the refusal's code."""
    # The database runs on this machine, by the same clock: a row from before is one that was found, not made.
    before = datetime.now(UTC)
    try:
        with acting_as(organization=run.organization):
            async with transaction(circle.engine) as db:
                served = await SERVED[command.name](db, order)
    except AccessUnavailable:
        # The database did not answer: that says nothing about what it would have said.
        raise
    except CareCircleError as refused:
        return refused.code
    if isinstance(served, UUID):
        run.teams.append(served)
        return "unchanged"
    if isinstance(served, bool):
        return "changed" if served else "unchanged"
    if served.recorded_at < before:
        return "unchanged"
    run.recorded.append(served.recorded_at)
    return "changed"


def _supposedly(model: Model, now: datetime, command: Command, order: Order) -> str:
    """The same command on the model."""
    try:
        return "changed" if MODELLED[command.name](model, now, order) else "unchanged"
    except Refused as refused:
        return refused.code


async def _rows(circle: CareCircle, run: _Run) -> list[dict[str, Any]]:
    async with transaction(circle.engine, run.organization) as db:
        found = await db.execute(ROWS, {"organization": run.organization})
        return [
            {key: FOREVER if isinstance(value, datetime) and value.year == FOREVER.year else value
             for key, value in row.items()}
            for row in found.mappings()
        ]  # fmt: skip


def _same_rows(model: Model, rows: list[dict[str, Any]], run: _Run) -> list[UUID]:
    """The real id of each of the model's rows. Raises Disagreement unless both recorded the same facts."""
    people: dict[UUID | None, int | None] = {None: None}
    for ids in (PATIENTS, PROVIDERS, run.teams):
        people |= {one: number for number, one in enumerate(ids)}
    real: dict[tuple[object, ...], UUID] = {}
    first = {row["id"]: row["recorded_at"] for row in rows}
    for row in rows:
        real[(
            row["kind"], row["starts_at"], row["ends_at"], row["recorded_at"], row["superseded_at"],
            people[row["patient_id"]], people[row["provider_id"]], people[row["care_team_id"]], row["role"],
            tuple(sorted(set(row["scope"]))), first[row["lineage_id"]],
        )] = row["id"]  # fmt: skip
    supposed = [
        (
            row.kind, row.starts, row.ends, row.recorded, row.superseded, row.patient, row.provider, row.team, row.role,
            tuple(sorted(row.scope)), model.rows[row.lineage].recorded,
        )
        for row in model.rows
    ]  # fmt: skip
    if set(real) != set(supposed) or len(rows) != len(supposed):
        raise Disagreement(
            "the rows on record", sorted(set(real) - set(supposed), key=str), sorted(set(supposed) - set(real), key=str)
        )
    return [real[one] for one in supposed]
