"""Merging two records of one patient, and taking that back: the circle of the one given up goes along, and returns."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.actor import Actor, actor_of, organization_of
from carecircle.assignments.rows import count_primary_change
from carecircle.audit.entry import append
from carecircle.database.facts import supersede
from carecircle.database.session import enter_tenant, one_change
from carecircle.directory.following_service import survivors_of
from carecircle.directory.service import AnyId, resolve_patient
from carecircle.directory.tables import Patient, PatientMerge
from carecircle.emergency.ending_service import end_these
from carecircle.errors import AlreadyMerged, InvalidRequest, MergeNotFound, PatientNotRegistered
from carecircle.identifiers import OrganizationId, PatientId, new_id, to_text
from carecircle.period import EARLIEST, FOREVER
from carecircle.staffing.broken_glass_service import end_own_records, none_is_decided, unsettled
from carecircle.staffing.merging_rules import Changed, Held, Piece, carry, widened
from carecircle.staffing.moving_service import (
    as_said,
    believed_about,
    close,
    record,
    recorded_about,
)
from carecircle.staffing.parting_service import Unmerged, restore
from carecircle.staffing.patient_facts import DIRECT, PATIENT_FACTS
from carecircle.staffing.same_patient_service import (
    BY_HAND,
    Origin,
    merge_entry,
    merge_of,
    merges_into,
    take_both,
)

__all__ = [
    "BY_HAND",
    "Merged",
    "Origin",
    "Unmerged",
    "merge",
    "merge_of",
    "merge_patients",
    "merges_into",
    "unmerge",
    "unmerge_patients",
]


@dataclass(slots=True)
class Merged:
    """What merging did: how many facts of each kind were the given-up patient's, and which did not go along as they were."""

    patient_id: PatientId
    into_patient_id: PatientId
    merge_id: UUID
    moved: Counter[str] = field(default_factory=Counter)
    changed: list[Changed] = field(default_factory=list)


