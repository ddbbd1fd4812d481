"""Patient records that were merged: whoever replaces a record gets its imported facts, and is found under its name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from carecircle.identifiers import REPLACED_PATIENT, Identifier, new_id
from carecircle.interop.fhir.directory_tables import add_patient_identifiers
from carecircle.interop.fhir.fact_tables import imported_about, primaries_of
from carecircle.interop.fhir.lookup import Lookup
from carecircle.interop.fhir.outcome import Outcome, finish
from carecircle.interop.fhir.people import register_patients
from carecircle.interop.fhir.problems import link_changed, link_cycle, link_dangling, second_primary
from carecircle.interop.fhir.references import Pointer
from carecircle.interop.fhir.report import Tally
from carecircle.interop.fhir.service import Desk
from carecircle.interop.fhir.settle import Row
from carecircle.interop.fhir.spool import Kept, Spool
from carecircle.interop.fhir.take import add_primaries


async def take_linked(desk: Desk, spool: Spool, batch: Sequence[Kept], tally: Tally) -> None:
    """Patients whose records replace others or are replaced; all patients of the import are registered already."""
    known = await register_patients(desk, batch)
    outcomes = []
    merged: list[tuple[Outcome, UUID, UUID]] = []
    for kept in batch:
        one = known[kept.record]
        outcome = Outcome(kept, problems=one.problems, wrote=one.wrote, patient_id=one.id)
        outcomes.append(outcome)
        for replaced, _ in spool.links(kept.record):
            pair = await _follow(desk, spool, outcome, replaced)
            if pair is not None:
                merged.append((outcome, *pair))
    await add_primaries(desk, spool, outcomes)
    by_record = {outcome.kept.key: outcome for outcome in outcomes}
    moved: set[UUID] = set()
    for outcome, old_id, survivor_id in merged:
        for row in await _left_behind(desk, old_id):
            own = by_record.get(row.record) if row.source == desk.run.source else None
            # What these records say now, or no longer say, is compared anyway, and so finds its way by itself.
            if row.id not in moved and (own is None or own.leaves(row.item)):
                moved.add(row.id)
                await _move(desk, outcome, row, survivor_id)
    await finish(desk, outcomes, ("patient_assignments",), tally)


def last_survivor(spool: Spool, record: str) -> str | None:
    """Who stands for a record at the end of its links; None when they go in a circle or two ways at once."""
    seen = {record}
    while after := spool.survivors(record):
        record = after[0]
        if len(after) > 1 or record in seen:
            return None
        seen.add(record)
    return record


async def _follow(desk: Desk, spool: Spool, outcome: Outcome, replaced: str) -> tuple[UUID, UUID] | None:
    """Let the survivor of a record stand for it; the replaced patient and the survivor when they are two."""
    survivor = last_survivor(spool, replaced)
    if survivor is None:
        outcome.problems.append(link_cycle())
        return None
    lookup = Lookup(desk.run.source)
    old, new = Pointer(replaced, "Patient", record=replaced), Pointer(survivor, "Patient", record=survivor)
    await lookup.find(desk, patients=[old, new])
    survivor_id, old_id = lookup.patient(new), lookup.own(old)
    if survivor_id is None:
        outcome.problems.append(link_dangling())
        return None
    if old_id is None:
        await add_patient_identifiers(desk, [(Identifier(desk.run.source, replaced), survivor_id)])
        outcome.wrote = True
        return None
    if old_id == survivor_id:
        # The same person all along, unless this record itself replaced the survivor in an earlier import.
        if replaced == outcome.kept.record and lookup.own(new) != old_id:
            outcome.problems.append(link_cycle())
        return None
    if lookup.survivor(old_id) == old_id:
        await add_patient_identifiers(desk, [(Identifier(REPLACED_PATIENT, str(old_id)), survivor_id)])
        outcome.wrote = True
    elif lookup.survivor(old_id) != survivor_id:
        outcome.problems.append(link_changed())
        return None
    return old_id, survivor_id


async def _left_behind(desk: Desk, old_id: UUID) -> list[Row]:
    """The imported facts of a replaced patient; what somebody made by hand stays where it is."""
    return [
        *await imported_about(desk, "patient_assignments", old_id),
        *await imported_about(desk, "care_team_patients", old_id),
    ]


async def _move(desk: Desk, outcome: Outcome, row: Row, survivor_id: UUID) -> None:
    """Give a fact to the survivor, unless that would make a second primary."""
    if row.table == "care_team_patients":
        outcome.moved.append((row, replace(row, id=new_id(), values=(row.values[0], survivor_id))))
        return
    held = await primaries_of(desk, [survivor_id]) if row.values[2] == "primary" else []
    if any(other.meets(row) for other in held):
        outcome.problems.append(second_primary(f"{row.record} {row.item}", row.values[1]))
    else:
        outcome.moved.append((row, replace(row, id=new_id(), values=(survivor_id, *row.values[1:]))))
