"""The reference model's commands about what is around assignments and teams: credentials, referrals, coverage, restrictions,
policy, merged patients. As in reference_commands.py, `now` is the instant at which the real command ran.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from tests.model.reference import ALL, BY_TYPE, FOREVER, NURSING, TREATING, Answer, Row
from tests.model.reference_commands import Refused, overlap, period
from tests.model.reference_emergency import Emergencies

BY_COVERAGE = {"full": ALL, "urgent": TREATING, "on_call": NURSING}
LABELS = ("R", "CEL", "EMP", "PSY", "HIV", "SUD")
EARLIEST = datetime(2, 1, 1, tzinfo=UTC)
ABOUT_PATIENTS = (*BY_TYPE, "team_patient", "coverage", "referral", "objection", "label", "emergency_access")
RESTRICTING = ("objection", "label")


class Model(Emergencies):
    """The circle with every command; and questions as they are asked from outside."""

    def answer(self, provider: int, action: str, patient: int, as_of: datetime, believed_at: datetime | None) -> Answer:
        """What `check` says; of a patient who was merged into another one, what it says of the survivor."""
        said = self.check(provider, action, patient, as_of, believed_at)
        if said.code != "patient-merged":
            return said
        survivor = self.survivor(patient, as_of, believed_at)
        assert survivor is not None
        return self.answer(provider, action, survivor, as_of, believed_at)

    def list_providers(
        self, patient: int, action: str, as_of: datetime, believed_at: datetime | None
    ) -> tuple[str, dict[int, Answer]]:
        """In the same way about the survivor."""
        said = super().list_providers(patient, action, as_of, believed_at)
        survivor = self.survivor(patient, as_of, believed_at)
        if said[0] != "patient-merged" or survivor is None:
            return said
        return self.list_providers(survivor, action, as_of, believed_at)

    def add_credential(
        self, now: datetime, provider: int, kind: str, code: str,
        starts: datetime | None = None, ends: datetime | None = None,
    ) -> bool:  # fmt: skip
        first, last = period(starts or now, ends or FOREVER)
        held = self._now_believed("credential", provider=provider, role=kind, code=code)
        if any(row.ends == last and (row.starts == first or (starts is None and row.starts <= now)) for row in held):
            return False
        if any(overlap(row, first, last) for row in held):
            raise Refused("overlapping-credential")
        self._require(provider=provider)
        return self._record(Row(-1, -1, "credential", first, last, now, provider=provider, role=kind, code=code), now)

    def end_credential(self, now: datetime, provider: int, kind: str, code: str) -> bool:
        if not self._end_all(now, "credential", provider=provider, role=kind, code=code):
            raise Refused("credential-not-found")
        return True

    def refer(
        self, now: datetime, patient: int, referring: int, provider: int | None, specialty: str,
        starts: datetime | None, ends: datetime,
    ) -> bool:  # fmt: skip
        first, last = period(starts or now, ends)
        self._require(patient=patient, provider=referring)
        # Every policy that these histories set lets anybody refer; without one, only the primary does.
        primaries = [row for row in self._now_believed("primary", patient=patient) if row.holds(first, None)]
        if self._policy_at(first) is None and all(row.provider != referring for row in primaries):
            raise Refused("rules-violated")
        for row in self._now_believed("referral", patient=patient, provider=provider, other=referring, code=specialty):
            begun = row.starts == first or (starts is None and row.starts <= now)
            if begun and row.ends == last and last > now:
                return False
        if provider is not None:
            if provider == referring:
                raise Refused("invalid-request")
            self._require(provider=provider)
        sent = Row(-1, -1, "referral", first, last, now, patient, provider, other=referring, code=specialty)
        return self._record(sent, now)

    def end_referral(self, now: datetime, index: int) -> bool:
        for row in self._referral(now, index):
            self._end(row, now, now)
        return True

    def redirect_referral(self, now: datetime, index: int, provider: int | None) -> bool:
        changing = [row for row in self._referral(now, index) if row.provider != provider]
        if any(row.other == provider for row in changing):
            raise Refused("invalid-request")
        if provider is not None and changing:
            self._require(provider=provider)
        for row in changing:
            self._end(row, now, now)
            self._record(replace(row, provider=provider, starts=max(row.starts, now)), now)
        return bool(changing)

    def _referral(self, now: datetime, index: int) -> list[Row]:
        rows = [row for row in self._now_believed("referral", lineage=self.referral_id(index)) if row.ends > now]
        if not rows:
            raise Refused("referral-not-found")
        return rows

    def restrict(
        self, now: datetime, kind: str, patient: int | None, provider: int | None, code: str | None,
        starts: datetime | None, ends: datetime | None,
    ) -> bool:  # fmt: skip
        """An objection, a suspension or a label."""
        if kind == "label" and code not in LABELS:
            raise Refused("invalid-request")
        first, last = period(starts or now, ends or FOREVER)
        same = self._now_believed(kind, patient=patient, provider=provider, code=code)
        if any(overlap(row, first, last) for row in same):
            raise Refused("already-restricted")
        if provider is not None:
            self._require(provider=provider)
        if patient is not None:
            self._require(patient=patient)
        return self._record(Row(-1, -1, kind, first, last, now, patient, provider, code=code), now)

    def lift(self, now: datetime, index: int) -> bool:
        """One of the restrictions ever made, oldest first, as it was recorded then; not those that parting records made."""
        parted = {row.superseded for row in self.rows if row.kind == "merge"}
        made = [
            row for row in self.rows
            if row.kind in ("suspension", *RESTRICTING) and row.number == row.lineage and row.recorded not in parted
        ]  # fmt: skip
        row = made[index % len(made)] if made else None
        if row is None or not row.believed() or row.ends <= now:
            raise Refused("restriction-not-found")
        self._end(row, now, now)
        return True

    def set_policy(
        self, now: datetime, actions: Collection[str], grace: int, coverage: Collection[str], starts: datetime | None,
        overrides: Collection[str] = ("sensitivity",),
    ) -> bool:  # fmt: skip
        """`grace` in minutes; `coverage` names what standing in rests on, `overrides` what emergency access overrides."""
        at = starts or now
        if at < now:
            raise Refused("invalid-period")
        for row in [row for row in self._now_believed("policy") if row.ends > at]:
            self._end(row, now, at)
        fresh = Row(
            -1, -1, "policy", at, FOREVER, now, scope=frozenset(actions), role=str(grace), rests_on=frozenset(coverage),
            despite=frozenset(overrides),
        )  # fmt: skip
        return self._record(fresh, now)

    def arrange_coverage(
        self, now: datetime, covered: int, covering: int, kind: str, starts: datetime | None, ends: datetime,
        scope: Collection[str] | None, team: int | None, patients: Sequence[int],
    ) -> bool:  # fmt: skip
        """For everything, or for a seat on `team`, or for each of `patients`."""
        first, last = period(starts or now, ends)
        if last <= now:
            raise Refused("invalid-period")
        policy = self._policy_at(max(now, first))
        added, rests_on, grace = frozenset[str](), frozenset[str](), timedelta()
        if policy is not None:
            added, rests_on, grace = policy.scope, policy.rests_on, timedelta(minutes=int(policy.role or 0))
        granted = BY_COVERAGE[kind] if scope is None else frozenset(scope)
        if not granted <= ALL | added:
            raise Refused("invalid-request")
        self._require(provider=covering)
        self._require_fit(covering, max(now, first), rests_on)
        if not granted or covered == covering or (team is not None and patients):
            raise Refused("invalid-request")
        made = [row.arrangement for row in self.rows if row.arrangement is not None]
        turn = Row(
            -1, -1, "coverage", first, last + grace, now, None, covering, team, kind, granted, other=covered,
            rests_on=rests_on, duty_ends=last, arrangement=max(made, default=-1) + 1,
        )  # fmt: skip
        turns = [replace(turn, patient=patient) for patient in dict.fromkeys(patients)] or [turn]
        for one in turns:
            same = self._now_believed("coverage", provider=covering, other=covered, team=team, patient=one.patient)
            if any(row.duty_ends is not None and row.starts < last and first < row.duty_ends for row in same):
                raise Refused("overlapping-coverage")
        self._require(provider=covered)
        if team is not None:
            self._require(team=team)
        for patient in patients:
            self._require(patient=patient)
        for one in turns:
            self._record(one, now)
        return True

    def end_coverage(self, now: datetime, index: int) -> bool:
        """One of the arrangements ever made, oldest first: duty and access end now, without grace."""
        made = sorted({row.arrangement for row in self.rows if row.arrangement is not None})
        rows = self._now_believed("coverage", arrangement=made[index % len(made)]) if made else []
        if not any(row.ends > now for row in rows):
            raise Refused("coverage-not-found")
        for row in [row for row in rows if row.ends > now]:
            self._end(row, now, now)
        return True

    def present(self, patient: int) -> int:
        """Who this patient is now, since records were merged."""
        merges = self._now_believed("merge", patient=patient)
        return patient if not merges or merges[0].other is None else self.present(merges[0].other)

    def merge_patients(self, now: datetime, patient: int, into: int) -> bool:
        if patient == into:
            raise Refused("invalid-request")
        self._require(patient=patient)
        self._require(patient=into)
        if self.present(patient) != patient or self.present(into) != into:
            raise Refused("already-merged")
        held = self._now_believed(*ABOUT_PATIENTS, patient=into)
        gone = self._now_believed(*ABOUT_PATIENTS, patient=patient)
        for row in gone:
            self._close(row, now)
            for piece in _carried(replace(row, patient=into), held):
                self._record(piece, now)
        for row in held:
            wider = [piece for other in gone for piece in _wider(row, replace(other, patient=into))]
            if wider:
                self._close(row, now)
                places = [(piece.starts, piece.duty_ends or piece.ends) for piece in wider]
                for piece in [*_outside(row, places), *wider]:
                    self._record(piece, now)
        return self._record(Row(-1, -1, "merge", EARLIEST, FOREVER, now, patient, other=into), now)

    def unmerge_patients(self, now: datetime, patient: int) -> bool:
        merges = self._now_believed("merge", patient=patient)
        if not merges or merges[0].other is None:
            raise Refused("merge-not-found")
        [merge] = merges
        if self._now_believed("merge", patient=merge.other):
            raise Refused("already-merged")
        nobodys = self._nobodys(now, merge)
        self._close(merge, now)
        at, survivor = merge.recorded, merge.other
        # Once closed, rows say nothing: look before.
        believed = self._now_believed(*ABOUT_PATIENTS, patient=survivor)
        closed = [row for row in self.rows if row.superseded == at and row.kind in ABOUT_PATIENTS]
        then = [row for row in self.rows if row.patient == survivor and row.recorded < at <= row.superseded]
        theirs = {row.lineage for row in then}
        standing = [row for row in believed if row.lineage in theirs]
        changed = {row.lineage for row in closed if not self._unchanged(row, at, believed)}
        for row in [row for row in closed if row.patient == patient]:
            if row.kind in RESTRICTING:
                self._restrict_again(now, row, at, believed, row.lineage in changed)
            elif row.lineage not in changed:
                for piece in _outside(row, _over(row, self._made(row, at), then, standing)):
                    self._record(piece, now)
        # What somebody changed since stays with the survivor.
        for row in believed:
            if row.lineage in {one.lineage for one in closed if one.patient == patient} - changed:
                self._close(row, now)
        self._narrow(now, at, believed, [row for row in closed if row.patient == survivor])
        # What was said of the two while they were one may be about either.
        known = theirs | {row.lineage for row in closed}
        self._for_both(now, patient, [row for row in believed if row.lineage not in known and row.ends > now])
        self._end_each(now, nobodys)
        return True

    def _made(self, row: Row, at: datetime) -> list[tuple[datetime, datetime]]:
        """The times of what was recorded at an instant in place of a row."""
        return [_span(one) for one in self.rows if (one.lineage, one.recorded) == (row.lineage, at)]

    def _restrict_again(self, now: datetime, row: Row, at: datetime, believed: Sequence[Row], changed: bool) -> None:
        """One too many is the lesser harm: it is the patient's again as far as it was not lifted itself."""
        present = [_span(one) for one in believed if one.lineage == row.lineage]
        lifted = [span for one in self._made(row, at) for span in _without(one, present)]
        for starts, ends in _without(_span(row), lifted):
            if ends > now or not changed:
                self._record(replace(row, lineage=-1 if changed else row.lineage, starts=starts, ends=ends), now)

    def _narrow(self, now: datetime, at: datetime, believed: Sequence[Row], widened: Sequence[Row]) -> None:
        """What the survivor's coverage granted for the one given up it grants no more."""
        for row in widened:
            present = [one for one in believed if one.lineage == row.lineage]
            over = [span for one in self._made(row, at) for span in _without(one, [_span(other) for other in present])]
            for one in present:
                self._close(one, now)
            for piece in _outside(row, over):
                self._record(piece, now)

    def _for_both(self, now: datetime, patient: int, rows: Sequence[Row]) -> None:
        """Restrictions of another become this patient's too, as facts of their own, where none of theirs says the same."""
        for row in [row for row in rows if row.kind in RESTRICTING]:
            own = [one for one in self._now_believed(row.kind, patient=patient) if _place(one) == _place(row)]
            for starts, ends in _without(_span(row), list(map(_span, own))):
                self._record(replace(row, lineage=-1, patient=patient, starts=starts, ends=ends), now)

    def _close(self, row: Row, now: datetime) -> None:
        self.rows[row.number] = replace(row, superseded=now)


