"""The HTTP service over a real socket: who gets in, what an evaluation answers, what a bad question gets."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import uvicorn

from carecircle import Actor, CareTeamService, to_text
from carecircle.api.app import Service
from carecircle.api.gate import Entrance
from carecircle.api.problems import STATUSES, status_of
from carecircle.api.tokens import Permission, mint
from carecircle.errors import CareCircleError, PrimaryAlreadyAssigned
from carecircle.identifiers import new_id
from tests.access.test_batch import entries
from tests.conftest import Hospital, open_hospital

Run = Callable[[Callable[[Hospital], Any]], Any]


@asynccontextmanager
async def serving(
    hospital: Hospital, *, may: Permission | tuple[Permission, ...] = "ask"
) -> AsyncIterator[httpx.AsyncClient]:
    """The real server on a free port, and a client that holds a token for this organization."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # a body does not wait for the receipt of its head
    # Patient: a busy machine may stand still for longer than a caller is let wait, who then is refused.
    patient = hospital.circle.settings.model_copy(update={"longest_wait": 60.0})
    service = Service(patient, hospital.circle.reach)
    server = uvicorn.Server(uvicorn.Config(service, log_level="error", proxy_headers=False))
    running = asyncio.create_task(server.serve([listener]))
    token = mint(
        hospital.circle.keyring,
        organization_id=hospital.organization,
        actor=Actor.service("test"),
        hours=1,
        may=(may,) if isinstance(may, str) else may,
    )
    try:
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", headers={"Authorization": f"Bearer {token}"}
        ) as client:
            while not server.started:  # noqa: ASYNC110 - uvicorn has a flag, not an event
                await asyncio.sleep(0.01)
            yield client
    finally:
        server.should_exit = True
        await running
        listener.close()


def question(provider: Any, patient: Any, action: str = "read", **context: Any) -> dict[str, Any]:
    asked: dict[str, Any] = {
        "subject": {"type": "user", "id": provider if isinstance(provider, str) else to_text(provider)},
        "action": {"name": action},
        "resource": {"type": "patient", "id": patient if isinstance(patient, str) else to_text(patient)},
    }
    return asked | ({"context": context} if context else {})


def test_an_evaluation_says_yes_with_the_basis_and_no_with_a_remedy(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        primary, stranger = await hospital.provider("npi|1"), await hospital.provider()
        patient = await hospital.patient("mrn|1")
        async with hospital.change() as db:
            await CareTeamService.assign_primary_provider(
                db, hospital.organization, patient_id=patient, provider_id=primary, actor="test"
            )
        async with serving(hospital) as client:
            yes = await client.post("/access/v1/evaluation", json=question(primary, patient))
            by_identifier = await client.post("/access/v1/evaluation", json=question("npi|1", "mrn|1"))
            no = await client.post("/access/v1/evaluation", json=question(stranger, patient))
            before = await client.post(
                "/access/v1/evaluation", json=question(primary, patient, as_of="2001-01-01T00:00:00Z")
            )
        assert yes.json()["decision"] is by_identifier.json()["decision"] is True
        assert yes.json()["context"]["bases"][0]["kind"] == "primary"
        assert no.json()["decision"] is before.json()["decision"] is False
        assert no.json()["context"]["code"] == "no-relationship"
        assert no.json()["context"]["remedies"][0]["kind"] == "assign"

    in_hospital(body)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"subject": {"type": "user", "id": "nobody"}}, "unknown-provider"),
        ({"resource": {"type": "patient", "id": "mrn|unheard-of"}}, "unknown-patient"),
        ({"resource": {"type": "printer", "id": "mrn|1"}}, "unknown-patient"),
        ({"action": {"name": "dance"}}, "unknown-action"),
    ],
)
def test_the_unknown_is_a_recorded_denial(in_hospital: Run, changes: dict[str, Any], code: str) -> None:
    async def body(hospital: Hospital) -> None:
        asked = question(await hospital.provider(), await hospital.patient("mrn|1")) | changes
        async with serving(hospital) as client:
            answer = await client.post("/access/v1/evaluation", json=asked)
        assert answer.status_code == 200
        assert answer.json()["decision"] is False
        assert answer.json()["context"]["code"] == code

    in_hospital(body)


