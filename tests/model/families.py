"""Families of random histories that make mechanisms meet, and the moments at which each history is questioned.

A way in often needs several facts of the same few people, which chance alone seldom brings together: most families
begin with facts that do let somebody in, and go on about them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from tests.model.drawing import (
    any_looked_after,
    any_patient,
    any_provider,
    any_seat,
    assignment,
    cancelled,
    closed,
    corrected,
    cover,
    coverage,
    coverage_ended,
    covered,
    credential,
    ended,
    handover,
    label,
    lasting,
    left,
    licence,
    lifted,
    looked_after,
    merged,
    misfiled,
    next_stand_in,
    objection,
    other_looked_after,
    other_seat,
    piled,
    policy,
    primary,
    redirected,
    referral,
    referral_elsewhere,
    referral_ended,
    referred,
    referring,
    reopened,
    rested,
    rested_seat,
    seat,
    stand_in,
    strict_policy,
    struck_off,
    suspension,
    team,
    team_coverage,
    unmerged,
    unseated,
)
from tests.model.drawing_emergency import (
    access_approved,
    access_denied,
    access_ended,
    access_requested,
    any_access_requested,
    any_duty,
    any_label,
    duty_ahead,
    duty_ended,
    may_break_glass,
    overriding,
    supervisor,
)
from tests.model.histories import ACTIONS, POLICY_ACTION, PROVIDERS, UNKNOWN_ACTIONS, Command, History, Moment

Draw = Callable[[Random], Command]

ANYTHING: Sequence[Draw] = (
    primary, primary, assignment, assignment, ended, cancelled, any_seat, any_seat, any_looked_after, any_looked_after,
    unseated, left, team, closed, credential, struck_off, referral, coverage, coverage, coverage_ended, objection,
    suspension, label, lifted, policy, merged, rested, referred, rested_seat,
    any_duty, any_duty, duty_ended, any_access_requested, any_access_requested, access_approved, access_denied, access_ended,
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
        ((lasting,), (stand_in,), (next_stand_in, objection)),
        (lasting, objection, lifted, next_stand_in, coverage_ended),
        3,
    ),
    (
        ((seat,), (looked_after,), (coverage,)),
        (coverage, coverage, seat, unseated, looked_after, objection, label, coverage_ended, lasting),
        4,
    ),
    (
        ((team,), (other_seat,), (other_looked_after,), (team_coverage,)),
        (seat, looked_after, team_coverage, coverage_ended, unseated, left, lasting),
        3,
    ),
    # A licence lapses, and is renewed, under an assignment, a seat, an arrangement.
    (((licence,), (rested,)), (licence, credential, struck_off, rested, rested_seat, looked_after, coverage), 5),
    (((licence, credential), (rested_seat,), (looked_after,)), (licence, credential, struck_off, rested_seat), 4),
    (
        ((licence,), (strict_policy,), (cover,), (covered,)),
        (licence, credential, struck_off, cover, covered, strict_policy, coverage_ended),
        4,
    ),
    # Referrals begin, are redirected and end under what rests on them.
    (((policy, referring), (referral,), (referral,), (referred,)), (redirected, referral_ended, referred, coverage), 4),
    (
        ((policy, referring), (referral, referral_elsewhere), (misfiled,)),
        (referral, redirected, referral_ended, referred, misfiled, credential, merged, unmerged),
        4,
    ),
    # Restrictions meet every way in, one on top of the other.
    (((lasting,), (objection, suspension)), (objection, suspension, lifted, lifted, label, lasting, coverage), 4),
    (
        ((seat,), (looked_after,), (label, label, objection)),
        (label, label, lifted, lifted, objection, lasting, unseated),
        4,
    ),
    (((lasting,), (coverage,), (label, objection, suspension)), (label, objection, lifted, lifted, coverage), 4),
    (((policy,), (lasting, seat)), (policy, policy, lasting, looked_after, coverage, coverage_ended), 5),
    (
        ((lasting,), (lasting, looked_after, label, coverage), (merged,)),
        (merged, unmerged, unmerged, lasting, looked_after, objection, label, ended, seat, referral, primary),
        5,
    ),
    # Broken glass is decided about; it meets restrictions, whom it is not passed on to, and other ways in.
    (
        ((may_break_glass,), (supervisor,), (access_requested,), (access_approved, access_denied, access_ended)),
        (access_approved, access_denied, access_ended, access_requested, objection, lifted, any_duty, duty_ended),
        4,
    ),
    (
        (
            (may_break_glass,),
            (supervisor,),
            (overriding, overriding, any_label),
            (access_requested,),
            (access_approved,),
        ),
        (objection, any_label, suspension, lifted, overriding, access_requested, access_denied, coverage),
        4,
    ),
    (
        (
            (may_break_glass,),
            (supervisor,),
            (access_requested,),
            (access_approved, stand_in),
            (stand_in, lasting, seat),
        ),
        (stand_in, coverage, lasting, access_denied, looked_after, objection, any_label, any_access_requested),
        4,
    ),
    (
        ((may_break_glass,), (supervisor,), (access_requested,), (merged,)),
        (merged, unmerged, unmerged, access_approved, access_denied, access_requested, access_ended, objection),
        5,
    ),
    (
        ((any_duty, duty_ahead), (any_duty, suspension)),
        (any_duty, duty_ahead, duty_ended, suspension, lifted, any_access_requested),
        5,
    ),
    (((may_break_glass,), (suspension,)), (suspension, lifted, duty_ended, any_access_requested), 3),
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
    own_action = POLICY_ACTION if policy in then else "read"
    return History(
        patients=r.choice((1, 2, 2, 2)),
        providers=r.choice((2, *[PROVIDERS - 1] * 3)),
        commands=tuple(commands),
        moments=tuple(_moment(r, own_action) for _ in range(r.randint(8, 12))),
        aside=(any_provider(r), any_patient(r)),
    )


def _moment(r: Random, own_action: str) -> Moment:
    return Moment(
        as_of=r.randrange(4096) if r.random() < 0.8 else None,
        believed_at=r.randrange(4096) if r.random() < 0.5 else None,
        action=r.choice((*ACTIONS, *ACTIONS, *["read"] * 4, *[own_action] * 3, *UNKNOWN_ACTIONS[:2])),
    )