def _carried(row: Row, held: Sequence[Row]) -> list[Row]:
    """What becomes of a row beside those the survivor holds: without the times in which they hold its place.

    There, a primary is consulting instead, unless a row of the survivor's lets the same provider in as far.
    """
    places = [(one.starts, one.duty_ends or one.ends) for one in held if _place(row) == _place(one) != ()]
    taken, own_end = [place for place in places if overlap(row, *place)], row.duty_ends or row.ends
    if not taken:
        return [row]
    left = _without((row.starts, own_end), taken)
    pieces = [
        replace(row, starts=starts, ends=row.ends if ends == own_end else ends, duty_ends=row.duty_ends and ends)
        for starts, ends in left
    ]
    if row.kind == "primary" and row.scope & BY_TYPE["consulting"]:
        kept = row.scope & BY_TYPE["consulting"]
        enough = [_span(one) for one in held if _enough(one, row, kept)]
        for span in _without((row.starts, row.ends), left):
            for starts, ends in _without(span, enough):
                pieces.append(replace(row, kind="consulting", scope=kept, starts=starts, ends=ends))
    return pieces


def _span(row: Row) -> tuple[datetime, datetime]:
    return row.starts, row.ends


def _outside(row: Row, taken: Sequence[tuple[datetime, datetime]]) -> list[Row]:
    """A row without these times; who is not on duty to the end of it has no grace."""
    if row.duty_ends is None:
        return [replace(row, starts=starts, ends=ends) for starts, ends in _without(_span(row), taken)]
    last = min([row.ends, *(starts for starts, _ in taken if starts >= row.duty_ends)])
    return [
        replace(row, starts=starts, ends=last if ends == row.duty_ends else ends, duty_ends=ends)
        for starts, ends in _without((row.starts, row.duty_ends), taken)
    ]


