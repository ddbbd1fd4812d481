"""A specialist's assignment holds as long as the referral and the specialty do, and is not made when a rule forbids it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from carecircle.assignments.tables import PatientAssignment
from carecircle.directory.credential_service import add_credential, end_credential
from carecircle.directory.policy_service import set_policy
from carecircle.errors import InvalidPeriod, PatientNotRegistered, ProviderNotRegistered, RulesViolated
from carecircle.identifiers import new_id
from carecircle.referrals.service import end_referral, prolong_referral, redirect_referral
from carecircle.restrictions.service import object_to, suspend
from carecircle.staffing.specialist_service import assign_specialist
from tests.referrals.clinic import CARDIOLOGY, DAY, Clinic


async def assign(clinic: Clinic, provider: UUID, **said: Any) -> PatientAssignment:
    given = {"patient": clinic.patient, "provider": provider, "specialty": CARDIOLOGY}
    return await clinic.do(assign_specialist, **(given | said))


async def refused(clinic: Clinic, provider: UUID, **said: Any) -> list[str]:
    with pytest.raises(RulesViolated) as caught:
        await assign(clinic, provider, **said)
    return sorted(one.code for one in caught.value.violations)


def test_it_ends_with_the_referral(in_clinic: Any) -> None:
    async def body(clinic: Clinic) -> None:
        referral = await clinic.refer(ends_at=clinic.now + 20 * DAY)
        row = await assign(clinic, clinic.heart)
        assert (row.assignment_type, row.referral_id, row.rests_on) == ("consulting", referral.lineage_id, [CARDIOLOGY])
        assert row.ends_at == referral.ends_at
        decision = await clinic.asked(clinic.heart)
        assert decision.allowed
        assert [basis.ends_at for basis in decision.bases] == [referral.ends_at]
        assert await clinic.may(clinic.heart, referral.ends_at - timedelta(seconds=1))
        assert not await clinic.may(clinic.heart, referral.ends_at)
        assert (await assign(clinic, clinic.heart)).id == row.id
        await clinic.do(end_referral, referral_id=referral.lineage_id)
        assert not await clinic.may(clinic.heart)
        assert await clinic.may(clinic.family)

    in_clinic(body)


def test_a_longer_assignment_is_cut_by_the_referral_and_follows_it_when_prolonged(in_clinic: Any) -> None:
    async def body(clinic: Clinic) -> None:
        referral = await clinic.refer(clinic.heart, ends_at=clinic.now + 5 * DAY)
        await assign(clinic, clinic.heart, ends_at=clinic.now + 30 * DAY)
        assert [basis.ends_at for basis in (await clinic.asked(clinic.heart)).bases] == [clinic.now + 5 * DAY]
        assert not await clinic.may(clinic.heart, clinic.now + 6 * DAY)
        await clinic.do(prolong_referral, referral_id=referral.lineage_id, ends_at=clinic.now + 60 * DAY)
        assert await clinic.may(clinic.heart, clinic.now + 6 * DAY)
        assert not await clinic.may(clinic.heart, clinic.now + 31 * DAY)

    in_clinic(body)


def test_redirected_it_lets_the_new_performer_in_and_the_former_out(in_clinic: Any) -> None:
    async def body(clinic: Clinic) -> None:
        referral = await clinic.refer(clinic.heart)
        await assign(clinic, clinic.heart)
        assert await refused(clinic, clinic.other, ends_at=clinic.now + DAY) == ["referral-missing"]
        assert await clinic.may(clinic.heart)
        await clinic.do(redirect_referral, referral_id=referral.lineage_id, provider=clinic.other)
        assert not await clinic.may(clinic.heart)
        assert await refused(clinic, clinic.heart, ends_at=clinic.now + DAY) == ["referral-missing"]
        await assign(clinic, clinic.other)
        assert await clinic.may(clinic.other)
        await clinic.do(redirect_referral, referral_id=referral.lineage_id, provider=None)
        assert await clinic.may(clinic.heart)
        assert await clinic.may(clinic.other)

    in_clinic(body)


def test_it_ends_with_the_specialty_and_comes_back_with_it(in_clinic: Any) -> None:
    async def body(clinic: Clinic) -> None:
        await clinic.refer()
        await assign(clinic, clinic.heart)
        await clinic.do(end_credential, provider=clinic.heart, kind="specialty", code=CARDIOLOGY)
        assert not await clinic.may(clinic.heart)
        assert await refused(clinic, clinic.heart) == ["specialty-missing"]
        await clinic.do(add_credential, provider=clinic.heart, kind="specialty", code=CARDIOLOGY)
        assert await clinic.may(clinic.heart)

    in_clinic(body)


def test_it_rests_on_what_the_policy_asks_of_consulting_too(in_clinic: Any) -> None:
    async def body(clinic: Clinic) -> None:
        await clinic.do(set_policy, document={"assignment_credentials": {"consulting": ["licence"]}})
        await clinic.refer()
        assert await refused(clinic, clinic.heart) == ["credential-missing"]
        await clinic.do(add_credential, provider=clinic.heart, kind="licence", code="GMC-1")
        assert (await assign(clinic, clinic.heart)).rests_on == ["licence", CARDIOLOGY]
        assert await clinic.may(clinic.heart)
        await clinic.do(end_credential, provider=clinic.heart, kind="licence", code="GMC-1")
        assert not await clinic.may(clinic.heart)
        assert await refused(clinic, clinic.heart) == ["credential-lapsed", "credential-missing"]

    in_clinic(body)


def test_which_referral_is_said_when_several_would_do(in_clinic: Any) -> None:
    async def body(clinic: Clinic) -> None:
        open_one = await clinic.refer(ends_at=clinic.now + 9 * DAY)
        own = await clinic.refer(clinic.heart, ends_at=clinic.now + 5 * DAY)
        assert await refused(clinic, clinic.heart) == ["referral-ambiguous"]
        row = await assign(clinic, clinic.heart, referral_id=own.lineage_id)
        assert (row.referral_id, row.ends_at) == (own.lineage_id, own.ends_at)
        assert (await assign(clinic, clinic.other)).referral_id == open_one.lineage_id
        for wrong in ({"referral_id": new_id()}, {"specialty": "207Q00000X"}):
            assert "referral-missing" in await refused(clinic, clinic.heart, **wrong)

    in_clinic(body)


def test_everything_that_is_wrong_is_said_at_once(in_clinic: Any) -> None:
    async def body(clinic: Clinic) -> None:
        assert await refused(clinic, clinic.nobody) == ["duration-missing", "referral-missing", "specialty-missing"]
        await clinic.do(
            add_credential, provider=clinic.nobody, kind="licence", code="GMC-2",
            starts_at=clinic.now - 9 * DAY, ends_at=clinic.now - DAY,
        )  # fmt: skip
        await clinic.do(suspend, provider=clinic.nobody)
        await clinic.do(object_to, patient=clinic.patient, provider=clinic.nobody)
        assert await refused(clinic, clinic.nobody, ends_at=clinic.now + 400 * DAY) == [
            "credential-lapsed", "duration-too-long", "patient-objects", "provider-suspended", "referral-missing",
            "specialty-missing",
        ]  # fmt: skip
        await clinic.refer()
        await assign(clinic, clinic.heart)
        assert not await clinic.may(clinic.nobody)

    in_clinic(body)


def test_a_later_start_is_judged_by_what_holds_then(in_clinic: Any) -> None:
    async def body(clinic: Clinic) -> None:
        later = clinic.now + 10 * DAY
        await clinic.refer(starts_at=later, ends_at=later + 5 * DAY)
        assert await refused(clinic, clinic.heart) == ["duration-missing", "referral-missing"]
        await assign(clinic, clinic.heart, starts_at=later)
        assert not await clinic.may(clinic.heart)
        assert await clinic.may(clinic.heart, later)
        with pytest.raises(InvalidPeriod):
            await assign(clinic, clinic.heart, starts_at=later, ends_at=later - DAY)

    in_clinic(body)


def test_people_nobody_registered(in_clinic: Any) -> None:
    async def body(clinic: Clinic) -> None:
        await clinic.refer()
        with pytest.raises(PatientNotRegistered):
            await assign(clinic, clinic.heart, patient=new_id())
        with pytest.raises(ProviderNotRegistered):
            await assign(clinic, new_id())
        await assign(clinic, clinic.heart)

    in_clinic(body)
