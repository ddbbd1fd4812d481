"""Two records of one patient, over HTTP: merging them, and taking that back."""

from __future__ import annotations

from carecircle.api.v1.door import Changing, routes
from carecircle.api.v1.rehearsal import Preview, changing_unless
from carecircle.api.v1.shapes import A_THIRD_ID, AN_ID, ANOTHER_ID, Answer, Body, Id, Reference, example
from carecircle.identifiers import to_text
from carecircle.staffing import merge_service

router = routes("patients")

FACT = {"kind": "direct-assignment", "id": A_THIRD_ID}
CHANGED = {**FACT, "became": "demoted", "reason": "primary-already-assigned"}


class Merging(Body):
    """`patient` is given up, `into` is kept."""

    model_config = example(patient="urn:mrn|12345", into="urn:mrn|67890")
    patient: Reference
    into: Reference


class Unmerging(Body):
    """`patient` is the one who was given up."""

    model_config = example(patient="urn:mrn|12345")
    patient: Reference


class Fact(Answer):
    model_config = example(**FACT)
    kind: str
    id: Id


class ChangedFact(Answer):
    """A fact that did not go along as it was, and why."""

    model_config = example(**CHANGED)
    kind: str
    id: Id
    became: str
    reason: str


class Merged(Answer):
    """How many facts of each kind went along, and which of them changed on the way."""

    model_config = example(
        merge_id=AN_ID, patient_id=A_THIRD_ID, into_patient_id=ANOTHER_ID, moved={"direct-assignment": 2},
        changed=[CHANGED],
    )  # fmt: skip
    merge_id: Id
    patient_id: Id
    into_patient_id: Id
    moved: dict[str, int]
    changed: list[ChangedFact]


class Unmerged(Answer):
    """How many facts of each kind are the patient's again; which stay as they are, for somebody changed them since; and
    which were recorded for the survivor meanwhile, so that people must say whom they are about."""

    model_config = example(
        patient_id=A_THIRD_ID, from_patient_id=ANOTHER_ID, restored={"direct-assignment": 2}, left_alone=[],
        recorded_since=[FACT], for_both=[],
    )  # fmt: skip
    patient_id: Id
    from_patient_id: Id
    restored: dict[str, int]
    left_alone: list[Fact]
    recorded_since: list[Fact]
    for_both: list[Fact]


@router.post("/patients/merge")
async def merge_patients(door: Changing, body: Merging, preview: Preview = False) -> Merged:
    """Everything about the record given up becomes the other's."""
    async with changing_unless(preview, door) as db:
        done = await merge_service.merge_patients(db, patient=body.patient, into=body.into)
    return Merged(
        merge_id=to_text(done.merge_id),
        patient_id=to_text(done.patient_id),
        into_patient_id=to_text(done.into_patient_id),
        moved={kind: count for kind, count in done.moved.items() if count},
        changed=[
            ChangedFact(kind=one.kind, id=to_text(one.id), became=one.became, reason=one.reason) for one in done.changed
        ],
    )


@router.post("/patients/unmerge")
async def unmerge_patients(door: Changing, body: Unmerging) -> Unmerged:
    async with door.change() as db:
        done = await merge_service.unmerge_patients(db, patient=body.patient)
    return Unmerged(
        patient_id=to_text(done.patient_id),
        from_patient_id=to_text(done.from_patient_id),
        restored={kind: count for kind, count in done.restored.items() if count},
        left_alone=[Fact(kind=kind, id=to_text(row)) for kind, row in done.left_alone],
        recorded_since=[Fact(kind=kind, id=to_text(row)) for kind, row in done.recorded_since],
        for_both=[Fact(kind=kind, id=to_text(row)) for kind, row in done.for_both],
    )
