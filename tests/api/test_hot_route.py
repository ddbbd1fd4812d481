"""The hot route answers as the ordinary way does, byte for byte, whatever comes over the wire and however it is cut."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from carecircle import Actor, Settings
from carecircle.api.app import EVALUATION, Service
from carecircle.api.hot import LARGEST_HEAD, HotCycle, HotProtocol
from carecircle.api.serve import _config
from carecircle.api.server import Server
from carecircle.api.tokens import mint
from carecircle.identifiers import new_id
from tests.access.test_batch import entries
from tests.api.test_service import question
from tests.conftest import Hospital

Run = Callable[[Callable[[Hospital], Any]], Any]


class Plain(Service):
    """The same application, none of whose routes is hot."""

    hot_route = b""


@asynccontextmanager
async def listening(
    hospital: Hospital, kind: type[Service] = Service, settings: Settings | None = None
) -> AsyncIterator[tuple[int, Service, Server]]:
    """The real server: its port, the application in it, and itself."""
    # Patient: a busy machine may stand still for longer than a caller is let wait, who then is refused.
    settings = settings or hospital.circle.settings.model_copy(update={"longest_wait": 60.0})
    listener = socket.create_server(("127.0.0.1", 0))
    application = kind(settings, hospital.circle.reach)
    server = Server(_config(application, settings), settings)
    running = asyncio.create_task(server.serve([listener]))
    try:
        while not server.started:  # noqa: ASYNC110 - uvicorn has a flag, not an event
            await asyncio.sleep(0.01)
        yield listener.getsockname()[1], application, server
    finally:
        server.should_exit = True
        await running
        listener.close()


async def exchange(port: int, pieces: list[bytes], *, pause: float = 0.01, quiet: float = 1.0) -> bytes:
    """All that comes back for these pieces, sent apart, until nothing has come for a while or the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(pause)
    got = b""
    try:
        while chunk := await asyncio.wait_for(reader.read(65536), quiet):
            got += chunk
        got += b"<closed>"
    except TimeoutError:
        pass
    except ConnectionResetError:
        got += b"<reset>"
    writer.close()
    return got


def same(answer: bytes) -> bytes:
    """Without what differs between two answers to one question: the entry, and so the length of nothing else."""
    return re.sub(rb'"id":"[0-9A-Z]{26}"', b'"id":"ENTRY"', answer)


