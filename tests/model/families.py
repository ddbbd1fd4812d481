"""What random histories are made of: commands drawn at random, and families of them that make mechanisms meet.

A way in often needs several facts of the same few people, which chance alone seldom brings together: most families
begin with facts that do let somebody in, and go on about them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from random import Random

from tests.model.histories import (
    ACTIONS,
    HOUR,
    POLICY_ACTION,
    PROVIDERS,
    UNKNOWN_ACTIONS,
    Command,
    History,
    Moment,
    When,
)

START = When(timedelta())
OFFSETS = tuple(HOUR * hours for hours in (-700, -48, -2, -1, 1, 2, 48, 700))
SCOPES = (
    None, None, None, None, ("read",), ("write",), ("share", "order"), ("read", "write", "read"),
    ("read", POLICY_ACTION), ("delete", "read"), (),
)  # fmt: skip
TYPES = ("primary", "primary", "consulting", "consulting", "attending", "admitting", "emergency", "nurse")
ROLES = ("attending", "resident", "nurse", "specialist", "member", "porter")
KINDS, CODES = ("licence", "licence", "specialty", "certification"), ("C1", "C1", "C2")
NEEDS = (("licence",), ("licence",), ("C1",), ("C2",), ("specialty",), ("licence", "C1"), ("licence", "C2"))
COVERAGE_TYPES = ("full", "full", "full", "urgent", "on_call")
LABELS = ("R", "CEL", "EMP", "PSY", "HIV", "SUD")
GRACES = (0, 30, 30, 240)

Draw = Callable[[Random], Command]


def _when(r: Random) -> When | None:
    return r.choice((None, When(r.choice(OFFSETS)), When(change=r.randrange(5))))


def _seldom(r: Random) -> When | None:
    return _when(r) if r.random() < 0.3 else None


def _ahead(r: Random) -> When:
    return When(r.choice([offset for offset in OFFSETS if offset > timedelta()]))


def _patient(r: Random) -> int:
    """Unknown people and teams are rarer than the others."""
    return r.choice((0, 0, 0, 0, 0, 0, 1, 1, 1, 2))


def _provider(r: Random) -> int:
    return r.choice((0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 3))


def _team(r: Random) -> int:
    return r.choice((0, 0, 0, 0, 1, 1, 2))


def _few(r: Random) -> int:
    return r.choice((0, 0, 0, 1))


def primary(r: Random) -> Command:
    return Command(
        "assign_primary", _patient(r), _provider(r), kind=r.choice(("demote", "demote", "end")), starts=_seldom(r)
    )


def handover(r: Random) -> Command:
    return Command("assign_primary", _few(r), _few(r), kind=r.choice(("demote", "demote", "end")), starts=_ahead(r))


def cancelled(r: Random) -> Command:
    return Command("cancel_handover", _few(r))


def assignment(r: Random) -> Command:
    return Command(
        "add_assignment", _patient(r), _provider(r), kind=r.choice(TYPES), starts=_when(r), ends=_when(r),
        scope=r.choice(SCOPES),
    )  # fmt: skip


def piled(r: Random) -> Command:
    """One assignment upon the other for the same few people."""
    kind = r.choice(("consulting", "consulting", "attending", "primary"))
    return Command(
        "add_assignment", _few(r), _few(r), kind=kind, starts=_seldom(r), ends=_when(r), scope=r.choice(SCOPES)
    )


def lasting(r: Random) -> Command:
    """An assignment that lets in now and goes on, more often than not."""
    kind = r.choice(("consulting", "attending", "consulting", "primary"))
    scope = r.choice(SCOPES) if r.random() < 0.4 else None
    return Command("add_assignment", _few(r), _few(r), kind=kind, starts=_seldom(r), ends=_seldom(r), scope=scope)


def corrected(r: Random) -> Command:
    return Command(
        "correct_assignment", _few(r), _provider(r) if r.random() < 0.3 else None,
        kind=r.choice(TYPES) if r.random() < 0.25 else None, starts=_seldom(r), ends=_seldom(r),
        scope=r.choice(SCOPES), row=r.randrange(6),
    )  # fmt: skip


def ended(r: Random) -> Command:
    return Command("end_assignments", _few(r), _few(r), kind=r.choice((None, None, "primary", "consulting")))


def rested(r: Random) -> Command:
    """An assignment that rests on credentials."""
    return Command(
        "rest_assignment", _few(r), _few(r), kind=r.choice(("consulting", "attending")), starts=_seldom(r),
        ends=_seldom(r), rests_on=r.choice(NEEDS),
    )  # fmt: skip


def referred(r: Random) -> Command:
    """An assignment that rests on a referral, on some credential as well at times."""
    return Command(
        "follow_referral", _few(r), _provider(r), kind="consulting", starts=_seldom(r), ends=_ahead(r),
        rests_on=r.choice(NEEDS) if r.random() < 0.2 else (), row=r.choice((0, 0, 0, 1)),
    )  # fmt: skip


def seat(r: Random) -> Command:
    return Command(
        "add_member", provider=_few(r), team=_few(r), kind=r.choice(ROLES), starts=_seldom(r), ends=_seldom(r),
        scope=r.choice(SCOPES) if r.random() < 0.4 else None,
    )  # fmt: skip


def any_seat(r: Random) -> Command:
    return Command(
        "add_member", provider=_provider(r), team=_team(r), kind=r.choice(ROLES), starts=_when(r), ends=_when(r),
        scope=r.choice(SCOPES),
    )  # fmt: skip


def rested_seat(r: Random) -> Command:
    return Command(
        "add_member", provider=_few(r), team=_few(r), kind=r.choice(ROLES), starts=_seldom(r), ends=_seldom(r),
        rests_on=r.choice(NEEDS),
    )  # fmt: skip


def looked_after(r: Random) -> Command:
    return Command("add_patient", _few(r), team=_few(r), starts=_seldom(r), ends=_seldom(r))


def any_looked_after(r: Random) -> Command:
    return Command("add_patient", _patient(r), team=_team(r), starts=_seldom(r), ends=_seldom(r))


def unseated(r: Random) -> Command:
    return Command("end_membership", provider=_few(r), team=_few(r))


def left(r: Random) -> Command:
    return Command("end_patient", _few(r), team=_few(r))


def team(_: Random) -> Command:
    return Command("create_team")


def closed(r: Random) -> Command:
    return Command("close_team", team=_few(r))


def reopened(r: Random) -> Command:
    return Command("reopen_team", team=_few(r))


def credential(r: Random) -> Command:
    return Command(
        "add_credential", provider=_few(r), kind=r.choice(KINDS), code=r.choice(CODES), starts=_seldom(r),
        ends=_when(r) if r.random() < 0.7 else None,
    )  # fmt: skip


def licence(r: Random) -> Command:
    """A credential that holds now, more often than not."""
    starts = When(r.choice(OFFSETS[:4]))
    return Command(
        "add_credential", provider=_few(r), kind=r.choice(KINDS), code=r.choice(CODES), starts=starts,
        ends=r.choice((None, _ahead(r), _when(r))),
    )  # fmt: skip


def struck_off(r: Random) -> Command:
    return Command("end_credential", provider=_few(r), kind=r.choice(KINDS), code=r.choice(CODES))


def referral(r: Random) -> Command:
    return Command(
        "refer", _few(r), r.choice((None, 0, 0, 1, 2)), other=r.choice((0, 1, 1, 1, 2)), code=r.choice(CODES),
        starts=_seldom(r), ends=r.choice((_ahead(r), _ahead(r), _when(r) or _ahead(r))),
    )  # fmt: skip


def redirected(r: Random) -> Command:
    return Command("redirect_referral", provider=r.choice((0, 1, 1, 2)), row=r.randrange(2))


def referral_ended(r: Random) -> Command:
    return Command("end_referral", row=r.randrange(2))


def coverage(r: Random) -> Command:
    """Somebody stands in, mostly one of the first few for another, and at times in a chain."""
    other, provider = r.choice(((0, 1), (0, 1), (0, 1), (0, 2), (1, 2), (1, 2), (1, 0), (2, 0), (0, 0), (0, 3)))
    whole = r.random()
    return Command(
        "arrange_coverage", provider=provider, other=other, kind=r.choice(COVERAGE_TYPES), starts=_seldom(r) or START,
        ends=_ahead(r) if r.random() < 0.8 else _when(r) or START, scope=r.choice(SCOPES) if r.random() < 0.3 else None,
        team=_team(r) if whole < 0.25 else None,
        patients=r.choice(((0,), (0,), (0, 1), (1,), (2,), (0, 0))) if whole > 0.75 else None,
    )  # fmt: skip


def coverage_ended(r: Random) -> Command:
    return Command("end_coverage", row=r.randrange(3))


def objection(r: Random) -> Command:
    return Command("object_to", _few(r), r.choice((0, 0, 1, 1, 2)), starts=_seldom(r), ends=_seldom(r))


def suspension(r: Random) -> Command:
    return Command("suspend", provider=r.choice((0, 0, 1, 1, 2)), starts=_seldom(r), ends=_seldom(r))


def label(r: Random) -> Command:
    return Command("label", _few(r), code=r.choice(LABELS), starts=_seldom(r), ends=_seldom(r))


def lifted(r: Random) -> Command:
    return Command("lift", row=r.randrange(4))


def policy(r: Random) -> Command:
    """`row` is the grace in minutes, `scope` the actions that are added."""
    return Command(
        "set_policy", scope=r.choice(((), (POLICY_ACTION,), (POLICY_ACTION,))), row=r.choice(GRACES),
        starts=_ahead(r) if r.random() < 0.3 else None,
    )  # fmt: skip


def strict_policy(r: Random) -> Command:
    """Standing in rests on credentials, too."""
    return Command("set_policy", scope=(), row=r.choice(GRACES), rests_on=r.choice(NEEDS))


def cover(r: Random) -> Command:
    """Somebody with a licence stands in for whom has an assignment, more often than not."""
    other, provider = r.choice(((0, 1), (1, 0), (1, 0), (1, 0), (2, 0)))
    return Command(
        "arrange_coverage", provider=provider, other=other, kind="full", starts=_seldom(r) or START, ends=_ahead(r)
    )


def covered(r: Random) -> Command:
    return Command("add_assignment", _few(r), r.choice((1, 1, 0)), kind="attending", starts=_seldom(r))


def merged(r: Random) -> Command:
    patient, other = r.choice(((1, 0), (1, 0), (0, 1), (0, 1), (2, 0), (0, 0)))
    return Command("merge_patients", patient, other=other)


def unmerged(r: Random) -> Command:
    return Command("unmerge_patients", _few(r))


ANYTHING: Sequence[Draw] = (
    primary, primary, assignment, assignment, ended, cancelled, any_seat, any_seat, any_looked_after, any_looked_after,
    unseated, left, team, closed, credential, struck_off, referral, coverage, coverage, coverage_ended, objection,
    suspension, label, lifted, policy, merged, rested, referred, rested_seat,
)  # fmt: skip

Family = tuple[Sequence[Sequence[Draw]], Sequence[Draw], int]
"""What a family begins with (one of each group), what it goes on with, and how often at most."""

FAMILIES: Sequence[Family] = (
    ((), ANYTHING, 9),
    ((), (piled, piled, piled, primary, handover, handover, cancelled, corrected, ended), 8),
    ((), (piled, piled, piled, primary, handover, handover, cancelled, corrected, ended), 8),
    (((team,), (seat,), (looked_after,)), (seat, looked_after, unseated, left, closed, reopened), 6),
    # Coverage meets assignments, seats, a second hop, and what takes it away.
    (
        ((lasting,), (coverage,)),
        (lasting, coverage, coverage, coverage_ended, ended, objection, suspension, label, policy, lifted),
        5,
    ),
    (
        ((team, seat), (seat,), (looked_after,), (coverage,)),
        (coverage, coverage, seat, unseated, looked_after, objection, label, coverage_ended, lasting),
        4,
    ),
    # A licence lapses, and is renewed, under an assignment, a seat, an arrangement.
    (
        ((licence,), (rested,)),
        (licence, credential, struck_off, rested, rested_seat, looked_after, coverage),
        5,
    ),
    (((licence,), (rested_seat,), (looked_after,)), (licence, credential, struck_off, rested_seat, looked_after), 4),
    (
        ((licence,), (strict_policy,), (cover,), (covered,)),
        (licence, credential, struck_off, cover, covered, strict_policy, coverage_ended),
        4,
    ),
    (
        ((policy, primary), (referral,), (referred,)),
        (referral, redirected, referral_ended, referred, credential, coverage, merged),
        5,
    ),
    # Restrictions meet every way in, one on top of the other.
    (
        ((lasting, seat), (objection, suspension, label, label), (looked_after, lasting, coverage)),
        (objection, suspension, label, lifted, lasting, seat, looked_after, coverage, coverage_ended),
        5,
    ),
    (((policy,), (lasting, seat)), (policy, policy, lasting, looked_after, coverage, coverage_ended), 5),
    (
        ((lasting,), (lasting, looked_after, label, coverage), (merged,)),
        (merged, unmerged, unmerged, lasting, looked_after, objection, label, ended, seat, referral, primary),
        5,
    ),
)


def drawn(count: int, number: int) -> list[History]:
    """So many different histories; the same number draws the same ones."""
    found: dict[History, None] = {}
    draws = 0
    while len(found) < count:
        found.setdefault(_history(Random(number * 1_000_003 + draws)))
        draws += 1
    return list(found)


def _history(r: Random) -> History:
    first, then, most = r.choice(FAMILIES)
    commands = [r.choice(group)(r) for group in first]
    if r.random() < 0.3:
        r.shuffle(commands)
    commands += [r.choice(then)(r) for _ in range(r.randint(2, most))]
    return History(
        patients=r.choice((1, 2, 2, 2)),
        providers=r.choice((2, *[PROVIDERS - 1] * 3)),
        commands=tuple(commands),
        moments=tuple(_moment(r) for _ in range(r.randint(4, 6))),
        aside=(_provider(r), _patient(r)),
    )


def _moment(r: Random) -> Moment:
    return Moment(
        as_of=r.randrange(4096) if r.random() < 0.75 else None,
        believed_at=r.randrange(4096) if r.random() < 0.6 else None,
        action=r.choice((*ACTIONS, *ACTIONS, "read", "read", "read", POLICY_ACTION, *UNKNOWN_ACTIONS[:2])),
    )
