"""The page about HTTP: its curl requests are sent as they stand, its problems and its resources are what there is."""

from __future__ import annotations

import json
import re
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from carecircle import Actor
from carecircle.api.problems import STATUSES, TITLES
from carecircle.api.tokens import mint
from carecircle.directory.duty_service import add_duty
from tests.access.test_check import Run
from tests.api.clinic import ROUTES
from tests.api.test_service import serving
from tests.conftest import Hospital

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "how-to" / "http-api.md").read_text()
BASE = "localhost:8080"


def requests() -> list[tuple[str, str, Any]]:
    """Whose token, the path and the body of each curl command of the page."""
    found = []
    for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            if not line.startswith("curl"):
                continue
            words = shlex.split(line)
            address = next(word for word in words if word.startswith(BASE))
            body = json.loads(words[words.index("-d") + 1]) if "-d" in words else None
            [holder] = re.findall(r"Bearer \$(\w+)", line)
            found.append((holder, address.removeprefix(BASE), body))
    return found


def test_every_request_is_answered_as_it_says(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        people = {name: await hospital.provider(name) for name in ("moreau", "rossi", "reyes", "lehmann")}
        for name in ("N-0001", "N-0002", "N-0003"):
            await hospital.patient(name)
        async with hospital.change() as db:
            for name, duty in (("reyes", "break_glass"), ("lehmann", "supervisor")):
                await add_duty(
                    db, provider=people[name], duty=duty, organization=hospital.organization, actor="operator:test"
                )
        persons = {"DOCTOR": "reyes", "SUPERVISOR": "lehmann"}
        sent = []
        for holder, path, asked in requests():
            async with serving(hospital, may=("change", "administer") if holder == "CHANGER" else "ask") as client:
                if holder in persons:
                    token = mint(
                        hospital.circle.keyring, organization_id=hospital.organization,
                        actor=Actor.provider(people[persons[holder]]), signed_in_at=datetime.now(UTC),
                    )  # fmt: skip
                    client.headers["Authorization"] = f"Bearer {token}"
                refused = await client.request("GET", path, headers={"authorization": ""})
                async with client.stream("POST" if asked else "GET", path, json=asked) as answer:
                    if path.endswith("/events"):
                        lines = answer.aiter_lines()
                        while (await anext(lines)) != "event: emergency":
                            pass
                        assert (await anext(lines)).startswith('data: {"id":"')
                    else:
                        await answer.aread()
            sent.append((path, answer.status_code, refused.status_code))
            if path == "/access/v1/evaluation":
                assert set(answer.json()["context"]) == {"id", "code", "remedies"}
        assert sent == [
            ("/access/v1/evaluation", 200, 401),
            ("/v1/care-teams", 201, 401),
            ("/v1/assignments", 201, 401),
            ("/v1/patients/look-up", 200, 401),
            ("/openapi.json", 200, 200),
            ("/v1/duties", 201, 401),
            ("/v1/break-glass", 201, 401),
            ("/v1/break-glass/events", 200, 401),
            ("/v1/care-teams?limit=1", 200, 401),
            ("/v1/care-teams", 201, 401),
        ]

    in_hospital(body)


def test_its_table_names_every_resource_and_every_status() -> None:
    resources = {route.path.split("?")[0].split("/")[2] for route in ROUTES}
    [table] = re.findall(r"^\| under `/v1`.*?\n\n", PAGE, re.DOTALL | re.MULTILINE)
    named = {name.split("/")[0] for name in re.findall(r"`([a-z][a-z-]+(?:/[a-z{}-]+)*)`", table)}
    assert resources == named
    statuses = {int(status) for status in re.findall(r"^\| (\d{3}) \|", PAGE, re.MULTILINE)}
    assert statuses == set(STATUSES.values()) - {500}
    assert TITLES[422] in PAGE
