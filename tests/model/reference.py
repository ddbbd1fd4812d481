"""The reference model: what carecircle means, in plain Python over a list of rows. No SQL, no database, no clock.

Every fact has two clocks, both half-open: when it holds (starts, ends) and while it was believed (recorded, superseded).
People, teams and rows are numbers. `now` is always given: the instant at which the real command ran.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

FOREVER = datetime.max.replace(tzinfo=UTC)
ALL = frozenset({"read", "write", "order", "share"})
TREATING, NURSING, READING = ALL - {"share"}, frozenset({"read", "write"}), frozenset({"read"})
BY_TYPE = {"primary": ALL, "attending": ALL, "admitting": TREATING, "consulting": TREATING, "emergency": TREATING}
BY_ROLE = {"attending": ALL, "resident": TREATING, "specialist": TREATING, "nurse": NURSING, "member": READING}


class Refused(Exception):
    """The command changes nothing; `code` says why."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


@dataclass(frozen=True)
class Row:
    """One fact: an assignment (`kind` is its type), a provider's "seat" on a team, or a "team_patient"."""

    number: int
    lineage: int
    kind: str
    starts: datetime
    ends: datetime
    recorded: datetime
    patient: int | None = None
    provider: int | None = None
    team: int | None = None
    role: str | None = None
    scope: frozenset[str] = frozenset()
    superseded: datetime = FOREVER

    def holds(self, as_of: datetime, believed_at: datetime | None) -> bool:
        """`believed_at` None: as we believe now."""
        return self.starts <= as_of < self.ends and self.believed(believed_at)

    def believed(self, at: datetime | None = None) -> bool:
        return self.superseded == FOREVER if at is None else self.recorded <= at < self.superseded


@dataclass(frozen=True)
class Basis:
    """Why somebody is let in: the kind, the row, the row under it, from when, until when."""

    kind: str
    row: int
    under: int | None
    starts: datetime
    ends: datetime


@dataclass(frozen=True)
class Answer:
    allowed: bool
    code: str
    bases: frozenset[Basis] = frozenset()


