"""Patient records that were merged at the source: merged here too, all that is said about them, and taken apart again."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from carecircle.errors import AlreadyMerged
from carecircle.identifiers import Identifier, OrganizationId, PatientId, to_text
from carecircle.interop.fhir.directory_tables import add_patient_identifiers
from carecircle.interop.fhir.fact_tables import demoted_by_merges, merges_said_by, records_about
from carecircle.interop.fhir.lookup import Lookup
from carecircle.interop.fhir.outcome import Outcome, finish
from carecircle.interop.fhir.people import register_patients
from carecircle.interop.fhir.problems import link_changed, link_cycle, link_dangling, second_primary
from carecircle.interop.fhir.record_tables import forget_versions
from carecircle.interop.fhir.references import Pointer
from carecircle.interop.fhir.report import Tally
from carecircle.interop.fhir.service import Desk
from carecircle.interop.fhir.spool import Kept, Spool, Verdict
from carecircle.interop.fhir.take import add_primaries
from carecircle.staffing.merge_service import Origin, merge, merge_of, unmerge


async def take_linked(desk: Desk, spool: Spool, batch: Sequence[Kept], tally: Tally) -> None:
    """Patients whose records replace others or are replaced; all patients of the import are registered already."""
    known = await register_patients(desk, batch)
    outcomes = []
    for kept in batch:
        one = known[kept.record]
        outcome = Outcome(kept, problems=one.problems, wrote=one.wrote, patient_id=one.id)
        outcomes.append(outcome)
        for replaced, _ in spool.links(kept.record):
            await _follow(desk, spool, outcome, replaced, tally)
    await add_primaries(desk, spool, outcomes)
    await _tell_demoted(desk, outcomes)
    await finish(desk, outcomes, ("patient_assignments",), tally)


async def take_apart(desk: Desk, spool: Spool, batch: Sequence[Kept], tally: Tally) -> None:
    """Take back the merges that these records said once and say no more, unless another record of the import does."""
    changed = [kept.key for kept in batch if kept.verdict is Verdict.CHANGED]
    said = await merges_said_by(desk, changed)
    if not said:
        return
    still = await _replaced(desk, spool.all_replaced())
    for patient_id in said:
        if patient_id not in still:
            await _unmerge(desk, spool, patient_id, tally)


def last_survivor(spool: Spool, record: str) -> str | None:
    """Who stands for a record at the end of its links; None when they go in a circle or two ways at once."""
    seen = {record}
    while after := spool.survivors(record):
        record = after[0]
        if len(after) > 1 or record in seen:
            return None
        seen.add(record)
    return record


async def _follow(desk: Desk, spool: Spool, outcome: Outcome, replaced: str, tally: Tally) -> None:
    """Let the survivor of a record stand for it; where they are two patients here, merge them."""
    survivor = last_survivor(spool, replaced)
    if survivor is None:
        outcome.problems.append(link_cycle())
        return
    lookup = Lookup(desk.run.source)
    old, new = Pointer(replaced, "Patient", record=replaced), Pointer(survivor, "Patient", record=survivor)
    await lookup.find(desk, patients=[old, new])
    survivor_id, old_id = lookup.patient(new), lookup.own(old)
    if survivor_id is None:
        outcome.problems.append(link_dangling())
    elif old_id is None:
        await add_patient_identifiers(desk, [(Identifier(desk.run.source, replaced), survivor_id)])
        outcome.wrote = True
    elif old_id == survivor_id:
        # The same person all along, unless this record itself replaced the survivor in an earlier import.
        if replaced == outcome.kept.record and lookup.own(new) != old_id:
            outcome.problems.append(link_cycle())
    elif lookup.survivor(old_id) != survivor_id:
        await _merge(desk, spool, outcome, old_id, survivor_id, tally)


async def _merge(desk: Desk, spool: Spool, outcome: Outcome, old_id: UUID, survivor_id: UUID, tally: Tally) -> None:
    """Merge two patients; where this source merged the one into somebody else before, it may say otherwise now."""
    tenant = OrganizationId(desk.run.organization_id)
    before = await merge_of(desk.session, tenant, old_id)
    if before is not None and (before.source != desk.run.source or not await _unmerge(desk, spool, old_id, tally)):
        outcome.problems.append(link_changed())
        return
    merged = await merge(
        desk.session,
        tenant,
        desk.run.actor,
        PatientId(old_id),
        PatientId(survivor_id),
        Origin("import", desk.run.source, outcome.kept.key),
    )
    tally.facts_superseded += merged.moved.total()
    outcome.wrote = True


async def _unmerge(desk: Desk, spool: Spool, patient_id: UUID, tally: Tally) -> bool:
    """Take a merge back, unless the survivor has been merged into another since.

    Records of our source whose facts are the survivor's may have meant the other one all the time: they are taken again.
    """
    run = desk.run
    try:
        done = await unmerge(
            desk.session,
            OrganizationId(run.organization_id),
            run.actor,
            PatientId(patient_id),
            Origin("import", run.source),
        )
    except AlreadyMerged:
        return False
    tally.facts_superseded += done.restored.total()
    records = await records_about(desk, done.from_patient_id)
    await forget_versions(desk, records)
    tally.unchanged -= spool.take_again(records)
    return True


async def _tell_demoted(desk: Desk, outcomes: Sequence[Outcome]) -> None:
    """Tell of the primaries that became consulting because these records said that two patients are one.

    What these records say themselves of a primary is compared anyway, and told by that.
    """
    by_key = {outcome.kept.key: outcome for outcome in outcomes}
    for row in await demoted_by_merges(desk, list(by_key)):
        own = by_key.get(row.source_record) if row.source == desk.run.source else None
        if own is None:
            named = f"{row.source_record} {row.source_item}".strip() or f"assignment of {to_text(row.provider_id)}"
            by_key[row.said_by].problems.append(second_primary(named, row.provider_id))


async def _replaced(desk: Desk, records: Collection[str]) -> set[UUID]:
    """The patients that these records were registered as."""
    lookup = Lookup(desk.run.source)
    pointers = [Pointer(record, "Patient", record=record) for record in records]
    await lookup.find(desk, patients=pointers)
    return {own for pointer in pointers if (own := lookup.own(pointer)) is not None}
