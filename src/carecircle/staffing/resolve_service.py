"""Resolving a finding about two primary providers by choosing one: the choice and the finding's end are one transaction."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle.actor import Actor, actor_of, organization_of
from carecircle.assignments.service import assign_primary, end_assignments, primary_of
from carecircle.audit.entry import Entry, append
from carecircle.database.constraints import translated
from carecircle.database.session import enter_tenant, instant
from carecircle.directory.service import AnyId, resolve_provider
from carecircle.errors import FindingNotFound, InvalidRequest
from carecircle.findings.service import Difference, Open, apply
from carecircle.findings.tables import Finding
from carecircle.identifiers import to_text
from carecircle.staffing.turnover_service import BELIEVED

Keep = Literal["present", "proposed", "none"]
ABOUT_PRIMARIES = ("primary-already-assigned", "primary-demoted")


async def resolve_finding(
    db: AsyncSession,
    *,
    finding_id: UUID,
    keep: Keep,
    proposed: AnyId | None = None,
    previous: Literal["demote", "end"] = "demote",
    organization: UUID | str | None = None,
    actor: Actor | str | None = None,
) -> UUID | None:
    """Keep the present primary, the one the finding proposes, or none from now on; the patient's primary after that.

    `proposed` says who is proposed where the finding does not; `previous` what becomes of the present one when it is not
    kept. Raises FindingNotFound, and InvalidRequest for a finding that is about something else or names nobody.
    """
    who = actor_of(actor)
    with translated():
        tenant = await enter_tenant(db, organization_of(organization))
        finding = await db.scalar(
            select(Finding)
            .where(Finding.organization_id == tenant, Finding.id == finding_id, Finding.superseded_at == BELIEVED)
            .with_for_update()
        )
        if finding is None:
            raise FindingNotFound
        if finding.code not in ABOUT_PRIMARIES or finding.patient_id is None:
            raise InvalidRequest(
                f"A finding {finding.code} is not resolved by choosing a provider; its remedy: {finding.remedy}"
            )
        named = finding.provider_id if proposed is None else await resolve_provider(db, tenant, proposed)
        patient_id = finding.patient_id
        if keep == "proposed":
            if named is None:
                raise InvalidRequest("This finding does not say who is proposed; add --provider PROVIDER.")
            await assign_primary(
                db, patient=patient_id, provider=named, previous=previous, organization=tenant, actor=who
            )
        present = await primary_of(db, patient=patient_id, organization=tenant)
        if keep == "none" and present is not None:
            await end_assignments(
                db, patient=patient_id, provider=present.provider_id, assignment_type="primary",
                organization=tenant, actor=who,
            )  # fmt: skip
            present = None
        entry = Entry(
            tenant, "change", who, "finding-resolved", patient_id=patient_id,
            provider_id=present.provider_id if present else None,
            detail={"finding": to_text(finding.id), "code": finding.code, "keep": keep},
        )  # fmt: skip
        await append(db, entry)
        gone = Open(finding.id, finding.lineage_id, finding.sentence, finding.remedy)
        await apply(db, tenant, [(entry.id, Difference(closed=(gone,)))], await instant(db))
        return present.provider_id if present else None
