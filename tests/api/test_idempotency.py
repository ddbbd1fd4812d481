"""Idempotency-Key: a change that is sent twice is made once, whoever is killed in between, and told the same both times."""

from __future__ import annotations

import asyncio
import pickle
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import httpx
import pytest

from carecircle.database.session import take_turns, transaction
from carecircle.identifiers import parse_id
from tests.api.clinic import ROUTES, Clinic, bearer, open_clinic
from tests.conftest import Hospital

Run = Callable[[Callable[[Hospital], Any]], Any]
TEAM = {"name": "Ward 4"}
# They are asked with what only those may know who change.
CHANGE_NOTHING = {"POST /v1/validations"}


async def teams(clinic: Clinic) -> int:
    return len((await clinic.json("GET", "/v1/care-teams"))["care_teams"])


def post(clinic: Clinic, key: str, said: Any = None, path: str = "/v1/care-teams", **more: Any) -> Any:
    head = {"Idempotency-Key": key, **more.pop("headers", {})}
    return clinic.client.post(path, json=TEAM if said is None else said, headers=head, **more)


def test_the_same_request_is_answered_again_and_not_repeated(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async with open_clinic(hospital) as clinic:
            first = await post(clinic, "one", headers={"X-Request-ID": "a"})
            assert (first.status_code, "idempotency-replayed" in first.headers) == (201, False)
            for key in ("one", '"one"'):
                again = await post(clinic, key, headers={"X-Request-ID": "b"})
                assert (again.status_code, again.content) == (201, first.content)
                assert again.headers["idempotency-replayed"] == "true"
                assert again.headers["x-request-id"] == "b"
                for name in ("content-type", "etag", "cache-control", "content-length"):
                    assert again.headers[name] == first.headers[name]
            assert await teams(clinic) == 1
            assert [one["code"] for one in await clinic.entries("change")].count("care-team-created") == 1
            # Without a key, and with another one, it is another request.
            assert (await post(clinic, "two")).json()["id"] != first.json()["id"]
            await clinic.json("POST", "/v1/care-teams", TEAM, 201)
            assert await teams(clinic) == 3

    in_hospital(body)


def test_a_key_belongs_to_one_request_of_one_caller(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async with open_clinic(hospital) as clinic:
            assert (await post(clinic, "k")).status_code == 201
            for said, path in (({"name": "Ward 5"}, "/v1/care-teams"), (TEAM, "/v1/care-teams?")):
                answer = await post(clinic, "k", said, path)
                if path.endswith("?"):
                    assert answer.headers["idempotency-replayed"] == "true"
                    continue
                assert (answer.status_code, answer.json()["code"]) == (422, "idempotency-key-reused")
                assert answer.json()["remedies"][0]["kind"] == "new-key"
            made = (await clinic.json("GET", "/v1/care-teams"))["care_teams"][0]["id"]
            closing = await post(clinic, "k", {}, f"/v1/care-teams/{made}/close")
            assert closing.status_code == 422
            assert await teams(clinic) == 1
            for wrong in ("", "a b", '"a', "ä", "x" * 256):
                answer = await clinic.client.post(
                    "/v1/care-teams", json=TEAM, headers=[(b"idempotency-key", wrong.encode("latin-1"))]
                )
                assert answer.status_code == 400, wrong
            # A caller who may no longer change is told nothing of what was answered before.
            reader = bearer(hospital, hospital.organization, "ask")
            refused = await post(clinic, "k", headers=reader)
            assert (refused.status_code, refused.json()["code"]) == (403, "permission-required")
            assert await teams(clinic) == 1

    in_hospital(body)


def test_what_failed_is_tried_anew(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async with open_clinic(hospital) as clinic:
            said = {"assignment_type": "attending", "patient": "urn:mrn|nobody", "provider": "staff|dana"}
            for _ in range(2):
                failed = await post(clinic, "k", said, "/v1/assignments")
                assert (failed.status_code, "idempotency-replayed" in failed.headers) == (404, False)
            await hospital.patient("urn:mrn|nobody")
            assert (await post(clinic, "k", said, "/v1/assignments")).status_code == 201
            again = await post(clinic, "k", said, "/v1/assignments")
            assert (again.status_code, again.headers["idempotency-replayed"]) == (201, "true")
            refusals = [one["code"] for one in await clinic.entries("refusal")]
            assert refusals == ["patient-not-registered"] * 2

    in_hospital(body)


def test_every_changing_route_is_carried_out_once(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async with open_clinic(hospital) as clinic:
            clinic.client.timeout = httpx.Timeout(30)
            replayed = 0
            for number, route in enumerate(ROUTES):
                head = {"Idempotency-Key": f"route-{number}"}
                first = await clinic.send(route, headers=head)
                assert first.status_code == route.status, (route, first.text)
                if route.gives:
                    clinic.ids[route.gives] = first.json()[route.key]
                if route.method == "GET" or not route.changes:
                    continue
                before = len(await clinic.entries("change"))
                again = await clinic.send(route, headers=head)
                assert again.status_code == first.status_code, (route, again.text)
                assert len(await clinic.entries("change")) == before, route
                if "idempotency-replayed" in again.headers:
                    assert again.content == first.content, route
                    replayed += 1
                else:
                    assert route.template in CHANGE_NOTHING, route
            assert replayed > 40

    in_hospital(body)


def test_while_the_first_is_worked_on_the_second_waits_its_turn(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async with open_clinic(hospital) as clinic:
            team = (await clinic.json("POST", "/v1/care-teams", TEAM, 201))["id"]
            path = f"/v1/care-teams/{team}/close"
            async with transaction(hospital.circle.engine, hospital.organization) as db:
                await take_turns(db, hospital.organization, parse_id(team))
                first = asyncio.create_task(post(clinic, "k", {}, path))
                await asyncio.sleep(0.3)
                second = await post(clinic, "k", {}, path)
                assert (second.status_code, second.json()["code"]) == (409, "idempotency-key-in-use")
                assert not first.done()
            assert (await first).status_code == 200
            assert (await post(clinic, "k", {}, path)).headers["idempotency-replayed"] == "true"

    in_hospital(body)


def test_what_is_kept_is_sealed_and_forgotten_after_a_day(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async with open_clinic(hospital) as clinic:
            await post(clinic, "k", {"name": "Ward Zebra"})
            connection = await asyncpg.connect(hospital.circle.reach.dsn("app"))
            try:
                async with connection.transaction():
                    await connection.execute(f"set local carecircle.organization_id = '{hospital.organization}'")
                    row = await connection.fetchrow("select * from carecircle.idempotent_answers")
                    assert b"Zebra" not in row["body"]
                    assert "Zebra" not in str(dict(row) | {"body": ""})
                    await connection.execute(
                        "update carecircle.idempotent_answers set recorded_at = recorded_at - interval '25 hours'"
                    )
                async with connection.transaction():
                    assert await connection.fetch("select * from carecircle.idempotent_answers") == []
            finally:
                await connection.close()
            anew = await post(clinic, "k", {"name": "Ward Zebra"})
            assert (anew.status_code, "idempotency-replayed" in anew.headers) == (201, False)
            assert await teams(clinic) == 2
            assert (await post(clinic, "k", {"name": "Ward Zebra"})).content == anew.content

    in_hospital(body)


@asynccontextmanager
async def dying(hospital: Hospital, moment: str) -> AsyncIterator[httpx.AsyncClient]:
    """A server in a process of its own that is killed at its first change."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    at = pickle.dumps(hospital.circle.reach).hex()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.api.dying_server", at, moment, str(port)
    )
    try:
        headers = bearer(hospital, hospital.organization, "change")
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=20) as client:
            for _ in range(600):
                try:
                    if (await client.get("/healthz")).status_code == 200:
                        break
                except httpx.TransportError:
                    await asyncio.sleep(0.05)
            yield client
        assert await asyncio.wait_for(process.wait(), 10) == -9
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.parametrize(("moment", "key", "left", "made"), [
    ("before", "k", 0, 1),
    ("after", "k", 1, 1),
    ("after", None, 1, 2),
])  # fmt: skip
def test_a_server_killed_before_it_answers(
    in_hospital: Run, moment: str, key: str | None, left: int, made: int
) -> None:
    """Killed before the commit nothing was changed; killed after it, the retry is told the answer that was lost. Without a
    key the retry does it twice."""

    async def body(hospital: Hospital) -> None:
        head = {"Idempotency-Key": key} if key else {}
        async with dying(hospital, moment) as client:
            with pytest.raises(httpx.TransportError):
                await client.post("/v1/care-teams", json=TEAM, headers=head)
        async with open_clinic(hospital) as clinic:
            assert await teams(clinic) == left
            retried = await clinic.client.post("/v1/care-teams", json=TEAM, headers=head)
            assert retried.status_code == 201
            assert ("idempotency-replayed" in retried.headers) is (left == made)
            assert await teams(clinic) == made

    in_hospital(body)
