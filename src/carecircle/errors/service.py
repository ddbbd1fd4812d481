"""Errors of the service: accounts and keys, requests that were repeated, and a server that is full."""

from __future__ import annotations

from carecircle.errors import AccessUnavailable, Conflict, InvalidRequest, NotFound, Refused, StaleVersion


class IdempotencyKeyReused(InvalidRequest):
    """This Idempotency-Key was sent before with another request; a new request needs a new key."""

    code = "idempotency-key-reused"


class IdempotencyKeyInUse(Conflict):
    """The first request with this Idempotency-Key is still being worked on; repeat this one in a moment."""

    code = "idempotency-key-in-use"


class TooBusy(AccessUnavailable):
    """More is asked than can be answered in time, so this was not decided; repeat it after the seconds of Retry-After."""

    code = "too-busy"


class AccountNotFound(NotFound):
    """There is no such account in this organization, now or ahead."""

    code = "account-not-found"


class AccountTaken(Conflict):
    """This issuer and subject have an account in this organization at that time."""

    code = "account-taken"


class RoleAlreadyHeld(Conflict):
    """This account holds that role at that time already."""

    code = "role-already-held"


class ApiKeyNotFound(NotFound):
    """There is no such API key in this organization, now or ahead."""

    code = "api-key-not-found"


class SignInNotFound(NotFound):
    """There is no such sign-in in this organization, or it was ended already."""

    code = "sign-in-not-found"


class VisitNotFound(NotFound):
    """There is no such visit, or it has ended."""

    code = "visit-not-found"


class LastAdministrator(Refused):
    """Nobody would be left who may administer this organization; give the role to somebody else first."""

    code = "last-administrator"


class InvalidCursor(InvalidRequest):
    """This is not a cursor of this list; send the `next` of its page before, or leave `after` out for the first page."""

    code = "invalid-cursor"


class PreconditionFailed(StaleVersion):
    """This is no longer the version that If-Match names; read it again, and repeat with its ETag."""

    code = "precondition-failed"


class OwnAccount(Refused):
    """Nobody gives themselves a role, or links themselves with a provider; another administrator has to."""

    code = "own-account"


class AlreadyVisiting(Conflict):
    """This super admin is in that organization already; end that visit first."""

    code = "already-visiting"


class HeadTooLarge(InvalidRequest):
    """The request's line and headers are larger than the server takes; send fewer or shorter headers."""

    code = "head-too-large"


class VisitRequired(Refused):
    """You are not visiting that organization; a super admin opens a visit there first: carecircle visit open."""

    code = "visit-required"