class Model:
    """One organization: who is registered, its teams, and every row ever recorded."""

    def __init__(self, patients: Collection[int], providers: Collection[int], teams: Collection[int] = ()) -> None:
        self.patients, self.providers, self.teams = set(patients), set(providers), set(teams)
        self.rows: list[Row] = []

    # Commands: each returns whether it changed anything, or raises Refused and changes nothing.

    def assign_primary(
        self, now: datetime, patient: int, provider: int, previous: str = "demote", starts: datetime | None = None
    ) -> bool:
        at = starts or now
        if at < now:
            raise Refused("invalid-period")
        primaries = self._now_believed("primary", patient=patient)
        incumbent = next((row for row in primaries if row.holds(at, None)), None)
        if incumbent is not None and incumbent.provider == provider:
            return False
        if any(_overlap(row, at, FOREVER) for row in primaries if row is not incumbent):
            raise Refused("primary-already-assigned")
        self._require(patient=patient, provider=provider)
        if incumbent is not None:
            self._end(incumbent, now, at)
            consulting = self._now_believed("consulting", patient=patient, provider=incumbent.provider)
            kept = incumbent.scope & BY_TYPE["consulting"]
            held = any(row.starts <= at and row.ends >= incumbent.ends for row in consulting)
            if previous == "demote" and incumbent.starts < at and kept and not held:
                self._record(replace(incumbent, kind="consulting", starts=at, scope=kept), now)
        self._record(Row(-1, -1, "primary", at, FOREVER, now, patient, provider, scope=BY_TYPE["primary"]), now)
        return True

    def cancel_handover(self, now: datetime, patient: int) -> bool:
        primaries = sorted(self._now_believed("primary", patient=patient), key=lambda row: row.starts)
        planned = next((row for row in primaries if row.starts > now), None)
        if planned is None:
            raise Refused("assignment-not-found")
        later = [row.starts for row in primaries if row.starts > planned.starts]
        origin = min((row for row in self.rows if row.lineage == planned.lineage), key=lambda row: row.recorded)
        others = [row for row in self.rows if row.patient == patient and row.lineage != planned.lineage]
        # A patient's commands queue up, so an instant is a command: what it made and what it closed.
        made = [row for row in others if row.believed() and row.recorded == origin.recorded]
        own = self._now_believed("consulting", patient=patient, lineage=planned.lineage)
        for row in [planned, *made, *(row for row in own if row.starts == planned.ends)]:
            self._end(row, now, row.starts)
        for replaced in [row for row in others if row.superseded == origin.recorded and row.kind == "primary"]:
            left = [row for row in made if row.lineage == replaced.lineage and row.kind == "primary"]
            if left or replaced.starts >= origin.starts:
                back = replace(replaced, ends=min([replaced.ends, *later]), superseded=FOREVER)
                self._record(back, now)
            else:
                self._stays_instead(now, patient, origin, replaced, later)
        return True

    def _stays_instead(
        self, now: datetime, patient: int, origin: Row, replaced: Row, later: Collection[datetime]
    ) -> None:
        """The turn of `replaced` was itself taken back before: whoever stayed then stays on, as long as they would have."""
        mine = [row for row in self.rows if row.patient == patient and row.kind == "primary"]
        ours = [row for row in mine if row.lineage == replaced.lineage and row.recorded == origin.recorded]
        taken_back = {row.superseded for row in ours}
        for row in mine:
            if row.lineage == replaced.lineage or not row.believed() or row.ends != origin.starts:
                continue
            before: Row | None = replaced
            while row.recorded in taken_back and before is not None and before.lineage != row.lineage:
                first = min((one for one in self.rows if one.lineage == before.lineage), key=lambda one: one.recorded)
                closed = [one for one in mine if one.superseded == first.recorded and one.lineage != first.lineage]
                before = closed[0] if closed else None
            if row.recorded in taken_back and before is not None:
                self._end(row, now, row.starts)
                self._record(replace(row, ends=min([before.ends, *later])), now)

    def add_assignment(
        self, now: datetime, patient: int, provider: int, kind: str,
        starts: datetime | None = None, ends: datetime | None = None, scope: Collection[str] | None = None,
    ) -> bool:  # fmt: skip
        if kind not in BY_TYPE:
            raise Refused("invalid-request")
        first, last = _period(starts or now, ends or FOREVER)
        granted = BY_TYPE[kind] if scope is None else frozenset(scope)
        for row in self._now_believed(kind, patient=patient, provider=provider):
            begun = row.starts == first or (starts is None and row.starts <= now)
            if begun and (row.ends, row.scope) == (last, granted):
                return False
        return self._assign(Row(-1, -1, kind, first, last, now, patient, provider, scope=granted), now)

    def correct_assignment(
        self, now: datetime, patient: int, index: int, provider: int | None, kind: str | None,
        starts: datetime | None, ends: datetime | None, scope: Collection[str] | None,
    ) -> bool:  # fmt: skip
        if kind is not None and kind not in BY_TYPE:
            raise Refused("invalid-request")
        held = sorted(self._now_believed(*BY_TYPE, patient=patient), key=self.order)
        if not held:
            raise Refused("assignment-not-found")
        wrong = held[index % len(held)]
        first, last = _period(starts or wrong.starts, ends or wrong.ends)
        right = replace(wrong, starts=first, ends=last, kind=kind or wrong.kind)
        if provider is not None:
            right = replace(right, provider=provider)
        return self._assign(replace(right, scope=right.scope if scope is None else frozenset(scope)), now, wrong)

    def end_assignments(self, now: datetime, patient: int, provider: int, kind: str | None = None) -> bool:
        kinds = [kind] if kind else list(BY_TYPE)
        if not self._end_all(now, *kinds, patient=patient, provider=provider):
            raise Refused("assignment-not-found")
        return True

    def add_member(
        self, now: datetime, team: int, provider: int, role: str = "member",
        starts: datetime | None = None, ends: datetime | None = None, scope: Collection[str] | None = None,
    ) -> bool:  # fmt: skip
        self._require(team=team)
        first, last = _period(starts or now, ends or FOREVER)
        granted = BY_ROLE.get(role, READING) if scope is None else frozenset(scope)
        if not granted:
            raise Refused("invalid-request")
        if any(_overlap(row, first, last) for row in self._now_believed("seat", team=team, provider=provider)):
            raise Refused("overlapping-membership")
        self._require(provider=provider)
        self._record(Row(-1, -1, "seat", first, last, now, None, provider, team, role, granted), now)
        return True

    def add_patient(
        self, now: datetime, team: int, patient: int, starts: datetime | None = None, ends: datetime | None = None
    ) -> bool:
        self._require(team=team)
        first, last = _period(starts or now, ends or FOREVER)
        if any(_overlap(row, first, last) for row in self._now_believed("team_patient", team=team, patient=patient)):
            raise Refused("patient-already-on-team")
        self._require(patient=patient)
        self._record(Row(-1, -1, "team_patient", first, last, now, patient, team=team), now)
        return True

    def end_membership(self, now: datetime, team: int, provider: int) -> bool:
        return self._end_all(now, "seat", team=team, provider=provider)

    def end_patient(self, now: datetime, team: int, patient: int) -> bool:
        return self._end_all(now, "team_patient", team=team, patient=patient)

    # Questions: at `as_of`, as believed at `believed_at` (None: as we believe now).

    def check(self, provider: int, action: str, patient: int, as_of: datetime, believed_at: datetime | None) -> Answer:
        if action not in ALL:
            return Answer(False, "unknown-action")
        held = self.bases(provider, patient, as_of, believed_at)
        granting = frozenset(basis for basis in held if action in self.rows[basis.row].scope)
        if granting:
            return Answer(True, "allowed", granting)
        if held:
            return Answer(False, "action-not-granted")
        if patient not in self.patients:
            return Answer(False, "unknown-patient")
        return Answer(False, "no-relationship" if provider in self.providers else "unknown-provider")

    def bases(self, provider: int, patient: int, as_of: datetime, believed_at: datetime | None) -> set[Basis]:
        """Every path that holds, whatever it grants; the scope of its row says what."""
        holding = [row for row in self.rows if row.holds(as_of, believed_at)]
        direct = [row for row in holding if row.kind in BY_TYPE and (row.provider, row.patient) == (provider, patient)]
        seats = [row for row in holding if row.kind == "seat" and row.provider == provider]
        teams = [row for row in holding if row.kind == "team_patient" and row.patient == patient]
        return {Basis(row.kind, row.number, None, row.starts, row.ends) for row in direct} | {
            Basis("care_team", seat.number, it.number, max(seat.starts, it.starts), min(seat.ends, it.ends))
            for seat in seats for it in teams if seat.team == it.team
        }  # fmt: skip

    def list_patients(
        self, provider: int, action: str, as_of: datetime, believed_at: datetime | None
    ) -> tuple[str, dict[int, Answer]]:
        """Exactly the patients for whom `check` says yes."""
        answers = {one: self.check(provider, action, one, as_of, believed_at) for one in self.patients}
        return _listed(action, "listed" if provider in self.providers else "unknown-provider", answers)

    def list_providers(
        self, patient: int, action: str, as_of: datetime, believed_at: datetime | None
    ) -> tuple[str, dict[int, Answer]]:
        """Exactly the providers for whom `check` says yes."""
        answers = {one: self.check(one, action, patient, as_of, believed_at) for one in self.providers}
        return _listed(action, "listed" if patient in self.patients else "unknown-patient", answers)

    # What the commands share.

    def order(self, row: Row) -> tuple[object, ...]:
        """How a patient's rows are counted when one of them is to be corrected."""
        return row.recorded, row.starts, row.ends, row.kind, sorted(row.scope), self.rows[row.lineage].recorded

    def _assign(self, row: Row, now: datetime, instead_of: Row | None = None) -> bool:
        """Record an assignment if it may be, in the place of another one or in addition."""
        if not row.scope:
            raise Refused("invalid-request")
        if row.kind == "emergency" and row.ends == FOREVER:
            raise Refused("invalid-period")
        primaries = [one for one in self._now_believed("primary", patient=row.patient) if one is not instead_of]
        if row.kind == "primary" and any(_overlap(one, row.starts, row.ends) for one in primaries):
            raise Refused("primary-already-assigned")
        self._require(patient=row.patient, provider=row.provider)
        if instead_of is not None:
            self._end(instead_of, now, instead_of.starts)
        self._record(row, now)
        return True

    def _now_believed(self, *kinds: str, **of: int | None) -> list[Row]:
        """The rows of these kinds that are believed now, of a patient, a provider, a team."""
        rows = [row for row in self.rows if row.believed() and row.kind in kinds]
        return [row for row in rows if all(getattr(row, name) == one for name, one in of.items())]

    def _require(self, **of: int | None) -> None:
        for name, code in (("team", "care-team-not-found"), ("patient", "patient-not-registered"),
                           ("provider", "provider-not-registered")):  # fmt: skip
            if name in of and of[name] not in getattr(self, name + "s"):
                raise Refused(code)

    def _record(self, row: Row, now: datetime) -> None:
        """Append a fact, the first of its lineage unless it names another."""
        number = len(self.rows)
        lineage = number if row.lineage < 0 else row.lineage
        self.rows.append(replace(row, number=number, lineage=lineage, recorded=now))

    def _end(self, row: Row, now: datetime, at: datetime) -> None:
        """No longer believed as it was; what it is until `at` is believed instead, unless it begins later."""
        self.rows[row.number] = replace(row, superseded=now)
        if row.starts < at:
            self._record(replace(row, ends=at), now)

    def _end_all(self, now: datetime, *kinds: str, **of: int) -> bool:
        """End what has not ended, now and ahead; whether there was anything."""
        held = [row for row in self._now_believed(*kinds, **of) if row.ends > now]
        for row in held:
            self._end(row, now, now)
        return bool(held)


def _listed(action: str, code: str, answers: Mapping[int, Answer]) -> tuple[str, dict[int, Answer]]:
    allowed = {one: answer for one, answer in answers.items() if answer.allowed}
    return code if action in ALL else "unknown-action", allowed


def _overlap(row: Row, starts: datetime, ends: datetime) -> bool:
    return row.starts < ends and starts < row.ends


def _period(starts: datetime, ends: datetime) -> tuple[datetime, datetime]:
    if starts >= ends:
        raise Refused("invalid-period")
    return starts, ends
