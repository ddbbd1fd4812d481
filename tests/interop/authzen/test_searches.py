"""Searches over a real socket: they find exactly those of whom the evaluation says yes, page by page, each on record."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from itertools import product
from typing import Any

from carecircle import Actor, to_text
from carecircle.api.tokens import mint
from carecircle.assignments.service import add_assignment, assign_primary, end_assignments
from carecircle.coverage.service import arrange_coverage
from carecircle.directory.policy_service import set_policy
from carecircle.restrictions.service import label, object_to, suspend
from carecircle.staffing.merge_service import merge_patients
from tests.api.test_service import serving
from tests.conftest import Hospital, open_hospital
from tests.emergency.ward import Ward
from tests.interop.authzen.records import (
    ACTIONS,
    EVALUATIONS,
    RESOURCES,
    SUBJECTS,
    Records,
    ask,
    open_records,
    record,
    user,
)

Run = Callable[[Callable[[Hospital], Any]], Any]


def test_a_search_finds_exactly_whom_the_evaluation_lets_in(in_hospital: Run) -> None:
    """With cover, a label, an objection, a suspension, broken glass, an own action and a merged record in play."""

    async def body(hospital: Hospital) -> None:
        ward = await Ward.open(hospital, actions=["transport"], emergency_overrides=["sensitivity"])
        primary, covering, nurse, barred, away = [await hospital.provider() for _ in range(5)]
        plain, secret, twin = [await hospital.patient() for _ in range(3)]
        for patient in (ward.patient, plain, secret):
            await ward.do(assign_primary, patient=patient, provider=primary)
            await ward.do(add_assignment, patient=patient, provider=barred, scope=["read", "transport"])
            await ward.do(add_assignment, patient=patient, provider=away)
        await ward.do(add_assignment, patient=plain, provider=nurse, scope=["transport"])
        await ward.do(label, patient=secret, label="CEL")
        await ward.do(object_to, patient=plain, provider=barred)
        await ward.do(suspend, provider=away)
        await ward.do(
            arrange_coverage, covered=primary, covering=covering, starts_at=ward.kept.now - timedelta(hours=1),
            ends_at=ward.kept.now + timedelta(hours=1),
        )  # fmt: skip
        await ward.ask()
        await ward.do(merge_patients, patient=twin, into=plain)
        providers = {to_text(one) for one in (primary, covering, nurse, barred, away, ward.asker, ward.first)}
        patients = {to_text(one) for one in (ward.patient, plain, secret)}
        actions = ("read", "write", "order", "share", "transport")
        async with serving(hospital) as client:
            records = Records(hospital, client)
            found: dict[str, set[tuple[str, str, str]]] = {"subject": set(), "resource": set(), "action": set()}
            instants = {}
            for what, name in product(patients, actions):
                told = await records.post(
                    SUBJECTS,
                    {
                        "subject": {"type": "provider"},
                        "action": {"name": name},
                        "resource": {"type": "patient", "id": what},
                    },
                )
                found["subject"] |= {(one["id"], name, what) for one in told["results"]}
            instants["subject"] = told["context"]["as_of"]
            for who, name in product(providers, actions):
                told = await records.post(
                    RESOURCES,
                    {
                        "subject": {"type": "provider", "id": who},
                        "action": {"name": name},
                        "resource": {"type": "patient"},
                    },
                )
                found["resource"] |= {(who, name, one["id"]) for one in told["results"]}
            instants["resource"] = told["context"]["as_of"]
            for who, what in product(providers, patients):
                told = await records.post(
                    ACTIONS, {"subject": {"type": "provider", "id": who}, "resource": {"type": "patient", "id": what}}
                )
                found["action"] |= {(who, one["name"], what) for one in told["results"]}
            instants["action"] = told["context"]["as_of"]
            questions = list(product(providers, actions, patients))
            for search, instant in instants.items():
                told = await records.post(
                    EVALUATIONS,
                    {"context": {"as_of": instant}, "evaluations": [
                        {"subject": {"type": "provider", "id": who}, "action": {"name": name},
                         "resource": {"type": "patient", "id": what}} for who, name, what in questions]},
                )  # fmt: skip
                let_in = {one for one, said in zip(questions, told["evaluations"], strict=True) if said["decision"]}
                assert found[search] == let_in, search
            kinds = {basis for one in told["evaluations"] for basis in _kinds(one)}
            assert kinds == {"primary", "consulting", "coverage", "emergency_access"}
            # The record that was merged away is the one it was merged into.
            for about in (twin, plain):
                told = await records.post(
                    SUBJECTS,
                    {"subject": {"type": "provider"}, "action": {"name": "read"},
                     "resource": {"type": "patient", "id": to_text(about)}},
                )  # fmt: skip
                assert {one["id"] for one in told["results"]} == {to_text(primary), to_text(covering)}

    in_hospital(body)


def _kinds(decision: dict[str, Any]) -> list[str]:
    return [basis["kind"] for basis in decision["context"].get("bases", [])]


def test_pages_are_of_the_first_ones_instant_and_tokens_of_its_request_alone(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async with open_records(hospital) as records:
            said = {"subject": user("alice"), "action": {"name": "read"}, "resource": {"type": "record"}}
            by: dict[str, Any] = {"organization": hospital.organization, "actor": "operator:test"}
            for number in range(3, 8):
                await hospital.patient(f"record-{number}")
                async with hospital.change() as db:
                    await add_assignment(db, patient=f"record-{number}", provider="alice", **by)
            whole = await records.post(RESOURCES, said)
            assert whole["page"] == {"next_token": "", "count": 7, "total": 7}
            assert next(iter(whole)) == "page"
            first = await records.post(RESOURCES, said | {"page": {"limit": 3}})
            assert (first["page"]["count"], first["page"]["total"]) == (3, 7)
            token = first["page"]["next_token"]
            # What changes in between changes no page after the first: it ends with another's beginning.
            async with hospital.change() as db:
                await end_assignments(db, patient="record-6", provider="alice", **by)
                await add_assignment(db, patient="record-1", provider="bob", scope=["share"], **by)
            second = await records.post(RESOURCES, said | {"page": {"limit": 3, "token": token}})
            third = await records.post(RESOURCES, said | {"page": {"token": second["page"]["next_token"]}})
            assert first["results"] + second["results"] + third["results"] == whole["results"]
            assert third["page"] == {"next_token": "", "count": 1, "total": 7}
            assert (await records.post(RESOURCES, said))["page"]["total"] == 6
            none = await records.post(RESOURCES, said | {"page": {"limit": 0}})
            assert (none["results"], none["page"]["count"], none["page"]["next_token"] != "") == ([], 0, True)

            async def refused(said: dict[str, Any], path: str = RESOURCES, **more: Any) -> None:
                assert (await records.post(path, said, 400, **more))["code"] == "invalid-cursor"

            page: dict[str, Any] = {"page": {"token": token}}
            await refused(said | {"page": {"token": token, "limit": 4}})
            await refused(said | page | {"action": {"name": "write"}})
            await refused(said | page | {"subject": user("bob")})
            await refused(said | page | {"context": {"ip": "192.168.1.1"}})
            await refused(said | page | {"resource": record("record-1")}, SUBJECTS)
            forged = (f"{token}A", token[:-2], f"A{token[1:]}", "x", "é", "a3M9NDU2O3N6PTI=", "A" * 9000)
            for one in forged:
                await refused(said | {"page": {"token": one}})
            other = mint(hospital.circle.keyring, organization_id=hospital.organization, actor=Actor.service("other"))
            await refused(said | page, headers={"Authorization": f"Bearer {other}"})
            wrong: Any
            for wrong in (
                [],
                "x",
                {"limit": -1},
                {"limit": "3"},
                {"limit": True},
                {"limit": 1.5},
                {"token": 5},
                {"properties": 1},
            ):
                assert (await records.post(RESOURCES, said | {"page": wrong}, 400))["code"] == "invalid-request"
            everything = {"page": {"limit": 10**9, "token": "", "properties": {"sort": "x"}, "foo": 1}}
            assert (await records.post(RESOURCES, said | everything))["page"]["count"] == 6

            actions = {"subject": user("alice"), "resource": record("record-1")}
            names = []
            part: dict[str, Any] = {"limit": 2}
            while True:
                told = await records.post(ACTIONS, actions | {"page": part})
                names += [one["name"] for one in told["results"]]
                if not told["page"]["next_token"]:
                    break
                part = {"limit": 2, "token": told["page"]["next_token"]}
            assert names == ["delete", "read", "write"]

    in_hospital(body)


def test_names_are_the_words_own_and_mean_the_same_again(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async with open_records(hospital) as records:
            nameless = await hospital.provider("urn:other|x")
            by: dict[str, Any] = {"organization": hospital.organization, "actor": "operator:test"}
            async with hospital.change() as db:
                await add_assignment(db, patient="record-1", provider=nameless, **by)
            reading = {"action": {"name": "read"}, "resource": record("record-1")}
            own = to_text(nameless)
            for kind, expected in (
                ("user", {"alice", "bob", own}),
                ("clinician", {"alice-7", "bob-7", own}),
            ):
                found = await records.ids(SUBJECTS, reading | {"subject": {"type": kind}})
                assert set(found) == expected
                for one in found:
                    assert await records.decide(reading | {"subject": {"type": kind, "id": one}}), (kind, one)
            ids = await records.ids(SUBJECTS, reading | {"subject": {"type": "provider"}})
            assert own in ids
            assert not {"alice", "bob"} & set(ids)
            of_alice = {"subject": user("alice"), "action": {"name": "read"}}
            assert set(await records.ids(RESOURCES, of_alice | {"resource": {"type": "chart"}})) == {
                "M-record-1",
                "M-record-2",
            }
            chart = {"type": "chart", "id": "M-record-1"}
            assert await records.decide(of_alice | {"resource": chart})
            assert not await records.decide(of_alice | {"resource": {"type": "record", "id": "M-record-1"}})
            for one in await records.ids(RESOURCES, of_alice | {"resource": {"type": "patient"}}):
                assert len(one) == 26
                assert await records.decide(of_alice | {"resource": {"type": "patient", "id": one}})
            # A word that the organization drops is unknown from then on, and one that another has is unknown here.
            async with hospital.change() as db:
                await set_policy(db, document={"actions": ["delete"]}, **by)
            assert not await records.decide(of_alice | {"resource": chart})
            assert await records.ids(RESOURCES, of_alice | {"resource": {"type": "chart"}}) == []

    in_hospital(body)


def test_unknown_types_and_people_are_found_nowhere_and_every_search_is_on_record(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async with open_records(hospital) as records:
            read = {"action": {"name": "read"}}
            for path, said in (
                (SUBJECTS, {"subject": {"type": "spaceship"}, **read, "resource": record("record-1")}),
                (SUBJECTS, {"subject": {"type": "user"}, **read, "resource": record("nothing")}),
                (SUBJECTS, {"subject": {"type": "user"}, **read, "resource": {"type": "spaceship", "id": "record-1"}}),
                (SUBJECTS, {"subject": {"type": "user"}, "action": {"name": "Dance!"}, "resource": record("record-1")}),
                (RESOURCES, {"subject": user("alice"), **read, "resource": {"type": "spaceship"}}),
                (RESOURCES, {"subject": user("nobody"), **read, "resource": {"type": "record"}}),
                (RESOURCES, {"subject": {"type": "spaceship", "id": "alice"}, **read, "resource": {"type": "record"}}),
                (ACTIONS, {"subject": user("nobody"), "resource": record("record-1")}),
                (ACTIONS, {"subject": user("alice"), "resource": record("x|")}),
            ):
                before = [len(await records.entries(kind)) for kind in ("listing", "decision")]
                told = await records.post(path, said)
                assert (told["results"], told["page"]["total"]) == ([], 0), said
                after = [len(await records.entries(kind)) for kind in ("listing", "decision")]
                assert [new - old for old, new in zip(before, after, strict=True)] == (
                    [0, 5] if path == ACTIONS else [1, 0]
                )
            listed = {"subject": {"type": "user"}, **read, "resource": record("record-1")}
            await records.post(SUBJECTS, listed, headers={"X-Request-ID": "search-1"})
            last = (await records.entries("listing"))[-1]
            assert (last["request_id"], json.loads(last["detail"])["count"]) == ("search-1", 2)
            # The target's own id, even one that is none, and what is not ours to read change nothing.
            same = [
                await records.ids(SUBJECTS, listed | more)
                for more in (
                    {}, {"subject": user("bob")}, {"subject": {"type": "user", "id": 5}}, {"foo": 1},
                    {"context": {"time": "2025-06-27T18:03-07:00"}}, {"resource": record("record-1", properties={"status": "x"})},
                )
            ]  # fmt: skip
            assert all(sorted(one) == ["alice", "bob"] for one in same)
            wrong: Any
            for path, wrong in (
                (SUBJECTS, {"subject": {"type": "user"}, "resource": record("record-1")}),
                (SUBJECTS, {"subject": {}, **read, "resource": record("record-1")}),
                (SUBJECTS, {"subject": {"type": 5}, **read, "resource": record("record-1")}),
                (SUBJECTS, {"subject": {"type": "user", "properties": []}, **read, "resource": record("record-1")}),
                (RESOURCES, {**read, "resource": {"type": "record"}}),
                (RESOURCES, {"subject": user("alice"), **read}),
                (ACTIONS, {"subject": user("alice")}),
                (ACTIONS, {"subject": {"type": "user"}, "resource": record("record-1")}),
                (ACTIONS, {"subject": user("alice"), "resource": record("record-1"), "context": 5}),
            ):
                await records.post(path, wrong, 400)

    in_hospital(body)


def test_another_organizations_words_people_and_tokens_mean_nothing_here(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async with open_records(hospital) as records, open_hospital(hospital.circle) as other:
            said = {"subject": user("alice"), "action": {"name": "read"}, "resource": {"type": "record"}}
            first = await records.post(RESOURCES, said | {"page": {"limit": 1}})
            token = mint(hospital.circle.keyring, organization_id=other.organization, actor=Actor.service("test"))
            headers: dict[str, Any] = {"Authorization": f"Bearer {token}"}
            for name in ("alice", "bob"):
                await other.provider(name)
            asked: dict[str, Any]
            for path, asked in (
                (RESOURCES, said),
                (SUBJECTS, said | {"subject": {"type": "user"}, "resource": record("record-1")}),
                (ACTIONS, said | {"resource": record("record-1")}),
            ):
                assert (await records.post(path, asked))["results"] != []
                assert (await records.post(path, asked, headers=headers))["results"] == []
            page = {"page": {"token": first["page"]["next_token"]}}
            assert (await records.post(RESOURCES, said | page))["page"]["count"] == 1
            assert (await records.post(RESOURCES, said | page, 400, headers=headers))["code"] == "invalid-cursor"
            batch = {"evaluations": [ask("alice", "read", "record-1")]}
            more: Any
            for allowed, more in ((True, {}), (False, {"headers": headers})):
                told = await records.post(EVALUATIONS, batch, **more)
                assert told["evaluations"][0]["decision"] is allowed

    in_hospital(body)
