"""What is sent again and what is not: counted at a server, for both faces."""

from __future__ import annotations

import httpx
import pytest

from carecircle.client import Conflicting, Limits, Unavailable
from carecircle.client.retrying import pause_after
from carecircle.client.wire import Answer, Send, Unreached
from carecircle.errors import AccessUnavailable
from tests.client.servers import YES, Said, Scripted, answer, both

DOWN = httpx.ConnectError("refused")
SLOW = httpx.ReadTimeout("slow")
FULL = answer({"code": "too-busy", "detail": "…"}, 503, retry_after="0")
LONG = answer({"code": "too-busy", "detail": "…"}, 503, retry_after="60")
BROKEN = answer({"code": "database-unavailable", "detail": "…"}, 503)
IN_USE = answer({"code": "idempotency-key-in-use", "detail": "…"}, 409)
TAKEN = answer({"code": "primary-already-assigned", "detail": "…"}, 409)
MADE = answer({"id": "x"}, 201, etag='"1"')
ASKED = ("check", "okafor", "read", "1")


@pytest.mark.parametrize(("before", "sent"), [([DOWN], 2), ([DOWN, DOWN], 3), ([FULL], 2), ([FULL, DOWN], 3), ([], 1)])
def test_a_question_is_put_again(before: list[Said | Exception], sent: int) -> None:
    for which in (0, 1):
        server = Scripted(*before, answer(YES))
        assert both(server)[which](*ASKED).allowed
        assert len(server.seen) == sent


@pytest.mark.parametrize(
    ("always", "sent"), [(DOWN, 3), (FULL, 3), (SLOW, 1), (LONG, 1), (BROKEN, 1), (answer({}, 500), 1)]
)
def test_not_for_ever_and_not_where_it_makes_things_worse(always: Said | Exception, sent: int) -> None:
    for which in (0, 1):
        server = Scripted(always)
        with pytest.raises(AccessUnavailable):
            both(server)[which](*ASKED)
        assert len(server.seen) == sent


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_change_is_repeated_under_the_key_it_was_first_sent_with(method: str) -> None:
    keys = set()
    for which in (0, 1):
        server = Scripted(DOWN, IN_USE, MADE)
        reply = both(server)[which]("request", method, "/v1/care-teams", {"name": "Ward 4"})
        assert (reply.status, reply.body, reply.etag, reply.replayed) == (201, {"id": "x"}, '"1"', False)
        [key] = {request.headers["Idempotency-Key"] for request in server.seen}
        assert {request.content for request in server.seen} == {b'{"name":"Ward 4"}'}
        keys.add(key)
    assert len(keys) == 2


def test_a_key_of_the_callers_own_is_used() -> None:
    server = Scripted(answer({}, 200, idempotency_replayed="true"))
    for call in both(server):
        assert call("request", "POST", "/v1/care-teams", {}, idempotency_key="mine").replayed
    assert {request.headers["Idempotency-Key"] for request in server.seen} == {"mine"}


@pytest.mark.parametrize("failure", [DOWN, SLOW, FULL, answer({}, 502), answer({}, 302), answer([])])
def test_without_an_answer_the_key_of_a_change_is_told(failure: Said | Exception) -> None:
    for which in (0, 1):
        server = Scripted(failure)
        with pytest.raises(AccessUnavailable) as caught:
            both(server)[which]("request", "POST", "/v1/care-teams", {})
        assert caught.value.facts["idempotency_key"] == server.seen[0].headers["Idempotency-Key"]


def test_a_conflict_is_told_at_once() -> None:
    for which in (0, 1):
        server = Scripted(TAKEN)
        with pytest.raises(Conflicting) as caught:
            both(server)[which]("request", "POST", "/v1/assignments", {})
        assert (caught.value.code, caught.value.status, len(server.seen)) == ("primary-already-assigned", 409, 1)


def test_what_is_not_repeatable_is_sent_once() -> None:
    once, limits = Send("POST", "/v1/x"), Limits()
    again = Send("POST", "/v1/x", repeatable=True)
    assert pause_after(once, Unreached(True), 1, limits, 0.5) is None
    assert pause_after(again, Unreached(True), 1, limits, 0.5) is not None


def test_pauses_grow_differ_and_are_bounded() -> None:
    again, limits, down = Send("GET", "/v1/x", repeatable=True), Limits(tries=9, first=0.1, longest=5), Unreached(True)
    low, high = ([pause_after(again, down, n, limits, jitter) for n in range(1, 9)] for jitter in (0.0, 1.0))
    assert low[:3] == [0.05, 0.1, 0.2]
    assert high[:3] == pytest.approx([0.15, 0.3, 0.6])
    assert max(one for one in [*low, *high] if one is not None) <= 5
    assert high[-1] is None
    wanted = Answer(503, {"retry-after": "2"}, b"")
    assert 2 < (pause_after(again, wanted, 1, limits, 0.0) or 0) < (pause_after(again, wanted, 1, limits, 1.0) or 0)
    for said in ("Wed, 21 Oct 2026 07:28:00 GMT", "-1", "1.5", "", "9999999999"):
        assert pause_after(again, Answer(503, {"retry-after": said}, b""), 1, limits, 0.0) is None


def test_a_full_server_is_told_as_such() -> None:
    for call in both(Scripted(LONG)):
        with pytest.raises(Unavailable) as caught:
            call(*ASKED)
        assert (caught.value.code, caught.value.status) == ("too-busy", 503)
