"""Referring, ending, redirecting and prolonging: what is believed before and after, and what is refused."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from carecircle.assignments.service import assign_primary
from carecircle.directory.policy_service import set_policy
from carecircle.errors import (
    InvalidPeriod,
    InvalidRequest,
    PatientNotRegistered,
    ProviderNotRegistered,
    ReferralNotFound,
    RulesViolated,
)
from carecircle.identifiers import new_id
from carecircle.period import FOREVER
from carecircle.referrals.service import end_referral, prolong_referral, redirect_referral, referrals_of
from carecircle.referrals.tables import Referral
from tests.referrals.clinic import CARDIOLOGY, DAY, Clinic


async def holding(clinic: Clinic, as_of: datetime | None = None) -> list[tuple[UUID, UUID | None]]:
    rows: list[Referral] = await clinic.read(referrals_of, patient=clinic.patient, as_of=as_of)
    return [(row.lineage_id, row.provider_id) for row in rows]


def test_a_referral_has_an_end_of_the_policys(in_clinic: Any) -> None:
    async def body(clinic: Clinic) -> None:
        referral = await clinic.refer()
        assert referral.ends_at - referral.starts_at == 365 * DAY
        assert (referral.provider_id, referral.specialty_code) == (None, CARDIOLOGY)
        assert await holding(clinic) == [(referral.lineage_id, None)]
        await clinic.do(set_policy, document={"longest_specialist_days": 30})
        shorter = await clinic.refer(clinic.heart)
        assert shorter.ends_at - shorter.starts_at == 30 * DAY
        given = await clinic.refer(clinic.other, starts_at=clinic.now - DAY, ends_at=clinic.now + 7 * DAY)
        assert (given.starts_at, given.ends_at) == (clinic.now - DAY, clinic.now + 7 * DAY)

    in_clinic(body)


def test_the_same_referral_again_changes_nothing(in_clinic: Any) -> None:
    async def body(clinic: Clinic) -> None:
        referral = await clinic.refer(clinic.heart)
        assert (await clinic.refer(clinic.heart)).id == referral.id
        assert (await clinic.refer(clinic.heart, ends_at=referral.ends_at)).id == referral.id
        assert (await clinic.refer(clinic.heart, ends_at=referral.ends_at + DAY)).id != referral.id
        assert (await clinic.refer(clinic.other)).id != referral.id
        assert len(await holding(clinic)) == 3

    in_clinic(body)


def test_an_ended_referral_holds_until_then(in_clinic: Any) -> None:
    async def body(clinic: Clinic) -> None:
        referral = await clinic.refer(clinic.heart, starts_at=clinic.now - DAY)
        ahead = await clinic.refer(clinic.heart, starts_at=clinic.now + DAY)
        await clinic.do(end_referral, referral_id=referral.lineage_id)
        await clinic.do(end_referral, referral_id=ahead.lineage_id)
        assert await holding(clinic) == []
        assert await holding(clinic, clinic.now) == [(referral.lineage_id, clinic.heart)]
        assert await holding(clinic, clinic.now + 2 * DAY) == []
        for gone in (referral.lineage_id, ahead.lineage_id, new_id()):
            with pytest.raises(ReferralNotFound):
                await clinic.do(end_referral, referral_id=gone)

    in_clinic(body)


def test_a_redirected_referral_stays_the_same_one(in_clinic: Any) -> None:
    async def body(clinic: Clinic) -> None:
        referral = await clinic.refer(clinic.heart, starts_at=clinic.now - DAY)
        redirected = await clinic.do(redirect_referral, referral_id=referral.lineage_id, provider=clinic.other)
        assert (redirected.lineage_id, redirected.ends_at) == (referral.lineage_id, referral.ends_at)
        assert await holding(clinic) == [(referral.lineage_id, clinic.other)]
        assert await holding(clinic, clinic.now) == [(referral.lineage_id, clinic.heart)]
        same = await clinic.do(redirect_referral, referral_id=referral.lineage_id, provider=clinic.other)
        assert same.id == redirected.id
        await clinic.do(redirect_referral, referral_id=referral.lineage_id, provider=None)
        assert await holding(clinic) == [(referral.lineage_id, None)]
        with pytest.raises(InvalidRequest):
            await clinic.do(redirect_referral, referral_id=referral.lineage_id, provider=clinic.family)
        with pytest.raises(ProviderNotRegistered):
            await clinic.do(redirect_referral, referral_id=referral.lineage_id, provider=new_id())
        with pytest.raises(ReferralNotFound):
            await clinic.do(redirect_referral, referral_id=new_id(), provider=clinic.heart)
        assert await holding(clinic) == [(referral.lineage_id, None)]

    in_clinic(body)


def test_one_that_has_not_begun_is_redirected_as_a_whole(in_clinic: Any) -> None:
    async def body(clinic: Clinic) -> None:
        referral = await clinic.refer(clinic.heart, starts_at=clinic.now + DAY)
        redirected = await clinic.do(redirect_referral, referral_id=referral.lineage_id, provider=clinic.other)
        assert redirected.starts_at == referral.starts_at
        assert await holding(clinic) == [(referral.lineage_id, clinic.other)]

    in_clinic(body)


def test_a_prolonged_referral_ends_later(in_clinic: Any) -> None:
    async def body(clinic: Clinic) -> None:
        referral = await clinic.refer(clinic.heart, ends_at=clinic.now + DAY)
        later = await clinic.do(prolong_referral, referral_id=referral.lineage_id, ends_at=clinic.now + 9 * DAY)
        assert (later.lineage_id, later.starts_at) == (referral.lineage_id, referral.starts_at)
        assert await holding(clinic, clinic.now + 8 * DAY) == [(referral.lineage_id, clinic.heart)]
        again = await clinic.do(prolong_referral, referral_id=referral.lineage_id, ends_at=clinic.now + 9 * DAY)
        assert again.id == later.id
        with pytest.raises(InvalidPeriod):
            await clinic.do(prolong_referral, referral_id=referral.lineage_id, ends_at=clinic.now - DAY)
        with pytest.raises(InvalidRequest):  # a referral ends
            await clinic.do(prolong_referral, referral_id=referral.lineage_id, ends_at=FOREVER)
        await clinic.do(end_referral, referral_id=referral.lineage_id)
        with pytest.raises(ReferralNotFound):
            await clinic.do(prolong_referral, referral_id=referral.lineage_id, ends_at=clinic.now + 9 * DAY)

    in_clinic(body)


def test_the_primary_refers(in_clinic: Any) -> None:
    async def body(clinic: Clinic) -> None:
        with pytest.raises(RulesViolated) as caught:
            await clinic.refer(referring=clinic.nobody)
        assert [one.code for one in caught.value.violations] == ["referral-not-from-primary"]
        with pytest.raises(RulesViolated):  # not yet primary then
            await clinic.refer(starts_at=clinic.now - 200 * DAY, ends_at=clinic.now + DAY)
        assert await holding(clinic) == []
        await clinic.do(assign_primary, patient=clinic.patient, provider=clinic.nobody, starts_at=clinic.now + 5 * DAY)
        await clinic.refer(referring=clinic.nobody, starts_at=clinic.now + 6 * DAY)
        with pytest.raises(RulesViolated):
            await clinic.refer(starts_at=clinic.now + 6 * DAY)
        await clinic.do(set_policy, document={"referral_from_primary": False})
        await clinic.refer(referring=clinic.other)

    in_clinic(body)


def test_what_makes_no_referral(in_clinic: Any) -> None:
    async def body(clinic: Clinic) -> None:
        for error, said in (
            (InvalidRequest, {"specialty_code": " "}),
            (InvalidRequest, {"provider": clinic.family}),
            (InvalidRequest, {"ends_at": FOREVER}),
            (InvalidPeriod, {"ends_at": clinic.now - DAY}),
            (PatientNotRegistered, {"patient": new_id()}),
            (ProviderNotRegistered, {"referring": new_id()}),
            (ProviderNotRegistered, {"provider": new_id()}),
        ):
            with pytest.raises(error):
                await clinic.refer(**said)
        assert await holding(clinic) == []
        await clinic.refer()

    in_clinic(body)
