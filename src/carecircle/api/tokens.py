"""Tokens of the installation's own (HS256 JWTs): minting, and believing one. Only the signature check is remembered."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from uuid import UUID

from joserfc import jwt
from joserfc.errors import ExpiredTokenError, JoseError
from joserfc.jwk import OctKey

from carecircle.access.decision import Bearer
from carecircle.actor import Actor
from carecircle.api.caller import ASK, Caller, provider_of, sign_in_id, unbelieved
from carecircle.database.crypto import Keyring
from carecircle.directory.permissions import Permission as Permission
from carecircle.errors import CareCircleError, Unauthenticated
from carecircle.identifiers import OrganizationId, new_id, parse_id, to_text

ALGORITHM = "HS256"
ISSUER = "carecircle"
AUDIENCE = "carecircle-api"
_REMEMBERED = 4096


def mint(
    keyring: Keyring,
    *,
    organization_id: UUID,
    actor: Actor,
    hours: float = 12,
    may: Iterable[Permission] = ("ask",),
    signed_in_at: datetime | None = None,
    token_id: UUID | None = None,
) -> str:
    """A token for one organization and one actor, good for `hours` from now. Every one may ask and read; `may` adds to that.

    `signed_in_at` is an aware instant, kept to the second as OpenID Connect's claim `auth_time`.
    """
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": actor.name,
        "may": sorted(ASK.union(may)),
        "org": to_text(organization_id),
        "iat": now,
        "exp": now + int(hours * 3600),
        "jti": to_text(token_id or new_id()),
    }
    if signed_in_at is not None:
        claims["auth_time"] = int(signed_in_at.timestamp())
    return jwt.encode({"alg": ALGORITHM}, claims, OctKey.import_key(keyring.token_key()))


class Gate:
    """Believes tokens. The end of a token is looked at every time, its signature once."""

    def __init__(self, keyring: Keyring) -> None:
        self._key = OctKey.import_key(keyring.token_key())
        self._believed: dict[bytes, Caller] = {}
        self._registry, self._but_the_end = (
            jwt.JWTClaimsRegistry(
                iss={"essential": True, "value": ISSUER},
                aud={"essential": True, "value": AUDIENCE},
                sub={"essential": True},
                org={"essential": True},
                exp={"essential": end},
            )
            for end in (True, False)
        )

    def known(self, authorization: bytes) -> Caller | None:
        """Who sent this Authorization header, where it was believed before and has not ended."""
        caller = self._believed.get(authorization[7:])
        return None if caller is None or caller.expires_at <= time.time() else caller

    def admit(self, authorization: bytes | None) -> Caller:
        """Who sent this Authorization header. Raises Unauthenticated."""
        if authorization is None or authorization[:7].lower() != b"bearer ":
            raise Unauthenticated("Send a token: Authorization: Bearer …; carecircle token makes one for development.")
        token = authorization[7:]
        caller = self._believed.get(token)
        if caller is None:
            caller = self._read(token)
            if len(self._believed) >= _REMEMBERED:
                self._believed.clear()
            self._believed[token] = caller
        if caller.expires_at <= time.time():
            self._believed.pop(token, None)
            raise Unauthenticated("This token has expired; get a new one.", caller=caller)
        return caller

    def _read(self, token: bytes) -> Caller:
        try:
            claims = jwt.decode(token, self._key, algorithms=[ALGORITHM]).claims
            try:
                self._registry.validate(claims)
            except ExpiredTokenError:  # `admit` refuses it, and must know whose it was: so all else must be right
                self._but_the_end.validate({name: said for name, said in claims.items() if name != "exp"})
            organization = OrganizationId(parse_id(claims["org"]))
            told_apart = _told_apart(claims.get("jti"), token)
            actor = Actor(str(claims["sub"]))
            return Caller(
                organization,
                actor,
                float(claims["exp"]),
                _permitted(claims.get("may")),
                _signed_in(claims.get("auth_time")),
                told_apart,
                Bearer(organization, sign_in_id=sign_in_id(organization, ISSUER, told_apart)),
                provider_of(actor.name),
            )
        except (JoseError, CareCircleError, ValueError, TypeError, OverflowError, OSError):
            raise unbelieved() from None


def _told_apart(claim: object, token: bytes) -> str:
    """The token's id, or, where it has none of ours, a digest of it."""
    with suppress(CareCircleError):
        if isinstance(claim, str):
            return to_text(parse_id(claim))
    return hashlib.sha256(token).hexdigest()[:32]


def _permitted(claim: object) -> frozenset[str]:
    """What a token's claim `may` permits; a token without one may ask. Raises TypeError for anything but a list of words."""
    if claim is None:
        return ASK
    if not isinstance(claim, list) or not all(isinstance(one, str) for one in claim):
        raise TypeError
    return ASK.union(claim)


def _signed_in(claim: object) -> datetime | None:
    """The instant of a token's claim `auth_time`. Raises TypeError, ValueError, OverflowError or OSError for anything but
    seconds since 1970 that have a date."""
    if claim is None:
        return None
    if isinstance(claim, bool) or not isinstance(claim, int | float):
        raise TypeError
    return datetime.fromtimestamp(claim, UTC)