async def merge_patients(
    db: AsyncSession,
    *,
    patient: AnyId,
    into: AnyId,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> Merged:
    """Say that `patient`, who is given up, and `into` are one person: every fact about the one becomes the other's.

    Where both have a primary provider, the survivor's stays and the other is consulting; what the survivor has already is
    not recorded twice, and where somebody covers the same provider for both, the survivor's coverage grants what either did.
    Whoever asks about the one given up is answered about the survivor. Emergency access that is open, or waits, and turns
    out to be to the requester's own record is ended. Raises AlreadyMerged when either is merged into
    another (for `into`, naming which), InvalidRequest for one and the same, PatientNotRegistered, StaleVersion.
    """
    who = actor_of(actor)
    async with one_change(db):
        tenant = await enter_tenant(db, organization_of(organization))
        gone = await resolve_patient(db, tenant, patient, follow=False)
        survivor = await resolve_patient(db, tenant, into, follow=False)
        return await merge(db, tenant, who, gone, survivor)


async def merge(
    db: AsyncSession,
    tenant: OrganizationId,
    who: Actor,
    patient_id: PatientId,
    into_patient_id: PatientId,
    origin: Origin = BY_HAND,
) -> Merged:
    """The same for resolved ids, in a transaction that is this tenant's."""
    if patient_id == into_patient_id:
        raise InvalidRequest("These two are one record already; name the one to give up and the one to keep.")
    now = await take_both(db, tenant, patient_id, into_patient_id)
    await _require_apart(db, tenant, patient_id, into_patient_id)
    now = await none_is_decided(db, tenant, [patient_id, into_patient_id], now)
    entry_id, row_id = new_id(), new_id()
    merged = Merged(patient_id, into_patient_id, row_id)
    db.add(
        PatientMerge(
            organization_id=tenant, id=row_id, lineage_id=row_id, patient_id=patient_id, into_patient_id=into_patient_id,
            starts_at=EARLIEST, ends_at=FOREVER, recorded_at=now, entry_id=entry_id,
            source=origin.source, source_record=origin.record, source_item="link" if origin.source else "",
        )
    )  # fmt: skip
    await db.flush()
    for fact in PATIENT_FACTS:
        # Who closes a row without queueing for the patient may leave another in its place: a locked read that waited for
        # them does not see it, a plain one does, and has the last word.
        while await believed_about(db, tenant, fact, patient_id, lock=False):
            rows = await believed_about(db, tenant, fact, patient_id)
            theirs = await believed_about(db, tenant, fact, into_patient_id)
            held = Held(as_said(fact, row) for row in theirs)
            pieces: list[Piece] = []
            for row in rows:
                going, changed = carry(fact.kind, as_said(fact, row), held)
                pieces += going
                merged.changed += changed
            merged.moved[fact.kind] += len(rows)
            by_row: defaultdict[UUID, list[Piece]] = defaultdict(list)
            for piece in pieces:
                by_row[piece.of].append(piece)
            wider = [row for row in theirs if row.id in by_row]
            for row in wider:
                by_row[row.id] = widened(as_said(fact, row), by_row[row.id])
            pieces = [piece for found in by_row.values() for piece in found]
            await close(db, tenant, fact, [*rows, *wider], entry_id, now)
            await record(db, tenant, fact, into_patient_id, pieces, entry_id, now)
            if fact is DIRECT and any(row.what["assignment_type"] == "primary" for row in rows):
                count_primary_change(db)
    became = Counter[str](one.became for one in merged.changed)
    await append(
        db,
        merge_entry(
            tenant, who, origin, "patients-merged", entry_id, patient_id, into_patient_id,
            {"moved": merged.moved.total(), **became},
        ),
    )  # fmt: skip
    await end_own_records(db, tenant, who, into_patient_id)
    return merged


async def unmerge_patients(
    db: AsyncSession,
    *,
    patient: AnyId,
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> Unmerged:
    """Take back that `patient` was merged into another: what was theirs is theirs again, unless somebody changed it since.

    What was recorded for the survivor meanwhile stays the survivor's; labels and objections hold for both. Emergency access
    that was asked for or changed meanwhile ends: nobody can tell to which of the two it was given. Raises MergeNotFound, and
    AlreadyMerged when the survivor has been merged into another: that is to be taken back first.
    """
    who = actor_of(actor)
    async with one_change(db):
        tenant = await enter_tenant(db, organization_of(organization))
        return await unmerge(db, tenant, who, await resolve_patient(db, tenant, patient, follow=False))


async def unmerge(
    db: AsyncSession, tenant: OrganizationId, who: Actor, patient_id: PatientId, origin: Origin = BY_HAND
) -> Unmerged:
    """The same for a resolved id, in a transaction that is this tenant's."""
    known = await merge_of(db, tenant, patient_id)
    if known is None:
        raise MergeNotFound
    survivor_id = PatientId(known.into_patient_id)
    now = await take_both(db, tenant, patient_id, survivor_id)
    after = await merge_of(db, tenant, survivor_id)
    if after is not None:
        raise AlreadyMerged(
            f"Patient {to_text(survivor_id)}, into whom this one was merged, has been merged into"
            f" {to_text(after.into_patient_id)} since; take that back first.",
            patient_id=survivor_id,
        )
    now = await none_is_decided(db, tenant, [patient_id, survivor_id], now)
    parted = await unsettled(db, tenant, known, now)
    entry_id = new_id()
    await supersede(db, known, entry_id, now)
    done = Unmerged(patient_id, survivor_id)
    for fact in PATIENT_FACTS:
        restored = await restore(db, tenant, fact, known, entry_id, now, done)
        done.restored[fact.kind] += len(restored)
        since = await recorded_about(
            db, tenant, fact, survivor_id, known.recorded_at, besides=[known.entry_id, entry_id]
        )
        done.recorded_since += [(fact.kind, one) for one in since]
        if fact is DIRECT and any(row.what["assignment_type"] == "primary" for row in restored):
            count_primary_change(db)
    counts = {
        "restored": done.restored.total(),
        "left_alone": len(done.left_alone),
        "recorded_since": len(done.recorded_since),
        "for_both": len(done.for_both),
    }
    await append(
        db, merge_entry(tenant, who, origin, "patients-unmerged", entry_id, patient_id, survivor_id, counts)
    )  # fmt: skip
    await end_these(db, tenant, parted, who, "parted")
    return done


async def _require_apart(db: AsyncSession, tenant: OrganizationId, gone: PatientId, survivor: PatientId) -> None:
    both = (gone, survivor)
    found = await db.scalars(select(Patient.id).where(Patient.organization_id == tenant, Patient.id.in_(both)))
    if len(found.all()) < len(both):
        raise PatientNotRegistered
    followed = await survivors_of(db, tenant, both)
    if followed[gone] != gone:
        raise AlreadyMerged(patient_id=gone, into_patient_id=followed[gone])
    if followed[survivor] != survivor:
        raise AlreadyMerged(
            f"Patient {to_text(survivor)} has been merged into {to_text(followed[survivor])}; merge into that one.",
            patient_id=survivor,
            into_patient_id=followed[survivor],
        )
