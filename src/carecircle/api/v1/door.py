"""What every /v1 route works with: one tenant's transaction, who acts, whether they may change, and refusals on record."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Request

from carecircle.actor import acting_as
from carecircle.api.live import Live
from carecircle.api.tokens import Caller
from carecircle.audit.refusal import is_refusal, record_refusal
from carecircle.bootstrap import CareCircle
from carecircle.database.session import instant, transaction
from carecircle.errors import CareCircleError, InvalidRequest, PermissionRequired, Unauthenticated

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession


@dataclass(frozen=True, slots=True)
class Door:
    """The running carecircle, who follows it live, and whose request this is."""

    circle: CareCircle
    live: Live
    caller: Caller

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """One transaction of the caller's organization, in which the caller acts."""
        organization, actor = self.caller.organization_id, self.caller.actor
        with acting_as(organization=organization, actor=actor):
            async with transaction(self.circle.engine, organization) as db:
                # The gate looked at this host's clock, which may be wrong.
                if (await instant(db)).timestamp() >= self.caller.expires_at:
                    raise Unauthenticated("This token has expired; get a new one.")
                yield db

    @asynccontextmanager
    async def change(self) -> AsyncIterator[AsyncSession]:
        """The same for a change: when it is refused, that is recorded too, in a transaction of its own."""
        try:
            async with self.read() as db:
                yield db
        except CareCircleError as error:
            if is_refusal(error):
                await self._record(error)
            raise

    async def require_change(self) -> None:
        """Raises PermissionRequired, and leaves an entry of it, unless the caller may change."""
        if "change" not in self.caller.may:
            raise await self.refused(PermissionRequired())

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
    known = {parameter.alias for parameter in request.scope["route"].dependant.query_params}
    if not known.issuperset(request.query_params):
        told = f"known are {', '.join(sorted(known))}" if known else "this route takes none"
        raise InvalidRequest(f"There is a query parameter that this route does not know; {told}.")
    return door


Asking = Annotated[Door, Depends(asking)]


async def changing(door: Asking) -> Door:
    """For routes that change something, or tell what only those may know who keep it."""
    await door.require_change()
    return door


Changing = Annotated[Door, Depends(changing)]


def routes(tag: str) -> APIRouter:
    """An empty router under /v1, whose operations are called as their functions are."""
    return APIRouter(prefix="/v1", tags=[tag], generate_unique_id_function=lambda route: route.name.replace("_", "-"))
