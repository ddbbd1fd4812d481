"""Whether an assignment might be made, over HTTP: every rule that it would break, at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from carecircle.api.v1.door import Changing, routes
from carecircle.api.v1.shapes import Answer, Body, Instant, OwnId, Reference, Text, example
from carecircle.errors import Violation as Broken
from carecircle.restrictions.reading_service import record_reading
from carecircle.services.validator import AssignmentValidator

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

router = routes("validations")


class PrimaryQuestion(Body):
    model_config = example(kind="primary", patient="urn:mrn|12345", provider="npi|1234567893")
    kind: Literal["primary"]
    patient: Reference
    provider: Reference
    as_of: Instant | None = None


class SpecialistQuestion(Body):
    model_config = example(
        kind="specialist", patient="urn:mrn|12345", provider="npi|1234567893", specialty="207RC0000X"
    )
    kind: Literal["specialist"]
    patient: Reference
    provider: Reference
    specialty: Text
    referral_id: OwnId | None = None
    ends_at: Instant | None = None
    as_of: Instant | None = None


class CareTeamQuestion(Body):
    model_config = example(kind="care-team", care_team="wards|4", provider="npi|1234567893", member_role="nurse")
    kind: Literal["care-team"]
    care_team: Reference
    provider: Reference
    member_role: Text
    as_of: Instant | None = None


Question = Annotated[PrimaryQuestion | SpecialistQuestion | CareTeamQuestion, Field(discriminator="kind")]


class Violation(Answer):
    model_config = example(code="referral-missing", sentence="No referral sends this patient to that specialty.")
    code: str
    sentence: str


class Validation(Answer):
    """Valid when no rule speaks against it; the database still has the last word when it is done."""

    model_config = example(
        valid=False,
        violations=[{"code": "provider-suspended", "sentence": "This provider is suspended when the seat begins."}],
    )
    valid: bool
    violations: list[Violation]


@router.post("/validations")
async def validate_assignment(door: Changing, body: Question) -> Validation:
    """For those who may change: the answer can tell that a patient objects, and then leaves an entry."""
    async with door.read() as db:
        broken = await _broken(db, body)
        if not isinstance(body, CareTeamQuestion) and any(one.code == "patient-objects" for one in broken):
            await record_reading(db, "objection-told", patient=body.patient, provider=body.provider)
    return Validation(valid=not broken, violations=[Violation(code=one.code, sentence=one.sentence) for one in broken])


async def _broken(
    db: AsyncSession, body: PrimaryQuestion | SpecialistQuestion | CareTeamQuestion
) -> tuple[Broken, ...]:
    if isinstance(body, PrimaryQuestion):
        return await AssignmentValidator.violations_primary_assignment(
            db, body.patient, body.provider, as_of=body.as_of
        )
    if isinstance(body, SpecialistQuestion):
        return await AssignmentValidator.violations_specialist_assignment(
            db, body.patient, body.provider, body.specialty, ends_at=body.ends_at, referral_id=body.referral_id,
            as_of=body.as_of,
        )  # fmt: skip
    return await AssignmentValidator.violations_care_team_membership(
        db, body.care_team, body.provider, body.member_role, as_of=body.as_of
    )
