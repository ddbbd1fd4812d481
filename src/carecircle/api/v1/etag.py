"""Versions over HTTP: ETag, If-Match and If-None-Match.

Facts are never edited, so a fact's version is the id of its row: `tag(row.id)`. What is made of several rows has the digest of
what is shown: `digest(answer)`.

- A route that answers with one resource says `tagged(response, tag(row.id))`. If-None-Match on a GET is then answered with 304
  by the service (`unless_known`), for every route alike.
- A route that changes one takes `match: IfMatch`, and under the lock of what it changes says `match.require(tag(row.id))`, or
  hands `match.version` to a service that compares versions itself. An If-Match that a route would not look at is refused.

Whoever was too late gets 412 for If-Match, and 409 stale-version for a `version` in a body.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from fastapi import Depends, Header, Response

from carecircle.errors import CareCircleError, InvalidRequest
from carecircle.errors.service import PreconditionFailed
from carecircle.identifiers import parse_id, to_text

if TYPE_CHECKING:
    from pydantic import BaseModel

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

NONE = '"none"'
"""The tag of what has no row yet, such as a policy that nobody set."""


def tag(row_id: UUID | None) -> str:
    """The ETag of one row."""
    return NONE if row_id is None else f'"{to_text(row_id)}"'


def digest(answer: BaseModel) -> str:
    """The ETag of an answer that is made of several rows."""
    return f'"{hashlib.blake2b(answer.model_dump_json().encode(), digest_size=15).hexdigest()}"'


def tagged(response: Response, said: str) -> None:
    """Say in an answer's head which version it is."""
    response.headers["etag"] = said


@dataclass(frozen=True, slots=True)
class Expected:
    """The version that If-Match names; None where it was not sent, or is `*`: whatever is there."""

    said: str | None = None

    def require(self, present: str) -> None:
        """Raises PreconditionFailed unless `present` is the version that was expected, or none was."""
        if self.said is not None and self.said != present:
            raise PreconditionFailed

    @property
    def version(self) -> UUID | None:
        """The row that was expected. Raises PreconditionFailed for a tag that no row has."""
        if self.said is None:
            return None
        try:
            return parse_id(self.said.strip('"'))
        except CareCircleError:
            raise PreconditionFailed from None

    def or_said(self, version: UUID | None) -> UUID | None:
        """The row that is expected, by If-Match or by `version` of the body. Raises InvalidRequest when they differ."""
        if version is not None and self.said is not None and self.version != version:
            raise InvalidRequest("If-Match and version name different versions; send one of them.")
        return self.version if version is None else version


async def expected(
    if_match: Annotated[
        str | None,
        Header(description="The ETag of what is to be changed, as last read; 412 when it has changed since."),
    ] = None,
) -> Expected:
    """What If-Match says. Raises InvalidRequest for several tags, or what is none; a weak tag matches nothing (RFC 9110)."""
    said = None if if_match is None else if_match.strip()
    if said is None or said == "*":
        return Expected()
    bare = said.removeprefix("W/")
    if len(bare) < 2 or bare[0] != '"' or bare[-1] != '"' or '"' in bare[1:-1]:
        raise InvalidRequest('If-Match takes one ETag as it was answered, in its quotes, such as "01K0…", or *.')
    return Expected(said)


IfMatch = Annotated[Expected, Depends(expected)]
"""What a changing route takes: `match: IfMatch`."""


def unless_known(send: Send, known: bytes) -> Send:
    """Answers 304 without a body where the answer's ETag is one of those in If-None-Match, as `known` has them."""
    tags = {one.strip().removeprefix(b"W/") for one in known.split(b",")}
    untold = False

    async def sent(message: MutableMapping[str, Any]) -> None:
        nonlocal untold
        if message["type"] == "http.response.start" and message["status"] == 200:
            present = dict(message["headers"]).get(b"etag")
            untold = present is not None and (present.removeprefix(b"W/") in tags or b"*" in tags)
            if untold:
                kept = [
                    (name, said)
                    for name, said in message["headers"]
                    if name not in (b"content-length", b"content-type")
                ]
                message = {**message, "status": 304, "headers": kept}
        elif untold and message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return sent