def _wider(row: Row, other: Row) -> list[Row]:
    """What the survivor's coverage is beside another's that grants more, on the same conditions or fewer."""
    if row.kind != "coverage" or _place(row) != _place(other) or row.duty_ends is None or other.duty_ends is None:
        return []
    starts, duty_ends = max(row.starts, other.starts), min(row.duty_ends, other.duty_ends)
    fewer = row.rests_on >= other.rests_on and row.scope <= other.scope
    if starts >= duty_ends or (row.scope >= other.scope and row.rests_on <= other.rests_on):
        return []
    if row.rests_on != other.rests_on and not fewer:
        return []
    ends = row.ends if duty_ends == row.duty_ends else min(row.ends, other.ends)
    return [
        replace(
            row, starts=starts, ends=ends, duty_ends=duty_ends, scope=row.scope | other.scope, rests_on=other.rests_on
        )
    ]


def _standing(row: Row, held: Sequence[Row]) -> list[tuple[datetime, datetime]]:
    """When these hold a row's place or, of a primary, let the same provider in as far as a consulting one."""
    kept = row.scope & BY_TYPE["consulting"] if row.kind == "primary" else frozenset()
    if kept:
        return [_span(one) for one in held if _enough(one, row, kept)]
    return [_span(one) for one in held if _place(one) == _place(row) != ()]


