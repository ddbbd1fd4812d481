"""Tokens of the installation's own (HS256 JWTs): minting, and believing one. Only the signature check is remembered."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal
from uuid import UUID

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from carecircle.actor import Actor
from carecircle.database.crypto import Keyring
from carecircle.errors import CareCircleError, Unauthenticated
from carecircle.identifiers import OrganizationId, new_id, parse_id, to_text

ALGORITHM = "HS256"
ISSUER = "carecircle"
AUDIENCE = "carecircle-api"
_REMEMBERED = 4096

Permission = Literal["ask", "change"]
ASK: frozenset[Permission] = frozenset({"ask"})


@dataclass(frozen=True, slots=True)
class Caller:
    """Who holds a believed token: the organization it is for, the actor, its end in Unix seconds, and what it permits.

    Everybody may ask; what a token permits beyond that, `change`, is named in it. `signed_in_at` is when the person behind
    it last signed in, in UTC; None where the token does not say.
    """

    organization_id: OrganizationId
    actor: Actor
    expires_at: float
    may: frozenset[str] = field(default=ASK)
    signed_in_at: datetime | None = None


def mint(
    keyring: Keyring,
    *,
    organization_id: UUID,
    actor: Actor,
    hours: float = 12,
    may: Iterable[Permission] = ASK,
    signed_in_at: datetime | None = None,
) -> str:
    """A token for one organization and one actor, good for `hours` from now; one that may only ask, by default.

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
        "jti": to_text(new_id()),
    }
    if signed_in_at is not None:
        claims["auth_time"] = int(signed_in_at.timestamp())
    return jwt.encode({"alg": ALGORITHM}, claims, OctKey.import_key(keyring.token_key()))


class Gate:
    """Believes tokens. The end of a token is looked at every time, its signature once."""

    def __init__(self, keyring: Keyring) -> None:
        self._key = OctKey.import_key(keyring.token_key())
        self._believed: dict[bytes, Caller] = {}
        self._registry = jwt.JWTClaimsRegistry(
            iss={"essential": True, "value": ISSUER},
            aud={"essential": True, "value": AUDIENCE},
            sub={"essential": True},
            org={"essential": True},
            exp={"essential": True},
        )

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
            raise Unauthenticated("This token has expired; get a new one.")
        return caller

    def _read(self, token: bytes) -> Caller:
        try:
            claims = jwt.decode(token, self._key, algorithms=[ALGORITHM]).claims
            self._registry.validate(claims)
            return Caller(
                OrganizationId(parse_id(claims["org"])),
                Actor(str(claims["sub"])),
                float(claims["exp"]),
                _permitted(claims.get("may")),
                _signed_in(claims.get("auth_time")),
            )
        except (JoseError, CareCircleError, ValueError, TypeError, OverflowError, OSError):
            raise Unauthenticated("This token cannot be believed: it is not one of this installation's.") from None


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
