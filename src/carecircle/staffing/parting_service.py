"""Parting two records that were merged: what is given back to the one who goes, and what then holds for both."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.directory.tables import PatientMerge
from carecircle.identifiers import OrganizationId, PatientId
from carecircle.period import Period
from carecircle.staffing.merging_rules import Held, Piece, Said, cut, lifted, lost, without
from carecircle.staffing.moving_service import (
    Row,
    as_said,
    believed_about,
    close,
    closed_by,
    held_before,
    made_by,
    record,
)
from carecircle.staffing.patient_facts import AboutPatient


@dataclass(slots=True)
class Unmerged:
    """What taking a merge back did: how many facts of each kind are the patient's again.

    `left_alone` are those facts (rows of before the merge) that stay as they are, or of which a part does; `reasons` says why
    of each: "changed-since" (somebody changed what became of it), "place-taken" (by what was recorded of the patient past the
    merge), "survivors-has-ended" (the survivor's stood for it, and has been ended since: what was until then is restored).
    `recorded_since` are facts recorded for the survivor in between, which stay theirs: whom they are about, people must say.
    `for_both` are labels and objections of the survivor that hold for both from now on, until somebody lifts one: recorded
    in between, or the patient's own that somebody changed.
    """

    patient_id: PatientId
    from_patient_id: PatientId
    restored: Counter[str] = field(default_factory=Counter)
    left_alone: list[tuple[str, UUID]] = field(default_factory=list)
    recorded_since: list[tuple[str, UUID]] = field(default_factory=list)
    for_both: list[tuple[str, UUID]] = field(default_factory=list)
    reasons: dict[UUID, str] = field(default_factory=dict)

    def leave(self, kind: str, rows: Sequence[Row], reason: str) -> None:
        self.left_alone += [(kind, row.id) for row in rows]
        self.reasons |= {row.id: reason for row in rows}


async def restore(
    db: AsyncSession,
    tenant: OrganizationId,
    fact: AboutPatient,
    known: PatientMerge,
    entry_id: UUID,
    now: datetime,
    done: Unmerged,
) -> list[Row]:
    """Give back what the merge closed, lineage by lineage, where what it made of it still says the same: those rows.

    Of what the survivor's facts stood for, only the time for which they have not been ended since is given back. A label or
    an objection is given back in any case, as far as it was not lifted itself.
    """
    gone, survivor = PatientId(known.patient_id), PatientId(known.into_patient_id)
    before = _by_lineage(await closed_by(db, tenant, fact, gone, known.entry_id))
    wider = _by_lineage(await closed_by(db, tenant, fact, survivor, known.entry_id))
    made = _by_lineage(await made_by(db, tenant, fact, {*before, *wider}, known.entry_id))
    present = _by_lineage(await believed_about(db, tenant, fact, survivor))
    then = await held_before(db, tenant, fact, survivor, known.recorded_at, known.entry_id)
    theirs = {row.lineage_id for row in then}
    own = Held([as_said(fact, row) for row in await believed_about(db, tenant, fact, gone)])
    stood = Held([as_said(fact, row) for row in then])
    stands = Held([as_said(fact, row) for one in theirs for row in present[one]])
    given = _Given()
    for lineage_id, rows in before.items():
        unchanged = _contents(made[lineage_id]) == _contents(present[lineage_id])
        if fact.restricts:
            _restrict_again(fact, rows, made[lineage_id], present[lineage_id], own, now, unchanged, given, done)
        elif not unchanged:
            done.leave(fact.kind, rows, "changed-since")
        elif any(own.in_the_way(as_said(fact, row)) for row in rows):
            done.leave(fact.kind, rows, "place-taken")
        else:
            given.closing += present[lineage_id]
            for row in rows:
                said = as_said(fact, row)
                over = lost(said, _periods(made[lineage_id]), stood, stands)
                left = cut(said, over)
                given.again += [Piece(row.id, period) for period in left]
                given.restored += [row] if left else []
                done.leave(fact.kind, [row] if over else [], "survivors-has-ended")
    narrower: list[Piece] = []
    for lineage_id, rows in wider.items():
        for row in rows:
            said = as_said(fact, row)
            mine = [one for one in present[lineage_id] if as_said(fact, one).slot == said.slot]
            narrower += [Piece(row.id, left) for left in cut(said, lifted(_periods(made[lineage_id]), _periods(mine)))]
            given.closing += mine
    await close(db, tenant, fact, given.closing, entry_id, now)
    await record(db, tenant, fact, survivor, narrower, entry_id, now)
    await record(db, tenant, fact, gone, given.again, entry_id, now)
    await record(db, tenant, fact, gone, given.anew, entry_id, now, anew=True)
    if fact.restricts:
        since = [row for one, rows in present.items() if one not in theirs and one not in before for row in rows]
        since = [row for row in since if row.period.ends_at > now]
        taken = Held([as_said(fact, row) for row in await believed_about(db, tenant, fact, gone)])
        copied = [
            Piece(row.id, left) for row in since for left in without(row.period, _taken(taken, as_said(fact, row)))
        ]
        await record(db, tenant, fact, gone, copied, entry_id, now, anew=True)
        done.for_both += [(fact.kind, row.id) for row in [*given.both, *since]]
    return given.restored


@dataclass(slots=True)
class _Given:
    """What one kind of fact is to become: rows to close at the survivor, pieces for the patient who goes.

    `again` are theirs under the old lineages, `anew` beside what stays with the survivor (`both`).
    """

    restored: list[Row] = field(default_factory=list)
    closing: list[Row] = field(default_factory=list)
    again: list[Piece] = field(default_factory=list)
    anew: list[Piece] = field(default_factory=list)
    both: list[Row] = field(default_factory=list)


def _restrict_again(
    fact: AboutPatient, rows: list[Row], made: list[Row], present: list[Row], own: Held, now: datetime,
    unchanged: bool, given: _Given, done: Unmerged,
) -> None:  # fmt: skip
    """A label or objection is the patient's again as far as it was not lifted itself.

    Where it was, in part, what is left of it stays the survivor's as well: it may be about either.
    """
    over = lifted(_periods(made), _periods(present))
    for row in rows:
        left = without(row.period, [*over, *_taken(own, as_said(fact, row))])
        back = [Piece(row.id, one) for one in left if unchanged or one.ends_at > now]
        (given.again if unchanged else given.anew).extend(back)
        if back:
            given.restored.append(row)
        else:
            done.leave(fact.kind, [row], "place-taken" if unchanged else "changed-since")
    if unchanged:
        given.closing += present
    else:
        given.both += [row for row in present if row.period.ends_at > now]


def _taken(held: Held, said: Said) -> list[Period]:
    return [one.taking for one in held.in_the_way(said)]


def _periods(rows: Sequence[Row]) -> list[Period]:
    return [row.period for row in rows]


def _by_lineage(rows: list[Row]) -> defaultdict[UUID, list[Row]]:
    found: defaultdict[UUID, list[Row]] = defaultdict(list)
    for row in rows:
        found[row.lineage_id].append(row)
    return found


def _contents(rows: list[Row]) -> Counter[tuple[object, ...]]:
    return Counter(row.content for row in rows)
