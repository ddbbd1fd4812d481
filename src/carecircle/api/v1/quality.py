"""What waits for a person to decide, over HTTP: findings, patients without a primary provider, and those with several."""

from __future__ import annotations

from contextlib import aclosing
from typing import Annotated, Literal

from fastapi import Query

from carecircle.adoption.service import own_several_primaries
from carecircle.api.v1.door import Changing, Reading, routes
from carecircle.api.v1.paging import Next, Paging
from carecircle.api.v1.shapes import (
    A_THIRD_ID,
    AN_ID,
    ANOTHER_ID,
    Answer,
    Body,
    Id,
    Moment,
    OwnId,
    Reference,
    Text,
    end_of,
    example,
    id_of,
)
from carecircle.directory.keys_service import slug_of
from carecircle.findings import service as findings_service
from carecircle.findings.tables import Finding as Found
from carecircle.identifiers import to_text
from carecircle.period import show
from carecircle.staffing import gaps_service, resolve_service

router = routes("quality")

MOST = 1000
FINDING = {
    "id": AN_ID, "code": "primary-already-assigned", "sentence": "The record names another primary provider.",
    "remedy": "Choose who it is.", "source": "fhir", "source_record": "Encounter/1", "source_item": "participant[0]",
    "patient_id": A_THIRD_ID, "provider_id": ANOTHER_ID, "recorded_at": "2026-01-31T08:00:00Z",
}  # fmt: skip
GAP = {"patient_id": A_THIRD_ID, "starts_at": "2026-01-31T08:00:00Z", "ends_at": None}
PRIMARY = {"id": AN_ID, "provider_id": ANOTHER_ID, "assigned_at": "2026-01-31T08:00:00Z", "keep": True}
SEVERAL = {"patient_id": A_THIRD_ID, "assignments": [PRIMARY]}


class Finding(Answer):
    """What could not be taken, and what to do; ids and words of ours, nothing about anybody."""

    model_config = example(**FINDING)
    id: Id
    code: str
    sentence: str
    remedy: str
    source: str
    source_record: str
    source_item: str
    patient_id: Id | None
    provider_id: Id | None
    recorded_at: Moment


class Findings(Answer):
    """The oldest first; `open` is how many of each code wait in all."""

    model_config = example(findings=[FINDING], next=None, open={"primary-already-assigned": 1})
    findings: list[Finding]
    next: Next
    open: dict[str, int]


class Resolution(Body):
    """Who is the primary provider from now on; `provider` says who is proposed where the finding does not, `previous` what
    becomes of one who is not kept."""

    model_config = example(keep="present")
    keep: resolve_service.Keep
    provider: Reference | None = None
    previous: Literal["demote", "end"] = "demote"


class Resolved(Answer):
    """The patient's primary provider after it, null where there is none."""

    model_config = example(id=AN_ID, keep="present", primary_id=ANOTHER_ID)
    id: Id
    keep: str
    primary_id: Id | None


class Gap(Answer):
    """A patient without a primary provider, from when until when."""

    model_config = example(**GAP)
    patient_id: Id
    starts_at: Moment
    ends_at: Moment | None


class Gaps(Answer):
    """How many have none `now`, how many more will lose theirs within the days, and the earliest gaps."""

    model_config = example(now=1, ahead=0, gaps=[GAP])
    now: int
    ahead: int
    gaps: list[Gap]


class Primary(Answer):
    """One of several; `keep` is false for those that would be demoted."""

    model_config = example(**PRIMARY)
    id: Id
    provider_id: Id
    assigned_at: Moment | None
    keep: bool


class Several(Answer):
    model_config = example(**SEVERAL)
    patient_id: Id
    assignments: list[Primary]


class SeveralPrimaries(Answer):
    """Patients with several primary providers at a time; `whole` is false where there are more than were asked for."""

    model_config = example(patients=[SEVERAL], whole=True)
    patients: list[Several]
    whole: bool


@router.get("/findings")
async def list_findings(door: Reading, page: Paging, code: Text | None = None, source: Text | None = None) -> Findings:
    """Those that wait to be resolved."""
    async with door.read() as db:
        own = door.caller.organization_id
        found = await findings_service.list_open(
            db, own, codes=[code] if code else (), source=source, after=page.after, limit=page.limit + 1
        )
        counts = await findings_service.count_open(db, own)
    shown, onwards = page.cut(found, lambda one: (one.recorded_at, one.id))
    return Findings(findings=[_finding(one) for one in shown], next=onwards, open=counts)


@router.post("/findings/{finding_id}/resolution")
async def resolve_finding(door: Changing, finding_id: OwnId, body: Resolution) -> Resolved:
    """Settle a finding about two primary providers by choosing; the choice and the finding's end are one change."""
    async with door.change() as db:
        chosen = await resolve_service.resolve_finding(
            db, finding_id=finding_id, keep=body.keep, proposed=body.provider, previous=body.previous
        )
    return Resolved(id=to_text(finding_id), keep=body.keep, primary_id=id_of(chosen))


@router.get("/primary-provider-gaps")
async def list_primary_provider_gaps(
    door: Reading,
    days: Annotated[int, Query(ge=0, le=3650, description="Also gaps that begin within so many days.")] = 0,
    limit: Annotated[int, Query(ge=1, le=MOST)] = MOST,
) -> Gaps:
    """Patients who have, or will have, no primary provider."""
    async with door.read() as db:
        found = await gaps_service.gaps(db, days=days, limit=limit)
    return Gaps(
        now=found.now,
        ahead=found.ahead,
        gaps=[
            Gap(patient_id=to_text(one.patient_id), starts_at=show(one.starts_at), ends_at=end_of(one.ends_at))
            for one in found.gaps
        ],
    )


@router.get("/several-primary-providers")
async def list_several_primary_providers(
    door: Reading, limit: Annotated[int, Query(ge=1, le=MOST)] = 100
) -> SeveralPrimaries:
    """What the constraint of one primary provider would forbid, and which assignments would be kept; nothing is changed."""
    async with door.read() as db:
        slug = await slug_of(db, door.caller.organization_id)
    patients: list[Several] = []
    async with aclosing(own_several_primaries(door.circle.reach, slug)) as found:
        async for one in found:
            if len(patients) == limit:
                return SeveralPrimaries(patients=patients, whole=False)
            rows = [
                Primary(id=row.id, provider_id=row.provider, assigned_at=row.assigned_at, keep=row.keep)
                for row in one.rows
            ]
            patients.append(Several(patient_id=one.patient, assignments=rows))
    return SeveralPrimaries(patients=patients, whole=True)


def _finding(one: Found) -> Finding:
    return Finding(
        id=to_text(one.id), code=one.code, sentence=one.sentence, remedy=one.remedy, source=one.source,
        source_record=one.source_record, source_item=one.source_item, patient_id=id_of(one.patient_id),
        provider_id=id_of(one.provider_id), recorded_at=show(one.recorded_at),
    )  # fmt: skip
