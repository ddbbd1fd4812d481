"""Deciding, before anything is written, which records have to be taken and how many facts that would end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from carecircle.interop.fhir.codes import PHASES
from carecircle.interop.fhir.fact_tables import facts_of_records, imported_and_live
from carecircle.interop.fhir.record_tables import records_waiting, versions_taken
from carecircle.interop.fhir.references import Reader
from carecircle.interop.fhir.report import Tally
from carecircle.interop.fhir.said import hear
from carecircle.interop.fhir.service import Desk, Import, desk
from carecircle.interop.fhir.spool import Kept, Spool, Verdict

_SIZE = 1000
_TABLES = {
    "Patient": ("patient_assignments",),
    "CareTeam": ("care_team_patients", "care_team_members"),
    "Encounter": ("patient_assignments",),
}


async def plan(run: Import, spool: Spool, tally: Tally) -> int:
    """Give every record its verdict, count those that need nothing; how many live facts would end."""
    ending = 0
    for phase, kind in enumerate(PHASES):
        for batch in spool.batches(phase, _SIZE):
            async with desk(run) as at:
                verdicts = await _verdicts(at, batch)
                changed = [kept for kept in batch if verdicts[kept.record] is Verdict.CHANGED]
                if changed and kind in _TABLES:
                    ending += await _ending(at, spool, kind, changed)
            spool.judge([(record, verdict) for record, verdict in verdicts.items() if verdict is not Verdict.NEW])
            for kept in batch:
                if verdicts[kept.record] is Verdict.UNCHANGED:
                    tally.unchanged += kept.times
                elif verdicts[kept.record] is Verdict.OLDER:
                    tally.skipped_older += kept.times
    return ending


async def live_facts(run: Import) -> int:
    """How many imported facts of the organization let somebody in now, or will."""
    async with desk(run) as at:
        return await imported_and_live(at)


async def _verdicts(at: Desk, batch: Sequence[Kept]) -> dict[str, Verdict]:
    known = await versions_taken(at, [kept.record for kept in batch])
    waiting = await records_waiting(at, list(known))
    verdicts = {}
    for kept in batch:
        if kept.record not in known:
            verdicts[kept.record] = Verdict.NEW
            continue
        version, digest = known[kept.record]
        if kept.digest == digest:
            verdicts[kept.record] = Verdict.RETRY if kept.record in waiting else Verdict.UNCHANGED
        else:
            verdicts[kept.record] = Verdict.OLDER if kept.version.is_older_than(version) else Verdict.CHANGED
    return verdicts


async def _ending(at: Desk, spool: Spool, kind: str, changed: Iterable[Kept]) -> int:
    """How many facts that hold now, or will, these records no longer say, or say are over."""
    reader = Reader(at.run.source, spool.alias)
    heard = {kept.record: hear(kind, kept.body, reader) for kept in changed}
    now: datetime = await at.now()
    ending = 0
    for table in _TABLES[kind]:
        for row in await facts_of_records(at, table, list(heard)):
            one = heard[row.record]
            if kind == "Encounter" and one.subject is None and not one.withdrawn:
                continue
            spans = [said.span for said in one.said if said.item == row.item]
            if row.ends_at <= now or (not spans and row.item in one.untouched):
                continue
            if one.withdrawn or all(span.over or span.ends_at <= now for span in spans):
                ending += 1
    return ending
