"""Batches over a real socket: inheritance, order, bad items, the three semantics, and what each leaves on record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.conftest import Hospital
from tests.interop.authzen.records import EVALUATION, EVALUATIONS, Records, ask, open_records, record, user

Run = Callable[[Callable[[Hospital], Any]], Any]


async def decisions(records: Records, said: dict[str, Any]) -> list[bool]:
    return [one["decision"] for one in (await records.post(EVALUATIONS, said))["evaluations"]]


def test_items_inherit_whole_members_and_keep_their_order(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async with open_records(hospital) as records:
            above = ask("alice", "write", "record-1")
            assert await decisions(records, above | {"evaluations": [{}]}) == [True]
            mixed = [
                {}, {"resource": record("record-2")}, {"subject": user("bob")}, {"action": {"name": "read"}},
                {"subject": user("bob"), "resource": record("record-2")}, ask("bob", "delete", "record-1"),
            ]  # fmt: skip
            assert await decisions(records, above | {"evaluations": mixed}) == [True, False, False, True, True, False]
            # A member that an item says replaces the one above as a whole: nothing of that fills its gaps.
            bad = [
                {"subject": {"type": "user"}}, {"subject": {"id": "alice"}}, {"action": {}}, {"resource": None}, [], "x",
                {"subject": user("alice", properties=5)}, {"context": []}, {"context": {"as_of": "yesterday"}}, {"resource": "x"},
            ]  # fmt: skip
            told = (await records.post(EVALUATIONS, above | {"evaluations": [*bad, {}]}))["evaluations"]
            assert [one["decision"] for one in told] == [False] * len(bad) + [True]
            assert all(one["context"]["error"]["status"] == 400 for one in told[:-1])
            assert "alice" not in str(told[:-1])
            # The whole context too: an item's own leaves nothing of the one above. Null is none of its own.
            long_ago = {"as_of": "2001-01-01T00:00:00Z"}
            asked = above | {
                "context": long_ago,
                "evaluations": [{}, {"context": {"purpose": "ETREAT"}}, {"context": None}],
            }
            assert await decisions(records, asked) == [False, True, False]
            own = {"evaluations": [above, ask("bob", "write", "record-1")]}
            assert await decisions(records, own) == [True, False]
            unset = dict.fromkeys(("subject", "action", "resource", "context", "options"))
            assert await decisions(records, unset | own) == [True, False]
            assert await decisions(records, own | {"options": {"evaluations_semantic": None}}) == [True, False]

    in_hospital(body)


def test_without_items_it_is_an_evaluation_and_what_is_wrong_above_is_400(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async with open_records(hospital) as records:
            one = ask("alice", "read", "record-1")
            for said in (
                one,
                one | {"evaluations": []},
                one | {"options": {"evaluations_semantic": "deny_on_first_deny"}},
            ):
                told = await records.post(EVALUATIONS, said)
                assert (told["decision"], "evaluations" in told) == (True, False)
            items = {"evaluations": [one]}
            wrong: dict[str, Any]
            for wrong in (
                {"evaluations": {}}, {"evaluations": "x"}, {"evaluations": [one] * 1001}, items | {"options": []},
                items | {"options": {"evaluations_semantic": "some"}}, items | {"options": {"evaluations_semantic": 5}},
                items | {"options": {"evaluations_semantic": ["execute_all"]}},
                items | {"subject": "alice"}, items | {"subject": {"type": "user"}}, items | {"action": {"name": 1}},
                items | {"resource": []}, items | {"context": "x"}, {"subject": user("alice")}, {"evaluations": []}, {},
            ):  # fmt: skip
                assert (await records.post(EVALUATIONS, wrong, 400))["code"] == "invalid-request", wrong
            allowed = items | {"options": {"evaluations_semantic": "execute_all", "else": 1}, "foo": {"bar": [1]}}
            assert await decisions(records, allowed) == [True]
            # 1,000 items of 600 bytes are more than a single evaluation may have.
            large = [one | {"foo": "x" * 500}] * 1000
            assert await decisions(records, {"evaluations": large}) == [True] * 1000
            assert (await records.post(EVALUATIONS, items | {"foo": "x" * (1 << 20)}, 400))["code"] == "invalid-request"

    in_hospital(body)


def test_the_other_semantics_end_early_and_ask_no_further(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async with open_records(hospital) as records:
            bad: dict[str, Any] = {"action": {}}
            allow, deny = {"action": {"name": "read"}}, {"action": {"name": "share"}}

            async def told(semantic: str, *items: Any) -> list[dict[str, Any]]:
                said = ask("alice", "read", "record-1") | {"evaluations": items}
                answer = await records.post(EVALUATIONS, said | {"options": {"evaluations_semantic": semantic}})
                found: list[dict[str, Any]] = answer["evaluations"]
                return found

            for semantic, items, expected in (
                ("deny_on_first_deny", (allow, deny, allow), [True, False]),
                ("deny_on_first_deny", (allow, bad, allow), [True, False]),
                ("deny_on_first_deny", (allow, allow), [True, True]),
                ("permit_on_first_permit", (allow, deny), [True]),
                ("permit_on_first_permit", (deny, bad, allow, deny), [False, False, True]),
                ("permit_on_first_permit", (deny, deny), [False, False]),
                ("execute_all", (deny, allow, bad), [False, True, False]),
            ):
                before = len(await records.entries("decision"))
                answers = await told(semantic, *items)
                assert [one["decision"] for one in answers] == expected, semantic
                recorded = [one for one in answers if "id" in one["context"]]
                assert len(await records.entries("decision")) - before == len(recorded)
                ended = answers[-1]["context"].get("reason")
                assert ended == (semantic if expected[-1] is {"d": False, "p": True}.get(semantic[0]) else None)

    in_hospital(body)


def test_every_item_is_recorded_as_a_single_evaluation_is(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async with open_records(hospital) as records:
            named = {"X-Request-ID": "batch-7"}
            items = [{"action": {"name": name}} for name in ("read", "write", "delete", "dance")]
            await records.post(EVALUATIONS, ask("alice", "x", "record-1") | {"evaluations": items}, headers=named)
            many = await records.entries("decision")
            for item in items:
                await records.post(EVALUATION, ask("alice", "x", "record-1") | item, headers=named)
            single = (await records.entries("decision"))[len(many) :]
            assert sorted(map(tuple, many)) == sorted(map(tuple, single))
            assert {row["request_id"] for row in many} == {"batch-7"}
            counted = (await records.client.get("/metrics")).text
            assert 'carecircle_decisions_total{answer="allowed"} 6.0' in counted

    in_hospital(body)
