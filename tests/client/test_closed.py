"""Whatever answers but our service, and whatever goes wrong, is never a yes: each case raises, with a yes beside it."""

from __future__ import annotations

import gzip
import json
from typing import Any

import httpx
import pytest

from carecircle import to_text
from carecircle.client import Decision, UnexpectedAnswer
from carecircle.errors import AccessUnavailable, CareCircleError, Undecidable
from carecircle.identifiers import new_id
from tests.client.servers import NO, PROBLEM, YES, Said, Scripted, answer, both

ASKED = ("check", "urn:staff|okafor", "read", "urn:mrn|1")
JSON = {"content-type": "application/json"}
YES_TEXT = json.dumps(YES)


def raw(body: str | bytes, status: int = 200, headers: dict[str, str] = JSON) -> Said:
    return Said(status, headers, body if isinstance(body, bytes) else body.encode())


def changed(**context: Any) -> Said:
    return answer({"decision": True, "context": {**YES["context"], **context}})  # type: ignore[dict-item]


ANSWERS = {
    "no decision": answer({"context": YES["context"]}),
    "empty object": answer({}),
    "a word": answer({**YES, "decision": "true"}),
    "a number": answer({**YES, "decision": 1}),
    "null": answer({**YES, "decision": None}),
    "a list": raw(f"[{YES_TEXT}]"),
    "bare true": raw("true"),
    "nothing": raw(""),
    "cut off": raw(YES_TEXT[:-1]),
    "two documents": raw(YES_TEXT + YES_TEXT),
    "said twice": raw('{"decision": false, ' + YES_TEXT[1:]),
    "another encoding": raw(YES_TEXT.encode("utf-16")),
    "very deep": raw("[" * 100_000),
    "no number": raw(YES_TEXT.replace("true", "NaN", 1)),
    "HTML": raw("<html>welcome</html>", headers={"content-type": "text/html"}),
    "JSON called HTML": raw(YES_TEXT, headers={"content-type": "text/html"}),
    "JSON called nothing": raw(YES_TEXT, headers={}),
    "a problem called 200": raw(YES_TEXT, headers=PROBLEM),
    "created": raw(YES_TEXT, 201),
    "partial": raw(YES_TEXT, 206),
    "no content": raw("", 204),
    "redirect": raw(YES_TEXT, 302, {**JSON, "location": "https://circle.test/access/v1/evaluation"}),
    "kept redirect": raw(YES_TEXT, 307, {**JSON, "location": "https://elsewhere.test/"}),
    "teapot": raw(YES_TEXT, 418),
    "broken": raw(YES_TEXT, 500),
    "gateway": raw("<html>", 502, {"content-type": "text/html"}),
    "full, for ever": raw("", 503, {"retry-after": "0"}),
    "bad packing": raw(b"no gzip", headers={**JSON, "content-encoding": "gzip"}),
    "no entry": changed(id=None),
    "an entry that is none": changed(id="x"),
    "another code": changed(code="restricted"),
    "no context": answer({"decision": True}),
    "a context that is none": answer({"decision": True, "context": []}),
    "bases that are none": changed(bases={}),
    "a basis that is none": changed(bases=["primary"]),
    "an end that is none": changed(bases=[{"kind": "primary", "id": to_text(new_id()), "until": "soon"}]),
    "a no that says allowed": answer({**NO, "context": {**NO["context"], "code": "allowed"}}),  # type: ignore[dict-item]
}  # fmt: skip


@pytest.mark.parametrize("name", ANSWERS)
def test_what_is_no_answer_of_ours_lets_nobody_in(name: str) -> None:
    for call in both(Scripted(ANSWERS[name])):
        with pytest.raises(AccessUnavailable):
            call(*ASKED)
    for call in both(Scripted(answer(YES))):
        assert call(*ASKED).allowed is True


def test_an_answer_that_is_packed_is_read() -> None:
    packed = raw(gzip.compress(YES_TEXT.encode()), headers={**JSON, "content-encoding": "gzip"})
    for call in both(Scripted(packed)):
        assert call(*ASKED).allowed is True


