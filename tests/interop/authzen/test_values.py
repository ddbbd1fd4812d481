"""Requests and page tokens as values, without a server: what an id means, how long a token lives, whom it serves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from carecircle.errors.service import InvalidCursor
from carecircle.identifiers import Identifier
from carecircle.interop.authzen.asked import Asked, Context, Entity, read_batch, read_question, reference_of
from carecircle.interop.authzen.paging import MOST_RESULTS, TOKEN_LIVES, Page, Place, Tokens, read_page

NOW = datetime(2026, 1, 31, 8, tzinfo=UTC)
PLACE = Place("read", NOW - timedelta(days=9), NOW, 7)
ORGANIZATION = UUID(int=7)
SAID = {"subject": {"type": "user", "id": "alice"}, "resource": {"id": "record-1", "type": "record"}}


def tokens(**other: Any) -> Tokens:
    given: dict[str, Any] = {
        "key": b"k" * 32, "organization_id": ORGANIZATION, "caller": "service:x", "search": "action", "said": SAID,
    }  # fmt: skip
    return Tokens(**given | other)


def test_a_token_opens_for_its_request_however_that_is_written_and_for_a_while() -> None:
    page = Page(token=tokens().seal(PLACE))
    same = {
        "foo": 1,
        "page": {},
        "resource": {"type": "record", "id": "record-1"},
        "subject": {"id": "alice", "type": "user"},
    }
    for when in (NOW, NOW + TOKEN_LIVES):
        assert tokens(said=same).open(page, when) == PLACE
    assert tokens().open(page._replace(limit=7), NOW) == PLACE
    assert tokens().open(Page(limit=3), NOW) is None
    with pytest.raises(InvalidCursor, match="older than 15 minutes"):
        tokens().open(page, NOW + TOKEN_LIVES + timedelta(seconds=1))
    with pytest.raises(InvalidCursor, match=r"page\.limit"):
        tokens().open(page._replace(limit=8), NOW)


@pytest.mark.parametrize(
    "other",
    [
        {"key": b"o" * 32}, {"organization_id": UUID(int=8)}, {"caller": "service:y"}, {"search": "subject"}, {"said": {}},
        {"said": SAID | {"context": {"ip": "x"}}},
    ],
)  # fmt: skip
def test_a_token_opens_for_nothing_else(other: dict[str, Any]) -> None:
    with pytest.raises(InvalidCursor):
        tokens(**other).open(Page(token=tokens().seal(PLACE)), NOW)


def test_tokens_tell_nothing_and_differ_each_time() -> None:
    one, another = tokens().seal(PLACE), tokens().seal(PLACE)
    assert one != another
    assert one.replace("-", "").replace("_", "").isalnum()


@pytest.mark.parametrize(
    ("given", "system", "meant"),
    [
        ("alice", "", Identifier("", "alice")),
        ("alice", "urn:staff", Identifier("urn:staff", "alice")),
        ("urn:npi|1", "urn:staff", Identifier("urn:npi", "1")),
        ("|1", "urn:staff", Identifier("", "1")),
        ("00000000-0000-0000-0000-000000000007", "urn:staff", UUID(int=7)),
        ("x|", "", None),
        (" ", "", None),
        ("a\x00b", "", None),
        ("x" * 600, "", None),
    ],
)
def test_what_an_id_means(given: str, system: str, meant: object) -> None:
    assert reference_of(given, system) == meant


def test_what_is_read_of_a_request() -> None:
    said = SAID | {"action": {"name": "read"}, "context": {"time": "2025-06-27T18:03-07:00", "purpose": None}}
    assert read_question(said) == Asked(Entity("user", "alice"), "read", Entity("record", "record-1"), Context())
    assert read_batch(said | {"evaluations": None}) is read_batch(said | {"evaluations": []}) is None
    assert read_page({}) == read_page({"page": None}) == read_page({"page": {"token": ""}}) == Page()
    assert read_page({"page": {"limit": 10**9}}) == Page(MOST_RESULTS)
