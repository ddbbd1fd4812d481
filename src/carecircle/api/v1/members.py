"""Who sits on a care team, over HTTP: seating, changing and ending seats."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from carecircle.api.v1.door import Changing, routes
from carecircle.api.v1.shapes import (
    ANOTHER_ID,
    UNUSABLE,
    Answer,
    Body,
    Ended,
    Id,
    Instant,
    Moment,
    OwnId,
    Reference,
    RestsOn,
    Scope,
    end_of,
    example,
)
from carecircle.care_teams import reading_service, service
from carecircle.care_teams.rules import is_role
from carecircle.care_teams.tables import CareTeamMember
from carecircle.errors import NotFound
from carecircle.identifiers import to_text
from carecircle.period import show

router = routes("care teams")


def _role(given: str) -> str:
    if not is_role(given):
        raise PydanticCustomError(
            UNUSABLE, "Write a role as up to 32 small letters, digits and hyphens, a letter first."
        )
    return given


Role = Annotated[str, AfterValidator(_role)]


class NewMember(Body):
    """Without a scope, the role's own. `rests_on` adds to what the policy asks of the role."""

    model_config = example(provider="npi|1234567893", member_role="nurse", starts_at="2026-01-31T08:00:00Z")
    provider: Reference
    member_role: Role = "member"
    scope: Scope | None = None
    rests_on: RestsOn | None = None
    starts_at: Instant | None = None
    ends_at: Instant | None = None


class MemberChange(Body):
    """Another role, another scope, or both, from now on."""

    model_config = example(member_role="attending")
    member_role: Role | None = None
    scope: Scope | None = None


class Member(Answer):
    """A seat; it holds only while every credential in `rests_on` does."""

    model_config = example(
        provider_id=ANOTHER_ID, member_role="nurse", scope=["read", "write"], rests_on=["licence"],
        starts_at="2026-01-31T08:00:00Z", ends_at=None,
    )  # fmt: skip
    provider_id: Id
    member_role: str
    scope: list[str]
    rests_on: list[str]
    starts_at: Moment
    ends_at: Moment | None


@router.post("/care-teams/{care_team_id}/members", status_code=201)
async def add_care_team_member(door: Changing, care_team_id: OwnId, body: NewMember) -> Member:
    async with door.change() as db:
        return _seat(
            await service.add_member(
                db, care_team_id=care_team_id, provider=body.provider, member_role=body.member_role, scope=body.scope,
                rests_on=body.rests_on, starts_at=body.starts_at, ends_at=body.ends_at,
            )
        )  # fmt: skip


@router.patch("/care-teams/{care_team_id}/members/{provider}")
async def change_care_team_member(door: Changing, care_team_id: OwnId, provider: OwnId, body: MemberChange) -> Member:
    async with door.change() as db:
        return _seat(
            await service.change_member(
                db, care_team_id=care_team_id, provider=provider, member_role=body.member_role, scope=body.scope
            )
        )


@router.delete("/care-teams/{care_team_id}/members/{provider}")
async def end_care_team_member(door: Changing, care_team_id: OwnId, provider: OwnId) -> Ended:
    async with door.change() as db:
        ended = await service.end_membership(db, care_team_id=care_team_id, provider=provider)
        if not ended:
            raise NotFound("This provider has no seat on such a care team now or ahead.")
        return Ended(ended=ended)


def member_of(seat: reading_service.Member) -> Member:
    """A seat as a team shows it."""
    return Member(
        provider_id=to_text(seat.provider_id), member_role=seat.role, scope=list(seat.scope),
        rests_on=list(seat.rests_on), starts_at=show(seat.starts_at), ends_at=end_of(seat.ends_at),
    )  # fmt: skip


def _seat(row: CareTeamMember) -> Member:
    return Member(
        provider_id=to_text(row.provider_id), member_role=row.member_role, scope=list(row.scope),
        rests_on=list(row.rests_on), starts_at=show(row.starts_at), ends_at=end_of(row.ends_at),
    )  # fmt: skip