@pytest.mark.parametrize(
    "failure",
    [
        httpx.ConnectError("refused"), httpx.ReadError("reset"), httpx.RemoteProtocolError("gone"),
        httpx.ConnectTimeout("slow"), httpx.ReadTimeout("slow"), httpx.PoolTimeout("full"), httpx.ProxyError("no"),
    ],
)  # fmt: skip
def test_no_answer_lets_nobody_in(failure: Exception) -> None:
    for call in both(Scripted(failure)):
        with pytest.raises(AccessUnavailable) as caught:
            call(*ASKED)
        assert caught.value.code == "access-unavailable"
        assert "mrn" not in str(caught.value)


def test_a_redirect_is_not_followed() -> None:
    server = Scripted(ANSWERS["kept redirect"])
    for call in both(server):
        with pytest.raises(UnexpectedAnswer) as caught:
            call(*ASKED)
        assert caught.value.status == 307
    assert {request.url.host for request in server.seen} == {"circle.test"}
    assert len(server.seen) == 2


BATCHES: dict[str, Any] = {
    "too few": {"evaluations": [YES]},
    "too many": {"evaluations": [YES, YES, YES]},
    "none": {"evaluations": []},
    "one decision for all": YES,
    "an object": {"evaluations": {"0": YES, "1": YES}},
    "one that is none": {"evaluations": [YES, {"decision": "true"}]},
}


@pytest.mark.parametrize("name", BATCHES)
def test_a_batch_is_answered_as_a_whole_or_not_at_all(name: str) -> None:
    for call in both(Scripted(answer(BATCHES[name]))):
        with pytest.raises(UnexpectedAnswer):
            call("check_many", "okafor", "read", ["1", "2"])
    refused = {"decision": False, "context": {"error": {"status": 400, "message": "…"}}}
    for call in both(Scripted(answer({"evaluations": [YES, refused]}))):
        decided = call("check_many", "okafor", "read", ["1", "2"])
        assert [(one.allowed, one.code) for one in decided] == [(True, "allowed"), (False, "denied")]


PAGES: dict[str, list[Any]] = {
    "no results": [{}],
    "another type": [{"results": [{"type": "provider", "id": to_text(new_id())}]}],
    "an id that is none": [{"results": [{"type": "patient", "id": "MRN 1"}]}],
    "words": [{"results": ["a"]}],
    "a token that is none": [{"results": [], "page": {"next_token": 1}}],
    "the same page again": [{"results": [], "page": {"next_token": "a"}}],
    "a circle": [{"results": [], "page": {"next_token": token}} for token in ("a", "b", "a")],
}


@pytest.mark.parametrize("name", PAGES)
def test_a_list_that_cannot_be_read_to_its_end_is_none(name: str) -> None:
    for which in (0, 1):
        with pytest.raises(UnexpectedAnswer):
            both(Scripted(*map(answer, PAGES[name])))[which]("list_patients", "okafor")


def test_a_list_is_read_page_by_page() -> None:
    ids, entry = [new_id() for _ in range(3)], new_id()
    pages = [
        {
            "results": [{"type": "patient", "id": to_text(one)}],
            "page": {"next_token": token},
            "context": {"id": to_text(entry)},
        }
        for one, token in zip(ids, ("a", "b", ""), strict=True)
    ]
    for which in (0, 1):
        server = Scripted(*map(answer, pages))
        found = both(server)[which]("list_patients", "okafor")
        assert (list(found.ids), found.id) == (ids, entry)
        tokens = [json.loads(request.content).get("page") for request in server.seen]
        assert tokens == [None, {"token": "a"}, {"token": "b"}]


def test_a_decision_has_no_truth_value() -> None:
    for decision in (Decision(True, "allowed"), Decision(False, "restricted")):
        with pytest.raises(Undecidable):
            bool(decision)


@pytest.mark.parametrize("patient", ["", " ", "urn:mrn|", "\n", "x" * 600])
def test_a_patient_who_is_not_named_is_not_asked_about(patient: str) -> None:
    server = Scripted(answer(YES))
    for call in both(server):
        with pytest.raises(CareCircleError):
            call("check", "okafor", "read", patient)
    assert server.seen == []
    for call in both(server):
        assert call("check", "okafor", "read", "1").allowed


def test_nothing_is_sent_for_no_question() -> None:
    server = Scripted(answer(YES))
    for call in both(server):
        assert call("check_many", "okafor", "read", []) == []
    assert server.seen == []
