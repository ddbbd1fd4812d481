"""What can speak against an assignment of the clinic's cardiologist, each made true alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from carecircle.assignments.service import assign_primary
from carecircle.care_teams.service import add_member
from carecircle.care_teams.team_service import close_team, create_team
from carecircle.directory.credential_service import add_credential, end_credential
from carecircle.directory.policy_service import set_policy
from carecircle.referrals.service import end_referral, redirect_referral
from carecircle.restrictions.service import object_to, suspend
from tests.referrals.clinic import CARDIOLOGY, DAY, Clinic

# Takes the clinic, and the id of the referral or of the care team that is asked about.
Fault = Callable[[Clinic, UUID], Awaitable[Any]]


async def lapsed(clinic: Clinic, _: UUID) -> None:
    """A licence that has run out; nobody asked for one before."""
    await clinic.do(
        add_credential, provider=clinic.heart, kind="licence", code="GMC-1",
        starts_at=clinic.now - 9 * DAY, ends_at=clinic.now - DAY,
    )  # fmt: skip


async def suspended(clinic: Clinic, _: UUID) -> None:
    await clinic.do(suspend, provider=clinic.heart)


async def objected(clinic: Clinic, _: UUID) -> None:
    await clinic.do(object_to, patient=clinic.patient, provider=clinic.heart)


async def taken(clinic: Clinic, _: UUID) -> None:
    await clinic.do(assign_primary, patient=clinic.patient, provider=clinic.other)


async def promised(clinic: Clinic, _: UUID) -> None:
    await clinic.do(assign_primary, patient=clinic.patient, provider=clinic.other, starts_at=clinic.now + 9 * DAY)


async def planned(clinic: Clinic, _: UUID) -> None:
    await clinic.do(assign_primary, patient=clinic.patient, provider=clinic.heart, starts_at=clinic.now + 9 * DAY)


async def no_specialty(clinic: Clinic, _: UUID) -> None:
    await clinic.do(end_credential, provider=clinic.heart, kind="specialty", code=CARDIOLOGY)


async def sent_elsewhere(clinic: Clinic, referral_id: UUID) -> None:
    await clinic.do(redirect_referral, referral_id=referral_id, provider=clinic.other)


async def sent_no_more(clinic: Clinic, referral_id: UUID) -> None:
    await clinic.do(end_referral, referral_id=referral_id)


async def sent_twice(clinic: Clinic, _: UUID) -> None:
    await clinic.refer(clinic.heart, ends_at=clinic.now + 5 * DAY)


async def closed(clinic: Clinic, team: UUID) -> None:
    await clinic.do(close_team, care_team_id=team)


async def seated(clinic: Clinic, team: UUID) -> None:
    await clinic.do(add_member, care_team_id=team, provider=clinic.heart, member_role="member")


async def resident_elsewhere(clinic: Clinic, _: UUID) -> None:
    elsewhere = await clinic.do(create_team, name="Elsewhere")
    await clinic.do(add_member, care_team_id=elsewhere, provider=clinic.heart, member_role="resident")


async def full(clinic: Clinic, team: UUID) -> None:
    await clinic.do(set_policy, document={"largest_team": 1})
    await clinic.do(add_member, care_team_id=team, provider=clinic.other)


async def held_once(clinic: Clinic, team: UUID) -> None:
    await clinic.do(set_policy, document={"roles_held_once": ["attending"]})
    await clinic.do(add_member, care_team_id=team, provider=clinic.other, member_role="attending")


async def licence_wanted(clinic: Clinic, _: UUID) -> None:
    await clinic.do(
        set_policy,
        document={
            "assignment_credentials": {"primary": ["licence"], "consulting": ["licence"]},
            "role_credentials": {"attending": ["licence"]},
        },
    )


async def not_from_primary(clinic: Clinic, referral_id: UUID) -> None:
    await clinic.do(set_policy, document={"referral_from_primary": False})
    await clinic.do(end_referral, referral_id=referral_id)
    await clinic.refer(clinic.heart, referring=clinic.nobody)
    await clinic.do(set_policy, document={})


async def short_wanted(clinic: Clinic, _: UUID) -> None:
    await clinic.do(set_policy, document={"longest_specialist_days": 30})
