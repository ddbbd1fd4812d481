"""What emergency access is, as pure rules: reasons, modes, how long, how wide, and which requests need two persons."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Literal, get_args

from carecircle.policy import EmergencyMode, Policy

State = Literal["requested", "provisional", "approved", "denied", "ended", "reviewed"]
OPEN_STATES: frozenset[State] = frozenset({"requested", "provisional", "approved"})
"""The states about which something can still be decided, until their end."""
NEEDS_NO_DECISION = frozenset({"immediate", "downtime"})
"""The modes that nobody has to approve; they are reviewed all the same."""
Verdict = Literal["justified", "concern", "escalated"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
REASONS: dict[str, str] = {
    "life-threat": "Life-threatening emergency",
    "unresponsive": "Patient unresponsive or unable to say who treats them",
    "transfer": "Patient arrived without their assignments",
    "cross-cover": "Covering a colleague at short notice",
    "consult": "Urgent consultation asked for by a colleague",
    "disaster": "Disaster or mass casualty",
    "other": "Something else, said in words",
}
"""Everybody's coded reasons and how people read them; a policy adds codes of its own."""
REVIEW_WITHIN = timedelta(hours=72)
SENSITIVE_REVIEW_WITHIN = timedelta(hours=24)
REVIEWED_SOONER = frozenset({"CEL", "EMP", "family"})
"""VIP, co-worker, own family."""
REOPENED_WITHIN = timedelta(hours=24)
"""For how long an undecided or denied request makes the next one wait for an approval."""
DEFAULT_HOURS = 24


def known_reasons(policy: Policy) -> tuple[str, ...]:
    return (*REASONS, *policy.emergency_reasons)


def mode_of(
    policy: Policy, sensitive: Collection[str], reason_code: str, *, reopening: bool, over_limit: bool
) -> EmergencyMode:
    """How this request opens. What nobody decided about, or was denied, waits for an approval the next time.

    What two persons must approve is never opened as asked before they did.
    """
    mode = policy.emergency_mode_for(sensitive)
    if reopening:
        return "gated"
    if mode == "gated" and reason_code == "life-threat" and policy.emergency_life_threat_opens:
        return "provisional"
    return "provisional" if mode == "immediate" and over_limit else mode


def scope_of(policy: Policy, wanted: Sequence[str], mode: EmergencyMode, *, approved: bool = False) -> list[str]:
    """The actions that are granted now: nothing while it waits, `read` provisionally, what policy allows once approved."""
    if approved or mode == "immediate":
        return [one for one in dict.fromkeys(wanted) if one in policy.emergency_scope]
    return ["read"] if mode == "provisional" else []


def latest_end(policy: Policy, opened_at: datetime) -> datetime:
    """The hard cap: nothing lasts longer, however often it is extended."""
    return opened_at + timedelta(hours=policy.emergency_longest_hours)


def first_end(policy: Policy, mode: EmergencyMode, now: datetime, wanted_until: datetime) -> datetime:
    """Until when the first state holds: provisional access, the wait for a decision, or all that was asked.

    None of them outlasts what was asked.
    """
    match mode:
        case "provisional":
            ends_at = now + timedelta(minutes=policy.emergency_provisional_minutes)
        case "gated":
            ends_at = now + timedelta(minutes=policy.emergency_waiting_minutes)
        case _:
            ends_at = latest_end(policy, now)
    return min(ends_at, wanted_until)


def review_due(now: datetime, sensitive: Collection[str]) -> datetime:
    """When the review is due: 72 hours, or 24 where the patient is a VIP, a co-worker or of the provider's own family."""
    return now + (SENSITIVE_REVIEW_WITHIN if REVIEWED_SOONER.intersection(sensitive) else REVIEW_WITHIN)


def over_limits(policy: Policy, *, open_now: int, opened_today: int, opened_by_unit: int) -> bool:
    """Whether one more is more than usual: it opens all the same, and two persons must approve it."""
    return (
        open_now >= policy.emergency_open_at_once
        or opened_today >= policy.emergency_opened_a_day
        or opened_by_unit >= policy.emergency_opened_by_unit_an_hour
    )
