"""What holds on every AuthZEN route whatever is asked: statuses, content types, the request's id, the metadata."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from typing import Any

import pytest

from carecircle.interop.authzen.metadata import ENDPOINTS, WELL_KNOWN, metadata
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
GOOD: dict[str, dict[str, Any]] = {
    EVALUATION: ask("alice", "read", "record-1"),
    EVALUATIONS: ask("alice", "x", "record-1") | {"evaluations": [{"action": {"name": "read"}}]},
    SUBJECTS: {"subject": {"type": "user"}, "action": {"name": "read"}, "resource": record("record-1")},
    RESOURCES: {"subject": user("alice"), "action": {"name": "read"}, "resource": {"type": "record"}},
    ACTIONS: {"subject": user("alice"), "resource": record("record-1")},
}


def test_what_no_route_takes(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async with open_records(hospital) as records:
            for path, said in GOOD.items():
                await _refuses(records, path, said)

    in_hospital(body)


async def _refuses(records: Records, path: str, said: dict[str, Any]) -> None:
    sent = json.dumps(said).encode()
    named = {"x-request-id": "bfe9eb29-ab87-4ca3-be83-a1d5d8305716"}
    for content, kind, status in (
        (sent, "application/json", 200),
        (sent, "Application/JSON; charset=utf-8", 200),
        (sent, "text/plain", 400),
        (sent, "application/jsonfoo", 400),
        (sent, "application/x-www-form-urlencoded", 400),
        (sent, "", 400),
        (b"", "application/json", 400),
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b"null", "application/json", 400),
        (b'"x"', "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b'{"subject": {"type": "user", "id": "\\ud800"}}', "application/json", 400),
        (b'{"subject": NaN}', "application/json", 400),
        (b"[" * 5000 + b"]" * 5000, "application/json", 400),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, "application/json", 400),
        (b"{}", "application/json", 400),
        (sent[:-1] + b', "foo": "' + b"x" * (1 << 20) + b'"}', "application/json", 400),
    ):
        headers = named | ({"content-type": kind} if kind else {})
        answer = await records.client.post(path, content=content, headers=headers)
        assert answer.status_code == status, (path, content[:40], kind)
        assert answer.headers["x-request-id"] == named["x-request-id"]
        assert answer.headers["content-type"] == ("application/json" if status == 200 else "application/problem+json")
    decisions = [(await records.client.post(path, json=said)).json() for _ in range(3)]
    assert len({str(one.get("decision", one.get("results"))) for one in decisions}) == 1
    unsigned = await records.client.post(path, json=said, headers=named | {"authorization": "Bearer x"})
    assert (unsigned.status_code, unsigned.headers["www-authenticate"]) == (401, "Bearer")
    assert unsigned.headers["x-request-id"] == named["x-request-id"]
    for method in ("GET", "PUT", "DELETE", "PATCH", "OPTIONS"):
        answer = await records.client.request(method, path, headers=named)
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
        assert answer.headers["x-request-id"] == named["x-request-id"]
    assert "x-request-id" not in (await records.client.post(path, json=said)).headers


def test_what_is_nested_hundreds_deep_has_an_answer(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async with open_records(hospital) as records:
            for path, said in GOOD.items():
                for depth in (200, 300, 900):
                    nested = b'"context": {"x": ' + b"[" * depth + b"]" * depth + b"}"
                    content = json.dumps({name: one for name, one in said.items() if name != "context"}).encode()
                    sent = content[:-1] + b", " + nested + b"}"
                    answer = await records.client.post(path, content=sent, headers={"content-type": "application/json"})
                    assert answer.status_code in (200, 400), (path, depth)

    in_hospital(body)


def test_any_request_id_comes_back_as_it_came(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async with open_records(hospital) as records:
            for path in (EVALUATIONS, SUBJECTS, RESOURCES, ACTIONS):
                for given in (b"two words", "Müller".encode(), b"x" * 300, b"{}"):
                    for said in (GOOD[path], {}):
                        headers = [(b"x-request-id", given)]
                        answer = await records.client.post(path, json=said, headers=headers)
                        told = [value for name, value in answer.headers.raw if name.lower() == b"x-request-id"]
                        assert told == [given]
            # What is no single word is kept nowhere.
            assert {row["request_id"] for row in await records.entries("listing")} == {None}

    in_hospital(body)


def test_who_leaves_before_the_body_is_whole_gets_nothing_decided(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async with open_records(hospital) as records:
            token = records.client.headers["authorization"]
            port = records.client.base_url.port
            assert port is not None
            sent = json.dumps(GOOD[EVALUATIONS]).encode()
            head = f"POST {EVALUATIONS} HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\nContent-Type: application/json\r\n"
            with socket.create_connection(("127.0.0.1", port)) as caller:
                caller.sendall(head.encode() + b"Content-Length: %d\r\n\r\n" % (len(sent) + 9) + sent)
            await records.post(EVALUATIONS, GOOD[EVALUATIONS])
            assert len(await records.entries("decision")) == 1

    in_hospital(body)


def test_the_metadata_is_open_and_names_every_route(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        async with open_records(hospital) as records:
            client = records.client
            host = f"https://127.0.0.1:{client.base_url.port}"
            for path, base in (("", ""), ("/north-hospital", "/north-hospital"), ("/nobody", "/nobody")):
                named = {"authorization": "", "x-request-id": "m-1"}
                answer = await client.get(WELL_KNOWN + path, headers=named)
                assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
                assert answer.headers["x-request-id"] == "m-1"
                told = answer.json()
                assert told["policy_decision_point"] == host + base
                assert {name: told[name] for name in ENDPOINTS} == {name: host + at for name, at in ENDPOINTS.items()}
                assert len(told) == 6
            for path in ("/", "/a//b", "/a%0ab", "/a%3Fb", "/../x", "ish", "/" + "x" * 200):
                answer = await client.get(WELL_KNOWN + path, headers={"authorization": ""})
                assert answer.status_code in (401, 404), path
            assert (await client.post(WELL_KNOWN, json={})).status_code == 405
            head = await client.head(WELL_KNOWN)
            assert (head.status_code, head.content) == (200, b"")
            for at in ENDPOINTS.values():
                assert (await client.post(at, json=GOOD[at])).status_code == 200

    in_hospital(body)


@pytest.mark.parametrize(
    ("path", "public_url", "host", "identifier", "base"),
    [
        ("", "https://pdp.example.com", "other", "https://pdp.example.com", "https://pdp.example.com"),
        ("", "https://pdp.example.com/", None, "https://pdp.example.com", "https://pdp.example.com"),
        ("/t1", "https://pdp.example.com", "other", "https://pdp.example.com/t1", "https://pdp.example.com"),
        (
            "/care",
            "https://pdp.example.com:8443/care",
            None,
            "https://pdp.example.com:8443/care",
            "https://pdp.example.com:8443/care",
        ),
        ("", "http://localhost:8080", "localhost:8080", "https://localhost:8080", "https://localhost:8080"),
        ("", None, "[::1]:8080", "https://[::1]:8080", "https://[::1]:8080"),
        ("/a/b", None, "pdp", "https://pdp/a/b", "https://pdp"),
    ],
)
def test_the_identifier_is_what_the_well_known_part_was_put_into(
    path: str, public_url: str | None, host: str | None, identifier: str, base: str
) -> None:
    told = metadata(WELL_KNOWN + path, public_url=public_url, host=host)
    assert told is not None
    assert told["policy_decision_point"] == identifier
    assert told["access_evaluation_endpoint"] == f"{base}/access/v1/evaluation"
    assert all(said.startswith("https://") and "?" not in said and "#" not in said for said in told.values())


@pytest.mark.parametrize(
    "host", [None, "", "a b", "evil.example/x", "a@b", "x" * 300, "a?b", "a:b", 'a"b', "[1.2.3.4]", "[::::]"]
)
def test_a_host_that_is_none_gets_no_metadata(host: str | None) -> None:
    assert metadata(WELL_KNOWN, public_url=None, host=host) is None
    assert metadata(WELL_KNOWN, public_url="https://user@pdp.example.com", host=host) is None
