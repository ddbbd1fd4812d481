"""AuthZEN searches: who may do this to a patient, to whom a provider may do it, and what a provider may do to a patient.

A result is somebody of whom the evaluation says yes at the same instant, and everybody is in it. Further pages answer for the
instant of the first one, knowing what was known then; each page is decided anew and leaves its entry.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from carecircle.access.decision import Listing, action_code, request_label
from carecircle.access.service import Circumstances
from carecircle.api.caller import Caller, permissions_of, why_not
from carecircle.api.evaluation import permission, question
from carecircle.bootstrap import CareCircle
from carecircle.database.session import transaction
from carecircle.errors import PermissionRequired
from carecircle.identifiers import to_text
from carecircle.interop.authzen import asked
from carecircle.interop.authzen.answers import page_of
from carecircle.interop.authzen.asked import Context, Entity
from carecircle.interop.authzen.paging import MOST_RESULTS, Page, Place, Tokens, read_page
from carecircle.interop.authzen.resolving import Resolving
from carecircle.interop.authzen.words_service import Words, names_of_patients, names_of_providers


async def search_subjects(
    circle: CareCircle, caller: Caller, body: bytes, request_id: str | None, address: str | None
) -> bytes:
    """Every provider who may do this to the patient. Raises InvalidRequest, Unauthenticated, PermissionRequired,
    AccessUnavailable, KeyUnavailable."""
    said = asked.read_object(body)
    wanted, action, resource = asked.wanted_type(said, "subject"), asked.action(said), asked.entity(said, "resource")
    turn = await _Turn.begin("subject", circle, caller, said, request_id, address)
    actions = await turn.require("ask-for-others")
    in_scope = actions is None or action_code(action) in actions
    patient = (
        await turn.resolving.patient(resource)
        if in_scope and wanted in turn.words.subjects
        else turn.resolving.nobody(Entity(wanted, resource.id))
    )
    listing = await circle.access.list_providers(patient, action, **turn.circumstances("ask-for-others"))

    async def named(page: Sequence[UUID]) -> Mapping[UUID, str]:
        system = turn.words.subjects[wanted]
        if system is None:
            return {one: to_text(one) for one in page}
        async with transaction(circle.engine, caller.organization_id) as db:
            return await names_of_providers(db, caller.organization_id, page, system)

    return await turn.listed(listing, wanted, named)


async def search_resources(
    circle: CareCircle, caller: Caller, body: bytes, request_id: str | None, address: str | None
) -> bytes:
    """Every patient to whom the provider may do this. Raises as `search_subjects`."""
    said = asked.read_object(body)
    wanted, action, subject = asked.wanted_type(said, "resource"), asked.action(said), asked.entity(said, "subject")
    turn = await _Turn.begin("resource", circle, caller, said, request_id, address)
    provider = await turn.resolving.provider(subject)
    needed = permission(caller, provider)
    actions = await turn.require(needed)
    in_scope = actions is None or action_code(action) in actions
    if not in_scope or wanted not in turn.words.resources:
        provider = turn.resolving.nobody(Entity(wanted, subject.id))
    listing = await circle.access.list_patients(provider, action, **turn.circumstances(needed))

    async def named(page: Sequence[UUID]) -> Mapping[UUID, str]:
        system = turn.words.resources[wanted]
        if system is None:
            return {one: to_text(one) for one in page}
        async with transaction(circle.engine, caller.organization_id) as db:
            return await names_of_patients(db, caller.organization_id, page, system, circle.keyring)

    return await turn.listed(listing, wanted, named)


async def search_actions(
    circle: CareCircle, caller: Caller, body: bytes, request_id: str | None, address: str | None
) -> bytes:
    """Everything the provider may do to the patient: each action of the organization is asked and recorded. Raises as
    `search_subjects`."""
    said = asked.read_object(body)
    subject, resource = asked.entity(said, "subject"), asked.entity(said, "resource")
    turn = await _Turn.begin("action", circle, caller, said, request_id, address)
    provider, patient = await turn.resolving.provider(subject), await turn.resolving.patient(resource)
    context = turn.context._replace(as_of=turn.as_of or turn.words.now, believed_at=turn.believed_at)
    decisions = await asyncio.gather(
        *(
            circle.access.ask(question(caller, provider, patient, action, context, turn.label, address))
            for action in turn.words.actions
        )
    )
    if any(one.code == "not-admitted" for one in decisions):
        raise await why_not(circle.access, caller)
    allowed = [one.question.action for one in decisions if one.allowed]
    page, next_token = turn.cut(allowed, decisions[0].as_of)
    return orjson.dumps(
        page_of([{"name": name} for name in page], total=len(allowed), next_token=next_token, as_of=decisions[0].as_of)
    )


class _Turn(NamedTuple):
    """One page of one search: whose, of which request, and where it begins."""

    circle: CareCircle
    caller: Caller
    label: str | None
    address: str | None
    context: Context
    resolving: Resolving
    words: Words
    tokens: Tokens
    asked_page: Page
    place: Place | None

    @classmethod
    async def begin(
        cls,
        search: str,
        circle: CareCircle,
        caller: Caller,
        said: Mapping[str, Any],
        request_id: str | None,
        address: str | None,
    ) -> _Turn:
        """Raises InvalidRequest, InvalidCursor, AccessUnavailable."""
        context, page = asked.context(said), read_page(said)
        resolving = Resolving(circle.access, caller.organization_id)
        words = await resolving.words()
        tokens = Tokens(circle.keyring.token_key(), caller.organization_id, caller.actor.name, search, said)
        place = tokens.open(page, words.now)
        return cls(circle, caller, request_label(request_id), address, context, resolving, words, tokens, page, place)

    @property
    def as_of(self) -> datetime | None:
        return self.context.as_of if self.place is None else self.place.as_of

    @property
    def believed_at(self) -> datetime | None:
        if self.context.believed_at is not None or self.place is None:
            return self.context.believed_at
        return self.place.began

    async def require(self, needed: str) -> frozenset[str] | None:
        """The actions the caller may ask about, None for every one. Raises Unauthenticated, PermissionRequired."""
        if self.caller.bearer is None:
            return None
        standing = await self.circle.access.standing(self.caller.organization_id, self.caller.bearer)
        if not standing.live:
            raise await why_not(self.circle.access, self.caller)
        if needed not in permissions_of(self.caller, standing):
            raise PermissionRequired("This sign-in or key does not permit this search.")
        return standing.actions

    def circumstances(self, needed: str) -> Circumstances:
        return {
            "organization": self.caller.organization_id,
            "actor": replace(self.caller.actor, address=self.address),
            "purpose": self.context.purpose,
            "as_of": self.as_of,
            "believed_at": self.believed_at,
            "request_id": self.label,
            "bearer": self.caller.bearer,
            "permission": needed,
        }

    async def listed(
        self, listing: Listing, wanted: str, named: Callable[[Sequence[UUID]], Awaitable[Mapping[UUID, str]]]
    ) -> bytes:
        """The response about what was listed and recorded. Raises as `search_subjects`."""
        if listing.code == "not-admitted":
            raise await why_not(self.circle.access, self.caller)
        ids = {to_text(row.id): row.id for row in listing.rows}
        page, next_token = self.cut(sorted(ids), listing.as_of)
        names = await named([ids[one] for one in page]) if page else {}
        results = [{"type": wanted, "id": names[ids[one]]} for one in page]
        answer = page_of(results, total=len(ids), next_token=next_token, as_of=listing.as_of, entry=to_text(listing.id))
        return orjson.dumps(answer)

    def cut(self, found: Sequence[str], as_of: datetime) -> tuple[list[str], str]:
        """The results of this page, of all that were found, in their order; and the token of the next, empty at the end."""
        after, limit = "", MOST_RESULTS if self.asked_page.limit is None else self.asked_page.limit
        began = as_of if self.context.as_of is None else self.words.now
        if self.place is not None:
            after, limit, began = self.place.after, self.place.limit, self.place.began
        rest = [one for one in found if one > after]
        page = rest[:limit]
        if len(rest) <= limit:
            return page, ""
        return page, self.tokens.seal(Place(page[-1] if page else after, as_of, began, limit))
