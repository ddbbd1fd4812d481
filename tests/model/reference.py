"""The reference model: what carecircle means, in plain Python over a list of rows. No SQL, no database, no clock.

Every fact has two clocks, both half-open: when it holds (starts, ends) and while it was believed (recorded, superseded).
People, teams and rows are numbers. What commands do to the rows is said in reference_commands.py.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

FOREVER = datetime.max.replace(tzinfo=UTC)
ALL = frozenset({"read", "write", "order", "share"})
TREATING, NURSING, READING = ALL - {"share"}, frozenset({"read", "write"}), frozenset({"read"})
BY_TYPE = {"primary": ALL, "attending": ALL, "admitting": TREATING, "consulting": TREATING, "emergency": TREATING}


@dataclass(frozen=True)
class Row:
    """One fact. An assignment's `kind` is its type; the others are named for what they are:

    - "seat": `provider` sits on `team` as `role`; "team_patient": `team` looks after `patient`; "closure": `team` is closed
    - "coverage": `provider` stands in for `other`, for everything, for their seat on `team` or for `patient` alone,
      and is on duty until `duty_ends`
    - "credential": `provider` has one of the kind `role` with a `code`
    - "referral": `other` sends `patient` to `provider`, or (None) to whoever takes it
    - "objection" of `patient` to `provider`; "suspension" of `provider`; "label" of `patient`, its `code`
    - "policy": `scope` holds the actions it adds, `role` the grace in minutes, `rests_on` what coverage rests on,
      `despite` what emergency access overrides
    - "duty": `provider` is a supervisor, or may break the glass (`role`)
    - "emergency_access": `provider` has broken the glass to `patient`; `role` is the state, and it lets in, for `scope`,
      `despite` these kinds of restriction
    - "merge": `patient` is the same as `other`
    """

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
    other: int | None = None
    code: str | None = None
    rests_on: frozenset[str] = frozenset()
    referral: int | None = None
    """The lineage of the referral on which an assignment rests."""
    duty_ends: datetime | None = None
    arrangement: int | None = None
    """Which of the arrangements ever made a "coverage" belongs to."""
    despite: frozenset[str] = frozenset()

    def holds(self, as_of: datetime, believed_at: datetime | None) -> bool:
        """`believed_at` None: as we believe now."""
        return self.starts <= as_of < self.ends and self.believed(believed_at)

    def believed(self, at: datetime | None = None) -> bool:
        return self.superseded == FOREVER if at is None else self.recorded <= at < self.superseded


@dataclass(frozen=True)
class Basis:
    """Why somebody is let in: the kind, the row, the row under it, who is stood in for, from when, until when."""

    kind: str
    row: int
    under: int | None
    via: int | None
    starts: datetime
    ends: datetime


@dataclass(frozen=True)
class Path:
    """A basis, the actions it grants, the team it goes through, and the kinds of restriction that do not take it away."""

    basis: Basis
    scope: frozenset[str]
    team: int | None = None
    despite: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Restriction:
    """What takes paths away: objection, suspension or sensitivity, and its row."""

    kind: str
    row: int


@dataclass(frozen=True)
class Answer:
    allowed: bool
    code: str
    bases: frozenset[Basis] = frozenset()
    restrictions: frozenset[Restriction] = frozenset()
    may_break_glass: bool = False
    """Whether whoever asks about now is told that they may."""


class Circle:
    """One organization: who is registered, its teams, every row ever recorded, and what follows from them.

    Questions are asked at `as_of`, as believed at `believed_at` (None: as we believe now).
    """

    def __init__(self, patients: Collection[int], providers: Collection[int], teams: Collection[int] = ()) -> None:
        self.patients, self.providers, self.teams = set(patients), set(providers), set(teams)
        self.rows: list[Row] = []

    def check(self, provider: int, action: str, patient: int, as_of: datetime, believed_at: datetime | None) -> Answer:
        holding = self.holding(as_of, believed_at)
        if action not in _known_actions(holding):
            return Answer(False, "unknown-action")
        paths = _paths(holding, provider, patient)
        granting = [path for path in paths if action in path.scope]
        restrictions = _restrictions(holding, provider, patient)
        left = frozenset(path.basis for path in granting if not _taken_away(path, restrictions))
        if left:
            return Answer(True, "allowed", left)
        glass = _may_break_glass(holding, provider)
        if granting:
            return Answer(False, "restricted", restrictions=restrictions, may_break_glass=glass)
        if paths:
            return Answer(False, "action-not-granted", may_break_glass=glass)
        if self.survivor(patient, as_of, believed_at) is not None:
            return Answer(False, "patient-merged")
        if patient not in self.patients:
            return Answer(False, "unknown-patient")
        if provider not in self.providers:
            return Answer(False, "unknown-provider")
        return Answer(False, "no-relationship", may_break_glass=glass)

    def list_patients(
        self, provider: int, action: str, as_of: datetime, believed_at: datetime | None
    ) -> tuple[str, dict[int, Answer]]:
        """Exactly the patients for whom `check` says yes."""
        answers = {one: self.check(provider, action, one, as_of, believed_at) for one in self.patients}
        return _listed("listed" if provider in self.providers else "unknown-provider", answers)

    def list_providers(
        self, patient: int, action: str, as_of: datetime, believed_at: datetime | None
    ) -> tuple[str, dict[int, Answer]]:
        """Exactly the providers for whom `check` says yes."""
        answers = {one: self.check(one, action, patient, as_of, believed_at) for one in self.providers}
        if self.survivor(patient, as_of, believed_at) is not None:
            return _listed("patient-merged", answers)
        return _listed("listed" if patient in self.patients else "unknown-patient", answers)

    def survivor(self, patient: int, as_of: datetime, believed_at: datetime | None) -> int | None:
        """Whom a patient was merged into; None for one who was not."""
        merges = [row for row in self.rows if row.kind == "merge" and row.patient == patient]
        return next((row.other for row in merges if row.holds(as_of, believed_at)), None)

    def holding(self, as_of: datetime, believed_at: datetime | None) -> list[Row]:
        """The rows that hold, and everything they rest on with them; their ends cut to its ends."""
        holding = [row for row in self.rows if row.holds(as_of, believed_at)]
        return [replace(row, ends=ends) for row in holding if (ends := _effective_end(row, holding)) is not None]

    def bases(self, provider: int, patient: int, as_of: datetime, believed_at: datetime | None) -> set[Basis]:
        """Every path that holds, whatever it grants and whoever takes it away."""
        return {path.basis for path in _paths(self.holding(as_of, believed_at), provider, patient)}


def _known_actions(holding: Sequence[Row]) -> frozenset[str]:
    return ALL.union(*(row.scope for row in holding if row.kind == "policy"))


def _effective_end(row: Row, holding: Sequence[Row]) -> datetime | None:
    """When the row ends or something it rests on does; None when something does not even hold."""
    ends = [row.ends]
    for name in row.rests_on:
        own = [one for one in holding if one.kind == "credential" and one.provider == row.provider]
        ends.append(max((one.ends for one in own if name in (one.role, one.code)), default=row.starts))
    if row.referral is not None:
        versions = [one for one in holding if (one.kind, one.lineage) == ("referral", row.referral)]
        to_them = [one.ends for one in versions if one.patient == row.patient and one.provider in (None, row.provider)]
        ends.append(max(to_them, default=row.starts))
    return min(ends) if min(ends) > row.starts else None


def _paths(holding: Sequence[Row], provider: int, patient: int) -> list[Path]:
    """Every way in: one's own, and those of whom one stands in for. One hop: nobody passes on what was passed to them.

    By broken glass nobody is let in but who broke it.
    """
    paths = [*_own_paths(holding, provider, patient), *_broken_glass(holding, provider, patient)]
    for turn in holding:
        if turn.kind != "coverage" or turn.provider != provider or turn.patient not in (None, patient):
            continue
        assert turn.other is not None
        if any(_objects(row, patient, turn.other) for row in holding):
            continue
        for path in _own_paths(holding, turn.other, patient):
            if turn.team in (None, path.team):
                under = path.basis
                starts, ends = max(turn.starts, under.starts), min(turn.ends, under.ends)
                basis = Basis("coverage", turn.number, under.row, turn.other, starts, ends)
                paths.append(Path(basis, turn.scope & path.scope))
    return paths


def _own_paths(holding: Sequence[Row], provider: int, patient: int) -> list[Path]:
    """By a direct assignment, and by a seat on a team that looks after the patient."""
    paths = [
        Path(Basis(row.kind, row.number, None, None, row.starts, row.ends), row.scope, None, frozenset({"sensitivity"}))
        for row in holding if row.kind in BY_TYPE and (row.provider, row.patient) == (provider, patient)
    ]  # fmt: skip
    for seat in holding:
        if seat.kind == "seat" and seat.provider == provider:
            for it in holding:
                if it.kind == "team_patient" and (it.team, it.patient) == (seat.team, patient):
                    starts, ends = max(seat.starts, it.starts), min(seat.ends, it.ends)
                    paths.append(
                        Path(Basis("care_team", seat.number, it.number, None, starts, ends), seat.scope, seat.team)
                    )
    return paths


def _broken_glass(holding: Sequence[Row], provider: int, patient: int) -> list[Path]:
    """By emergency access, in a state that grants something; under the row lies the emergency access itself."""
    return [
        Path(Basis(row.kind, row.number, row.lineage, None, row.starts, row.ends), row.scope, None, row.despite)
        for row in holding if row.kind == "emergency_access" and (row.provider, row.patient) == (provider, patient)
        and row.scope
    ]  # fmt: skip


def _may_break_glass(holding: Sequence[Row], provider: int) -> bool:
    """Whose duty it is to, while they are not suspended."""
    own = [row for row in holding if row.provider == provider]
    return any((row.kind, row.role) == ("duty", "break_glass") for row in own) and not any(
        row.kind == "suspension" for row in own
    )


def _restrictions(holding: Sequence[Row], provider: int, patient: int) -> frozenset[Restriction]:
    """Everything that takes paths of this provider to this patient away."""
    return frozenset(
        Restriction("sensitivity" if row.kind == "label" else row.kind, row.number)
        for row in holding
        if _objects(row, patient, provider)
        or (row.kind == "suspension" and row.provider == provider)
        or (row.kind == "label" and row.patient == patient)
    )


def _objects(row: Row, patient: int, provider: int) -> bool:
    return row.kind == "objection" and (row.patient, row.provider) == (patient, provider)


def _taken_away(path: Path, restrictions: Collection[Restriction]) -> bool:
    """One restriction that it does not override is enough."""
    return any(one.kind not in path.despite for one in restrictions)


def _listed(code: str, answers: Mapping[int, Answer]) -> tuple[str, dict[int, Answer]]:
    if any(answer.code == "unknown-action" for answer in answers.values()):
        code = "unknown-action"
    return code, {one: answer for one, answer in answers.items() if answer.allowed}
