"""Who sent a request, as far as a token says: only the signature check is remembered, whether it holds is asked each time."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from carecircle.access.bearer import Standing
from carecircle.access.decision import Bearer
from carecircle.access.service import Access
from carecircle.actor import Actor
from carecircle.directory.permissions import PERMISSIONS, Permission
from carecircle.errors import CareCircleError, InvalidIdentifier, PermissionRequired, Unauthenticated
from carecircle.identifiers import OrganizationId, ProviderId, parse_id

ASK: frozenset[Permission] = frozenset({"ask"})
# What a token of the installation's own permits that names `ask`, as all do; beyond that, what it names.
_OWN = frozenset({"ask", "ask-for-others", "read"})
_CLAIMED = frozenset(PERMISSIONS) - {"all-organizations"}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who holds a believed token: the organization it is for, the actor, its end in Unix seconds, and what it permits.

    Everybody may ask; what a token permits beyond that, `change` or `audit`, is named in it. `signed_in_at` is when the
    person behind it last signed in, in UTC; None where the token does not say. `token` tells this token from others and
    lets nobody in. `bearer` is what must hold in the database at each request; `provider_id` the person, where it is one.
    `lasts` is how many seconds the session behind the token may go on with other tokens; None where it ends with this one.
    """

    organization_id: OrganizationId
    actor: Actor
    expires_at: float
    may: frozenset[str] = field(default=ASK)
    signed_in_at: datetime | None = None
    token: str = ""
    bearer: Bearer | None = None
    provider_id: ProviderId | None = None
    lasts: float | None = None

    def at(self, address: str | None) -> Caller:
        """The same caller, whose actor has this network address."""
        return replace(self, actor=replace(self.actor, address=address))


class Refusal(NamedTuple):
    """What goes on record of somebody who was not let in."""

    organization_id: OrganizationId
    actor: Actor
    code: str


def unbelieved(**facts: object) -> Unauthenticated:
    """What everybody is told whose token or key cannot be believed, whatever is wrong with it."""
    return Unauthenticated("This token or key cannot be believed here.", **facts)


def ended(caller: Caller) -> Unauthenticated:
    """What somebody is told whose token or key is right, and does not let in any more."""
    return Unauthenticated("This sign-in, key or account has ended; sign in again.", ended=caller)


def sign_in_id(organization_id: UUID, issuer: str, session: str) -> UUID:
    """The id of a sign-in: the same for every token of one session of one account, another in every organization."""
    return UUID(bytes=hashlib.sha256("\0".join((str(organization_id), issuer, session)).encode()).digest()[:16])


def provider_of(actor: str) -> ProviderId | None:
    """The provider whom an actor `provider:ID` is; None for every other actor."""
    kind, _, own = actor.partition(":")
    try:
        return ProviderId(parse_id(own)) if kind == "provider" else None
    except InvalidIdentifier:
        return None


def permissions_of(caller: Caller, standing: Standing | None) -> frozenset[str]:
    """What a caller may: by the claims of a token of our own, or by what key, roles or visit permit now."""
    bearer = caller.bearer
    if bearer is None or (bearer.key_id is None and bearer.account_id is None):
        return _OWN | (caller.may & _CLAIMED)
    return frozenset() if standing is None or not standing.live else standing.may


async def why_not(access: Access, caller: Caller) -> CareCircleError:
    """Why the statement did not admit this caller: what they rest on has ended, or it does not permit asking."""
    if caller.bearer is None or (await access.standing(caller.organization_id, caller.bearer)).live:
        return PermissionRequired("This sign-in or key does not permit asking about this person.")
    return ended(caller)
