"""Tokens of identity providers (JWTs): which are believed, and what they say. No database here, and no answer to anybody."""

from __future__ import annotations

import binascii
import json
import time
from base64 import urlsafe_b64decode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from joserfc.errors import JoseError
from joserfc.jws import JWSRegistry

from carecircle.api.jwks import IssuerKeys
from carecircle.api.oidc_settings import IssuerSettings

LARGEST = 8192
"""Bytes of a token."""
LEEWAY = 60
"""Seconds by which the issuer's clock may be ahead of ours."""
_LONGEST = 255
_NEVER = 32503680000  # the year 3000
_TYPES = {"any": (None, "jwt", "at+jwt", "application/at+jwt"), "at+jwt": ("at+jwt", "application/at+jwt")}


class UnbelievableError(Exception):
    """This token is not believed. The message is for whoever debugs an installation, and has nothing of the token."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a believed token says: who its subject is, of which session, until when (seconds since 1970), and for whom.

    `session` is None where neither the session nor the token has an id; `lasting` says that it outlives this token.
    """

    by: IssuerSettings
    subject: str
    organization: str
    expires_at: float
    session: str | None
    lasting: bool
    signed_in_at: datetime | None
    fhir_user: str | None
    provider: str | None


class Issuers:
    """All identity providers of an installation, each with its keys."""

    def __init__(self, settings: Sequence[IssuerSettings]) -> None:
        self._of: dict[str, list[tuple[IssuerSettings, IssuerKeys]]] = {}
        keys: dict[tuple[str, str | None], IssuerKeys] = {}
        for one in settings:
            place = one.issuer, one.jwks_url
            known = keys.setdefault(place, IssuerKeys(*place))
            self._of.setdefault(one.issuer, []).append((one, known))

    async def close(self) -> None:
        for known in self._of.values():
            for _, keys in known:
                await keys.close()

    async def read(self, token: bytes) -> Said:
        """What this token says. Raises UnbelievableError; it may wait for the issuer's keys."""
        if len(token) > LARGEST:
            raise UnbelievableError("it is too long")
        header, claims, signed, signature = _parts(token)
        known = self._of.get(claims["iss"], ()) if isinstance(claims.get("iss"), str) else ()
        audiences = claims.get("aud")
        if isinstance(audiences, str):
            audiences = [audiences]
        if not isinstance(audiences, list) or not all(isinstance(one, str) for one in audiences):
            raise UnbelievableError("it names no audience")
        meant = [one for one in known if one[0].audience in audiences]
        if len(meant) != 1:
            raise UnbelievableError("its issuer and audience are none of those that are known")
        by, keys = meant[0]
        algorithm = _algorithm(header, by)
        kid = header.get("kid")
        if kid is not None and not (isinstance(kid, str) and kid):
            raise UnbelievableError("its key id is no text")
        said = _said(claims, by)  # before its key is looked for: what has ended makes nobody fetch anything
        key = await keys.key(algorithm, kid)
        if key is None:
            raise UnbelievableError("no key of its issuer fits")
        try:
            right = JWSRegistry.algorithms[algorithm].verify(signed, signature, key)
        except (JoseError, ValueError, TypeError):
            right = False
        if not right:
            raise UnbelievableError("its signature is wrong")
        return said


def _parts(token: bytes) -> tuple[dict[str, Any], dict[str, Any], bytes, bytes]:
    """Header, claims, what is signed, and the signature."""
    parts = token.split(b".")
    if len(parts) != 3:
        raise UnbelievableError("it is no signed JWT")
    header, claims, signature = map(_decoded, parts)
    return _object(header), _object(claims), token[: token.rindex(b".")], signature


def _decoded(part: bytes) -> bytes:
    try:
        decoded = urlsafe_b64decode(part + b"=" * (-len(part) % 4))
    except (binascii.Error, ValueError):
        raise UnbelievableError("it is no base64url") from None
    # One way to write it only: what differs in bits that say nothing would be another text for the same token.
    if binascii.b2a_base64(decoded, newline=False).rstrip(b"=").translate(_TO_URL) != part:
        raise UnbelievableError("it is no base64url")
    return decoded


_TO_URL = bytes.maketrans(b"+/", b"-_")


def _object(text: bytes) -> dict[str, Any]:
    try:
        said = json.loads(text.decode("utf-8"), object_pairs_hook=_once_each, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise UnbelievableError("it is no JSON that can be believed") from None
    if not isinstance(said, dict):
        raise UnbelievableError("it is no JSON object")
    return said


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    said = dict(pairs)
    if len(said) < len(pairs):
        raise ValueError("said twice")
    return said


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def _algorithm(header: dict[str, Any], by: IssuerSettings) -> str:
    """The algorithm, of those that were configured: never `none`, never one with a shared secret."""
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in by.algorithms:
        raise UnbelievableError("its algorithm is not one that is configured")
    if "crit" in header or "b64" in header:
        raise UnbelievableError("it needs an extension that is not known here")
    kind = header.get("typ")
    if (kind.lower() if isinstance(kind, str) else kind) not in _TYPES[by.typ]:
        raise UnbelievableError("its type is not one that is taken")
    return algorithm


def _said(claims: dict[str, Any], by: IssuerSettings) -> Said:
    now = time.time()
    expires_at = _instant(claims, "exp")
    if expires_at is None or expires_at <= now:
        raise UnbelievableError("it has expired, or never does")
    for name in ("nbf", "iat", "auth_time"):
        begins = _instant(claims, name)
        if begins is not None and begins > now + LEEWAY:
            raise UnbelievableError(f"its {name} is ahead")
    subject = _text(claims, "sub")
    organization = by.organization or _text(claims, by.organization_claim or "")
    if subject is None or organization is None:
        raise UnbelievableError("its subject or organization is missing")
    lasting, token = _text(claims, by.session_claim), _text(claims, "jti")
    signed_in = _instant(claims, "auth_time")
    return Said(
        by, subject, organization, expires_at,
        session=lasting or token,
        lasting=lasting is not None,
        signed_in_at=None if signed_in is None else datetime.fromtimestamp(signed_in, UTC),
        fhir_user=None if by.fhir_user == "ignore" else _text(claims, "fhirUser"),
        provider=None if by.provider_claim is None else (_text(claims, by.provider_claim) or ""),
    )  # fmt: skip


def _instant(claims: dict[str, Any], name: str) -> float | None:
    """Seconds since 1970 that have a date."""
    said = claims.get(name)
    if said is None:
        return None
    # Compared as it is: an int of hundreds of digits is no float, and what is not a number is in no range.
    if isinstance(said, bool) or not isinstance(said, int | float) or not 0 <= said < _NEVER:
        raise UnbelievableError(f"its {name} is no instant")
    return float(said)


def _text(claims: dict[str, Any], name: str) -> str | None:
    said = claims.get(name)
    if said is None:
        return None
    if not isinstance(said, str) or not said or len(said) > _LONGEST or not said.isprintable():
        raise UnbelievableError(f"its {name} is no short text")
    return said
