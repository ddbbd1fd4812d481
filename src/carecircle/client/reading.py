"""What an answer says. Whatever is not exactly a decision or a list raises UnexpectedAnswer: nothing is ever read as yes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from carecircle.client.problems import UnexpectedAnswer, problem_in, remedies_in
from carecircle.client.strict import BadJSONError, object_in
from carecircle.client.values import Basis, Decision, Primary, Reply, Row
from carecircle.client.wire import Answer
from carecircle.errors import CareCircleError
from carecircle.identifiers import EntryId, ProviderId, parse_id
from carecircle.period import parse_instant

JSON = "application/json"


class Page(NamedTuple):
    """One page of a search: what it found, the token of the next page (empty: none), and its entry where told."""

    results: tuple[Mapping[str, Any], ...]
    next_token: str
    id: EntryId | None


def decision_in(answer: Answer) -> Decision:
    """The decision of an evaluation."""
    return _decision(_object(answer))


def decisions_in(answer: Answer, wanted: int) -> list[Decision]:
    """The decisions of a batch: as many as were asked for, or UnexpectedAnswer."""
    found = _object(answer).get("evaluations")
    if not isinstance(found, list) or len(found) != wanted:
        raise _unexpected(answer, f"{wanted} decisions were asked for, and another number came back")
    return [_decision(one) for one in found]


def page_in(answer: Answer) -> Page:
    """One page of a search."""
    said = _object(answer)
    results, page, context = said.get("results"), said.get("page", {}), said.get("context", {})
    if not isinstance(results, list) or not all(isinstance(one, dict) for one in results):
        raise _unexpected(answer, "results is missing, or is not a list of objects")
    if not isinstance(page, dict) or not isinstance(token := page.get("next_token", ""), str):
        raise _unexpected(answer, "page cannot be read")
    return Page(tuple(results), token, _entry(context.get("id")) if isinstance(context, dict) else None)


def row_in(found: Mapping[str, Any], kind: str) -> Row:
    """A result of a search for this type of thing."""
    if found.get("type") != kind:
        raise UnexpectedAnswer(f"A search for {kind} found something else.", status=200)
    return Row(_id(found.get("id")))


def action_in(found: Mapping[str, Any]) -> str:
    """A result of a search for actions."""
    name = found.get("name")
    if not isinstance(name, str) or not name:
        raise UnexpectedAnswer("A search for actions found something without a name.", status=200)
    return name


def reply_in(answer: Answer) -> Reply:
    """A successful answer of /v1, or the problem it tells, raised."""
    if not 200 <= answer.status < 300:
        raise problem_in(answer)
    body = None
    if answer.body:
        if answer.media_type != JSON:
            raise _unexpected(answer, "it is not JSON")
        body = _parsed(answer)
    replayed = answer.headers.get("idempotency-replayed", "").lower() == "true"
    return Reply(answer.status, body, answer.headers.get("etag"), replayed)


def primary_in(reply: Reply) -> Primary:
    """Who is primary after `assign_primary_provider`."""
    said = reply.body if isinstance(reply.body, dict) else {}
    return Primary(ProviderId(_id(said.get("primary_provider_id"))), reply.etag)


def _object(answer: Answer) -> dict[str, Any]:
    if answer.status >= 300:
        raise problem_in(answer)
    if answer.status != 200:
        raise _unexpected(answer, "a decision comes with status 200")
    if answer.media_type != JSON:
        raise _unexpected(answer, "it is not JSON")
    return _parsed(answer)


def _parsed(answer: Answer) -> dict[str, Any]:
    try:
        return object_in(answer.body)
    except BadJSONError:
        raise _unexpected(answer, "its body is not one JSON object with each name once") from None


def _decision(said: object) -> Decision:
    if not isinstance(said, dict) or not isinstance(allowed := said.get("decision"), bool):
        raise UnexpectedAnswer("A decision is missing, or is neither true nor false.", status=200)
    context = said.get("context", {})
    if not isinstance(context, dict):
        raise UnexpectedAnswer("The context of a decision is not an object.", status=200)
    entry, code = _entry(context.get("id")), context.get("code")
    if allowed and (entry is None or code != "allowed"):
        raise UnexpectedAnswer(
            "A yes must name its entry in the audit trail and say allowed; this one does not.", status=200
        )
    if not allowed and code == "allowed":
        raise UnexpectedAnswer("A decision contradicts its own code.", status=200)
    bases = context.get("bases", [])
    if not isinstance(bases, list):
        raise UnexpectedAnswer("The bases of a decision are not a list.", status=200)
    return Decision(
        allowed,
        code if isinstance(code, str) and code else "denied",
        entry,
        tuple(_basis(one) for one in bases),
        remedies_in(context.get("remedies")),
    )


def _basis(said: object) -> Basis:
    if not isinstance(said, dict) or not isinstance(kind := said.get("kind"), str):
        raise UnexpectedAnswer("A basis of a decision has no kind.", status=200)
    via = said.get("via")
    return Basis(kind, _id(said.get("id")), _until(said.get("until")), None if via is None else _id(via))


def _until(said: object) -> datetime | None:
    if said is None:
        return None
    try:
        return parse_instant(said if isinstance(said, str) else "")
    except CareCircleError:
        raise UnexpectedAnswer("The end of a basis is not an instant.", status=200) from None


def _entry(said: object) -> EntryId | None:
    return None if said is None else EntryId(_id(said))


def _id(said: object) -> UUID:
    try:
        return parse_id(said if isinstance(said, str) else "")
    except CareCircleError:
        raise UnexpectedAnswer("An id in the answer is none of carecircle's.", status=200) from None


def _unexpected(answer: Answer, what: str) -> UnexpectedAnswer:
    return UnexpectedAnswer(f"Something answered, but not as carecircle does: {what}.", status=answer.status)
