"""Commands drawn at random, one function for each sort: whom they are about, and when, so that they meet often enough."""

from __future__ import annotations

from datetime import timedelta
from random import Random

from tests.model.histories import HOUR, POLICY_ACTION, Command, When

START = When(timedelta())
OFFSETS = tuple(HOUR * hours for hours in (-700, -48, -2, -1, 1, 2, 48, 700))
SCOPES = (
    None, None, None, None, ("read",), ("write",), ("share", "order"), ("read", "write", "read"),
    ("read", POLICY_ACTION), ("delete", "read"), (),
)  # fmt: skip
TYPES = ("primary", "primary", "consulting", "consulting", "attending", "admitting", "emergency", "nurse")
ROLES = ("attending", "resident", "nurse", "specialist", "member", "porter")
CODES = ("C1", "C1", "C2")
PAPERS = (
    *[("licence", "C1")] * 3, ("licence", "C2"), ("specialty", "C1"), ("specialty", "C2"), ("certification", "C2"),
)  # fmt: skip
# One credential may answer to both names of a pair, until only another one answers to the one of them.
NEEDS = (
    ("licence",), ("licence",), ("C1",), ("C2",), ("specialty",), *[("licence", "C1")] * 3, ("licence", "C2"),
    ("licence", "specialty"),
)  # fmt: skip
COVERAGE_TYPES = ("full", "full", "full", "urgent", "on_call")
LABELS = ("R", "CEL", "EMP", "PSY", "HIV", "SUD")
GRACES = (0, 30, 30, 240)
OVERRIDES = (None, (), ("sensitivity",), ("objection",), ("objection", "sensitivity"))


def _when(r: Random) -> When | None:
    return r.choice((None, When(r.choice(OFFSETS)), When(change=r.randrange(5))))


def _seldom(r: Random) -> When | None:
    return _when(r) if r.random() < 0.3 else None


def _ahead(r: Random) -> When:
    return When(r.choice([offset for offset in OFFSETS if offset > timedelta()]))


def any_patient(r: Random) -> int:
    """Unknown people and teams are rarer than the others."""
    return r.choice((0, 0, 0, 0, 0, 0, 1, 1, 1, 2))


def any_provider(r: Random) -> int:
    return r.choice((0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 3))


def _team(r: Random) -> int:
    return r.choice((0, 0, 0, 0, 1, 1, 2))


def _few(r: Random) -> int:
    return r.choice((0, 0, 0, 1))


def _first(r: Random) -> int:
    """Where many facts of the same people have to meet."""
    return 0 if r.random() < 0.9 else 1


def _any_time(r: Random) -> When:
    """Before, at or after other facts begin, as likely as not."""
    return r.choice((START, When(OFFSETS[0]), When(change=r.randrange(4)), When(r.choice(OFFSETS))))


def primary(r: Random) -> Command:
    return Command(
        "assign_primary", any_patient(r), any_provider(r), kind=r.choice(("demote", "demote", "end")), starts=_seldom(r)
    )


def handover(r: Random) -> Command:
    return Command("assign_primary", _few(r), _few(r), kind=r.choice(("demote", "demote", "end")), starts=_ahead(r))


def cancelled(r: Random) -> Command:
    return Command("cancel_handover", _few(r))


