"""The credential goes to its service, protected, and is seen nowhere else; what is sent says no more than it must."""

from __future__ import annotations

import json
import logging
import ssl
import traceback
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from carecircle import to_text
from carecircle.client import AsyncClient, Client
from carecircle.errors import AccessUnavailable, InvalidIdentifier, InvalidInstant, InvalidRequest, InvalidSetting
from carecircle.identifiers import Identifier, new_id
from tests.client.servers import CREDENTIAL, YES, Scripted, answer, both

SERVICE = "https://circle.test"


def test_it_is_in_no_text(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server = Scripted(httpx.ConnectError("refused"))
    client = Client(SERVICE, CREDENTIAL, transport=httpx.MockTransport(server))
    try:
        client.check("okafor", "read", "urn:mrn|4711")
    except AccessUnavailable as error:
        told = traceback.TracebackException.from_exception(error, capture_locals=True)
    shown = "".join(told.format()) + repr(client) + repr(AsyncClient(SERVICE, CREDENTIAL)) + caplog.text
    shown += " ".join(repr(value) for value in vars(client).values())
    client.close()
    assert server.seen[0].headers["Authorization"] == f"Bearer {CREDENTIAL}"
    assert "Client('https://circle.test')" in shown
    assert CREDENTIAL not in shown
    assert "4711" not in caplog.text


def test_a_function_gives_the_present_one() -> None:
    server = Scripted(answer(YES))
    tokens = iter(["one", "two"])
    with Client(SERVICE, lambda: next(tokens), transport=httpx.MockTransport(server)) as client:
        client.check("okafor", "read", "1")
        client.check("okafor", "read", "1")
    assert [request.headers["Authorization"] for request in server.seen] == ["Bearer one", "Bearer two"]


@pytest.mark.parametrize("credential", ["", "two words", "line\nbreak", "schlüssel"])
def test_what_is_no_credential_is_not_sent(credential: str) -> None:
    server = Scripted(answer(YES))
    with Client(SERVICE, credential, transport=httpx.MockTransport(server)) as client:
        with pytest.raises(InvalidSetting) as caught:
            client.check("okafor", "read", "1")
        assert not credential or credential not in str(caught.value)
    assert server.seen == []


@pytest.mark.parametrize(
    "address",
    ["http://circle.test", "http://10.0.0.1", "ftp://circle.test", "circle.test", "", "https://", "https://a:b@circle.test",
     "https://circle.test?x=1", "https://circle.test#x", "http://localhost.circle.test", "http://127.0.0.1.circle.test"],
)  # fmt: skip
def test_an_address_that_is_none_or_not_protected_is_refused(address: str) -> None:
    for face in (Client, AsyncClient):
        with pytest.raises(InvalidSetting):
            face(address, CREDENTIAL)


@pytest.mark.parametrize(
    "address",
    ["https://circle.test", "https://circle.test/below/", "http://127.0.0.1:8080", "http://[::1]", "http://localhost"],
)
def test_an_address_that_is_one_is_taken(address: str) -> None:
    server = Scripted(answer(YES))
    with Client(address, CREDENTIAL, transport=httpx.MockTransport(server)) as client:
        client.check("okafor", "read", "1")
    assert str(server.seen[0].url) == f"{address.rstrip('/')}/access/v1/evaluation"


def test_plain_http_must_be_said() -> None:
    Client("http://circle.test", CREDENTIAL, plain_http=True).close()


def test_certificates_are_verified() -> None:
    careless, nameless = ssl.create_default_context(), ssl.create_default_context()
    careless.check_hostname, careless.verify_mode = False, ssl.CERT_NONE
    nameless.check_hostname = False
    for context in (careless, nameless):
        with pytest.raises(InvalidSetting):
            Client(SERVICE, CREDENTIAL, tls=context)
    Client(SERVICE, CREDENTIAL, tls=ssl.create_default_context()).close()


def test_what_a_question_says() -> None:
    server, one, two = Scripted(answer(YES)), new_id(), new_id()
    at = datetime(2026, 5, 1, 8, tzinfo=UTC)
    for call in both(server):
        call("check", one, "read", str(two), purpose="ETREAT", as_of=at, request_id="r-1")
    sent = [json.loads(request.content) for request in server.seen]
    assert sent[0] == sent[1]
    assert sent[0] == {
        "subject": {"type": "provider", "id": to_text(one)},
        "action": {"name": "read"},
        "resource": {"type": "patient", "id": to_text(two)},
        "context": {"purpose": "ETREAT", "as_of": "2026-05-01T08:00:00Z"},
    }
    assert server.seen[0].headers["X-Request-ID"] == "r-1"
    assert server.seen[0].headers["Content-Type"] == "application/json"


def test_an_identifier_is_sent_as_it_was_meant() -> None:
    looks_like_an_id = to_text(new_id())
    given: dict[str, Any] = {
        "1": "1", "urn:mrn|1": "urn:mrn|1", looks_like_an_id: Identifier("", looks_like_an_id),
    }  # fmt: skip
    server = Scripted(answer(YES))
    with Client(SERVICE, CREDENTIAL, transport=httpx.MockTransport(server)) as client:
        for one in (*given.values(), Identifier("", "a|b")):
            client.check("okafor", "read", one)
    sent = [json.loads(request.content)["resource"]["id"] for request in server.seen]
    assert sent == ["1", "urn:mrn|1", f"|{looks_like_an_id}", "|a|b"]


def test_large_batches_go_in_portions_of_what_a_service_reads() -> None:
    def decide(request: httpx.Request) -> httpx.Response:
        sizes.append(len(request.content))
        return httpx.Response(200, json={"evaluations": [YES] * len(json.loads(request.content)["evaluations"])})

    sizes: list[int] = []
    with Client(SERVICE, CREDENTIAL, transport=httpx.MockTransport(decide)) as client:
        assert len(client.check_many("okafor", "read", [f"urn:mrn|{n}" for n in range(1200)])) == 1200
        assert len(client.check_many("okafor", "read", ["ä" * 500] * 120)) == 120
    assert len(sizes) == 6
    assert max(sizes) < 65_536


@pytest.mark.parametrize(
    "path",
    ["/access/v1/evaluation", "//elsewhere.test/v1/x", "/v1/../access/v1/evaluation", "/v1/x?mrn=1", "/v1/x#y", "/v1/", "v1/x",
     "/v1/x/%2e%2e/y", "/v1/x\n", "/v1/urn|1", "https://elsewhere.test/v1/x"],
)  # fmt: skip
def test_a_path_stays_below_v1(path: str) -> None:
    server = Scripted(answer({}))
    for call in both(server):
        with pytest.raises(InvalidRequest):
            call("request", "GET", path)
        assert call("request", "GET", "/v1/care-teams", params={"after": "a b&c"}).body == {}
    assert {str(request.url) for request in server.seen} == {f"{SERVICE}/v1/care-teams?after=a+b%26c"}


def test_an_identifier_of_a_patient_gets_into_no_address() -> None:
    server = Scripted(answer({}))
    for call in both(server):
        for people in (("urn:mrn|1", to_text(new_id())), (to_text(new_id()), "urn:npi|1")):
            with pytest.raises(InvalidIdentifier):
                call("assign_primary_provider", *people)
    assert server.seen == []


def test_headers_stay_on_their_line_and_instants_have_a_zone() -> None:
    server = Scripted(answer(YES))
    for call in both(server):
        with pytest.raises(InvalidRequest):
            call("request", "POST", "/v1/x", {}, idempotency_key="a\r\nX: y")
        with pytest.raises(InvalidRequest):
            call("check", "okafor", "read", "1", request_id="ü")
        with pytest.raises(InvalidInstant):
            call("check", "okafor", "read", "1", as_of=datetime(2026, 1, 1))  # noqa: DTZ001 - that is the mistake
    assert server.seen == []