def head(token: str, length: int | None, *more: str, line: str = f"POST {EVALUATION} HTTP/1.1") -> bytes:
    lines = [line, "Host: x", f"Authorization: Bearer {token}", "Content-Type: application/json", *more]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def shapes(token: str, asked: bytes) -> dict[str, list[bytes]]:
    """Requests by name, each in the pieces in which it is sent."""
    whole = head(token, len(asked)) + asked
    chunked = head(token, None, "Transfer-Encoding: chunked")
    unknown = head("x", None, "Transfer-Encoding: chunked")
    chunks = b"%x\r\n%b\r\n" % (7, asked[:7]) + b"%x\r\n%b\r\n0\r\n\r\n" % (len(asked) - 7, asked[7:])
    get = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    last = head(token, len(asked), "Connection: close") + asked
    return {
        "whole": [whole],
        "twice": [whole, whole],
        "split in the line": [whole[:9], whole[9:]],
        "split in a header": [whole[:60], whole[60:]],
        "split in the body": [whole[:-20], whole[-20:]],
        "byte by byte at its end": [whole[:-3], whole[-3:-2], whole[-2:-1], whole[-1:]],
        "two at once": [whole + whole],
        "mixed, at once": [whole + get + whole + get],
        "mixed, the other first": [get + whole],
        "a half behind a whole": [whole + whole[:80], whole[80:]],
        "chunked": [chunked + chunks],
        "chunked and split": [chunked + chunks[:5], chunks[5:]],
        "a token behind the body": [unknown + chunks[:-2] + f"Authorization: Bearer {token}\r\n\r\n".encode()],
        "another token behind the body": [chunked + chunks[:-2] + b"Authorization: Bearer x\r\n\r\n"],
        "broken chunks": [chunked + b"zz\r\n"],
        "expects 100": [head(token, len(asked), "Expect: 100-continue"), asked],
        "http/1.0": [head(token, len(asked), line=f"POST {EVALUATION} HTTP/1.0") + asked],
        "head": [head(token, 0, line=f"HEAD {EVALUATION} HTTP/1.1")],
        "put": [head(token, len(asked), line=f"PUT {EVALUATION} HTTP/1.1") + asked],
        "with a query": [head(token, len(asked), line=f"POST {EVALUATION}?a=b HTTP/1.1") + asked],
        "with an escape": [head(token, len(asked), line="POST /access/v1/%65valuation HTTP/1.1") + asked],
        "absolute": [head(token, len(asked), line=f"POST http://x{EVALUATION} HTTP/1.1") + asked],
        "close": [last],
        "close, then another": [last + whole],
        "upgrade": [head(token, len(asked), "Connection: Upgrade", "Upgrade: websocket") + asked],
        "upgrade to h2c": [head(token, len(asked), "Connection: Upgrade", "Upgrade: h2c") + asked],
        "no body": [head(token, 0)],
        "not json": [head(token, 3) + b"{,}"],
        "of another kind": [whole.replace(b"application/json", b"text/plain")],
        "with a charset": [whole.replace(b"application/json", b"application/json; charset=utf-8")],
        "no token": [whole.replace(b"Bearer ", b"Basic ")],
        "another scheme of as many letters": [whole.replace(b"Bearer ", b"Digest ")],
        "a bad token": [whole.replace(b"Bearer ", b"Bearer x")],
        "a label": [head(token, len(asked), "X-Request-ID: abc-1") + asked],
        "a label that cannot be recorded": [head(token, len(asked), "X-Request-ID: " + "a" * 600) + asked],
        "two tokens": [head(token, len(asked), "Authorization: Bearer x") + asked],
        "two lengths": [head(token, len(asked), "Content-Length: 1") + asked],
        "length and chunks": [head(token, len(asked), "Transfer-Encoding: chunked") + chunks],
        "body over the limit": [head(token, 70_000) + b" " * 70_000],
        "body far over the limit": [head(token, 300_000), b" " * 150_000, b" " * 150_000],
        "a head too large": [head(token, len(asked), "X: " + "a" * LARGEST_HEAD) + asked + whole],
        "a head without end": [head(token, len(asked))[:-2]] + [b"X: " + b"a" * 20_000 + b"\r\n"] * 3,
        "nonsense": [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"],
        "a line without a version": [b"POST /access/v1/evaluation\r\n\r\n"],
    }


def test_both_ways_answer_the_same(in_hospital: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []
    answer = HotCycle.answer

    def counted(self: HotCycle, status: int, *parts: bytes) -> None:
        taken.append(status)
        answer(self, status, *parts)

    monkeypatch.setattr(HotCycle, "answer", counted)

    async def body(hospital: Hospital) -> None:
        token = mint(hospital.circle.keyring, organization_id=hospital.organization, actor=Actor.service("t"), hours=1)
        stranger, patient = await hospital.provider("npi|1"), await hospital.patient("mrn|1")
        whole = json.dumps(question(stranger, patient)).encode()
        looked_up = json.dumps(question("npi|1", "mrn|1")).encode()
        async with listening(hospital) as (hot, *_), listening(hospital, Plain) as (plain, *_):
            for port in (hot, plain):  # the first use of a token is recorded, which is not at once
                assert b"200 OK" in await exchange(port, [head(token, len(whole)) + whole])
            sent = shapes(token, whole) | {"looked up": [head(token, len(looked_up)) + looked_up]}
            taken.clear()
            ours = await asyncio.gather(*(exchange(hot, pieces) for pieces in sent.values()))
            theirs = await asyncio.gather(*(exchange(plain, pieces) for pieces in sent.values()))
        answers = dict(zip(sent, zip(ours, theirs, strict=True), strict=True))
        assert {name: pair for name, pair in answers.items() if same(pair[0]) != same(pair[1])} == {}
        assert taken.count(200) >= 14, "the hot route was not taken"
        assert answers["two at once"][0].count(b"200 OK") == 2
        assert answers["mixed, at once"][0].count(b"200 OK") == 4
        assert answers["close, then another"][0].count(b"200 OK") == 1
        assert answers["close"][0].endswith(b"<closed>")
        assert answers["expects 100"][0].startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK")
        for name in ("a token behind the body", "another scheme of as many letters"):
            assert answers[name][0].startswith(b"HTTP/1.1 401 ")
        assert answers["another token behind the body"][0].startswith(b"HTTP/1.1 200 ")
        for name in ("a head too large", "a head without end"):
            assert answers[name][0].startswith(b"HTTP/1.1 431 ")
            assert answers[name][0].count(b"HTTP/1.1") == 1

    in_hospital(body)


def test_a_question_that_was_not_whole_is_not_decided_and_one_that_was_is(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        token = mint(hospital.circle.keyring, organization_id=hospital.organization, actor=Actor.service("t"), hours=1)
        asked = json.dumps(question(new_id(), new_id())).encode()
        whole = head(token, len(asked)) + asked
        async with listening(hospital) as (port, *_):
            await exchange(port, [whole])
            assert await entries(hospital) == 1
            for cut in (30, len(whole) - len(asked), len(whole) - 1):  # in the line, before the body, in the body
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(whole[:cut])
                await writer.drain()
                await asyncio.sleep(0.05)
                writer.transport.abort()
            await asyncio.sleep(0.1)
            assert await entries(hospital) == 1
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(whole)  # whole, but nobody waits for the answer
            await writer.drain()
            await asyncio.sleep(0.02)
            writer.transport.abort()
            await asyncio.sleep(0.2)
            assert await entries(hospital) == 2
            assert b"200 OK" in await exchange(port, [whole])

    in_hospital(body)


def test_who_sends_too_slowly_or_nothing_is_let_go(in_hospital: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HotProtocol, "slowest_request_ticks", 0)
    monkeypatch.setattr(HotProtocol, "keep_alive_ticks", 1)

    async def drip(port: int, given: bytes, pieces: int) -> float:
        """Seconds until the server closes on somebody who sends this, and then a byte now and then."""
        loop = asyncio.get_running_loop()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(given)

        async def until_closed() -> None:
            with suppress(ConnectionResetError):
                await reader.read()

        began, closed = loop.time(), asyncio.ensure_future(until_closed())
        for _ in range(pieces):
            await asyncio.wait([closed], timeout=0.1)
            if closed.done():
                break
            writer.write(b"a")
        await asyncio.wait_for(closed, 8)
        writer.close()
        return loop.time() - began

    async def body(hospital: Hospital) -> None:
        async with listening(hospital) as (port, *_):
            slow_head, slow_body, idle = await asyncio.gather(
                drip(port, b"POST /access/v1/evaluation HTTP/1.1\r\nX: ", 30),
                drip(port, head("x", 1000), 30),
                drip(port, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 0),
            )
        assert max(slow_head, slow_body) < 2.5
        assert max(slow_head, slow_body) < idle < 6

    in_hospital(body)


def test_one_connection_too_many_is_told_so(in_hospital: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def body(hospital: Hospital) -> None:
        async with listening(hospital) as (port, *_):
            monkeypatch.setattr(HotProtocol, "most_connections", 3)
            health = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
            open_ones = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
            await asyncio.sleep(0.05)
            refused = await exchange(port, [])
            assert refused.startswith(b"HTTP/1.1 503 ")
            assert b"\r\nretry-after: " in refused
            assert b'"code":"too-busy"' in refused
            assert refused.endswith(b"<closed>")
            open_ones.pop()[1].close()
            await asyncio.sleep(0.05)
            assert b"200 OK" in await exchange(port, [health])
            for _, writer in open_ones:
                writer.close()

    in_hospital(body)


def test_many_connections_at_once_each_hear_their_own_answer(in_hospital: Run) -> None:
    async def body(hospital: Hospital) -> None:
        token = mint(hospital.circle.keyring, organization_id=hospital.organization, actor=Actor.service("t"), hours=1)

        async def ask(port: int, number: int) -> bool:
            asked = json.dumps(question(new_id(), new_id())).encode()
            label = f"X-Request-ID: mine-{number}"
            pieces = [head(token, len(asked), label) + asked] * 2
            pieces.append(head(token, len(asked), label, "Connection: close") + asked)
            got = await exchange(port, pieces, pause=0, quiet=20)
            return got.count(b"x-request-id: mine-%d\r\n" % number) == got.count(b"HTTP/1.1 200 OK") == 3

        async with listening(hospital) as (port, *_):
            assert all(await asyncio.gather(*(ask(port, number) for number in range(120))))
        assert await entries(hospital) == 360

    in_hospital(body)
