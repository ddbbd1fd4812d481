"""Deciding, before anything is written, which records have to be taken and how many facts that would end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from carecircle.interop.fhir.codes import PHASES
from carecircle.interop.fhir.dates import Span
from carecircle.interop.fhir.fact_tables import facts_of_records, imported_and_live
from carecircle.interop.fhir.lookup import Lookup
from carecircle.interop.fhir.record_tables import records_waiting, versions_taken
from carecircle.interop.fhir.references import reader_of
from carecircle.interop.fhir.report import Tally
from carecircle.interop.fhir.said import SUBJECT, Heard, hear
from carecircle.interop.fhir.service import Desk, Import, desk
from carecircle.interop.fhir.settle import Row
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
    known = await versions_taken(at, [kept.key for kept in batch])
    waiting = await records_waiting(at, list(known))
    verdicts = {}
    for kept in batch:
        if kept.key not in known:
            verdicts[kept.record] = Verdict.NEW
            continue
        version, digest = known[kept.key]
        if kept.digest == digest:
            verdicts[kept.record] = Verdict.RETRY if kept.key in waiting else Verdict.UNCHANGED
        else:
            verdicts[kept.record] = Verdict.OLDER if kept.version.is_older_than(version) else Verdict.CHANGED
    return verdicts


async def _ending(at: Desk, spool: Spool, kind: str, changed: Iterable[Kept]) -> int:
    """How many facts that hold now, or will, would no longer let the same provider in tomorrow."""
    reader = reader_of(at.run, spool)
    records = {kept.key: kept for kept in changed}
    heard = {key: hear(kind, kept.body, reader.of(kept.record)) for key, kept in records.items()}
    lookup = Lookup(at.run.source)
    said = [said for one in heard.values() for said in one.said]
    subjects = [one.subject for one in heard.values() if one.subject is not None]
    await lookup.find(at, providers=[one.pointer for one in said if one.item != SUBJECT], patients=subjects)
    now: datetime = await at.now()
    ending = 0
    for table in _TABLES[kind]:
        for row in await facts_of_records(at, table, list(heard)):
            if row.ends_at > now and not _stays(row, heard[row.record], lookup, spool, now):
                ending += 1
    return ending


def _stays(row: Row, one: Heard, lookup: Lookup, spool: Spool, now: datetime) -> bool:
    """Whether a record still says of a fact what keeps it, or says it in a way that cannot be used and so leaves it."""
    if one.withdrawn:
        return False
    if row.table == "patient_assignments" and row.values[2] != "primary":
        patient_id = lookup.patient(one.subject) if one.subject is not None else None
        if patient_id is None:
            return one.subject is None or not spool.holds(one.subject.record)
        if patient_id != row.values[0]:
            return False
    if row.item in one.untouched:
        return True
    for said in one.said:
        if (said.item == SUBJECT) != (row.table == "care_team_patients"):
            continue
        whom = (lookup.patient if said.item == SUBJECT else lookup.provider)(said.pointer)
        if whom is None and said.item == row.item and not spool.holds(said.pointer.record):
            return True
        if whom == row.values[1] and _still_holds(row, said.span, now):
            return True
    return False


def _still_holds(row: Row, span: Span, now: datetime) -> bool:
    begun = span.starts_at is None or span.starts_at <= max(now, row.starts_at)
    late = row.starts_at > now and span.starts_at is not None and span.ends_at > span.starts_at
    return not span.over and (begun or late) and span.ends_at >= min(row.ends_at, now + timedelta(days=1))