def _over(
    row: Row, made: Sequence[tuple[datetime, datetime]], then: Sequence[Row], now: Sequence[Row]
) -> list[tuple[datetime, datetime]]:
    """When a row that was not recorded because others stood for it has nobody standing for it any more."""
    over = []
    for gap in _without(_span(row), made):
        over += _without(gap, [*_standing(row, now), *_without(gap, _standing(row, then))])
    return over


def _enough(one: Row, row: Row, kept: frozenset[str]) -> bool:
    return (
        one.kind in ("primary", "consulting") and one.provider == row.provider and one.scope >= kept
        and one.rests_on <= row.rests_on and one.referral in (None, row.referral)
    )  # fmt: skip


def _place(row: Row) -> tuple[object, ...]:
    """What only one row of a patient holds at a time; empty where any number may."""
    if row.kind in ("referral", "emergency_access", *BY_TYPE) and row.kind != "primary":
        return ()
    if row.kind == "primary":
        return (row.kind,)
    return row.kind, row.provider, row.other, row.team, row.code


def _without(
    span: tuple[datetime, datetime], taken: Sequence[tuple[datetime, datetime]]
) -> list[tuple[datetime, datetime]]:
    """What is left of a span outside others."""
    left, begins = [], span[0]
    for starts, ends in sorted(taken):
        if begins < min(starts, span[1]):
            left.append((begins, min(starts, span[1])))
        begins = max(begins, ends)
    return [*left, (begins, span[1])] if begins < span[1] else left
