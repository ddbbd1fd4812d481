"""Pages of a search: a token that opens only for the same caller and request, and says where the next page begins."""

from __future__ import annotations

import hashlib
import hmac
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from carecircle.errors import InvalidRequest
from carecircle.errors.service import InvalidCursor

MOST_RESULTS = 1000
TOKEN_LIVES = timedelta(minutes=15)
_LONGEST_TOKEN = 4096
_NONCE = 12


class Place(NamedTuple):
    """Where a page begins: after which result, at which instant and knowing what was known when the first page was made."""

    after: str
    as_of: datetime
    began: datetime
    limit: int


class Page(NamedTuple):
    """What a request says of its page; without a token it is the first."""

    limit: int | None = None
    token: str | None = None


def read_page(said: Mapping[str, Any]) -> Page:
    """The page a search asks for. Raises InvalidRequest."""
    given = said.get("page")
    if given is None:
        return Page()
    if not isinstance(given, dict):
        raise InvalidRequest("page must be an object.")
    limit, token, properties = given.get("limit"), given.get("token"), given.get("properties")
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 0):
        raise InvalidRequest("page.limit must be a whole number, 0 or more.")
    if token is not None and not isinstance(token, str):
        raise InvalidRequest("page.token must be text: the next_token of the page before.")
    if properties is not None and not isinstance(properties, dict):
        raise InvalidRequest("page.properties must be an object.")
    return Page(None if limit is None else min(limit, MOST_RESULTS), token or None)


class Tokens:
    """Seals and opens page tokens. `key` is a secret of the installation; a token is worth nothing to another caller.

    What it is bound to: the organization, who asks, which search, and all the request says but its page.
    """

    def __init__(self, key: bytes, organization_id: UUID, caller: str, search: str, said: Mapping[str, Any]) -> None:
        self._cipher = AESGCM(hmac.digest(key, b"carecircle/authzen-page/" + organization_id.bytes, hashlib.sha256))
        asked = [caller, search, *(said.get(name) for name in ("subject", "action", "resource", "context"))]
        try:
            whole = orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)
        except orjson.JSONEncodeError:
            raise InvalidRequest("The request is nested too deeply.") from None
        self._bound_to = hashlib.sha256(whole).digest()

    def seal(self, place: Place) -> str:
        """The token of the next page."""
        plain = orjson.dumps([place.after, place.as_of.isoformat(), place.began.isoformat(), place.limit])
        nonce = os.urandom(_NONCE)
        return urlsafe_b64encode(nonce + self._cipher.encrypt(nonce, plain, self._bound_to)).rstrip(b"=").decode()

    def open(self, page: Page, now: datetime) -> Place | None:
        """Where the page begins, None for the first one. Raises InvalidCursor for a token of anything else, or an old one."""
        if page.token is None:
            return None
        try:
            sealed = urlsafe_b64decode(
                page.token.encode("ascii")[:_LONGEST_TOKEN] + b"=" * (-min(len(page.token), _LONGEST_TOKEN) % 4)
            )
            after, as_of, began, limit = orjson.loads(
                self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], self._bound_to)
            )
        except (InvalidTag, ValueError):
            raise InvalidCursor(
                "page.token is no next_token of this search: repeat the request it came with, or leave it out to begin again."
            ) from None
        place = Place(after, datetime.fromisoformat(as_of), datetime.fromisoformat(began), limit)
        if page.limit is not None and page.limit != place.limit:
            raise InvalidCursor("page.limit must stay what it was on the first page.")
        if now - place.began > TOKEN_LIVES:
            raise InvalidCursor(
                f"page.token is older than {TOKEN_LIVES.seconds // 60} minutes; leave it out to begin again."
            )
        return place