def test_bad_questions_get_one_sentence_and_400(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        good = question(new_id(), new_id())
        bad = [
            b"", b"{", b"[]", b"null", b'"x"', b'{"subject":{}}',
        ]  # fmt: skip
        async with serving(hospital) as client:
            kind = {"content-type": "application/json"}
            for content in bad:
                answer = await client.post("/access/v1/evaluation", content=content, headers=kind)
                assert answer.status_code == 400, content
                assert answer.headers["content-type"] == "application/problem+json"
                assert answer.json()["code"] == "invalid-request"
            for spoilt in (
                good | {"subject": {"type": "user", "id": 5}},
                good | {"subject": {"type": "", "id": "x"}},
                good | {"action": "read"},
                good | {"context": []},
                good | {"context": {"as_of": 5}},
                good | {"context": {"as_of": "yesterday"}},
                good | {"context": {"as_of": "2026-01-01T00:00:00"}},
                good | {"context": {"purpose": 5}},
            ):
                answer = await client.post("/access/v1/evaluation", json=spoilt)
                assert answer.status_code == 400, spoilt
            wrong_kind = await client.post("/access/v1/evaluation", content=b"{}", headers={"content-type": "text/csv"})
            assert wrong_kind.status_code == 400
            assert (await client.post("/access/v1/evaluation", content=b" " * 70_000, headers=kind)).status_code == 400
            assert (await client.post("/access/v1/evaluation", json=good)).status_code == 200
            assert (await client.get("/access/v1/evaluation")).status_code == 405
            for kind_of in ("application/jsonfoo", "text/plain"):
                answer = await client.post("/access/v1/evaluation", content=b"{}", headers={"content-type": kind_of})
                assert answer.status_code == 400
            charset = {"content-type": "Application/JSON; charset=utf-8"}
            whole = await client.post("/access/v1/evaluation", content=json.dumps(good), headers=charset)
            assert whole.status_code == 200
            for nul in (
                good | {"action": {"name": "a\x00b"}},
                good | {"resource": {"type": "printer", "id": "a\x00b"}},
            ):
                assert (await client.post("/access/v1/evaluation", json=nul)).json()["decision"] is False

    in_hospital(body)


def test_only_health_is_open(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        other = mint(hospital.circle.keyring, organization_id=new_id(), actor=Actor.service("test"), hours=-1)
        async with serving(hospital) as client:
            assert (await client.get("/readyz")).json() == {"status": "ready"}
            assert (await client.get("/metrics")).status_code == 200
            routes = ["/access/v1/evaluation", "/metrics", "/v1/policy", "/docs/", "/nothing"]
            for spoilt in ("", "Bearer", "Bearer x.y.z", f"Bearer {other}", "Basic eDp5"):
                for path in routes:
                    answer = await client.request(
                        "POST" if "access" in path else "GET", path, headers={"Authorization": spoilt}
                    )
                    assert answer.status_code == 401, (spoilt, path)
            assert (await client.get("/healthz", headers={"Authorization": ""})).status_code == 200

    in_hospital(body)


def test_a_token_of_another_installation_or_algorithm_is_not_believed(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        unsigned = (
            "eyJhbGciOiJub25lIn0.eyJpc3MiOiJjYXJlY2lyY2xlIiwiYXVkIjoiY2FyZWNpcmNsZS1hcGkiLCJzdWIiOiJ4Iiwib3JnIjoiMDFLM"
            "DAwMDAwMDAwMDAwMDAwMDAwMDAwMEEiLCJleHAiOjQxMDI0NDQ4MDB9."
        )
        async with serving(hospital) as client:
            answer = await client.get("/metrics", headers={"Authorization": f"Bearer {unsigned}"})
        assert answer.status_code == 401

    in_hospital(body)


def test_the_request_id_comes_back_on_answers_and_errors(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async with serving(hospital) as client:
            for asked in (question(new_id(), new_id()), {}):
                answer = await client.post("/access/v1/evaluation", json=asked, headers={"X-Request-ID": "abc-1"})
                assert answer.headers["x-request-id"] == "abc-1"
            refused = await client.post("/access/v1/evaluation", headers={"X-Request-ID": "abc-2", "Authorization": ""})
            assert (refused.status_code, refused.headers["x-request-id"]) == (401, "abc-2")

    in_hospital(body)


def test_another_organizations_people_and_patients_are_unknown(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        primary, patient = await hospital.provider(), await hospital.patient()
        async with hospital.change() as db:
            await CareTeamService.assign_primary_provider(
                db, hospital.organization, patient_id=patient, provider_id=primary, actor="test"
            )
        async with serving(hospital) as client, open_hospital(hospital.circle) as neighbour:
            stranger = mint(
                hospital.circle.keyring, organization_id=neighbour.organization, actor=Actor.service("test"), hours=1
            )
            own = await client.post("/access/v1/evaluation", json=question(primary, patient))
            other = await client.post(
                "/access/v1/evaluation",
                json=question(primary, patient),
                headers={"Authorization": f"Bearer {stranger}"},
            )
        assert own.json()["decision"] is True
        assert (other.json()["decision"], other.json()["context"]["code"]) == (False, "unknown-patient")

    in_hospital(body)


def test_every_error_has_a_status() -> None:
    def every(kind: type[CareCircleError]) -> list[type[CareCircleError]]:
        own = (
            below
            for below in kind.__subclasses__()
            if not below.__module__.startswith(("carecircle.client", "carecircle.hosts"))
        )
        return [kind, *(deeper for below in own for deeper in every(below))]

    assert len(every(CareCircleError)) > 20
    for kind in every(CareCircleError):
        assert 400 <= status_of(kind()) < 600
    assert STATUSES[CareCircleError] == 500
    assert status_of(PrimaryAlreadyAssigned()) == 409


def test_a_question_that_was_never_whole_is_not_decided(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        asked = json.dumps(question(new_id(), new_id())).encode()
        token = mint(hospital.circle.keyring, organization_id=hospital.organization, actor=Actor.service("t"), hours=1)
        head = f"POST /access/v1/evaluation HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n".encode()
        head += b"Content-Type: application/json\r\n"
        async with serving(hospital) as client:
            for promised, expected in ((len(asked) + 50, 0), (len(asked), 1)):
                reader, writer = await asyncio.open_connection("127.0.0.1", client.base_url.port)
                writer.write(head + b"Content-Length: %d\r\n\r\n" % promised + asked)
                await writer.drain()
                if expected:
                    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
                await asyncio.sleep(0.2)
                writer.close()
                await asyncio.sleep(0.2)
                assert await entries(hospital) == expected

    in_hospital(body)


def test_what_goes_wrong_before_a_route_is_a_problem_too(in_hospital: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def body(hospital: Hospital) -> None:
        async with serving(hospital) as client:
            assert (await client.get("/v1/care-teams")).status_code == 200

            async def broken(*_: object) -> None:
                raise ZeroDivisionError("Mrs Miller")

            monkeypatch.setattr(Entrance, "enter", broken)
            answer = await client.get("/v1/care-teams", headers={"x-request-id": "r-1"})
        assert (answer.status_code, answer.json()["code"]) == (500, "internal-error")
        assert answer.headers["x-request-id"] == "r-1"
        assert "Miller" not in answer.text

    in_hospital(body)
