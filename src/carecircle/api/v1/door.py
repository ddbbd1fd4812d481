"""What every /v1 route works with: one tenant's transaction, who acts, whether they may change, and refusals on record."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.dependencies.models import Dependant

from carecircle.access.bearer import Standing
from carecircle.access.decision import AccessDecision
from carecircle.access.service import AnyId, Circumstances
from carecircle.actor import acting_as
from carecircle.api.caller import Caller, ended, permissions_of, why_not
from carecircle.api.idempotency import Once
from carecircle.api.live import Live
from carecircle.audit.refusal import is_refusal, record_refusal
from carecircle.bootstrap import CareCircle
from carecircle.database.answers_kept import Told
from carecircle.database.session import instant, transaction
from carecircle.directory.permissions import Permission
from carecircle.errors import CareCircleError, InvalidRequest, PermissionRequired, Unauthenticated

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

LACKING: Mapping[Permission, str] = MappingProxyType({
    "ask": "This sign-in or key may not ask.",
    "ask-for-others": "This sign-in or key may not ask about other people.",
    "read": "This needs a sign-in or key that may read.",
    "audit": "This needs a sign-in or key that may audit.",
    "privacy": "This needs a sign-in or key of the privacy office.",
    "administer": "This needs a sign-in or key that may administer.",
})  # fmt: skip
"""What somebody is told who lacks a permission; without a sentence here, what the error itself says."""


@dataclass(frozen=True, slots=True)
class Door:
    """The running carecircle, who follows it live, whose request this is, and what that may: read when the request came."""

    circle: CareCircle
    live: Live
    caller: Caller
    once: Once | None = None
    standing: Standing | None = None

    @property
    def may(self) -> frozenset[str]:
        """What the caller may in this organization."""
        return permissions_of(self.caller, self.standing)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """One transaction of the caller's organization, in which the caller acts."""
        with self._acting():
            if self.once is not None and self.once.db is not None:
                yield self.once.db  # what this request changed is not committed yet
                return
            async with self._begun() as db:
                if self.once is not None:
                    await self.once.look(db)
                yield db

    @asynccontextmanager
    async def change(self, *, elsewhere: bool = False) -> AsyncIterator[AsyncSession]:
        """The same for a change: when it is refused, that is recorded too, in a transaction of its own.

        It is committed where the block ends; with an Idempotency-Key, once the answer is stored in it. `elsewhere`: what is
        changed was committed by the block itself, in transactions of its own.
        """
        begun = self._begun() if self.once is None else self.once.holding(self._begun)
        try:
            with self._acting():
                async with begun as db:
                    yield db
                    if not elsewhere:
                        await self._still_may()
        except CareCircleError as error:
            if is_refusal(error):
                await self._record(error)
            raise

    async def settle(self, told: Told) -> None:
        """Store the answer to a request with an Idempotency-Key and commit its change. Raises what a commit may."""
        if self.once is not None:
            try:
                await self.once.keep(told)
            except CareCircleError as error:
                if is_refusal(error):
                    await self._record(error)
                raise

    @asynccontextmanager
    async def _begun(self) -> AsyncIterator[AsyncSession]:
        async with transaction(self.circle.engine, self.caller.organization_id) as db:
            # The gate looked at this host's clock, which may be wrong.
            if (await instant(db)).timestamp() >= self.caller.expires_at:
                raise Unauthenticated("This token has expired; get a new one.")
            yield db

    def _acting(self) -> AbstractContextManager[None]:
        return acting_as(organization=self.caller.organization_id, actor=self.caller.actor)

    async def holds(self, *permissions: Permission) -> bool:
        """Whether what the request rests on lets in still, and may this still, for one that goes on long. Raises
        AccessUnavailable."""
        bearer = self.caller.bearer
        if bearer is None:
            return True
        standing = await self.circle.access.standing(self.caller.organization_id, bearer)
        return standing.live and permissions_of(self.caller, standing).issuperset(permissions)

    async def _still_may(self) -> None:
        """Before a change is committed: a caller who took their time, or waited for others, may have lost it meanwhile."""
        bearer = self.caller.bearer
        if bearer is None:
            return
        standing = await self.circle.access.standing(self.caller.organization_id, bearer)
        if not standing.live:
            raise ended(self.caller)
        if not permissions_of(self.caller, standing).issuperset(self.may):
            raise PermissionRequired(
                "What this sign-in or key may was changed meanwhile; nothing was done. Send it again."
            )

    async def require(self, permission: Permission) -> None:
        """Raises PermissionRequired, and leaves an entry of it, unless the caller may."""
        if permission not in self.may:
            raise await self.refused(PermissionRequired(LACKING.get(permission)))

    async def require_change(self) -> None:
        """The same for changing."""
        await self.require("change")

    async def require_read(self, provider: AnyId | None) -> None:
        """The same for reading what is about one provider: who that is reads it without being allowed to read the rest."""
        if provider is None or not await self._own(provider):
            await self.require("read")

    async def question(self, provider: AnyId) -> Circumstances:
        """What Access is told beside a question about this provider: who asks, and what that rests on.

        Hand the decision to `answered`. A listing does not read that again: `require_asking` first.
        """
        permission = "ask" if await self._own(provider) else "ask-for-others"
        caller = self.caller
        return {
            "organization": caller.organization_id, "actor": caller.actor, "bearer": caller.bearer,
            "permission": permission,
        }  # fmt: skip

    async def answered(self, decision: AccessDecision) -> AccessDecision:
        """The decision. Raises PermissionRequired or Unauthenticated where the statement did not admit the caller."""
        if decision.code == "not-admitted":
            raise await why_not(self.circle.access, self.caller)
        return decision

    async def require_asking(self, action: str, provider: AnyId | None = None) -> None:
        """Raises PermissionRequired, and leaves an entry of it, unless the caller may ask about this action, and about this
        provider; without one, about everybody."""
        own = provider is not None and await self._own(provider)
        await self.require("ask" if own else "ask-for-others")
        actions = None if self.standing is None else self.standing.actions
        if actions is not None and action not in actions:
            raise await self.refused(PermissionRequired("This API key may not ask about this action."))

    async def _own(self, provider: AnyId) -> bool:
        """Whether the caller is this provider."""
        own = self.caller.provider_id
        return (
            own is not None and await self.circle.access.resolve_provider(self.caller.organization_id, provider) == own
        )

    async def refused(self, error: CareCircleError) -> CareCircleError:
        """The same error, once an entry of it is left."""
        await self._record(error)
        return error

    async def _record(self, error: CareCircleError) -> None:
        known = {key: error.facts.get(key) for key in ("patient_id", "provider_id")}
        await record_refusal(self.circle.engine, self.caller.organization_id, self.caller.actor, error, **known)


