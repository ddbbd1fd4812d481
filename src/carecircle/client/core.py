"""Every call of the client as a conversation: what to send, and what the answers mean. No input, no output, no clock."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypedDict, Unpack
from urllib.parse import urlencode
from uuid import UUID

from carecircle.client.problems import UnexpectedAnswer
from carecircle.client.reading import Page, action_in, decision_in, decisions_in, page_in, primary_in, reply_in, row_in
from carecircle.client.retrying import Limits, sent
from carecircle.client.values import Decision, Listing, Primary, Reply
from carecircle.client.wire import Answer, Send, Talk
from carecircle.errors import AccessUnavailable, InvalidRequest
from carecircle.identifiers import EntryId, Identifier, parse_id, parse_reference, to_text
from carecircle.period import show, usable

AnyId = UUID | str | Identifier

EVALUATION = "/access/v1/evaluation"
EVALUATIONS = "/access/v1/evaluations"
SEARCH = "/access/v1/search/"
PROVIDER, PATIENT = "provider", "patient"
MOST_AT_ONCE = 500
LARGEST = 48_000
"""Questions in one request, and their bytes: a service reads bodies of 64 KiB."""
MOST_PAGES = 10_000
_PATH = re.compile(r"/v1(?:/[A-Za-z0-9_~@:-][A-Za-z0-9._~@:-]*)+")
_KEYED = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class Circumstances(TypedDict, total=False):
    """What may be said about any question: HL7 v3 purpose of use, aware instants (now by default), a request id."""

    purpose: str
    as_of: datetime | None
    believed_at: datetime | None
    request_id: str | None


@dataclass(frozen=True, slots=True)
class Core:
    """The conversations. `jitter` gives numbers between 0 and 1, `new_key` an Idempotency-Key nobody had before."""

    limits: Limits
    jitter: Callable[[], float]
    new_key: Callable[[], str]

    def check(self, provider: AnyId, action: str, patient: AnyId, **said: Unpack[Circumstances]) -> Talk[Decision]:
        asked = {
            "subject": _entity(PROVIDER, provider),
            "action": {"name": action},
            "resource": _entity(PATIENT, patient),
        }
        return decision_in((yield from self._ask(EVALUATION, asked, said)))

    def check_many(
        self, provider: AnyId, action: str, patients: Iterable[AnyId], **said: Unpack[Circumstances]
    ) -> Talk[list[Decision]]:
        asked = {"subject": _entity(PROVIDER, provider), "action": {"name": action}}
        wanted = [{"resource": _entity(PATIENT, patient)} for patient in patients]
        decided: list[Decision] = []
        # Without any question a batch would be read as a single one: it is not sent.
        for some in _portions(wanted):
            answer = yield from self._ask(EVALUATIONS, {**asked, "evaluations": some}, said)
            decided += decisions_in(answer, len(some))
        return decided

    def list_patients(self, provider: AnyId, action: str, **said: Unpack[Circumstances]) -> Talk[Listing]:
        asked = {"subject": _entity(PROVIDER, provider), "action": {"name": action}, "resource": {"type": PATIENT}}
        return (yield from self._listed("resource", asked, said, PATIENT))

    def list_providers(self, patient: AnyId, action: str, **said: Unpack[Circumstances]) -> Talk[Listing]:
        asked = {"subject": {"type": PROVIDER}, "action": {"name": action}, "resource": _entity(PATIENT, patient)}
        return (yield from self._listed("subject", asked, said, PROVIDER))

    def actions(self, provider: AnyId, patient: AnyId, **said: Unpack[Circumstances]) -> Talk[tuple[str, ...]]:
        asked = {"subject": _entity(PROVIDER, provider), "resource": _entity(PATIENT, patient)}
        pages = yield from self._pages("action", asked, said)
        return tuple(action_in(one) for page in pages for one in page.results)

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        params: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
        if_match: str | None = None,
        request_id: str | None = None,
    ) -> Talk[Reply]:
        method = method.upper()
        if not _PATH.fullmatch(path):
            raise InvalidRequest(
                "A path begins with /v1/ and has only ids of carecircle in it; put parameters in params."
            )
        headers = _labelled(request_id)
        if method in _KEYED:
            headers["Idempotency-Key"] = _word(idempotency_key) if idempotency_key is not None else self.new_key()
        elif idempotency_key is not None:
            raise InvalidRequest("An idempotency_key goes with POST, PUT, PATCH or DELETE.")
        if if_match is not None:
            headers["If-Match"] = _word(if_match)
        content = None if body is None else _json(body)
        if content is not None:
            headers["Content-Type"] = "application/json"
        whole = f"{path}?{urlencode(params)}" if params else path
        request = Send(method, whole, content, headers, repeatable=method == "GET" or method in _KEYED)
        try:
            return reply_in((yield from sent(request, self.limits, self.jitter)))
        except AccessUnavailable as error:
            # Cut off by whatever stands between, a change may have been made: its key is how to find out.
            if (key := headers.get("Idempotency-Key")) is not None:
                error.facts = {**error.facts, "idempotency_key": key}
            raise

    def assign_primary_provider(
        self, patient: UUID | str, provider: UUID | str, *, idempotency_key: str | None = None
    ) -> Talk[Primary]:
        path = f"/v1/patients/{to_text(parse_id(patient))}/primary-provider"
        wanted = {"provider_id": to_text(parse_id(provider))}
        reply = yield from self.request("POST", path, params=wanted, idempotency_key=idempotency_key)
        primary = primary_in(reply)
        if primary.provider_id != parse_id(provider):
            raise UnexpectedAnswer("Another provider than was asked for is named as primary.", status=reply.status)
        return primary

    def _listed(self, what: str, asked: dict[str, Any], said: Circumstances, kind: str) -> Talk[Listing]:
        pages = yield from self._pages(what, asked, said)
        entry: EntryId | None = pages[0].id
        return Listing(tuple(row_in(one, kind) for page in pages for one in page.results), entry)

    def _pages(self, what: str, asked: dict[str, Any], said: Circumstances) -> Talk[Sequence[Page]]:
        pages = [page_in((yield from self._ask(SEARCH + what, asked, said)))]
        tokens = {""}
        while (token := pages[-1].next_token) not in tokens and len(pages) < MOST_PAGES:
            tokens.add(token)
            pages.append(page_in((yield from self._ask(SEARCH + what, {**asked, "page": {"token": token}}, said))))
        if pages[-1].next_token:
            raise UnexpectedAnswer("A list comes in pages that do not end.", status=200)
        return pages

    def _ask(self, path: str, asked: dict[str, Any], said: Circumstances) -> Talk[Answer]:
        """A question may be put again: each time it is asked, it is decided and recorded anew."""
        context = _context(said)
        content = _json({**asked, "context": context} if context else asked)
        headers = {**_labelled(said.get("request_id")), "Content-Type": "application/json"}
        return (yield from sent(Send("POST", path, content, headers, repeatable=True), self.limits, self.jitter))


def _portions(items: Sequence[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """The items in order, in lists that are small enough for one request each."""
    some: list[dict[str, Any]] = []
    size = 0
    for item in items:
        length = len(_json(item)) + 1
        if some and (len(some) == MOST_AT_ONCE or size + length > LARGEST):
            yield some
            some, size = [], 0
        some.append(item)
        size += length
    if some:
        yield some


def _json(said: Any) -> bytes:
    return json.dumps(said, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _entity(kind: str, given: AnyId) -> dict[str, str]:
    known = parse_reference(given)
    if isinstance(known, UUID):
        return {"type": kind, "id": to_text(known)}
    # A bare value goes as it is, unless it would be read as something else than it was given as.
    bare = not known.system and parse_reference(known.value) == known
    return {"type": kind, "id": known.value if bare else str(known)}


def _context(said: Circumstances) -> dict[str, str]:
    context = {}
    if (purpose := said.get("purpose")) is not None:
        context["purpose"] = purpose
    if (as_of := said.get("as_of")) is not None:
        context["as_of"] = show(usable(as_of))
    if (believed_at := said.get("believed_at")) is not None:
        context["believed_at"] = show(usable(believed_at))
    return context


def _labelled(request_id: str | None) -> dict[str, str]:
    return {"Accept": "application/json"} | ({} if request_id is None else {"X-Request-ID": _word(request_id)})


def _word(given: str) -> str:
    """A header's value as it was given. Raises InvalidRequest for one that would not stay on its line."""
    if not given or len(given) > 255 or not (given.isascii() and given.isprintable()):
        raise InvalidRequest("A key, version or request id is 1 to 255 printable ASCII characters.")
    return given
