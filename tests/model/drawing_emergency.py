"""Commands about emergency access drawn at random: the first provider breaks the glass, the third is the supervisor."""

from __future__ import annotations

from random import Random

from tests.model.drawing import LABELS, OFFSETS, OVERRIDES, START, any_patient, any_provider
from tests.model.histories import HOUR, POLICY_ACTION, Command, When

WANTED = (
    None,
    None,
    ("read", "write"),
    ("read", "write"),
    ("write",),
    ("order", "read"),
    ("order",),
    ("read", POLICY_ACTION),
)


def may_break_glass(r: Random) -> Command:
    return Command("add_duty", provider=0, kind="break_glass", starts=r.choice((None, START, When(-HOUR))))


def supervisor(r: Random) -> Command:
    return Command("add_duty", provider=2, kind="supervisor", starts=r.choice((None, START, When(-HOUR))))


def any_duty(r: Random) -> Command:
    """One that has not begun, too; few are short enough to have ended when somebody asks."""
    return Command(
        "add_duty", provider=r.choice((0, 0, 0, 1, 2, 3)), kind=r.choice(("break_glass", "break_glass", "supervisor")),
        starts=r.choice((None, START, When(r.choice(OFFSETS)))), ends=r.choice((None, None, When(r.choice(OFFSETS)))),
    )  # fmt: skip


def duty_ahead(r: Random) -> Command:
    return Command(
        "add_duty", provider=r.choice((0, 0, 1)), kind="break_glass", starts=When(r.choice((HOUR, 48 * HOUR)))
    )


def duty_ended(r: Random) -> Command:
    return Command("end_duty", row=r.randrange(3))


def access_requested(r: Random) -> Command:
    return Command("request_access", r.choice((0, 0, 0, 1)), 0, scope=r.choice(WANTED))


def any_access_requested(r: Random) -> Command:
    return Command("request_access", any_patient(r), any_provider(r), scope=r.choice(WANTED))


def access_approved(r: Random) -> Command:
    return Command(
        "approve_access", provider=_decider(r), row=_which(r), kind=r.choice((None, None, "shorter", "longer"))
    )


def access_denied(r: Random) -> Command:
    return Command("deny_access", provider=_decider(r), row=_which(r))


def access_ended(r: Random) -> Command:
    return Command("end_access", provider=r.choice((0, 0, 0, 0, 1)), row=_which(r))


def overriding(r: Random) -> Command:
    """A policy that says what emergency access overrides."""
    return Command("set_policy", scope=(), row=0, despite=r.choice(OVERRIDES))


def any_label(r: Random) -> Command:
    """One to which emergency access waits, as likely as not."""
    return Command("label", r.choice((0, 0, 0, 1)), code=r.choice(("CEL", r.choice(LABELS))))


def _decider(r: Random) -> int:
    """Seldom one who may not."""
    return r.choice((*[2] * 8, 0, 1))


def _which(r: Random) -> int:
    return r.choice((0, 0, 0, 1))