def assignment(r: Random) -> Command:
    return Command(
        "add_assignment", any_patient(r), any_provider(r), kind=r.choice(TYPES), starts=_when(r), ends=_when(r),
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
    starts = r.choice((None, When(OFFSETS[0]), _seldom(r)))
    return Command("add_assignment", _first(r), _first(r), kind=kind, starts=starts, ends=_seldom(r), scope=scope)


def corrected(r: Random) -> Command:
    return Command(
        "correct_assignment", _few(r), any_provider(r) if r.random() < 0.3 else None,
        kind=r.choice(TYPES) if r.random() < 0.25 else None, starts=_seldom(r), ends=_seldom(r),
        scope=r.choice(SCOPES), row=r.randrange(6),
    )  # fmt: skip


def ended(r: Random) -> Command:
    return Command("end_assignments", _few(r), _few(r), kind=r.choice((None, None, "primary", "consulting")))


def rested(r: Random) -> Command:
    """An assignment that rests on credentials."""
    return Command(
        "rest_assignment", _first(r), _first(r), kind=r.choice(("consulting", "attending")), starts=_seldom(r),
        ends=_seldom(r), rests_on=r.choice(NEEDS),
    )  # fmt: skip


def referred(r: Random) -> Command:
    """An assignment that rests on a referral, from before that begins at times."""
    return Command(
        "follow_referral", _first(r), r.choice((0, 0, 0, 0, 2)), kind=r.choice(("consulting", "attending")),
        starts=_any_time(r), ends=r.choice((When(OFFSETS[-1]), _ahead(r))),
        rests_on=r.choice(NEEDS) if r.random() < 0.1 else (), row=r.choice((0, 0, 0, 1)),
    )  # fmt: skip


def misfiled(r: Random) -> Command:
    """An assignment on record with a referral that is of another patient or provider, which no service would record."""
    return Command(
        "misfile_assignment",
        r.choice((0, 1, 1)),
        r.choice((0, 0, 1)),
        starts=_any_time(r),
        ends=When(OFFSETS[-1]),
        row=0,
    )


def seat(r: Random) -> Command:
    return Command(
        "add_member", provider=_first(r), team=_few(r), kind=r.choice(ROLES), starts=_seldom(r), ends=_seldom(r),
        scope=r.choice(SCOPES) if r.random() < 0.4 else None,
    )  # fmt: skip


def any_seat(r: Random) -> Command:
    return Command(
        "add_member", provider=any_provider(r), team=_team(r), kind=r.choice(ROLES), starts=_when(r), ends=_when(r),
        scope=r.choice(SCOPES),
    )  # fmt: skip


def rested_seat(r: Random) -> Command:
    return Command(
        "add_member", provider=_first(r), team=_first(r), kind=r.choice(ROLES), ends=_seldom(r), rests_on=r.choice(NEEDS),
        starts=_any_time(r) if r.random() < 0.3 else None,  # what is not held then is refused
    )  # fmt: skip


def looked_after(r: Random) -> Command:
    return Command("add_patient", _first(r), team=_few(r), starts=_seldom(r), ends=_seldom(r))


def any_looked_after(r: Random) -> Command:
    return Command("add_patient", any_patient(r), team=_team(r), starts=_seldom(r), ends=_seldom(r))


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
    """Somebody else's, too: it does not answer for whose own has lapsed."""
    kind, code = r.choice(PAPERS)
    return Command(
        "add_credential", provider=r.choice((0, 0, 1)), kind=kind, code=code, starts=_any_time(r),
        ends=_when(r) if r.random() < 0.7 else None,
    )  # fmt: skip


def licence(r: Random) -> Command:
    """A credential that holds now, more often than not."""
    kind, code = r.choice(PAPERS)
    return Command(
        "add_credential", provider=r.choice((0, 0, 1)), kind=kind, code=code, starts=When(r.choice(OFFSETS[:4])),
        ends=r.choice((None, _ahead(r), _ahead(r), _when(r))),
    )  # fmt: skip


def struck_off(r: Random) -> Command:
    kind, code = r.choice(PAPERS)
    return Command("end_credential", provider=_first(r), kind=kind, code=code)


def referral(r: Random) -> Command:
    return Command(
        "refer", _first(r), r.choice((None, 0, 0, 0, 1, 2)), other=r.choice((1, 1, 1, 2)), code=r.choice(CODES),
        starts=_any_time(r) if r.random() < 0.6 else None, ends=_ahead(r),
    )  # fmt: skip


def referral_elsewhere(r: Random) -> Command:
    """To somebody else than whose assignment will rest on it, until it is redirected."""
    starts = _any_time(r) if r.random() < 0.3 else None
    return Command("refer", 0, 2, other=1, code=r.choice(CODES), starts=starts, ends=_ahead(r))


def referring(r: Random) -> Command:
    """The primary who refers."""
    return Command("assign_primary", _first(r), 1, kind="demote")


def redirected(r: Random) -> Command:
    return Command("redirect_referral", provider=r.choice((0, 0, 0, 2, None)), row=r.choice((0, 0, 1)))


def referral_ended(r: Random) -> Command:
    return Command("end_referral", row=r.choice((0, 0, 1)))


def coverage(r: Random) -> Command:
    """Somebody stands in, mostly one of the first few for another, and at times in a chain."""
    other, provider = r.choice(((0, 1), (0, 1), (0, 1), (0, 2), (1, 2), (1, 2), (1, 0), (2, 0), (0, 0), (0, 3)))
    whole = r.random()
    return Command(
        "arrange_coverage", provider=provider, other=other, kind=r.choice(COVERAGE_TYPES), starts=_any_time(r),
        ends=_ahead(r) if r.random() < 0.8 else _when(r) or START, scope=r.choice(SCOPES) if r.random() < 0.3 else None,
        team=_team(r) if whole < 0.25 else None,
        patients=r.choice(((0,), (0,), (0, 1), (1,), (2,), (0, 0))) if whole > 0.75 else None,
    )  # fmt: skip


def stand_in(r: Random) -> Command:
    """The first provider is stood in for by the second, now."""
    return Command("arrange_coverage", provider=1, other=0, kind="full", starts=START, ends=_ahead(r))


def next_stand_in(r: Random) -> Command:
    """And the second by the third."""
    return Command("arrange_coverage", provider=2, other=1, kind="full", starts=START, ends=_ahead(r))


def coverage_ended(r: Random) -> Command:
    return Command("end_coverage", row=r.randrange(3))


def team_coverage(r: Random) -> Command:
    return Command(
        "arrange_coverage", provider=1, other=0, team=_few(r), kind="full", starts=_any_time(r), ends=_ahead(r)
    )


def other_seat(r: Random) -> Command:
    """The same provider's seat on the other team."""
    return Command("add_member", provider=0, team=1, kind=r.choice(ROLES), starts=_seldom(r))


def other_looked_after(r: Random) -> Command:
    return Command("add_patient", _few(r), team=1, starts=_seldom(r))


def objection(r: Random) -> Command:
    return Command(
        "object_to", _first(r), r.choice((0, 0, 0, 1, 2)), starts=r.choice((None, _any_time(r))), ends=_seldom(r)
    )


def suspension(r: Random) -> Command:
    return Command(
        "suspend", provider=r.choice((0, 0, 0, 1, 2)), starts=r.choice((None, _any_time(r))), ends=_seldom(r)
    )


def label(r: Random) -> Command:
    return Command("label", _first(r), code=r.choice(LABELS), starts=r.choice((None, _any_time(r))), ends=_seldom(r))


def lifted(r: Random) -> Command:
    return Command("lift", row=r.randrange(4))


def policy(r: Random) -> Command:
    """`row` is the grace in minutes, `scope` the actions that are added."""
    return Command(
        "set_policy", scope=r.choice(((), (POLICY_ACTION,), (POLICY_ACTION,))), row=r.choice(GRACES),
        starts=_ahead(r) if r.random() < 0.3 else None, despite=r.choice(OVERRIDES),
    )  # fmt: skip


def strict_policy(r: Random) -> Command:
    """Standing in rests on credentials, too."""
    return Command("set_policy", scope=(), row=r.choice(GRACES), rests_on=r.choice(NEEDS))


def cover(r: Random) -> Command:
    """Somebody with a licence stands in for whom has an assignment, more often than not."""
    other, provider = r.choice(((0, 1), (1, 0), (1, 0), (1, 0), (2, 0)))
    return Command("arrange_coverage", provider=provider, other=other, kind="full", starts=_any_time(r), ends=_ahead(r))


def covered(r: Random) -> Command:
    return Command("add_assignment", _few(r), r.choice((1, 1, 0)), kind="attending", starts=_seldom(r))


def merged(r: Random) -> Command:
    patient, other = r.choice(((1, 0), (1, 0), (0, 1), (0, 1), (2, 0), (0, 0)))
    return Command("merge_patients", patient, other=other)


def unmerged(r: Random) -> Command:
    return Command("unmerge_patients", _few(r))
