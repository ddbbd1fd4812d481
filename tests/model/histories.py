"""Random histories of an organization, and the moments at which it is questioned, as Hypothesis strategies.

Instants are written relatively (`When`, `Moment`), because the database's clock says only while a history runs what
the time is: a fact may start where another was recorded, and a question may be asked a microsecond beside either.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

# People 0…; a history registers the first few, so that the last is unknown to it though known to others.
PATIENTS, PROVIDERS, TEAMS = 3, 4, 3
ACTIONS = ("read", "write", "order", "share")
UNKNOWN_ACTIONS = ("delete", "READ", "")
SCOPES = (
    None, None, None, ("read",), ("write",), ("share", "order"), ("read", "write", "read"), ("delete", "read"), (),
)  # fmt: skip
TYPES = ("primary", "primary", "consulting", "consulting", "attending", "admitting", "emergency", "nurse")
ROLES = ("attending", "resident", "nurse", "specialist", "member", "porter")
HOUR = timedelta(hours=1)
OFFSETS = tuple(HOUR * hours for hours in (-700, -48, -2, -1, 1, 2, 48, 700))


@dataclass(frozen=True)
class When:
    """An instant: so much from the history's beginning, or exactly when an earlier change was recorded (its index)."""

    offset: timedelta | None = None
    change: int = 0

    def __str__(self) -> str:
        if self.offset is None:
            return f"at-change-{self.change}"
        return f"{self.offset / HOUR:+.0f}h"


@dataclass(frozen=True)
class Command:
    """One change; a field that the named command does not know is left at its default."""

    name: str
    patient: int | None = None
    provider: int | None = None
    team: int | None = None
    kind: str | None = None
    starts: When | None = None
    ends: When | None = None
    scope: tuple[str, ...] | None = None
    row: int | None = None

    def __str__(self) -> str:
        said = {field: getattr(self, field) for field in self.__dataclass_fields__ if field != "name"}
        return f"{self.name}({', '.join(f'{key}={value}' for key, value in said.items() if value is not None)})"


@dataclass(frozen=True)
class Moment:
    """When to ask, and for which action: indexes into the instants the history knows and those beside them; None is now."""

    as_of: int | None
    believed_at: int | None
    action: str


@dataclass(frozen=True)
class History:
    """Who is registered, what is done, and when questions are asked; `aside` is the pair that gets every action."""

    patients: int
    providers: int
    commands: tuple[Command, ...]
    moments: tuple[Moment, ...]
    aside: tuple[int, int]

    def __str__(self) -> str:
        lines = [f"patients 0-{self.patients - 1}, providers 0-{self.providers - 1}, team 0"]
        return "\n".join([*lines, *(f"  {number}. {command}" for number, command in enumerate(self.commands))])


_whens = st.one_of(
    st.none(),
    st.sampled_from([When(offset) for offset in OFFSETS]),
    st.sampled_from([When(change=i) for i in range(4)]),
)
# Unknown people and teams are rarer than the others.
_patients = st.sampled_from((0, 0, 0, 1, 1, 2))
_providers = st.sampled_from((0, 0, 0, 1, 1, 1, 2, 2, 3))
_teams = st.sampled_from((0, 0, 0, 0, 1, 1, 2))
_scopes = st.sampled_from(SCOPES)

COMMANDS = st.one_of(
    st.builds(Command, st.just("assign_primary"), _patients, _providers, kind=st.sampled_from(("demote", "end"))),
    st.builds(
        Command, st.just("add_assignment"), _patients, _providers,
        kind=st.sampled_from(TYPES), starts=_whens, ends=_whens, scope=_scopes,
    ),
    st.builds(
        Command, st.just("add_assignment"), _patients, _providers,
        kind=st.sampled_from(TYPES), starts=_whens, ends=_whens, scope=_scopes,
    ),
    st.builds(
        Command, st.just("assign_primary"), _patients, _providers, kind=st.sampled_from(("demote", "end")), starts=_whens,
    ),
    st.builds(
        Command, st.just("end_assignments"), _patients, _providers, kind=st.sampled_from((None, None, *TYPES[1:4])),
    ),
    st.builds(Command, st.just("cancel_handover"), _patients),
    st.builds(
        Command, st.just("add_member"), provider=_providers, team=_teams,
        kind=st.sampled_from(ROLES), starts=_whens, ends=_whens, scope=_scopes,
    ),
    st.builds(Command, st.just("add_patient"), _patients, team=_teams, starts=_whens, ends=_whens),
    st.builds(Command, st.just("add_patient"), _patients, team=_teams),
    st.builds(Command, st.just("add_member"), provider=_providers, team=_teams, kind=st.sampled_from(ROLES)),
    st.builds(Command, st.just("end_membership"), provider=_providers, team=_teams),
    st.builds(Command, st.just("end_patient"), _patients, team=_teams),
    st.builds(Command, st.just("create_team")),
)  # fmt: skip

