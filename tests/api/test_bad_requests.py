"""Requests that cannot be read: one sentence that says what and where, and nothing of what was sent, there or in a log."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import structlog

from carecircle.api.app import Service
from carecircle.api.exchange import LARGEST_BODY
from tests.api.clinic import ROUTES, SOON, Clinic, made_up, open_clinic
from tests.conftest import Hospital

Run = Callable[[Callable[[Hospital], Any]], Any]
CANARY = "CANARY-4711"
ASSIGNMENTS, RESTRICTIONS, TEAMS = "/v1/assignments", "/v1/restrictions", "/v1/care-teams"

# A path, a body spoilt with the canary, and where the problem must say it is wrong.
SPOILT: tuple[tuple[str, Any, str], ...] = (
    (TEAMS, {}, "body.name"),
    (TEAMS, [CANARY], "body"),
    (TEAMS, CANARY, "body"),
    (TEAMS, {"name": [CANARY]}, "body.name"),
    (TEAMS, {"name": f"{CANARY}\x00"}, "body.name"),
    (TEAMS, {"name": f"{CANARY}\ud800"}, "body.name"),
    (TEAMS, {"name": CANARY * 50}, "body.name"),
    (TEAMS, {"name": "  "}, "body.name"),
    (TEAMS, {"name": "Ward", CANARY: 1}, "body"),
    (TEAMS, {"name": "Ward", "team_type": CANARY}, "body.team_type"),
    (ASSIGNMENTS, {"patient": CANARY}, "body"),
    (ASSIGNMENTS, {"assignment_type": CANARY, "patient": CANARY}, "body"),
    (ASSIGNMENTS, {"assignment_type": "primary", "patient": {"mrn": CANARY}, "provider": "x"}, "body.primary.patient"),
    (ASSIGNMENTS, {"assignment_type": "primary", "patient": "x" * 600 + CANARY, "provider": "x"}, "body.primary.patient"),
    (ASSIGNMENTS, {"assignment_type": "primary", "patient": CANARY, "provider": ""}, "body.primary.provider"),
    (ASSIGNMENTS, {"assignment_type": "primary", "patient": CANARY, "provider": "x", "version": CANARY}, "body.primary.version"),
    (ASSIGNMENTS, {"assignment_type": "primary", "patient": "x", "provider": "x", "starts_at": CANARY}, "body.primary.starts_at"),
    (ASSIGNMENTS, {"assignment_type": "primary", "patient": CANARY, "provider": "x", "starts_at": 5}, "body.primary.starts_at"),
    (ASSIGNMENTS, {"assignment_type": "primary", "patient": CANARY, "provider": "x", "starts_at": "2026-01-31T08:00:00"},
     "body.primary.starts_at"),
    (ASSIGNMENTS, {"assignment_type": "primary", "patient": CANARY, "provider": "x", "scope": ["read"]}, "body.primary"),
    (ASSIGNMENTS, {"assignment_type": "consulting", "patient": CANARY, "provider": "x", "scope": []}, "body"),
    (ASSIGNMENTS, {"assignment_type": "consulting", "patient": CANARY, "provider": "x", "scope": [CANARY]}, "body"),
    (RESTRICTIONS, {"kind": "suspension", "patient": CANARY, "provider": "x"}, "body.suspension"),
    ("/v1/labels", {"patient": CANARY, "label": CANARY}, "body.label"),
    ("/v1/credentials", {"provider": CANARY, "kind": CANARY, "code": "x"}, "body.kind"),
    ("/v1/rotas", {"covered": CANARY, "covering": [], "rule": "x", "first": CANARY, "lasts": CANARY, "time_zone": "x"}, "body"),
    ("/v1/referrals/01K0000000000000000000000A/redirect", {}, "body.provider"),
    ("/v1/validations", {"kind": "care-team", "patient": CANARY}, "body.care-team"),
)  # fmt: skip


def test_a_bad_body_is_told_what_and_where_and_not_what_it_said(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async with open_clinic(hospital) as clinic:
            before = len(await clinic.entries())
            for path, said, where in SPOILT:
                answer = await _post(clinic, path, json.dumps(said).encode())
                told = answer.json()
                assert (answer.status_code, told["code"]) == (400, "invalid-request"), (said, told)
                assert answer.headers["content-type"] == "application/problem+json"
                assert any(one["where"].startswith(where) for one in told["errors"]), (said, told)
                assert all(one["what"].endswith(".") for one in told["errors"])
                assert "CANARY" not in answer.text.upper(), (said, told)
            assert len(await clinic.entries()) == before

    in_hospital(body)


def test_what_is_no_json_too_large_or_too_deep_is_refused(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async with open_clinic(hospital) as clinic:
            deep = b"[" * 30_000 + b"]" * 30_000
            for content in (
                CANARY.encode(),
                b'{"name":',
                b"\xff\xfe",
                b'{"name": NaN}',
                deep,
                b" " * (LARGEST_BODY + 1),
            ):
                answer = await _post(clinic, TEAMS, content)
                assert (answer.status_code, answer.json()["code"]) == (400, "invalid-request"), content[:20]
                assert CANARY not in answer.text
            other = await clinic.client.post(TEAMS, content=b'{"name": "Ward"}', headers={"content-type": "text/plain"})
            assert other.status_code == 400
            largest = json.dumps({"name": "Ward"}).encode()
            assert (await _post(clinic, TEAMS, largest + b" " * (LARGEST_BODY - len(largest)))).status_code == 201

    in_hospital(body)


def test_a_policy_too_deep_or_unprintable_is_refused(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async with open_clinic(hospital) as clinic:
            deep = "[" * 900 + "]" * 900
            for said in (
                f'{{"actions": {deep}}}',
                '{"actions": ["\\ud800"]}',
                '{"role_credentials": {"a\\u0000": ["b"]}}',
            ):
                answer = await clinic.client.put(
                    "/v1/policy", content=f'{{"document": {said}}}', headers={"content-type": "application/json"}
                )
                told = answer.json()
                assert (answer.status_code, told["code"]) == (400, "invalid-request"), said[:40]
                assert [one["where"] for one in told["errors"]] == ["body.document"]
            document = {"conflicting_roles": [["nurse", "resident"]], "role_credentials": {"nurse": ["licence"]}}
            await clinic.json("PUT", "/v1/policy", {"document": document})

    in_hospital(body)


def test_instants_at_the_end_of_the_calendar_and_zones_in_an_address(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async with open_clinic(hospital) as clinic:
            late = "9998-12-31T00:00:00Z"
            for path in (
                f"/v1/coverage-forecast?days=400&starts_at={late}",
                f"/v1/coverage-arrangements?days=400&as_of={late}",
            ):
                assert (await clinic.json("GET", path, status=400))["code"] == "invalid-instant"
            for zone in ("+02:00", "%2B02:00", "-02:00", "Z"):
                await clinic.json("GET", f"/v1/care-teams?as_of=2026-01-31T08:00:00{zone}")
            for spoilt in ("2026-01-31 08:00", "2026-01-31T08:00:00", "now", ""):
                assert (await clinic.json("GET", f"/v1/care-teams?as_of={spoilt}", status=400))[
                    "code"
                ] == "invalid-request"

    in_hospital(body)


def test_an_address_holds_only_ids_of_ours(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async with open_clinic(hospital) as clinic:
            ids = made_up() | clinic.ids
            in_path = [route for route in ROUTES if "{" in route.path]
            assert len(in_path) > 15
            for route in in_path:
                for spoilt in (f"urn:mrn%7C{CANARY}", CANARY, "01K", "x" * 26):
                    answer = await clinic.send(route, dict.fromkeys(ids, spoilt) | _of_body(route.body, ids))
                    told = answer.json()
                    assert (answer.status_code, told["code"]) == (400, "invalid-request"), (route, told)
                    assert "ULID" in told["detail"]
                    assert CANARY not in answer.text
            for path in (f"/v1/care-teams?mrn={CANARY}", "/v1/rotas?preveiw=true", "/v1/coverage-forecast?days=0"):
                method = "POST" if "rotas" in path else "GET"
                said = next(route.body for route in ROUTES if "preview" in route.path) if method == "POST" else None
                answer = await clinic.client.request(method, path, json=said)
                assert (answer.status_code, CANARY in answer.text) == (400, False), path
            for path in (f"/v1/care-teams/{ids['ines']}/{CANARY}", "/v1/care-teams/", "/v1/"):
                assert (await clinic.client.get(path)).status_code == 404

    in_hospital(body)


def test_no_patient_is_named_in_a_log(
    in_hospital: Run, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    async def body(hospital: Hospital) -> None:
        async with open_clinic(hospital) as clinic:
            await hospital.patient(f"urn:mrn|{CANARY}", name=f"Zebediah {CANARY}")
            for route in ROUTES:
                if route.body and "patient" in route.body and route.path != "/v1/patients/unmerge":
                    named = clinic.ids | made_up() | clinic.ids | {"ines": f"urn:mrn|{CANARY}"}
                    await clinic.send(route, named)
            for path, said, _ in SPOILT:
                await _post(clinic, path, json.dumps(said).encode())

    with caplog.at_level(logging.DEBUG):
        in_hospital(body)
        logging.getLogger("uvicorn.error").error("canary of the test itself")
    structlog.get_logger("carecircle.api").warning("canary of the other log")
    out, err = capfd.readouterr()
    logged = caplog.text + out + err
    assert "canary of the test itself" in logged
    assert "canary of the other log" in logged
    # httpx, which is the caller here, logs the addresses it asks for: that would show one with a patient in it.
    assert "/v1/assignments" in logged
    assert CANARY not in logged


def test_what_breaks_inside_is_told_and_logged_without_what_it_says(
    in_hospital: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    async def body(hospital: Hospital) -> None:
        service = Service(hospital.circle.settings, hospital.circle.reach)

        @service.pages.get("/v1/broken")
        async def broken() -> None:
            raise ValueError(CANARY)

        async with service.pages.router.lifespan_context(service.pages):
            async with open_clinic(hospital) as clinic:
                headers = clinic.bearer("ask")
            transport = httpx.ASGITransport(service)
            async with httpx.AsyncClient(transport=transport, base_url="http://x", headers=headers) as client:
                answer = await client.get("/v1/broken")
        assert (answer.status_code, answer.json()["code"]) == (500, "internal-error")
        assert CANARY not in answer.text

    in_hospital(body)
    out, err = capfd.readouterr()
    assert "ValueError" in out + err
    assert "broken:" in out + err
    assert CANARY not in out + err


def test_a_duration_or_a_clock_says_how_long_a_turn_is(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async with open_clinic(hospital) as clinic:
            rota = {
                "covered": clinic.ids["adams"], "covering": [clinic.ids["brown"]], "rule": "FREQ=DAILY;COUNT=1",
                "first": "2090-01-31T18:00", "time_zone": "UTC", "until": SOON.replace("20", "21", 1),
            }  # fmt: skip
            for lasts in ("PT14H", "08:00", "P0DT13H60M"):
                [turn] = (await clinic.json("POST", "/v1/rotas?preview=true", rota | {"lasts": lasts}))["turns"]
                assert turn["ends_at"] == "2090-02-01T08:00:00Z"
            for lasts in ("P", "PT", "PT0H", "25:00", "8:00", "14h", "", "P1DT"):
                refused = await clinic.json("POST", "/v1/rotas?preview=true", rota | {"lasts": lasts}, 400)
                assert refused["code"] == "invalid-request", lasts

    in_hospital(body)


async def _post(clinic: Clinic, path: str, content: bytes) -> httpx.Response:
    return await clinic.client.post(path, content=content, headers={"content-type": "application/json"})


def _of_body(body: Any, ids: dict[str, str]) -> dict[str, str]:
    """Ids that only a body names stay good ones; where there is none, there is nothing to keep."""
    return {name: ids[name] for name in ids if body and f"{{{name}}}" in str(body)}
