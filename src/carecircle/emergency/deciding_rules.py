"""What an approval gives, as pure rules: for how long, to do what and despite what, of what was asked and policy allows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from carecircle.emergency.opening_rules import lasting
from carecircle.emergency.rules import latest_end, scope_of
from carecircle.errors import InvalidRequest
from carecircle.policy import Policy


def approved_until(policy: Policy, opened_at: datetime, wanted_until: datetime, hours: float | None) -> datetime:
    """The end of approved access: what was asked, or so many hours after the opening; never more than either, or the cap.

    Raises InvalidRequest unless the hours are a number above 0.
    """
    ends = min(wanted_until, latest_end(policy, opened_at))
    return ends if hours is None else min(ends, opened_at + lasting(policy, hours))


def approved_scope(policy: Policy, wanted: Sequence[str], narrower: Sequence[str] | None) -> list[str]:
    """The actions of approved access: those asked for, or fewer of them, as far as policy allows them.

    Raises InvalidRequest for an action nobody asked for, and when policy allows none of them.
    """
    if narrower is not None and not set(narrower) <= set(wanted):
        raise InvalidRequest("An approval gives what was asked for, or less; ask for more with a request of its own.")
    scope = scope_of(policy, wanted if narrower is None else narrower, "provisional", approved=True)
    if not scope:
        raise InvalidRequest("The policy allows emergency access to do none of this; deny the request instead.")
    return scope


def approved_despite(policy: Policy, despite: Sequence[str]) -> list[str]:
    """The kinds of restriction that approved access overrides: those it did when it was asked for, if policy still says so."""
    return [one for one in despite if one in policy.emergency_overrides]
