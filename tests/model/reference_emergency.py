"""The reference model's commands about emergency access and the duties behind it. As in reference_commands.py, `now` is the
instant at which the real command ran.

What no history says is left out: units, reporting lines, relations to the patient, limits, extensions and reviews.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tests.model.reference import FOREVER, Row
from tests.model.reference_commands import Refused, Staffed, overlap, period

READ = frozenset({"read"})
OPEN = ("requested", "provisional", "approved")
# What every policy that these histories set says; without one, nothing waits and everything else is not granted.
GATED, GRANTED = "CEL", frozenset({"read", "write"})
PROVISIONAL, WAITING, LONGEST = timedelta(minutes=15), timedelta(minutes=60), timedelta(hours=24)


@dataclass(frozen=True)
class Wanted:
    """What was asked for, until when, and by which rows of duties somebody may decide; which request it asks again."""

    scope: frozenset[str]
    until: datetime
    opened: datetime | None
    approvers: frozenset[int]
    again: int | None


class Emergencies(Staffed):
    """The circle with the commands that assign people, and those that break the glass and decide about it."""

    def __init__(self, patients: Collection[int], providers: Collection[int], teams: Collection[int] = ()) -> None:
        super().__init__(patients, providers, teams)
        self.wanted: dict[int, Wanted] = {}
        self.ahead: deque[datetime] = deque()
        """The instants of changes to come: a command that changes one thing after the other takes one for each."""

    def add_duty(
        self, now: datetime, provider: int, duty: str, starts: datetime | None = None, ends: datetime | None = None
    ) -> bool:
        first, last = period(starts or now, ends or FOREVER)
        if last <= now:
            raise Refused("invalid-period")
        if any(overlap(row, first, last) for row in self._now_believed("duty", provider=provider, role=duty)):
            raise Refused("overlapping-duty")
        self._require(provider=provider)
        return self._record(Row(-1, -1, "duty", first, last, now, provider=provider, role=duty), now)

    def end_duty(self, now: datetime, index: int) -> bool:
        """One of the duties ever given, oldest first, as it was given then."""
        made = [row for row in self.rows if row.kind == "duty" and row.number == row.lineage]
        row = made[index % len(made)] if made else None
        if row is None or not row.believed() or row.ends <= now:
            raise Refused("duty-not-found")
        self._end(row, now, now)
        return True

    def request_access(
        self, now: datetime, patient: int, provider: int, scope: Collection[str] = ("read",), hours: float = 24
    ) -> bool:
        """It opens at once, for reading and for a quarter of an hour; or it waits for an approval."""
        self._require(provider=provider)
        self._require(patient=patient)
        here = [row for row in self.rows if row.holds(now, None)]
        policy, overrides = self._policy_at(now), self._overrides(now)
        self._require_standing(now, patient, provider, overrides, asked=now)
        self._require_known(scope, now)
        if not self._granted(now) & frozenset(scope):
            raise Refused("invalid-request")
        before = [row for row in self._last_states() if (row.provider, row.patient) == (provider, patient)]
        if any(row.role in OPEN and row.holds(now, None) for row in before):
            raise Refused("emergency-access-open")
        again = self._came_to_nothing(before)
        labels = [row.code for row in here if row.kind == "label" and row.patient == patient]
        waits = again is not None or (policy is not None and GATED in labels)
        duties = [row for row in here if (row.kind, row.role) == ("duty", "supervisor")]
        approvers = frozenset(
            row.number for row in duties if row.provider != provider
            and not any(one.kind == "suspension" and one.provider == row.provider for one in here)
        )  # fmt: skip
        until = now + min(timedelta(hours=hours), LONGEST)
        self.wanted[len(self.rows)] = Wanted(frozenset(scope), until, None if waits else now, approvers, again)
        state, granted, ends = ("requested", frozenset[str](), WAITING) if waits else ("provisional", READ, PROVISIONAL)
        asked = Row(
            -1, -1, "emergency_access", now, now + ends, now, patient, provider, role=state, scope=granted,
            despite=overrides,
        )  # fmt: skip
        return self._record(asked, now)

    def approve_access(self, now: datetime, index: int, approver: int, hours: float | None = None) -> bool:
        """As it was asked, or for fewer hours; as far as policy allows it now, to whom the request would not be refused now."""
        row = self._to_decide(now, index, approver)
        if row.role in OPEN and row.ends <= now:
            raise Refused("grant-ended")
        if row.role not in ("requested", "provisional"):
            raise Refused("already-decided")
        wanted, despite = self.wanted[row.lineage], row.despite & self._overrides(now)
        self._require_standing(now, row.patient, row.provider, despite, asked=self.rows[row.lineage].starts)
        granted, opened = wanted.scope & self._granted(now), wanted.opened or now
        ends = min(wanted.until, opened + (LONGEST if hours is None else min(timedelta(hours=hours), LONGEST)))
        if not granted:
            raise Refused("invalid-request")
        self.wanted[row.lineage] = replace(wanted, opened=opened)
        return self._follow(row, now, "approved", granted, ends, despite)

    def deny_access(self, now: datetime, index: int, approver: int) -> bool:
        """Whatever there is ends at once."""
        row = self._to_decide(now, index, approver)
        if row.role not in OPEN or row.ends <= now:
            raise Refused("grant-ended")
        return self._follow(row, now, "denied")

    def end_access(self, now: datetime, index: int, provider: int) -> bool:
        row = self._emergency(index)
        if row.provider != provider:
            raise Refused("not-themselves")
        if row.role not in OPEN or row.ends <= now:
            raise Refused("grant-ended")
        return self._follow(row, now, "ended")

    def _require_standing(
        self, now: datetime, patient: int | None, provider: int | None, despite: Collection[str], asked: datetime
    ) -> None:
        """Whose duty it is, or was when they asked unless it was taken back since; nobody suspended; nobody objected to,
        unless that is overridden.
        """
        own = [row for row in self._now_believed("duty", "suspension", "objection") if row.provider == provider]
        duties = [row for row in own if (row.kind, row.role) == ("duty", "break_glass")]
        over = [row for row in duties if row.number == row.lineage or row.ends > row.recorded]
        if not any(row.holds(now, None) for row in duties) and not any(row.holds(asked, None) for row in over):
            raise Refused("may-not-break-glass")
        here = [row for row in own if row.holds(now, None)]
        objected = any(row.kind == "objection" and row.patient == patient for row in here)
        if any(row.kind == "suspension" for row in here) or (objected and "objection" not in despite):
            raise Refused("emergency-access-refused")

    def _nobodys(self, now: datetime, merge: Row) -> list[int]:
        """Lineages of what is open to the survivor, or waits, and was asked for or changed since a merge that is taken back:
        nobody can say to which of the two.

        What was the survivor's own before is not among them, whatever became of it; nor is what says just what this merge, or
        another that stands, made of it.
        """
        believed = self._now_believed("emergency_access", patient=merge.other)
        merges = self._now_believed("merge", other=merge.other)
        own = {
            row.lineage for row in self.rows
            if row.patient == merge.other and row.recorded < merge.recorded <= row.superseded
        }  # fmt: skip
        return sorted(
            row.lineage for row in believed
            if row.role in OPEN and row.ends > now and row.lineage not in own
            and not any(self._unchanged(row, one.recorded, believed) for one in merges)
        )  # fmt: skip

    def _end_each(self, now: datetime, lineages: Collection[int]) -> None:
        """One after the other, each at an instant of its own."""
        for lineage in lineages:
            row = next(row for row in self._last_states() if row.lineage == lineage)
            self._follow(row, self.ahead.popleft() if self.ahead else now, "ended")

    def _unchanged(self, row: Row, at: datetime, believed: Sequence[Row]) -> bool:
        """Whether what was recorded of its lineage at an instant is all that is believed of it."""
        made = [one for one in self.rows if (one.lineage, one.recorded) == (row.lineage, at)]
        present = [one for one in believed if one.lineage == row.lineage]
        return sorted(map(_content, made), key=str) == sorted(map(_content, present), key=str)

    def _to_decide(self, now: datetime, index: int, approver: int) -> Row:
        """The last state of one of those ever asked for, if this provider may decide about it: by a duty not taken back."""
        row = self._emergency(index)
        if row.provider == approver:
            raise Refused("self-approval")
        by = [self.rows[number] for number in self.wanted[row.lineage].approvers]
        suspended = [one for one in self._now_believed("suspension", provider=approver) if one.holds(now, None)]
        if suspended or not any(one.provider == approver and one.believed() for one in by):
            raise Refused("not-an-approver")
        return row

    def _emergency(self, index: int) -> Row:
        if not self.wanted:
            raise Refused("emergency-access-not-found")
        lineage = sorted(self.wanted)[index % len(self.wanted)]
        return next(row for row in self._last_states() if row.lineage == lineage)

    def _last_states(self) -> list[Row]:
        rows = sorted(self._now_believed("emergency_access"), key=lambda row: row.starts)
        return list({row.lineage: row for row in rows}.values())

    def _came_to_nothing(self, before: Collection[Row]) -> int | None:
        """The newest request that was denied, or that waited and was over undecided, whoever ended it, and was not asked again.

        What opened and was ended undecided comes to nothing when it would have expired: no history lasts so long.
        """
        again = {wanted.again for wanted in self.wanted.values()}
        undecided = [row for row in before if row.role == "ended" and self.wanted[row.lineage].opened is None]
        nothing = [*(row for row in before if row.role == "denied"), *undecided]
        return max((row.lineage for row in nothing if row.lineage not in again), default=None)

    def _overrides(self, now: datetime) -> frozenset[str]:
        policy = self._policy_at(now)
        return policy.despite if policy else frozenset({"sensitivity"})

    def _granted(self, now: datetime) -> frozenset[str]:
        return GRANTED if self._policy_at(now) else READ

    def _follow(
        self, row: Row, now: datetime, state: str, scope: frozenset[str] = frozenset(), ends: datetime = FOREVER,
        despite: frozenset[str] | None = None,
    ) -> bool:  # fmt: skip
        """Let another state follow now; what was until now stays believed."""
        self._end(row, now, now)
        overridden = row.despite if despite is None else despite
        return self._record(replace(row, role=state, scope=scope, starts=now, ends=ends, despite=overridden), now)


def _content(row: Row) -> tuple[object, ...]:
    said = (row.provider, row.team, row.role, row.other, row.code, row.duty_ends)
    return row.kind, row.starts, row.ends, row.scope, *said
