"""The OpenID Foundation's published scenario: every request of it, sent to a server on ordinary rows.

The requests are read from a folder `shared/data/authzen` beside the project where there is one. What the levels called
Properties ask, to believe what a caller says, we do not: their requests get well-formed answers.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Hospital
from tests.interop.authzen.records import EVALUATIONS, Records, open_records

Run = Callable[[Callable[[Hospital], Any]], Any]
VECTORS = Path(__file__).resolve().parents[4] / "shared" / "data" / "authzen" / "cert_vectors.json"
# Basic, Batch and Search Properties, in the scenario's table of levels.
PROPERTIES = frozenset(
    {"c-2-2-4", "c-2-2-5", "c-2-2-6", "c-2-2-7", "c-3-2-3", "c-3-2-4", "c-3-2-7", "c-4-2-4", "c-4-3-4", "c-4-4-3"}
)


@pytest.mark.skipif(not VECTORS.is_file(), reason="no folder shared/data/authzen beside the project")
def test_every_vector_is_answered_as_the_scenario_says(in_hospital: Run) -> None:
    vectors = json.loads(VECTORS.read_text())

    async def body(hospital: Hospital) -> None:
        async with open_records(hospital) as records:
            token = ""
            for vector in vectors:
                if "send only if" in vector.get("note", ""):
                    assert token
                    vector["request"]["page"]["token"] = token
                told = await records.post(vector["endpoint"], vector["request"], vector["status"])
                if vector["status"] == 200:
                    _well_formed(vector, told)
                    if vector["anchor"] not in PROPERTIES:
                        _as_expected(vector, told)
                if vector["anchor"] == "c-4-5-1":
                    token = told["page"]["next_token"]
            assert {one["anchor"] for one in vectors} >= PROPERTIES
            assert len(vectors) == 50

    in_hospital(body)


def _well_formed(vector: dict[str, Any], told: dict[str, Any]) -> None:
    request, endpoint = vector["request"], vector["endpoint"]
    if "/search/" in endpoint:
        wanted = endpoint.rpartition("/")[2]
        for one in told["results"]:
            assert one.keys() == ({"name"} if wanted == "action" else {"type", "id"})
            assert wanted == "action" or one["type"] == request[wanted]["type"]
        assert isinstance(told["page"]["next_token"], str)
    elif endpoint == EVALUATIONS and request.get("evaluations"):
        assert "decision" not in told
        assert len(told["evaluations"]) == len(request["evaluations"])
        assert all(isinstance(one["decision"], bool) for one in told["evaluations"])
    else:
        assert isinstance(told["decision"], bool)


def _as_expected(vector: dict[str, Any], told: dict[str, Any]) -> None:
    expected = vector.get("expect", {})
    if "decision" in expected:
        assert told["decision"] is expected["decision"], vector["id"]
    for one, wanted in zip(told.get("evaluations", []), expected.get("evaluations", []), strict=False):
        assert one["decision"] is wanted["decision"], vector["id"]
    for wanted in vector.get("expect_includes", []):
        assert wanted in told["results"], vector["id"]
    if "expect_exact" in vector:
        assert told["results"] == vector["expect_exact"], vector["id"]


def test_nothing_a_caller_says_of_somebody_changes_a_decision(in_hospital: Run) -> None:
    """Each pair with and without properties, whatever they claim; the rows alone decide."""
    claims: tuple[dict[str, Any], ...] = (
        {"role": "admin"}, {"role": "super_admin", "primary": True}, {"status": "archived"}, {"status": "active"},
        {"soft": True}, {"soft": False}, {"provider_id": "alice"}, {"organization_id": "x"}, {"scope": ["write"]}, {},
    )  # fmt: skip

    async def body(hospital: Hospital) -> None:
        async with open_records(hospital) as records:
            plain = [
                {
                    "subject": {"type": "user", "id": who},
                    "action": {"name": action},
                    "resource": {"type": "record", "id": what},
                }
                for who in ("alice", "bob", "mallory")
                for action in ("read", "write", "delete")
                for what in ("record-1", "record-2")
            ]
            before = await _batch(records, plain)
            assert 0 < sum(before) < len(before)
            for claim in claims:
                spoken = [{name: said | {"properties": claim} for name, said in one.items()} for one in plain]
                assert await _batch(records, spoken) == before, claim
            context = {"role": "admin", "emergency": True, "time": "2025-06-27T18:03-07:00"}
            assert await _batch(records, [one | {"context": context} for one in plain]) == before

    in_hospital(body)


async def _batch(records: Records, questions: list[dict[str, Any]]) -> list[bool]:
    told = await records.post(EVALUATIONS, {"evaluations": questions})
    return [one["decision"] for one in told["evaluations"]]
