"""Who may ask what: batches and searches of callers whose key or role permits little, and of those whose key is gone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from carecircle.directory import api_key_service
from tests.api.issuer import account, as_bearer, open_issuer, open_service
from tests.conftest import Hospital
from tests.interop.authzen.records import (
    ACTIONS,
    EVALUATION,
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
OF_ALICE = {"subject": user("alice"), "resource": record("record-1")}
READS = {"action": {"name": "read"}}


def test_a_key_finds_and_batches_what_it_may_ask_about_and_nothing_once_it_is_revoked(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        by: dict[str, Any] = {"organization": hospital.organization, "actor": "operator:test"}

        async def key(*may: str, actions: Sequence[str] | None = None) -> tuple[Any, dict[str, Any]]:
            async with hospital.change() as db:
                made = await api_key_service.make_key(db, name="ehr", may=may, actions=actions, **by)
            return made.key.lineage_id, {"headers": as_bearer(made.text)}

        async with open_records(hospital) as records:
            own, reader = await key("ask-for-others", actions=["read"])
            _, other = await key("ask")
            for name, allowed in (("read", True), ("write", False)):
                action = {"action": {"name": name}}
                batch = await records.post(EVALUATIONS, OF_ALICE | {"evaluations": [action]}, **reader)
                assert batch["evaluations"][0]["decision"] is allowed
                assert batch["evaluations"][0]["context"]["code"] == ("allowed" if allowed else "outside-scope")
                for path, target in (
                    (SUBJECTS, {"subject": {"type": "user"}}),
                    (RESOURCES, {"resource": {"type": "record"}}),
                ):
                    found = await records.ids(path, OF_ALICE | action | target)
                    assert (await records.post(path, OF_ALICE | action | target, **reader))["page"]["total"] == (
                        len(found) if allowed else 0
                    )
            told = await records.post(ACTIONS, OF_ALICE, **reader)
            assert told["results"] == [{"name": "read"}]
            searches: tuple[tuple[str, Any], ...] = (
                (SUBJECTS, OF_ALICE | READS | {"subject": {"type": "user"}}),
                (RESOURCES, OF_ALICE | READS | {"resource": {"type": "record"}}),
                (ACTIONS, OF_ALICE),
            )
            for path, said in searches:
                assert (await records.post(path, said, 403, **other))["code"] == "permission-required"
            assert (await records.post(EVALUATION, OF_ALICE | READS, 403, **other))["code"] == "permission-required"
            refused = await records.post(EVALUATIONS, OF_ALICE | {"evaluations": [READS, {"action": {}}]}, **other)
            assert [one["decision"] for one in refused["evaluations"]] == [False, False]
            assert refused["evaluations"][0]["context"]["code"] == "not-admitted"
            async with hospital.change() as db:
                await api_key_service.revoke_key(db, key_id=own, **by)
            for path, said in (*searches, (EVALUATIONS, OF_ALICE | {"evaluations": [READS]})):
                assert (await records.post(path, said, 401, **reader))["code"] == "unauthenticated"

    in_hospital(body)


def test_a_clinician_asks_and_searches_for_themselves_alone(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        with open_issuer() as issuer:
            async with open_records(hospital), open_service(hospital, issuer.setting(hospital)) as client:
                await account(hospital, issuer, "alice", "clinician", provider="alice")
                await clinician(Records(hospital, client), {"headers": as_bearer(issuer.token("alice"))})

    async def clinician(records: Records, alice: dict[str, Any]) -> None:
        mixed = {"evaluations": [ask("alice", "read", "record-1"), ask("bob", "read", "record-1")]}
        told = (await records.post(EVALUATIONS, mixed, **alice))["evaluations"]
        assert [(one["decision"], one["context"]["code"]) for one in told] == [
            (True, "allowed"),
            (False, "not-admitted"),
        ]
        own = OF_ALICE | READS | {"resource": {"type": "record"}}
        assert (await records.post(RESOURCES, own, **alice))["page"]["total"] == 2
        assert (await records.post(ACTIONS, OF_ALICE, **alice))["page"]["total"] == 3
        await records.post(RESOURCES, own | {"subject": user("bob")}, 403, **alice)
        await records.post(ACTIONS, OF_ALICE | {"subject": user("bob")}, 403, **alice)
        await records.post(SUBJECTS, OF_ALICE | READS | {"subject": {"type": "user"}}, 403, **alice)

    in_hospital(body)
