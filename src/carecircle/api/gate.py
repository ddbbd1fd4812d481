"""Who comes in: tokens of our own, API keys and tokens of identity providers; where to, and for whom they act.

Only that a text was right is remembered, per process and for an hour at most. Whether what it stands for still holds is read
in the database for every request: by the deciding statement for questions, before the work for everything else.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from carecircle.access.bearer import Standing
from carecircle.actor import Actor
from carecircle.api.account_gate import AccountGate
from carecircle.api.caller import Caller, ended
from carecircle.api.key_gate import BEGINS, KeyGate
from carecircle.api.oidc import Issuers
from carecircle.api.oidc_settings import issuers_of
from carecircle.api.sign_ins import SignIns
from carecircle.api.tokens import Gate
from carecircle.audit.refusal import record_refusal
from carecircle.database.session import transaction
from carecircle.directory.service import is_registered, resolve_provider
from carecircle.directory.visit_service import open_visit
from carecircle.errors import (
    CareCircleError,
    InvalidIdentifier,
    InvalidRequest,
    PermissionRequired,
    ProviderNotRegistered,
    Unauthenticated,
)
from carecircle.errors.service import VisitRequired
from carecircle.identifiers import OrganizationId, parse_id, to_text

if TYPE_CHECKING:
    from carecircle.bootstrap import CareCircle

Headers = Mapping[bytes, bytes]
ORGANIZATION = b"carecircle-organization"
"""The organization a super admin visits, by its id."""
ON_BEHALF_OF = b"carecircle-on-behalf-of"
"""The provider for whom a service acts: an id of ours, or `system|value`."""
_REMEMBERED = 65536
_BELIEVED_FOR = 3600.0
_MAY_ACT_FOR = "Only API keys, and accounts with the role service, act on behalf of somebody."


@asynccontextmanager
async def open_entrance(circle: CareCircle) -> AsyncIterator[Entrance]:
    """The way in for as long as the block lasts. Raises InvalidSetting."""
    entrance = Entrance(circle)
    try:
        yield entrance
    finally:
        await entrance.close()


class Entrance:
    """The one way in."""

    def __init__(self, circle: CareCircle) -> None:
        self._engine = circle.engine
        self._access = circle.access
        self._sign_ins = SignIns(circle.engine)
        self._own = Gate(circle.keyring)
        self._keys = KeyGate(circle.engine)
        issuers = issuers_of(circle.settings.oidc)
        self._accounts = AccountGate(circle.engine, Issuers(issuers)) if issuers else None
        self._known: dict[bytes, tuple[Caller, float]] = {}

    async def close(self) -> None:
        await self._keys.close()
        if self._accounts is not None:
            await self._accounts.close()

    def recall(self, headers: Headers) -> Caller | None:
        """Who sent this, where that is known without asking anybody. Whether they still may come is not said."""
        authorization = headers.get(b"authorization")
        if authorization is None or authorization[:7].lower() != b"bearer ":
            return None
        if ORGANIZATION not in headers and ON_BEHALF_OF not in headers:
            own = self._own.known(authorization)
            if own is not None:
                return own if self._sign_ins.knows(own) else None
        caller, until = self._known.get(_digest(authorization, headers), (None, 0.0))
        return caller if until > time.time() else None

    async def admit(self, headers: Headers, address: str | None, *, before: Caller | None = None) -> Caller:
        """Who sent this, their sign-in on record. Raises Unauthenticated, VisitRequired, PermissionRequired, InvalidRequest
        for somebody to act for who is nobody here, DatabaseUnavailable and its kin. `before` is who it was a moment ago."""
        known = self.recall(headers)
        if known is not None:
            return known
        authorization = headers.get(b"authorization")
        try:
            caller = await self._read(authorization)
        except Unauthenticated as error:
            told = error if before is None else ended(before)
            await self._sign_ins.refuse(told, address)
            raise told from None
        if not self._sign_ins.knows(caller):
            await self._sign_ins.note(caller, address)
        try:
            caller = await self._where_to(caller, headers)
            for_good = await self._for_whom(caller, headers)
        except (VisitRequired, PermissionRequired) as error:
            await self._record(caller, address, error)
            raise
        assert authorization is not None
        self._remember(_digest(authorization, headers), for_good)
        return for_good

    async def enter(self, headers: Headers, address: str | None) -> tuple[Caller, Standing]:
        """Who sent this, and what they may now. Raises as `admit` does, and Unauthenticated for what has ended."""
        caller = await self.admit(headers, address)
        standing = await self._standing(caller)
        if not standing.live:
            caller = await self.again(ended(caller), headers, address)
            standing = await self._standing(caller)
        if not standing.live:
            raise await self._put_out(ended(caller), address)
        return caller, standing

    async def again(self, error: Unauthenticated, headers: Headers, address: str | None) -> Caller:
        """Who sent this, read anew, after the database did not let them in: where only their account was changed, or their
        visit, that is another bearer. Raises the error, on record, where nothing has changed."""
        before: Caller | None = error.facts.get("ended")
        if before is None:
            raise error
        self.forget(before)
        if before.bearer is not None and before.bearer.account_id is not None:
            caller = await self.admit(headers, address, before=before)
            if caller.bearer != before.bearer:
                return caller
        raise await self._put_out(error, address)

    def forget(self, caller: Caller) -> None:
        """Read anew who this is when they come again."""
        self._known = {text: known for text, known in self._known.items() if known[0].token != caller.token}

    async def _put_out(self, error: Unauthenticated, address: str | None) -> Unauthenticated:
        """The same error, on record, about somebody whom nobody remembers any more."""
        self.forget(error.facts["ended"])
        await self._sign_ins.refuse(error, address)
        return error

    async def _standing(self, caller: Caller) -> Standing:
        assert caller.bearer is not None
        return await self._access.standing(caller.organization_id, caller.bearer)

    async def _read(self, authorization: bytes | None) -> Caller:
        """Whose token or key this is. Raises Unauthenticated."""
        if (
            authorization is not None
            and authorization[:7].lower() == b"bearer "
            and authorization[7:].startswith(BEGINS)
        ):
            return await self._keys.read(authorization[7:])
        try:
            return self._own.admit(authorization)
        except Unauthenticated as error:
            if (
                self._accounts is None
                or authorization is None
                or error.facts
                or authorization[:7].lower() != b"bearer "
            ):
                raise
        return await self._accounts.read(authorization[7:])

    async def _where_to(self, caller: Caller, headers: Headers) -> Caller:
        """The caller in the organization that a header names. Raises VisitRequired, whether there is one or not."""
        named = headers.get(ORGANIZATION)
        if named is None:
            return caller
        try:
            visited = OrganizationId(parse_id(named.decode("latin-1").strip()))
        except InvalidIdentifier:
            raise InvalidRequest("Carecircle-Organization names an organization by its id.") from None
        if visited == caller.organization_id:
            return caller
        bearer = caller.bearer
        if bearer is None or bearer.account_id is None:
            raise VisitRequired
        async with transaction(self._engine, visited) as db:
            stay = await open_visit(db, home=bearer.home_id, account_id=bearer.account_id, organization=visited)
        if stay is None:
            raise VisitRequired
        return replace(
            caller,
            organization_id=visited,
            actor=Actor(f"visitor:{to_text(bearer.account_id)}"),
            bearer=bearer._replace(visit_id=stay.row_id),
            provider_id=None,
        )

    async def _for_whom(self, caller: Caller, headers: Headers) -> Caller:
        """The caller, acting for whom a header names. Raises PermissionRequired, InvalidRequest."""
        named = headers.get(ON_BEHALF_OF)
        if named is None:
            return caller
        bearer = caller.bearer
        if bearer is None or bearer.visit_id is not None or (bearer.key_id is None and bearer.account_id is None):
            raise PermissionRequired(_MAY_ACT_FOR)
        if bearer.key_id is None and "service" not in (await self._standing(caller)).roles:
            raise PermissionRequired(_MAY_ACT_FOR)
        tenant = caller.organization_id
        async with transaction(self._engine, tenant) as db:
            try:
                provider = await resolve_provider(db, tenant, named.decode("latin-1").strip())
                known = await is_registered(db, tenant, "provider", provider)
            except (InvalidIdentifier, ProviderNotRegistered):
                known = False
        if not known:
            raise InvalidRequest("Carecircle-On-Behalf-Of names no provider of this organization.")
        return replace(caller, actor=replace(caller.actor, on_behalf_of=Actor.provider(provider).name))

    async def _record(self, caller: Caller, address: str | None, error: CareCircleError) -> None:
        at = caller.at(address)
        await record_refusal(self._engine, at.organization_id, at.actor, error)

    def _remember(self, text: bytes, caller: Caller) -> None:
        bearer = caller.bearer
        if bearer is None or (bearer.key_id is None and bearer.account_id is None):
            return  # tokens of our own are remembered where they are read
        if bearer.key_id is None and caller.actor.on_behalf_of is not None:
            return  # whether the account is a service's still is asked each time
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[text] = caller, min(caller.expires_at, time.time() + _BELIEVED_FOR)


def _digest(authorization: bytes, headers: Headers) -> bytes:
    """What is remembered of a request's credentials: nobody gets in with it."""
    parts = (authorization, headers.get(ORGANIZATION, b""), headers.get(ON_BEHALF_OF, b""))
    return hashlib.sha256(b"\0".join(parts)).digest()
