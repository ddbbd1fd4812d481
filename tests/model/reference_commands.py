"""The reference model's commands about assignments and teams: what each does to the rows, said once more and simply.

`now` is always given: the instant at which the real command ran. What the rows mean is said in reference.py; the
commands about what is around them stand in reference_around.py.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from tests.model.reference import ALL, BY_TYPE, FOREVER, NURSING, READING, TREATING, Circle, Row

BY_ROLE = {"attending": ALL, "resident": TREATING, "specialist": TREATING, "nurse": NURSING, "member": READING}


class Refused(Exception):
    """The command changes nothing; `code` says why."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


class Staffed(Circle):
    """The circle with the commands that assign people directly and seat them on teams."""

    # Commands: each returns whether it changed anything, or raises Refused and changes nothing.

    def assign_primary(
        self, now: datetime, patient: int, provider: int, previous: str = "demote", starts: datetime | None = None
    ) -> bool:
        at = starts or now
        if at < now:
            raise Refused("invalid-period")
        primaries = self._now_believed("primary", patient=patient)
        incumbent = next((row for row in primaries if row.holds(at, None)), None)
        if incumbent is not None and incumbent.provider == provider:
            return False
        self._require_fit(provider, at, patient=patient)
        if any(overlap(row, at, FOREVER) for row in primaries if row is not incumbent):
            raise Refused("primary-already-assigned")
        self._require(patient=patient, provider=provider)
        if incumbent is not None:
            self._end(incumbent, now, at)
            consulting = self._now_believed("consulting", patient=patient, provider=incumbent.provider)
            kept = incumbent.scope & BY_TYPE["consulting"]
            # Who consults already with less, or resting on more, keeps by that row less than a demotion lets them keep.
            held = any(
                row.starts <= at and row.ends >= incumbent.ends and row.scope >= kept
                and row.rests_on <= incumbent.rests_on and row.referral in (None, incumbent.referral)
                for row in consulting
            )  # fmt: skip
            if previous == "demote" and incumbent.starts < at and kept and not held:
                self._record(replace(incumbent, kind="consulting", starts=at, scope=kept), now)
        self._record(Row(-1, -1, "primary", at, FOREVER, now, patient, provider, scope=BY_TYPE["primary"]), now)
        return True

    def cancel_handover(self, now: datetime, patient: int) -> bool:
        primaries = sorted(self._now_believed("primary", patient=patient), key=lambda row: row.starts)
        planned = next((row for row in primaries if row.starts > now), None)
        if planned is None:
            raise Refused("assignment-not-found")
        later = [row.starts for row in primaries if row.starts > planned.starts]
        origin = min((row for row in self.rows if row.lineage == planned.lineage), key=lambda row: row.recorded)
        others = [row for row in self.rows if row.patient == patient and row.lineage != planned.lineage]
        # A patient's commands queue up, so an instant is a command: what it made and what it closed.
        made = [row for row in others if row.believed() and row.recorded == origin.recorded]
        own = self._now_believed("consulting", patient=patient, lineage=planned.lineage)
        for row in [planned, *made, *(row for row in own if row.starts == planned.ends)]:
            self._end(row, now, row.starts)
        for replaced in [row for row in others if row.superseded == origin.recorded and row.kind == "primary"]:
            left = [row for row in made if row.lineage == replaced.lineage and row.kind == "primary"]
            if left or replaced.starts >= origin.starts:
                back = replace(replaced, ends=min([replaced.ends, *later]), superseded=FOREVER)
                self._record(back, now)
            else:
                self._stays_instead(now, patient, origin, replaced, later)
        return True

    def _stays_instead(
        self, now: datetime, patient: int, origin: Row, replaced: Row, later: Collection[datetime]
    ) -> None:
        """The turn of `replaced` was itself taken back before: whoever stayed then stays on, as long as they would have."""
        mine = [row for row in self.rows if row.patient == patient and row.kind == "primary"]
        ours = [row for row in mine if row.lineage == replaced.lineage and row.recorded == origin.recorded]
        taken_back = {row.superseded for row in ours}
        for row in mine:
            if row.lineage == replaced.lineage or not row.believed() or row.ends != origin.starts:
                continue
            before: Row | None = replaced
            while row.recorded in taken_back and before is not None and before.lineage != row.lineage:
                first = min((one for one in self.rows if one.lineage == before.lineage), key=lambda one: one.recorded)
                closed = [one for one in mine if one.superseded == first.recorded and one.lineage != first.lineage]
                before = closed[0] if closed else None
            if row.recorded in taken_back and before is not None:
                self._end(row, now, row.starts)
                self._record(replace(row, ends=min([before.ends, *later])), now)

    def add_assignment(
        self, now: datetime, patient: int, provider: int, kind: str,
        starts: datetime | None = None, ends: datetime | None = None, scope: Collection[str] | None = None,
        rests_on: Collection[str] | None = None, referral: int | None = None,
    ) -> bool:  # fmt: skip
        """`referral` chooses among the referrals ever made."""
        if kind not in BY_TYPE:
            raise Refused("invalid-request")
        first, last = period(starts or now, ends or FOREVER)
        granted = BY_TYPE[kind] if scope is None else frozenset(scope)
        sent = None if referral is None else self.referral_id(referral)
        for row in self._now_believed(kind, patient=patient, provider=provider):
            begun = row.starts == first or (starts is None and row.starts <= now)
            same = (row.ends, row.scope, row.referral) == (last, granted, sent)
            if begun and same and (rests_on is None or row.rests_on == frozenset(rests_on)):
                return False
        rests = frozenset(rests_on or ())
        self._require_fit(provider, first, rests, patient)
        if referral is not None:
            versions = self._now_believed("referral", lineage=sent, patient=patient)
            if not any(row.provider in (None, provider) and row.ends > first for row in versions):
                raise Refused("referral-not-found")
        self._require_known(granted, max(now, first))
        row = Row(-1, -1, kind, first, last, now, patient, provider, scope=granted, rests_on=rests, referral=sent)
        return self._assign(row, now)

    def misfile_assignment(
        self, now: datetime, patient: int, provider: int, starts: datetime, ends: datetime, referral: int
    ) -> bool:
        """With whatever referral: no service does this."""
        sent, granted = self.referral_id(referral), frozenset({"read", "write"})
        first, last = period(starts, ends)
        row = Row(-1, -1, "attending", first, last, now, patient, provider, scope=granted, referral=sent)
        return self._assign(row, now)

    def correct_assignment(
        self, now: datetime, patient: int, index: int, provider: int | None, kind: str | None,
        starts: datetime | None, ends: datetime | None, scope: Collection[str] | None,
    ) -> bool:  # fmt: skip
        if kind is not None and kind not in BY_TYPE:
            raise Refused("invalid-request")
        held = sorted(self._now_believed(*BY_TYPE, patient=patient), key=self.order)
        if not held:
            raise Refused("assignment-not-found")
        wrong = held[index % len(held)]
        first, last = period(starts or wrong.starts, ends or wrong.ends)
        right = replace(wrong, starts=first, ends=last, kind=kind or wrong.kind)
        if provider is not None:
            right = replace(right, provider=provider)
        if scope is not None:
            self._require_known(scope, max(now, first))
        return self._assign(replace(right, scope=right.scope if scope is None else frozenset(scope)), now, wrong)

    def end_assignments(self, now: datetime, patient: int, provider: int, kind: str | None = None) -> bool:
        kinds = [kind] if kind else list(BY_TYPE)
        if not self._end_all(now, *kinds, patient=patient, provider=provider):
            raise Refused("assignment-not-found")
        return True

    def referral_id(self, index: int) -> int:
        """The lineage of one of the referrals ever made, oldest first; one that never was when there is none."""
        made = [row.number for row in self.rows if row.kind == "referral" and row.number == row.lineage]
        return made[index % len(made)] if made else -1

    def _require_fit(
        self, provider: int, at: datetime, rests_on: Collection[str] = (), patient: int | None = None
    ) -> None:
        """Who is suspended or lacks what it would rest on is given nothing that begins then.

        Nor is anybody given a patient who objects to them, or any patient when all their licences have lapsed.
        """
        own = [row for row in self.rows if row.provider == provider and row.holds(at, None)]
        names = {name for row in own if row.kind == "credential" for name in (row.role, row.code)}
        if any(row.kind == "suspension" for row in own) or not names.issuperset(rests_on):
            raise Refused("rules-violated")
        if patient is None:
            return
        licences = self._now_believed("credential", provider=provider, role="licence")
        lapsed = licences and not any(row.holds(at, None) for row in licences)
        if lapsed or any(row.kind == "objection" and row.patient == patient for row in own):
            raise Refused("rules-violated")

    def _require_known(self, scope: Collection[str], at: datetime) -> None:
        """An action is everybody's, or the policy of that time adds it."""
        policy = self._policy_at(at)
        if not ALL | (policy.scope if policy else frozenset()) >= frozenset(scope):
            raise Refused("invalid-request")

    def add_member(
        self, now: datetime, team: int, provider: int, role: str = "member",
        starts: datetime | None = None, ends: datetime | None = None, scope: Collection[str] | None = None,
        rests_on: Collection[str] = (),
    ) -> bool:  # fmt: skip
        first, last = period(starts or now, ends or FOREVER)
        self._require_open(team, first, last)
        conflict = {"attending": "resident", "resident": "attending"}.get(role)
        own = self._now_believed("seat", provider=provider)
        # Every policy that these histories set lets roles be; without one, nobody is both at once.
        if self._policy_at(max(now, first)) is None and any(
            row.role == conflict and overlap(row, first, last) for row in own
        ):
            raise Refused("rules-violated")
        if rests_on:  # who is nobody lacks every credential, and is told the former
            self._require(provider=provider)
        self._require_fit(provider, first, rests_on)
        granted = BY_ROLE.get(role, READING) if scope is None else frozenset(scope)
        self._require_known(granted, max(now, first))
        if not granted:
            raise Refused("invalid-request")
        if any(row.team == team and overlap(row, first, last) for row in own):
            raise Refused("overlapping-membership")
        self._require(provider=provider)
        seat = Row(-1, -1, "seat", first, last, now, None, provider, team, role, granted, rests_on=frozenset(rests_on))
        return self._record(seat, now)

    def add_patient(
        self, now: datetime, team: int, patient: int, starts: datetime | None = None, ends: datetime | None = None
    ) -> bool:
        first, last = period(starts or now, ends or FOREVER)
        self._require_open(team, first, last)
        if any(overlap(row, first, last) for row in self._now_believed("team_patient", team=team, patient=patient)):
            raise Refused("patient-already-on-team")
        self._require(patient=patient)
        return self._record(Row(-1, -1, "team_patient", first, last, now, patient, team=team), now)

    def end_membership(self, now: datetime, team: int, provider: int) -> bool:
        return self._end_all(now, "seat", team=team, provider=provider)

    def end_patient(self, now: datetime, team: int, patient: int) -> bool:
        return self._end_all(now, "team_patient", team=team, patient=patient)

    def close_team(self, now: datetime, team: int) -> bool:
        self._require_open(team, now, FOREVER)
        self._end_all(now, "seat", "team_patient", team=team)
        return self._record(Row(-1, -1, "closure", now, FOREVER, now, team=team), now)

    def reopen_team(self, now: datetime, team: int) -> bool:
        self._require(team=team)
        return self._end_all(now, "closure", team=team)

    def _require_open(self, team: int, starts: datetime, ends: datetime) -> None:
        self._require(team=team)
        if any(overlap(row, starts, ends) for row in self._now_believed("closure", team=team)):
            raise Refused("care-team-closed")

    def _policy_at(self, at: datetime) -> Row | None:
        return next((row for row in self._now_believed("policy") if row.holds(at, None)), None)

    # What the commands share.

    def order(self, row: Row) -> tuple[object, ...]:
        """How a patient's rows are counted when one of them is to be corrected."""
        return row.recorded, row.starts, row.ends, row.kind, sorted(row.scope), self.rows[row.lineage].recorded

    def _assign(self, row: Row, now: datetime, instead_of: Row | None = None) -> bool:
        """Record an assignment if it may be, in the place of another one or in addition."""
        if not row.scope:
            raise Refused("invalid-request")
        if row.ends == FOREVER and (row.kind == "emergency" or row.referral is not None):
            raise Refused("invalid-period")
        primaries = [one for one in self._now_believed("primary", patient=row.patient) if one is not instead_of]
        if row.kind == "primary" and any(overlap(one, row.starts, row.ends) for one in primaries):
            raise Refused("primary-already-assigned")
        self._require(patient=row.patient, provider=row.provider)
        if instead_of is not None:
            self._end(instead_of, now, instead_of.starts)
        self._record(row, now)
        return True

    def _now_believed(self, *kinds: str, **of: int | str | None) -> list[Row]:
        """The rows of these kinds that are believed now, of a patient, a provider, a team."""
        rows = [row for row in self.rows if row.believed() and row.kind in kinds]
        return [row for row in rows if all(getattr(row, name) == one for name, one in of.items())]

    def _require(self, **of: int | None) -> None:
        for name, code in (("team", "care-team-not-found"), ("patient", "patient-not-registered"),
                           ("provider", "provider-not-registered")):  # fmt: skip
            if name in of and of[name] not in getattr(self, name + "s"):
                raise Refused(code)

    def _record(self, row: Row, now: datetime) -> bool:
        """Append a fact, the first of its lineage unless it names another."""
        number = len(self.rows)
        lineage = number if row.lineage < 0 else row.lineage
        self.rows.append(replace(row, number=number, lineage=lineage, recorded=now, superseded=FOREVER))
        return True

    def _end(self, row: Row, now: datetime, at: datetime) -> None:
        """No longer believed as it was; what it is until `at` is believed instead, unless it begins later."""
        self.rows[row.number] = replace(row, superseded=now)
        if row.starts < at:
            duty_ends = None if row.duty_ends is None else min(row.duty_ends, at)
            self._record(replace(row, ends=at, duty_ends=duty_ends), now)

    def _end_all(self, now: datetime, *kinds: str, **of: int | str) -> bool:
        """End what has not ended, now and ahead; whether there was anything."""
        held = [row for row in self._now_believed(*kinds, **of) if row.ends > now]
        for row in held:
            self._end(row, now, now)
        return bool(held)


def overlap(row: Row, starts: datetime, ends: datetime) -> bool:
    return row.starts < ends and starts < row.ends


def period(starts: datetime, ends: datetime) -> tuple[datetime, datetime]:
    if starts >= ends:
        raise Refused("invalid-period")
    return starts, ends
