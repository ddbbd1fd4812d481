"""as_of and believed_at, lists that agree with checks, explanations, and decisions that survive the host's rollback."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from carecircle import Access, AccessDecision, CareTeamService, PatientAssignmentService, acting_as
from carecircle.access.service import Circumstances
from carecircle.assignments.service import add_assignment, end_assignments
from carecircle.care_teams.service import add_member, add_patient, create_team, end_membership
from carecircle.database.reach import dsn
from carecircle.database.roles import open_connection
from carecircle.errors import AccessUnavailable, InvalidInstant, InvalidRequest, OrganizationRequired, Undecidable
from carecircle.identifiers import new_id
from tests.access.test_check import entry_of
from tests.conftest import Hospital

Run = Callable[[Callable[[Hospital], Any]], Any]
DAY = timedelta(days=1)


def test_a_decision_has_no_truth_value(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        decision = await hospital.circle.access.check(
            new_id(), "read", new_id(), organization=hospital.organization, actor="test"
        )
        with pytest.raises(Undecidable):
            bool(decision)

    in_hospital(body)


def test_a_host_that_rolls_back_still_leaves_the_proof(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        provider, patient = await hospital.provider(), await hospital.patient()
        with acting_as(organization=hospital.organization, actor="test"):
            async with AsyncSession(hospital.circle.engine) as db:
                await CareTeamService.assign_primary_provider(db=db, patient_id=patient, provider_id=provider)
                during = await hospital.circle.access.check(provider, "read", patient)
                await db.rollback()
        assert during.code == "no-relationship"  # a decision does not see what is not committed
        assert await entry_of(hospital, during.id) is not None
        async with hospital.change() as db:
            assert (await CareTeamService.get_primary_provider(db, hospital.organization, patient_id=patient)) is None

    in_hospital(body)


def test_the_documents_question_is_a_plain_bool(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        provider, patient = await hospital.provider("staff|7"), await hospital.patient("mrn|7")
        async with hospital.change() as db:
            await CareTeamService.add_secondary_provider(
                db=db, organization_id=hospital.organization, patient_id="mrn|7", provider_id="staff|7", actor="test"
            )
        with acting_as(organization=hospital.organization, actor="test"):
            service = PatientAssignmentService(hospital.circle.access)
            assert await service.is_user_assigned_to_patient("staff|7", "mrn|7") is True
            assert await service.is_user_assigned_to_patient(str(provider), str(patient)) is True
            assert await service.is_user_assigned_to_patient("staff|8", "mrn|7") is False
        with pytest.raises(OrganizationRequired):
            await service.is_user_assigned_to_patient("staff|7", "mrn|7")

    in_hospital(body)


def test_both_clocks(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        provider, patient = await hospital.provider(), await hospital.patient()
        now = datetime.now(UTC)
        async with hospital.change() as db:
            row = await add_assignment(
                db, patient=patient, provider=provider, starts_at=now - 10 * DAY, ends_at=now - 5 * DAY,
                organization=hospital.organization, actor="test",
            )  # fmt: skip
        access = hospital.circle.access
        with acting_as(organization=hospital.organization, actor="test"):
            ended = await access.check(provider, "read", patient)
            then = await access.check(provider, "read", patient, as_of=now - 7 * DAY)
            at_start = await access.check(provider, "read", patient, as_of=now - 10 * DAY)
            at_end = await access.check(provider, "read", patient, as_of=now - 5 * DAY)
            unknown_yet = await access.check(
                provider, "read", patient, as_of=now - 7 * DAY, believed_at=row.recorded_at - timedelta(microseconds=1)
            )
            known = await access.check(provider, "read", patient, as_of=now - 7 * DAY, believed_at=row.recorded_at)
            with pytest.raises(InvalidInstant):
                await access.check(provider, "read", patient, as_of=datetime(2020, 1, 1))  # noqa: DTZ001 - naive on purpose
        assert not ended.allowed
        assert ended.nearest is not None
        assert ended.nearest.lack == "ended"
        assert ended.remedies[0].kind == "renew"
        assert then.allowed
        assert then.bases[0].id == row.id
        assert at_start.allowed
        assert not at_end.allowed
        assert not unknown_yet.allowed
        assert known.allowed

    in_hospital(body)


def test_a_team_seat_lets_in_only_while_team_and_seat_both_hold(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        nurse, patient, other = await hospital.provider(), await hospital.patient(), await hospital.patient()
        access = hospital.circle.access
        with acting_as(organization=hospital.organization, actor="test"):
            async with hospital.change() as db:
                team = await create_team(db, name="Ward 4")
                await add_member(db, care_team_id=team, provider=nurse, member_role="nurse")
                await add_patient(db, care_team_id=team, patient=patient)
            yes = await access.check(nurse, "write", patient)
            too_much = await access.check(nurse, "order", patient)
            elsewhere = await access.check(nurse, "read", other)
            async with hospital.change() as db:
                assert await end_membership(db, care_team_id=team, provider=nurse) == 1
            after = await access.check(nurse, "read", patient)
            before = await access.check(nurse, "read", patient, as_of=yes.as_of)
        assert yes.allowed
        assert yes.bases[0].kind == "care_team"
        assert yes.bases[0].under_id is not None
        assert too_much.code == "action-not-granted"
        assert too_much.remedies[0].kind == "widen-scope"
        assert elsewhere.code == "no-relationship"
        assert not after.allowed
        assert before.allowed

    in_hospital(body)


def test_lists_agree_with_checks_and_their_digest_can_be_recomputed(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        provider = await hospital.provider()
        patients = [await hospital.patient() for _ in range(5)]
        access = hospital.circle.access
        with acting_as(organization=hospital.organization, actor="test"):
            for patient in patients[:3]:
                async with hospital.change() as db:
                    await add_assignment(db, patient=patient, provider=provider)
            async with hospital.change() as db:
                await end_assignments(db, patient=patients[0], provider=provider)
            listing = await access.list_patients(provider)
            decisions = await access.check_many(provider, "read", patients)
            around = [await access.list_providers(patient) for patient in patients]
            nobody = await access.list_patients("npi|unheard-of")
        listed = {row.id for row in listing.rows}
        assert listed == {d.question.patient_id for d in decisions if d.allowed} == set(patients[1:3])
        assert [bool(rows.rows) for rows in around] == [d.allowed for d in decisions]
        assert (nobody.code, nobody.rows) == ("unknown-provider", ())
        entry = await entry_of(hospital, listing.id)
        assert entry is not None
        detail = json.loads(entry["detail"])
        key = hospital.circle.keyring.digest_key(hospital.organization, listing.id)
        expected = hashlib.sha256(key + b"".join(sorted(patient.bytes for patient in listed))).hexdigest()
        assert (detail["count"], detail["digest"]) == (2, expected)

    in_hospital(body)


def test_explain_orders_what_came_near(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        provider, patient = await hospital.provider(), await hospital.patient()
        now = datetime.now(UTC)
        with acting_as(organization=hospital.organization, actor="test"):
            async with hospital.change() as db:
                for starts_at, ends_at in (
                    (now - 9 * DAY, now - 8 * DAY),
                    (now + DAY, None),
                    (now - 4 * DAY, now - 3 * DAY),
                ):
                    await add_assignment(db, patient=patient, provider=provider, starts_at=starts_at, ends_at=ends_at)
            explanation = await hospital.circle.access.explain(provider, "read", patient)
        assert [path.lack for path in explanation.missing] == ["not-begun", "ended", "ended"]
        assert explanation.decision.remedies[0].kind == "wait"

    in_hospital(body)


def test_a_hundred_askers_at_once_each_leave_one_entry(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        provider, patient = await hospital.provider(), await hospital.patient()
        with acting_as(organization=hospital.organization, actor="test"):
            decisions = await asyncio.gather(
                *(hospital.circle.access.check(provider, "read", patient) for _ in range(100))
            )
        assert len({decision.id for decision in decisions}) == 100
        for decision in decisions[::25]:
            assert await entry_of(hospital, decision.id) is not None

    in_hospital(body)


def test_what_is_no_code_is_not_kept(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        provider, patient = await hospital.provider(), await hospital.patient()
        access = hospital.circle.access
        with acting_as(organization=hospital.organization, actor="test"):
            mixed_up = await access.check(provider, "MRN 4711", patient, request_id="x" * 1000)
            unknown = await access.check(provider, "dance", patient, request_id="r-1")
            for purpose in ("", "MRN 4711", "nul\x00"):
                with pytest.raises(InvalidRequest):
                    await access.check(provider, "read", patient, purpose=purpose)
            for instant in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.999999+00:00"):
                with pytest.raises(InvalidInstant):
                    await access.check(provider, "read", patient, as_of=datetime.fromisoformat(instant))
        entry, control = await entry_of(hospital, mixed_up.id), await entry_of(hospital, unknown.id)
        assert entry is not None
        assert control is not None
        assert (entry["action"], entry["code"], entry["request_id"]) == ("unreadable-action", "unknown-action", None)
        assert (control["action"], control["code"], control["request_id"]) == ("dance", "unknown-action", "r-1")

    in_hospital(body)


def test_a_question_by_identifier_waits_no_longer_than_any_other(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        await hospital.patient("mrn|1")
        await hospital.provider("npi|1")

        async def connect() -> asyncpg.Connection:
            return await open_connection(hospital.circle.reach.dsn("decider"))

        impatient = Access(connect, hospital.circle.keyring, timeout=0.5)
        admin = await asyncpg.connect(dsn(hospital.circle.reach.admin))
        asked: Circumstances = {"organization": hospital.organization, "actor": "test"}
        try:
            async with admin.transaction():
                await admin.execute("lock table carecircle.patient_identifiers in access exclusive mode")
                for _ in range(6):
                    with pytest.raises(AccessUnavailable):
                        await asyncio.wait_for(impatient.check("npi|1", "read", "mrn|1", **asked), 5)
            assert (await impatient.check("npi|1", "read", "mrn|1", **asked)).code == "no-relationship"
        finally:
            await admin.close()
            await impatient.close()

    in_hospital(body)


def test_identifiers_are_asked_for_again_after_the_connections_died(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        await hospital.patient("mrn|1")
        access = hospital.circle.access
        asked: Circumstances = {"organization": hospital.organization, "actor": "test"}
        await asyncio.gather(*(access.check("npi|1", "read", "mrn|1", **asked) for _ in range(8)))
        admin = await asyncpg.connect(dsn(hospital.circle.reach.admin))
        await admin.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'carecircle_decider'"
        )
        await admin.close()
        await asyncio.sleep(0.2)
        outcomes = await asyncio.gather(
            *(access.check("npi|1", "read", "mrn|1", **asked) for _ in range(4)), return_exceptions=True
        )
        again = await access.check("npi|1", "read", "mrn|1", **asked)
        assert all(isinstance(outcome, AccessDecision | AccessUnavailable) for outcome in outcomes)
        assert again.code == "unknown-provider"

    in_hospital(body)