async def asking(request: Request) -> Door:
    """For routes that every believed token may use. A query parameter nobody reads is refused: it would be misspelt, or
    tell of a patient in an address."""
    door: Door = request.scope["carecircle.door"]
    known, compares = _taken(request.scope["route"].dependant)
    if not known.issuperset(request.query_params):
        told = f"known are {', '.join(sorted(known))}" if known else "this route takes none"
        raise InvalidRequest(f"There is a query parameter that this route does not know; {told}.")
    if not compares and "if-match" in request.headers:
        raise InvalidRequest("This route compares no versions, so If-Match would protect nothing here; leave it out.")
    return door


def _taken(dependant: Dependant) -> tuple[set[str], bool]:
    """The query parameters that a route takes, by itself or through what it depends on; whether it takes If-Match."""
    known = {parameter.alias for parameter in dependant.query_params}
    compares = any(parameter.alias == "if-match" for parameter in dependant.header_params)
    for more in map(_taken, dependant.dependencies):
        known |= more[0]
        compares |= more[1]
    return known, compares


Asking = Annotated[Door, Depends(asking)]


def _needing(permission: Permission) -> Callable[[Door], Awaitable[Door]]:
    async def needing(door: Asking) -> Door:
        await door.require(permission)
        return door

    return needing


Reading = Annotated[Door, Depends(_needing("read"))]
"""For routes that tell of facts and list them."""
Changing = Annotated[Door, Depends(_needing("change"))]
"""For routes that change something, or tell what only those may know who keep it."""
Auditing = Annotated[Door, Depends(_needing("audit"))]
"""For routes that tell of the audit trail."""
Privacy = Annotated[Door, Depends(_needing("privacy"))]
"""For holds, and what is told about patients to themselves or others."""
Administering = Annotated[Door, Depends(_needing("administer"))]
"""For accounts, roles, API keys, sign-ins, the policy and data keys."""


def routes(tag: str) -> APIRouter:
    """An empty router under /v1, whose operations are called as their functions are."""
    return APIRouter(prefix="/v1", tags=[tag], generate_unique_id_function=lambda route: route.name.replace("_", "-"))
