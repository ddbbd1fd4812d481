"""Figures about emergency access in a period: how much, how soon decided, how it ended; computed from the facts each time."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.actor import organization_of
from carecircle.database.constraints import translated
from carecircle.database.instants import Instant
from carecircle.database.session import enter_tenant, instant
from carecircle.emergency.rules import NEEDS_NO_DECISION, OPEN_STATES
from carecircle.identifiers import to_text
from carecircle.period import EARLIEST, FOREVER, Period
from carecircle.policy import Policy

BUCKETS = (15, 30, 60, 120, 180, 300, 600, 900, 1800, 3600)
"""The upper edges, in seconds, of what times to a decision are counted in; the last bucket has no edge."""
NO_UNIT = "none"


@dataclass(frozen=True, slots=True)
class TimeToDecision:
    """From asking to the first decision, in seconds; the figures are None where nothing was decided.

    The percentiles are times that occurred (nearest rank). `buckets` has pairs of an upper edge, None for no edge, and how
    many took longer than the edge before and no longer than this one.
    """

    count: int
    median: float | None
    p90: float | None
    p99: float | None
    longest: float | None
    buckets: tuple[tuple[int | None, int], ...]


@dataclass(frozen=True, slots=True)
class Figures:
    """What was asked for from `since` until before `until` (None: without such a bound), and what has become of it by now.

    `opened` let somebody in. `decided` had an approval or a denial, `approved` and `denied` whatever came later: one that was
    approved and taken back is in both. `undecided_in_time` was still open without a decision when the organization's policy
    of that time (5 minutes by default) wanted one. `expired_undecided` ended by itself, without any decision. `converted`
    ended because a relationship appeared. `review_overdue` is over, was not reviewed and should have been. Those that need
    no decision (immediate, recorded after a downtime) are in neither of the undecided.
    """

    since: datetime | None
    until: datetime | None
    at: datetime
    asked: int
    opened: int
    by_mode: dict[str, int]
    by_reason: dict[str, int]
    by_unit: dict[str, int]
    decided: int
    approved: int
    denied: int
    undecided_in_time: int
    expired_undecided: int
    converted: int
    reviewed: int
    review_overdue: int
    by_verdict: dict[str, int]
    time_to_decision: TimeToDecision

    def as_json(self) -> dict[str, Any]:
        """The same under the same names, instants as text, for JSON."""
        said = asdict(self)
        for name in ("since", "until", "at"):
            said[name] = said[name] and said[name].isoformat()
        said["time_to_decision"]["buckets"] = [
            {"seconds": edge, "count": count} for edge, count in self.time_to_decision.buckets
        ]
        return said


class Told(NamedTuple):
    """One emergency access, from asking until now: `ends_at` is the end of its last open state."""

    mode: str
    reason_code: str
    unit_id: UUID | None
    asked_at: datetime
    opened_at: datetime | None
    decided_at: datetime | None
    ends_at: datetime
    approved: bool
    denied: bool
    ended: bool
    converted: bool
    verdict: str | None
    review_due_at: datetime | None
    decide_minutes: int | None


# The policy is the one that held when it was asked for, as far as it says anything about this.
_TOLD = text("""
    select min(g.mode), min(g.reason_code), min(g.unit_id::text)::uuid, min(g.asked_at) as asked_at,
      min(g.opened_at) as opened_at, min(g.decided_at) as decided_at,
      coalesce(max(g.ends_at) filter (where g.state = any (:open)), min(g.starts_at)) as ends_at,
      coalesce(bool_or(g.state = 'approved'), false), coalesce(bool_or(g.state = 'denied'), false),
      coalesce(bool_or(g.state = 'ended'), false), coalesce(bool_or(g.ended_because = 'relationship'), false),
      max(g.verdict), min(g.review_due_at) as review_due_at,
      (select cast(y.document ->> 'emergency_decide_minutes' as integer) from carecircle.policies y
       where y.organization_id = :tenant and y.superseded_at = 'infinity'
         and y.starts_at <= min(g.asked_at) and y.ends_at > min(g.asked_at) limit 1)
    from carecircle.emergency_access g
    where g.organization_id = :tenant and g.superseded_at = 'infinity' and g.asked_at >= :since and g.asked_at < :until
    group by g.lineage_id""").columns(
    asked_at=Instant(), opened_at=Instant(), decided_at=Instant(), ends_at=Instant(), review_due_at=Instant()
)


async def figures(
    db: AsyncSession,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    organization: UUID | str | None = None,
) -> Figures:
    """The figures of what was asked for in a period, by what is known now. Raises InvalidPeriod, InvalidInstant."""
    asked_in = Period(since or EARLIEST, until or FOREVER)
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        now = await instant(db)
        rows = await db.execute(
            _TOLD,
            {"tenant": tenant, "since": asked_in.starts_at, "until": asked_in.ends_at, "open": sorted(OPEN_STATES)},
        )
        told = [Told(*row) for row in rows]
    return counted(told, since, until, now)


def counted(told: Sequence[Told], since: datetime | None, until: datetime | None, now: datetime) -> Figures:
    """The figures of these, as of an instant."""
    decisions = [(one.decided_at - one.asked_at).total_seconds() for one in told if one.decided_at is not None]
    return Figures(
        since=since,
        until=until,
        at=now,
        asked=len(told),
        opened=sum(one.opened_at is not None for one in told),
        by_mode=_counts(one.mode for one in told),
        by_reason=_counts(one.reason_code for one in told),
        by_unit=_counts(to_text(one.unit_id) if one.unit_id else NO_UNIT for one in told),
        decided=len(decisions),
        approved=sum(one.approved for one in told),
        denied=sum(one.denied for one in told),
        undecided_in_time=sum(_was_late(one, now) for one in told),
        expired_undecided=sum(
            one.decided_at is None and not one.ended and one.ends_at <= now and one.mode not in NEEDS_NO_DECISION
            for one in told
        ),
        converted=sum(one.converted for one in told),
        reviewed=sum(one.verdict is not None for one in told),
        review_overdue=sum(_review_is_overdue(one, now) for one in told),
        by_verdict=_counts(one.verdict for one in told if one.verdict is not None),
        time_to_decision=spread(decisions),
    )


def spread(seconds: Iterable[float]) -> TimeToDecision:
    """The distribution of these times."""
    times = sorted(seconds)
    edges = (*BUCKETS, None)
    places = Counter(next((edge for edge in BUCKETS if time <= edge), None) for time in times)

    def at(share: float) -> float | None:
        return times[max(math.ceil(share * len(times)) - 1, 0)] if times else None

    return TimeToDecision(
        len(times), at(0.5), at(0.9), at(0.99), at(1.0), tuple((edge, places[edge]) for edge in edges)
    )


def _was_late(one: Told, now: datetime) -> bool:
    minutes = Policy().emergency_decide_minutes if one.decide_minutes is None else one.decide_minutes
    deadline = one.asked_at + timedelta(minutes=minutes)
    decided_by_then = one.decided_at is not None and one.decided_at <= deadline
    return one.mode not in NEEDS_NO_DECISION and not decided_by_then and deadline < min(one.ends_at, now)


def _review_is_overdue(one: Told, now: datetime) -> bool:
    due = one.review_due_at is not None and one.review_due_at < now
    return due and one.verdict is None and one.ends_at <= now and (one.opened_at is not None or one.mode == "downtime")


def _counts(values: Iterable[str]) -> dict[str, int]:
    """How often each occurs, the most frequent first, then by name."""
    return dict(sorted(Counter(values).items(), key=lambda pair: (-pair[1], pair[0])))
