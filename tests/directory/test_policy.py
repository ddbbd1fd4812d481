"""An organization's policy: what is a good one, which version holds when, and that assignments obey it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from carecircle.assignments.handover_service import correct_assignment
from carecircle.assignments.rules import assignment_violations
from carecircle.assignments.service import add_assignment, assign_primary
from carecircle.care_teams.service import add_member, change_member
from carecircle.care_teams.team_service import create_team
from carecircle.database.session import instant
from carecircle.directory.credential_service import add_credential
from carecircle.directory.policy_service import (
    difference,
    document_of,
    parse_policy,
    policy_at,
    policy_versions,
    set_policy,
)
from carecircle.errors import InvalidPeriod, InvalidPolicy, InvalidRequest, RulesViolated
from carecircle.identifiers import CareTeamId
from carecircle.period import FOREVER
from carecircle.policy import OVERRIDABLE, RANGES, Policy
from carecircle.restrictions.service import suspend
from tests.conftest import Hospital

Run = Callable[[Callable[[Hospital], Any]], Any]
DAY = timedelta(days=1)
FULL = {
    "actions": ["prescribe", "vendor:read-images"],
    "assignment_credentials": {"primary": ["licence"], "consulting": ["207RC0000X"]},
    "role_credentials": {"attending": ["licence"]},
    "coverage_credentials": ["licence"],
    "coverage_grace_minutes": 30,
    "largest_team": 12,
    "roles_held_once": ["attending"],
    "conflicting_roles": [["attending", "resident"], ["nurse", "attending"]],
    "referral_from_primary": False,
    "longest_specialist_days": 90,
    "emergency_mode": "immediate",
    "emergency_modes": {"CEL": "gated", "family": "provisional"},
    "emergency_life_threat_opens": True,
    "emergency_provisional_minutes": 20,
    "emergency_waiting_minutes": 90,
    "emergency_longest_hours": 12,
    "emergency_scope": ["read", "write", "prescribe"],
    "emergency_overrides": ["sensitivity", "objection"],
    "emergency_reasons": ["evacuation"],
    "emergency_demands": ["attestation", "sign-in", "words"],
    "emergency_sign_in_minutes": 10,
    "emergency_acknowledge_minutes": 3,
    "emergency_decide_minutes": 6,
    "emergency_open_at_once": 2,
    "emergency_opened_a_day": 4,
    "emergency_opened_by_unit_an_hour": 9,
    "privacy_office_email": "privacy@hospital.example",
    "audit_retention_years": 10,
    "family_rule": True,
    "authzen_resource_types": {"record": "", "chart": "urn:mrn"},
    "authzen_subject_types": {"clinician": "urn:staff"},
}


async def put(hospital: Hospital, document: dict[str, Any], starts_at: datetime | None = None) -> int:
    async with hospital.change() as db:
        row = await set_policy(
            db, document=document, starts_at=starts_at, organization=hospital.organization, actor="test"
        )
        return row.version


async def at(hospital: Hospital, when: datetime | None = None) -> Policy:
    async with hospital.change() as db:
        return await policy_at(db, hospital.organization, when or await instant(db))


async def now(hospital: Hospital) -> datetime:
    async with hospital.change() as db:
        return await instant(db)


async def create_team_of(hospital: Hospital) -> CareTeamId:
    async with hospital.change() as db:
        return await create_team(db, name="Ward", organization=hospital.organization, actor="test")


def test_a_document_says_all_of_a_policy() -> None:
    policy = parse_policy(FULL)
    assert document_of(policy) == FULL
    assert FULL.keys() == {field.name for field in fields(Policy)} - {"version"}, "some key is not tried"
    assert policy.conflicting_roles == (("attending", "resident"), ("nurse", "attending"))
    assert parse_policy({}) == Policy()
    assert parse_policy(document_of(Policy())) == Policy()


@pytest.mark.parametrize(
    ("document", "named"),
    [
        ({"largest_teem": 5}, "largest_teem"),
        ({"version": 3}, "version"),
        ({"coverage_grace_minutes": 241}, "coverage_grace_minutes"),
        ({"coverage_grace_minutes": -1}, "coverage_grace_minutes"),
        ({"coverage_grace_minutes": "30"}, "coverage_grace_minutes"),
        ({"coverage_grace_minutes": 1.5}, "coverage_grace_minutes"),
        ({"coverage_grace_minutes": True}, "coverage_grace_minutes"),
        ({"largest_team": 0}, "largest_team"),
        ({"largest_team": 10_001}, "largest_team"),
        ({"longest_specialist_days": 0}, "longest_specialist_days"),
        ({"longest_specialist_days": 3651}, "longest_specialist_days"),
        ({"referral_from_primary": 1}, "referral_from_primary"),
        ({"actions": ["Prescribe"]}, "'Prescribe'"),
        ({"actions": ["a" * 33]}, "actions"),
        ({"actions": ["unreadable-action"]}, "unreadable-action"),
        ({"actions": "prescribe"}, "actions"),
        ({"assignment_credentials": {"principal": ["licence"]}}, "'principal'"),
        ({"assignment_credentials": {"primary": "licence"}}, "assignment_credentials.primary"),
        ({"assignment_credentials": {"primary": [" "]}}, "assignment_credentials"),
        ({"conflicting_roles": [["nurse", "nurse"]]}, "conflicting_roles"),
        ({"conflicting_roles": [["nurse"]]}, "conflicting_roles"),
        ({"roles_held_once": [""]}, "roles_held_once"),
        ({"coverage_credentials": [object()]}, "JSON"),
        ({"emergency_mode": "always"}, "emergency_mode"),
        ({"emergency_mode": None}, "emergency_mode"),
        ({"emergency_modes": {"CEL": "never"}}, "emergency_modes"),
        ({"emergency_modes": {"VIP": "gated"}}, "'VIP'"),
        ({"emergency_modes": ["gated"]}, "emergency_modes"),
        ({"emergency_life_threat_opens": 1}, "emergency_life_threat_opens"),
        ({"emergency_scope": []}, "emergency_scope"),
        ({"emergency_scope": ["write"]}, "emergency_scope: it has at least read"),
        ({"emergency_scope": ["read", "prescribe"]}, "'prescribe'"),
        ({"emergency_overrides": ["suspension"]}, "'suspension'"),
        ({"emergency_reasons": ["Life threat"]}, "'Life threat'"),
        ({"emergency_reasons": [""]}, "emergency_reasons"),
        ({"emergency_demands": ["password"]}, "'password'"),
        ({"authzen_resource_types": {"patient": "urn:mrn"}}, "'patient' is known everywhere"),
        ({"authzen_subject_types": {"user": ""}}, "'user' is known everywhere"),
        ({"authzen_subject_types": {"provider": ""}}, "'provider' is known everywhere"),
        ({"authzen_subject_types": {"": ""}}, "authzen_subject_types: a type is"),
        ({"authzen_resource_types": {" record": ""}}, "authzen_resource_types: a type is"),
        ({"authzen_resource_types": {"record": "urn|mrn"}}, "the system of 'record'"),
        ({"authzen_resource_types": {"record": None}}, "authzen_resource_types"),
        ({"authzen_resource_types": ["record"]}, "authzen_resource_types"),
        ({"authzen_resource_types": {f"t{number}": "" for number in range(33)}}, "at most 32"),
        ({"emergency_acknowledge_minutes": 6}, "emergency_acknowledge_minutes"),
        ({"emergency_decide_minutes": 1}, "emergency_acknowledge_minutes"),
        *(({"privacy_office_email": wrong}, "privacy_office_email") for wrong in ("privacy", "a@b@c", "a,b@c", 7)),
    ],
)
def test_a_document_that_is_no_policy_is_refused_by_name(document: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidPolicy) as refused:
        parse_policy(document)
    assert named in refused.value.message


@pytest.mark.parametrize("key", RANGES)
def test_a_number_lies_within_its_range(key: str) -> None:
    least, most = RANGES[key]
    # What must not be longer than another is tried beside the longest of that.
    beside = {"emergency_decide_minutes": 60} if key == "emergency_acknowledge_minutes" else {}
    beside |= {"emergency_acknowledge_minutes": 1} if key == "emergency_decide_minutes" else {}
    for number in (least, most):
        assert getattr(parse_policy({**beside, key: number}), key) == number
    for wrong in (least - 1, most + 1, str(least), float(least), True, None):
        with pytest.raises(InvalidPolicy) as refused:
            parse_policy({**beside, key: wrong})
        assert key in refused.value.message


def test_no_policy_spares_emergency_access_its_end_or_overrides_a_suspension() -> None:
    assert RANGES["emergency_longest_hours"] == (1, 72), "the constraint says 72 hours as well"
    assert "suspension" not in OVERRIDABLE


def test_of_several_labels_the_strictest_mode_counts() -> None:
    policy = parse_policy({"emergency_mode": "provisional", "emergency_modes": {"CEL": "gated", "PSY": "immediate"}})
    for sensitive, mode in (
        ((), "provisional"), (("R",), "provisional"), (("PSY",), "immediate"), (("PSY", "R"), "immediate"),
        (("PSY", "CEL"), "gated"), (("CEL", "PSY"), "gated"),
    ):  # fmt: skip
        assert policy.emergency_mode_for(sensitive) == mode, sensitive


def test_the_limits_themselves_are_allowed() -> None:
    for grace, team, days in ((0, 1, 1), (240, 10_000, 3650)):
        parse_policy({"coverage_grace_minutes": grace, "largest_team": team, "longest_specialist_days": days})


def test_everything_wrong_is_named_at_once() -> None:
    with pytest.raises(InvalidPolicy) as refused:
        parse_policy({"nonsense": 1, "largest_team": "many", "coverage_grace_minutes": 999, "actions": ["NO"]})
    for named in ("nonsense", "largest_team", "coverage_grace_minutes", "'NO'"):
        assert named in refused.value.message


def test_a_difference_names_what_changed() -> None:
    assert difference(Policy(), parse_policy({"largest_team": 12, "referral_from_primary": True})) == [
        ("largest_team", 100, 12)
    ]
    assert difference(Policy(), Policy(version=4)) == []


def test_versions_follow_each_other(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        assert await at(hospital) == Policy()
        before = await now(hospital)
        assert await put(hospital, {"largest_team": 5}) == 1
        between = await now(hospital)
        assert await put(hospital, FULL) == 2
        assert await at(hospital, before) == Policy()
        assert (await at(hospital, between)).largest_team == 5
        present = await at(hospital)
        assert (present.version, document_of(present)) == (2, FULL)
        async with hospital.change() as db:
            first, second = await policy_versions(db, organization=hospital.organization)
            entries = await db.scalar(
                text("select count(*) from carecircle.policies where superseded_entry_id is not null")
            )
        assert first.ends_at == second.starts_at
        assert second.ends_at == FOREVER
        assert second.actions == FULL["actions"]
        assert (first.version, second.version, entries) == (1, 2, 1)
        assert first.lineage_id != second.lineage_id
        assert first.id != first.lineage_id  # recorded again, shorter

    in_hospital(body)


def test_a_scheduled_version_replaces_those_that_were_to_begin_later(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        start = await now(hospital)
        await put(hospital, {"largest_team": 1})
        await put(hospital, {"largest_team": 2}, start + 2 * DAY)
        await put(hospital, {"largest_team": 3}, start + 5 * DAY)
        assert [(await at(hospital, start + n * DAY)).largest_team for n in (1, 2, 5)] == [1, 2, 3]
        assert await put(hospital, {"largest_team": 4}, start + 3 * DAY) == 4
        assert [(await at(hospital, start + n * DAY)).largest_team for n in (1, 2, 3, 9)] == [1, 2, 4, 4]
        assert await put(hospital, {"largest_team": 5}) == 5
        assert [(await at(hospital, start + n * DAY)).version for n in (1, 9)] == [5, 5]
        with pytest.raises(InvalidPeriod):
            await put(hospital, {}, start - DAY)

    in_hospital(body)


def test_versions_set_at_once_queue_up(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        given = await asyncio.gather(*(put(hospital, {"largest_team": size}) for size in range(1, 9)))
        assert sorted(given) == list(range(1, 9))
        assert (await at(hospital)).version == 8

    in_hospital(body)


def test_one_organization_sees_nothing_of_anothers_policy(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        await put(hospital, {"largest_team": 7})
        assert (await at(hospital)).largest_team == 7

    async def other(hospital: Hospital) -> None:
        assert await at(hospital) == Policy()
        assert await put(hospital, {}) == 1

    in_hospital(body)
    in_hospital(other)


def test_an_assignment_obeys_the_policy_of_its_start(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        doctor, patient = await hospital.provider(), await hospital.patient()
        await put(hospital, {"assignment_credentials": {"primary": ["licence", "207R00000X"]}})
        of: dict[str, Any] = {"organization": hospital.organization, "actor": "test"}
        with pytest.raises(RulesViolated) as refused:
            async with hospital.change() as db:
                await assign_primary(db, patient=patient, provider=doctor, **of)
        assert [one.code for one in refused.value.violations] == ["credential-missing"] * 2
        async with hospital.change() as db:
            consulting = await add_assignment(db, patient=patient, provider=doctor, **of)
        assert consulting.rests_on == []

    in_hospital(body)


@pytest.mark.parametrize("rests_on", [None, (), ("BLS",), ("BLS", "licence")])
def test_nobody_is_spared_what_the_policy_asks(in_hospital: Run, rests_on: tuple[str, ...] | None) -> None:
    async def body(hospital: Hospital) -> None:
        patient, licensed, other = await hospital.patient(), await hospital.provider(), await hospital.provider()
        team = await create_team_of(hospital)
        await put(
            hospital,
            {
                "assignment_credentials": {"primary": ["licence"], "attending": ["licence"]},
                "role_credentials": {"nurse": ["licence"]},
            },
        )
        of: dict[str, Any] = {"organization": hospital.organization, "actor": "test"}
        start = await now(hospital)
        async with hospital.change() as db:
            for who, kind, code in (
                (licensed, "licence", "L-1"),
                (licensed, "certification", "BLS"),
                (other, "certification", "BLS"),
            ):
                await add_credential(db, provider=who, kind=kind, code=code, starts_at=start - 9 * DAY, **of)
        changes: list[tuple[Callable[..., Any], dict[str, Any]]] = [
            (assign_primary, {"patient": patient}),
            (add_assignment, {"patient": patient, "assignment_type": "attending"}),
            # What began before a policy did goes on under it.
            (
                add_assignment,
                {"patient": patient, "assignment_type": "attending", "starts_at": start - DAY, "ends_at": start + DAY},
            ),
            (add_member, {"care_team_id": team, "member_role": "nurse"}),
        ]
        for change, said in changes:
            with pytest.raises(RulesViolated) as refused:
                async with hospital.change() as db:
                    await change(db, provider=other, rests_on=rests_on, **said, **of)
            assert [one.code for one in refused.value.violations] == ["credential-missing"]
            async with hospital.change() as db:
                row = await change(db, provider=licensed, rests_on=rests_on, **said, **of)
            assert row.rests_on == ["licence", *(name for name in rests_on or () if name != "licence")]

    in_hospital(body)


def test_a_scope_names_only_actions_that_are_known_then(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        patient, doctor, team = await hospital.patient(), await hospital.provider(), await create_team_of(hospital)
        of: dict[str, Any] = {"organization": hospital.organization, "actor": "test"}
        start = await now(hospital)
        async with hospital.change() as db:
            row = await add_assignment(db, patient=patient, provider=doctor, **of)
            await add_member(db, care_team_id=team, provider=doctor, ends_at=start + DAY, **of)
        changes: list[tuple[Callable[..., Any], dict[str, Any]]] = [
            (add_assignment, {"patient": patient, "provider": doctor, "assignment_type": "attending"}),
            (
                add_assignment,
                {"patient": patient, "provider": doctor, "assignment_type": "admitting", "starts_at": start - DAY},
            ),
            (correct_assignment, {"patient": patient, "assignment_id": row.id}),
            (
                add_member,
                {"care_team_id": team, "provider": doctor, "starts_at": start + DAY, "ends_at": start + 2 * DAY},
            ),
            (change_member, {"care_team_id": team, "provider": doctor}),
        ]
        scope = ["read", "prescribe", "MRN 0815"]
        for change, said in changes:
            with pytest.raises(InvalidRequest) as refused:
                async with hospital.change() as db:
                    await change(db, scope=scope, **said, **of)
            assert str(refused.value) == "2 of these actions are unknown; known are read, write, order, share."
        await put(hospital, {"actions": ["prescribe"]}, start + 4 * DAY)
        with pytest.raises(InvalidRequest):
            async with hospital.change() as db:
                await add_assignment(db, patient=patient, provider=doctor, scope=["prescribe"], **of)
        async with hospital.change() as db:
            ahead = await add_assignment(
                db, patient=patient, provider=doctor, scope=["prescribe"], starts_at=start + 4 * DAY, **of
            )
        assert ahead.scope == ["prescribe"]
        await put(hospital, {"actions": ["prescribe"]})
        for change, said in changes:
            with pytest.raises(InvalidRequest) as refused:
                async with hospital.change() as db:
                    await change(db, scope=scope, **said, **of)
            assert refused.value.message.startswith("1 of these actions")
            async with hospital.change() as db:
                made = await change(db, scope=scope[:2], **said, **of)
            assert made.scope == ["read", "prescribe"]

    in_hospital(body)


def test_a_suspended_provider_is_given_no_assignment(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        doctor, patient = await hospital.provider(), await hospital.patient()
        of: dict[str, Any] = {"organization": hospital.organization, "actor": "test"}
        start = await now(hospital)
        async with hospital.change() as db:
            await suspend(db, provider=doctor, ends_at=start + DAY, **of)
        with pytest.raises(RulesViolated) as refused:
            async with hospital.change() as db:
                await add_assignment(db, patient=patient, provider=doctor, **of)
        assert [one.code for one in refused.value.violations] == ["provider-suspended"]
        async with hospital.change() as db:
            row = await add_assignment(db, patient=patient, provider=doctor, starts_at=start + DAY, **of)
        assert row.provider_id == doctor

    in_hospital(body)


def test_every_reason_is_named() -> None:
    assert assignment_violations("primary") == []
    found = assignment_violations("primary", lacking=("licence", "X"), suspended=True)
    assert [one.code for one in found] == ["credential-missing", "credential-missing", "provider-suspended"]


def test_a_document_nobody_can_read_is_no_policy() -> None:
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    assert parse_policy({"actions": ["prescribe"]}).actions == ("prescribe",)
    for document in ({"actions": "\ud800"}, {"actions": ["\ud800"]}, {"actions": deep}):
        with pytest.raises(InvalidPolicy):
            parse_policy(document)