# A team lets somebody in only where two rows meet: some histories begin with such a pair and go on about it.
_seldom = st.one_of(st.none(), st.none(), _whens)
_one, _two = st.sampled_from((0, 0, 0, 1)), st.sampled_from((0, 0, 0, 1))
_seats = st.builds(
    Command, st.just("add_member"), provider=_one, team=_two,
    kind=st.sampled_from(ROLES[:3]), starts=_seldom, ends=_seldom,
)  # fmt: skip
_looked_after = st.builds(Command, st.just("add_patient"), _one, team=_two, starts=_seldom, ends=_seldom)
_ended_seats = st.builds(Command, st.just("end_membership"), provider=_one, team=_two)
_ended_patients = st.builds(Command, st.just("end_patient"), _one, team=_two)
TEAM_COMMANDS = st.one_of(_seats, _looked_after, _ended_seats, _ended_patients)

# And some pile one assignment upon the other for the same few people.
_piled = st.builds(
    Command,
    st.just("add_assignment"),
    _one,
    _one,
    kind=st.sampled_from(("consulting", "consulting", "attending", "primary")),
    starts=_seldom,
    ends=_whens,
    scope=_scopes,
)
_kept = st.none()
_ahead = st.sampled_from([When(offset) for offset in OFFSETS if offset > timedelta()])
_planned = st.builds(
    Command, st.just("assign_primary"), _one, _one, kind=st.sampled_from(("demote", "demote", "end")), starts=_ahead
)
PAIR_COMMANDS = st.one_of(
    _piled,
    _piled,
    _piled,
    st.builds(Command, st.just("assign_primary"), _one, _one, kind=st.sampled_from(("demote", "end"))),
    _planned,
    _planned,
    st.builds(Command, st.just("cancel_handover"), _one),
    st.builds(
        Command,
        st.just("correct_assignment"),
        _one,
        st.one_of(_kept, _kept, _providers),
        kind=st.one_of(_kept, _kept, _kept, st.sampled_from(TYPES)),
        starts=_seldom,
        ends=_seldom,
        scope=_scopes,
        row=st.integers(0, 5),
    ),
    st.builds(Command, st.just("end_assignments"), _one, _one, kind=st.sampled_from((None, "consulting"))),
)

_instants = st.integers(0, 4095)
MOMENTS = st.builds(
    Moment,
    as_of=st.one_of(st.none(), _instants, _instants, _instants),
    believed_at=st.one_of(st.none(), _instants, _instants),
    action=st.sampled_from((*ACTIONS, *ACTIONS, "read", "read", *UNKNOWN_ACTIONS)),
)


def _histories(commands: st.SearchStrategy[tuple[Command, ...]]) -> st.SearchStrategy[History]:
    return st.builds(
        History,
        patients=st.integers(1, PATIENTS - 1),
        providers=st.integers(2, PROVIDERS - 1),
        commands=commands,
        moments=st.lists(MOMENTS, min_size=4, max_size=7).map(tuple),
        aside=st.tuples(_providers, _patients),
    )


def _team_commands(
    second: Command, pair: tuple[Command, Command], turned: bool, others: list[Command]
) -> tuple[Command, ...]:
    return second, *(reversed(pair) if turned else pair), *others


_teams_met = st.builds(
    _team_commands,
    st.just(Command("create_team")),
    st.tuples(_seats, _looked_after),
    st.booleans(),
    st.lists(TEAM_COMMANDS, min_size=1, max_size=6),
)
HISTORIES = st.one_of(
    _histories(st.lists(COMMANDS, min_size=3, max_size=10).map(tuple)),
    _histories(st.lists(PAIR_COMMANDS, min_size=4, max_size=9).map(tuple)),
    _histories(st.lists(PAIR_COMMANDS, min_size=4, max_size=9).map(tuple)),
    _histories(_teams_met),
    _histories(_teams_met),
)


def drawn(count: int, number: int) -> list[History]:
    """So many different histories; the same number draws the same ones.

    Hypothesis begins with the simplest and soon varies what it has drawn; here each is drawn afresh, for variety.
    """
    found: dict[History, None] = {}
    draws = 0
    while len(found) < count:
        found.setdefault(_fresh(number * 1_000_003 + draws))
        draws += 1
    return list(found)


def _fresh(number: int) -> History:
    found: list[History] = []

    @seed(number)
    @settings(
        max_examples=2, database=None, deadline=None, phases=(Phase.generate,), suppress_health_check=list(HealthCheck)
    )
    @given(HISTORIES)
    def draw(history: History) -> None:
        found.append(history)

    draw()
    return found[-1]
