"""The page about AuthZEN: its curl requests are sent as they stand, and its policy can be set."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from carecircle.assignments.service import add_assignment
from carecircle.directory.policy_service import parse_policy
from tests.access.test_check import Run
from tests.api.test_service import serving
from tests.conftest import Hospital

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "how-to" / "authzen.md").read_text()


def requests() -> Iterator[tuple[str, Any]]:
    """The path and the body of each curl command."""
    for line in PAGE.replace("\\\n", " ").splitlines():
        if line.startswith("curl"):
            words = shlex.split(line)
            address = next(word for word in words if word.startswith("localhost:8080"))
            yield (
                address.removeprefix("localhost:8080"),
                json.loads(words[words.index("-d") + 1]) if "-d" in words else None,
            )


def test_every_request_is_answered_as_it_says(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        await hospital.provider("moreau")
        async with serving(hospital) as client:
            await hospital.patient("N-0001")
            for name in ("N-0002", "N-0003", "N-0004"):
                await hospital.patient(name)
                async with hospital.change() as db:
                    await add_assignment(
                        db, patient=name, provider="moreau", organization=hospital.organization, actor="operator:test"
                    )
            told = [
                (await client.request("POST" if asked else "GET", path, json=asked)).raise_for_status().json()
                for path, asked in requests()
            ]
        many, patients, providers, actions, metadata = told
        assert [one["decision"] for one in many["evaluations"]] == [False, True, False]
        assert many["evaluations"][2]["context"]["error"]["message"].startswith("resource must be an object")
        assert (patients["page"]["count"], patients["page"]["total"]) == (2, 3)
        assert providers["results"] == [{"type": "user", "id": "moreau"}]
        assert {"name": "read"} in actions["results"]
        assert metadata["policy_decision_point"].startswith("https://")

    in_hospital(body)


def test_its_policy_is_one() -> None:
    [document] = [
        block for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL) if "authzen_resource_types" in block
    ]
    assert parse_policy(json.loads(document)).authzen_resource_types == {"record": "", "chart": "urn:mrn"}
