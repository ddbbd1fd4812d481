"""Credentials over time, and that what rests on one holds exactly as long as it does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle import acting_as
from carecircle.assignments.handover_service import cancel_handover, correct_assignment
from carecircle.assignments.service import add_assignment, assign_primary, end_assignments, history_of
from carecircle.assignments.tables import PatientAssignment
from carecircle.care_teams.service import add_member, add_patient, create_team
from carecircle.coverage.tables import CoverageArrangement
from carecircle.database.session import instant
from carecircle.directory.credential_service import (
    add_credential,
    credentials_of,
    end_credential,
    lapsing,
    renew_credential,
)
from carecircle.directory.policy_service import set_policy
from carecircle.errors import (
    CredentialNotFound,
    InvalidPeriod,
    InvalidRequest,
    OverlappingCredential,
    ProviderNotRegistered,
    ReferralNotFound,
    RulesViolated,
)
from carecircle.identifiers import new_id
from carecircle.period import FOREVER
from carecircle.referrals.service import end_referral, refer
from carecircle.staffing.suspended_service import suspended_holdings
from tests.conftest import Hospital

Run = Callable[[Callable[[Hospital], Any]], Any]
DAY = timedelta(days=1)
LICENCE = {"kind": "licence", "code": "NY-1"}


@dataclass(frozen=True)
class Clinic:
    """A patient, a doctor and a colleague; `start` is when they were registered."""

    hospital: Hospital
    patient: UUID
    doctor: UUID
    colleague: UUID
    start: datetime

    @classmethod
    async def open(cls, hospital: Hospital) -> Self:
        patient, doctor, colleague = await hospital.patient(), await hospital.provider(), await hospital.provider()
        async with hospital.change() as db:
            return cls(hospital, patient, doctor, colleague, await instant(db))

    async def do(self, function: Callable[..., Any], *given: Any, **said: Any) -> Any:
        """Call a service in a transaction of its own, as this organization."""
        async with self.hospital.change() as db:
            with acting_as(organization=self.hospital.organization, actor="test"):
                return await function(db, *given, **said)

    async def licensed(self, provider: UUID, ends_at: datetime | None = None, **said: Any) -> Any:
        return await self.do(add_credential, provider=provider, ends_at=ends_at, **{**LICENCE, **said})

    async def may(self, provider: UUID, as_of: datetime | None = None) -> bool:
        with acting_as(organization=self.hospital.organization, actor="test"):
            return (await self.hospital.circle.access.check(provider, "read", self.patient, as_of=as_of)).allowed

    async def believed(self) -> list[PatientAssignment]:
        rows = await self.do(history_of, patient=self.patient)
        return [row for row in rows if row.superseded_at == FOREVER]


@pytest.fixture
def clinic(in_hospital: Run) -> Callable[[Callable[[Clinic], Any]], Any]:
    def run(body: Callable[[Clinic], Any]) -> Any:
        async def whole(hospital: Hospital) -> Any:
            return await body(await Clinic.open(hospital))

        return in_hospital(whole)

    return run


In = Callable[[Callable[[Clinic], Any]], Any]


def test_adding_twice_changes_nothing_and_overlapping_is_refused(clinic: In) -> None:
    async def body(at: Clinic) -> None:
        end = at.start + 30 * DAY
        first = await at.licensed(at.doctor, end)
        assert (await at.licensed(at.doctor, end)).id == first.id
        with pytest.raises(OverlappingCredential):
            await at.licensed(at.doctor, end + DAY)
        other = await at.licensed(at.doctor, end + DAY, code="NJ-1")
        after = await at.licensed(at.doctor, starts_at=end)
        assert {row.id for row in await at.do(credentials_of, provider=at.doctor)} == {first.id, other.id, after.id}
        held = await at.do(credentials_of, provider=at.doctor, as_of=end + DAY)
        assert [row.id for row in held] == [after.id]

    clinic(body)


def test_what_is_no_credential_is_refused(clinic: In) -> None:
    async def body(at: Clinic) -> None:
        for kind, code in (("license", "NY-1"), ("licence", ""), ("licence", "licence")):
            with pytest.raises(InvalidRequest):
                await at.licensed(at.doctor, kind=kind, code=code)
        with pytest.raises(InvalidPeriod):
            await at.licensed(at.doctor, at.start - DAY)
        with pytest.raises(ProviderNotRegistered):
            await at.licensed(new_id())
        for change in (end_credential, renew_credential):
            with pytest.raises(CredentialNotFound):
                await at.do(change, provider=at.doctor, **LICENCE)
        assert (await at.licensed(at.doctor)).kind == "licence"

    clinic(body)


def test_renewing_prolongs_under_the_same_lineage(clinic: In) -> None:
    async def body(at: Clinic) -> None:
        first = await at.licensed(at.doctor, at.start + DAY)
        longer = await at.do(renew_credential, provider=at.doctor, ends_at=at.start + 9 * DAY, **LICENCE)
        assert (longer.lineage_id, longer.starts_at) == (first.lineage_id, first.starts_at)
        again = await at.do(renew_credential, provider=at.doctor, ends_at=at.start + 9 * DAY, **LICENCE)
        assert again.id == longer.id
        with pytest.raises(InvalidPeriod):
            await at.do(renew_credential, provider=at.doctor, ends_at=at.start + 2 * DAY, **LICENCE)
        assert [row.id for row in await at.do(credentials_of, provider=at.doctor)] == [longer.id]

    clinic(body)


def test_a_lapsed_licence_suspends_and_its_renewal_brings_the_access_back(clinic: In) -> None:
    async def body(at: Clinic) -> None:
        await at.licensed(at.doctor)
        await at.do(set_policy, document={"assignment_credentials": {"primary": ["licence"]}})
        row = await at.do(assign_primary, patient=at.patient, provider=at.doctor)
        assert row.rests_on == ["licence"]
        assert await at.may(at.doctor)
        assert await at.do(suspended_holdings) == []
        await at.do(end_credential, provider=at.doctor, **LICENCE)
        assert not await at.may(at.doctor)
        (suspended,) = await at.do(suspended_holdings)
        assert (suspended.kind, suspended.id, suspended.provider_id) == ("direct-assignment", row.id, at.doctor)
        assert (suspended.patient_id, suspended.lacking) == (at.patient, ("licence",))
        before = await at.do(credentials_of, provider=at.doctor)
        renewed = await at.do(renew_credential, provider=at.doctor, **LICENCE)
        assert await at.may(at.doctor)
        assert await at.do(suspended_holdings) == []
        # The time between stays without it.
        assert renewed.lineage_id == before[0].lineage_id
        assert not await at.may(at.doctor, as_of=before[0].ends_at)
        assert [one.id for one in await at.believed()] == [row.id]

    clinic(body)


def test_access_ends_with_the_licence_and_not_before(clinic: In) -> None:
    async def body(at: Clinic) -> None:
        await at.licensed(at.doctor, at.start + 3 * DAY)
        await at.do(add_assignment, patient=at.patient, provider=at.doctor, rests_on=["NY-1"])
        await at.do(add_assignment, patient=at.patient, provider=at.colleague)
        assert await at.may(at.doctor, as_of=at.start + 3 * DAY - timedelta(seconds=1))
        assert not await at.may(at.doctor, as_of=at.start + 3 * DAY)
        assert await at.may(at.colleague, as_of=at.start + 3 * DAY)

    clinic(body)


def test_another_licence_of_the_kind_is_as_good_and_of_the_code_is_not(clinic: In) -> None:
    async def body(at: Clinic) -> None:
        await at.licensed(at.doctor)
        await at.licensed(at.doctor, code="NJ-1")
        kind = await at.do(add_assignment, patient=at.patient, provider=at.doctor, rests_on=["licence"])
        await at.do(end_credential, provider=at.doctor, **LICENCE)
        assert await at.may(at.doctor)
        await at.do(end_assignments, patient=at.patient, provider=at.doctor)
        assert kind.rests_on == ["licence"]
        with pytest.raises(RulesViolated):
            await at.do(add_assignment, patient=at.patient, provider=at.doctor, rests_on=["NY-1"])
        assert not await at.may(at.doctor)

    clinic(body)


def test_seats_are_suspended_too(clinic: In) -> None:
    async def body(at: Clinic) -> None:
        await at.licensed(at.doctor)
        await at.do(set_policy, document={"role_credentials": {"attending": ["licence"]}})
        team = await at.do(create_team, name="Ward")
        await at.do(add_patient, care_team_id=team, patient=at.patient)
        seat = await at.do(add_member, care_team_id=team, provider=at.doctor, member_role="attending")
        assert await at.may(at.doctor)
        await at.do(end_credential, provider=at.doctor, **LICENCE)
        assert not await at.may(at.doctor)
        (suspended,) = await at.do(suspended_holdings)
        assert (suspended.kind, suspended.id, suspended.care_team_id) == ("care-team-seat", seat.id, team)

    clinic(body)


def test_coverage_is_suspended_too_and_counted(clinic: In) -> None:
    async def stand_in(db: AsyncSession, at: Clinic) -> UUID:
        now, row_id = await instant(db), new_id()
        db.add(
            CoverageArrangement(
                organization_id=at.hospital.organization, id=row_id, lineage_id=row_id, arrangement_id=row_id,
                covered_provider_id=at.colleague, covering_provider_id=at.doctor, coverage_type="full",
                scope=["read"], rests_on=["licence"], starts_at=now, ends_at=at.start + 9 * DAY,
                duty_ends_at=at.start + 9 * DAY, recorded_at=now, entry_id=new_id(),
            )
        )  # fmt: skip
        await db.flush()
        return row_id

    async def body(at: Clinic) -> None:
        await at.licensed(at.doctor, at.start + 3 * DAY)
        await at.do(assign_primary, patient=at.patient, provider=at.colleague)
        arrangement = await at.do(stand_in, at)
        assert await at.may(at.doctor)
        assert await at.do(suspended_holdings) == []
        (found,) = await at.do(lapsing, within=30 * DAY)
        assert (found.assignments, found.seats, found.arrangements) == (0, 0, 1)
        await at.do(end_credential, provider=at.doctor, **LICENCE)
        assert not await at.may(at.doctor)
        (suspended,) = await at.do(suspended_holdings)
        assert (suspended.kind, suspended.id, suspended.provider_id) == ("coverage", arrangement, at.doctor)

    clinic(body)


def test_an_assignment_on_a_referral_ends_with_it(clinic: In) -> None:
    async def body(at: Clinic) -> None:
        await at.do(assign_primary, patient=at.patient, provider=at.colleague)
        referral = await at.do(refer, patient=at.patient, referring=at.colleague, specialty_code="207RC0000X")
        of = {"patient": at.patient, "provider": at.doctor, "referral_id": referral.lineage_id}
        with pytest.raises(InvalidPeriod):
            await at.do(add_assignment, **of)
        with pytest.raises(ReferralNotFound):
            await at.do(add_assignment, **{**of, "referral_id": new_id()}, ends_at=at.start + 9 * DAY)
        with pytest.raises(ReferralNotFound):
            await at.do(add_assignment, **{**of, "patient": await at.hospital.patient()}, ends_at=at.start + 9 * DAY)
        row = await at.do(add_assignment, **of, ends_at=at.start + 9 * DAY)
        assert (await at.do(add_assignment, **of, ends_at=at.start + 9 * DAY)).id == row.id
        assert await at.may(at.doctor)
        await at.do(end_referral, referral_id=referral.lineage_id)
        assert not await at.may(at.doctor)
        assert await at.may(at.colleague)
        (suspended,) = await at.do(suspended_holdings)
        assert (suspended.id, suspended.lacking) == (row.id, ("referral",))

    clinic(body)


def test_whatever_follows_a_row_rests_on_the_same(clinic: In) -> None:
    async def body(at: Clinic) -> None:
        await at.licensed(at.doctor)
        await at.licensed(at.colleague)
        await at.do(assign_primary, patient=at.patient, provider=at.colleague)
        referral = await at.do(refer, patient=at.patient, referring=at.colleague, specialty_code="207RC0000X")
        row = await at.do(
            add_assignment, patient=at.patient, provider=at.doctor, rests_on=["licence"],
            referral_id=referral.lineage_id, ends_at=at.start + 9 * DAY,
        )  # fmt: skip
        corrected = await at.do(
            correct_assignment, patient=at.patient, assignment_id=row.id, ends_at=at.start + 8 * DAY
        )
        await at.do(end_assignments, patient=at.patient, provider=at.doctor)
        (ended,) = [one for one in await at.believed() if one.provider_id == at.doctor]
        for follower in (corrected, ended):
            assert (follower.rests_on, follower.referral_id) == (["licence"], referral.lineage_id)
        assert follower.lineage_id == row.lineage_id

    clinic(body)


def test_a_primary_handed_over_rests_on_what_it_did(clinic: In) -> None:
    async def body(at: Clinic) -> None:
        for provider in (at.doctor, at.colleague):
            await at.licensed(provider)
            await at.licensed(provider, kind="certification", code="BLS")
        demanded = {"primary": ["licence", "BLS"], "consulting": ["licence", "ACLS"]}
        await at.do(set_policy, document={"assignment_credentials": demanded})
        first = await at.do(assign_primary, patient=at.patient, provider=at.doctor)
        await at.do(assign_primary, patient=at.patient, provider=at.colleague, starts_at=at.start + 5 * DAY)
        found = {(one.provider_id, one.assignment_type): one.rests_on for one in await at.believed()}
        assert found == {
            (at.doctor, "primary"): ["licence", "BLS"],
            (at.doctor, "consulting"): ["licence", "BLS"],
            (at.colleague, "primary"): ["licence", "BLS"],
        }
        restored = await at.do(cancel_handover, patient=at.patient)
        assert (restored.lineage_id, restored.rests_on) == (first.lineage_id, ["licence", "BLS"])

    clinic(body)


def test_what_lapses_says_how_much_rests_on_it(clinic: In) -> None:
    async def body(at: Clinic) -> None:
        await at.licensed(at.doctor, at.start + 3 * DAY)
        await at.licensed(at.colleague, at.start + 90 * DAY)
        await at.do(add_assignment, patient=at.patient, provider=at.doctor, rests_on=["licence"])
        await at.do(
            add_assignment, patient=at.patient, provider=at.doctor, assignment_type="admitting", rests_on=["NY-1"],
            ends_at=at.start + 2 * DAY,
        )  # fmt: skip
        await at.do(add_assignment, patient=at.patient, provider=at.doctor, assignment_type="attending")
        (found,) = await at.do(lapsing, within=30 * DAY)
        assert (found.provider_id, found.kind, found.code) == (at.doctor, "licence", "NY-1")
        assert found.ends_at == at.start + 3 * DAY
        assert (found.assignments, found.seats, found.arrangements) == (1, 0, 0)
        assert await at.do(lapsing, within=DAY) == []
        # Another licence carries what rests on the kind, and the code still lapses.
        await at.licensed(at.doctor, code="NJ-1")
        (found,) = await at.do(lapsing, within=30 * DAY)
        assert (found.code, found.assignments) == ("NY-1", 0)
        # Renewed by a row that follows without a gap.
        await at.licensed(at.doctor, starts_at=at.start + 3 * DAY)
        assert await at.do(lapsing, within=30 * DAY) == []
        assert len(await at.do(lapsing, within=100 * DAY)) == 1

    clinic(body)


def test_what_has_just_lapsed_is_shown_until_it_is_renewed(clinic: In) -> None:
    async def body(at: Clinic) -> None:
        await at.licensed(at.doctor)
        await at.do(add_assignment, patient=at.patient, provider=at.doctor, rests_on=["licence"])
        await at.do(end_credential, provider=at.doctor, **LICENCE)
        (found,) = await at.do(lapsing, within=DAY)
        assert found.assignments == 1
        await at.do(renew_credential, provider=at.doctor, **LICENCE)
        assert await at.do(lapsing, within=DAY) == []

    clinic(body)
